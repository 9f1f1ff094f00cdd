//! Loops of the closed form of k-subsets: over the coins of a row, and over the coefficients of polynomials.
//!
//! `exact::top_k` and `exact::polynomials` tell what they are for. The order of all sums is fixed: the same bits for
//! vectors of any width.

pub(crate) mod horner;
pub(crate) mod odds;
pub(crate) mod polynomial;

use super::elementwise::copy;

/// The first N values; if there are fewer, zeros follow them.
#[inline(always)]
fn load<const N: usize>(values: &[f32]) -> [f32; N] {
    values.first_chunk().copied().unwrap_or_else(|| {
        let mut short = [0.0; N];
        copy(values, &mut short);
        short
    })
}

/// Writes the block to the first N values, or as much of it as there is room for.
#[inline(always)]
fn store<const N: usize>(block: &[f32; N], values: &mut [f32]) {
    match values.first_chunk_mut() {
        Some(whole) => *whole = *block,
        None => copy(block, values),
    }
}
