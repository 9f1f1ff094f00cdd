//! Gumbel(0, 1) noise from one 32-bit word.
//!
//! ε = −ln(−ln u) with u = (w + ½)·2⁻³², so that u and 1 − u are never 0 and both tails keep the word's full
//! resolution: the float nearest to u near 0, and the float nearest to 1 − u near 1.

use super::law::{Law, LinearBounds};
use super::quantile::{Quantile, UNIT};
use crate::float::{ln, ln_split, split};

/// −ln u: Exponential(1), decreasing in the word, from 22.9 down to 2⁻³³.
#[inline(always)]
pub(super) fn exponential(word: u32) -> f32 {
    const SIGN: u32 = 1 << 31;
    // p is the distance of u to the nearer end of (0, 1): at most ½, and exact if it is small. So u is 1 − p if u is above
    // ½, else p. Both are written as one sum, because a branch here would keep the loop from vectorising.
    let p = (word.min(!word) as i32 as f32 + 0.5) * UNIT;
    let one = f32::from_bits((word as i32 >> 31) as u32 & 1_f32.to_bits());
    let p = f32::from_bits(p.to_bits() ^ (word & SIGN));
    let (e, f) = split(one + p);
    // If u is near 1, p has the digits that 1 − p has lost.
    -ln_split(e, if e == 0.0 { p } else { f })
}

/// [`exponential`], from code that all laws share on small machines.
pub(super) fn exponential_once(word: u32) -> f32 {
    exponential(word)
}

/// [`gumbel`], from code that all laws share on small machines.
pub(super) fn gumbel_once(word: u32) -> f32 {
    -ln(exponential_once(word))
}

/// An upper bound of −ln p, p = 1 − u, and so of −ln(−ln u) and of ln u − ln(1 − u). It takes log₂ p from the exponent and
/// the mantissa of p: a straight line between powers of 2, which is never above log₂ p. At most 0.06 above −ln p.
#[inline(always)]
pub(super) fn exponential_upper_bound(word: u32) -> f32 {
    /// 31 is for the scale of p and 127 for the bias of the exponent; 5e-5 is more than all rounding errors.
    const ZERO: f32 = (31.0 + 127.0) * core::f32::consts::LN_2 + 5e-5;
    const UNIT: f32 = core::f32::consts::LN_2 / 8_388_608.0;
    let p = (!word >> 1) as i32 as f32;
    ZERO - p.to_bits() as i32 as f32 * UNIT
}

/// −ln(−ln u), increasing in the word, from −3.13 up to 22.9.
#[inline(always)]
pub(crate) fn gumbel(word: u32) -> f32 {
    -ln(exponential(word))
}

pub(crate) struct Gumbel;

impl Quantile for Gumbel {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        gumbel(word)
    }
}

impl Law for Gumbel {
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
        // The Gumbel ε is below −ln p by p at most, up to p = 7/8. For the gap see `perturbed::shortlist`.
        Some(LinearBounds { slope: 1.0, height: 0.0, gap: 0.12, rise: 1.0, range: (1 << 16, 7 << 29) })
    }

    fn has_density_score(&self) -> bool {
        true
    }

    fn quantile_once(&self, word: u32) -> f32 {
        gumbel_once(word)
    }

    /// 1 − e^(−ε), and e^(−ε) = −ln u.
    #[inline(always)]
    fn density_score(&self, word: u32) -> f32 {
        1.0 - exponential(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::tests::{assert_error, probability};

    #[test]
    fn score_is_that_of_the_density() {
        assert_error(|w| Gumbel.density_score(w), |w| 1.0 - libm::exp(-f64::from(gumbel(w))), 4e-7);
    }

    #[test]
    fn gumbel_is_within_its_stated_error() {
        let exact = |w: u32| {
            let exponential = if w < !w { -libm::log(probability(w)) } else { -libm::log1p(-probability(!w)) };
            -libm::log(exponential)
        };
        assert_error(gumbel, exact, 3.2e-7);
    }

    #[test]
    fn gumbel_keeps_every_word_apart_in_the_upper_tail() {
        assert!((u32::MAX - (1 << 16)..=u32::MAX).is_sorted_by(|&a, &b| gumbel(a) < gumbel(b)));
    }

    #[test]
    fn gumbel_ends_are_finite() {
        // u = 2⁻³³ and 1 − u = 2⁻³³
        let end = 33.0 * std::f32::consts::LN_2;
        assert!((gumbel(0) + end.ln()).abs() < 1e-6, "{}", gumbel(0));
        assert!((gumbel(u32::MAX) - end).abs() < 1e-5, "{}", gumbel(u32::MAX));
    }
}
