//! k-subsets in closed form, O(nk) time and n(k+1) + O(n) memory.
//!
//! p(z; θ) on k-subsets is the law of n independent coin tosses given that k of them are heads: with any tilt c,
//! e^{⟨z, θ⟩/T} is proportional to Π e^{z_i y_i} for y_i = θ_i/T + ln c, and that to Π p_i^{z_i} q_i^{1−z_i} with
//! p_i/q_i = e^{y_i}. The tilt is chosen so that about k heads are expected. Then Pr(k heads) is of order 1/√n, nothing
//! that matters overflows or underflows, every sum is of positive terms, and no logarithm stands in the O(nk) part.
//! (Elementary symmetric polynomials in logarithms, the usual way, cost two transcendental functions a cell.)
//!
//! A coin's less likely side has odds r_i = e^{−|y_i|} ≤ 1. Let h coins be more likely to show heads. With
//!
//! ```text
//! A(x) = Π (1 + r_i x) over the others                a_j ∝ Pr(j of the others show heads)
//! B(x) = Π (1 + r_i x) over the h                     b_j ∝ Pr(j of the h show tails)
//! F(x) = A(x) x^h B(1/x)   up to x^k                  f_j ∝ Pr(j heads)
//! ```
//!
//! the heads among all coins but i have the law F(x)/(1 + r_i x), whose coefficients are a Horner scheme down those of F:
//! stable, because r_i ≤ 1. So no table of n partial products is needed, and
//!
//! ```text
//! A_θ  = ln Σ_z e^{⟨z, θ⟩/T} = ln f_k + Σ_{the h} θ_i/T + (k − h)(γ/T − ln c)
//! μ_i  = r_i (f_{k−1} − r_i f_{k−2} + r_i² f_{k−3} − …)/f_k
//! ```
//!
//! The h are the same thing looked at from the other side: they have their tails counted, and instead of F,
//! Q(x) = x^k A(1/x) B(x) up to x^h, with q_h = f_k and 1 − μ_i in place of μ_i.
//!
//! The derivative in the direction v goes the same way. d ln(1 + r x) = v r x/(1 + r x), so
//! A' = A · Σ_m (−1)^{m−1} x^m Σ_i v_i r_i^m; F' and Q' follow by the product rule. And what of F/(1 + r_i x) makes μ_i,
//! that of F'/(1 + r_i x) + v_i F/(1 + r_i x)² makes its derivative.

use super::tilt::Tilt;
use super::{Distribution, RowDistribution};
use crate::float::{CompensatedSum, ln_split, split};
use crate::kernel::EIGHT;
use crate::kernel::elementwise::divide;
use crate::kernel::horner::{self, Product};
use crate::kernel::level::{self, Kernel, Level};
use crate::kernel::odds::gather_negative;
use crate::kernel::polynomial::{self, Lanes, add_product, power_sums, reverse};
use crate::noise::{self, Stream};
use crate::rows::block;
use crate::{Shape, TopK};

/// The memory of one row.
struct Work<'a> {
    /// The odds of each coin's less likely side, negative where that is tails.
    odds: &'a mut [f32],
    mu: &'a mut [f32],
    nu: &'a mut [f32],
    /// [`Polynomials`], or the table that samples are drawn from.
    rest: &'a mut [f32],
}

impl<'a> Work<'a> {
    /// (n + 12)(k + 1) + 3n + 136: `rest` has room for the table's (n + 1)(k + 1) cells and for the polynomials, where
    /// h is at most n and about 2k (see the test).
    const fn len(n: usize, k: usize) -> Option<usize> {
        match (k + 1).checked_mul(n + 12) {
            Some(len) => len.checked_add(3 * n + 136),
            None => None,
        }
    }

    /// `work` was checked to hold `len` floats.
    fn new(work: &'a mut [f32], n: usize) -> Self {
        let mut rest = work;
        let [odds, mu, nu] = [(); 3].map(|()| take(&mut rest, n));
        Work { odds, mu, nu, rest }
    }
}

fn take<'a>(rest: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    let (taken, others) = core::mem::take(rest).split_at_mut_checked(len).unwrap_or_default();
    *rest = others;
    taken
}

/// What one kind of coin has: those more likely to show tails, or heads.
struct Side<'a> {
    /// −1 for those more likely to show heads: their tails are counted.
    sign: f32,
    /// k or h.
    degree: usize,
    /// A or B, behind a block of zeros.
    of_kind: &'a mut [f32],
    of_kind_v: &'a mut [f32],
    /// F or Q, in units of f_k.
    of_all: &'a mut [f32],
    of_all_v: &'a mut [f32],
}

impl<'a> Side<'a> {
    fn new(sign: f32, degree: usize, rest: &mut &'a mut [f32]) -> Self {
        let len = polynomial::len(degree);
        let [of_kind, of_kind_v] = [(); 2].map(|()| take(rest, EIGHT + len));
        let [of_all, of_all_v] = [(); 2].map(|()| take(rest, len));
        Side { sign, degree, of_kind, of_kind_v, of_all, of_all_v }
    }

    /// A or B, in units of 2^e; e.
    #[inline(always)]
    fn expand<L: Level>(&mut self, odds: &[f32], table: &mut [Lanes]) -> i32 {
        let [odds, _] = of_kind::<L>(self.sign, odds, &[], [self.of_kind_v, &mut []]);
        polynomial::expand(odds, self.sign, self.degree, table, self.of_all, self.of_kind)
    }

    /// x^degree A(1/x), or B instead of A.
    #[inline(always)]
    fn reversed<'t>(&self, of_kind: &[f32], table: &'t mut [Lanes]) -> &'t [f32] {
        reverse(of_kind.get(EIGHT..).unwrap_or_default(), self.degree, table.as_flattened_mut())
    }

    /// F from A and B, or Q from B and A.
    #[inline(always)]
    fn multiply(&mut self, other: &Side<'_>, table: &mut [Lanes]) {
        self.of_all.fill(0.0);
        add_product(other.reversed(other.of_kind, table), self.of_kind, self.of_all);
    }

    /// A' or B'. Spoils F' or Q', and `room` for as many floats as there are coins.
    #[inline(always)]
    fn differentiate<L: Level>(&mut self, odds: &[f32], v: &[f32], room: &mut [f32], table: &mut [Lanes]) {
        let [odds, v] = of_kind::<L>(self.sign, odds, v, [self.of_kind_v, room]);
        power_sums(odds, v, self.sign, self.degree, table, self.of_all_v);
        self.of_kind_v.fill(0.0);
        add_product(self.of_all_v, self.of_kind, self.of_kind_v.get_mut(EIGHT..).unwrap_or_default());
    }

    /// F' or Q', in units of f_k and less the share of F or Q by which f'_k is 0: then it is (F/f_k)'.
    #[inline(always)]
    fn multiply_v(&mut self, other: &Side<'_>, total: f32, table: &mut [Lanes]) {
        self.of_all_v.fill(0.0);
        add_product(other.reversed(other.of_kind, table), self.of_kind_v, self.of_all_v);
        add_product(other.reversed(other.of_kind_v, table), self.of_kind, self.of_all_v);
        divide(self.of_all_v, total);
        let mean = self.of_all_v.get(self.degree).copied().unwrap_or_default();
        for (f_v, f) in self.of_all_v.iter_mut().zip(self.of_all.iter()) {
            *f_v -= mean * f;
        }
    }

    /// The coefficients below the last.
    #[inline(always)]
    fn product(&self) -> Product<'_> {
        Product { f: self.of_all.get(..self.degree).unwrap_or_default(), f_v: &[] }
    }

    /// The same for derivatives. Spoils A' or B'.
    #[inline(always)]
    fn product_v(&mut self) -> Product<'_> {
        let [f, f_v] = [&*self.of_all, &*self.of_all_v].map(|all| all.get(..self.degree).unwrap_or_default());
        let weighted = self.of_kind_v.get_mut(..self.degree).unwrap_or_default();
        horner::weigh(f, weighted);
        Product { f: weighted, f_v }
    }
}

/// The odds and the v of one kind of coin, among others: those more likely to show heads are mostly few, and alone.
#[inline(always)]
fn of_kind<'a, L: Level>(sign: f32, odds: &'a [f32], v: &'a [f32], room: [&'a mut [f32]; 2]) -> [&'a [f32]; 2] {
    if sign > 0.0 { [odds, v] } else { gather_negative::<L>(odds, v, room) }
}

struct Polynomials<'a> {
    table: &'a mut [Lanes],
    heads: Side<'a>,
    tails: Side<'a>,
}

impl<'a> Polynomials<'a> {
    fn new(mut rest: &'a mut [f32], k: usize, h: usize) -> Self {
        let (heads, tails) = (Side::new(1.0, k, &mut rest), Side::new(-1.0, h, &mut rest));
        Polynomials { table: rest.as_chunks_mut().0, heads, tails }
    }
}

/// The polynomials of a row; f_k as a float and an exponent of two.
struct Count<'a> {
    odds: &'a [f32],
    polynomials: Polynomials<'a>,
}

impl Kernel for Count<'_> {
    type Output = (f32, i32);

    #[inline(always)]
    fn run<L: Level>(self) -> (f32, i32) {
        let Count { odds, polynomials: Polynomials { table, mut heads, mut tails } } = self;
        let exponent = heads.expand::<L>(odds, table) + tails.expand::<L>(odds, table);
        heads.multiply(&tails, table);
        tails.multiply(&heads, table);
        let total = heads.of_all.get(heads.degree).copied().unwrap_or_default();
        divide(heads.of_all, total);
        divide(tails.of_all, total);
        (total, exponent)
    }
}

/// Every μ_i and ν_i = 1 − μ_i, each with full relative precision.
struct Marginals<'a> {
    odds: &'a [f32],
    polynomials: Polynomials<'a>,
    mu: &'a mut [f32],
    nu: &'a mut [f32],
}

impl Kernel for Marginals<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Polynomials { heads, tails, .. } = &self.polynomials;
        horner::marginals(self.odds, [heads.product(), tails.product()], self.mu, self.nu);
    }
}

/// v ← Cov_p(z) v, the derivative of μ in the direction v.
struct Derivative<'a> {
    odds: &'a [f32],
    polynomials: Polynomials<'a>,
    total: f32,
    v: &'a mut [f32],
    turned: &'a mut [f32],
}

impl Kernel for Derivative<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Derivative { odds, polynomials: Polynomials { table, mut heads, mut tails }, total, v, turned } = self;
        horner::centre(odds, v, turned);
        heads.differentiate::<L>(odds, turned, v, table);
        tails.differentiate::<L>(odds, turned, v, table);
        heads.multiply_v(&tails, total, table);
        tails.multiply_v(&heads, total, table);
        horner::derivatives(odds, turned, [heads.product_v(), tails.product_v()], v);
    }
}

/// A distribution over the k-subsets of one row, ready to be asked: the coins are tilted, F and Q are there.
pub struct Coins<'a> {
    theta: &'a [f32],
    k: usize,
    tilt: Tilt,
    /// f_k, times a power of two.
    total: f32,
    ln_total: f32,
    work: Work<'a>,
    /// Whether the table for samples is in the place of the polynomials.
    drawing: bool,
}

impl<'a> Coins<'a> {
    fn new(theta: &'a [f32], k: usize, temperature: f32, work: Work<'a>) -> Self {
        let tilt = Tilt::new(theta, k, temperature, work.odds);
        let mut row = Coins { theta, k, tilt, total: 1.0, ln_total: 0.0, work, drawing: false };
        row.count();
        row
    }

    fn count(&mut self) {
        let polynomials = Polynomials::new(self.work.rest, self.k, self.tilt.likely);
        let (total, exponent) = level::run(Count { odds: self.work.odds, polynomials });
        // Expected heads are about k, so this is far from ln 0.
        let (e, f) = split(total);
        (self.total, self.ln_total) = (total, ln_split(e + exponent as f32, f));
        self.drawing = false;
    }

    /// Makes sure that the polynomials are there.
    fn polynomials(&mut self) {
        if self.drawing {
            self.count();
        }
    }

    /// −Σ_z r(z) ln p(z) for the r whose marginals are in `mu` and, taken from 1, in `nu`: the entropy for r = p, a
    /// log-probability for a single state, and the difference of two is a KL divergence. What is summed is at least 0.
    fn cross_entropy(&self) -> f32 {
        let mut sum = CompensatedSum::default();
        sum.add(self.ln_total);
        let moments = self.work.mu.iter().zip(self.work.nu.iter());
        for ((&theta, odds), (&mu, &nu)) in self.theta.iter().zip(self.work.odds.iter()).zip(moments) {
            let seldom = if odds.is_sign_negative() { nu } else { mu };
            if seldom > 0.0 {
                let y = self.tilt.y(theta);
                if y.is_infinite() {
                    return f32::INFINITY;
                }
                sum.add(seldom * y.abs());
            }
        }
        sum.value().max(0.0)
    }

    /// F_i(j) = Pr(j of the first i coins show heads) for i = 0..=n, j = 0..=k: F_{i+1}(j) = q_i F_i(j) + p_i F_i(j−1).
    fn tabulate(&mut self) {
        let mut rows = self.work.rest.chunks_exact_mut((self.k + 1).max(1));
        let mut from = rows.next().unwrap_or_default();
        from.fill(0.0);
        if let Some(none) = from.first_mut() {
            *none = 1.0;
        }
        for (to, odds) in rows.zip(self.work.odds.iter()) {
            let often = 1.0 / (1.0 + odds.abs());
            let seldom = odds.abs() * often;
            let (p, q) = if odds.is_sign_negative() { (often, seldom) } else { (seldom, often) };
            let mut one_less = 0.0;
            for (to, &mut from) in to.iter_mut().zip(from) {
                *to = q * from + p * one_less;
                one_less = from;
            }
            from = to;
        }
        self.drawing = true;
    }
}

impl<'a> RowDistribution<'a> for Coins<'a> {
    /// A. What is large is summed as scores.
    fn log_partition(&self) -> f32 {
        let (mut scores, mut rest) = (CompensatedSum::default(), CompensatedSum::default());
        for (&theta, odds) in self.theta.iter().zip(self.work.odds.iter()) {
            if odds.is_sign_negative() {
                scores.add(theta);
            }
        }
        let surplus = self.k as i64 - self.tilt.likely as i64;
        for _ in 0..surplus.unsigned_abs() {
            scores.add(if surplus > 0 { self.tilt.gamma } else { -self.tilt.gamma });
        }
        rest.add(self.ln_total);
        rest.add(-(surplus as f32 * self.tilt.ln_c));
        rest.add(scores.value() / self.tilt.temperature);
        rest.value()
    }

    fn marginals(&mut self) -> &[f32] {
        self.polynomials();
        let Work { odds, mu, nu, rest } = &mut self.work;
        let polynomials = Polynomials::new(rest, self.k, self.tilt.likely);
        level::run(Marginals { odds, polynomials, mu, nu });
        mu
    }

    fn entropy(&self) -> f32 {
        self.cross_entropy()
    }

    fn covariance(&mut self, v: &mut [f32]) {
        self.polynomials();
        let Work { odds, mu: turned, rest, .. } = &mut self.work;
        let polynomials = Polynomials::new(rest, self.k, self.tilt.likely);
        level::run(Derivative { odds, polynomials, total: self.total, v, turned });
    }

    /// z ~ p, valid until the next call: walks the table from the last coin back. With j heads left among the coins
    /// 0..=i, coin i shows heads with probability p_i F_i(j−1) / (q_i F_i(j) + p_i F_i(j−1)).
    fn draw(&mut self, stream: &mut Stream) -> &[f32] {
        if !self.drawing {
            self.tabulate();
        }
        let Work { odds, mu: uniform, nu: z, rest: table } = &mut self.work;
        stream.fill(uniform, &noise::Odds);
        let mut left = self.k;
        for (i, ((z, &u), odds)) in z.iter_mut().zip(uniform.iter()).zip(odds.iter()).enumerate().rev() {
            let (tails, heads) = match block(table, i * (self.k + 1), left + 1) {
                [.., one_less, here] if odds.is_sign_negative() => (odds.abs() * here, *one_less),
                [.., one_less, here] => (*here, odds * one_less),
                _ => (1.0, 0.0),
            };
            // u < heads/(heads + tails), in odds; what is left must fit into the coins that are left.
            let chosen = tails < heads * u || left > i;
            *z = if chosen { 1.0 } else { 0.0 };
            left -= usize::from(chosen);
        }
        z
    }

    fn log_prob(&mut self, state: impl FnOnce(&mut [f32])) -> f32 {
        state(self.work.mu);
        for (nu, &z) in self.work.nu.iter_mut().zip(self.work.mu.iter()) {
            *nu = 1.0 - z;
        }
        -self.cross_entropy()
    }

    fn kl(&mut self, other: &'a [f32]) -> f32 {
        self.marginals();
        let entropy = self.cross_entropy();
        self.theta = other;
        self.tilt = Tilt::new(other, self.k, self.tilt.temperature, self.work.odds);
        self.count();
        (self.cross_entropy() - entropy).max(0.0)
    }
}

impl Distribution for TopK<'_> {
    type Row<'a> = Coins<'a>;

    fn workspace_len(shape: Shape) -> Option<usize> {
        Work::len(shape.n(), shape.k())
    }

    fn row<'a>(&self, b: usize, theta: &'a [f32], temperature: f32, work: &'a mut [f32]) -> Coins<'a> {
        Coins::new(theta, self.k(b), temperature, Work::new(work, theta.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomials_have_room() {
        for n in 1..=200 {
            for k in 0..=n {
                // All h with a share of heads of at least ½, and what the tilt allows for more.
                let allowed = |h: &usize| *h as f32 / 2.0 - k as f32 <= (1.0 + *h as f32 / 4.0).sqrt() / 2.0;
                let h = if k == 0 { 0 } else { (0..=n).rev().find(allowed).unwrap() };
                let mut rest = vec![0.0; Work::len(n, k).unwrap() - 3 * n];
                let Polynomials { table, heads, tails } = Polynomials::new(&mut rest, k, h);
                assert!(table.len() >= polynomial::rows(k.max(h)), "n {n}, k {k}, h {h}: {} rows", table.len());
                for side in [heads, tails] {
                    assert_eq!(side.of_all_v.len(), polynomial::len(side.degree));
                }
            }
        }
    }
}
