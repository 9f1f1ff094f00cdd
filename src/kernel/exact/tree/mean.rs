//! Marginals whose columns add up to 1, and covariances from slopes.

use crate::arch::EIGHT;
use crate::kernel::corner::Corner;
use crate::kernel::elementwise::divide;

/// The head of the likeliest arc to d.
#[inline(always)]
fn likeliest(corner: Corner, mu: &[f32], d: usize) -> usize {
    (1..corner.side).fold(0, |best, h| if corner.at(mu, h, d) > corner.at(mu, best, d) { h } else { best })
}

/// μ_hd ← μ_hd/Σ_h μ_hd in the corner. Every tree has one arc to each word. The rounding errors that the arcs to a word
/// share drop out.
#[inline(always)]
pub(crate) fn normalise_columns(Corner { side: words, stride }: Corner, mu: &mut [f32]) {
    for start in (0..words).step_by(EIGHT) {
        let columns = start..words.min(start + EIGHT);
        let mut sums = [0.0; EIGHT];
        for line in mu.chunks(stride.max(1)).take(words) {
            for (sum, mu) in sums.iter_mut().zip(line.get(columns.clone()).unwrap_or_default()) {
                *sum += mu;
            }
        }
        for line in mu.chunks_mut(stride.max(1)).take(words) {
            for (mu, sum) in line.get_mut(columns.clone()).unwrap_or_default().iter_mut().zip(&sums) {
                *mu /= if *sum > 0.0 { *sum } else { 1.0 };
            }
        }
    }
}

/// v_hd ← v_hd − Σ_h μ_hd v_hd in the corner. Every tree has one arc to each word, so this changes ⟨v, z⟩ by a
/// constant, and with it no covariance. What is left is small where a tree dominates: it is formed from the differences
/// to the v of the likeliest arc, so that it has all its digits. Arcs that have no probability get 0.
#[inline(always)]
pub(crate) fn centre_columns(corner: Corner, mu: &[f32], v: &mut [f32]) {
    for d in 0..corner.side {
        let origin = corner.at(v, likeliest(corner, mu, d), d);
        let (mut total, mut weighted) = (0.0, 0.0);
        for h in 0..corner.side {
            total += corner.at(mu, h, d);
            weighted += corner.at(mu, h, d) * (corner.at(v, h, d) - origin);
        }
        let mean = if total > 0.0 { weighted / total } else { 0.0 };
        for h in 0..corner.side {
            let possible = corner.at(mu, h, d) > 0.0;
            if let Some(v) = v.get_mut(h * corner.stride + d) {
                *v = if possible { (*v - origin) - mean } else { 0.0 };
            }
        }
    }
}

/// `slopes` ← μ · slopes/`divisor` in the corner, 0 outside: the derivatives of μ from those of ln μ.
///
/// A column of a covariance has the sum 0. So the likeliest arc gets what the others leave: where it is nearly certain,
/// its own slope is the difference of numbers that agree in all digits.
#[inline(always)]
pub(crate) fn covariances(corner: Corner, mu: &[f32], divisor: f32, slopes: &mut [f32]) {
    corner.clear_outside(slopes);
    for (slopes, mu) in slopes.chunks_mut(corner.stride.max(1)).zip(corner.lines(mu)) {
        for (slope, mu) in slopes.iter_mut().zip(mu) {
            *slope = if *mu > 0.0 { mu * *slope } else { 0.0 };
        }
    }
    for d in 0..corner.side {
        let best = likeliest(corner, mu, d);
        let others: f32 = (0..corner.side).filter(|&h| h != best).map(|h| corner.at(slopes, h, d)).sum();
        if let Some(slope) = slopes.get_mut(best * corner.stride + d) {
            *slope = 0.0 - others;
        }
    }
    for slopes in slopes.chunks_mut(corner.stride.max(1)).take(corner.side) {
        divide(slopes.get_mut(..corner.side).unwrap_or_default(), divisor);
    }
}
