//! Gumbel(0, 1) noise from one 32-bit word.
//!
//! ε = −ln(−ln u) with u = (w + ½)·2⁻³², which is never 0 or 1. Both tails have the full resolution of the word: near 0
//! the logarithm is that of the float nearest to u, near 1 it comes from the float nearest to 1 − u.

use super::law::{Law, LinearBounds};
use super::uniform::UNIT;
use crate::float::{ln, ln_split, near_minus_ln, split};

/// The smaller of a word and its complement.
#[inline(always)]
pub(super) fn nearer_end(word: u32) -> u32 {
    word ^ (word as i32 >> 31) as u32
}

/// −ln u: Exponential(1), decreasing in the word, from 22.9 down to 2⁻³³.
// Inlining is not forced on small machines, because one copy for all laws is smaller.
#[cfg_attr(not(imle_small), inline(always))]
pub(super) fn exponential(word: u32) -> f32 {
    const SIGN: u32 = 1 << 31;
    // u = p up to ½ and 1 − p above it. p is the distance to the nearer end, accurate where it is small. A sum of 0 or 1
    // and ±p replaces a branch, which would not vectorise.
    let p = (nearer_end(word) as i32 as f32 + 0.5) * UNIT;
    let zero_or_one = f32::from_bits((word as i32 >> 31) as u32 & 1_f32.to_bits());
    let signed_p = f32::from_bits(p.to_bits() ^ (word & SIGN));
    let (e, f) = split(zero_or_one + signed_p);
    // Near 1 the sum has lost digits of p, and f is −p.
    -ln_split(e, if e == 0.0 { signed_p } else { f })
}

/// An upper bound of −ln p, p = 1 − u, and so of −ln(−ln u) and of ln u − ln(1 − u). It replaces log₂ p by the exponent
/// and the fraction of the float p, which is a straight line between powers of 2 and never above log₂ p. It exceeds −ln p
/// by 0.06 at most.
#[inline(always)]
pub(super) fn exponential_upper_bound(word: u32) -> f32 {
    /// 31 because p is in units of 2⁻³¹, 127 for the bias of the exponent, and more than all rounding errors.
    const ZERO: f32 = (31.0 + 127.0) * core::f32::consts::LN_2 + 5e-5;
    const UNIT: f32 = core::f32::consts::LN_2 / 8_388_608.0;
    let p = (!word >> 1) as i32 as f32;
    ZERO - p.to_bits() as i32 as f32 * UNIT
}

/// −ln(−ln u), increasing in the word, from −3.13 up to 22.9.
#[cfg_attr(not(imle_small), inline(always))]
pub(super) fn gumbel(word: u32) -> f32 {
    -ln(exponential(word))
}

/// −ln(1 − p)/p on [0, ½]: minimax in the relative error, 3.2e-4.
const NEAR_ONE: [f32; 4] = [0.999_687_55, 0.518_808_7, 0.164_335_16, 0.685_484_3];

/// −ln p within 8e-5, and −ln(1 − p) within a factor of 1 ± 3.2e-4, where p is the distance of u to the nearer end.
#[inline(always)]
pub(super) fn near_exponentials(word: u32) -> (f32, f32) {
    let p = (nearer_end(word) as i32 as f32 + 0.5) * UNIT;
    let [c0, c1, c2, c3] = NEAR_ONE;
    (near_minus_ln(p), p * (((c3 * p + c2) * p + c1) * p + c0))
}

pub(crate) struct Gumbel;

impl Law for Gumbel {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        gumbel(word)
    }

    const NEAR_ERROR: f32 = 4.3e-4;

    #[inline(always)]
    fn near(&self, word: u32) -> f32 {
        let (far, close) = near_exponentials(word);
        near_minus_ln(if (word as i32) < 0 { close } else { far })
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
        // The Gumbel ε is below −ln p by p at most, up to p = 7/8.
        Some(LinearBounds { slope: 1.0, height: 0.0, gap: 0.0, rise: 1.0, far: 3.3, range: (1 << 16, 7 << 29) })
    }

    /// 1 − e^(−ε), with e^(−ε) = −ln u.
    #[inline(always)]
    fn density_score(&self, word: u32) -> Option<f32> {
        Some(1.0 - exponential(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::tests::{assert_error, probability};

    #[test]
    fn score_is_that_of_the_density() {
        assert_error(|w| Gumbel.density_score(w).unwrap(), |w| 1.0 - libm::exp(-f64::from(gumbel(w))), 4e-7);
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
