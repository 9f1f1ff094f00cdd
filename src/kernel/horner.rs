//! A polynomial divided by one factor after another: what is left of a product without coin i.
//!
//! If F(x) = (1 + r x) E(x), then the coefficients of E are e_j = f_j − r e_{j−1}: Horner's rule. Coins are the lanes.

use super::LANES;
use super::polynomial::{load, store};

/// Coins at once: the rule is a chain of dependent steps, so there have to be several vectors of them; but no more
/// than a small processor has registers for.
const WIDE: usize = if cfg!(target_pointer_width = "64") { 32 } else { 8 };
const WIDE_V: usize = WIDE / 2;

/// The coefficients of a product, from 0 on, for coins that are in it.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
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
fn magnitudes<const N: usize>(odds: &[f32; N]) -> ([f32; N], bool) {
    let mut r = *odds;
    r.iter_mut().for_each(|r| *r = r.abs());
    (r, odds.iter().fold(0, |bits, r| bits | r.to_bits()) >> 31 == 1)
}

/// `mu` ← the probability of heads, `nu` of tails, from the probability r e of a coin's less likely side.
#[inline(always)]
pub(crate) fn marginals(odds: &[f32], products: [Product<'_>; 2], mu: &mut [f32], nu: &mut [f32]) {
    let [heads, tails] = products;
    for ((odds, mu), nu) in odds.chunks(WIDE).zip(mu.chunks_mut(WIDE)).zip(nu.chunks_mut(WIDE)) {
        let block = load::<WIDE>(odds, 0.0);
        let (r, mixed) = magnitudes(&block);
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
    let [mut weight, mut weighted] = [[0.0; LANES]; 2];
    for (odds, v) in odds.chunks(LANES).zip(v.chunks(LANES)) {
        let (r, v) = (load::<LANES>(odds, 0.0), load::<LANES>(v, 0.0));
        for (((weight, weighted), r), v) in weight.iter_mut().zip(&mut weighted).zip(&r).zip(&v) {
            *weight += r.abs();
            *weighted += r.abs() * v;
        }
    }
    let total = |lanes: [f32; LANES]| lanes.iter().sum::<f32>();
    let (weight, weighted) = (total(weight), total(weighted));
    let shift = if weight > 0.0 { weighted / weight } else { 0.0 };
    for ((turned, v), r) in turned.iter_mut().zip(v).zip(odds) {
        *turned = if r.is_sign_negative() { shift - v } else { v - shift };
    }
}

/// `out` ← the derivative of μ in the direction v, whose sign is turned where the odds' is.
#[inline(always)]
pub(crate) fn derivatives(odds: &[f32], v: &[f32], products: [Product<'_>; 2], out: &mut [f32]) {
    let [heads, tails] = products;
    for ((odds, v), out) in odds.chunks(WIDE_V).zip(v.chunks(WIDE_V)).zip(out.chunks_mut(WIDE_V)) {
        let (block, v) = (load::<WIDE_V>(odds, 0.0), load::<WIDE_V>(v, 0.0));
        let (r, mixed) = magnitudes(&block);
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

/// e' + v e for the derivative e' of e at a coin whose own odds are r: the rule, differentiated.
#[inline(always)]
fn derivative<const N: usize>(r: &[f32; N], v: &[f32; N], product: Product<'_>) -> [f32; N] {
    let (mut e, mut e_v) = ([0.0; N], [0.0; N]);
    for (f, f_v) in product.f.iter().zip(product.f_v) {
        for (((e, e_v), r), v) in e.iter_mut().zip(&mut e_v).zip(r).zip(v) {
            *e = f - r * *e;
            *e_v = (f_v + v * *e) - r * *e_v;
        }
    }
    e_v
}
