//! The k largest scores in O(n), without a sort, a recursion or a bad case.
//!
//! Of a few scores every one is compared with every other. For more, a
//! bracket around the k-th largest score is narrowed by counting: how many scores are at least t? Each count is one
//! pass without a branch. t comes by turns from the counts at the bracket's ends, from its middle, and from the middle
//! of the floats inside it, so that the first passes come near at once and 32 of each kind are the most there can be.
//! It ends when exactly k scores reach t, or when all that do and are not among the k are equal to it.

use super::level::{self, Kernel, Level};
use super::{Blocks, LANES, SCALAR, streaming};
use crate::float::{self, unrank};

/// So many scores are few.
const FEW: usize = 4 * LANES;

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

/// [`map`], to be compiled for the level of its caller.
#[inline(always)]
pub(super) fn top_k<L: Level>(scores: &[f32], k: usize, z: &mut [f32]) {
    if k == 0 || k >= scores.len() {
        z.fill(if k == 0 { 0.0 } else { 1.0 });
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

/// The k-th largest score, and how many are at least that; 1 ≤ k ≤ n. Not for NaN.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(super) fn kth_largest<L: Level>(scores: &[f32], k: usize) -> (f32, usize) {
    let mut short = [f32::NEG_INFINITY; LANES];
    let blocks = Blocks::new(scores, &mut short);
    if scores.len() <= FEW { ranked::<L>(scores, &blocks, k) } else { narrow::<L>(scores, &blocks, k) }
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

/// Ranks every score: the smallest that fewer than k exceed.
#[inline(always)]
fn ranked<L: Level>(scores: &[f32], blocks: &Blocks<'_>, k: usize) -> (f32, usize) {
    let mut least = [f32::INFINITY; LANES];
    let bits = rank::<L>(scores, blocks.last, k, &mut least) >> blocks.skip;
    let mut reached = bits.count_ones();
    for block in blocks.full {
        reached += rank::<L>(scores, block, k, &mut least).count_ones();
    }
    (L::least(&least), reached as usize)
}

/// The lanes that fewer than k scores exceed, and the smallest of their values.
#[inline(always)]
fn rank<L: Level>(scores: &[f32], block: &[f32; LANES], k: usize, least: &mut [f32; LANES]) -> u32 {
    let behind = behind(scores, block);
    for ((least, &behind), &score) in least.iter_mut().zip(&behind).zip(block) {
        *least = if score < *least && behind > -(k as f32) { score } else { *least };
    }
    L::at_least(&behind, 1.0 - k as f32)
}

/// For every lane, 0 less the scores that exceed it.
#[inline(always)]
fn behind(scores: &[f32], block: &[f32; LANES]) -> [f32; LANES] {
    let mut counts = [[0.0; LANES]; 2];
    let [even, odd] = &mut counts;
    let (pairs, rest) = scores.as_chunks::<2>();
    // Two counts for each: a subtraction need not wait for the one before.
    for &[a, b] in pairs {
        take_one_if_larger(even, a, block);
        take_one_if_larger(odd, b, block);
    }
    if let &[a] = rest {
        take_one_if_larger(even, a, block);
    }
    for (even, odd) in even.iter_mut().zip(odd) {
        *even += *odd;
    }
    *even
}

#[inline(always)]
fn take_one_if_larger(counts: &mut [f32; LANES], score: f32, block: &[f32; LANES]) {
    for (count, &other) in counts.iter_mut().zip(block) {
        *count -= if score > other { 1.0 } else { 0.0 };
    }
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
