//! How to draw and how to estimate: plain data, checked when a layer is built.

use crate::noise::{MAX_KAPPA, STRATIFIED, SUM_OF_GAMMA};
use crate::{Error, Noise, Rule};

/// The way in which the target parameters θ' are formed from θ and dz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// θ' = αθ − λ dz (Niepert, Minervini, Franceschi 2021, section 3.1).
    #[default]
    Linear,
    /// θ'_i = θ_i where dz_i = 0, else −dz_i: for losses that compare z with a gold structure (the same paper,
    /// section 3.1, combinatorial losses). It uses neither α nor λ, and its gradient is not scaled.
    Combinatorial,
}

/// The two states whose difference is the gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// MAP(θ + τε) − MAP(αθ − λ dz + τ'ε).
    #[default]
    Forward,
    /// ½[MAP(αθ + λ dz + τ'ε) − MAP(αθ − λ dz + τ'ε)] (Minervini, Franceschi, Niepert 2023).
    Central,
}

/// The factor c of the gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scale {
    /// c = 1/λ: an estimate of ∇_θ L.
    #[default]
    InverseLambda,
    /// c = 1: ∇_θ of the maximum-likelihood objective 𝓛(θ, θ'), which the paper's Algorithm 1 returns.
    None,
}

/// How the noises of a row's samples depend on each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coupling {
    /// The noise of every sample is independent of the others'.
    #[default]
    Independent,
    /// The S uniform words behind the noise of a coordinate lie one in each of S equal parts of all words, in an order that is
    /// the coordinate's own (Latin hypercube sampling; McKay, Beckman, Conover 1979). One sample alone still has independent
    /// noise of the right law, so means over samples have the same expectation; their variance is lower, at the same number
    /// of MAP solves. It serves every law. [`Key::strata`](crate::Key::strata) is S if a call draws only some of the samples.
    Stratified,
}

/// How samples are drawn and gradients are estimated.
///
/// Write `..Options::default()` behind the fields that you set. A new field is a minor change and not a breaking one, so
/// literals that name every field may stop to compile. (`#[non_exhaustive]` would forbid this syntax outside the library,
/// and leave setters, a second name for every field.)
///
/// ```
/// use imle::{Noise, Options};
/// let options = Options { lambda: 25.0, ..Options::default() };
/// assert_eq!((options.noise, options.temperature), (Noise::Gumbel, 1.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The law of ε. Default: Gumbel(0, 1).
    pub noise: Noise,
    /// τ ≥ 0, the noise factor of the forward pass. Default 1; 0 is MAP(θ).
    pub temperature: f32,
    /// τ' ≥ 0, the noise factor of the target. Default 1.
    pub target_temperature: f32,
    /// α, the factor of θ in the linear target. Default 1.
    pub alpha: f32,
    /// λ > 0, the step from θ towards the target, in units of θ per unit of dz. Default 1.
    pub lambda: f32,
    /// How θ' is formed. Default: linear.
    pub target: Target,
    /// Forward (default) or central difference.
    pub difference: Difference,
    /// 1/λ (default) or 1.
    pub scale: Scale,
    /// Independent samples (default) or stratified ones.
    pub coupling: Coupling,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            noise: Noise::Gumbel,
            temperature: 1.0,
            target_temperature: 1.0,
            alpha: 1.0,
            lambda: 1.0,
            target: Target::Linear,
            difference: Difference::Forward,
            scale: Scale::InverseLambda,
            coupling: Coupling::Independent,
        }
    }
}

impl Options {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Option`] names the rule that is broken.
    #[inline]
    pub fn check(&self) -> Result<(), Error> {
        self.broken_rule().map_or(Ok(()), |rule| Err(Error::Option { rule }))
    }

    #[cfg_attr(imle_small, inline(never))]
    fn broken_rule(&self) -> Option<Rule> {
        /// The bits of 2⁻¹²⁸: 1/λ is finite if λ is above it.
        const LAMBDA: u32 = 1 << 21;
        // Positive floats are ordered as their bits are. The bits of infinity, of NaN and of negative floats are above them.
        let up_to_max = |x: f32| x.to_bits() < f32::INFINITY.to_bits();
        let at_least_zero = |x: f32| up_to_max(x) || x == 0.0;
        if !at_least_zero(self.temperature) {
            return Some(Rule::Temperature);
        }
        if !at_least_zero(self.target_temperature) {
            return Some(Rule::TargetTemperature);
        }
        if !self.alpha.is_finite() {
            return Some(Rule::Alpha);
        }
        if !(up_to_max(self.lambda) && self.lambda.to_bits() > LAMBDA) {
            return Some(Rule::Lambda);
        }
        if let Noise::SumOfGamma { kappa, terms } = self.noise {
            if !SUM_OF_GAMMA {
                return Some(Rule::SumOfGammaBuilt);
            }
            if kappa != 0.0 && !(1.0..=MAX_KAPPA).contains(&kappa) {
                return Some(Rule::Kappa);
            }
            if terms == 0 {
                return Some(Rule::Terms);
            }
        }
        if self.coupling == Coupling::Stratified && !STRATIFIED {
            return Some(Rule::StratifiedBuilt);
        }
        let central = (self.target, self.difference) == (Target::Combinatorial, Difference::Central);
        central.then_some(Rule::CombinatorialHasNoCentral)
    }

    /// True if the scores of z' differ from those of z only by a step against dz.
    pub(crate) fn only_descends(&self) -> bool {
        let same_scores = self.alpha == 1.0 && self.target_temperature == self.temperature;
        self.target == Target::Linear && (same_scores || self.difference == Difference::Central)
    }

    /// c/S, or half of it for the central difference.
    pub(crate) fn gradient_factor(&self, samples: usize) -> f32 {
        let c = match (self.target, self.scale) {
            (Target::Combinatorial, _) | (_, Scale::None) => 1.0,
            (Target::Linear, Scale::InverseLambda) => 1.0 / self.lambda,
        };
        let half = match self.difference {
            Difference::Forward => 1.0,
            Difference::Central => 0.5,
        };
        half * c / samples as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_has_a_finite_inverse() {
        let edge = 1 << 21;
        for lambda in (edge - 100..=edge + 100).chain((0..=u32::MAX).step_by(9973)).map(f32::from_bits) {
            let good = lambda.is_finite() && lambda > 0.0 && (1.0 / lambda).is_finite();
            assert_eq!(Options { lambda, ..Options::default() }.check().is_ok(), good, "{lambda:e}");
        }
    }
}
