//! The coins of a row: their odds, and the sums over them that choose the tilt.

use super::LANES;
use super::polynomial::{load, store};
use crate::float::exp_negative;

/// The sign of a float, as its bit.
const SIGN: u32 = 1 << 31;

/// `weights` ← e^{−|y|} for y = (θ − γ)/T, negative where θ > γ; how many those are.
#[inline(always)]
pub(crate) fn weigh(theta: &[f32], gamma: f32, temperature: f32, weights: &mut [f32]) -> f32 {
    let mut above = [0.0; LANES];
    for (theta, weights) in theta.chunks(LANES).zip(weights.chunks_mut(LANES)) {
        let mut block = load::<LANES>(theta, f32::NEG_INFINITY);
        for (above, t) in above.iter_mut().zip(&mut block) {
            let y = (*t - gamma) / temperature;
            *above += if *t > gamma { 1.0 } else { 0.0 };
            let e = exp_negative(-y.abs());
            *t = if *t > gamma { -e } else { e };
        }
        store(&block, weights);
    }
    above.iter().sum()
}

/// Sums over coins under a tilt: u, signed as its weight is, u itself, and u(1 − u), where u is the probability of
/// heads for weights of positive sign, of tails for others.
pub(crate) struct Sums {
    pub difference: f32,
    pub sum: f32,
    pub variance: f32,
}

/// The sums for weights times `factor`, where heads, or over `factor`, where tails.
#[inline(always)]
pub(crate) fn sums(weights: &[f32], factor: f32) -> Sums {
    let [mut difference, mut sum, mut variance] = [[0.0; LANES]; 3];
    let inverse = 1.0 / factor;
    for weights in weights.chunks(LANES) {
        let block = load::<LANES>(weights, 0.0);
        let sums = difference.iter_mut().zip(&mut sum).zip(&mut variance);
        for (((difference, sum), variance), weight) in sums.zip(&block) {
            let x = weight.abs() * if weight.is_sign_negative() { inverse } else { factor };
            let other = 1.0 / (1.0 + x);
            let u = x * other;
            *difference += f32::from_bits(u.to_bits() ^ weight.to_bits() & SIGN);
            *sum += u;
            *variance += u * other;
        }
    }
    let total = |lanes: [f32; LANES]| lanes.iter().sum();
    Sums { difference: total(difference), sum: total(sum), variance: total(variance) }
}

/// Weights → the odds r ≤ 1 of each coin's less likely side, negative where that is tails; how many those are.
#[inline(always)]
pub(crate) fn settle(weights: &mut [f32], factor: f32) -> usize {
    let inverse = 1.0 / factor;
    let mut tails = [0; LANES];
    for weights in weights.chunks_mut(LANES) {
        let mut block = load::<LANES>(weights, 0.0);
        for (tails, weight) in tails.iter_mut().zip(&mut block) {
            let x = weight.abs() * if weight.is_sign_negative() { inverse } else { factor };
            let turned = if x > 1.0 { SIGN } else { 0 };
            let r = if x > 1.0 { 1.0 / x } else { x };
            let sign = (weight.to_bits() & SIGN) ^ turned;
            *tails += sign >> 31;
            *weight = f32::from_bits(r.to_bits() | sign);
        }
        store(&block, weights);
    }
    tails.iter().sum::<u32>() as usize
}
