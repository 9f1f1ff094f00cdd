//! Sum-of-Gamma noise from one 32-bit word (Niepert, Minervini, Franceschi 2021, section 3.2).
//!
//! ε = Σ_{i≤s} Gamma(1/κ)/i − ln(s)/κ. Its quantile has no closed form, but it is a smooth function of the logit
//! v = ln(u/(1 − u)), which a table holds: [`Terms`] are the terms of the sum, [`density::march`] computes the law, and
//! [`Knots`] keep its quantile. A second table has upper bounds, one for each half octave of 1 − u.
#![doc = include_str!("derivation.md")]

mod density;
mod knots;
mod terms;

use super::law::Law;
use super::uniform::{Odds, OfWord, replace};
use crate::arch::{self, Dispatch, Isa};
use density::{MAX_NODES, Node};
use knots::{Knots, position};
use terms::Terms;

/// True if the library has this noise.
pub(crate) const SUM_OF_GAMMA: bool = cfg!(feature = "sum-of-gamma");

/// Largest κ: its noise is farther than 2e-5 from the mean only in the tails.
pub(crate) const MAX_KAPPA: f32 = 65_536.0;

/// The quantile of one (κ, s), tabulated.
#[derive(Clone, Debug)]
pub struct SumOfGamma {
    knots: Knots,
    /// By [`half_octave`].
    upper_bounds: [f32; HALF_OCTAVES],
}

/// Of 1 − u, from 2⁻³¹ to 1.
const HALF_OCTAVES: usize = 64;

/// The half octave of a word's 1 − u, counted from 2⁻³¹: the exponent and the first binary digit of a float.
#[inline(always)]
fn half_octave(word: u32) -> u32 {
    (((!word >> 1 | 1) as i32 as f32).to_bits() >> 22).wrapping_sub(ONE)
}

/// Exponent and first digit of 1.0.
const ONE: u32 = 127 << 1;

struct Tabulate {
    kappa: f32,
    terms: u32,
}

impl Dispatch for Tabulate {
    type Output = SumOfGamma;
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> SumOfGamma {
        let terms = Terms::new(self.kappa, self.terms);
        let mut nodes = [Node::default(); MAX_NODES];
        let law = density::march(&terms, &mut nodes);
        let mut table = SumOfGamma { knots: Knots::EMPTY, upper_bounds: [f32::INFINITY; HALF_OCTAVES] };
        table.knots.fill(law, terms.power(), terms.shift());
        table.knots.make_monotone();
        table.fill_upper_bounds();
        table
    }
}

impl SumOfGamma {
    /// The table for κ from 1 to [`MAX_KAPPA`] and s ≥ 1 terms, `u32::MAX` for the limit. Not inlined, because it needs
    /// 5 KiB of stack, which the other laws must not pay for.
    #[inline(never)]
    pub(crate) fn new(kappa: f32, terms: u32) -> SumOfGamma {
        arch::run(Tabulate { kappa, terms })
    }

    /// The bound of a half octave is the ε of its largest word and a margin above all rounding errors.
    #[inline(always)]
    fn fill_upper_bounds(&mut self) {
        let mut positions = [0.0; HALF_OCTAVES];
        for (place, i) in positions.iter_mut().zip(0_u32..) {
            // The least 1 − u in units of 2⁻³¹, and somewhat less: rounding to a float may have raised a 1 − u to it.
            let least = f32::from_bits((ONE + i) << 22) * (1.0 - 2.0 * f32::EPSILON);
            *place = position(OddsBelow.of_word(!((least as u32) << 1)));
        }
        for (bound, position) in self.upper_bounds.iter_mut().zip(positions) {
            let epsilon = self.knots.at(position);
            *bound = epsilon + 1e-5 * epsilon.abs().max(1.0);
        }
    }

    #[inline(always)]
    fn upper_bound_in(&self, half_octave: u32) -> f32 {
        // The remainder changes nothing: it shows the compiler that the index is in range.
        self.upper_bounds.get(half_octave as usize % HALF_OCTAVES).copied().unwrap_or(f32::INFINITY)
    }

    /// The upper bounds of words.
    #[inline(always)]
    pub(crate) fn write_upper_bounds(&self, words: &[f32], bounds: &mut [f32]) {
        // As in `replace_words`, the look-ups have a loop of their own.
        for (bound, word) in bounds.iter_mut().zip(words) {
            *bound = f32::from_bits(half_octave(word.to_bits()));
        }
        for bound in bounds {
            *bound = self.upper_bound_in(bound.to_bits());
        }
    }
}

impl Law for SumOfGamma {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        // A library without this noise has no table either, and refuses the options that ask for it.
        if SUM_OF_GAMMA { self.knots.at(position(OddsBelow.of_word(word))) } else { 0.0 }
    }

    #[inline(always)]
    fn upper_bound(&self, word: u32) -> f32 {
        self.upper_bound_in(half_octave(word))
    }

    #[inline(always)]
    fn typical_gap(&self) -> f32 {
        0.05
    }

    #[inline(always)]
    fn replace_words(&self, words: &mut [f32]) {
        replace(words, &OddsBelow);
        // The first loop is vectorised. The second is not: it looks up one by one.
        for odds in words.iter_mut() {
            *odds = position(*odds);
        }
        for position in words {
            *position = self.knots.at(*position);
        }
    }
}

/// u/(1 − u) of a word's u, increasing.
struct OddsBelow;

impl OfWord for OddsBelow {
    #[inline(always)]
    fn of_word(&self, word: u32) -> f32 {
        Odds.of_word(!word)
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "the statistical tests use the rest")]
#[path = "../../../tests/common/reference/sum_of_gamma.rs"]
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
            let lowest = exact.terms.map_or(f64::NEG_INFINITY, |s| -libm::log(f64::from(s)) / exact.kappa);
            for (octave, mantissa) in (-33..=32).zip([1.0_f32, 1.2, 1.49, 1.8].into_iter().cycle()) {
                let odds = mantissa * 2_f32.powi(octave);
                let epsilon = f64::from(table.knots.at(position(odds)));
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
                let mut nodes = [Node::default(); MAX_NODES];
                let law = density::march(&Terms::new(kappa, terms), &mut nodes);
                assert!(law.len() + 8 <= MAX_NODES && law.last().unwrap().x > 34.0, "{kappa} {terms}: {}", law.len());
                let table = SumOfGamma::new(kappa, terms);
                assert!((0..=u32::MAX).step_by(10_000_019).all(|w| table.quantile(w).is_finite()));
            }
        }
    }
}
