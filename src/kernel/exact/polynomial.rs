//! Polynomials with coefficients ≥ 0, truncated at a degree: Π (1 + r_i x) over coins, products, power sums.
//!
//! `expand` multiplies four coins in at once, by the elementary symmetric polynomials of their r. Few coins follow one
//! another by fours. Many coins are dealt out to eight lanes, and each lane has a product of its own: row j of a table
//! holds coefficient j of all eight. So no lane waits for another, and nothing is shuffled. At the end the eight products
//! are multiplied together. With sixteen lanes this last step would cost more than the lanes save.
//!
//! A "padded" polynomial stands behind a block of zeros, so that a window of coefficients may begin below x^0.
//!
//! The coefficients of a product of many coins fall off towards both ends like those of a normal law. Far from the largest
//! they change no result, but their products are subnormal, which costs some processors 150 cycles an operation. So what
//! falls below [`NEGLIGIBLE`] becomes 0 at once, and products skip the zeros at the ends of their factors. What stays is
//! large enough that the product of any two is normal, unless all odds are tiny.

use core::ops::Range;

use super::eights::load;
use crate::arch::EIGHT;
use crate::float::{exponent, power_of_two};
use crate::kernel::reduce::{largest, total};

/// A row of the table, or a block of coefficients.
pub(crate) type Lanes = [f32; EIGHT];

/// Coins that are multiplied into the table at once. No more than these are "few".
const COINS: usize = 4 * EIGHT;

/// Each coin has r ≤ 1 and at most doubles a coefficient: 64 of them in a lane make it grow by at most 2⁶⁴.
const BEFORE_OVERFLOW: usize = 64 * EIGHT;

/// Rows of the table, and coefficients of a factor, that are handled at once.
const QUAD: usize = 4;

/// The quads in a block.
const QUADS: usize = EIGHT / QUAD;

/// A coefficient is negligible if it is smaller than this times the largest odds, where the largest coefficient is at
/// least 1.
///
/// With s = k − h, the results depend on the sums of products a_i b_l along i − l = s − 1, s and s + 1, as ratios. Each is
/// dominated by terms near the largest coefficients of A and B, because about k heads are expected. The exception is s = 0
/// where all odds of A, say, are tiny: a_1 is tiny then, but it is as large as the largest odds, and so not negligible.
pub(crate) const NEGLIGIBLE: f32 = 1.0 / (1_u64 << 60) as f32;

/// [`nonzero`] does not look at fewer groups.
const FEW_GROUPS: usize = 4;

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

/// Replaces coefficients below `least` by 0, in whole blocks.
#[inline(always)]
pub(crate) fn drop_negligible(polynomial: &mut [f32], least: f32) {
    for block in polynomial.as_chunks_mut::<EIGHT>().0 {
        *block = keep(block, least);
    }
}

/// The values that are at least `least`, and 0 for all others.
#[inline(always)]
fn keep<const N: usize>(block: &[f32; N], least: f32) -> [f32; N] {
    let mut kept = *block;
    for c in &mut kept {
        *c = if *c >= least { *c } else { 0.0 };
    }
    kept
}

/// The least odds that are not negligible beside the largest, and greater than 0.
#[inline(always)]
fn least_odds(odds: &[f32]) -> f32 {
    let least = NEGLIGIBLE * largest(odds);
    if least > f32::MIN_POSITIVE { least } else { f32::MIN_POSITIVE }
}

/// Values that are not negligible beside those of `other`, and 0 for all others.
#[inline(always)]
fn keep_beside(block: &Lanes, other: &Lanes) -> Lanes {
    let mut kept = *block;
    for (c, other) in kept.iter_mut().zip(other) {
        *c = if c.abs() >= NEGLIGIBLE * other.abs() { *c } else { 0.0 };
    }
    kept
}

#[inline(always)]
fn all_reach(values: &Lanes, least: f32) -> bool {
    let mut below = 0;
    for &value in values {
        below |= u32::from(value < least);
    }
    below == 0
}

/// True if all values are 0.
#[inline(always)]
fn is_zero<const N: usize>(values: &[f32; N]) -> bool {
    let mut bits = 0;
    for value in values {
        bits |= value.to_bits();
    }
    bits == 0
}

/// The groups of N coefficients without the zeros at both ends. Few groups are all taken: to skip them saves too little.
#[inline(always)]
pub(crate) fn nonzero<const N: usize>(coefficients: &[f32]) -> Range<usize> {
    let mut groups = coefficients.as_chunks::<N>().0;
    if groups.len() <= FEW_GROUPS {
        return 0..groups.len();
    }
    while let [rest @ .., last] = groups
        && is_zero(last)
    {
        groups = rest;
    }
    let end = groups.len();
    while let [first, rest @ ..] = groups
        && is_zero(first)
    {
        groups = rest;
    }
    end - groups.len()..end
}

/// e₁ to e₄ of (1 + a x)(1 + b x)(1 + c x)(1 + d x) = 1 + e₁x + e₂x² + e₃x³ + e₄x⁴, for every lane. TINY: some of their
/// terms may be negligible.
#[inline(always)]
fn elementary_symmetric<const TINY: bool, const N: usize>([a, b, c, d]: [&[f32; N]; 4], least: f32) -> [[f32; N]; 4] {
    let (ab, a_b) = (keep_if::<TINY, N>(times(a, b), least), add(a, b));
    let (cd, c_d) = (keep_if::<TINY, N>(times(c, d), least), add(c, d));
    [
        add(&a_b, &c_d),
        keep_if::<TINY, N>(add(&add(&ab, &cd), &times(&a_b, &c_d)), least),
        keep_if::<TINY, N>(add(&times(&ab, &c_d), &times(&a_b, &cd)), least),
        keep_if::<TINY, N>(times(&ab, &cd), least),
    ]
}

#[inline(always)]
fn keep_if<const TINY: bool, const N: usize>(block: [f32; N], least: f32) -> [f32; N] {
    if TINY { keep(&block, least) } else { block }
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
    let least = least_odds(odds);
    let (table, exponent) = expand_in_lanes(odds, least, table.get_mut(..rows(degree)).unwrap_or_default());
    multiply_lanes(table, least, column, padded);
    exponent + normalise(padded, least)
}

/// Multiplies `padded`, which is 1, by the coins.
#[inline(always)]
fn expand_few(odds: &[f32], degree: usize, padded: &mut [f32]) {
    // No product of some of the odds is smaller than that of all.
    let mut product = 1.0;
    for &r in odds {
        product *= if r > 0.0 { r } else { 1.0 };
    }
    if product >= NEGLIGIBLE {
        multiply_by_fours::<false>(odds, f32::MIN_POSITIVE, degree, padded);
    } else {
        multiply_by_fours::<true>(odds, least_odds(odds), degree, padded);
    }
}

/// Multiplies `padded`, which is 1, by the coins, four after four. TINY: some coefficients may be negligible.
#[inline(always)]
fn multiply_by_fours<const TINY: bool>(odds: &[f32], least: f32, degree: usize, padded: &mut [f32]) {
    for (number, coins) in (1..).zip(odds.chunks(4)) {
        let [a, b, c, d] = keep(&load(coins), least).map(|r| [r]);
        let factor = elementary_symmetric::<TINY, _>([&a, &b, &c, &d], least).map(|[e]| e);
        multiply_by_four(padded, degree.min(4 * number), &factor);
        if TINY {
            drop_negligible(padded, least);
        }
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

/// Makes every lane of `table` the product of its coins. Returns the rows up to the last that is other than 0, and the sum
/// of the exponents by which the lanes were scaled down.
#[inline(always)]
fn expand_in_lanes<'t>(odds: &[f32], least: f32, table: &'t mut [Lanes]) -> (&'t [Lanes], i32) {
    table.fill([0.0; EIGHT]);
    if let Some(one) = table.first_mut() {
        *one = [1.0; EIGHT];
    }
    let (mut quads, mut exponent) = (0..1, 0);
    let all = table.as_chunks_mut().0;
    for odds in odds.chunks(BEFORE_OVERFLOW) {
        for coins in odds.chunks(COINS) {
            // Four coins carry a coefficient no farther than into the next quad.
            let used = all.get(quads.clone()).unwrap_or_default().as_flattened().as_flattened();
            quads.end = (quads.start + nonzero::<{ QUAD * EIGHT }>(used).end + 1).min(all.len());
            if let [a, b, c, d] = keep(&load::<COINS>(coins), least).as_chunks().0 {
                let e = elementary_symmetric::<true, _>([a, b, c, d], least);
                multiply_in_lanes(all.get_mut(quads.clone()).unwrap_or_default(), e, least);
            }
        }
        let rows = all.get_mut(quads.clone()).unwrap_or_default().as_flattened_mut();
        exponent += normalise_lanes(rows, least);
        quads.start += nonzero::<{ QUAD * EIGHT }>(rows.as_flattened()).start;
    }
    (table.get(..QUAD * quads.end).unwrap_or_default(), exponent)
}

/// Each lane times 1 + e₁x + e₂x² + e₃x³ + e₄x⁴.
#[inline(always)]
fn multiply_in_lanes(table: &mut [[Lanes; QUAD]], e: [Lanes; 4], least: f32) {
    let [mut t1, mut t2, mut t3, mut t4] = [[0.0; EIGHT]; 4];
    // By quads, so that no row has to be moved from one register to another.
    for rows in &mut *table {
        let [p, q, r, s] = *rows;
        *rows = [
            row_of_product(&e, [&p, &t1, &t2, &t3, &t4]),
            row_of_product(&e, [&q, &p, &t1, &t2, &t3]),
            row_of_product(&e, [&r, &q, &p, &t1, &t2]),
            row_of_product(&e, [&s, &r, &q, &p, &t1]),
        ];
        (t1, t2, t3, t4) = (s, r, q, p);
    }
    // No coefficient becomes smaller, and the highest of each lane are the smallest.
    if table.as_flattened().last().is_some_and(|highest| !all_reach(highest, least)) {
        for row in table.as_flattened_mut() {
            *row = keep(row, least);
        }
    }
}

/// Scales every lane by a power of two that brings its largest coefficient near 1. Returns the sum of the exponents.
///
/// The largest is never 0, so no test reaches `exponent`'s bound for that case here: it is at least 1 after every scaling,
/// and a factor 1 + r x makes no coefficient smaller.
#[inline(always)]
fn normalise_lanes(table: &mut [Lanes], least: f32) -> i32 {
    let exponents = largest_rows(table).map(exponent);
    let scale = exponents.map(|e| power_of_two(-e));
    for row in table {
        *row = keep(&times(row, &scale), least);
    }
    exponents.iter().sum()
}

/// The same for one polynomial.
#[inline(always)]
fn normalise(polynomial: &mut [f32], least: f32) -> i32 {
    let e = exponent(largest_rows(polynomial.as_chunks().0).into_iter().fold(0.0, f32::max));
    for block in polynomial.as_chunks_mut().0 {
        *block = keep(&times(block, &[power_of_two(-e); EIGHT]), least);
    }
    e
}

/// The largest coefficient ≥ 0 of every lane.
#[inline(always)]
fn largest_rows(table: &[Lanes]) -> Lanes {
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
fn multiply_lanes(table: &[Lanes], least: f32, column: &mut [f32], padded: &mut [f32]) {
    copy_lane(table, 0, padded.get_mut(EIGHT..).unwrap_or_default());
    let column = column.get_mut(..table.len()).unwrap_or_default();
    for l in 1..EIGHT {
        copy_lane(table, l, column);
        let terms = Terms::of(column, padded);
        // From the top down, in place: a block depends on itself and lower ones.
        for block in (1..padded.len() / EIGHT).rev() {
            let product = block_of_product(column, padded, block, &terms);
            if let Some(block) = padded.as_chunks_mut().0.get_mut(block) {
                *block = keep(&product, least);
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

/// The terms of a product x·y that can be other than 0, or all terms of a short one.
struct Terms {
    short: bool,
    /// Quads of x.
    x: Range<usize>,
    /// Blocks of the padded y.
    y: Range<usize>,
}

impl Terms {
    /// x is whole quads of coefficients, and y is padded.
    #[inline(always)]
    fn of(x: &[f32], y: &[f32]) -> Terms {
        Terms { short: y.len() <= EIGHT * FEW_GROUPS, x: nonzero::<QUAD>(x), y: nonzero::<EIGHT>(y) }
    }

    /// The quads of x in a block of the padded product.
    #[inline(always)]
    fn quads(&self, block: usize) -> Range<usize> {
        if self.short {
            return 0..self.x.end;
        }
        let (start, end) = (QUADS * block.saturating_sub(self.y.end), QUADS * (block + 1).saturating_sub(self.y.start));
        self.x.start.max(start)..self.x.end.min(end)
    }
}

/// Block number `block` of the padded product x·y, where x is whole quads of coefficients and y is padded.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
fn block_of_product(x: &[f32], y: &[f32], block: usize, terms: &Terms) -> Lanes {
    let mut sum = [0.0; EIGHT];
    let quads = terms.quads(block);
    let y = y.as_chunks::<QUAD>().0.get(..(QUADS * (block + 1)).saturating_sub(quads.start)).unwrap_or_default();
    let x = x.as_chunks::<QUAD>().0.get(quads).unwrap_or_default();
    for ([x0, x1, x2, x3], window) in x.iter().zip(y.array_windows::<{ QUADS + 1 }>().rev()) {
        let Some(window) = window.as_flattened().first_chunk::<{ EIGHT + QUAD }>() else { break };
        // Loops over the windows would be shorter, but compilers keep their overlap in registers and shuffle it, or they
        // compute their addresses in vectors.
        let ([_, _, _, _, y0 @ ..], [_, _, _, y1 @ .., _]) = (window, window);
        let ([_, _, y2 @ .., _, _], [_, y3 @ .., _, _, _]) = (window, window);
        sum = add(&sum, &times(&[*x0; EIGHT], y0));
        sum = add(&sum, &times(&[*x1; EIGHT], y1));
        sum = add(&sum, &times(&[*x2; EIGHT], y2));
        sum = add(&sum, &times(&[*x3; EIGHT], y3));
    }
    sum
}

/// `sum` += x·y, where x is whole quads of coefficients and y is padded. `sum` begins with block number `first` of the
/// product.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
pub(crate) fn add_product(x: &[f32], y: &[f32], first: usize, sum: &mut [f32]) {
    let terms = Terms::of(x, y);
    for (block, sum) in (first + 1..).zip(sum.as_chunks_mut().0) {
        *sum = add(sum, &block_of_product(x, y, block, &terms));
    }
}

/// `reversed` ← x^degree p(1/x) for a padded p. Returns whole quads of coefficients.
#[inline(always)]
pub(crate) fn reverse<'a>(padded: &[f32], degree: usize, reversed: &'a mut [f32]) -> &'a [f32] {
    debug_assert!(padded.len() > EIGHT + degree && reversed.len() >= len(degree));
    let mut rest = padded.get(..=EIGHT + degree).unwrap_or_default();
    for block in reversed.as_chunks_mut::<EIGHT>().0.iter_mut().take(len(degree) / EIGHT) {
        // Behind x^0 come the zeros of the padding.
        let (lower, highest) = rest.split_last_chunk::<EIGHT>().unwrap_or((&[], &[0.0; EIGHT]));
        *block = *highest;
        block.reverse();
        rest = lower;
    }
    reversed.get(..rows(degree)).unwrap_or_default()
}

/// `sums` ← Σ_m x^m (−1)^{m−1} Σ_i v_i r_i^m over the coins with positive odds, for 1 ≤ m ≤ degree. `table` is scratch.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
pub(crate) fn power_sums(odds: &[f32], v: &[f32], degree: usize, table: &mut [Lanes], sums: &mut [f32]) {
    debug_assert!(table.len() >= degree && v.len() >= odds.len());
    let table = table.get_mut(..degree).unwrap_or_default();
    table.fill([0.0; EIGHT]);
    let (least, v) = (least_odds(odds), v.get(..odds.len()).unwrap_or_default());
    for (odds, v) in odds.chunks(COINS).zip(v.chunks(COINS)) {
        let (r, v) = (keep(&load::<COINS>(odds), least), load::<COINS>(v));
        if let ([a, b, c, d], [t, u, v, w]) = (r.as_chunks().0, v.as_chunks().0) {
            add_powers([a, b, c, d], [times(a, t), times(b, u), times(c, v), times(d, w)], table);
        }
    }
    sums.fill(0.0);
    let mut sign = 1.0;
    for (sum, row) in sums.iter_mut().skip(1).zip(table) {
        *sum = sign * total(row);
        sign = -sign;
    }
}

/// Adds v r, v r², v r³, … of four coins in each lane to the rows of the table. `first` is v r.
#[inline(always)]
fn add_powers([a, b, c, d]: [&Lanes; 4], first: [Lanes; 4], table: &mut [Lanes]) {
    let [mut t, mut u, mut v, mut w] = first;
    let (mut done, mut rest) = (0, table);
    loop {
        // Powers that are negligible beside the first become 0 each time that the exponent has doubled. So they do not get
        // as far as subnormal numbers.
        let (rows, others) = rest.split_at_mut(rest.len().min(done.max(EIGHT)));
        done += rows.len();
        for row in rows {
            *row = add(row, &add(&add(&t, &u), &add(&v, &w)));
            (t, u, v, w) = (times(&t, a), times(&u, b), times(&v, c), times(&w, d));
        }
        if others.is_empty() {
            return;
        }
        rest = others;
        let [first_t, first_u, first_v, first_w] = &first;
        (t, u) = (keep_beside(&t, first_t), keep_beside(&u, first_u));
        (v, w) = (keep_beside(&v, first_v), keep_beside(&w, first_w));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Odds from 1 down to e^−80, and zeros between them.
    fn odds(n: usize) -> Vec<f32> {
        (0..n).map(|i| if i % 7 == 3 { 0.0 } else { (-80.0 * i as f32 / n as f32).exp() }).collect()
    }

    /// Π (1 + r_i x) up to x^degree, coin by coin.
    fn reference(odds: &[f32], degree: usize) -> Vec<f64> {
        let mut product = vec![0.0; degree + 1];
        product[0] = 1.0;
        for &r in odds {
            for j in (1..=degree).rev() {
                product[j] += f64::from(r) * product[j - 1];
            }
        }
        product
    }

    /// Every coefficient that is dropped is negligible, and every one that stays is not.
    #[test]
    fn only_negligible_coefficients_are_dropped() {
        for (n, degree) in [(1, 1), (4, 4), (31, 5), (32, 32), (33, 10), (300, 100), (2000, 1000)] {
            let (odds, mut padded) = (odds(n), vec![f32::NAN; padded_len(degree)]);
            let mut table = vec![[f32::NAN; EIGHT]; rows(degree)];
            let exponent = expand(&odds, degree, &mut table, &mut vec![f32::NAN; len(degree)], &mut padded);
            // A coefficient lacks what was dropped from its terms, here less than 64 times the bound.
            let dropped = 64.0 * f64::from(NEGLIGIBLE);
            for (j, (&got, expected)) in padded[EIGHT..].iter().zip(reference(&odds, degree)).enumerate() {
                let expected = expected * f64::powi(2.0, -exponent);
                let error = (f64::from(got) - expected).abs();
                assert!(error <= 1e-5 * expected + dropped, "n {n}, x^{j}: {got:e}, expected {expected:e}");
                assert!(got == 0.0 || n <= COINS || got >= NEGLIGIBLE, "n {n}, x^{j}: {got:e}");
            }
        }
    }

    /// Zeros at the ends of a factor change no bit of a product.
    #[test]
    fn products_skip_nothing_but_zeros() {
        for (x_zeros, y_zeros) in [(0, 0), (9, 0), (0, 40), (33, 17), (70, 70), (96, 3)] {
            let values = |zeros: usize, len: usize| {
                let value = |i: usize| if i < zeros || i + zeros / 2 >= len { 0.0 } else { 1.0 / (i + 1) as f32 };
                (0..len).map(value).collect::<Vec<_>>()
            };
            let (x, y) = (values(x_zeros, 96), [vec![0.0; EIGHT], values(y_zeros, 120)].concat());
            let mut sum = vec![0.0; 120];
            add_product(&x, &y, 0, &mut sum);
            for (j, &got) in sum.iter().enumerate() {
                let expected = (0..=j.min(95)).fold(0.0, |sum, i| sum + x[i] * y[EIGHT + j - i]);
                assert_eq!(got, expected, "x^{j} with {x_zeros} and {y_zeros} zeros");
            }
        }
    }
}
