//! Sums over subsets, one for every size: e_j = Σ e^{⟨z, θ⟩/T} over the z with j ones, j = 0..=K.
//!
//! A coordinate with score θ makes e_j larger by e^{θ/T} e_{j−1}. The range of e_j exceeds that of f32 by far, so each
//! is kept in units of its largest term: with the K largest scores θ_(1) ≥ θ_(2) ≥ …,
//!
//! ```text
//! a_j = e_j / e^{(θ_(1) + … + θ_(j))/T}        a_j ← a_j + e^{(θ − θ_(j))/T} a_{j−1}
//! ```
//!
//! The coordinates come in an order in which no exponent is above 0: first the K largest in their order, then the
//! others. When coordinate i comes, a_j is there for j < i. So from its first value on, a_j is at least 1; neither
//! a_{j−1}/a_j nor a_j/a_{j−1} exceeds n; all terms are positive; and nothing depends on how large θ/T is. Each a_j is
//! two floats and a power of two: the error of a sum does not grow with n, and C(n, j) does not overflow.
//!
//! Slices begin with j = 1, because a_0 = 1 always, and are whole blocks of eight.

use crate::arch::EIGHT;
use crate::float::{exp_negative_in_two, exponent, power_of_two, quotient, two_sum};
use crate::kernel::lanes::copy;
use crate::kernel::reduce::sum;

/// A step makes a sum at most 1 + n times larger, so that no sum overflows in this many.
pub(crate) const STEPS_BEFORE_OVERFLOW: usize = 4;

/// The sums of the coordinates that have come.
pub(crate) struct Sums<'a> {
    /// The K largest scores, the largest first, and +inf behind them: nothing is added to sums behind a_K.
    pub ranked: &'a [f32],
    pub temperature: f32,
    /// a_j is (high + low) · 2^exponents.
    pub high: &'a mut [f32],
    pub low: &'a mut [f32],
    pub exponents: &'a mut [f32],
    /// 2^(exponent of a_{j−1} − exponent of a_j).
    pub factors: &'a mut [f32],
    /// The terms that the last coordinate added, in units of 2^exponents.
    pub terms: &'a mut [f32],
    /// The rest that rounding left out of `terms`.
    pub terms_low: &'a mut [f32],
    /// Scratch: a_0, a_1, …, each in units of its own power of two.
    pub below: &'a mut [f32],
    pub below_low: &'a mut [f32],
}

impl Sums<'_> {
    /// No coordinate has come.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        for zeros in [&mut *self.high, self.low, self.exponents, self.below, self.below_low] {
            zeros.fill(0.0);
        }
        self.factors.fill(1.0);
        if let Some(a_0) = self.below.first_mut() {
            *a_0 = 1.0;
        }
    }

    /// Adds a coordinate to a_1, …, a_top. The sums behind a_top are still 0 and stay so.
    #[inline(always)]
    pub(crate) fn add(&mut self, theta: f32, top: usize) {
        let len = top.next_multiple_of(EIGHT);
        let [high, low, terms, terms_low, below, below_low] =
            [&mut *self.high, self.low, self.terms, self.terms_low, self.below, self.below_low]
                .map(|all| all.get_mut(..len).unwrap_or_default());
        let [ranked, factors] = [self.ranked, self.factors].map(|all| all.get(..len).unwrap_or_default());
        weigh(theta, self.temperature, ranked, terms, terms_low);
        copy(high, below.get_mut(1..).unwrap_or_default());
        copy(low, below_low.get_mut(1..).unwrap_or_default());
        multiply(below, below_low, factors, terms, terms_low);
        add(terms, terms_low, high, low);
    }

    /// `shares` ← the shares of the last coordinate in a_1, a_2, …: the probability that it is among the j that are
    /// chosen of all that have come.
    #[inline(always)]
    pub(crate) fn write_shares(&self, shares: &mut [f32]) {
        for ((share, term), high) in shares.iter_mut().zip(&*self.terms).zip(&*self.high) {
            *share = term / high;
        }
    }

    /// Brings a_1, …, a_top near 1 by powers of two.
    #[inline(always)]
    pub(crate) fn normalise(&mut self, top: usize) {
        let mut scale_below = 1.0;
        let sums = self.high.iter_mut().zip(&mut *self.low).zip(&mut *self.exponents).zip(&mut *self.factors);
        for (((high, low), total), factor) in sums.take(top) {
            let e = exponent(*high);
            let scale = power_of_two(-e);
            *high *= scale;
            *low *= scale;
            *total += e as f32;
            *factor *= scale / scale_below;
            scale_below = scale;
        }
    }
}

// These loops have as few arrays as they can: compilers vectorise a loop only if they can tell its arrays apart.

/// `weights` ← e^{(θ − θ_(j))/T} as two floats, or 1 for θ_(j) below θ: there a_{j−1} is 0.
#[inline(always)]
fn weigh(theta: f32, temperature: f32, ranked: &[f32], weights: &mut [f32], weights_low: &mut [f32]) {
    for ((weight, weight_low), ranked) in weights.iter_mut().zip(weights_low).zip(ranked) {
        let (difference, low) = two_sum(theta, -ranked);
        let (difference, low) = if difference < 0.0 { (difference, low) } else { (0.0, 0.0) };
        let (y, rest) = quotient(difference, low, temperature);
        (*weight, *weight_low) = exp_negative_in_two(y, rest);
    }
}

/// `terms` ← terms · below · factors
#[inline(always)]
fn multiply(below: &[f32], below_low: &[f32], factors: &[f32], terms: &mut [f32], terms_low: &mut [f32]) {
    let below = below.iter().zip(below_low).zip(factors);
    for ((term, term_low), ((below, below_low), factor)) in terms.iter_mut().zip(terms_low).zip(below) {
        *term_low = (*term_low * below + *term * below_low) * factor;
        *term *= below * factor;
    }
}

#[inline(always)]
fn add(terms: &[f32], terms_low: &[f32], high: &mut [f32], low: &mut [f32]) {
    for ((high, low), (term, term_low)) in high.iter_mut().zip(low).zip(terms.iter().zip(terms_low)) {
        let (sum, error) = two_sum(*high, *term);
        *high = sum;
        *low += error + term_low;
    }
}

/// Takes the coordinate that came last away from a mixture of sizes: `mixture` holds a weight for j = 0..=K, and
/// `shares` the coordinate's share of each sum. Returns the weight of the subsets that have it. `shares` is scratch
/// afterwards.
#[inline(always)]
pub(crate) fn walk_back(mixture: &mut [f32], shares: &mut [f32]) -> f32 {
    for (share, weight) in shares.iter_mut().zip(mixture.get_mut(1..).unwrap_or_default()) {
        *share *= *weight;
        *weight -= *share;
    }
    for (weight, chosen) in mixture.iter_mut().zip(&*shares) {
        *weight += chosen;
    }
    sum(shares)
}
