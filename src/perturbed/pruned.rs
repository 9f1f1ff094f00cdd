//! The k largest of n perturbed scores, without computing most of them.
//!
//! A score is base + τ·ε. ε costs two logarithms, and an upper bound of ε a few operations. Rounding is monotone, so the
//! same arithmetic on the bound of ε gives an upper bound of the score, to the last bit. The row is read in chunks that
//! stay in the cache. In each chunk
//!
//! 1. the upper bounds of all its scores are formed,
//! 2. the largest bound of every group of coordinates is found, and t is the k-th largest of these: at least k bounds
//!    reach it. The typical gap between a score and its bound is subtracted from t,
//! 3. the few coordinates whose bounds reach t are collected,
//! 4. their scores are computed, and the k best of them and of those kept from earlier chunks are kept.
//!
//! Once k scores are kept, only coordinates that may exceed the k-th of them are collected. If only a very large random
//! word can lift a coordinate so far, whichever it is, words are compared and no bounds are formed.
//! All other scores are below t. If the k-th kept score reaches t, nothing was missed. If it does not, which is rare, the
//! row is read once more with that score as t: it is certainly at most the k-th score of the row, so the second reading
//! does not guess and cannot fail.

use super::scores::Perturbed;
use super::threshold::{SIFTED, floor, groups, has_word, least_word};
use crate::arch::{self, Dispatch, EIGHT, Isa, LANES};
use crate::kernel::lanes::{Blocks, copy};
use crate::kernel::select::{BestOfFew, FEW, Threshold, kth_largest};
use crate::kernel::ties::Choice;
use crate::noise::{Lanes, SampleWords};

/// The coordinates in a chunk: two arrays of them fit the first-level cache.
const CHUNK: usize = 2048;

/// The coordinates in a part of θ: MAP(θ) looks at the whole part before it picks from it.
const PART: usize = 1024;

/// True if most scores need not be computed: the row is not short, few of many are chosen, and the workspace has room.
pub(super) const fn pays(n: usize, k: usize) -> bool {
    k >= 1 && n > FEW && k <= n / 8 && 2 * (k + chunk(n, k)) + groups(k) <= 3 * n - k
}

/// The coordinates that are read at once, in whole blocks.
const fn chunk(n: usize, k: usize) -> usize {
    let most = if k > CHUNK / 16 { 16 * k } else { CHUNK };
    (if n < most { n } else { most }).next_multiple_of(LANES)
}

/// The positions of the k largest scores of the next sample, ascending, as the bits of floats at the front of `work`, for
/// sizes for which this [`pays`].
pub(super) fn k_largest(row: &Perturbed<'_>, k: usize, words: SampleWords<'_>, work: &mut [f32]) {
    // The generator is in memory here: in registers from chunk to chunk, it would be moved among them at every step.
    let mut lanes = Lanes::UNUSED;
    let mut read = |bar, guess| arch::run(KLargest { row, k, bar, guess, words, lanes: &mut lanes, work });
    if let Err(kth) = read(f32::MIN, true) {
        let again = read(kth, false);
        debug_assert!(again.is_ok(), "the k-th score of the row is below {kth}");
    }
}

struct KLargest<'a> {
    row: &'a Perturbed<'a>,
    k: usize,
    /// The least that a score must be to be kept.
    bar: f32,
    /// True if a higher bar may be guessed. The error says that a guess was too high and the row must be read again: it is a
    /// number that the k-th score reaches.
    guess: bool,
    words: SampleWords<'a>,
    lanes: &'a mut Lanes,
    work: &'a mut [f32],
}

impl Dispatch for KLargest<'_> {
    type Output = Result<(), f32>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Result<(), f32> {
        let KLargest { row, k, bar, guess, words, lanes, work } = self;
        row.formula.noise.seed(words, lanes);
        let n = row.theta.len();
        let mut best = Best::new(n, k, bar, work);
        let mut from = 0;
        while from < n {
            let to = n.min(from + best.chunk);
            read_chunk(isa, row, &mut best, (from, to), (words, lanes), guess)?;
            from = to;
        }
        Ok(())
    }
}

/// Keeps the best of the coordinates from..to and of those kept before.
#[inline(always)]
fn read_chunk<I: Isa>(
    isa: I,
    row: &Perturbed<'_>,
    best: &mut Best<'_>,
    (from, to): (usize, usize),
    (words, lanes): (SampleWords<'_>, &mut Lanes),
    guess: bool,
) -> Result<(), f32> {
    let (k, bar, full) = (best.k, best.bar, best.len >= best.k);
    let part = row.part(from, to);
    let (mut chunk, groups) = best.room_for_chunk(from, to - from);
    row.formula.noise.next_words(words, lanes, from, chunk.words);
    if full && let Some(least) = least_word(&part, bar) {
        let collected = chunk.collect_by_word(isa, least);
        return if collected == 0 { Ok(()) } else { best.keep(isa, row, collected, bar) };
    }
    chunk.form_bounds(&part);
    let Some(floor) = floor(isa, chunk.bounds, k, bar, groups) else { return Ok(()) };
    let guessed = floor - row.formula.tau * row.formula.noise.typical_gap();
    let t = if guess && guessed > bar { guessed } else { bar };
    let collected = chunk.collect(isa, (0, chunk.len), t, 0);
    best.keep(isa, row, collected, t)
}

/// A chunk of a row while it is searched. The search goes forward and collects at the front: bounds that were looked at
/// are overwritten by the positions of the collected coordinates, as the bits of floats, and words by their words.
struct Chunk<'a> {
    /// The upper bounds of the scores, in whole blocks.
    bounds: &'a mut [f32],
    /// The words of the row, in whole blocks.
    words: &'a mut [f32],
    /// The first coordinate of the chunk, and their number.
    first: usize,
    len: usize,
}

impl Chunk<'_> {
    /// Forms the upper bounds of all scores.
    #[inline(always)]
    fn form_bounds(&mut self, part: &Perturbed<'_>) {
        part.upper_bounds(self.words, self.bounds);
        self.bounds.get_mut(self.len..).unwrap_or_default().fill(f32::NEG_INFINITY);
    }

    /// Collects those of the coordinates from..to whose bounds reach t, which is finite, behind the `collected` ones; the
    /// number that is collected now.
    #[inline(always)]
    fn collect<I: Isa>(&mut self, isa: I, (from, to): (usize, usize), t: f32, mut collected: usize) -> usize {
        for at in (from..to).step_by(4 * LANES) {
            let mut reached = 0;
            let blocks = self.bounds.get(at..).unwrap_or_default().as_chunks::<LANES>().0;
            for (block, shift) in blocks.iter().zip((0..64).step_by(LANES)) {
                reached |= u64::from(isa.at_least(block, t)) << shift;
            }
            while reached != 0 {
                let i = at + reached.trailing_zeros() as usize;
                reached &= reached - 1;
                let word = self.words.get(i).copied().unwrap_or_default();
                if let (Some(to_position), Some(to_word)) =
                    (self.bounds.get_mut(collected), self.words.get_mut(collected))
                {
                    *to_position = f32::from_bits((self.first + i) as u32);
                    *to_word = word;
                    collected += 1;
                }
            }
        }
        collected
    }

    /// Collects the coordinates whose words are at least `least` by their upper 24 bits, which may be a few too many. Most
    /// groups of coordinates have none. The number that is collected.
    #[inline(always)]
    fn collect_by_word<I: Isa>(&mut self, isa: I, least: u32) -> usize {
        let mut collected = 0;
        for from in (0..self.len).step_by(SIFTED) {
            if !has_word(self.words, from, least) {
                continue;
            }
            // In place of bounds, the order of the words: their upper 24 bits, which a float holds exactly.
            let to = self.len.min(from + SIFTED);
            let group = self.bounds.get_mut(from..to.next_multiple_of(LANES)).unwrap_or_default();
            for (order, word) in group.iter_mut().zip(self.words.get(from..).unwrap_or_default()) {
                *order = order_of(word.to_bits());
            }
            group.get_mut(to - from..).unwrap_or_default().fill(f32::NEG_INFINITY);
            collected = self.collect(isa, (from, to), order_of(least), collected);
        }
        collected
    }
}

/// The order of words by their upper 24 bits.
#[inline(always)]
fn order_of(word: u32) -> f32 {
    (word >> 8) as i32 as f32
}

/// The best scores so far, with room for a chunk behind them.
struct Best<'a> {
    k: usize,
    chunk: usize,
    /// The positions of the kept scores, ascending, as the bits of floats.
    positions: &'a mut [f32],
    scores: &'a mut [f32],
    /// The number that is kept.
    len: usize,
    /// The room for the maxima of groups.
    groups: &'a mut [f32],
    /// The least that a score must be to be kept.
    bar: f32,
}

impl<'a> Best<'a> {
    #[inline(always)]
    fn new(n: usize, k: usize, bar: f32, work: &'a mut [f32]) -> Self {
        let chunk = chunk(n, k);
        debug_assert!(work.len() >= 2 * (k + chunk) + groups(k), "no room for {k} scores and {chunk} coordinates");
        let (positions, rest) = work.split_at_mut_checked(k + chunk).unwrap_or_default();
        let (scores, groups) = rest.split_at_mut_checked(k + chunk).unwrap_or_default();
        Best { k, chunk, positions, scores, len: 0, groups, bar }
    }

    /// The room behind the kept scores, as a chunk of `len` coordinates from `first` on, and the room for groups.
    #[inline(always)]
    fn room_for_chunk(&mut self, first: usize, len: usize) -> (Chunk<'_>, &mut [f32]) {
        let room = self.len..self.len + len.next_multiple_of(LANES);
        debug_assert!(room.end <= self.scores.len(), "no room for {len} coordinates behind {}", self.len);
        // An Option of this pair would make the compiler test the pointers for null in every loop over the room.
        let bounds = self.positions.get_mut(room.clone()).unwrap_or_default();
        let words = self.scores.get_mut(room).unwrap_or_default();
        (Chunk { bounds, words, first, len }, self.groups)
    }

    /// Computes the scores of the coordinates that a chunk has collected, and keeps the best. `t` is what their bounds reach.
    #[inline(always)]
    fn keep<I: Isa>(&mut self, isa: I, row: &Perturbed<'_>, collected: usize, t: f32) -> Result<(), f32> {
        let end = self.len + collected;
        // The room is in whole eights.
        let room = self.len..self.len + collected.next_multiple_of(EIGHT);
        let (Some(positions), Some(scores)) = (self.positions.get(room.clone()), self.scores.get_mut(room)) else {
            return Ok(());
        };
        row.formula.noise.replace_words(isa, scores);
        for (positions, scores) in positions.as_chunks().0.iter().zip(scores.as_chunks_mut().0) {
            *scores = row.eight_scores_at(positions, *scores);
        }
        self.len = end;
        let bar = self.bar;
        if self.len < self.k {
            return Ok(());
        }
        let kth = self.drop_all_but_k(isa);
        if kth < t && bar < t { Err(kth) } else { Ok(()) }
    }

    /// Keeps the k best in their order, and raises the bar; the k-th score.
    #[inline(always)]
    fn drop_all_but_k<I: Isa>(&mut self, isa: I) -> f32 {
        let kth = if self.len <= FEW { self.drop_of_few(isa) } else { self.drop_of_many(isa) };
        self.len = self.k;
        // A later coordinate must be larger, because among equals the first come first.
        self.bar = kth.next_up();
        kth
    }

    #[inline(always)]
    fn drop_of_few<I: Isa>(&mut self, isa: I) -> f32 {
        let len = self.len;
        self.scores.get_mut(len..len.next_multiple_of(EIGHT)).unwrap_or_default().fill(f32::NEG_INFINITY);
        let best = isa.apart(BestOfFew { scores: self.scores, count: len, k: self.k });
        let mut set = best.set;
        for to in 0..self.k {
            let from = set.trailing_zeros() as usize;
            set &= set.wrapping_sub(1);
            if let (Some(&position), Some(&score)) = (self.positions.get(from), self.scores.get(from))
                && let (Some(to_position), Some(to_score)) = (self.positions.get_mut(to), self.scores.get_mut(to))
            {
                (*to_position, *to_score) = (position, score);
            }
        }
        best.least
    }

    #[inline(always)]
    fn drop_of_many<I: Isa>(&mut self, isa: I) -> f32 {
        let len = self.len;
        let (Some(positions), Some(scores)) = (self.positions.get_mut(..len), self.scores.get_mut(..len)) else {
            return self.bar;
        };
        let Threshold { t: kth, reached } = kth_largest(isa, scores, self.k);
        // If exactly k reach the threshold, all that equal it are taken.
        let mut equals = self.k;
        if reached > self.k {
            equals -= scores.iter().filter(|&&score| score > kth).count();
        }
        let mut choice = Choice::new(kth, equals);
        // Branchless compaction: move every score, and advance the cursor only if it is kept.
        let mut to = 0;
        for from in 0..len {
            let (Some(&position), Some(&score)) = (positions.get(from), scores.get(from)) else { break };
            if let (Some(to_position), Some(to_score)) = (positions.get_mut(to), scores.get_mut(to)) {
                (*to_position, *to_score) = (position, score);
            }
            to += usize::from(choice.takes(score));
        }
        kth
    }
}

/// MAP(θ) of a row that was not looked at before, for sizes for which this [`pays`]: the positions of the k largest θ,
/// ascending, as the bits of floats at the front of `work`. False if the row is not good; the contents of `work` are then
/// unspecified.
pub(super) fn map_unchecked_row(theta: &[f32], k: usize, work: &mut [f32]) -> bool {
    arch::run(MapUncheckedRow { theta, k, work })
}

struct MapUncheckedRow<'a> {
    theta: &'a [f32],
    k: usize,
    work: &'a mut [f32],
}

impl Dispatch for MapUncheckedRow<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> bool {
        let MapUncheckedRow { theta, k, work } = self;
        let mut best = Best::new(theta.len(), k, f32::MIN, work);
        let mut from = 0;
        for part in theta.chunks(PART.max(16 * k)) {
            // Mostly no θ of the part is larger than the k-th of those before.
            if !all_at_most(isa, part, best.bar.next_down()) {
                let floor = floor(isa, part, k, best.bar, best.groups).unwrap_or(best.bar);
                if !best.pick(isa, part, from, if floor > best.bar { floor } else { best.bar }) {
                    return false;
                }
            }
            from += part.len();
        }
        best.len == k
    }
}

/// True if every value is at most t. A NaN makes it false.
#[inline(always)]
fn all_at_most<I: Isa>(isa: I, values: &[f32], t: f32) -> bool {
    let mut short = [f32::NEG_INFINITY; LANES];
    let blocks = Blocks::new(values, &mut short);
    let mut all = isa.at_most(blocks.last, t);
    for block in blocks.full {
        all &= isa.at_most(block, t);
    }
    all == (1 << LANES) - 1
}

impl Best<'_> {
    /// Keeps the best of the few θ that are not less than t; false if one of them is NaN or +inf.
    #[inline(always)]
    fn pick<I: Isa>(&mut self, isa: I, theta: &[f32], from: usize, t: f32) -> bool {
        let (full, rest) = theta.as_chunks::<LANES>();
        let mut last = [f32::NEG_INFINITY; LANES];
        copy(rest, &mut last);
        // Once k of the part are picked, a later one must be larger than t.
        let (enough, mut passed) = (self.len + self.k, t.next_down());
        let mut good = true;
        for (number, block) in full.iter().enumerate() {
            good &= self.push(isa, block, from + number * LANES, passed);
            passed = if self.len < enough { passed } else { t };
        }
        good &= self.push(isa, &last, from + full.len() * LANES, passed);
        if good && self.len >= self.k {
            self.drop_all_but_k(isa);
        }
        good
    }

    /// Adds the θ of a block that are not at most `passed`; false if one of them is NaN or +inf.
    #[inline(always)]
    fn push<I: Isa>(&mut self, isa: I, block: &[f32; LANES], from: usize, passed: f32) -> bool {
        let mut wanted = !isa.at_most(block, passed) & ((1 << LANES) - 1);
        let mut good = true;
        while wanted != 0 {
            let lane = wanted.trailing_zeros() as usize;
            wanted &= wanted - 1;
            if let (Some(&theta), Some(position), Some(score)) =
                (block.get(lane), self.positions.get_mut(self.len), self.scores.get_mut(self.len))
            {
                (*position, *score) = (f32::from_bits((from + lane) as u32), theta);
                self.len += 1;
                good &= theta < f32::INFINITY;
            }
        }
        good
    }
}
