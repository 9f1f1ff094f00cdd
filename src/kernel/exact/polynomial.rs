//! Polynomials with coefficients ≥ 0, truncated at a degree: Π (1 + r_i x) over coins, products, power sums.
//!
//! `expand` multiplies four coins in at once, by the elementary symmetric polynomials of their r. Few coins follow one
//! another by fours. Many coins are dealt out to eight lanes, and each lane has a product of its own: row j of a table
//! holds coefficient j of all eight. So no lane waits for another, and nothing is shuffled. At the end the eight products
//! are multiplied together. With sixteen lanes this last step would cost more than the lanes save.
//!
//! A "padded" polynomial stands behind a block of zeros, so that a window of coefficients may begin below x^0.

use super::eights::load;
use crate::arch::EIGHT;
use crate::float::{exponent, power_of_two};
use crate::kernel::reduce::total;

/// A row of the table, or a block of coefficients.
pub(crate) type Lanes = [f32; EIGHT];

/// Coins that are multiplied into the table at once. No more than these are "few".
const COINS: usize = 4 * EIGHT;

/// Each coin has r ≤ 1 and at most doubles a coefficient: 64 of them in a lane make it grow by at most 2⁶⁴.
const BEFORE_OVERFLOW: usize = 64 * EIGHT;

/// Rows of the table, and coefficients of a factor, that are handled at once.
const QUAD: usize = 4;

/// The floats of a polynomial: whole blocks of coefficients.
pub(crate) const fn len(degree: usize) -> usize {
    EIGHT * (degree / EIGHT + 1)
}

/// The floats of a padded polynomial.
pub(crate) const fn padded_len(degree: usize) -> usize {
    EIGHT + len(degree)
}

/// The rows of a table: whole quads of coefficients.
pub(crate) const fn rows(degree: usize) -> usize {
    QUAD * (degree / QUAD + 1)
}

#[inline(always)]
fn add<const N: usize>(a: &[f32; N], b: &[f32; N]) -> [f32; N] {
    let mut sum = *a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum += b;
    }
    sum
}

#[inline(always)]
fn times<const N: usize>(a: &[f32; N], b: &[f32; N]) -> [f32; N] {
    let mut product = *a;
    for (product, b) in product.iter_mut().zip(b) {
        *product *= b;
    }
    product
}

/// The odds of the coins whose odds are positive, and 0 for all others.
#[inline(always)]
fn load_positive<const N: usize>(odds: &[f32]) -> [f32; N] {
    let mut block = load(odds);
    for r in &mut block {
        *r = if *r > 0.0 { *r } else { 0.0 };
    }
    block
}

/// e₁ to e₄ of (1 + a x)(1 + b x)(1 + c x)(1 + d x) = 1 + e₁x + e₂x² + e₃x³ + e₄x⁴, for every lane.
#[inline(always)]
fn elementary_symmetric<const N: usize>([a, b, c, d]: [&[f32; N]; 4]) -> [[f32; N]; 4] {
    let (ab, a_b, cd, c_d) = (times(a, b), add(a, b), times(c, d), add(c, d));
    [
        add(&a_b, &c_d),
        add(&add(&ab, &cd), &times(&a_b, &c_d)),
        add(&times(&ab, &c_d), &times(&a_b, &cd)),
        times(&ab, &cd),
    ]
}

/// `padded` ← Π (1 + r_i x) / 2^e over the coins with positive odds, up to x^degree; returns e.
///
/// `table` and `column` are scratch of [`rows`] rows and floats.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
pub(crate) fn expand(odds: &[f32], degree: usize, table: &mut [Lanes], column: &mut [f32], padded: &mut [f32]) -> i32 {
    padded.fill(0.0);
    if let Some(one) = padded.get_mut(EIGHT) {
        *one = 1.0;
    }
    debug_assert!(table.len() >= rows(degree) && column.len() >= rows(degree));
    if odds.len() <= COINS {
        expand_few(odds, degree, padded);
        return 0;
    }
    let (table, exponent) = expand_in_lanes(odds, table.get_mut(..rows(degree)).unwrap_or_default());
    multiply_lanes(table, column, padded);
    exponent + normalise(padded)
}

/// Multiplies `padded`, which is 1, by the coins, four after four.
#[inline(always)]
fn expand_few(odds: &[f32], degree: usize, padded: &mut [f32]) {
    for (number, coins) in (1..).zip(odds.chunks(4)) {
        let [a, b, c, d] = load_positive(coins).map(|r| [r]);
        let factor = elementary_symmetric([&a, &b, &c, &d]).map(|[e]| e);
        multiply_by_four(padded, degree.min(4 * number), &factor);
    }
}

/// `padded` times 1 + e₁x + e₂x² + e₃x³ + e₄x⁴, up to x^degree.
#[inline(always)]
fn multiply_by_four(padded: &mut [f32], degree: usize, factor: &[f32; 4]) {
    // From the top down, in place: a block depends on itself and lower ones.
    let mut upto = padded.get_mut(..padded_len(degree)).unwrap_or_default();
    while let Some(window) = upto.last_chunk_mut::<{ EIGHT + 4 }>() {
        let ([_, _, _, _, t @ ..], [_, _, _, t1 @ .., _]) = (&*window, &*window);
        let ([_, _, t2 @ .., _, _], [_, t3 @ .., _, _, _], [t4 @ .., _, _, _, _]) = (&*window, &*window, &*window);
        let product = row_of_product(&factor.map(|e| [e; EIGHT]), [t, t1, t2, t3, t4]);
        let [_, _, _, _, block @ ..] = window;
        *block = product;
        let lower = upto.len() - EIGHT;
        upto = upto.get_mut(..lower).unwrap_or_default();
    }
}

/// One block or row of the product with 1 + e₁x + e₂x² + e₃x³ + e₄x⁴. It was t before; t1 is that of x^1 lower, and so on.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
fn row_of_product([e1, e2, e3, e4]: &[Lanes; 4], [t, t1, t2, t3, t4]: [&Lanes; 5]) -> Lanes {
    let low = add(&times(e1, t1), &times(e2, t2));
    let high = add(&times(e3, t3), &times(e4, t4));
    add(t, &add(&low, &high))
}

/// Makes every lane of `table` the product of its coins. Returns the rows that can be other than 0, and the sum of the
/// exponents by which the lanes were scaled down.
#[inline(always)]
fn expand_in_lanes<'t>(odds: &[f32], table: &'t mut [Lanes]) -> (&'t [Lanes], i32) {
    table.fill([0.0; EIGHT]);
    if let Some(one) = table.first_mut() {
        *one = [1.0; EIGHT];
    }
    let (mut quads, mut exponent) = (1, 0);
    let all = table.as_chunks_mut().0;
    for odds in odds.chunks(BEFORE_OVERFLOW) {
        for coins in odds.chunks(COINS) {
            quads = (quads + 1).min(all.len());
            if let [a, b, c, d] = load_positive::<COINS>(coins).as_chunks().0 {
                multiply_in_lanes(all.get_mut(..quads).unwrap_or_default(), elementary_symmetric([a, b, c, d]));
            }
        }
        exponent += normalise_lanes(all.get_mut(..quads).unwrap_or_default().as_flattened_mut());
    }
    (table.get(..QUAD * quads).unwrap_or_default(), exponent)
}

/// Each lane times 1 + e₁x + e₂x² + e₃x³ + e₄x⁴.
#[inline(always)]
fn multiply_in_lanes(table: &mut [[Lanes; QUAD]], e: [Lanes; 4]) {
    let [mut t1, mut t2, mut t3, mut t4] = [[0.0; EIGHT]; 4];
    // By quads, so that no row has to be moved from one register to another.
    for rows in table {
        let [p, q, r, s] = *rows;
        *rows = [
            row_of_product(&e, [&p, &t1, &t2, &t3, &t4]),
            row_of_product(&e, [&q, &p, &t1, &t2, &t3]),
            row_of_product(&e, [&r, &q, &p, &t1, &t2]),
            row_of_product(&e, [&s, &r, &q, &p, &t1]),
        ];
        (t1, t2, t3, t4) = (s, r, q, p);
    }
}

/// Scales every lane by a power of two that brings its largest coefficient near 1. Returns the sum of the exponents.
///
/// The largest is never 0, so no test reaches `exponent`'s bound for that case here: it is at least 1 after every scaling,
/// and a factor 1 + r x makes no coefficient smaller.
#[inline(always)]
fn normalise_lanes(table: &mut [Lanes]) -> i32 {
    let exponents = largest(table).map(exponent);
    let scale = exponents.map(|e| power_of_two(-e));
    for row in table {
        *row = times(row, &scale);
    }
    exponents.iter().sum()
}

/// The same for one polynomial.
#[inline(always)]
fn normalise(polynomial: &mut [f32]) -> i32 {
    let e = exponent(largest(polynomial.as_chunks().0).into_iter().fold(0.0, f32::max));
    for c in polynomial {
        *c *= power_of_two(-e);
    }
    e
}

/// The largest coefficient ≥ 0 of every lane.
#[inline(always)]
fn largest(table: &[Lanes]) -> Lanes {
    let mut largest = [0.0; EIGHT];
    for row in table {
        for (largest, &c) in largest.iter_mut().zip(row) {
            *largest = if c > *largest { c } else { *largest };
        }
    }
    largest
}

/// `padded` ← the product of the eight lanes. `column` is scratch for one lane.
#[inline(always)]
fn multiply_lanes(table: &[Lanes], column: &mut [f32], padded: &mut [f32]) {
    copy_lane(table, 0, padded.get_mut(EIGHT..).unwrap_or_default());
    let column = column.get_mut(..table.len()).unwrap_or_default();
    for l in 1..EIGHT {
        copy_lane(table, l, column);
        // From the top down, in place: a block depends on itself and lower ones.
        for block in (1..padded.len() / EIGHT).rev() {
            let product = block_of_product(column, padded, block);
            if let Some(block) = padded.as_chunks_mut().0.get_mut(block) {
                *block = product;
            }
        }
    }
}

#[inline(always)]
fn copy_lane(table: &[Lanes], l: usize, column: &mut [f32]) {
    for (c, row) in column.iter_mut().zip(table) {
        *c = row.get(l).copied().unwrap_or_default();
    }
}

/// Block number `block` of the padded product x·y, where x is whole quads of coefficients and y is padded.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
fn block_of_product(x: &[f32], y: &[f32], block: usize) -> Lanes {
    let mut sum = [0.0; EIGHT];
    let mut y = y.get(..(block + 1) * EIGHT).unwrap_or_default();
    for x in x.as_chunks::<QUAD>().0 {
        let Some(window) = y.last_chunk::<{ EIGHT + QUAD - 1 }>() else { break };
        // A loop over the windows would be shorter, but compilers keep their overlap in registers and shuffle it.
        let ([_, _, _, y0 @ ..], [_, _, y1 @ .., _]) = (window, window);
        let ([_, y2 @ .., _, _], [y3 @ .., _, _, _]) = (window, window);
        for (x, y) in x.iter().zip([y0, y1, y2, y3]) {
            sum = add(&sum, &times(&[*x; EIGHT], y));
        }
        y = y.get(..y.len() - QUAD).unwrap_or_default();
    }
    sum
}

/// `sum` += x·y, up to the end of `sum`, where x is whole quads of coefficients and y is padded.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
pub(crate) fn add_product(x: &[f32], y: &[f32], sum: &mut [f32]) {
    for (i, block) in sum.as_chunks_mut().0.iter_mut().enumerate() {
        *block = add(block, &block_of_product(x, y, i + 1));
    }
}

/// `reversed` ← x^degree p(1/x) for a padded p. Returns whole quads of coefficients.
#[inline(always)]
pub(crate) fn reverse<'a>(padded: &[f32], degree: usize, reversed: &'a mut [f32]) -> &'a [f32] {
    debug_assert!(padded.len() > EIGHT + degree && reversed.len() >= rows(degree));
    let reversed = reversed.get_mut(..rows(degree)).unwrap_or_default();
    reversed.fill(0.0);
    let p = padded.get(EIGHT..=EIGHT + degree).unwrap_or_default();
    for (to, from) in reversed.iter_mut().zip(p.iter().rev()) {
        *to = *from;
    }
    reversed
}

/// `sums` ← Σ_m x^m (−1)^{m−1} Σ_i v_i r_i^m over the coins with positive odds, for 1 ≤ m ≤ degree. `table` is scratch.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
pub(crate) fn power_sums(odds: &[f32], v: &[f32], degree: usize, table: &mut [Lanes], sums: &mut [f32]) {
    debug_assert!(table.len() >= degree && v.len() >= odds.len());
    let table = table.get_mut(..degree).unwrap_or_default();
    table.fill([0.0; EIGHT]);
    let v = v.get(..odds.len()).unwrap_or_default();
    for (odds, v) in odds.chunks(COINS).zip(v.chunks(COINS)) {
        let (r, v) = (load_positive::<COINS>(odds), load::<COINS>(v));
        if let ([a, b, c, d], [t, u, v, w]) = (r.as_chunks().0, v.as_chunks().0) {
            let (mut t, mut u, mut v, mut w) = (times(a, t), times(b, u), times(c, v), times(d, w));
            for row in &mut *table {
                *row = add(row, &add(&add(&t, &u), &add(&v, &w)));
                (t, u, v, w) = (times(&t, a), times(&u, b), times(&v, c), times(&w, d));
            }
        }
    }
    sums.fill(0.0);
    let mut sign = 1.0;
    for (sum, row) in sums.iter_mut().skip(1).zip(table) {
        *sum = sign * total(row);
        sign = -sign;
    }
}
