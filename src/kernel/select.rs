//! The k largest scores in O(n), without a sort, a recursion or a bad case.
//!
//! A radix selection: ranks are 32-bit integers that order like their scores. Count the candidates by their leading
//! digit (4 bits); the digit that holds the k-th largest is decided, larger ones are in, smaller ones out, and only
//! the candidates of that digit go on to the next. At most 8 rounds over fewer and fewer candidates find the k-th
//! largest rank; one more pass marks everything above it and, lowest index first, as many equals as are still wanted.

use core::cell::Cell;

use super::elementwise::copy;
use crate::float::rank;

const DIGIT_BITS: u32 = 4;
const DIGITS: usize = 1 << DIGIT_BITS;

/// z = 1 for the k largest scores, equal scores by lower index, else 0. k above n counts as n. Not for NaN.
pub(crate) fn top_k(scores: &[f32], k: usize, z: &mut [f32]) {
    if k == 0 || k >= scores.len() {
        z.fill(if k == 0 { 0.0 } else { 1.0 });
        return;
    }
    // z holds the candidates until it is written.
    copy(scores, z);
    let mut threshold = kth_largest(z, k);
    for (z, &score) in z.iter_mut().zip(scores) {
        *z = if threshold.admits(score) { 1.0 } else { 0.0 };
    }
}

/// The leading digits of the k-th largest rank: all above it are in, and `equals` of those that share it.
struct Threshold {
    prefix: u32,
    shift: u32,
    equals: usize,
}

impl Threshold {
    /// Whether the next score, in index order, is among the k.
    #[inline(always)]
    fn admits(&mut self, score: f32) -> bool {
        let prefix = rank(score) >> self.shift;
        if prefix != self.prefix {
            return prefix > self.prefix;
        }
        let wanted = self.equals > 0;
        self.equals -= usize::from(wanted);
        wanted
    }
}

/// Narrows the candidates to those that share the k-th largest rank, 1 ≤ k < n.
fn kth_largest(candidates: &mut [f32], k: usize) -> Threshold {
    let candidates = Cell::from_mut(candidates).as_slice_of_cells();
    let mut threshold = Threshold { prefix: 0, shift: u32::BITS, equals: k };
    let mut len = candidates.len();
    // Once every candidate left is wanted, the digits that remain decide nothing.
    while threshold.shift > 0 && threshold.equals < len {
        threshold.shift -= DIGIT_BITS;
        let shift = threshold.shift;
        let digit_of = |score: f32| (rank(score) >> shift) as usize % DIGITS;
        let scores = || candidates.iter().take(len).map(Cell::get);

        let mut counts = [0; DIGITS];
        for score in scores() {
            if let Some(count) = counts.get_mut(digit_of(score)) {
                *count += 1;
            }
        }
        let mut digit = 0;
        for (d, &count) in counts.iter().enumerate().rev() {
            if threshold.equals <= count {
                digit = d;
                break;
            }
            threshold.equals -= count;
        }
        threshold.prefix = threshold.prefix << DIGIT_BITS | digit as u32;

        let mut kept = 0;
        for (slot, score) in candidates.iter().zip(scores().filter(|&score| digit_of(score) == digit)) {
            slot.set(score);
            kept += 1;
        }
        len = kept;
    }
    threshold
}
