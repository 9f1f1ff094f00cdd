//! The one rule for masks: a coordinate whose θ is −inf is masked.
//!
//! A masked coordinate is never chosen, whatever noise and dz are, and its gradient is exactly 0. Its score is −inf, and
//! no other coordinate's score is: a score that overflows downwards, or that is NaN because two infinities met, counts
//! as the lowest finite float. So after the scores are formed, −inf alone tells masks apart.

use crate::arch::{self, Dispatch, Isa, LANES, SCALAR};
use crate::kernel::reduce::{INFINITE, all_finite, all_finite_or};

// The functions of θ below select between constants only. Otherwise LLVM sinks the load of the other operand into a
// branch, and the loop does not vectorise.

/// True if θ masks its coordinate.
#[inline(always)]
pub(crate) fn is_masked(theta: f32) -> bool {
    theta == f32::NEG_INFINITY
}

/// The score, raised to the lowest finite float unless the coordinate is masked.
#[inline(always)]
pub(crate) fn raise_unmasked(theta: f32, score: f32) -> f32 {
    let least = if is_masked(theta) { f32::NEG_INFINITY } else { f32::MIN };
    if score > least { score } else { least }
}

/// −inf for a masked coordinate, whatever αθ made of it, else `base`.
#[inline(always)]
pub(crate) fn keep_mask(theta: f32, base: f32) -> f32 {
    let most = if is_masked(theta) { f32::NEG_INFINITY } else { f32::INFINITY };
    if most < base { most } else { base }
}

/// Sets the values of masked coordinates to 0.
pub(crate) fn zero_masked(theta: &[f32], values: &mut [f32]) {
    for (value, &t) in values.iter_mut().zip(theta) {
        *value = if is_masked(t) { 0.0 } else { *value };
    }
}

/// The coordinates that are not masked, as the bits of a word, for at most 64 finite θ and masks in blocks of lanes.
#[inline(always)]
pub(crate) fn unmasked_bits<I: Isa>(isa: I, theta: &[[f32; LANES]]) -> u64 {
    let mut bits = 0;
    for block in theta.iter().rev() {
        bits = bits << LANES | u64::from(isa.at_least(block, f32::MIN));
    }
    bits
}

/// True if at least k coordinates are not masked; None if a θ is NaN or +inf.
pub(crate) fn has_unmasked(theta: &[f32], k: usize) -> Option<bool> {
    if SCALAR {
        let enough = || theta.iter().filter(|&&t| !is_masked(t)).take(k).count() == k;
        return all_finite_or(theta, Some(f32::NEG_INFINITY)).then(enough);
    }
    let masks = if all_finite(theta) { 0 } else { arch::run(CountMasks { theta })? };
    Some(k <= theta.len() - masks)
}

/// Counts the masks; None if a θ is NaN or +inf.
struct CountMasks<'a> {
    theta: &'a [f32],
}

impl Dispatch for CountMasks<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> Option<usize> {
        let masks = self.theta.iter().fold(0, |masks, &t| masks + u32::from(is_masked(t)));
        let not_finite = self.theta.iter().fold(0, |all, t| all + u32::from(t.to_bits() & INFINITE == INFINITE));
        if masks == not_finite { Some(masks as usize) } else { None }
    }
}
