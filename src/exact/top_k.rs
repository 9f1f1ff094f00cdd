//! k-subsets in closed form, O(nk) time and n(k+1) + O(n) memory.
//!
//! p(z; θ) on k-subsets is the law of n independent coin tosses given that k of them are heads: with any tilt c,
//! e^{⟨z, θ⟩/T} is proportional to Π e^{z_i y_i} for y_i = θ_i/T + ln c, and that to Π p_i^{z_i} q_i^{1−z_i} with
//! p_i/q_i = e^{y_i}. The tilt is chosen so that about k heads are expected. Then Pr(k heads) is of order 1/√n, nothing
//! that matters overflows or underflows, every sum is of positive terms, and no logarithm stands in the O(nk) part.
//! (Elementary symmetric polynomials in logarithms, the usual way, cost two transcendental functions a cell.)
//!
//! A coin's less likely side has odds r_i = e^{−|y_i|} ≤ 1, and h coins are more likely to show heads. `polynomials` has
//! the law of the number of heads: with its f_k ∝ Pr(k heads), in which the likelier side of every coin counts as 1,
//!
//! ```text
//! A_θ = ln Σ_z e^{⟨z, θ⟩/T} = ln f_k + Σ_{the h} θ_i/T + (k − h)(γ/T − ln c)
//! −ln p(z) = ln f_k + Σ |y_i| over the coins that show their less likely side in z
//! ```

use super::distribution::{Distribution, RowDistribution};
use super::polynomials::Polynomials;
use super::tilt::Tilt;
use crate::float::{CompensatedSum, factor_of_sum, ln_split, split};
use crate::kernel::workspace::take;
use crate::noise::{self, SampleWords};
use crate::views::rows::block;
use crate::{Shape, TopK};

/// The memory of one row.
struct Work<'a> {
    /// The odds of each coin's less likely side, negative where that is tails.
    odds: &'a mut [f32],
    /// The marginals of a distribution over states, or scratch.
    mu: &'a mut [f32],
    /// 1 − `mu`, with full relative precision, or scratch.
    nu: &'a mut [f32],
    /// The polynomials or the table, as [`Coins::contents`] says.
    rest: &'a mut [f32],
}

/// The present use of [`Work::rest`].
#[derive(Clone, Copy, PartialEq)]
enum Contents {
    /// [`Polynomials`].
    Polynomials,
    /// The table that samples are drawn from.
    Table,
}

impl<'a> Work<'a> {
    /// (n + 12)(k + 1) + 3n + 136: `rest` has room for the table's (n + 1)(k + 1) cells, and for the polynomials, where
    /// h is at most n and about 2k (see the test).
    const fn len(n: usize, k: usize) -> Option<usize> {
        match (k + 1).checked_mul(n + 12) {
            Some(len) => len.checked_add(3 * n + 136),
            None => None,
        }
    }

    /// `work` was checked to hold `len(n, k)` floats.
    fn new(work: &'a mut [f32], n: usize, k: usize) -> Self {
        debug_assert!(Work::len(n, k).is_some_and(|len| len <= work.len()), "n {n}, k {k}: {} floats", work.len());
        let mut rest = work;
        let [odds, mu, nu] = [(); 3].map(|()| take(&mut rest, n));
        Work { odds, mu, nu, rest }
    }
}

/// The distribution over the k-subsets of one row. The coins are tilted, and F and Q are there.
pub struct Coins<'a> {
    theta: &'a [f32],
    k: usize,
    tilt: Tilt,
    /// f_k, times a power of two.
    f_k: f32,
    ln_f_k: f32,
    work: Work<'a>,
    contents: Contents,
}

impl<'a> Coins<'a> {
    fn new(theta: &'a [f32], k: usize, temperature: f32, work: Work<'a>) -> Self {
        let tilt = Tilt::new(theta, k, temperature, work.odds);
        let mut row = Coins { theta, k, tilt, f_k: 1.0, ln_f_k: 0.0, work, contents: Contents::Polynomials };
        row.expand();
        row
    }

    fn expand(&mut self) {
        let (f_k, exponent) = Polynomials::new(self.work.rest, self.k, self.tilt.h).expand(self.work.odds);
        // About k heads are expected, so that f_k is far from 0.
        let (e, f) = split(f_k);
        (self.f_k, self.ln_f_k) = (f_k, ln_split(e + exponent as f32, f));
        self.contents = Contents::Polynomials;
    }

    /// Makes sure that `rest` holds the polynomials.
    fn need_polynomials(&mut self) {
        if self.contents != Contents::Polynomials {
            self.expand();
        }
    }

    /// Makes sure that `rest` holds the table of F_i(j) = Pr(j of the first i coins show heads), i = 0..=n, j = 0..=k, by
    /// F_{i+1}(j) = q_i F_i(j) + p_i F_i(j−1).
    fn need_table(&mut self) {
        if self.contents == Contents::Table {
            return;
        }
        let mut rows = self.work.rest.chunks_exact_mut((self.k + 1).max(1));
        let mut from = rows.next().unwrap_or_default();
        from.fill(0.0);
        if let Some(none) = from.first_mut() {
            *none = 1.0;
        }
        for (to, odds) in rows.zip(self.work.odds.iter()) {
            let likely = 1.0 / (1.0 + odds.abs());
            let rare = odds.abs() * likely;
            let (p, q) = if odds.is_sign_negative() { (likely, rare) } else { (rare, likely) };
            let mut one_less = 0.0;
            for (to, &mut from) in to.iter_mut().zip(from) {
                *to = q * from + p * one_less;
                one_less = from;
            }
            from = to;
        }
        self.contents = Contents::Table;
    }
}

impl<'a> RowDistribution<'a> for Coins<'a> {
    /// Scores can be large, so they are summed before the division by T.
    fn log_partition(&mut self) -> f32 {
        let (mut scores, mut a) = (CompensatedSum::default(), CompensatedSum::default());
        let factor = factor_of_sum(self.tilt.temperature);
        for (&theta, odds) in self.theta.iter().zip(self.work.odds.iter()) {
            if odds.is_sign_negative() {
                scores.add(theta * factor);
            }
        }
        let surplus = self.k as i64 - self.tilt.h as i64;
        let gamma = self.tilt.gamma * factor;
        for _ in 0..surplus.unsigned_abs() {
            scores.add(if surplus > 0 { gamma } else { -gamma });
        }
        a.add(self.ln_f_k);
        a.add(-(surplus as f32 * self.tilt.ln_c));
        a.add(scores.value() / (self.tilt.temperature * factor));
        a.value()
    }

    fn marginals(&mut self) -> &[f32] {
        self.need_polynomials();
        let Work { odds, mu, nu, rest } = &mut self.work;
        Polynomials::new(rest, self.k, self.tilt.h).marginals(odds, mu, nu);
        mu
    }

    fn hold(&mut self, write_state: impl FnOnce(&mut [f32])) {
        write_state(self.work.mu);
        for (nu, &z) in self.work.nu.iter_mut().zip(self.work.mu.iter()) {
            *nu = 1.0 - z;
        }
    }

    fn replace(&mut self, theta: &'a [f32]) {
        self.theta = theta;
        self.tilt = Tilt::new(theta, self.k, self.tilt.temperature, self.work.odds);
        self.expand();
    }

    /// ln f_k + Σ |y_i| times the probability of the less likely side. Every term is at least 0.
    fn cross_entropy(&mut self) -> f32 {
        let mut sum = CompensatedSum::default();
        sum.add(self.ln_f_k);
        let moments = self.work.mu.iter().zip(self.work.nu.iter());
        for ((&theta, odds), (&mu, &nu)) in self.theta.iter().zip(self.work.odds.iter()).zip(moments) {
            let rare = if odds.is_sign_negative() { nu } else { mu };
            if rare > 0.0 {
                let y = self.tilt.y(theta);
                if y.is_infinite() {
                    return f32::INFINITY;
                }
                sum.add(rare * y.abs());
            }
        }
        sum.value().max(0.0)
    }

    fn covariance(&mut self, divisor: f32, v: &mut [f32]) {
        self.need_polynomials();
        let Work { odds, mu, nu, rest } = &mut self.work;
        Polynomials::new(rest, self.k, self.tilt.h).covariance(odds, self.f_k, divisor, v, [mu, nu]);
    }

    fn scratch(&mut self) -> &mut [f32] {
        self.work.mu
    }

    /// Walks the table from the last coin back. With j heads left among the coins 0..=i, coin i shows heads with
    /// probability p_i F_i(j−1) / (q_i F_i(j) + p_i F_i(j−1)).
    fn draw(&mut self, words: SampleWords<'_>) -> &[f32] {
        self.need_table();
        let Work { odds, mu: uniform, nu: z, rest: table } = &mut self.work;
        words.lanes().fill(uniform, &noise::Odds);
        let mut left = self.k;
        for (i, ((z, &u), odds)) in z.iter_mut().zip(uniform.iter()).zip(odds.iter()).enumerate().rev() {
            let (tails, heads) = match block(table, i * (self.k + 1), left + 1) {
                [.., one_less, here] if odds.is_sign_negative() => (odds.abs() * here, *one_less),
                [.., one_less, here] => (*here, odds * one_less),
                _ => (1.0, 0.0), // no head is left
            };
            // u < heads/(heads + tails), in odds. The heads that are left must fit into the coins that are left.
            let chosen = tails < heads * u || left > i;
            *z = if chosen { 1.0 } else { 0.0 };
            left -= usize::from(chosen);
        }
        z
    }
}

impl Distribution for TopK<'_> {
    type Row<'a> = Coins<'a>;

    fn exact_workspace_len(&self, shape: Shape) -> Option<usize> {
        Work::len(shape.n(), shape.k())
    }

    fn row<'a>(&self, b: usize, theta: &'a [f32], temperature: f32, work: &'a mut [f32]) -> Coins<'a> {
        let k = self.k(b);
        Coins::new(theta, k, temperature, Work::new(work, theta.len(), k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`Polynomials::new`] asserts it.
    #[test]
    #[cfg(debug_assertions)]
    fn the_polynomials_have_room() {
        for n in 1..=200 {
            for k in 0..=n {
                // All h with a share of heads of at least ½, and what the tilt allows for more.
                let allowed = |h: &usize| *h as f32 / 2.0 - k as f32 <= (1.0 + *h as f32 / 4.0).sqrt() / 2.0;
                let h = if k == 0 { 0 } else { (0..=n).rev().find(allowed).unwrap() };
                Polynomials::new(&mut vec![0.0; Work::len(n, k).unwrap() - 3 * n], k, h);
            }
        }
    }
}
