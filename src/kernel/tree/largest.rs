//! The largest number of a short slice, or of the sums of two. Short slices are read in one or two blocks, the last of
//! which may overlap the one before: the largest of a number and itself is the number.

use crate::arch::{EIGHT, SCALAR};

/// The largest a + b; −inf if there is none. No sum is NaN.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
pub(super) fn largest_sum(a: &[f32], b: &[f32]) -> f32 {
    if !SCALAR {
        if let Some(largest) = in_blocks::<16>(a, b) {
            return largest;
        }
        if let Some(largest) = in_blocks::<8>(a, b) {
            return largest;
        }
        if let Some(largest) = in_blocks::<4>(a, b) {
            return largest;
        }
    }
    a.iter().zip(b).fold(f32::NEG_INFINITY, |largest, (a, b)| larger(largest, a + b))
}

/// The first place of the largest a + b; 0 if there is none.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
pub(super) fn first_largest_sum(a: &[f32], b: &[f32]) -> usize {
    let largest = largest_sum(a, b);
    a.iter().zip(b).position(|(a, b)| a + b == largest).unwrap_or_default()
}

/// The first place of the largest value; 0 if there is none. (A value and itself add up to twice the value without
/// rounding, so one loop serves both.)
#[inline(always)]
pub(super) fn first_largest(values: &[f32]) -> usize {
    let largest = largest_sum(values, values) * 0.5;
    let is_largest = |value: &f32| *value == largest;
    let others = if SCALAR {
        0
    } else {
        // Blocks without it are passed over.
        let has_largest = |block: &[f32; EIGHT]| block.iter().fold(false, |any, value| any | is_largest(value));
        EIGHT * values.as_chunks().0.iter().take_while(|block| !has_largest(block)).count()
    };
    let rest = values.get(others..).unwrap_or_default();
    rest.iter().position(is_largest).map_or(0, |place| others + place)
}

/// The largest a + b of slices that have a block.
#[inline(always)]
fn in_blocks<const BLOCK: usize>(a: &[f32], b: &[f32]) -> Option<f32> {
    let mut lanes = [f32::NEG_INFINITY; BLOCK];
    let mut raise = |a: &[f32; BLOCK], b: &[f32; BLOCK]| {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = larger(*lane, a + b);
        }
    };
    raise(a.last_chunk()?, b.last_chunk()?);
    for (a, b) in a.as_chunks().0.iter().zip(b.as_chunks().0) {
        raise(a, b);
    }
    let mut half = BLOCK / 2;
    while half > 0 {
        let (low, high) = lanes.split_at_mut_checked(half).unwrap_or_default();
        low.iter_mut().zip(high).for_each(|(low, high)| *low = larger(*low, *high));
        half /= 2;
    }
    lanes.first().copied()
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}
