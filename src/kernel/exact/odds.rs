//! The coins of a row: their odds, and the sums over them by which the tilt is chosen.
//!
//! A coin's odds r ≤ 1 are those of its less likely side. They are stored with a sign: negative where that side is tails.

use super::eights::load;
use crate::arch::{Isa, LANES};
use crate::float::{exact_inverse, exp_negative};
use crate::kernel::reduce::total;

/// The sign of a float, as its bit.
const SIGN: u32 = 1 << 31;

/// `odds` ← e^{−|y|} for y = (θ − γ)/T, negative where θ > γ.
#[inline(always)]
pub(crate) fn from_scores(theta: &[f32], gamma: f32, temperature: f32, odds: &mut [f32]) {
    match exact_inverse(temperature) {
        Some(inverse) => from_scaled::<true>(theta, gamma, inverse, odds),
        None => from_scaled::<false>(theta, gamma, temperature, odds),
    }
}

/// [`from_scores`], where `scale` is 1/T or else T.
#[inline(always)]
fn from_scaled<const INVERSE: bool>(theta: &[f32], gamma: f32, scale: f32, odds: &mut [f32]) {
    for (odds, &theta) in odds.iter_mut().zip(theta) {
        let y = if INVERSE { (theta - gamma) * scale } else { (theta - gamma) / scale };
        let sign = if theta > gamma { SIGN } else { 0 };
        *odds = f32::from_bits(exp_negative(-y.abs()).to_bits() | sign);
    }
}

/// Multiplies the odds of heads by `factor`. Where this makes the other side the less likely one, the sign changes.
#[inline(always)]
pub(crate) fn tilt(odds: &mut [f32], factor: f32) {
    let inverse = 1.0 / factor;
    for odds in odds {
        let x = odds.abs() * if odds.is_sign_negative() { inverse } else { factor };
        let turned = if x > 1.0 { SIGN } else { 0 };
        let r = if x > 1.0 { 1.0 / x } else { x };
        *odds = f32::from_bits(r.to_bits() | (odds.to_bits() & SIGN) ^ turned);
    }
}

/// Sums over the coins. The less likely side of a coin has probability u = r/(1 + r); it is "rare".
pub(crate) struct Expected {
    /// How many coins are more likely to show heads.
    pub h: usize,
    /// Expected rare heads less expected rare tails: Σ ±u. Expected heads are h plus this.
    pub difference: f32,
    /// Expected rare heads and rare tails together: Σ u.
    pub sum: f32,
    /// The variance of the number of heads: Σ u(1 − u).
    pub variance: f32,
}

impl Expected {
    #[inline(always)]
    pub(crate) fn new(odds: &[f32]) -> Self {
        let (mut h, [mut difference, mut sum, mut variance]) = ([0; LANES], [[0.0; LANES]; 3]);
        let (full, rest) = odds.as_chunks::<LANES>();
        // By value: behind a reference the sums would not stay in registers.
        for &block in full.iter().chain([&load(rest)]) {
            let sums = h.iter_mut().zip(&mut difference).zip(&mut sum).zip(&mut variance);
            for ((((h, difference), sum), variance), odds) in sums.zip(&block) {
                let (r, sign) = (odds.abs(), odds.to_bits() & SIGN);
                let other = 1.0 / (1.0 + r);
                let u = r * other;
                *h += sign >> 31;
                *difference += f32::from_bits(u.to_bits() | sign);
                *sum += u;
                *variance += u * other;
            }
        }
        Expected {
            h: h.iter().sum::<u32>() as usize,
            difference: total(&difference),
            sum: total(&sum),
            variance: total(&variance),
        }
    }
}

/// Calls `each` with the position of every coin whose odds are negative, in ascending order.
#[inline(always)]
fn for_each_negative<I: Isa>(isa: I, odds: &[f32], mut each: impl FnMut(usize)) {
    let (full, rest) = odds.as_chunks::<LANES>();
    for (number, block) in full.iter().chain([&load(rest)]).enumerate() {
        let mut marks = *block;
        for mark in &mut marks {
            *mark = if mark.is_sign_negative() { 1.0 } else { 0.0 };
        }
        let mut negative = isa.at_least(&marks, 1.0);
        while negative != 0 {
            each(LANES * number + negative.trailing_zeros() as usize);
            negative &= negative - 1;
        }
    }
}

/// `rare_tails` ← |odds| of the coins whose odds are negative, in their order.
#[inline(always)]
pub(crate) fn gather_negative<I: Isa>(isa: I, odds: &[f32], rare_tails: &mut [f32]) {
    let mut count = 0;
    for_each_negative(isa, odds, |i| {
        if let (Some(r), Some(to)) = (odds.get(i), rare_tails.get_mut(count)) {
            *to = r.abs();
        }
        count += 1;
    });
    debug_assert_eq!(count, rare_tails.len());
}

/// The same, and the v of these coins.
#[inline(always)]
pub(crate) fn gather_negative_with<I: Isa>(
    isa: I,
    odds: &[f32],
    v: &[f32],
    rare_tails: &mut [f32],
    rare_v: &mut [f32],
) {
    let mut count = 0;
    for_each_negative(isa, odds, |i| {
        if let (Some(r), Some(to)) = (odds.get(i), rare_tails.get_mut(count)) {
            *to = r.abs();
        }
        if let (Some(v), Some(to)) = (v.get(i), rare_v.get_mut(count)) {
            *to = *v;
        }
        count += 1;
    });
    debug_assert_eq!(count, rare_tails.len());
}
