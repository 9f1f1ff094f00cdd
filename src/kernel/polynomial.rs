//! Polynomials with coefficients ≥ 0, and truncated: Π (1 + r_i x) over coins, products, power sums.
//!
//! The factors are dealt out to eight lanes, each with a product of its own, row j of a table holding coefficient j of
//! all eight. So no lane waits for another, nothing is shuffled, and four coins are multiplied into a row at once, by
//! the elementary symmetric polynomials of their r. Then the eight products become one. Sixteen lanes would spend more
//! on that than they save.
//!
//! Every product is a sum down one coefficient after another, in order: the same bits for vectors of any width.

use super::EIGHT;
use super::elementwise::copy;
use crate::float::{exponent, power_of_two};

/// A row of the table, or a block of coefficients.
pub(crate) type Lanes = [f32; EIGHT];

/// Coins that are multiplied into the table at once.
const COINS: usize = 4 * EIGHT;

/// 2⁶⁴ is the most by which so many factors a lane can make a product grow: r ≤ 1.
const BEFORE_OVERFLOW: usize = 64 * EIGHT;

/// The floats that keep a polynomial: whole blocks of coefficients, behind a block of zeros for windows to reach into.
pub(crate) const fn len(degree: usize) -> usize {
    EIGHT * (degree / EIGHT + 2)
}

/// The coefficients of a polynomial that is kept in `len(degree)` floats.
#[inline(always)]
pub(crate) fn coefficients(polynomial: &[f32], degree: usize) -> &[f32] {
    polynomial.get(EIGHT..).and_then(|rest| rest.get(..=degree)).unwrap_or_default()
}

/// The first N values, or as many as there are and padding.
#[inline(always)]
pub(crate) fn load<const N: usize>(values: &[f32], padding: f32) -> [f32; N] {
    values.first_chunk().copied().unwrap_or_else(|| {
        let mut short = [padding; N];
        copy(values, &mut short);
        short
    })
}

/// The inverse of [`load`].
#[inline(always)]
pub(crate) fn store<const N: usize>(block: &[f32; N], values: &mut [f32]) {
    match values.first_chunk_mut() {
        Some(whole) => *whole = *block,
        None => copy(block, values),
    }
}

/// a + b·c
#[inline(always)]
fn plus(a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    let mut sum = *a;
    for ((sum, b), c) in sum.iter_mut().zip(b).zip(c) {
        *sum += b * c;
    }
    sum
}

#[inline(always)]
fn times(a: &Lanes, b: &Lanes) -> Lanes {
    plus(&[0.0; EIGHT], a, b)
}

#[inline(always)]
fn add(a: &Lanes, b: &Lanes) -> Lanes {
    let mut sum = *a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum += b;
    }
    sum
}

/// The odds of the coins whose odds have this sign; 0 for others.
#[inline(always)]
fn of_sign(odds: &[f32], sign: f32) -> [f32; COINS] {
    let mut block = load::<COINS>(odds, 0.0);
    for r in &mut block {
        *r = if sign * *r > 0.0 { sign * *r } else { 0.0 };
    }
    block
}

/// Without a branch a lane. None is −0.
#[inline(always)]
fn all_zero(r: &[f32; COINS]) -> bool {
    r.iter().fold(0, |bits, r| bits | r.to_bits()) == 0
}

/// `product` ← Π (1 + r_i x) / 2^e over the coins whose odds have this sign, up to x^degree; e.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(crate) fn expand(odds: &[f32], sign: f32, degree: usize, table: &mut [Lanes], product: &mut [f32]) -> i32 {
    let table = table.get_mut(..=degree).unwrap_or_default();
    table.fill([0.0; EIGHT]);
    if let Some(one) = table.first_mut() {
        *one = [1.0; EIGHT];
    }
    let (mut rows, mut exponent) = (1, 0);
    for odds in odds.chunks(BEFORE_OVERFLOW) {
        for coins in odds.chunks(COINS) {
            let r = of_sign(coins, sign);
            if sign < 0.0 && all_zero(&r) {
                continue; // often: of many coins, few show heads more likely than not
            }
            rows = (rows + COINS / EIGHT).min(table.len());
            if let [a, b, c, d] = r.as_chunks().0 {
                multiply_four(table.get_mut(..rows).unwrap_or_default(), [a, b, c, d]);
            }
        }
        exponent += normalise_lanes(table.get_mut(..rows).unwrap_or_default());
    }
    join(table.get(..rows).unwrap_or_default(), degree, product);
    exponent + normalise(product)
}

/// Each lane times (1 + a x)(1 + b x)(1 + c x)(1 + d x).
#[inline(always)]
fn multiply_four(table: &mut [Lanes], [a, b, c, d]: [&Lanes; 4]) {
    let (ab, a_b, cd, c_d) = (times(a, b), add(a, b), times(c, d), add(c, d));
    let e1 = add(&a_b, &c_d);
    let e2 = plus(&add(&ab, &cd), &a_b, &c_d);
    let e3 = plus(&times(&ab, &c_d), &a_b, &cd);
    let e4 = times(&ab, &cd);
    let [mut t1, mut t2, mut t3, mut t4] = [[0.0; EIGHT]; 4];
    for row in table {
        let t = *row;
        *row = add(&t, &add(&plus(&times(&e1, &t1), &e2, &t2), &plus(&times(&e3, &t3), &e4, &t4)));
        (t1, t2, t3, t4) = (t, t1, t2, t3);
    }
}

/// Brings the largest coefficient of every lane near 1, by a power of two; the sum of their exponents.
#[inline(always)]
fn normalise_lanes(table: &mut [Lanes]) -> i32 {
    let mut largest = [0.0; EIGHT];
    for row in table.iter() {
        for (largest, &t) in largest.iter_mut().zip(row) {
            *largest = if t > *largest { t } else { *largest };
        }
    }
    let mut exponents = 0;
    let mut scale = largest;
    for scale in &mut scale {
        let e = exponent(*scale);
        exponents += e;
        *scale = power_of_two(-e);
    }
    for row in table {
        *row = times(row, &scale);
    }
    exponents
}

/// The same for one polynomial.
#[inline(always)]
fn normalise(polynomial: &mut [f32]) -> i32 {
    let mut largest = [0.0; EIGHT];
    for block in polynomial.as_chunks::<EIGHT>().0 {
        for (largest, &c) in largest.iter_mut().zip(block) {
            *largest = if c > *largest { c } else { *largest };
        }
    }
    let e = exponent(largest.into_iter().fold(0.0, f32::max));
    for c in polynomial {
        *c *= power_of_two(-e);
    }
    e
}

/// `product` ← the product of the eight lanes, up to x^degree.
#[inline(always)]
fn join(table: &[Lanes], degree: usize, product: &mut [f32]) {
    product.fill(0.0);
    for (c, row) in product.iter_mut().skip(EIGHT).zip(table) {
        *c = lane(row, 0);
    }
    for l in 1..EIGHT {
        let degree = degree.min((l + 1) * (table.len() - table.len().min(1)));
        // From the top down, in place: a block depends on itself and lower ones.
        for block in (0..=degree / EIGHT).rev() {
            let sum = block_of_product(table.iter().map(|row| lane(row, l)), product, block);
            if let Some(block) = product.as_chunks_mut().0.get_mut(block + 1) {
                *block = sum;
            }
        }
    }
}

#[inline(always)]
fn lane(row: &Lanes, l: usize) -> f32 {
    row.get(l).copied().unwrap_or_default()
}

/// Coefficients 8·block.. of x·y, of which x is given by its coefficients.
#[inline(always)]
fn block_of_product(x: impl Iterator<Item = f32>, y: &[f32], block: usize) -> Lanes {
    let mut sum = [0.0; EIGHT];
    let upto = y.get(..(block + 2) * EIGHT).unwrap_or_default();
    for (x, y) in x.zip(upto.array_windows::<EIGHT>().rev()) {
        for (sum, y) in sum.iter_mut().zip(y) {
            *sum += x * y;
        }
    }
    sum
}

/// `sum` += x·y, as far as `sum` goes.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(crate) fn add_product<'a>(x: impl Iterator<Item = &'a f32> + Clone, y: &[f32], sum: &mut [f32]) {
    for (i, block) in sum.as_chunks_mut().0.iter_mut().skip(1).enumerate() {
        *block = add(block, &block_of_product(x.clone().copied(), y, i));
    }
}

/// `sums` ← Σ_m x^m (−1)^{m−1} Σ_i v_i r_i^m over the coins whose odds have this sign, for 1 ≤ m ≤ degree.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(crate) fn power_sums(odds: &[f32], v: &[f32], sign: f32, degree: usize, table: &mut [Lanes], sums: &mut [f32]) {
    let table = table.get_mut(..degree).unwrap_or_default();
    table.fill([0.0; EIGHT]);
    for (odds, v) in odds.chunks(COINS).zip(v.chunks(COINS)) {
        let (r, v) = (of_sign(odds, sign), load::<COINS>(v, 0.0));
        if sign < 0.0 && all_zero(&r) {
            continue;
        }
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
    for (sum, [a, b, c, d, e, f, g, h]) in sums.iter_mut().skip(EIGHT + 1).zip(table) {
        *sum = sign * (((*a + *e) + (*c + *g)) + ((*b + *f) + (*d + *h)));
        sign = -sign;
    }
}
