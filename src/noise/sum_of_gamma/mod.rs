//! Sum-of-Gamma noise from one 32-bit word (Niepert, Minervini, Franceschi 2021, section 3.2).
//!
//! ε = Σ_{i≤s} Gamma(1/κ)/i − ln(s)/κ. Its quantile has no closed form, but it is smooth as a function of the logit
//! v = ln(u/(1 − u)) everywhere: in both tails, and where a small 1/κ puts most of the mass next to the lower bound. So
//! a table holds the quantile and its slope at v = (j/2)·ln 2 or thereabouts, where the odds u/(1 − u) are 2^e and
//! √2·2^e, and a cubic joins them. `density` computes the law that the table is made of. A second table, by half octaves
//! of 1 − u, holds what no word of them exceeds.

mod density;

use super::{Odds, Quantile, UpperBound};
use crate::float::{exp_negative, ln};
use crate::kernel::level::{self, Kernel, Level};
use core::f32::consts::LN_2;
use density::{Gammas, NODES, Node};

/// Largest κ: then noise above 2e-5 from its mean is a matter of tails.
pub(crate) const MAX_KAPPA: f32 = 65_536.0;

/// The odds of a word lie from 2⁻³³ to 2³³.
const LOWEST: i32 = -33;
/// Knots at every half octave of the odds, and one beyond.
const KNOTS: usize = 134;
/// In units of v.
const SPACING: f32 = 0.5 * LN_2;

/// (log₂(1 + f) − f) / (f (1 − f)) on [0, 1]: with it log₂(1 + f) is exact at both ends and within 2.3e-6 between.
const LOG2_1P: [f32; 5] = [0.442_544_94, -0.275_600_28, 0.181_948_76, -0.095_956_3, 0.025_841_37];

/// The quantile of one (κ, s), tabulated.
#[derive(Clone, Debug)]
pub struct SumOfGamma {
    /// ε at the knots,
    epsilon: [f32; KNOTS],
    /// and its slope per spacing.
    slope: [f32; KNOTS],
    above: [f32; HALF_OCTAVES],
}

/// Of 1 − u, from 0 to 1 in steps of 2⁻³¹.
const HALF_OCTAVES: usize = 64;

/// Which half octave 1 − u of a word is in, by the exponent and the first digit of a float.
#[inline(always)]
fn half_octave(word: u32) -> u32 {
    const ONE: u32 = 127 << 1;
    (((!word >> 1 | 1) as i32 as f32).to_bits() >> 22).wrapping_sub(ONE)
}

struct Tabulate {
    kappa: f32,
    terms: u32,
}

impl Kernel for Tabulate {
    type Output = SumOfGamma;

    #[inline(always)]
    fn run<L: Level>(self) -> SumOfGamma {
        let gammas = Gammas::new(self.kappa, self.terms);
        let mut nodes = [Node::default(); NODES];
        let law = gammas.march(&mut nodes);
        let mut table = SumOfGamma { epsilon: [0.0; KNOTS], slope: [0.0; KNOTS], above: [f32::INFINITY; HALF_OCTAVES] };
        table.invert(law, gammas.power(), gammas.shift());
        table.keep_order();
        table.bound();
        table
    }
}

impl SumOfGamma {
    /// The table for κ from 1 to [`MAX_KAPPA`] and s ≥ 1 terms, `u32::MAX` for the limit. Not inlined: it needs some 5 KiB
    /// of stack, which must not burden the other laws.
    #[inline(never)]
    pub(crate) fn new(kappa: f32, terms: u32) -> SumOfGamma {
        level::run(Tabulate { kappa, terms })
    }

    /// The ε of the largest word of every half octave, and more than all rounding errors.
    #[inline(always)]
    fn bound(&mut self) {
        let mut positions = [0.0; HALF_OCTAVES];
        for (place, i) in positions.iter_mut().zip(0_u32..) {
            // 1 − u at the lower end, which rounding to a float may have brought here, in units of 2⁻³¹.
            let least = f32::from_bits(((127 << 1) + i) << 22) * (1.0 - 2.0 * f32::EPSILON);
            *place = position(OddsBelow.quantile(!((least as u32) << 1)));
        }
        for (i, position) in positions.into_iter().enumerate() {
            let epsilon = self.at(position);
            if let Some(above) = self.above.get_mut(i) {
                *above = epsilon + 1e-5 * epsilon.abs().max(1.0);
            }
        }
    }

    /// Interpolates the nodes (v, x) of the law at the knots.
    #[inline(always)]
    fn invert(&mut self, nodes: &[Node], power: f32, shift: f32) {
        let mut points = nodes.iter().map(Point::new);
        let Some(mut left) = points.next() else { return };
        let (lowest, inverse) = (ln_logistic(left.v), 1.0 / power);
        let first = left.v * (1.0 / SPACING) - (2 * LOWEST) as f32;
        let below = if first > 0.0 { first as usize + 1 } else { 0 };
        // Left of the first node x is proportional to u^(1/power).
        for ((epsilon, slope), j) in self.epsilon.iter_mut().zip(&mut self.slope).zip(2 * LOWEST..).take(below) {
            let ln_u = ln_logistic(j as f32 * SPACING);
            let x = left.x * exp_negative((ln_u - lowest) * inverse);
            (*epsilon, *slope) = (x + shift, x * inverse * (1.0 - exp_negative(ln_u)) * SPACING);
        }
        let mut knots = self.epsilon.iter_mut().zip(&mut self.slope).zip(2 * LOWEST..).skip(below);
        let mut knot = knots.next();
        for right in points {
            let cubic = Cubic::new(left, right);
            while let Some(((epsilon, slope), j)) = &mut knot {
                let v = *j as f32 * SPACING;
                if v >= right.v {
                    break;
                }
                let (x, per_v) = cubic.at(v);
                (**epsilon, **slope) = (x + shift, per_v * SPACING);
                knot = knots.next();
            }
            left = right;
        }
    }

    /// Makes every cubic monotone: its slopes are at most three times that of the chord (Fritsch, Carlson 1980).
    #[inline(always)]
    fn keep_order(&mut self) {
        let mut largest = f32::NEG_INFINITY;
        for epsilon in &mut self.epsilon {
            largest = largest.max(*epsilon);
            *epsilon = largest;
        }
        let chords = || self.epsilon.iter().zip(self.epsilon.iter().skip(1));
        for (slope, (left, right)) in self.slope.iter_mut().zip(chords()) {
            *slope = slope.min(3.0 * (right - left));
        }
        for (slope, (left, right)) in self.slope.iter_mut().skip(1).zip(chords()) {
            *slope = slope.min(3.0 * (right - left));
        }
    }

    #[inline(always)]
    fn above_of(&self, half_octave: u32) -> f32 {
        // There are no more: said so that no loop looks.
        self.above.get(half_octave as usize % HALF_OCTAVES).copied().unwrap_or(f32::INFINITY)
    }

    /// Bounds above the ε of words.
    #[inline(always)]
    pub(crate) fn bound_all(&self, words: &[f32], bounds: &mut [f32]) {
        // Two plain loops: no vector unit of ours looks up faster than it loads one by one.
        for (bound, word) in bounds.iter_mut().zip(words) {
            *bound = f32::from_bits(half_octave(word.to_bits()));
        }
        for bound in bounds {
            *bound = self.above_of(bound.to_bits());
        }
    }

    /// epsilon: u/(1 − u) → ε
    #[inline(always)]
    pub(crate) fn fill(&self, epsilon: &mut [f32]) {
        // Two plain loops: only the first has no look-up.
        for epsilon in epsilon.iter_mut() {
            *epsilon = position(*epsilon);
        }
        for epsilon in epsilon {
            *epsilon = self.at(*epsilon);
        }
    }

    /// ε at a position among the knots.
    #[inline(always)]
    fn at(&self, position: f32) -> f32 {
        // Adding 1.5·2²³ rounds to the nearest whole number, which is then in the last bits.
        const ROUND: f32 = 12_582_912.0;
        let rounded = (position - 0.5) + ROUND;
        let t = position - (rounded - ROUND);
        let j = ((rounded.to_bits() & 0xff) as usize).min(KNOTS - 2);
        let knot = |values: &[f32; KNOTS], j: usize| values.get(j).copied().unwrap_or_default();
        let (left, slope) = (knot(&self.epsilon, j), knot(&self.slope, j));
        let chord = knot(&self.epsilon, j + 1) - left;
        let bend = slope + knot(&self.slope, j + 1) - 2.0 * chord;
        left + t * (slope + t * ((chord - slope - bend) + t * bend))
    }
}

/// 2·log₂ of the odds, from the first knot on.
#[inline(always)]
fn position(odds: f32) -> f32 {
    let bits = odds.to_bits();
    let f = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000) - 1.0;
    let [c0, c1, c2, c3, c4] = LOG2_1P;
    let log2 = f + f * (1.0 - f) * ((((c4 * f + c3) * f + c2) * f + c1) * f + c0);
    let octave = (bits >> 23) as i32 - 127 - LOWEST;
    2.0 * (octave as f32 + log2)
}

impl Quantile for SumOfGamma {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        self.at(position(OddsBelow.quantile(word)))
    }
}

impl UpperBound for SumOfGamma {
    const TYPICAL_GAP: f32 = 0.05;

    #[inline(always)]
    fn upper_bound(&self, word: u32) -> f32 {
        self.above_of(half_octave(word))
    }
}

/// u/(1 − u) of a word's u, increasing.
pub(super) struct OddsBelow;

impl Quantile for OddsBelow {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        Odds.quantile(!word)
    }
}

/// A node of the law as a function of v.
#[derive(Clone, Copy)]
struct Point {
    v: f32,
    x: f32,
    /// dx/dv
    slope: f32,
}

impl Point {
    #[inline(always)]
    fn new(&Node { x, density, below, above }: &Node) -> Point {
        Point { v: ln(below / above), x, slope: below / (below + above) * (above / density) }
    }
}

/// x between two nodes, with their slopes.
struct Cubic {
    v: f32,
    /// Of the distance between the nodes.
    inverse: f32,
    /// x as a polynomial in the part of the distance.
    x: [f32; 4],
}

impl Cubic {
    #[inline(always)]
    fn new(left: Point, right: Point) -> Cubic {
        let width = right.v - left.v;
        let (chord, left_slope, right_slope) = (right.x - left.x, left.slope * width, right.slope * width);
        let bend = left_slope + right_slope - 2.0 * chord;
        Cubic { v: left.v, inverse: 1.0 / width, x: [left.x, left_slope, chord - left_slope - bend, bend] }
    }

    /// x and its slope at v.
    #[inline(always)]
    fn at(&self, v: f32) -> (f32, f32) {
        let [c0, c1, c2, c3] = self.x;
        let t = (v - self.v) * self.inverse;
        (c0 + t * (c1 + t * (c2 + t * c3)), (c1 + t * (2.0 * c2 + t * 3.0 * c3)) * self.inverse)
    }
}

/// ln u at v = ln(u/(1 − u)).
#[inline(always)]
fn ln_logistic(v: f32) -> f32 {
    v.min(0.0) - ln(1.0 + exp_negative(-v.abs()))
}

#[cfg(test)]
#[allow(dead_code, reason = "the statistical tests use the rest")]
#[path = "../../../tests/reference/sum_of_gamma.rs"]
mod reference;

#[cfg(test)]
mod tests {
    use super::reference::SumOfGamma as Reference;
    use super::*;

    const KAPPAS: [f32; 9] = [1.0, 1.5, 2.0, 5.0, 10.0, 30.0, 100.0, 1e3, 1e4];
    const TERMS: [u32; 9] = [1, 2, 10, 24, 25, 50, 1000, 1_000_000, u32::MAX];

    /// ε ± the error must enclose the quantile, in every octave of the odds.
    #[test]
    fn sum_of_gamma_is_within_its_stated_error() {
        const ERROR: f64 = 1e-4;
        for (kappa, terms) in KAPPAS.into_iter().flat_map(|kappa| TERMS.map(|terms| (kappa, terms))) {
            let table = SumOfGamma::new(kappa, terms);
            let exact = Reference { kappa: f64::from(kappa), terms: (terms != u32::MAX).then_some(terms) };
            let lowest = exact.terms.map_or(f64::NEG_INFINITY, |s| -f64::from(s).ln() / exact.kappa);
            for (octave, mantissa) in (-33..=32).zip([1.0_f32, 1.2, 1.49, 1.8].into_iter().cycle()) {
                let odds = mantissa * 2_f32.powi(octave);
                let epsilon = f64::from(table.at(position(odds)));
                let error = ERROR * epsilon.abs().max(1.0);
                // Whether x is below the quantile; the lower bound is.
                let below = |x: f64| {
                    let odds = f64::from(odds);
                    let law = || exact.at(x);
                    x <= lowest
                        || if odds < 1.0 { law().below < odds / (1.0 + odds) } else { law().above > 1.0 / (1.0 + odds) }
                };
                let what = || format!("kappa = {kappa}, {terms} terms, odds {odds}: {epsilon}");
                assert!(below(epsilon - error) && !below(epsilon + error), "{}", what());
            }
        }
    }

    #[test]
    fn sum_of_gamma_is_monotone() {
        for (kappa, terms) in KAPPAS.into_iter().flat_map(|kappa| TERMS.map(|terms| (kappa, terms))) {
            let table = SumOfGamma::new(kappa, terms);
            let epsilon = |word| table.quantile(word);
            // Neighbours whose odds round alike or nearly so may change places by a rounding.
            let far_apart = (0..=u32::MAX).step_by(65_537).map(epsilon);
            assert!(far_apart.is_sorted(), "kappa = {kappa}, {terms} terms");
            assert!([0, 1 << 31, u32::MAX].map(epsilon).iter().all(|x| x.is_finite()));
        }
        let table = SumOfGamma::new(5.0, 10);
        let upper = u32::MAX - (1 << 14)..=u32::MAX;
        assert!(upper.is_sorted_by(|&a, &b| table.quantile(a) < table.quantile(b)));
    }

    /// The march must reach the far tail before its nodes run out.
    #[test]
    fn nodes_suffice_for_every_law() {
        for kappa in KAPPAS.into_iter().chain([1.01, 3.0, 300.0, 3e4, MAX_KAPPA]) {
            for terms in TERMS.into_iter().chain([3, 12, 13, 100, 10_000, u32::MAX - 1]) {
                let mut nodes = [Node::default(); NODES];
                let law = Gammas::new(kappa, terms).march(&mut nodes);
                assert!(law.len() + 8 <= NODES && law.last().unwrap().x > 34.0, "{kappa} {terms}: {}", law.len());
                let table = SumOfGamma::new(kappa, terms);
                assert!((0..=u32::MAX).step_by(10_000_019).all(|w| table.quantile(w).is_finite()));
            }
        }
    }
}
