//! A product of coins divided by one of its factors: the law of the heads among all other coins.
//!
//! If F(x) = (1 + r x) E(x), then the coefficients of E are e_j = f_j − r e_{j−1}. This is Horner's rule, and the last one,
//! e_{k−1}, is a polynomial in r whose coefficients are those of F. The last coefficient of F(x)/(1 + r x)² is another:
//! Σ_j (k − j) f_j (−r)^{k−1−j}. Every lane has a coin of its own.
//!
//! A coin more likely to show tails is a factor of F, one more likely to show heads a factor of Q. Slices hold the
//! coefficients below the last, f_0 to f_{k−1} and q_0 to q_{h−1}, perhaps without zeros at the front.

use super::eights::{load, store};
use super::polynomial::NEGLIGIBLE;
use crate::arch::LANES;

/// Coins at once. The rule is a chain of dependent steps, so that several vectors of coins are needed to fill the time;
/// but no more than there are registers for.
const WIDE: usize = if cfg!(target_pointer_width = "64") { 32 } else { 8 };

/// The coefficients from which Horner's rule makes the derivatives of coins in F (or Q).
#[derive(Clone, Copy)]
pub(crate) struct Derivative<'a> {
    /// The coefficients of F as [`weigh_for_square`] makes them.
    pub weighted: &'a [f32],
    /// The coefficients of dF, the derivative of F in the direction v.
    pub df: &'a [f32],
}

/// `mu` ← the probability of heads, `nu` ← that of tails: r e_{k−1} is the probability of a coin's less likely side.
#[inline(always)]
pub(crate) fn marginals(odds: &[f32], [f, q]: [&[f32]; 2], mu: &mut [f32], nu: &mut [f32]) {
    debug_assert!(mu.len() >= odds.len() && nu.len() >= odds.len());
    let [mu, nu] = [mu, nu].map(|all| all.get_mut(..odds.len()).unwrap_or_default());
    for ((odds, mu), nu) in odds.chunks(WIDE).zip(mu.chunks_mut(WIDE)).zip(nu.chunks_mut(WIDE)) {
        let odds = load::<WIDE>(odds);
        let (r, mixed) = split_signs(&odds);
        let mut rare = rare_side(&r, f);
        if mixed {
            replace_negative(&odds, &rare_side(&r, q), &mut rare);
        }
        let (mut p_heads, mut p_tails) = (rare, rare);
        for ((heads, tails), r) in p_heads.iter_mut().zip(&mut p_tails).zip(&odds) {
            let (rare, likely) = (*heads, 1.0 - *heads);
            (*heads, *tails) = if r.is_sign_negative() { (likely, rare) } else { (rare, likely) };
        }
        store(&p_heads, mu);
        store(&p_tails, nu);
    }
}

/// |odds|, and whether any of the odds are negative.
#[inline(always)]
fn split_signs<const N: usize>(odds: &[f32; N]) -> ([f32; N], bool) {
    let mut r = *odds;
    r.iter_mut().for_each(|r| *r = r.abs());
    (r, odds.iter().fold(0, |bits, r| bits | r.to_bits()) >> 31 == 1)
}

/// `negative` replaces the result of every coin with negative odds.
#[inline(always)]
fn replace_negative<const N: usize>(odds: &[f32; N], negative: &[f32; N], result: &mut [f32; N]) {
    for ((result, negative), r) in result.iter_mut().zip(negative).zip(odds) {
        *result = if r.is_sign_negative() { *negative } else { *result };
    }
}

/// Odds as the rule takes them: 0 where they change no result, because products with them could be subnormal.
#[inline(always)]
fn effective<const N: usize>(r: &[f32; N]) -> [f32; N] {
    let mut effective = *r;
    for r in &mut effective {
        *r = if *r >= NEGLIGIBLE { *r } else { 0.0 };
    }
    effective
}

/// r e_{k−1}
#[inline(always)]
fn rare_side<const N: usize>(r: &[f32; N], f: &[f32]) -> [f32; N] {
    let (mut e, effective) = ([0.0; N], effective(r));
    for f in f {
        for (e, r) in e.iter_mut().zip(&effective) {
            *e = f - r * *e;
        }
    }
    for (e, r) in e.iter_mut().zip(r) {
        *e *= r;
    }
    e
}

/// `centred` ← v less a shift that all coins have in common, negated for the coins with negative odds.
///
/// Cov 1 = 0, so that any shift is allowed. The mean of v, weighted by the odds, stands for the coins that can vary, and
/// leaves little to cancel.
#[inline(always)]
pub(crate) fn centre(odds: &[f32], v: &[f32], centred: &mut [f32]) {
    let (mut weights, mut products) = ([0.0; LANES], [0.0; LANES]);
    let ((odds_full, odds_rest), (v_full, v_rest)) = (odds.as_chunks::<LANES>(), v.as_chunks::<LANES>());
    // By value: behind references the sums would not stay in registers.
    for (&odds, &v) in odds_full.iter().chain([&load(odds_rest)]).zip(v_full.iter().chain([&load(v_rest)])) {
        for (((weight, product), r), v) in weights.iter_mut().zip(&mut products).zip(&odds).zip(&v) {
            *weight += r.abs();
            *product += r.abs() * v;
        }
    }
    let (weight, weighted) = (weights.iter().sum::<f32>(), products.iter().sum::<f32>());
    let shift = if weight > 0.0 { weighted / weight } else { 0.0 };
    for ((centred, v), r) in centred.iter_mut().zip(v).zip(odds) {
        *centred = if r.is_sign_negative() { shift - v } else { v - shift };
    }
}

/// `weighted` ← (k − j) f_j. With these coefficients Horner's rule divides by (1 + r x)².
#[inline(always)]
pub(crate) fn weigh_for_square(f: &[f32], weighted: &mut [f32]) {
    let mut weight = 1.0;
    for (weighted, f) in weighted.iter_mut().zip(f).rev() {
        *weighted = weight * f;
        weight += 1.0;
    }
}

/// `out` ← the derivative of μ in the direction v, given as `centred`.
#[inline(always)]
pub(crate) fn derivatives(odds: &[f32], centred: &[f32], [f, q]: [Derivative<'_>; 2], out: &mut [f32]) {
    debug_assert!(centred.len() >= odds.len() && out.len() >= odds.len());
    let (v, out) = (centred.get(..odds.len()).unwrap_or_default(), out.get_mut(..odds.len()).unwrap_or_default());
    for ((odds, v), out) in odds.chunks(WIDE).zip(v.chunks(WIDE)).zip(out.chunks_mut(WIDE)) {
        let (odds, v) = (load::<WIDE>(odds), load::<WIDE>(v));
        let (r, mixed) = split_signs(&odds);
        let mut result = derivative(&r, &v, f);
        if mixed {
            replace_negative(&odds, &derivative(&r, &v, q), &mut result);
        }
        for (result, r) in result.iter_mut().zip(&odds) {
            *result *= r;
        }
        store(&result, out);
    }
}

/// The last coefficient of dF/(1 + r x) + v F/(1 + r x)².
#[inline(always)]
fn derivative<const N: usize>(r: &[f32; N], v: &[f32; N], of: Derivative<'_>) -> [f32; N] {
    let (mut e, mut de, effective) = ([0.0; N], [0.0; N], effective(r));
    for (weighted, df) in of.weighted.iter().zip(of.df) {
        for ((e, de), r) in e.iter_mut().zip(&mut de).zip(&effective) {
            *e = weighted - r * *e;
            *de = df - r * *de;
        }
    }
    for ((de, e), v) in de.iter_mut().zip(&e).zip(v) {
        *de += v * *e;
    }
    de
}
