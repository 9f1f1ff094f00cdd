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
//! chunk is read once more with that score as t: it is certainly at most the k-th score so far, so the second reading does
//! not guess and cannot fail.
//!
//! In a row whose high scores fill a few groups only, more bounds reach t than are wanted. So the collection stops where
//! they are dense, and where it has several times k. It keeps the best of these and goes on with a higher t, which is found
//! from smaller groups of the bounds that are left.

use super::scores::Perturbed;
use super::threshold::{SIFTED, fine_floor, floor, groups, has_word, kth_of_maxima, least_word, maxima_of_good, part};
use crate::arch::{self, Dispatch, EIGHT, Isa, LANES};
use crate::kernel::lanes::copy;
use crate::kernel::select::{FEW, Threshold, best_of_few, kth_largest};
use crate::kernel::ties::Choice;
use crate::noise::{Lanes, SampleWords};

/// The coordinates in a chunk: two arrays of them fit the first-level cache.
const CHUNK: usize = 2048;

/// True if most scores need not be computed: the row is not short, few of many are chosen, and the workspace has room.
pub(super) const fn pays(n: usize, k: usize) -> bool {
    // Up to 64 groups have a room of their own.
    let groups = if groups(k) <= FEW { 0 } else { groups(k) };
    k >= 1 && n > FEW && k <= n / 8 && 2 * (k + chunk(n, k)) + groups <= 3 * n - k
}

/// The coordinates that are read at once, in whole blocks.
const fn chunk(n: usize, k: usize) -> usize {
    let most = if k > CHUNK / 16 { 16 * k } else { CHUNK };
    (if n < most { n } else { most }).next_multiple_of(LANES)
}

/// Up to this many scores are compared with one another. For more, a search for the k-th takes less time.
const RANKED_AT_ONCE: usize = 48;

/// The coordinates that are collected before their scores are computed. If the bar is good, a chunk has fewer.
const fn most_collected(k: usize) -> usize {
    2 * k + 24
}

/// If more of [`SIFTED`] bounds reach t, a better t is looked for before they are collected.
const DENSE: usize = 24;

/// The positions of the k largest scores of the next sample, ascending, as the bits of floats at the front of `work`, for
/// sizes for which this [`pays`].
pub(super) fn k_largest(row: &Perturbed<'_>, k: usize, words: SampleWords<'_>, work: &mut [f32]) {
    // The generator is in memory here: in registers from chunk to chunk, it would be moved among them at every step.
    let mut lanes = Lanes::UNUSED;
    arch::run(KLargest { row, k, words, lanes: &mut lanes, work });
}

struct KLargest<'a> {
    row: &'a Perturbed<'a>,
    k: usize,
    words: SampleWords<'a>,
    lanes: &'a mut Lanes,
    work: &'a mut [f32],
}

impl Dispatch for KLargest<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let KLargest { row, k, words, lanes, work } = self;
        row.formula.noise.seed(words, lanes);
        let n = row.theta.len();
        let mut few_groups = [0.0; FEW];
        let mut best = Best::new(n, k, work, &mut few_groups);
        let (mut from, mut guess) = (0, true);
        while from < n {
            let to = n.min(from + best.chunk);
            let at_chunk = lanes.clone();
            guess = read_chunk(isa, row, &mut best, (from, to), (words, lanes), guess);
            if guess {
                from = to;
            } else {
                *lanes = at_chunk;
                best.forget(from);
            }
        }
    }
}

/// Keeps the best of the coordinates from..to and of those kept before. False if a bar was guessed, which `guess` allows,
/// and was too high: then the chunk must be read again.
#[inline(always)]
fn read_chunk<I: Isa>(
    isa: I,
    row: &Perturbed<'_>,
    best: &mut Best<'_>,
    (from, to): (usize, usize),
    (words, lanes): (SampleWords<'_>, &mut Lanes),
    guess: bool,
) -> bool {
    let (k, bar, start) = (best.k, best.bar(), best.len);
    let part = row.part(from, to);
    let (mut chunk, groups) = best.room_for_chunk(start, from, to - from);
    row.formula.noise.next_words(words, lanes, from, chunk.words);
    if start >= k
        && let Some(least) = least_word(&part, bar)
    {
        let collected = chunk.collect_by_word(isa, least);
        best.keep(isa, row, collected);
        return true;
    }
    chunk.form_bounds(&part);
    let gap = row.formula.tau * row.formula.noise.typical_gap();
    let mut guessed = f32::NEG_INFINITY;
    if guess {
        let Some(floor) = floor(isa, chunk.bounds, k, bar, groups) else { return true };
        guessed = floor - gap;
    }
    let (mut t, mut highest) = (bar, f32::NEG_INFINITY);
    let (mut at, mut dense) = (0, if guess { DENSE } else { SIFTED });
    loop {
        if guessed > t {
            (t, highest) = (guessed, guessed);
        }
        let behind = best.len - start;
        let (mut chunk, _) = best.room_for_chunk(start, from, to - from);
        let (next, collected) = chunk.collect(isa, (at, to - from), t, behind, (dense, most_collected(k)));
        best.keep(isa, row, collected);
        if next == to - from {
            break;
        }
        (at, t) = (next, best.bar());
        if collected >= most_collected(k) || !guess {
            continue;
        }
        // The bounds are dense.
        let (chunk, groups) = best.room_for_chunk(start, from, to - from);
        let left = chunk.bounds.get(at..).unwrap_or_default();
        if left.len() > most_collected(k) {
            guessed = fine_floor(isa, left, k, groups) - gap;
        }
        dense = SIFTED;
    }
    best.kth >= highest
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

    /// Collects those of the coordinates from..to whose bounds reach t, behind the first `behind` places. Stops at once if
    /// more than `dense` of the first [`SIFTED`] reach t, and later when `most` are collected. Returns the coordinate where
    /// it stopped, and the number that is collected.
    #[inline(always)]
    fn collect<I: Isa>(
        &mut self,
        isa: I,
        (from, to): (usize, usize),
        t: f32,
        behind: usize,
        (dense, most): (usize, usize),
    ) -> (usize, usize) {
        let mut place = behind;
        for at in (from..to).step_by(SIFTED) {
            let mut reached = 0;
            let blocks = self.bounds.get(at..).unwrap_or_default().as_chunks::<LANES>().0;
            for (block, shift) in blocks.iter().zip((0..64).step_by(LANES)) {
                reached |= u64::from(isa.at_least(block, t)) << shift;
            }
            if at == from && reached.count_ones() as usize > dense {
                return (at, place - behind);
            }
            while reached != 0 {
                let i = at + reached.trailing_zeros() as usize;
                reached &= reached - 1;
                let word = self.words.get(i).copied().unwrap_or_default();
                if let (Some(to_position), Some(to_word)) = (self.bounds.get_mut(place), self.words.get_mut(place)) {
                    *to_position = f32::from_bits((self.first + i) as u32);
                    *to_word = word;
                    place += 1;
                }
            }
            if place - behind >= most {
                return (to.min(at + SIFTED), place - behind);
            }
        }
        (to, place - behind)
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
            collected += self.collect(isa, (from, to), order_of(least), collected, (SIFTED, self.len)).1;
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
    /// The least score that is kept, −inf as long as fewer than k are.
    kth: f32,
}

impl<'a> Best<'a> {
    /// The maxima of groups have room in `few_groups` or behind the scores.
    #[inline(always)]
    fn new(n: usize, k: usize, work: &'a mut [f32], few_groups: &'a mut [f32; FEW]) -> Self {
        let chunk = chunk(n, k);
        debug_assert!(work.len() >= 2 * (k + chunk), "no room for {k} scores and {chunk} coordinates");
        let (positions, rest) = work.split_at_mut_checked(k + chunk).unwrap_or_default();
        let (scores, rest) = rest.split_at_mut_checked(k + chunk).unwrap_or_default();
        let groups = if rest.len() > FEW { rest } else { few_groups };
        Best { k, chunk, positions, scores, len: 0, groups, kth: f32::NEG_INFINITY }
    }

    /// The least that a score must be to be kept: later than those that are, it must be larger, because among equals the
    /// first come first.
    #[inline(always)]
    fn bar(&self) -> f32 {
        self.kth.next_up()
    }

    /// Forgets the coordinates from `first` on, but not that k scores reach the k-th.
    fn forget(&mut self, first: usize) {
        let kept = self.positions.get(..self.len).unwrap_or_default();
        self.len = kept.iter().filter(|position| (position.to_bits() as usize) < first).count();
        self.kth = self.kth.next_down();
    }

    /// The room behind the first `start` scores, as a chunk of `len` coordinates from `first` on, and the room for groups.
    #[inline(always)]
    fn room_for_chunk(&mut self, start: usize, first: usize, len: usize) -> (Chunk<'_>, &mut [f32]) {
        let room = start..start + len.next_multiple_of(LANES);
        debug_assert!(room.end <= self.scores.len(), "no room for {len} coordinates behind {start}");
        // An Option of this pair would make the compiler test the pointers for null in every loop over the room.
        let bounds = self.positions.get_mut(room.clone()).unwrap_or_default();
        let words = self.scores.get_mut(room).unwrap_or_default();
        (Chunk { bounds, words, first, len }, self.groups)
    }

    /// Computes the scores of the coordinates that a chunk has collected, and keeps the best.
    #[inline(always)]
    fn keep<I: Isa>(&mut self, isa: I, row: &Perturbed<'_>, collected: usize) {
        // The room is in whole eights.
        let room = self.len..self.len + collected.next_multiple_of(EIGHT);
        let (Some(positions), Some(scores)) = (self.positions.get(room.clone()), self.scores.get_mut(room)) else {
            return;
        };
        row.formula.noise.replace_words(isa, scores);
        for (positions, scores) in positions.as_chunks().0.iter().zip(scores.as_chunks_mut().0) {
            *scores = row.eight_scores_at(positions, *scores);
        }
        self.len += collected;
        if collected > 0 && self.len >= self.k {
            self.drop_all_but_k(isa);
        }
    }

    /// Keeps the k best in their order.
    #[inline(always)]
    fn drop_all_but_k<I: Isa>(&mut self, isa: I) {
        self.kth = if self.len <= RANKED_AT_ONCE { self.drop_of_few(isa) } else { self.drop_of_many(isa) };
        self.len = self.k;
    }

    #[inline(always)]
    fn drop_of_few<I: Isa>(&mut self, isa: I) -> f32 {
        let len = self.len;
        self.scores.get_mut(len..len.next_multiple_of(EIGHT)).unwrap_or_default().fill(f32::NEG_INFINITY);
        let best = best_of_few(isa, self.scores, len, self.k);
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
            return self.kth;
        };
        let Threshold { t, reached } = kth_largest(isa, scores, self.k);
        // If exactly k reach the threshold, all that equal it are taken.
        let mut equals = self.k;
        if reached > self.k {
            equals -= scores.iter().filter(|&&score| score > t).count();
        }
        let mut choice = Choice::new(t, equals);
        let (mut to, mut kth) = (0, f32::INFINITY);
        for from in (0..len).step_by(LANES) {
            let mut reached = match scores.get(from..).and_then(|scores| scores.first_chunk()) {
                Some(block) => isa.at_least(block, t),
                None => (1 << (len - from)) - 1,
            };
            while reached != 0 && to < self.k {
                let at = from + reached.trailing_zeros() as usize;
                reached &= reached - 1;
                if let (Some(&position), Some(&score)) = (positions.get(at), scores.get(at))
                    && choice.takes(score)
                    && let (Some(to_position), Some(to_score)) = (positions.get_mut(to), scores.get_mut(to))
                {
                    (*to_position, *to_score) = (position, score);
                    kth = if score < kth { score } else { kth };
                    to += 1;
                }
            }
        }
        kth
    }
}

/// MAP(θ) of a row that was not looked at before, for sizes for which this [`pays`]: the positions of the k largest θ,
/// ascending, as the bits of floats at the front of `work`. False if the row is not good; the contents of `work` are then
/// unspecified.
///
/// One pass finds the largest θ of every group, and whether the row is good. The k-th largest of these is a floor. Fewer
/// than k groups have a θ above it, so few parts of the row are read again.
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
        let mut few_groups = [0.0; FEW];
        let mut best = Best::new(theta.len(), k, work, &mut few_groups);
        // The compiler sees that it is not 0.
        let part = part(theta.len(), k).max(LANES);
        let groups = core::mem::take(&mut best.groups);
        let Some(maxima) = maxima_of_good(theta, part, groups) else { return false };
        let floor = kth_of_maxima(isa, maxima, k);
        let floor = if floor > f32::MIN { floor } else { f32::MIN };
        let mut from = 0;
        for (theta, maxima) in theta.chunks(part).zip(maxima.as_chunks().0) {
            if isa.at_least(maxima, best.bar_above(floor)) != 0 {
                best.pick(isa, theta, from, floor);
            }
            from += part;
        }
        best.len >= k && {
            best.drop_all_but_k(isa);
            true
        }
    }
}

impl Best<'_> {
    /// The least that a further θ must be, if the k-th largest is at least `floor`: once k are picked, it must be larger.
    #[inline(always)]
    fn bar_above(&self, floor: f32) -> f32 {
        let least = if self.len < self.k { floor } else { floor.next_up() };
        let bar = self.bar();
        if least > bar { least } else { bar }
    }

    /// Picks the θ that may be among the k largest.
    #[inline(always)]
    fn pick<I: Isa>(&mut self, isa: I, theta: &[f32], from: usize, floor: f32) {
        let (full, rest) = theta.as_chunks::<LANES>();
        let mut last = [f32::NEG_INFINITY; LANES];
        copy(rest, &mut last);
        let mut bar = self.bar_above(floor);
        for (number, block) in full.iter().chain(core::iter::once(&last)).enumerate() {
            let mut wanted = isa.at_least(block, bar);
            if wanted == 0 {
                continue;
            }
            while wanted != 0 {
                let lane = wanted.trailing_zeros() as usize;
                wanted &= wanted - 1;
                if let (Some(&theta), Some(position), Some(score)) =
                    (block.get(lane), self.positions.get_mut(self.len), self.scores.get_mut(self.len))
                {
                    (*position, *score) = (f32::from_bits((from + number * LANES + lane) as u32), theta);
                    self.len += 1;
                }
            }
            if self.len >= 2 * self.k + LANES {
                self.drop_all_but_k(isa);
            }
            bar = self.bar_above(floor);
        }
    }
}
