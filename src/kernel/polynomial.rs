//! Polynomials with coefficients ≥ 0, and truncated: Π (1 + r_i x) over coins, products, power sums.
//!
//! Four coins are multiplied in at once, by the elementary symmetric polynomials of their r. Where there are few coins,
//! fours follow one another. Else they are dealt out to eight lanes, each with a product of its own, row j of a table
//! holding coefficient j of all eight: so no lane waits for another, and nothing is shuffled. Then the eight products
//! become one. Sixteen lanes would spend more on that than they save.
//!
//! The order of all sums is fixed: the same bits for vectors of any width.

use crate::arch::EIGHT;
use crate::float::{exponent, power_of_two};
use crate::kernel::lanes::copy;
use crate::kernel::reduce::total;

/// A row of the table, or a block of coefficients.
pub(crate) type Lanes = [f32; EIGHT];

/// Coins that are multiplied into the table at once; so many are few.
const COINS: usize = 4 * EIGHT;

/// 2⁶⁴ is the most by which so many factors a lane can make a product grow: r ≤ 1.
const BEFORE_OVERFLOW: usize = 64 * EIGHT;

/// The floats that keep a polynomial: whole blocks of coefficients.
pub(crate) const fn len(degree: usize) -> usize {
    EIGHT * (degree / EIGHT + 1)
}

/// The rows of a table: whole quads of coefficients.
pub(crate) const fn rows(degree: usize) -> usize {
    QUAD * (degree / QUAD + 1)
}

/// Coefficients that are multiplied at once.
const QUAD: usize = 4;

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
fn plus<const N: usize>(a: &[f32; N], b: &[f32; N], c: &[f32; N]) -> [f32; N] {
    let mut sum = *a;
    for ((sum, b), c) in sum.iter_mut().zip(b).zip(c) {
        *sum += b * c;
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

#[inline(always)]
fn add<const N: usize>(a: &[f32; N], b: &[f32; N]) -> [f32; N] {
    let mut sum = *a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum += b;
    }
    sum
}

/// The odds of the coins whose odds have this sign; 0 for others.
#[inline(always)]
fn of_sign<const N: usize>(odds: &[f32], sign: f32) -> [f32; N] {
    let mut block = load::<N>(odds, 0.0);
    for r in &mut block {
        *r = if sign * *r > 0.0 { sign * *r } else { 0.0 };
    }
    block
}

/// The coefficients of (1 + a x)(1 + b x)(1 + c x)(1 + d x) from that of x on, for every lane.
#[inline(always)]
fn of_four<const N: usize>([a, b, c, d]: [&[f32; N]; 4]) -> [[f32; N]; 4] {
    let (ab, a_b, cd, c_d) = (times(a, b), add(a, b), times(c, d), add(c, d));
    [add(&a_b, &c_d), plus(&add(&ab, &cd), &a_b, &c_d), plus(&times(&ab, &c_d), &a_b, &cd), times(&ab, &cd)]
}

/// `product` ← Π (1 + r_i x) / 2^e over the coins whose odds have this sign, up to x^degree, behind a block of zeros; e.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(crate) fn expand(
    odds: &[f32],
    sign: f32,
    degree: usize,
    table: &mut [Lanes],
    scratch: &mut [f32],
    product: &mut [f32],
) -> i32 {
    product.fill(0.0);
    if let Some(one) = product.get_mut(EIGHT) {
        *one = 1.0;
    }
    if odds.len() <= COINS {
        for (number, coins) in (1..).zip(odds.chunks(4)) {
            if let [a, b, c, d] = of_sign::<4>(coins, sign).as_chunks().0 {
                multiply_by_four(product, degree.min(4 * number), of_four([a, b, c, d]));
            }
        }
        return 0;
    }
    let table = table.get_mut(..rows(degree)).unwrap_or_default();
    table.fill([0.0; EIGHT]);
    if let Some(one) = table.first_mut() {
        *one = [1.0; EIGHT];
    }
    let (mut quads, mut exponent) = (1, 0);
    let all = table.as_chunks_mut().0;
    for odds in odds.chunks(BEFORE_OVERFLOW) {
        for coins in odds.chunks(COINS) {
            quads = (quads + 1).min(all.len());
            if let [a, b, c, d] = of_sign::<COINS>(coins, sign).as_chunks().0 {
                multiply_lanes(all.get_mut(..quads).unwrap_or_default(), of_four([a, b, c, d]));
            }
        }
        exponent += normalise_lanes(all.get_mut(..quads).unwrap_or_default().as_flattened_mut());
    }
    join(table.get(..QUAD * quads).unwrap_or_default(), scratch, product);
    exponent + normalise(product)
}

/// `product`, which stands behind a block of zeros, times 1 + a x + b x² + c x³ + d x⁴, up to x^degree.
#[inline(always)]
fn multiply_by_four(product: &mut [f32], degree: usize, [[a], [b], [c], [d]]: [[f32; 1]; 4]) {
    // From the top down, in place: a block depends on itself and lower ones.
    for block in (1..=degree / EIGHT + 1).rev() {
        let upto = product.get(..(block + 1) * EIGHT).unwrap_or_default();
        let Some(window) = upto.last_chunk::<{ EIGHT + 4 }>() else { return };
        let ([_, _, _, _, t @ ..], [_, _, _, t1 @ .., _]) = (window, window);
        let ([_, _, t2 @ .., _, _], [_, t3 @ .., _, _, _], [t4 @ .., _, _, _, _]) = (window, window, window);
        let low = plus(&times(&[a; EIGHT], t1), &[b; EIGHT], t2);
        let high = plus(&times(&[c; EIGHT], t3), &[d; EIGHT], t4);
        let sum = add(t, &add(&low, &high));
        if let Some(block) = product.as_chunks_mut().0.get_mut(block) {
            *block = sum;
        }
    }
}

/// Each lane times 1 + e₁x + e₂x² + e₃x³ + e₄x⁴.
#[inline(always)]
fn multiply_lanes(table: &mut [[Lanes; QUAD]], e: [Lanes; 4]) {
    let [mut t1, mut t2, mut t3, mut t4] = [[0.0; EIGHT]; 4];
    // By quads, lest rows be moved from one register to another.
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

/// One row of it, from the row t that was there, t1 before it, t2 before that, and so on.
#[cfg_attr(not(any(target_arch = "arm", target_arch = "riscv32")), inline(always))]
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
fn row_of_product([e1, e2, e3, e4]: &[Lanes; 4], [t, t1, t2, t3, t4]: [&Lanes; 5]) -> Lanes {
    add(t, &add(&plus(&times(e1, t1), e2, t2), &plus(&times(e3, t3), e4, t4)))
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
    let exponents = largest.map(exponent);
    let scale = exponents.map(|e| power_of_two(-e));
    for row in table {
        *row = times(row, &scale);
    }
    exponents.iter().sum()
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

/// `product` ← the product of the eight lanes, behind a block of zeros.
#[inline(always)]
fn join(table: &[Lanes], scratch: &mut [f32], product: &mut [f32]) {
    for (c, row) in product.iter_mut().skip(EIGHT).zip(table) {
        *c = lane(row, 0);
    }
    let x = scratch.get_mut(..table.len()).unwrap_or_default();
    for l in 1..EIGHT {
        for (x, row) in x.iter_mut().zip(table) {
            *x = lane(row, l);
        }
        // From the top down, in place: a block depends on itself and lower ones.
        for block in (1..product.len() / EIGHT).rev() {
            let sum = block_of_product(x, product, block);
            if let Some(block) = product.as_chunks_mut().0.get_mut(block) {
                *block = sum;
            }
        }
    }
}

#[inline(always)]
fn lane(row: &Lanes, l: usize) -> f32 {
    row.get(l).copied().unwrap_or_default()
}

/// Block number `block` of x·y, where x is whole quads of coefficients, and y and the product stand behind a block of
/// zeros.
#[cfg_attr(not(any(target_arch = "arm", target_arch = "riscv32")), inline(always))]
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
fn block_of_product(x: &[f32], y: &[f32], block: usize) -> Lanes {
    let mut sum = [0.0; EIGHT];
    let mut y = y.get(..(block + 1) * EIGHT).unwrap_or_default();
    for x in x.as_chunks::<QUAD>().0 {
        let Some(window) = y.last_chunk::<{ EIGHT + QUAD - 1 }>() else { break };
        // Not by a loop over windows, whose overlap compilers keep and shuffle.
        let ([_, _, _, y0 @ ..], [_, _, y1 @ .., _]) = (window, window);
        let ([_, y2 @ .., _, _], [y3 @ .., _, _, _]) = (window, window);
        for (x, y) in x.iter().zip([y0, y1, y2, y3]) {
            sum = plus(&sum, &[*x; EIGHT], y);
        }
        y = y.get(..y.len() - QUAD).unwrap_or_default();
    }
    sum
}

/// `sum` += x·y, as far as `sum` goes, where x is whole quads of coefficients, and y stands behind a block of zeros.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(crate) fn add_product(x: &[f32], y: &[f32], sum: &mut [f32]) {
    for (i, block) in sum.as_chunks_mut().0.iter_mut().enumerate() {
        *block = add(block, &block_of_product(x, y, i + 1));
    }
}

/// `turned` ← the coefficients of x^degree p(1/x), to whole quads.
#[inline(always)]
pub(crate) fn reverse<'a>(p: &[f32], degree: usize, turned: &'a mut [f32]) -> &'a [f32] {
    let turned = turned.get_mut(..rows(degree)).unwrap_or_default();
    turned.fill(0.0);
    for (to, from) in turned.iter_mut().zip(p.get(..=degree).unwrap_or_default().iter().rev()) {
        *to = *from;
    }
    turned
}

/// `sums` ← Σ_m x^m (−1)^{m−1} Σ_i v_i r_i^m over the coins whose odds have this sign, for 1 ≤ m ≤ degree.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(crate) fn power_sums(odds: &[f32], v: &[f32], sign: f32, degree: usize, table: &mut [Lanes], sums: &mut [f32]) {
    let table = table.get_mut(..degree).unwrap_or_default();
    table.fill([0.0; EIGHT]);
    let v = v.get(..odds.len()).unwrap_or_default();
    for (odds, v) in odds.chunks(COINS).zip(v.chunks(COINS)) {
        let (r, v) = (of_sign::<COINS>(odds, sign), load::<COINS>(v, 0.0));
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
