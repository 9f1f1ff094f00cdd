//! The k largest of n perturbed scores, without computing most of them.
//!
//! A score is θ_i + τ ε_i, and ε_i costs two logarithms; a bound above ε_i costs a few operations. Rounding is monotone,
//! so the same arithmetic on the bound gives a bound above the score, to the last bit. The row is read in chunks that
//! stay in cache, and for each chunk
//!
//! 1. bounds of all its scores are formed,
//! 2. the largest bound of every group of coordinates is found, and t, the k-th largest of these: at least k bounds
//!    reach it. A little is taken off, for scores fall short of their bounds,
//! 3. the few coordinates whose bounds reach t are collected,
//! 4. their scores are computed, and the k best of them and of those kept from earlier chunks are kept.
//!
//! Once k are kept, only what exceeds the k-th of them is collected. Everything else was below t, and if the k-th kept
//! score reaches t, nothing was missed. If it does not, which is rare, the row is read once more with that score as t:
//! a bound below the true k-th score, so that the second time cannot fail.

use super::LANES;
use super::elementwise::Perturbed;
use super::level::{self, Kernel};
use super::select::{self, kth_largest};
use crate::noise::Stream;
use crate::states::State;

/// Coordinates a chunk: two arrays of them fit the first-level cache.
const CHUNK: usize = 2048;

/// Whether most scores need not be computed: rows that are not short, and few of many.
const fn pays(n: usize, k: usize) -> bool {
    k >= 1 && n >= 8 * LANES && k <= n / 16
}

/// The k largest of the perturbed scores, equal scores by lower index, at the front of `work` (3·n floats, or the 2·n that
/// another state has left of them), and the rest of it. At least k coordinates are not masked.
pub(crate) fn choose<'w>(
    scores: &Perturbed<'_>,
    k: usize,
    stream: &mut Stream,
    work: &'w mut [f32],
) -> (State<'w>, &'w mut [f32]) {
    level::run(Choose { scores, k, stream, work })
}

struct Choose<'a, 'w> {
    scores: &'a Perturbed<'a>,
    k: usize,
    stream: &'a mut Stream,
    work: &'w mut [f32],
}

impl<'w> Kernel for Choose<'_, 'w> {
    type Output = (State<'w>, &'w mut [f32]);

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Choose { scores, k, stream, work } = self;
        let n = scores.theta.len();
        if pays(n, k) {
            top_k(scores, k, stream, work);
            let (ones, rest) = work.split_at_mut_checked(k).unwrap_or_default();
            return (State::Ones(ones), rest);
        }
        let (z, rest) = work.split_at_mut_checked(n).unwrap_or_default();
        let all = rest.get_mut(..n).unwrap_or_default();
        scores.law.fill(stream, all);
        scores.form(all);
        select::top_k(all, k, z);
        (State::Dense(z), rest)
    }
}

/// The positions of the k largest scores, ascending, as the bits of floats at the front of `work`, where this [`pays`].
#[inline(always)]
fn top_k(scores: &Perturbed<'_>, k: usize, stream: &mut Stream, work: &mut [f32]) {
    let start = stream.clone();
    if let Err(floor) = Attempt::new(scores, k, f32::MIN, work).run(stream, true) {
        *stream = start;
        // With a floor below the k-th score for certain nothing is guessed.
        let _ = Attempt::new(scores, k, floor, work).run(stream, false);
    }
}

struct Attempt<'a> {
    scores: &'a Perturbed<'a>,
    k: usize,
    /// Coordinates a chunk.
    chunk: usize,
    /// Kept positions, then those collected from the chunk. While a chunk is read: its bounds.
    positions: &'a mut [f32],
    /// Kept scores, then those collected. While a chunk is read: its words.
    kept: &'a mut [f32],
    groups: &'a mut [f32],
    len: usize,
    /// What a score must reach to be among the k.
    bar: f32,
}

impl<'a> Attempt<'a> {
    #[inline(always)]
    fn new(scores: &'a Perturbed<'a>, k: usize, bar: f32, work: &'a mut [f32]) -> Self {
        let chunk = scores.theta.len().min(CHUNK.max(16 * k).next_multiple_of(LANES));
        let len = k + chunk + LANES;
        let (positions, rest) = work.split_at_mut_checked(len).unwrap_or_default();
        let (kept, groups) = rest.split_at_mut_checked(len).unwrap_or_default();
        Attempt { scores, k, chunk, positions, kept, groups, len: 0, bar }
    }

    /// The k best of the row; if a guess was too high, a floor that is not.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    fn run(mut self, stream: &mut Stream, guess: bool) -> Result<(), f32> {
        let n = self.scores.theta.len();
        let mut from = 0;
        while from < n {
            let to = n.min(from + self.chunk);
            self.read(from, to, stream, guess)?;
            from = to;
        }
        Ok(())
    }

    #[cfg_attr(target_arch = "x86_64", inline(always))]
    fn read(&mut self, from: usize, to: usize, stream: &mut Stream, guess: bool) -> Result<(), f32> {
        // Whole blocks: there is room for the last.
        let len = to - from;
        let region = self.len..self.len + len.next_multiple_of(LANES);
        let (Some(bounds), Some(words)) = (self.positions.get_mut(region.clone()), self.kept.get_mut(region)) else {
            return Ok(());
        };
        self.scores.law.fill_words(stream, words);
        self.scores.law.bounds(words, bounds);
        if let Some((bounds, tail)) = bounds.split_at_mut_checked(len) {
            self.scores.part(from, to).form(bounds);
            tail.fill(f32::NEG_INFINITY);
        }

        // Some eight groups for every one that is wanted, of two blocks at least.
        let blocks = bounds.len() / LANES;
        let span = (blocks / (self.k / 2).max(1)).max(2);
        let groups = maxima(bounds, span, self.groups);
        if groups.iter().all(|&group| group < self.bar) {
            return Ok(());
        }
        let mut t = self.bar;
        if guess && groups.len() > self.k {
            let (reached, _) = kth_largest(groups, self.k, self.k / 2);
            let guessed = reached - self.scores.tau * self.scores.law.slack();
            t = if guessed > t { guessed } else { t };
        }
        let collected = collect(bounds, words, from, t);
        self.keep(collected, t)
    }

    /// Computes the collected scores and keeps the best.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    fn keep(&mut self, collected: usize, t: f32) -> Result<(), f32> {
        let end = self.len + collected;
        // Whole blocks of them: there is room for the last.
        let blocks = collected.next_multiple_of(LANES);
        let (Some(positions), Some(scores)) =
            (self.positions.get(self.len..end), self.kept.get_mut(self.len..self.len + blocks))
        else {
            return Ok(());
        };
        self.scores.law.exact(scores);
        for (score, position) in scores.iter_mut().zip(positions) {
            *score = self.scores.at(position.to_bits() as usize, *score);
        }
        if let Some(tail) = self.kept.get_mut(end..end.next_multiple_of(LANES)) {
            tail.fill(f32::NEG_INFINITY);
        }
        self.len = end;
        if self.len < self.k {
            return Ok(());
        }
        let kth = self.drop_all_but_k(end);
        if kth < t && self.bar < t {
            return Err(kth);
        }
        // A later coordinate must be larger than the last one kept: among equals the first come first.
        self.bar = kth.next_up();
        Ok(())
    }

    /// Keeps the k best in their order; the k-th of them.
    #[inline(always)]
    fn drop_all_but_k(&mut self, end: usize) -> f32 {
        let Some(padded) = self.kept.get(..end.next_multiple_of(LANES)) else { return self.bar };
        let (kth, reached) = kth_largest(padded, self.k, 0);
        let (Some(positions), Some(scores)) = (self.positions.get_mut(..end), self.kept.get_mut(..end)) else {
            return self.bar;
        };
        // Of those that equal the k-th, so many from the front; all, unless there are more than can be kept.
        let mut equals = self.k;
        if reached > self.k {
            equals -= scores.iter().filter(|&&score| score > kth).count();
        }
        // Every score is moved, and the next one over it if it is not kept: no branch to guess.
        let mut to = 0;
        for from in 0..end {
            let (Some(&position), Some(&score)) = (positions.get(from), scores.get(from)) else { break };
            let equal = score == kth && equals > 0;
            equals -= usize::from(equal);
            if let (Some(to_position), Some(to_score)) = (positions.get_mut(to), scores.get_mut(to)) {
                (*to_position, *to_score) = (position, score);
            }
            to += usize::from(score > kth || equal);
        }
        self.len = self.k;
        kth
    }
}

/// The largest bound of each lane over `span` blocks at a time, as far as there is room.
#[inline(always)]
fn maxima<'g>(bounds: &[f32], span: usize, groups: &'g mut [f32]) -> &'g [f32] {
    let mut count = 0;
    for (part, group) in bounds.as_chunks::<LANES>().0.chunks(span).zip(groups.as_chunks_mut::<LANES>().0) {
        let mut largest = [f32::NEG_INFINITY; LANES];
        for block in part {
            for (largest, &bound) in largest.iter_mut().zip(block) {
                *largest = if bound > *largest { bound } else { *largest };
            }
        }
        *group = largest;
        count += LANES;
    }
    groups.get(..count).unwrap_or_default()
}

/// Moves the words of the coordinates whose bounds reach t to the front, and their positions to the front of `bounds`;
/// how many these are.
#[inline(always)]
fn collect(bounds: &mut [f32], words: &mut [f32], first: usize, t: f32) -> usize {
    let mut collected = 0;
    for number in 0..bounds.len() / LANES {
        let Some(block) = bounds.as_chunks::<LANES>().0.get(number) else { break };
        let mut reached = lanes_that_reach(block, t);
        while reached != 0 {
            let i = number * LANES + reached.trailing_zeros() as usize;
            reached &= reached - 1;
            let word = words.get(i).copied().unwrap_or_default();
            if let (Some(to_position), Some(to_word)) = (bounds.get_mut(collected), words.get_mut(collected)) {
                *to_position = f32::from_bits((first + i) as u32);
                *to_word = word;
                collected += 1;
            }
        }
    }
    collected
}

/// Bit l is set where lane l is at least t.
#[inline(always)]
fn lanes_that_reach(block: &[f32; LANES], t: f32) -> u32 {
    let mut bits = [0_u32; LANES];
    for (lane, (bit, &bound)) in bits.iter_mut().zip(block).enumerate() {
        *bit = if bound >= t { 1 << lane } else { 0 };
    }
    bits.iter().fold(0, |all, bit| all | bit)
}
