//! Logistic(0, 1) noise from one 32-bit word.
//!
//! ε = ln u − ln(1 − u) with u = (w + ½)·2⁻³². Both logarithms have full relative precision. The word `!w` has −ε.

use super::gumbel::{exponential, exponential_upper_bound, near_exponentials};
use super::law::{Law, LinearBounds};
use super::uniform::unit;

/// ln u − ln(1 − u), increasing in the word, from −22.9 up to 22.9.
#[inline(always)]
pub(crate) fn logistic(word: u32) -> f32 {
    exponential(!word) - exponential(word)
}

pub(crate) struct Logistic;

impl Law for Logistic {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        logistic(word)
    }

    const NEAR_ERROR: f32 = 3.4e-4;

    #[inline(always)]
    fn near(&self, word: u32) -> f32 {
        let (far, close) = near_exponentials(word);
        if (word as i32) < 0 { far - close } else { close - far }
    }

    #[inline(always)]
    fn upper_bound(&self, word: u32) -> f32 {
        exponential_upper_bound(word)
    }

    #[inline(always)]
    fn typical_gap(&self) -> f32 {
        0.2
    }

    #[inline(always)]
    fn linear_bounds(&self) -> Option<LinearBounds> {
        // The logistic ε is below −ln p by 2.4 p at most, up to p = 7/8.
        Some(LinearBounds { slope: 1.0, height: 0.0, gap: 0.0, rise: 2.4, far: 23.1, range: (1 << 16, 7 << 29) })
    }

    /// tanh(ε/2) = u − (1 − u).
    #[inline(always)]
    fn density_score(&self, word: u32) -> Option<f32> {
        Some(unit(word) - unit(!word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::tests::{assert_error, probability};

    #[test]
    fn score_is_that_of_the_density() {
        assert_error(|w| Logistic.density_score(w).unwrap(), |w| libm::tanh(f64::from(logistic(w)) / 2.0), 1.5e-7);
    }

    #[test]
    fn logistic_is_within_its_stated_error() {
        assert_error(logistic, |w| libm::log(probability(w)) - libm::log(probability(!w)), 2.4e-7);
    }

    #[test]
    fn logistic_is_odd() {
        assert!((0..=u32::MAX).step_by(99_991).all(|w| logistic(w) == -logistic(!w)));
    }
}
