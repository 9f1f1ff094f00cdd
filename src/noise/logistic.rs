//! Logistic(0, 1) noise from one 32-bit word.
//!
//! ε = ln u − ln(1 − u) with u = (w + ½)·2⁻³². Both logarithms have full relative precision. The word `!w` has −ε.

use super::gumbel::{exponential, exponential_upper_bound, unit};
use super::{Quantile, UpperBound};

/// ln u − ln(1 − u), increasing in the word, from −22.9 up to 22.9.
#[inline(always)]
pub(crate) fn logistic(word: u32) -> f32 {
    exponential(!word) - exponential(word)
}

pub(crate) struct Logistic;

impl Quantile for Logistic {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        logistic(word)
    }
}

impl UpperBound for Logistic {
    const TYPICAL_GAP: f32 = 0.2;

    #[inline(always)]
    fn upper_bound(&self, word: u32) -> f32 {
        exponential_upper_bound(word)
    }
}

/// −(ln ρ)'(ε) = tanh(ε/2) = u − (1 − u) at the ε of a word.
pub(super) struct DensityScore;

impl Quantile for DensityScore {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        unit(word) - unit(!word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::tests::{assert_error, probability};

    #[test]
    fn score_is_that_of_the_density() {
        assert_error(|w| DensityScore.quantile(w), |w| (f64::from(logistic(w)) / 2.0).tanh(), 1.5e-7);
    }

    #[test]
    fn logistic_is_within_its_stated_error() {
        assert_error(logistic, |w| probability(w).ln() - probability(!w).ln(), 2.4e-7);
    }

    #[test]
    fn logistic_is_odd() {
        assert!((0..=u32::MAX).step_by(99_991).all(|w| logistic(w) == -logistic(!w)));
    }
}
