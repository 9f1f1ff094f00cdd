//! A λ that adapts itself: λ = a ‖θ‖ / ‖dz‖, and a follows the diagnostics of the gradients (Minervini, Franceschi,
//! Niepert 2023, arXiv 2209.04862).

use super::implicit::Diagnostics;
use crate::door::{check_finite, check_scores};
use crate::float::{exponent, power_of_two, sqrt};
use crate::kernel::reduce::{largest_magnitude, sum_of_squares};
use crate::{Argument, Error, Rule};

/// How a follows g.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdaptiveRule {
    /// a ← max(a + c, 0) with c = momentum · previous + step while g < target, else momentum · previous − step: the rule of
    /// the paper. With its step of 1e-3 it takes a thousand updates to move a by 1.
    Additive,
    /// a ← a · (1 + step · c) for c ≥ 0 and a / (1 + step · |c|) for c < 0, with c = (target − g) / target limited to ±1.
    /// Because g lags, a is held while the newest count lies on the other side of the target. With the default step a
    /// thousandfold error is gone after about 75 updates, with little overshoot.
    #[default]
    Multiplicative,
}

/// The state of an adaptive λ: plain data. Copy it, and save it with the model.
///
/// One state serves all rows that share a λ, usually a whole batch. If a batch is cut over threads or hosts, compute λ
/// from the whole batch, and add up the [`Diagnostics`] of its parts.
///
/// ```
/// use imle::{Adaptive, Dz, Forward, Imle, Key, Options, Rows, RowsMut, Shape, States, TopK};
///
/// let shape = Shape { rows: 1, n: 5, k: 2, samples: 1 };
/// let layer = Imle::new(shape, TopK::new(shape.k), Options::default())?;
/// let mut adaptive = Adaptive::default();
/// let (mut z, mut grad, mut work) = ([0.0; 5], [0.0; 5], [0.0; 15]);
/// for step in 0..100 {
///     let (key, theta) = (Key { seed: 42, step, ..Key::default() }, [0.3, -1.2, 0.9, 0.0, 0.5]);
///     layer.sample(key, Rows::contiguous(&theta), States::z(&mut z), &mut work)?;
///     let dz = z.map(|z| 1e-3 * (z - 0.5)); // ∇_z ℓ, whatever its scale
///
///     let lambda = adaptive.lambda(&theta, &dz)?;
///     if lambda > 0.0 { // 0: dz is 0, there is nothing to learn
///         let (rows, out) = (Rows::contiguous(&theta), RowsMut::contiguous(&mut grad));
///         let (layer, dz) = (layer.with_lambda(lambda)?, Dz::per_sample(&dz));
///         adaptive.update(&layer.gradient(key, rows, dz, Forward::Z(&z), out, &mut work)?)?;
///     }
/// }
/// # assert!(adaptive.g > 0.5 && adaptive.g < 1.5);
/// # Ok::<(), imle::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// How a follows g. Default: multiplicative.
    pub rule: AdaptiveRule,
    /// λ in units of ‖θ‖ / ‖dz‖, at least 0 (multiplicative: above 0). Starts at 1.
    pub a: f32,
    /// The non-zeros of z_s − z'_s per state, a moving average. Starts at 1.
    pub g: f32,
    /// The additive rule's last change of a. Starts at 0.
    pub previous: f32,
    /// Above 0. Default 0.15; additive 1e-3.
    pub step: f32,
    /// Share of the last change in the next, 0 ≤ momentum < 1, for the additive rule; the other has none. Default 0.
    pub momentum: f32,
    /// Memory of g, 0 ≤ decay < 1. Default 0.9.
    pub decay: f32,
    /// The g to reach, above 0. Default 1: one choice changes in every second state. A state has at most 2k.
    pub target: f32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Adaptive::new(AdaptiveRule::default())
    }
}

impl Adaptive {
    /// The state that a rule starts from.
    #[must_use]
    pub const fn new(rule: AdaptiveRule) -> Self {
        let step = match rule {
            AdaptiveRule::Additive => 1e-3,
            AdaptiveRule::Multiplicative => 0.15,
        };
        Adaptive { rule, a: 1.0, g: 1.0, previous: 0.0, step, momentum: 0.0, decay: 0.9, target: 1.0 }
    }

    /// λ = a ‖θ‖ / ‖dz‖, with Euclidean norms over all rows and samples: the λ of the [`Options`](crate::Options) for the
    /// gradient of this θ and dz. It is exactly 0 if dz is 0; then there is nothing to learn.
    ///
    /// The relative error is at most 5·10⁻⁶, whatever the scale of θ and dz; the result is then limited to the positive
    /// normal floats. Masked θ (−inf) do not count. If all others are 0, which is so before anything is learnt, each counts
    /// as 1, the scale of the noise. With S samples ‖dz‖ grows with √S, and a settles at a value that is higher by the same
    /// factor. O(B·S·N).
    ///
    /// # Errors
    /// [`Error::Option`] names the field that is out of its range; [`Error::NonFinite`] names row 0, because a slice has no
    /// rows.
    pub fn lambda(&self, theta: &[f32], dz: &[f32]) -> Result<f32, Error> {
        self.check()?;
        check_scores(Argument::Theta, theta).and_then(|()| check_finite(Argument::Dz, dz)).map_err(|bad| bad.at(0))?;
        let (mut theta_squares, dz_squares) = (Squares::of(theta), Squares::of(dz));
        if dz_squares.sum == 0.0 {
            return Ok(0.0);
        }
        if theta_squares.sum == 0.0 {
            theta_squares = Squares { sum: theta.iter().filter(|&&t| t == 0.0).count() as f32, exponent: 0 };
        }
        let exponent_a = exponent(self.a);
        let fraction = self.a * power_of_two(-exponent_a) * sqrt(theta_squares.sum / dz_squares.sum);
        let e = (exponent_a + theta_squares.exponent - dz_squares.exponent).clamp(-252, 252);
        // The power of two is applied in two halves, because the whole may not be a float.
        let lambda = fraction * power_of_two(e / 2) * power_of_two(e - e / 2);
        Ok(within(f32::MIN_POSITIVE, lambda, f32::MAX))
    }

    /// g ← decay · g + (1 − decay) · nonzeros / states, and a by its rule, limited to the finite floats (multiplicative: to
    /// the positive normal ones). This is right for any S, because each sample of a row counts as a state.
    ///
    /// # Errors
    /// [`Error::Option`] names the field that is out of its range; [`Error::Shape`] if no state was counted. After an error
    /// nothing is changed.
    pub fn update(&mut self, diagnostics: &Diagnostics) -> Result<(), Error> {
        self.check()?;
        if diagnostics.states == 0 {
            return Err(Error::Shape { rule: Rule::StatesCounted });
        }
        let measured = diagnostics.nonzeros as f32 / diagnostics.states as f32;
        self.g = self.decay * self.g + (1.0 - self.decay) * measured;
        match self.rule {
            AdaptiveRule::Additive => {
                let step = if self.g < self.target { self.step } else { -self.step };
                self.previous = within(f32::MIN, self.momentum * self.previous + step, f32::MAX);
                self.a = within(0.0, self.a + self.previous, f32::MAX);
            }
            AdaptiveRule::Multiplicative => {
                let c = within(-1.0, (self.target - self.g) / self.target, 1.0);
                let a = if self.g < self.target && measured < self.target {
                    self.a * (1.0 + self.step * c)
                } else if self.g > self.target && measured > self.target {
                    self.a / (1.0 - self.step * c)
                } else {
                    self.a
                };
                self.a = within(f32::MIN_POSITIVE, a, f32::MAX);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        let at_least_zero = |x: f32| x.is_finite() && x >= 0.0;
        let above_zero = |x: f32| x.is_finite() && x > 0.0;
        let multiplicative = self.rule == AdaptiveRule::Multiplicative;
        let rule = if !at_least_zero(self.a) || (multiplicative && self.a == 0.0) {
            Rule::AdaptiveA
        } else if !at_least_zero(self.g) {
            Rule::AdaptiveG
        } else if !self.previous.is_finite() {
            Rule::AdaptivePrevious
        } else if !above_zero(self.step) {
            Rule::AdaptiveStep
        } else if !(0.0..1.0).contains(&self.momentum) || (multiplicative && self.momentum != 0.0) {
            Rule::AdaptiveMomentum
        } else if !(0.0..1.0).contains(&self.decay) {
            Rule::AdaptiveDecay
        } else if !above_zero(self.target) {
            Rule::AdaptiveTarget
        } else {
            return Ok(());
        };
        Err(Error::Option { rule })
    }
}

/// Σ x² = sum · 4^exponent, for values that may be too large or too small to be squared.
struct Squares {
    sum: f32,
    exponent: i32,
}

impl Squares {
    /// The sum over the finite values.
    fn of(values: &[f32]) -> Self {
        let exponent = exponent(largest_magnitude(values));
        Squares { sum: sum_of_squares(values, power_of_two(-exponent)), exponent }
    }
}

/// x, limited to low..=high.
fn within(low: f32, x: f32, high: f32) -> f32 {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}
