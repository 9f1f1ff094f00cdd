//! Blocks of floats at the front of a slice.

use crate::kernel::lanes::copy;

/// The first N values; if there are fewer, zeros follow them.
#[inline(always)]
pub(super) fn load<const N: usize>(values: &[f32]) -> [f32; N] {
    values.first_chunk().copied().unwrap_or_else(|| {
        let mut short = [0.0; N];
        copy(values, &mut short);
        short
    })
}

/// Writes the block to the first N values, or as much of it as there is room for.
#[inline(always)]
pub(super) fn store<const N: usize>(block: &[f32; N], values: &mut [f32]) {
    match values.first_chunk_mut() {
        Some(whole) => *whole = *block,
        None => copy(block, values),
    }
}
