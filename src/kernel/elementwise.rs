//! One pass over coordinates: scores, targets, differences.
//!
//! Each operation rounds once. Masked coordinates (θ = −inf) have the score −inf and are the only ones that do: a
//! score that overflows downwards, or has no value because two infinities met, counts as the lowest finite float.

use crate::float::Sum;

/// The score of a coordinate whose θ is `theta`.
#[inline(always)]
fn masked(theta: f32, score: f32) -> f32 {
    if theta == f32::NEG_INFINITY {
        f32::NEG_INFINITY
    } else if score > f32::MIN {
        score
    } else {
        f32::MIN
    }
}

/// scores: ε → θ + τ·ε
pub(crate) fn perturb(theta: &[f32], tau: f32, scores: &mut [f32]) {
    for (score, &t) in scores.iter_mut().zip(theta) {
        *score = masked(t, t + tau * *score);
    }
}

/// scores: ε → (αθ − λ dz) + τ'·ε; a negative λ gives the other side of the central difference.
pub(crate) fn linear_target(theta: &[f32], dz: &[f32], alpha: f32, lambda: f32, tau: f32, scores: &mut [f32]) {
    for ((score, &t), &d) in scores.iter_mut().zip(theta).zip(dz) {
        *score = masked(t, (alpha * t - lambda * d) + tau * *score);
    }
}

/// scores: ε → θ' + τ'·ε with θ' = θ where dz = 0, else −dz
pub(crate) fn combinatorial_target(theta: &[f32], dz: &[f32], tau: f32, scores: &mut [f32]) {
    for ((score, &t), &d) in scores.iter_mut().zip(theta).zip(dz) {
        let target = if d == 0.0 { t } else { -d };
        *score = masked(t, target + tau * *score);
    }
}

/// to ← from, as far as both reach: `copy_from_slice` has a panic for slices of different lengths.
pub(crate) fn copy(from: &[f32], to: &mut [f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}

/// sum += z
pub(crate) fn accumulate(z: &[f32], sum: &mut [f32]) {
    for (sum, &z) in sum.iter_mut().zip(z) {
        *sum += z;
    }
}

/// 0 where θ is masked.
pub(crate) fn zero_masked(theta: &[f32], values: &mut [f32]) {
    for (value, &t) in values.iter_mut().zip(theta) {
        *value = if t == f32::NEG_INFINITY { 0.0 } else { *value };
    }
}

/// sum += z − z'; the number of coordinates where they differ.
pub(crate) fn accumulate_difference(z: &[f32], z_target: &[f32], sum: &mut [f32]) -> u64 {
    let mut nonzeros = 0;
    for ((sum, &z), &target) in sum.iter_mut().zip(z).zip(z_target) {
        *sum += z - target;
        nonzeros += u64::from(z != target);
    }
    nonzeros
}

/// x · factor
pub(crate) fn scale(values: &mut [f32], factor: f32) {
    for value in values {
        *value *= factor;
    }
}

/// x / divisor: rounds once, where a factor 1/divisor would round twice.
pub(crate) fn divide(values: &mut [f32], divisor: f32) {
    for value in values {
        *value /= divisor;
    }
}

/// Σ a·b in sixteen partial sums, added in order.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut add = |a: &[f32], b: &[f32]| {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    };
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        add(a, b);
    }
    add(a_rest, b_rest);
    sums.iter().sum()
}

/// The largest |x| of the finite values.
pub(crate) fn largest_magnitude(values: &[f32]) -> f32 {
    const SIGN: u32 = 1 << 31;
    // Magnitudes are ordered as their bits are.
    let bits = values.iter().map(|x| if x.is_finite() { x.to_bits() & !SIGN } else { 0 });
    f32::from_bits(bits.fold(0, u32::max))
}

/// Σ (factor · x)² over the finite values.
pub(crate) fn sum_of_squares(values: &[f32], factor: f32) -> f32 {
    const LANES: usize = 16;
    // Short sums of one block after another: the error does not grow with the length.
    let block = |block: &[f32]| {
        let mut sums = [0.0; LANES];
        for values in block.chunks(LANES) {
            for (sum, &x) in sums.iter_mut().zip(values) {
                let scaled = if x.is_finite() { factor * x } else { 0.0 };
                *sum += scaled * scaled;
            }
        }
        sums.iter().sum()
    };
    Sum::of(values.chunks(64 * LANES).map(block)).value()
}
