//! The k largest scores in O(n), without a sort, a recursion or a bad case.
//!
//! Up to 64 scores are all compared with one another: those that fewer than k others exceed are the k largest. For more
//! scores a bracket around the k-th largest is narrowed by counting how many scores are at least t. Each count is one
//! pass without a branch. The next t comes by turns from the counts at the ends of the bracket and from its middle, which
//! come near at once for most scores. After a t that left most scores inside the bracket comes the middle of the floats
//! inside, which bounds the work: it is tried at most 32 times. A t that told no scores apart moves the ends of the bracket
//! to scores, so that ties cost little. The search ends when exactly k scores reach t, when all that do and are not among
//! the k are equal to it, or when the scores inside the bracket are so few that they are compared with one another. Equal
//! scores are chosen by the rule in [`ties`](super::ties).

use super::heap;
use super::lanes::{Blocks, copy};
use super::reduce::{argmax, largest_of};
use super::ties::{drop_last_equals, drop_last_states};
use crate::arch::{self, Dispatch, EIGHT, FOUR, Isa, LANES, RANKED, SCALAR};
use crate::float::{rank, unrank};

/// This many scores are few: as many as a word has bits.
pub(crate) const FEW: usize = 64;

/// z = 1 for the k largest scores, else 0; a k above n counts as n. No score may be NaN.
pub(crate) fn map(scores: &[f32], k: usize, z: &mut [f32]) {
    if SCALAR {
        return heap::map(scores, k, z);
    }
    arch::run(Map { scores, k, z });
}

struct Map<'a> {
    scores: &'a [f32],
    k: usize,
    z: &'a mut [f32],
}

impl Dispatch for Map<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Map { scores, k, z } = self;
        if k == 0 || k >= scores.len() {
            z.fill(if k == 0 { 0.0 } else { 1.0 });
        } else if scores.len() <= FEW {
            let Best { set, .. } = isa.apart(BestOfShort { scores, k });
            for (z, i) in z.iter_mut().zip(0..FEW) {
                *z = if set >> i & 1 == 1 { 1.0 } else { 0.0 };
            }
        } else {
            let Threshold { t, reached } = kth_largest(isa, scores, k);
            for (z, &score) in z.iter_mut().zip(scores) {
                *z = if score >= t { 1.0 } else { 0.0 };
            }
            if reached > k {
                drop_last_states(scores, t, reached - k, z);
            }
        }
    }
}

/// The set of the k largest of at most 64 scores, 1 ≤ k ≤ n: bit i is set if score i is one of them.
pub(crate) fn set_of_short(scores: &[f32], k: usize) -> u64 {
    arch::run(BestOfShort { scores, k }).set
}

/// [`best_of_few`] for a slice that ends with its scores.
struct BestOfShort<'a> {
    scores: &'a [f32],
    k: usize,
}

impl Dispatch for BestOfShort<'_> {
    type Output = Best;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Best {
        let mut padded = [f32::NEG_INFINITY; FEW];
        copy(self.scores, &mut padded);
        best_of_few(isa, &padded, self.scores.len(), self.k)
    }
}

/// The k largest of few scores.
pub(crate) struct Best {
    /// Bit i is set if score i is one of them.
    pub set: u64,
    /// The smallest of them.
    pub least: f32,
}

/// The k largest of the first `count` scores in an array of at most 64, 1 ≤ k ≤ count. The scores behind them, up to the
/// next multiple of 8, must be −inf; fewer than k of the first may be. No score may be NaN.
#[inline(always)]
pub(crate) fn best_of_few<I: Isa>(isa: I, scores: &[f32], count: usize, k: usize) -> Best {
    best_without_ties(isa, scores, count, k).unwrap_or_else(|set| {
        let (set, least) = drop_last_equals(scores.get(..count).unwrap_or_default(), set, k);
        Best { set, least }
    })
}

/// [`best_of_few`] where no tie decides; else all scores that fewer than k exceed.
#[inline(always)]
pub(crate) fn best_without_ties<I: Isa>(isa: I, scores: &[f32], count: usize, k: usize) -> Result<Best, u64> {
    isa.apart(Rank { scores, count, k })
}

struct Rank<'a> {
    scores: &'a [f32],
    count: usize,
    k: usize,
}

impl Dispatch for Rank<'_> {
    type Output = Result<Best, u64>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Result<Best, u64> {
        let Rank { scores, count, k } = self;
        debug_assert!(1 <= k && k <= count && count.next_multiple_of(EIGHT) <= scores.len().min(FEW), "{k} of {count}");
        let all = scores.get(..count).unwrap_or_default();
        if k == 1 {
            let best = argmax(all);
            return Ok(Best { set: 1 << best, least: all.get(best).copied().unwrap_or_default() });
        }
        let eights = scores.as_chunks::<EIGHT>().0.get(..count.div_ceil(EIGHT)).unwrap_or_default();
        let fours = scores.as_chunks::<FOUR>().0.get(..count.div_ceil(FOUR)).unwrap_or_default();
        let (mut set, mut before_kth) = (0, 0);
        for (lanes, shift) in eights.chunks(RANKED).zip((0..).step_by(RANKED * EIGHT)) {
            let [fewer_than_k, fewer_still] = isa.exceeded_by(fours, lanes, k as i32);
            set |= u64::from(fewer_than_k) << shift;
            before_kth |= u64::from(fewer_still) << shift;
        }
        // The k-th score alone is exceeded by exactly k − 1 others. If there is none, or if there are too many, scores are equal.
        let kth = set & !before_kth;
        if kth == 0 || set.count_ones() as usize > k {
            return Err(set);
        }
        Ok(Best { set, least: scores.get(kth.trailing_zeros() as usize).copied().unwrap_or_default() })
    }
}

/// [`best_without_ties`] of the first `count` scores, with −inf behind them. If few of many are chosen, the k-th largest of
/// the lanes' maxima is a floor that at least k scores reach, and only those that do are compared with one another.
#[inline(always)]
pub(crate) fn best_of_padded<I: Isa>(isa: I, scores: &[f32; FEW], count: usize, k: usize) -> Result<Best, u64> {
    const MANY: usize = 48;
    const FEW_OF_LANES: usize = 12;
    if count <= MANY || k == 1 || k > FEW_OF_LANES {
        return best_without_ties(isa, scores, count, k);
    }
    let blocks = scores.as_chunks::<LANES>().0;
    let mut maxima = [f32::NEG_INFINITY; LANES];
    for block in blocks {
        for (maximum, &score) in maxima.iter_mut().zip(block) {
            *maximum = if score > *maximum { score } else { *maximum };
        }
    }
    let floor = match best_without_ties(isa, &maxima, LANES, k) {
        Ok(best) => best.least,
        Err(set) => drop_last_equals(&maxima, set, k).1,
    };
    let mut reached = 0;
    for (block, shift) in blocks.iter().zip((0..).step_by(LANES)) {
        reached |= u64::from(isa.at_least(block, floor)) << shift;
    }
    let found = reached.count_ones() as usize;
    if found == k {
        return Ok(Best { set: reached, least: floor });
    }
    let mut candidates = [f32::NEG_INFINITY; RANKED * EIGHT];
    if found > candidates.len() {
        let mut above = 0;
        for &score in scores {
            above += u32::from(score > floor);
        }
        // If fewer than k are above the floor, it is the k-th largest score, and others are equal to it.
        return if (above as usize) < k { Err(reached) } else { best_without_ties(isa, scores, count, k) };
    }
    let mut left = reached;
    for candidate in candidates.iter_mut().take(found) {
        *candidate = scores.get(left.trailing_zeros() as usize).copied().unwrap_or(f32::NEG_INFINITY);
        left &= left.wrapping_sub(1);
    }
    match best_without_ties(isa, &candidates, found, k) {
        Ok(Best { set, least }) => Ok(Best { set: isa.deposit(set, reached), least }),
        Err(set) => Err(isa.deposit(set, reached)),
    }
}

/// A t that fewer than k scores exceed. Either it is the k-th largest score, or at least k scores reach t − `width`. At
/// least k scores are above −inf, 1 ≤ k. No score may be NaN.
#[inline(always)]
pub(crate) fn near_kth<I: Isa>(isa: I, scores: &[f32], k: usize, width: f32) -> f32 {
    let mut short = [f32::NEG_INFINITY; LANES];
    let blocks = Blocks::new(scores, &mut short);
    let (lowest, highest) = range(&blocks);
    // Ranks: at least k scores reach `low`, fewer than k reach `high`.
    let (mut low, mut high) = (rank(lowest), rank(highest) + 1);
    for turn in 0_u32.. {
        let (from, to) = (unrank(low), unrank(high));
        // The difference of the ends overflows if the bracket is wide, and the width may be infinite.
        if to - from <= width.min(f32::MAX) || high - low <= 1 {
            break;
        }
        let middle = rank(0.5 * from + 0.5 * to);
        // Every third turn takes the middle of the floats: few of them may be left in a bracket that is still wide.
        let guess = if turn % 3 < 2 && low < middle && middle < high { middle } else { low + (high - low) / 2 };
        // A branch would be guessed wrongly every other time.
        let enough = count(isa, &blocks, unrank(guess)) >= k;
        (low, high) = (if enough { guess } else { low }, if enough { high } else { guess });
    }
    unrank(high - 1)
}

/// A number t that the k-th largest score reaches.
pub(crate) struct Threshold {
    pub t: f32,
    /// The number of scores that are at least t: k, or more if t is the k-th largest score.
    pub reached: usize,
}

/// At most this many scores inside a bracket are compared with one another, and no more than a 32nd of all. For more,
/// another count takes less time.
const INSIDE: usize = 32;

/// The threshold of the k largest scores, 1 ≤ k ≤ n. No score may be NaN.
#[inline(always)]
pub(crate) fn kth_largest<I: Isa>(isa: I, scores: &[f32], k: usize) -> Threshold {
    isa.apart(Bisect { scores, k })
}

struct Bisect<'a> {
    scores: &'a [f32],
    k: usize,
}

impl Dispatch for Bisect<'_> {
    type Output = Threshold;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Threshold {
        let Bisect { scores, k } = self;
        let mut short = [f32::NEG_INFINITY; LANES];
        let blocks = Blocks::new(scores, &mut short);
        let (lowest, highest) = range(&blocks);
        // Ranks: at least k scores reach `low`, fewer than k reach `high`.
        let (mut low, mut reach_low) = (rank(lowest), count(isa, &blocks, lowest));
        let (mut high, mut reach_high) = (rank(highest) + 1, 0);
        if reach_low < k {
            // Some of the k largest scores are −inf.
            return Threshold { t: f32::NEG_INFINITY, reached: scores.len() };
        }
        for turn in 0_u32.. {
            if reach_low == k || high - low <= 1 {
                break;
            }
            let inside = reach_low - reach_high;
            let (from, to) = (unrank(low), unrank(high));
            if inside <= INSIDE.min(scores.len() / 32) {
                return kth_inside(isa, &blocks, (from, to), k - reach_high, reach_high);
            }
            let guess = match turn % 4 {
                0 | 2 => rank(from + (to - from) * ((reach_low - k) as f32 / inside as f32)),
                1 => rank(from + (to - from) * 0.5),
                _ => low,
            };
            // A guess outside the bracket also comes from a bracket that is too wide for a difference or has an infinite end.
            let guess = if low < guess && guess < high { guess } else { low + (high - low) / 2 };
            let reach = count(isa, &blocks, unrank(guess));
            if reach >= k {
                (low, reach_low) = (guess, reach);
            } else {
                (high, reach_high) = (guess, reach);
            }
            let left = reach_low - reach_high;
            if left == inside {
                // Ends at scores: if all inside are equal the search is over, and else the next guess tells them apart.
                let (lowest, highest) = range_inside(&blocks, unrank(low), unrank(high));
                (low, high) = (rank(lowest), rank(highest) + 1);
            }
        }
        Threshold { t: unrank(low), reached: reach_low }
    }
}

/// The threshold of the k largest of the at most [`INSIDE`] scores that reach `from` and not `to`, counted with the `above`
/// ones that reach `to`.
#[inline(always)]
fn kth_inside<I: Isa>(isa: I, scores: &Blocks<'_>, (from, to): (f32, f32), k: usize, above: usize) -> Threshold {
    let mut inside = [f32::NEG_INFINITY; INSIDE];
    let mut count = 0;
    let (mut block, mut skip) = (scores.last, scores.skip);
    let mut rest = scores.full.iter();
    loop {
        let mut wanted = (isa.at_least(block, from) & !isa.at_least(block, to)) >> skip << skip;
        while wanted != 0 {
            let lane = wanted.trailing_zeros() as usize;
            wanted &= wanted - 1;
            if let (Some(&score), Some(slot)) = (block.get(lane), inside.get_mut(count)) {
                *slot = score;
                count += 1;
            }
        }
        let Some(next) = rest.next() else { break };
        (block, skip) = (next, 0);
    }
    let t = best_of_few(isa, &inside, count, k).least;
    let equal_or_above = inside.as_chunks::<LANES>().0.iter().map(|block| isa.at_least(block, t).count_ones());
    Threshold { t, reached: above + equal_or_above.sum::<u32>() as usize }
}

/// The number of scores that are at least t.
#[inline(always)]
fn count<I: Isa>(isa: I, scores: &Blocks<'_>, t: f32) -> usize {
    let mut count = (isa.at_least(scores.last, t) >> scores.skip).count_ones();
    for block in scores.full {
        count += isa.at_least(block, t).count_ones();
    }
    count as usize
}

/// The smallest and the largest of the scores that are at least `from` and not at least `to`.
#[inline(always)]
fn range_inside(scores: &Blocks<'_>, from: f32, to: f32) -> (f32, f32) {
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    narrow(&mut low, &mut high, scores.last, from, to);
    for block in scores.full {
        narrow(&mut low, &mut high, block, from, to);
    }
    (low.into_iter().fold(f32::INFINITY, f32::min), high.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

#[inline(always)]
fn narrow(low: &mut [f32; LANES], high: &mut [f32; LANES], block: &[f32; LANES], from: f32, to: f32) {
    for ((low, high), &score) in low.iter_mut().zip(high).zip(block) {
        // `to` is NaN if a score is +inf: then no score reaches it.
        let below = if score >= to { f32::NEG_INFINITY } else { score };
        *low = if score < *low && score >= from { score } else { *low };
        *high = if below > *high { below } else { *high };
    }
}

/// The smallest score above −inf, and the largest.
#[cfg_attr(not(imle_small), inline(always))]
fn range(scores: &Blocks<'_>) -> (f32, f32) {
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for &block in scores.full.iter().chain([scores.last]) {
        for ((low, high), score) in low.iter_mut().zip(&mut high).zip(block) {
            let finite = if score > f32::NEG_INFINITY { score } else { f32::INFINITY };
            *low = if finite < *low { finite } else { *low };
            *high = if score > *high { score } else { *high };
        }
    }
    (low.iter().fold(f32::INFINITY, |least, &low| if low < least { low } else { least }), largest_of(&high))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros of either sign are equal, but between their ranks and that of the next float below there is a rank that no
    /// score has. A bracket around zero may end at it.
    #[test]
    fn few_values_around_zero_are_told_apart() {
        let values = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, f32::MAX, f32::MIN, 1e-45, -1e-45, f32::INFINITY];
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..20_000 {
            let (kinds, from, k) = (1 + random(values.len()), random(values.len()), 1 + random(199));
            let scores: Vec<f32> = (0..200).map(|_| values[(from + random(kinds)) % values.len()]).collect();
            let mut order: Vec<usize> = (0..200).collect();
            order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).expect("no NaN").then(a.cmp(&b)));
            let (mut z, mut expected) = ([0.5; 200], [0.0; 200]);
            map(&scores, k, &mut z);
            order[..k].iter().for_each(|&i| expected[i] = 1.0);
            assert_eq!(z, expected, "{k} of {scores:?}");
        }
    }
}
