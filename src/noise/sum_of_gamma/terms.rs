//! X as a sum of few gamma variables: "The law" in the derivation.

use crate::arch::EIGHT;
use crate::float::ln;

/// The first terms, which are always kept.
const KEPT: u32 = 12;
/// Σ 1/i² over i > 12.
const SQUARES_BEYOND_KEPT: f32 = 0.079_957_43;
const EULER_GAMMA: f32 = 0.577_215_7;
/// Enough for 24 terms as they are and for 12 with three for each of ten panels. (Nine factors of 3 lead from 1/12 to
/// below 1e-5.)
pub(super) const MAX_TERMS: usize = 48;

/// The terms of X, and ε − X.
pub(super) struct Terms {
    len: usize,
    /// λ_j; 1 beyond the last term.
    rates: [f32; MAX_TERMS],
    /// W_j; 0 beyond the last term, which adds nothing to any sum.
    shapes: [f32; MAX_TERMS],
    shift: f32,
}

impl Terms {
    /// The terms for κ = `kappa` and s = `count`, `u32::MAX` for the limit.
    #[inline(always)]
    pub(super) fn new(kappa: f32, count: u32) -> Terms {
        let shape = 1.0 / kappa;
        let mut terms =
            Terms { len: 0, rates: [1.0; MAX_TERMS], shapes: [0.0; MAX_TERMS], shift: -shape * ln(count as f32) };
        if count <= 2 * KEPT {
            (1..=count).for_each(|i| terms.push(i as f32, shape));
            return terms;
        }
        (1..=KEPT).for_each(|i| terms.push(i as f32, shape));
        let inverse = if count == u32::MAX { 0.0 } else { 1.0 / count as f32 };
        terms.push_panels(shape, inverse / (1.0 + 0.5 * inverse));
        // H_s − ln s by its asymptotic series.
        let mean = shape * (EULER_GAMMA + inverse * (0.5 - inverse / 12.0));
        terms.shift = mean - terms.tilted_mean(0.0);
        terms
    }

    /// Terms for v = 1/i from `low` = Σ_{i>s} 1/i² to Σ_{i>12} 1/i².
    #[inline(always)]
    fn push_panels(&mut self, shape: f32, low: f32) {
        let finest = (0.1 * shape).max(1e-5);
        let mut high = SQUARES_BEYOND_KEPT;
        while high > finest && high > 3.0 * low {
            self.push_panel(shape, high / 3.0, high);
            high /= 3.0;
        }
        self.push_panel(shape, low, high);
    }

    /// Three Gauss points for the integral dv/v² from `low` to `high`.
    #[inline(always)]
    fn push_panel(&mut self, shape: f32, low: f32, high: f32) {
        const GAUSS: [(f32, f32); 3] = [(0.112_701_67, 5.0 / 18.0), (0.5, 8.0 / 18.0), (0.887_298_3, 5.0 / 18.0)];
        let width = high - low;
        for (point, weight) in GAUSS {
            let rate = 1.0 / (low + width * point);
            self.push(rate, shape * weight * width * rate * rate);
        }
    }

    #[inline(always)]
    fn push(&mut self, rate: f32, shape: f32) {
        if let (Some(r), Some(s)) = (self.rates.get_mut(self.len), self.shapes.get_mut(self.len)) {
            (*r, *s) = (rate, shape);
            self.len += 1;
        }
    }

    /// ε − X
    pub(super) fn shift(&self) -> f32 {
        self.shift
    }

    /// A = Σ W: near 0 the distribution function is proportional to x^A.
    #[inline(always)]
    pub(super) fn power(&self) -> f32 {
        self.shapes.iter().sum()
    }

    #[inline(always)]
    pub(super) fn highest_rate(&self) -> f32 {
        self.iter().map(|(rate, _)| rate).fold(0.0, f32::max)
    }

    /// The mean of the law of X tilted by e^(−tX).
    // One copy is smaller where flash is short.
    #[cfg_attr(imle_small, inline(never))]
    #[cfg_attr(not(imle_small), inline(always))]
    pub(super) fn tilted_mean(&self, t: f32) -> f32 {
        self.iter().map(|(rate, shape)| shape / (rate + t)).sum()
    }

    /// Its variance.
    #[inline(always)]
    pub(super) fn tilted_variance(&self, t: f32) -> f32 {
        self.iter().map(|(rate, shape)| shape / ((rate + t) * (rate + t))).sum()
    }

    /// ln (E e^(−tX) · e^(tx)) at x = [`Terms::tilted_mean`]: P(X ≤ x) is at most its exponential.
    #[inline(always)]
    pub(super) fn ln_bound_below(&self, t: f32) -> f32 {
        t * self.tilted_mean(t) - self.iter().map(|(rate, shape)| shape * ln(1.0 + t / rate)).sum::<f32>()
    }

    /// Every λ_j and W_j.
    #[inline(always)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (f32, f32)> {
        self.rates.iter().copied().zip(self.shapes.iter().copied()).take(self.len)
    }

    /// Rates and shapes in groups of eight, the last one filled up.
    #[inline(always)]
    pub(super) fn groups(&self) -> impl Iterator<Item = (&[f32; EIGHT], &[f32; EIGHT])> {
        self.rates.as_chunks().0.iter().zip(self.shapes.as_chunks().0).take(self.len.div_ceil(EIGHT))
    }
}
