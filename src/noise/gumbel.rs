//! Gumbel(0, 1) noise from one 32-bit word.
//!
//! ε = −ln(−ln u) with u = (w + ½)·2⁻³², so that u and 1 − u are never 0 and both tails keep the word's full
//! resolution: the float nearest to u near 0, and the float nearest to 1 − u near 1.

use super::{Quantile, UpperBound};
use crate::float::{ln, ln_split, split};

/// 2⁻³²
const UNIT: f32 = 1.0 / 4_294_967_296.0;

/// u = (w + ½)·2⁻³², rounded to the nearest float.
#[inline(always)]
pub(super) fn unit(word: u32) -> f32 {
    (word as f32 + 0.5) * UNIT
}

/// −ln u: Exponential(1), decreasing in the word, from 22.9 down to 2⁻³³.
#[inline(always)]
pub(super) fn exponential(word: u32) -> f32 {
    const SIGN: u32 = 1 << 31;
    // The distance to the nearer end, ½ at most, and exact where it is small. It is taken from 1 where u is above ½, and
    // from nothing else: written as sums, for a choice between the two would split what follows.
    let p = (word.min(!word) as i32 as f32 + 0.5) * UNIT;
    let one = f32::from_bits((word as i32 >> 31) as u32 & 1_f32.to_bits());
    let p = f32::from_bits(p.to_bits() ^ (word & SIGN));
    let (e, f) = split(one + p);
    // Near 1 the digits of 1 − p are in p.
    -ln_split(e, if e == 0.0 { p } else { f })
}

/// [`exponential`], one copy for several laws where code is to be small.
pub(super) fn exponential_of(word: u32) -> f32 {
    exponential(word)
}

/// [`gumbel`], likewise.
pub(super) fn of_word(word: u32) -> f32 {
    -ln(exponential_of(word))
}

/// A bound above −ln p, p = 1 − u, and so above −ln(−ln u) and ln u − ln(1 − u): log₂ p by its exponent and its mantissa
/// as a straight line between powers of 2, which is never above it. At most 0.06 above −ln p.
#[inline(always)]
pub(super) fn exponential_upper_bound(word: u32) -> f32 {
    /// 31 for the scale of p, 127 for the bias of the exponent; the rest is more than all rounding errors.
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

impl UpperBound for Gumbel {
    const TYPICAL_GAP: f32 = 0.2;

    #[inline(always)]
    fn upper_bound(&self, word: u32) -> f32 {
        exponential_upper_bound(word)
    }
}

/// −(ln ρ)'(ε) = 1 − e^(−ε) at the word's ε, and e^(−ε) = −ln u.
pub(super) struct DensityScore;

impl Quantile for DensityScore {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        1.0 - exponential(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::tests::{assert_error, probability};

    #[test]
    fn score_is_that_of_the_density() {
        assert_error(|w| DensityScore.quantile(w), |w| 1.0 - (-f64::from(gumbel(w))).exp(), 4e-7);
    }

    #[test]
    fn gumbel_is_within_its_stated_error() {
        let exact = |w: u32| {
            let exponential = if w < !w { -probability(w).ln() } else { -(-probability(!w)).ln_1p() };
            -exponential.ln()
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
