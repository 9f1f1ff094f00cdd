//! One pass over coordinates: sums of states, their differences, factors.

use crate::arch::SCALAR;

/// values = 0
#[inline(always)]
pub(crate) fn clear(values: &mut [f32]) {
    if SCALAR && !cfg!(imle_smallest) {
        // A zero that the compiler does not know, or else it calls a function that takes three times as long.
        let zero = core::hint::black_box(0.0);
        let (blocks, rest) = values.as_chunks_mut();
        blocks.fill([zero; 8]);
        return rest.fill(zero);
    }
    values.fill(0.0);
}

/// sum += step · z
#[inline(always)]
pub(crate) fn accumulate(z: &[f32], step: f32, sum: &mut [f32]) {
    for (sum, &z) in sum.iter_mut().zip(z) {
        *sum += step * z;
    }
}

/// sum += step · (a − b); the number of coordinates where a and b differ.
#[inline(always)]
pub(crate) fn accumulate_difference(a: &[f32], b: &[f32], step: f32, sum: &mut [f32]) -> u64 {
    let mut nonzeros = 0;
    for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
        *sum += step * (a - b);
        nonzeros += u64::from(a != b);
    }
    nonzeros
}

/// values · factor
#[inline(always)]
pub(crate) fn scale(values: &mut [f32], factor: f32) {
    for value in values {
        *value *= factor;
    }
}

/// values / divisor: this rounds once, where a factor 1/divisor would round twice.
#[inline(always)]
pub(crate) fn divide(values: &mut [f32], divisor: f32) {
    for value in values {
        *value /= divisor;
    }
}
