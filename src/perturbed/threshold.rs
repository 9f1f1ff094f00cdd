//! The least bound, or the least word, that a score among the k largest can have.

use super::scores::Perturbed;
use crate::arch::{Dispatch, Isa, LANES};
use crate::kernel::lanes::copy;
use crate::kernel::reduce::raise;
use crate::kernel::select::{FEW, best_of_few, kth_largest};

/// The coordinates whose words are looked at together, once most words are known to be too small.
pub(super) const SIFTED: usize = 64;

/// The number of groups that a chunk is divided into: three for every two coordinates that are wanted.
pub(super) const fn groups(k: usize) -> usize {
    (3 * k).div_ceil(2).next_multiple_of(LANES)
}

/// A floor under the k-th largest bound: the k-th largest among the maxima of groups of bounds. None if no bound reaches
/// `bar`. `room` holds [`groups`] floats.
#[inline(always)]
pub(super) fn floor<I: Isa>(isa: I, bounds: &[f32], k: usize, bar: f32, room: &mut [f32]) -> Option<f32> {
    debug_assert!(room.len() >= groups(k), "no room for the groups of {k}");
    let span = bounds.len().checked_div(groups(k)).unwrap_or_default();
    let maxima = group_maxima(bounds, span, room);
    if maxima.as_chunks::<LANES>().0.iter().all(|block| isa.at_least(block, bar) == 0) {
        return None;
    }
    Some(if maxima.len() <= k { bar } else { kth_of_maxima(isa, maxima, k) })
}

/// A higher floor, for bounds that fill only a few groups of the first: groups of one bound, or of up to four in long
/// chunks, so fewer than 4·k bounds exceed it. There are at least k bounds.
#[inline(always)]
pub(super) fn fine_floor<I: Isa>(isa: I, bounds: &[f32], k: usize, room: &mut [f32]) -> f32 {
    // It is rare, and inside its caller it would take registers from the loops there.
    isa.apart(FineFloor { bounds, k, room })
}

struct FineFloor<'a> {
    bounds: &'a [f32],
    k: usize,
    room: &'a mut [f32],
}

impl Dispatch for FineFloor<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let FineFloor { bounds, k, room } = self;
        let span = (bounds.len() / (4 * k).max(128)).min(4);
        kth_of_maxima(isa, group_maxima(bounds, span, room), k)
    }
}

/// The k-th largest of the maxima of groups.
#[inline(always)]
pub(super) fn kth_of_maxima<I: Isa>(isa: I, maxima: &[f32], k: usize) -> f32 {
    match maxima.len() {
        len if len <= FEW => best_of_few(isa, maxima, len, k).least,
        _ => kth_largest(isa, maxima, k).t,
    }
}

/// The coordinates in a part of a row of n, each lane of which is a group: enough groups for k, and small ones, because the
/// parts of k groups are read again.
pub(super) const fn part(n: usize, k: usize) -> usize {
    let (groups, most) = (groups(k), if n < 1 << 16 { 24 } else { 64 });
    // k = 0 does not come here.
    let span = if groups == 0 { most } else { n.div_ceil(groups) };
    LANES * if span < most { span } else { most }
}

/// The largest θ of each lane of each part. None if a θ is NaN or +inf.
#[inline(always)]
pub(super) fn maxima_of_good<'g>(theta: &[f32], part: usize, groups: &'g mut [f32]) -> Option<&'g [f32]> {
    debug_assert!(groups.len() >= theta.len().div_ceil(part) * LANES, "no room for the groups of {}", theta.len());
    let mut good = [1; LANES];
    let mut count = 0;
    for (part, group) in theta.chunks(part).zip(groups.as_chunks_mut::<LANES>().0) {
        let mut largest = [f32::NEG_INFINITY; LANES];
        let (pairs, rest) = part.as_chunks::<{ 2 * LANES }>();
        for pair in pairs {
            raise_and_check(&mut largest, &mut good, pair);
        }
        if !rest.is_empty() {
            let mut last = [f32::NEG_INFINITY; 2 * LANES];
            copy(rest, &mut last);
            raise_and_check(&mut largest, &mut good, &last);
        }
        *group = largest;
        count += LANES;
    }
    if good.iter().all(|&good| good == 1) { groups.get(..count) } else { None }
}

/// Two blocks at a time: each maximum waits for the one before, so that block after block would be slower than memory.
#[inline(always)]
fn raise_and_check(largest: &mut [f32; LANES], good: &mut [u32; LANES], pair: &[f32; 2 * LANES]) {
    let [a, b] = pair.as_chunks::<LANES>().0 else { return };
    for (((largest, good), &a), &b) in largest.iter_mut().zip(good).zip(a).zip(b) {
        let larger = if b > a { b } else { a };
        *largest = if larger > *largest { larger } else { *largest };
        *good &= u32::from((a < f32::INFINITY) & (b < f32::INFINITY));
    }
}

/// The largest bound of each lane over `span` blocks at a time, for as many groups as there is room.
#[inline(always)]
fn group_maxima<'g>(bounds: &[f32], span: usize, groups: &'g mut [f32]) -> &'g [f32] {
    let mut count = 0;
    for (part, group) in bounds.as_chunks::<LANES>().0.chunks(span.max(1)).zip(groups.as_chunks_mut::<LANES>().0) {
        let mut largest = [f32::NEG_INFINITY; LANES];
        for block in part {
            raise(&mut largest, block.iter().copied());
        }
        *group = largest;
        count += LANES;
    }
    groups.get(..count).unwrap_or_default()
}

/// A word such that every smaller one has a score below `bar`, whatever its coordinate. None if it would reject too few
/// words to pay.
#[inline(always)]
pub(super) fn least_word(row: &Perturbed<'_>, bar: f32) -> Option<u32> {
    let largest_base = row.largest_base();
    // Bounds rise with words and with bases. Words are tried by their distance from the largest, in steps of an eighth.
    const MOST: u32 = 8 * 24;
    let (mut low, mut high) = (0, MOST);
    while low < high {
        let middle = (low + high) / 2;
        let bound = largest_base + row.formula.tau * row.formula.noise.upper_bound(!distance(middle))?;
        if bound < bar { high = middle } else { low = middle + 1 }
    }
    if low < MOST { Some(distance(low).wrapping_neg()) } else { None }
}

/// 8, 9, ... 15, 16, 18, ... 30, 32, 36, ...
const fn distance(step: u32) -> u32 {
    (8 + step % 8) << (step / 8)
}

/// True if one of the words of the [`SIFTED`] coordinates from `at` on is at least `least`, and for a shorter rest.
#[inline(always)]
pub(super) fn has_word(words: &[f32], at: usize, least: u32) -> bool {
    let Some(words) = words.get(at..at + SIFTED) else { return true };
    let mut largest = [0; LANES];
    for block in words.as_chunks::<LANES>().0 {
        for (largest, word) in largest.iter_mut().zip(block) {
            *largest = word.to_bits().max(*largest);
        }
    }
    let mut found = false;
    for largest in largest {
        found |= largest >= least;
    }
    found
}
