//! The k largest scores in O(n), without a sort, a recursion or a bad case.
//!
//! A bracket around the k-th largest score is narrowed by counting: how many scores are at least t? Each count is one
//! pass without a branch. t comes by turns from the counts at the bracket's ends, from its middle, and from the middle
//! of the floats inside it, so that the first passes come near at once and 32 of each kind are the most there can be.
//! It ends when exactly k scores reach t, or when all that do and are not among the k are equal to it.

use super::LANES;
use super::elementwise::copy;
use super::level::{self, Kernel};
use crate::float::{rank, unrank};

/// z = 1 for the k largest scores, equal scores by lower index, else 0. k above n counts as n. Not for NaN.
pub(crate) fn map(scores: &[f32], k: usize, z: &mut [f32]) {
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
    fn run(self) {
        top_k(self.scores, self.k, self.z);
    }
}

/// [`map`], to be compiled for the level of its caller.
#[inline(always)]
pub(super) fn top_k(scores: &[f32], k: usize, z: &mut [f32]) {
    if k == 0 || k >= scores.len() {
        z.fill(if k == 0 { 0.0 } else { 1.0 });
        return;
    }
    let (threshold, reached) = kth_largest(scores, k, 0);
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

/// (t, the number of scores ≥ t), where these are the k to k + slack largest, or all that are at least the k-th largest;
/// 1 ≤ k < n. Not for NaN.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(super) fn kth_largest(scores: &[f32], k: usize, slack: usize) -> (f32, usize) {
    let (full, rest) = scores.as_chunks::<LANES>();
    // Below every score that counts.
    let mut last = [f32::NEG_INFINITY; LANES];
    copy(rest, &mut last);
    narrow(full, &last, k, slack)
}

/// Narrows a bracket.
#[inline(always)]
fn narrow(full: &[[f32; LANES]], last: &[f32; LANES], k: usize, slack: usize) -> (f32, usize) {
    let (lowest, highest) = range(full, last);
    // Ranks: at least k scores reach `low`, fewer than k reach `high`.
    let (mut low, mut reach_low) = (rank(lowest), count(full, last, lowest));
    let (mut high, mut reach_high) = (rank(highest) + 1, 0);
    if reach_low < k {
        // Where others are −inf.
        (low, reach_low) = (rank(f32::NEG_INFINITY), (full.len() + 1) * LANES);
    }
    for turn in 0_u32.. {
        if reach_low <= k + slack || high - low <= 1 {
            break;
        }
        let (from, to) = (unrank(low), unrank(high));
        let guess = match turn % 4 {
            0 | 2 => rank(from + (to - from) * ((reach_low - k) as f32 / (reach_low - reach_high) as f32)),
            1 => rank(from + (to - from) * 0.5),
            _ => low,
        };
        // Also where the bracket is too wide for a difference, or has an infinite end.
        let guess = if low < guess && guess < high { guess } else { low + (high - low) / 2 };
        let reach = count(full, last, unrank(guess));
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
fn range(full: &[[f32; LANES]], last: &[f32; LANES]) -> (f32, f32) {
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for block in full.iter().chain([last]) {
        for ((low, high), &score) in low.iter_mut().zip(&mut high).zip(block) {
            *low = if score < *low && score > f32::NEG_INFINITY { score } else { *low };
            *high = higher(score, *high);
        }
    }
    (across(low, lower), across(high, higher))
}

/// How many scores are at least t. Lanes count in floats, which no compiler regroups, and so in vector registers.
#[cfg_attr(target_arch = "x86_64", inline(always))]
fn count(full: &[[f32; LANES]], last: &[f32; LANES], t: f32) -> usize {
    /// As far as a float counts.
    const MOST: usize = 1 << 20;
    let mut counts = [0.0; LANES];
    add_reached(&mut counts, last, t);
    let mut total = 0;
    let (first, others) = full.split_at(full.len().min(MOST));
    for block in first {
        add_reached(&mut counts, block, t);
    }
    for part in others.chunks(MOST) {
        total += across(counts, |a, b| a + b) as usize;
        counts = [0.0; LANES];
        for block in part {
            add_reached(&mut counts, block, t);
        }
    }
    total + across(counts, |a, b| a + b) as usize
}

#[inline(always)]
fn add_reached(counts: &mut [f32; LANES], block: &[f32; LANES], t: f32) {
    for (count, &score) in counts.iter_mut().zip(block) {
        *count += one_if(score >= t);
    }
}

/// One value from all lanes, by halves.
#[inline(always)]
fn across(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    for half in [8, 4, 2, 1] {
        for l in 0..half {
            if let (Some(&a), Some(&b)) = (lanes.get(l), lanes.get(l + half))
                && let Some(lane) = lanes.get_mut(l)
            {
                *lane = join(a, b);
            }
        }
    }
    let [first, ..] = lanes;
    first
}

#[inline(always)]
fn one_if(condition: bool) -> f32 {
    if condition { 1.0 } else { 0.0 }
}

#[inline(always)]
fn lower(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline(always)]
fn higher(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}
