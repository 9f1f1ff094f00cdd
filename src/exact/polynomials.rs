//! The law of the number of heads in a row of coins, as polynomials, and what follows from it for every single coin.
//!
//! Coin i has odds r_i ≤ 1 for its less likely side, and h of the n coins are more likely to show heads. With
//!
//! ```text
//! A(x) = Π (1 + r_i x) over the other n − h coins     a_j ∝ Pr(j of these show heads)
//! B(x) = Π (1 + r_i x) over the h coins               b_j ∝ Pr(j of these show tails)
//! F(x) = A(x) x^h B(1/x)   up to x^k                  f_j ∝ Pr(j heads)
//! ```
//!
//! the number of heads among all coins but i, one of the n − h, has the law F(x)/(1 + r_i x). Its coefficients follow from
//! those of F by Horner's rule, which is stable because r_i ≤ 1. So no table of n partial products is needed, and
//!
//! ```text
//! μ_i = r_i (f_{k−1} − r_i f_{k−2} + r_i² f_{k−3} − …)/f_k
//! ```
//!
//! The h coins are treated in the same way with heads and tails exchanged. Their tails are counted:
//! Q(x) = B(x) x^k A(1/x) up to x^h takes the place of F, with q_h = f_k, and the rule gives 1 − μ_i instead of μ_i. So
//! everything below comes in pairs: A, F and k for one kind of coin, B, Q and h for the other.
//!
//! The derivative in the direction v is written with a d. From d ln(1 + r x) = v r x/(1 + r x) follows
//!
//! ```text
//! dA = A · Σ_m (−1)^{m−1} x^m Σ_i v_i r_i^m
//! ```
//!
//! and dF by the product rule. As F/(1 + r_i x) gives μ_i, so dF/(1 + r_i x) + v_i F/(1 + r_i x)² gives dμ_i. For the h
//! coins, the odds of tails fall where v rises: their v is negated.

use crate::arch::{self, Dispatch, EIGHT, Isa};
use crate::float::exact_inverse;
use crate::kernel::elementwise::{divide, scale};
use crate::kernel::exact::horner::{self, Derivative};
use crate::kernel::exact::odds::{gather_negative, gather_negative_with};
use crate::kernel::exact::polynomial::{
    self, Lanes, NEGLIGIBLE, add_product, drop_negligible, expand, nonzero, power_sums, reverse,
};
use crate::kernel::workspace::take;

/// The memory of the polynomials of one row. [`expand`](Polynomials::expand) fills A, B, F and Q, and they stay for the
/// other calls; the rest is scratch.
pub(super) struct Polynomials<'a> {
    k: usize,
    h: usize,
    /// A and B are padded by a block of zeros.
    a: &'a mut [f32],
    b: &'a mut [f32],
    /// F and Q are in units of f_k.
    f: &'a mut [f32],
    q: &'a mut [f32],
    /// Padded.
    da: &'a mut [f32],
    db: &'a mut [f32],
    df: &'a mut [f32],
    dq: &'a mut [f32],
    /// Eight products, power sums, or a polynomial that is reversed.
    table: &'a mut [Lanes],
}

impl<'a> Polynomials<'a> {
    pub(super) fn new(mut memory: &'a mut [f32], k: usize, h: usize) -> Self {
        let [a, da] = [(); 2].map(|()| take(&mut memory, polynomial::padded_len(k)));
        let [f, df] = [(); 2].map(|()| take(&mut memory, polynomial::len(k)));
        let [b, db] = [(); 2].map(|()| take(&mut memory, polynomial::padded_len(h)));
        let [q, dq] = [(); 2].map(|()| take(&mut memory, polynomial::len(h)));
        let table = memory.as_chunks_mut().0;
        debug_assert!(table.len() >= polynomial::rows(k.max(h)), "k {k}, h {h}: {} rows", table.len());
        Polynomials { k, h, a, b, f, q, da, db, df, dq, table }
    }

    /// Computes A, B, F and Q. Returns f_k as a float and an exponent of two.
    pub(super) fn expand(self, odds: &[f32]) -> (f32, i32) {
        arch::run(Expand { odds, polynomials: self })
    }

    /// Every μ_i and ν_i = 1 − μ_i, each with full relative precision.
    pub(super) fn marginals(self, odds: &[f32], mu: &mut [f32], nu: &mut [f32]) {
        arch::run(Marginals { f: significant(self.f, self.k), q: significant(self.q, self.h), odds, mu, nu });
    }

    /// v ← Cov_p(z) v/`divisor`, the derivative of μ in the direction v, divided. `scratch` are two arrays as long as v.
    pub(super) fn covariance(self, odds: &[f32], f_k: f32, divisor: f32, v: &mut [f32], scratch: [&mut [f32]; 2]) {
        arch::run(Covariance { odds, f_k, divisor, v, scratch, polynomials: self });
    }
}

struct Expand<'a> {
    odds: &'a [f32],
    polynomials: Polynomials<'a>,
}

impl Dispatch for Expand<'_> {
    type Output = (f32, i32);
    // The table has eight lanes.
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> (f32, i32) {
        let Polynomials { k, h, a, b, f, q, df: column_a, dq: column_b, db: rare_tails, table, .. } = self.polynomials;
        // The h coins are mostly few. Alone they take few steps.
        let rare_tails = rare_tails.get_mut(..h).unwrap_or_default();
        gather_negative(isa, self.odds, rare_tails);
        // Few coins are multiplied in another order than many. Masks behind the row must not turn few into many.
        let last = self.odds.iter().rposition(|&r| r != 0.0).map_or(0, |last| last + 1);
        let odds = self.odds.get(..last).unwrap_or_default();
        let mut exponent = 0;
        // A loop, so that there is one copy of the code.
        for (odds, k, column, a) in [(odds, k, column_a, &mut *a), (&*rare_tails, h, column_b, &mut *b)] {
            exponent += expand(odds, k, table, column, a);
        }
        f.fill(0.0);
        add_product(reverse(b, h, table.as_flattened_mut()), a, 0, f);
        q.fill(0.0);
        add_product(reverse(a, k, table.as_flattened_mut()), b, 0, q);
        let f_k = f.get(k).copied().unwrap_or_default();
        in_units_of(f_k, f, k);
        in_units_of(f_k, q, h);
        (f_k, exponent)
    }
}

struct Marginals<'a> {
    odds: &'a [f32],
    f: &'a [f32],
    q: &'a [f32],
    mu: &'a mut [f32],
    nu: &'a mut [f32],
}

impl Dispatch for Marginals<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        horner::marginals(self.odds, [self.f, self.q], self.mu, self.nu);
    }
}

struct Covariance<'a> {
    odds: &'a [f32],
    f_k: f32,
    divisor: f32,
    v: &'a mut [f32],
    scratch: [&'a mut [f32]; 2],
    polynomials: Polynomials<'a>,
}

impl Dispatch for Covariance<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Covariance { odds, f_k, divisor, v, scratch: [centred, rare_tails], polynomials } = self;
        let Polynomials { k, h, a, b, f, q, da, db, df, dq, table } = polynomials;
        horner::centre(odds, v, centred);
        let [rare_tails, rare_v] = [rare_tails, &mut *v].map(|all| all.get_mut(..h).unwrap_or_default());
        gather_negative_with(isa, odds, centred, rare_tails, rare_v);

        differentiate(a, [odds, centred], k, table, df, da);
        differentiate(b, [rare_tails, rare_v], h, table, dq, db);

        multiply_derivatives([a, da], [b, db], h, table, f, df);
        divide_by_total(df, f_k, f, k);
        multiply_derivatives([b, db], [a, da], k, table, q, dq);
        divide_by_total(dq, f_k, q, h);

        let of_f = derivative(f, k, df, da);
        let of_q = derivative(q, h, dq, db);
        horner::derivatives(odds, centred, [of_f, of_q], v);
        match exact_inverse(divisor) {
            Some(inverse) => scale(v, inverse),
            None => divide(v, divisor),
        }
    }
}

/// F/f_k up to x^k, where coefficients that change no result are 0: those that are negligible beside f_{k−1}.
#[inline(always)]
fn in_units_of(f_k: f32, f: &mut [f32], k: usize) {
    divide(f, f_k);
    let least = NEGLIGIBLE * below(f, k).last().copied().unwrap_or_default();
    drop_negligible(f, least);
}

/// The coefficients below x^degree, without the blocks of zeros at the front.
#[inline(always)]
fn significant(p: &[f32], degree: usize) -> &[f32] {
    p.get(EIGHT * nonzero::<EIGHT>(p).start..degree).unwrap_or_default()
}

/// The coefficients below x^degree.
fn below(p: &[f32], degree: usize) -> &[f32] {
    p.get(..degree).unwrap_or_default()
}

/// dA = A · power sums, in the blocks where A is not 0. `sums` and `table` are scratch.
#[inline(always)]
fn differentiate(a: &[f32], [odds, v]: [&[f32]; 2], k: usize, table: &mut [Lanes], sums: &mut [f32], da: &mut [f32]) {
    let blocks = nonzero::<EIGHT>(a.get(EIGHT..).unwrap_or_default());
    power_sums(odds, v, k.min(EIGHT * blocks.len()), table, sums);
    da.fill(0.0);
    let da = da.get_mut(EIGHT..).and_then(|da| da.get_mut(EIGHT * blocks.start..EIGHT * blocks.end));
    add_product(sums, a, blocks.start, da.unwrap_or_default());
}

/// dF = dA x^h B(1/x) + A x^h dB(1/x), in the blocks where F is not 0
#[inline(always)]
fn multiply_derivatives(
    [a, da]: [&[f32]; 2],
    [b, db]: [&[f32]; 2],
    h: usize,
    table: &mut [Lanes],
    f: &[f32],
    df: &mut [f32],
) {
    let first = nonzero::<EIGHT>(f).start;
    df.fill(0.0);
    let df = df.get_mut(EIGHT * first..).unwrap_or_default();
    add_product(reverse(b, h, table.as_flattened_mut()), da, first, df);
    add_product(reverse(db, h, table.as_flattened_mut()), a, first, df);
}

/// From dF to d(F/f_k) = dF/f_k − (df_k/f_k) F/f_k, where `f` is F/f_k.
#[inline(always)]
fn divide_by_total(df: &mut [f32], f_k: f32, f: &[f32], k: usize) {
    divide(df, f_k);
    let df_k = df.get(k).copied().unwrap_or_default();
    for (df, f) in df.iter_mut().zip(f) {
        *df -= df_k * f;
    }
}

/// The coefficients of F and dF, as Horner's rule takes them.
#[inline(always)]
fn derivative<'a>(f: &[f32], k: usize, df: &'a [f32], scratch: &'a mut [f32]) -> Derivative<'a> {
    let f = significant(f, k);
    let weighted = scratch.get_mut(..f.len()).unwrap_or_default();
    horner::weigh_for_square(f, weighted);
    Derivative { weighted, df: df.get(k - f.len()..k).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "floats of")]
    fn memory_that_is_too_short_is_noticed() {
        Polynomials::new(&mut [0.0; 40], 8, 8);
    }
}
