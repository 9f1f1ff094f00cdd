//! Sum-of-Gamma noise from one 32-bit word (Niepert, Minervini, Franceschi 2021, section 3.2).
//!
//! ε = Σ_{i≤s} Gamma(1/κ)/i − ln(s)/κ. Its quantile has no closed form, but it is smooth as a function of the logit
//! v = ln(u/(1 − u)) everywhere: in both tails, and where a small 1/κ puts most of the mass next to the lower bound. So
//! a table holds the quantile and its slope at v = (j/2)·ln 2 or thereabouts, where the odds u/(1 − u) are 2^e and
//! √2·2^e, and a cubic joins them. `density` computes the law that the table is made of. A second table, by half octaves
//! of 1 − u, holds what no word of them exceeds.

mod density;

use super::{Bounded, Odds, Quantile};
use crate::float::{exp_negative, ln};
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
    knots: [Knot; KNOTS],
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

/// ε at a knot, and its slope per spacing.
#[derive(Clone, Copy, Debug, Default)]
struct Knot {
    epsilon: f32,
    slope: f32,
}

impl SumOfGamma {
    /// The table for κ from 1 to [`MAX_KAPPA`] and s ≥ 1 terms, `u32::MAX` for the limit. Not inlined: it needs some 8 KiB
    /// of stack, which must not burden the other laws.
    #[inline(never)]
    pub(crate) fn new(kappa: f32, terms: u32) -> SumOfGamma {
        let gammas = Gammas::new(kappa, terms);
        let knots = [Knot { epsilon: 0.0, slope: 0.0 }; KNOTS];
        let mut table = SumOfGamma { knots, above: [f32::INFINITY; HALF_OCTAVES] };
        table.invert(gammas.march(&mut [Node::default(); NODES]), gammas.power(), gammas.shift());
        table.keep_order();
        table.bound();
        table
    }

    /// The ε of the largest word of every half octave, and more than all rounding errors.
    fn bound(&mut self) {
        for i in 0..HALF_OCTAVES {
            // 1 − u at the lower end, which rounding to a float may have brought here, in units of 2⁻³¹.
            let least = f32::from_bits(((127 << 1) + i as u32) << 22) * (1.0 - 2.0 * f32::EPSILON);
            let word = !((least as u32) << 1);
            let epsilon = self.quantile(word);
            if let Some(above) = self.above.get_mut(i) {
                *above = epsilon + 1e-5 * epsilon.abs().max(1.0);
            }
        }
    }

    /// Interpolates the nodes (v, x) of the law at the knots.
    fn invert(&mut self, nodes: &[Node], power: f32, shift: f32) {
        let mut rest = nodes.iter().map(Point::new);
        let Some(first) = rest.next() else { return };
        let (mut left, mut right) = (first, rest.next());
        for (knot, j) in self.knots.iter_mut().zip(2 * LOWEST..) {
            let v = j as f32 * SPACING;
            while let Some(next) = right.filter(|next| next.v <= v) {
                (left, right) = (next, rest.next());
            }
            let (x, slope) = match right {
                _ if v < first.v => first.below(v, power),
                Some(right) => left.to(right, v),
                None => (left.x + (v - left.v), 1.0),
            };
            *knot = Knot { epsilon: x + shift, slope: slope * SPACING };
        }
    }

    /// Makes every cubic monotone: its slopes are at most three times that of the chord (Fritsch, Carlson 1980).
    fn keep_order(&mut self) {
        let mut rest = self.knots.as_mut_slice();
        while let [left, tail @ ..] = rest {
            if let [right, ..] = tail {
                right.epsilon = right.epsilon.max(left.epsilon);
                let most = 3.0 * (right.epsilon - left.epsilon);
                left.slope = left.slope.min(most);
                right.slope = right.slope.min(most);
            }
            rest = tail;
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
        for epsilon in epsilon {
            *epsilon = self.at(*epsilon);
        }
    }

    /// ε where u/(1 − u) = `odds`.
    #[inline(always)]
    fn at(&self, odds: f32) -> f32 {
        let bits = odds.to_bits();
        let f = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000) - 1.0;
        let [c0, c1, c2, c3, c4] = LOG2_1P;
        let log2 = f + f * (1.0 - f) * ((((c4 * f + c3) * f + c2) * f + c1) * f + c0);
        let upper = log2 >= 0.5;
        let t = 2.0 * log2 - if upper { 1.0 } else { 0.0 };
        let octave = (bits >> 23) as i32 - 127 - LOWEST;
        let j = (2 * octave + i32::from(upper)).clamp(0, KNOTS as i32 - 2) as usize;
        let knot = |j: usize| self.knots.get(j).copied().unwrap_or_default();
        let (left, right) = (knot(j), knot(j + 1));
        let chord = right.epsilon - left.epsilon;
        let bend = left.slope + right.slope - 2.0 * chord;
        left.epsilon + t * (left.slope + t * ((chord - left.slope - bend) + t * bend))
    }
}

impl Quantile for SumOfGamma {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        self.at(OddsBelow.quantile(word))
    }
}

impl Bounded for SumOfGamma {
    const SLACK: f32 = 0.05;

    #[inline(always)]
    fn above(&self, word: u32) -> f32 {
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
    fn new(&Node { x, density, below, above }: &Node) -> Point {
        Point { v: ln(below / above), x, slope: below / (below + above) * (above / density) }
    }

    /// The cubic from here to `right`: x and its slope at v.
    fn to(self, right: Point, v: f32) -> (f32, f32) {
        let width = right.v - self.v;
        let (chord, left_slope, right_slope) = (right.x - self.x, self.slope * width, right.slope * width);
        let t = (v - self.v) / width;
        let bend = left_slope + right_slope - 2.0 * chord;
        let square = chord - left_slope - bend;
        let x = self.x + t * (left_slope + t * (square + t * bend));
        (x, (left_slope + t * (2.0 * square + t * 3.0 * bend)) / width)
    }

    /// Left of the first node x is proportional to u^(1/power).
    fn below(self, v: f32, power: f32) -> (f32, f32) {
        // ln u and 1 − u
        let log = |v: f32| v.min(0.0) - ln(1.0 + exp_negative(-v.abs()));
        let x = self.x * exp_negative((log(v) - log(self.v)) / power);
        (x, x / power * (1.0 - exp_negative(log(v))))
    }
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
                let epsilon = f64::from(table.at(odds));
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
            let epsilon = |word| table.at(OddsBelow.quantile(word));
            // Neighbours whose odds round alike or nearly so may change places by a rounding.
            let far_apart = (0..=u32::MAX).step_by(65_537).map(epsilon);
            assert!(far_apart.is_sorted(), "kappa = {kappa}, {terms} terms");
            assert!([0, 1 << 31, u32::MAX].map(epsilon).iter().all(|x| x.is_finite()));
        }
        let table = SumOfGamma::new(5.0, 10);
        let upper = u32::MAX - (1 << 14)..=u32::MAX;
        assert!(upper.is_sorted_by(|&a, &b| table.at(OddsBelow.quantile(a)) < table.at(OddsBelow.quantile(b))));
    }

    /// The march must reach the far tail before its nodes run out.
    #[test]
    fn nodes_suffice_for_every_law() {
        for kappa in KAPPAS.into_iter().chain([1.01, 3.0, 300.0, 3e4, MAX_KAPPA]) {
            for terms in TERMS.into_iter().chain([3, 12, 13, 100, 10_000, u32::MAX - 1]) {
                let mut nodes = [Node::default(); NODES];
                let law = Gammas::new(kappa, terms).march(&mut nodes);
                assert!(law.len() + 8 <= NODES && law.last().unwrap().x > 33.0, "{kappa} {terms}: {}", law.len());
                let table = SumOfGamma::new(kappa, terms);
                assert!((0..=u32::MAX).step_by(10_000_019).all(|w| table.at(OddsBelow.quantile(w)).is_finite()));
            }
        }
    }
}
