//! A polynomial divided by one factor after another: what is left of a product without coin i.
//!
//! If F(x) = (1 + r x) E(x), then the coefficients of E are e_j = f_j − r e_{j−1}: Horner's rule. Coins are the lanes.
//! So the last one is a polynomial in r, and that of F(x)/(1 + r x)², Σ_j (k − j) f_j (−r)^{k−1−j}, is another.

use super::polynomial::{load, store};
use crate::kernel::reduce::{dot, sum};

/// Coins at once: the rule is a chain of dependent steps, so there have to be several vectors of them; but no more
/// than a small processor has registers for.
const WIDE: usize = if cfg!(target_pointer_width = "64") { 32 } else { 8 };

/// The coefficients of a product, from 0 on, for coins that are in it.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    /// For μ: f. For its derivative: f by [`weigh`].
    pub f: &'a [f32],
    /// The derivative of f in the direction v.
    pub f_v: &'a [f32],
}

/// What a block of coins gets: `negative` where its odds are negative.
#[inline(always)]
fn by_sign<const N: usize>(odds: &[f32; N], positive: &[f32; N], negative: &[f32; N]) -> [f32; N] {
    let mut result = *positive;
    for ((result, negative), r) in result.iter_mut().zip(negative).zip(odds) {
        *result = if r.is_sign_negative() { *negative } else { *result };
    }
    result
}

#[inline(always)]
fn split_signs<const N: usize>(odds: &[f32; N]) -> ([f32; N], bool) {
    let mut r = *odds;
    r.iter_mut().for_each(|r| *r = r.abs());
    (r, odds.iter().fold(0, |bits, r| bits | r.to_bits()) >> 31 == 1)
}

/// `mu` ← the probability of heads, `nu` of tails, from the probability r e of a coin's less likely side.
#[inline(always)]
pub(crate) fn marginals(odds: &[f32], products: [Product<'_>; 2], mu: &mut [f32], nu: &mut [f32]) {
    let [heads, tails] = products;
    let [mu, nu] = [mu, nu].map(|all| all.get_mut(..odds.len()).unwrap_or_default());
    for ((odds, mu), nu) in odds.chunks(WIDE).zip(mu.chunks_mut(WIDE)).zip(nu.chunks_mut(WIDE)) {
        let block = load::<WIDE>(odds, 0.0);
        let (r, mixed) = split_signs(&block);
        let mut seldom = unlikely(&r, heads.f);
        if mixed {
            seldom = by_sign(&block, &seldom, &unlikely(&r, tails.f));
        }
        let (mut p, mut q) = (seldom, seldom);
        for ((p, q), r) in p.iter_mut().zip(&mut q).zip(&block) {
            let (seldom, often) = (*p, 1.0 - *p);
            (*p, *q) = if r.is_sign_negative() { (often, seldom) } else { (seldom, often) };
        }
        store(&p, mu);
        store(&q, nu);
    }
}

#[inline(always)]
fn unlikely<const N: usize>(r: &[f32; N], f: &[f32]) -> [f32; N] {
    let mut e = [0.0; N];
    for f in f {
        for (e, r) in e.iter_mut().zip(r) {
            *e = f - r * *e;
        }
    }
    for (e, r) in e.iter_mut().zip(r) {
        *e *= r;
    }
    e
}

/// `turned` ← v less what all v have in common, with its sign turned where the odds' is. Cov 1 = 0, so that any shift is
/// allowed; the mean by odds, the coins that can vary, leaves little to cancel.
#[inline(always)]
pub(crate) fn centre(odds: &[f32], v: &[f32], turned: &mut [f32]) {
    for (turned, r) in turned.iter_mut().zip(odds) {
        *turned = r.abs();
    }
    let (weight, weighted) = (sum(turned), dot(turned, v));
    let shift = if weight > 0.0 { weighted / weight } else { 0.0 };
    for ((turned, v), r) in turned.iter_mut().zip(v).zip(odds) {
        *turned = if r.is_sign_negative() { shift - v } else { v - shift };
    }
}

/// `out` ← the derivative of μ in the direction v, whose sign is turned where the odds' is.
#[inline(always)]
pub(crate) fn derivatives(odds: &[f32], v: &[f32], products: [Product<'_>; 2], out: &mut [f32]) {
    let [heads, tails] = products;
    let (v, out) = (v.get(..odds.len()).unwrap_or_default(), out.get_mut(..odds.len()).unwrap_or_default());
    for ((odds, v), out) in odds.chunks(WIDE).zip(v.chunks(WIDE)).zip(out.chunks_mut(WIDE)) {
        let (block, v) = (load::<WIDE>(odds, 0.0), load::<WIDE>(v, 0.0));
        let (r, mixed) = split_signs(&block);
        let mut result = derivative(&r, &v, heads);
        if mixed {
            result = by_sign(&block, &result, &derivative(&r, &v, tails));
        }
        for (result, r) in result.iter_mut().zip(&block) {
            *result *= r;
        }
        store(&result, out);
    }
}

/// `weighted` ← (k − j) f_j for the k coefficients f_j below x^k: with them, the rule divides by (1 + r x)².
#[inline(always)]
pub(crate) fn weigh(f: &[f32], weighted: &mut [f32]) {
    let mut weight = 1.0;
    for (weighted, f) in weighted.iter_mut().zip(f).rev() {
        *weighted = weight * f;
        weight += 1.0;
    }
}

/// e' + v e for the derivative e' of e at a coin whose own odds are r: of F'/(1 + r x) + v F/(1 + r x)².
#[inline(always)]
fn derivative<const N: usize>(r: &[f32; N], v: &[f32; N], product: Product<'_>) -> [f32; N] {
    let (mut e, mut e_v) = ([0.0; N], [0.0; N]);
    for (f, f_v) in product.f.iter().zip(product.f_v) {
        for ((e, e_v), r) in e.iter_mut().zip(&mut e_v).zip(r) {
            *e = f - r * *e;
            *e_v = f_v - r * *e_v;
        }
    }
    for ((e_v, e), v) in e_v.iter_mut().zip(&e).zip(v) {
        *e_v += v * *e;
    }
    e_v
}
