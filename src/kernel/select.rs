//! The k largest scores in O(n), without a sort, a recursion or a bad case.
//!
//! Of at most 64 scores every one is compared with every other: those that fewer than k exceed are the k largest. For
//! more, a bracket around the k-th largest score is narrowed by counting: how many scores are at least t? Each count is
//! one pass without a branch. t comes by turns from the counts at the bracket's ends, from its middle, and from the
//! middle of the floats inside it, so that the first passes come near at once and 32 of each kind are the most there can
//! be. It ends when exactly k scores reach t, or when all that do and are not among the k are equal to it.

use super::argmax::argmax;
use super::elementwise::copy;
use super::few::FEW;
use super::level::{self, FOUR, Kernel, Level, RANKED};
use super::{Blocks, EIGHT, LANES, SCALAR, streaming};
use crate::float::{self, unrank};
use crate::states::positions;

/// z = 1 for the k largest scores, equal scores by lower index, else 0. k above n counts as n. Not for NaN.
pub(crate) fn map(scores: &[f32], k: usize, z: &mut [f32]) {
    if SCALAR {
        return streaming::map(scores, k, z);
    }
    level::run(Map { scores, k, z });
}

struct Map<'a> {
    scores: &'a [f32],
    k: usize,
    z: &'a mut [f32],
}

impl Kernel for Map<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        top_k::<L>(self.scores, self.k, self.z);
    }
}

/// The k largest of at most 64 scores, 1 ≤ k ≤ n, equal scores by lower index: bit i is set where score i is one of them.
pub(super) fn bits(scores: &[f32], k: usize) -> u64 {
    level::run(Bits { scores, k })
}

struct Bits<'a> {
    scores: &'a [f32],
    k: usize,
}

impl Kernel for Bits<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<L: Level>(self) -> u64 {
        best_of_short::<L>(self.scores, self.k).bits
    }
}

/// The k largest of few scores.
pub(super) struct Best {
    /// Bit i is set where score i is one of them.
    pub bits: u64,
    /// The smallest of them.
    pub least: f32,
}

/// The k largest of the first `count` scores in at most 64, 1 ≤ k ≤ count, equal scores by lower index. Behind them, to the
/// next multiple of 8, and behind k of them scores may be −inf. Not for NaN.
#[inline(always)]
pub(super) fn best_of_few<L: Level>(scores: &[f32], count: usize, k: usize) -> Best {
    let (all, eights) = (scores.get(..count).unwrap_or_default(), scores.as_chunks::<EIGHT>().0);
    let eights = eights.get(..count.div_ceil(EIGHT)).unwrap_or_default();
    if k == 1 {
        let best = argmax(all);
        return Best { bits: 1 << best, least: all.get(best).copied().unwrap_or_default() };
    }
    let (mut bits, mut before) = (0, 0);
    let fours = scores.as_chunks().0.get(..count.div_ceil(FOUR)).unwrap_or_default();
    for (lanes, shift) in eights.chunks(RANKED).zip((0..).step_by(RANKED * EIGHT)) {
        let [fewer_than_k, fewer_still] = L::ranked(fours, lanes, k as i32);
        bits |= u64::from(fewer_than_k) << shift;
        before |= u64::from(fewer_still) << shift;
    }
    let kth = bits & !before;
    if kth == 0 || bits.count_ones() as usize > k {
        return without_last_ties(scores, bits, k);
    }
    Best { bits, least: scores.get(kth.trailing_zeros() as usize).copied().unwrap_or_default() }
}

/// [`best_of_few`] of scores that nothing stands behind.
#[inline(always)]
fn best_of_short<L: Level>(scores: &[f32], k: usize) -> Best {
    let mut padded = [f32::NEG_INFINITY; FEW];
    copy(scores, &mut padded);
    best_of_few::<L>(&padded, scores.len(), k)
}

/// Several scores equal the smallest of those whose bits are set: of these the first stay, so that k stay.
#[cold]
#[inline(never)]
fn without_last_ties(scores: &[f32], mut bits: u64, k: usize) -> Best {
    let chosen = positions(bits).filter_map(|i| scores.get(i as usize));
    let least = chosen.fold(f32::INFINITY, |least, &score| if score < least { score } else { least });
    // No branch: which scores are equal is not to be guessed.
    let equals =
        scores.iter().zip(0..FEW).fold(0, |equals, (&score, i)| equals | u64::from(score == least) << i) & bits;
    let better = (bits & !equals).count_ones() as usize;
    let mut first = equals;
    for _ in better..k {
        first &= first.wrapping_sub(1);
    }
    bits &= !first;
    Best { bits, least }
}

/// [`map`], to be compiled for the level of its caller.
#[inline(always)]
pub(super) fn top_k<L: Level>(scores: &[f32], k: usize, z: &mut [f32]) {
    if k == 0 || k >= scores.len() {
        z.fill(if k == 0 { 0.0 } else { 1.0 });
        return;
    }
    if scores.len() <= FEW {
        let Best { bits, .. } = best_of_short::<L>(scores, k);
        for (z, i) in z.iter_mut().zip(0..FEW) {
            *z = if bits >> i & 1 == 1 { 1.0 } else { 0.0 };
        }
        return;
    }
    let (threshold, reached) = kth_largest::<L>(scores, k);
    for (z, &score) in z.iter_mut().zip(scores) {
        *z = if score >= threshold { 1.0 } else { 0.0 };
    }
    if reached > k {
        drop_ties(scores, threshold, reached - k, z);
    }
}

/// Takes the last `surplus` of the scores that equal the threshold out again.
#[cold]
#[inline(never)]
fn drop_ties(scores: &[f32], threshold: f32, mut surplus: usize, z: &mut [f32]) {
    for (z, &score) in z.iter_mut().zip(scores).rev() {
        if score == threshold && surplus > 0 {
            *z = 0.0;
            surplus -= 1;
        }
    }
}

/// A t that fewer than k scores exceed, while at least k reach t − `width`, or the k-th largest score; at least k scores
/// are above −inf, 1 ≤ k. Not for NaN.
#[inline(always)]
pub(crate) fn near_kth<L: Level>(scores: &[f32], k: usize, width: f32) -> f32 {
    let mut short = [f32::NEG_INFINITY; LANES];
    let blocks = Blocks::new(scores, &mut short);
    let (lowest, highest) = range(scores);
    // Ranks: at least k scores reach `low`, fewer than k reach `high`.
    let (mut low, mut high) = (float::rank(lowest), float::rank(highest) + 1);
    for turn in 0_u32.. {
        let (from, to) = (unrank(low), unrank(high));
        // A bracket may be too wide for a difference, and so may the width.
        if to - from <= width.min(f32::MAX) || high - low <= 1 {
            break;
        }
        let middle = float::rank(0.5 * from + 0.5 * to);
        // By turns the middle of the floats, of which there are few even where the bracket is wide.
        let guess = if turn % 3 < 2 && low < middle && middle < high { middle } else { low + (high - low) / 2 };
        if count::<L>(&blocks, unrank(guess)) >= k { low = guess } else { high = guess }
    }
    unrank(high - 1)
}

/// A t that the k-th largest score reaches, and how many do: k, or, if t is that score, more; 1 ≤ k ≤ n. Not for NaN.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(super) fn kth_largest<L: Level>(scores: &[f32], k: usize) -> (f32, usize) {
    let mut short = [f32::NEG_INFINITY; LANES];
    narrow::<L>(scores, &Blocks::new(scores, &mut short), k)
}

/// How many scores are at least t.
#[inline(always)]
fn count<L: Level>(scores: &Blocks<'_>, t: f32) -> usize {
    let mut count = (L::at_least(scores.last, t) >> scores.skip).count_ones();
    for block in scores.full {
        count += L::at_least(block, t).count_ones();
    }
    count as usize
}

/// Narrows a bracket.
#[inline(always)]
fn narrow<L: Level>(scores: &[f32], blocks: &Blocks<'_>, k: usize) -> (f32, usize) {
    let (lowest, highest) = range(scores);
    // Ranks: at least k scores reach `low`, fewer than k reach `high`.
    let (mut low, mut reach_low) = (float::rank(lowest), count::<L>(blocks, lowest));
    let (mut high, mut reach_high) = (float::rank(highest) + 1, 0);
    if reach_low < k {
        // Where others are −inf.
        (low, reach_low) = (float::rank(f32::NEG_INFINITY), scores.len());
    }
    for turn in 0_u32.. {
        if reach_low == k || high - low <= 1 {
            break;
        }
        let (from, to) = (unrank(low), unrank(high));
        let guess = match turn % 4 {
            0 | 2 => float::rank(from + (to - from) * ((reach_low - k) as f32 / (reach_low - reach_high) as f32)),
            1 => float::rank(from + (to - from) * 0.5),
            _ => low,
        };
        // Also where the bracket is too wide for a difference, or has an infinite end.
        let guess = if low < guess && guess < high { guess } else { low + (high - low) / 2 };
        let reach = count::<L>(blocks, unrank(guess));
        if reach >= k {
            (low, reach_low) = (guess, reach);
        } else {
            (high, reach_high) = (guess, reach);
        }
    }
    (unrank(low), reach_low)
}

/// The smallest score above −inf, and the largest.
#[cfg_attr(target_arch = "x86_64", inline(always))]
fn range(scores: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for block in scores.chunks(LANES) {
        for ((low, high), &score) in low.iter_mut().zip(&mut high).zip(block) {
            *low = if score < *low && score > f32::NEG_INFINITY { score } else { *low };
            *high = if score > *high { score } else { *high };
        }
    }
    (low.into_iter().fold(f32::INFINITY, f32::min), high.into_iter().fold(f32::NEG_INFINITY, f32::max))
}
