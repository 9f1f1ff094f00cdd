//! Normal(0, 1) noise from one 32-bit word.
//!
//! Let p be the probability of the nearer tail. Then Φ⁻¹ is a smooth function of g = ln(−ln p): nearly linear where p is
//! near ½ and √(2 eᵍ) far out. So ε = ±P(g) with a polynomial P. −g is the Gumbel noise of the word with u = p. This
//! needs no square root and no branch.

use super::gumbel::{exponential_upper_bound, gumbel, near_exponentials, nearer_end};
use super::law::{Law, LinearBounds};
use crate::float::near_minus_ln;

/// −Φ⁻¹(exp(−exp g)) in powers of g − 1.4, for g from ln ln 2 to ln(33 ln 2): minimax in error/max(1, |ε|), 2.1e-9.
const QUANTILE: [f32; 9] = [
    2.112_261_5,
    1.639_781_2,
    0.334_881_75,
    0.058_820_788,
    7.687_024_3e-3,
    7.381_975_3e-4,
    5.679_33e-5,
    4.757_120_7e-6,
    3.731_508_4e-7,
];

/// Φ⁻¹(u), increasing in the word, from −6.34 up to 6.34.
#[inline(always)]
pub(crate) fn normal(word: u32) -> f32 {
    let g = -gumbel(nearer_end(word)) - 1.4;
    let [c0, c1, c2, c3, c4, c5, c6, c7, c8] = QUANTILE;
    let z = (((((((c8 * g + c7) * g + c6) * g + c5) * g + c4) * g + c3) * g + c2) * g + c1) * g + c0;
    if word > !word { z } else { -z }
}

/// Slope and height of the tangent that is close where the k largest of many scores are.
const TANGENT: (f32, f32) = (0.449_138, 0.306_32);

/// Slopes and heights of tangents of −Φ⁻¹(p) as a function of −ln p. The function is concave, so none is below it.
const TANGENTS: [(f32, f32); 4] = [(0.864_713, -0.516_68), TANGENT, (0.273_349, 1.214_41), (0.180_626, 2.290_28)];

/// An upper bound of Φ⁻¹(u). Where it is positive it exceeds Φ⁻¹(u) by 0.16 at most.
#[inline(always)]
fn normal_upper_bound(word: u32) -> f32 {
    let l = exponential_upper_bound(word);
    let [a, b, c, d] = TANGENTS.map(|(slope, height)| height + slope * l);
    let lower = |x: f32, y: f32| if x < y { x } else { y };
    lower(lower(a, b), lower(c, d))
}

/// The same in powers of −g: minimax in the error, 5.3e-5.
const NEAR_QUANTILE: [f32; 6] =
    [0.337_513_9, -0.975_978_6, 0.160_318_18, -0.029_161_892, 2.627_636_5e-3, -7.607_764_8e-4];

pub(crate) struct Normal;

impl Law for Normal {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        normal(word)
    }

    const NEAR_ERROR: f32 = 3.4e-4;

    #[inline(always)]
    fn near(&self, word: u32) -> f32 {
        let (exponential, _) = near_exponentials(word);
        let minus_g = near_minus_ln(exponential);
        let [c0, c1, c2, c3, c4, c5] = NEAR_QUANTILE;
        let z = ((((c5 * minus_g + c4) * minus_g + c3) * minus_g + c2) * minus_g + c1) * minus_g + c0;
        if (word as i32) < 0 { z } else { -z }
    }

    #[inline(always)]
    fn upper_bound(&self, word: u32) -> f32 {
        normal_upper_bound(word)
    }

    #[inline(always)]
    fn typical_gap(&self) -> f32 {
        0.1
    }

    #[inline(always)]
    fn linear_bounds(&self) -> Option<LinearBounds> {
        // The tangent is above Φ⁻¹ by 0.331 + 0.6 p at most, from p = 2⁻¹⁰ to ½.
        let (slope, height) = TANGENT;
        Some(LinearBounds { slope, height, gap: 0.331, rise: 0.6, far: 7.0, range: (1 << 22, 1 << 31) })
    }

    /// ε
    #[inline(always)]
    fn density_score(&self, word: u32) -> Option<f32> {
        Some(normal(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::tests::{assert_error, probability};
    use statrs::distribution::{ContinuousCDF, Normal};

    /// A Newton step on the upper tail, with `libm`, makes the quantile of `statrs` exact to f64.
    #[test]
    fn normal_is_within_its_stated_error() {
        let law = Normal::standard();
        let quantile = |p: f64| {
            let z = -law.inverse_cdf(p);
            let density = libm::exp(-0.5 * z * z) / (2.0 * std::f64::consts::PI).sqrt();
            z + (0.5 * libm::erfc(z / 2f64.sqrt()) - p) / density
        };
        let exact = |w: u32| if w > !w { quantile(probability(!w)) } else { -quantile(probability(w)) };
        assert_error(normal, exact, 6e-7);
    }

    #[test]
    fn normal_is_odd() {
        assert!((0..=u32::MAX).step_by(99_991).all(|w| normal(w) == -normal(!w)));
    }
}
