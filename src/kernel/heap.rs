//! The k largest ranks of a sequence, in a heap of k: for machines whose loops go by coordinates.
//!
//! A rank is the order of a score as a whole number ([`rank`]); here ranks are kept as the bits of floats, because the
//! caller's workspace is of floats. The least rank is at the root. A heap starts with k ranks that are at most any that
//! is offered; after that each offer costs one comparison, and log k steps if it is accepted.

use super::ties::Choice;
use crate::float::rank;

/// Heaps up to this length are kept in ascending order, which takes fewer steps than a tree, and more flash.
const SHORT: usize = if cfg!(imle_smallest) { 0 } else { 16 };

/// A rank above those of all scores.
pub(crate) const HIGHEST: u32 = u32::MAX;

/// The least rank of a heap, which an offer must exceed. No score exceeds that of an empty heap.
#[inline(always)]
pub(crate) fn least(heap: &[f32]) -> u32 {
    heap.first().map_or(HIGHEST - 1, |rank| rank.to_bits())
}

/// Replaces the least rank if `rank` is above it. A heap that nothing but this function has changed is in ascending order
/// if it is short.
pub(crate) fn offer(heap: &mut [f32], rank: u32) {
    if rank <= least(heap) {
        return;
    }
    if heap.len() <= SHORT { insert(heap, rank) } else { sift(heap, rank) }
}

/// Replaces the least rank of an ascending heap by one that is above it.
#[inline(always)]
fn insert(heap: &mut [f32], rank: u32) {
    let mut slots = heap.iter_mut();
    if let Some(mut slot) = slots.next() {
        for next in slots {
            let lower = next.to_bits();
            if lower >= rank {
                break;
            }
            *slot = f32::from_bits(lower);
            slot = next;
        }
        *slot = f32::from_bits(rank);
    }
}

/// Replaces the least rank of a heap.
fn sift(heap: &mut [f32], rank: u32) {
    let child = |heap: &[f32], at: usize| heap.get(at).map(|rank| (rank.to_bits(), at));
    let mut at = 0;
    while let Some(left) = child(heap, 2 * at + 1) {
        let (least, place) = child(heap, 2 * at + 2).map_or(left, |right| left.min(right));
        if least >= rank {
            break;
        }
        if let Some(slot) = heap.get_mut(at) {
            *slot = f32::from_bits(least);
        }
        at = place;
    }
    if let Some(slot) = heap.get_mut(at) {
        *slot = f32::from_bits(rank);
    }
}

/// Sorts the ranks of a heap, the largest first.
pub(crate) fn sort(heap: &mut [f32]) {
    // The least rank goes to the end, and the rank that was there is offered to the rest.
    for end in (1..heap.len()).rev() {
        let Some((last, rest)) = heap.get_mut(..=end).and_then(<[f32]>::split_last_mut) else { break };
        let rank = last.to_bits();
        *last = f32::from_bits(least(rest));
        sift(rest, rank);
    }
}

/// Tells of one rank after another whether it is among the k largest, once all were offered.
pub(crate) fn choice(heap: &[f32]) -> Choice<u32> {
    let least = least(heap);
    Choice::new(least, heap.iter().filter(|rank| rank.to_bits() == least).count())
}

/// Writes the positions whose ranks are among the k largest over the heap of k: its first `found` ranks are the largest of
/// those below [`HIGHEST`].
pub(crate) fn write_positions(
    heap: &mut [f32],
    found: usize,
    positions: impl Iterator<Item = usize>,
    ranks: impl Fn(usize) -> u32,
) {
    let mut choice = choice(heap.get(..found).unwrap_or_default());
    let mut slots = heap.iter_mut();
    for i in positions {
        if choice.takes(ranks(i))
            && let Some(slot) = slots.next()
        {
            *slot = f32::from_bits(i as u32);
        }
    }
}

/// z = 1 for the k largest scores by the rule for ties, else 0; a k above n counts as n. No score may be NaN.
pub(crate) fn map(scores: &[f32], k: usize, z: &mut [f32]) {
    debug_assert!(z.len() == scores.len());
    let heap = z.get_mut(..k.min(scores.len())).unwrap_or_default();
    heap.fill(0.0);
    scores.iter().for_each(|&score| offer(heap, rank(score)));
    let mut choice = choice(heap);
    for (z, &score) in z.iter_mut().zip(scores) {
        *z = if choice.takes(rank(score)) { 1.0 } else { 0.0 };
    }
}
