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
//! Once k are kept, only what exceeds the k-th of them is collected. Where that takes a word among the largest, whatever
//! its coordinate, no bounds are formed: the largest words are collected. Everything else was below t, and if the k-th kept
//! score reaches t, nothing was missed. If it does not, which is rare, the row is read once more with that score as t:
//! a bound below the true k-th score, so that the second time cannot fail.

use super::elementwise::{Base, Perturbed, copy};
use super::few::{FEW, are_few};
use super::level::{self, Kernel, Level};
use super::select::{self, best_of_few, kth_largest};
use super::threshold::{SIFTED, floor, groups, has_word, least_word};
use super::{Blocks, EIGHT, LANES, SCALAR, streaming};
use crate::noise::{Law, Stream};
use crate::states::State;

/// Coordinates a chunk: two arrays of them fit the first-level cache.
const CHUNK: usize = 2048;

/// Coordinates that MAP(θ) looks at before it reads on.
const PART: usize = 1024;

/// Whether most scores need not be computed: rows that are not short, few of many, and room for what that takes.
const fn pays(n: usize, k: usize) -> bool {
    k >= 1 && n > FEW && k <= n / 8 && 2 * (k + chunk(n, k)) + groups(k) <= 3 * n - k
}

/// Coordinates that are read at once, in whole blocks.
const fn chunk(n: usize, k: usize) -> usize {
    let most = if k > CHUNK / 16 { 16 * k } else { CHUNK };
    (if n < most { n } else { most }).next_multiple_of(LANES)
}

/// The k largest of the perturbed scores, equal scores by lower index, at the front of `work` (3·n floats, or the 2·n that
/// another state has left of them), and the rest of it. At least k coordinates are not masked.
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
pub(crate) fn choose<'w>(
    scores: &Perturbed<'_>,
    k: usize,
    stream: &mut Stream,
    work: &'w mut [f32],
) -> (State<'w>, &'w mut [f32]) {
    if SCALAR {
        streaming::choose(scores, k, stream, work);
        // Inlined, so that the caller knows which kind of state it is.
        let (ones, rest) = work.split_at_mut_checked(k).unwrap_or_default();
        return (State::Ones(ones), rest);
    }
    let n = scores.theta.len();
    // MAP(θ). With noise, few scores do not come here one sample after another.
    if are_few(n, k) && matches!((scores.law, scores.base), (Law::None, Base::Theta)) {
        return (State::Bits(select::bits(scores.theta, k)), work);
    }
    if pays(n, k) {
        level::run(Choose { scores, k, stream, work: &mut *work });
        let (ones, rest) = work.split_at_mut_checked(k).unwrap_or_default();
        return (State::Ones(ones), rest);
    }
    let (z, rest) = work.split_at_mut_checked(n).unwrap_or_default();
    let all = rest.get_mut(..n).unwrap_or_default();
    scores.fill(stream, all);
    select::map(all, k, z);
    (State::Dense(z), rest)
}

/// MAP(θ) of a row that was not looked at before: the positions of the k largest θ, ascending, as the bits of floats at
/// the front of `work`, in one pass. False, and nothing, where that does not pay or the row is not good: NaN, +inf, fewer
/// than k coordinates that are not masked.
pub(crate) fn largest(theta: &[f32], k: usize, work: &mut [f32]) -> bool {
    if SCALAR {
        return streaming::largest(theta, k, work);
    }
    pays(theta.len(), k) && level::run(Largest { theta, k, work })
}

struct Largest<'a> {
    theta: &'a [f32],
    k: usize,
    work: &'a mut [f32],
}

impl Kernel for Largest<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<L: Level>(self) -> bool {
        let Largest { theta, k, work } = self;
        let scores = Perturbed { theta, base: Base::Theta, law: Law::None, tau: 0.0 };
        let mut best = Attempt::new(&scores, k, f32::MIN, work);
        let mut from = 0;
        for part in theta.chunks(PART.max(16 * k)) {
            // Mostly none is larger than the k-th of those before.
            if !all_at_most::<L>(part, best.bar.next_down()) {
                let floor = floor::<L>(part, k, best.bar, best.groups).unwrap_or(best.bar);
                if !best.take::<L>(part, from, if floor > best.bar { floor } else { best.bar }) {
                    return false;
                }
            }
            from += part.len();
        }
        best.len == k
    }
}

/// NaN is not.
#[inline(always)]
fn all_at_most<L: Level>(values: &[f32], t: f32) -> bool {
    let mut short = [f32::NEG_INFINITY; LANES];
    let blocks = Blocks::new(values, &mut short);
    let mut all = L::at_most(blocks.last, t);
    for block in blocks.full {
        all &= L::at_most(block, t);
    }
    all == (1 << LANES) - 1
}

/// The positions of the k largest scores, ascending, as the bits of floats at the front of `work`, where this [`pays`].
struct Choose<'a> {
    scores: &'a Perturbed<'a>,
    k: usize,
    stream: &'a mut Stream,
    work: &'a mut [f32],
}

impl Kernel for Choose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Choose { scores, k, stream, work } = self;
        let (start, mut bar, mut guess) = (stream.clone(), f32::MIN, true);
        // With a floor below the k-th score for certain nothing is guessed, and the second time is the last.
        while let Err(floor) = Attempt::new(scores, k, bar, work).run::<L>(stream, guess) {
            *stream = start.clone();
            (bar, guess) = (floor, false);
        }
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
        let chunk = chunk(scores.theta.len(), k);
        let (positions, rest) = work.split_at_mut_checked(k + chunk).unwrap_or_default();
        let (kept, groups) = rest.split_at_mut_checked(k + chunk).unwrap_or_default();
        Attempt { scores, k, chunk, positions, kept, groups, len: 0, bar }
    }

    /// The k best of the row; if a guess was too high, a floor that is not.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    fn run<L: Level>(mut self, stream: &mut Stream, guess: bool) -> Result<(), f32> {
        let n = self.scores.theta.len();
        let mut from = 0;
        while from < n {
            let to = n.min(from + self.chunk);
            self.read::<L>(from, to, stream, guess)?;
            from = to;
        }
        Ok(())
    }

    #[cfg_attr(target_arch = "x86_64", inline(always))]
    fn read<L: Level>(&mut self, from: usize, to: usize, stream: &mut Stream, guess: bool) -> Result<(), f32> {
        let len = to - from;
        let region = self.len..self.len + len.next_multiple_of(LANES);
        let (Some(bounds), Some(words)) = (self.positions.get_mut(region.clone()), self.kept.get_mut(region)) else {
            return Ok(());
        };
        self.scores.law.fill_words(stream, words);
        let part = self.scores.part(from, to);
        let least_word = if self.len < self.k { None } else { least_word(&part, self.bar) };
        if let Some(least) = least_word {
            let collected = collect_by_word::<L>(bounds, words, len, from, least);
            return if collected == 0 { Ok(()) } else { self.keep::<L>(collected, self.bar) };
        }
        part.bound(words, bounds);
        bounds.get_mut(len..).unwrap_or_default().fill(f32::NEG_INFINITY);
        let Some(floor) = floor::<L>(bounds, self.k, self.bar, self.groups) else { return Ok(()) };
        let guessed = floor - self.scores.tau * self.scores.law.typical_gap();
        let t = if guess && guessed > self.bar { guessed } else { self.bar };
        let collected = collect::<L>(bounds, words, (0, len), from, t, 0);
        self.keep::<L>(collected, t)
    }

    /// Keeps the best of the few θ that are not less than t; false if one is NaN or +inf.
    #[inline(always)]
    fn take<L: Level>(&mut self, theta: &[f32], from: usize, t: f32) -> bool {
        let (full, rest) = theta.as_chunks::<LANES>();
        let mut last = [f32::NEG_INFINITY; LANES];
        copy(rest, &mut last);
        // Once there are k of them, a later one must be larger.
        let (enough, mut passed) = (self.len + self.k, t.next_down());
        let mut good = true;
        for (number, block) in full.iter().enumerate() {
            good &= self.push::<L>(block, from + number * LANES, passed);
            passed = if self.len < enough { passed } else { t };
        }
        good &= self.push::<L>(&last, from + full.len() * LANES, passed);
        if good && self.len >= self.k {
            self.drop_all_but_k::<L>();
        }
        good
    }

    #[inline(always)]
    fn push<L: Level>(&mut self, block: &[f32; LANES], from: usize, passed: f32) -> bool {
        let mut wanted = !L::at_most(block, passed) & ((1 << LANES) - 1);
        let mut good = true;
        while wanted != 0 {
            let lane = wanted.trailing_zeros() as usize;
            wanted &= wanted - 1;
            if let (Some(&theta), Some(position), Some(score)) =
                (block.get(lane), self.positions.get_mut(self.len), self.kept.get_mut(self.len))
            {
                (*position, *score) = (f32::from_bits((from + lane) as u32), theta);
                self.len += 1;
                good &= theta < f32::INFINITY;
            }
        }
        good
    }

    /// Computes the collected scores and keeps the best.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    fn keep<L: Level>(&mut self, collected: usize, t: f32) -> Result<(), f32> {
        let end = self.len + collected;
        // Whole eights of them: there is room for the last.
        let region = self.len..self.len + collected.next_multiple_of(EIGHT);
        let (Some(positions), Some(scores)) = (self.positions.get(region.clone()), self.kept.get_mut(region)) else {
            return Ok(());
        };
        self.scores.law.exact(scores);
        for (positions, epsilon) in positions.as_chunks().0.iter().zip(scores.as_chunks_mut().0) {
            *epsilon = self.scores.eight_at(positions, *epsilon);
        }
        self.len = end;
        let bar = self.bar;
        if self.len < self.k {
            return Ok(());
        }
        let kth = self.drop_all_but_k::<L>();
        if kth < t && bar < t { Err(kth) } else { Ok(()) }
    }

    /// Keeps the k best in their order, and sets the bar; the k-th of them.
    #[inline(always)]
    fn drop_all_but_k<L: Level>(&mut self) -> f32 {
        let end = self.len;
        let kth = if end <= FEW { self.drop_of_few::<L>(end) } else { self.drop_of_many::<L>(end) };
        self.len = self.k;
        // A later coordinate must be larger than the last one kept: among equals the first come first.
        self.bar = kth.next_up();
        kth
    }

    #[inline(always)]
    fn drop_of_few<L: Level>(&mut self, end: usize) -> f32 {
        self.kept.get_mut(end..end.next_multiple_of(EIGHT)).unwrap_or_default().fill(f32::NEG_INFINITY);
        let best = best_of_few::<L>(self.kept, end, self.k);
        let mut bits = best.bits;
        for to in 0..self.k {
            let from = bits.trailing_zeros() as usize;
            bits &= bits.wrapping_sub(1);
            if let (Some(&position), Some(&score)) = (self.positions.get(from), self.kept.get(from))
                && let (Some(to_position), Some(to_score)) = (self.positions.get_mut(to), self.kept.get_mut(to))
            {
                (*to_position, *to_score) = (position, score);
            }
        }
        best.least
    }

    #[cfg_attr(target_arch = "x86_64", inline(always))]
    fn drop_of_many<L: Level>(&mut self, end: usize) -> f32 {
        let (Some(positions), Some(scores)) = (self.positions.get_mut(..end), self.kept.get_mut(..end)) else {
            return self.bar;
        };
        let (kth, reached) = kth_largest::<L>(scores, self.k);
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
        kth
    }
}

/// [`collect`] of the coordinates whose words may be `least` or more; most groups of them have none.
#[inline(always)]
fn collect_by_word<L: Level>(ranks: &mut [f32], words: &mut [f32], len: usize, first: usize, least: u32) -> usize {
    let mut collected = 0;
    for from in (0..len).step_by(SIFTED) {
        if !has_word(words, from, least) {
            continue;
        }
        let to = len.min(from + SIFTED);
        let group = ranks.get_mut(from..to.next_multiple_of(LANES)).unwrap_or_default();
        for (rank, word) in group.iter_mut().zip(words.get(from..).unwrap_or_default()) {
            *rank = rank_of(word.to_bits());
        }
        group.get_mut(to - from..).unwrap_or_default().fill(f32::NEG_INFINITY);
        collected = collect::<L>(ranks, words, (from, to), first, rank_of(least), collected);
    }
    collected
}

/// The order of words by their upper 24 bits, which a float can tell.
#[inline(always)]
fn rank_of(word: u32) -> f32 {
    (word >> 8) as i32 as f32
}

/// Moves the words of the coordinates whose bounds reach t, which is finite, to those collected before at the front, and
/// their positions to the front of `bounds`; how many there are now.
#[inline(always)]
fn collect<L: Level>(
    bounds: &mut [f32],
    words: &mut [f32],
    (from, to): (usize, usize),
    first: usize,
    t: f32,
    mut collected: usize,
) -> usize {
    for at in (from..to).step_by(4 * LANES) {
        let mut reached = 0;
        let blocks = bounds.get(at..).unwrap_or_default().as_chunks::<LANES>().0;
        for (block, shift) in blocks.iter().zip((0..64).step_by(LANES)) {
            reached |= u64::from(L::at_least(block, t)) << shift;
        }
        while reached != 0 {
            let i = at + reached.trailing_zeros() as usize;
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
