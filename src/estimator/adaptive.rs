//! A λ that adapts itself: λ = a ‖θ‖ / ‖dz‖, and a follows the diagnostics of the gradients (Minervini, Franceschi,
//! Niepert 2023, arXiv 2209.04862).

use core::ops;

use super::implicit::Diagnostics;
use crate::door::{check_finite, check_scores};
use crate::float::sqrt;
use crate::kernel::reduce::sum_of_squares;
use crate::mask::is_masked;
use crate::{Argument, Error, Rule};

/// How a follows g.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdaptiveRule {
    /// a ← max(a + c, 0) with c = momentum · previous + step while g < target, else momentum · previous − step: the rule of
    /// the paper. With its step of 1e-3 it takes a thousand updates to move a by 1. In f32, a stands still from the first
    /// power of two on that is at least 2²⁴ · step: from 2048 on for a step of 1e-4.
    Additive,
    /// a ← a · (1 + step · c) for c ≥ 0 and a / (1 + step · |c|) for c < 0, with c = (target − g) / target limited to ±1.
    /// Because g lags, a is held while the newest count lies on the other side of the target. With the default step a
    /// thousandfold error is gone after about 75 updates, with little overshoot.
    #[default]
    Multiplicative,
}

/// The state of an adaptive λ: plain data. Copy it, and save it with the model.
///
/// One state serves all rows that share a λ, usually a whole batch. If a batch is cut over threads, hosts or
/// micro-batches, add up the [`AdaptiveParts`] of its blocks before the gradients, and their [`Diagnostics`] after them.
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
    /// The least root mean square of θ that λ is computed with, at least 0. Default 1, the scale of the noise: where θ is
    /// smaller, the noise decides the choice, and a λ in proportion to θ would change none. The larger of the two counts:
    /// their sum in quadrature trains as well, but would also change λ where θ is far above the noise. Additive 0, as in
    /// the paper; then, if every θ is 0, each counts as 1.
    pub theta_floor: f32,
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
        let (step, theta_floor) = match rule {
            AdaptiveRule::Additive => (1e-3, 0.0),
            AdaptiveRule::Multiplicative => (0.15, 1.0),
        };
        Adaptive { rule, a: 1.0, g: 1.0, previous: 0.0, step, momentum: 0.0, decay: 0.9, target: 1.0, theta_floor }
    }

    /// λ = a ‖θ‖ / ‖dz‖, with Euclidean norms over all rows and samples: the λ of the [`Options`](crate::Options) for the
    /// gradient of this θ and dz. These are the bits of [`lambda_from`](Adaptive::lambda_from) for the parts of θ and dz.
    /// O(B·S·N).
    ///
    /// # Errors
    /// [`Error::Option`] names the field that is out of its range; [`Error::NonFinite`] names row 0, because a slice has no
    /// rows.
    pub fn lambda(&self, theta: &[f32], dz: &[f32]) -> Result<f32, Error> {
        self.check()?;
        let mut parts = AdaptiveParts::default();
        parts.add(theta, dz)?;
        self.lambda_from(&parts)
    }

    /// λ = a ‖θ‖ / ‖dz‖ of a batch that was cut, from the sum of its [parts](AdaptiveParts). It is exactly 0 if dz is 0 or
    /// if θ has no unmasked entry; then there is nothing to learn.
    ///
    /// The relative error is at most 10⁻⁷, whatever the scale of θ and dz; the result is then limited to the positive
    /// normal floats. Masked θ (−inf) do not count. ‖θ‖ counts as at least [`theta_floor`](Adaptive::theta_floor) · √(the
    /// number of unmasked entries). With S samples ‖dz‖ grows with √S, and a settles at a value that is higher by the same
    /// factor. O(1).
    ///
    /// # Errors
    /// [`Error::Option`] names the field that is out of its range; [`Error::NonFinite`] if a sum of squares is negative or
    /// not finite.
    pub fn lambda_from(&self, parts: &AdaptiveParts) -> Result<f32, Error> {
        self.check()?;
        parts.check()?;
        if parts.dz_squared == 0.0 || parts.theta_len == 0 {
            return Ok(0.0);
        }
        let nothing_learnt = parts.theta_nonzero == 0;
        let floor = if self.theta_floor == 0.0 && nothing_learnt { 1.0 } else { f64::from(self.theta_floor) };
        let least = floor * floor * parts.theta_len as f64;
        let theta_squared = if parts.theta_squared > least { parts.theta_squared } else { least };
        let lambda = sqrt(theta_squared) * (f64::from(self.a) / sqrt(parts.dz_squared));
        Ok(within(f64::from(f32::MIN_POSITIVE), lambda, f64::from(f32::MAX)) as f32)
    }

    /// g ← decay · g + (1 − decay) · nonzeros / states, and a by its rule, limited to the finite floats (multiplicative: to
    /// the positive normal ones). This is right for any S, because each sample of a row counts as a state. If no state was
    /// counted, nothing changes.
    ///
    /// # Errors
    /// [`Error::Option`] names the field that is out of its range. After an error nothing is changed.
    pub fn update(&mut self, diagnostics: &Diagnostics) -> Result<(), Error> {
        self.check()?;
        if diagnostics.states == 0 {
            return Ok(());
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
        } else if !at_least_zero(self.theta_floor) {
            Rule::AdaptiveThetaFloor
        } else {
            return Ok(());
        };
        Err(Error::Option { rule })
    }
}

/// The sums over θ and dz from which λ is computed. They add up over the threads, hosts or micro-batches of a cut batch.
///
/// Start from the default, which is zeros, [add](AdaptiveParts::add) the blocks of θ and dz, and add up the parts. Over
/// hosts, all-reduce the four numbers. Any order of the blocks gives λ to an ulp or so; the same order of the same blocks
/// gives the same bits on every platform.
///
/// ```
/// use imle::{Adaptive, AdaptiveParts};
///
/// let (theta, dz) = ([0.3, -1.2, 0.9, 0.0], [0.5, 0.0, -2.0, 1.0]);
/// let mut parts = [AdaptiveParts::default(); 2]; // one for each thread
/// parts[0].add(&theta[..2], &dz[..2])?;
/// parts[1].add(&theta[2..], &dz[2..])?;
/// let lambda = Adaptive::default().lambda_from(&(parts[0] + parts[1]))?;
/// # assert!((lambda / Adaptive::default().lambda(&theta, &dz)? - 1.0).abs() < 1e-6);
/// # Ok::<(), imle::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AdaptiveParts {
    /// Σ θ² over the unmasked entries.
    pub theta_squared: f64,
    /// Σ dz².
    pub dz_squared: f64,
    /// The unmasked entries of θ.
    pub theta_len: u64,
    /// The unmasked entries of θ that are not 0.
    pub theta_nonzero: u64,
}

impl AdaptiveParts {
    /// Counts a block of θ and a block of dz, of any lengths; either may be empty. O(length).
    ///
    /// # Errors
    /// [`Error::NonFinite`] if the parts so far are negative or not finite, or names row 0 for a bad θ or dz. After an
    /// error nothing is changed.
    pub fn add(&mut self, theta: &[f32], dz: &[f32]) -> Result<(), Error> {
        self.check()?;
        check_scores(Argument::Theta, theta).and_then(|()| check_finite(Argument::Dz, dz)).map_err(|bad| bad.at(0))?;
        let count = |counts: fn(f32) -> bool| theta.iter().filter(|&&t| counts(t)).count() as u64;
        *self += AdaptiveParts {
            theta_squared: sum_of_squares(theta),
            dz_squared: sum_of_squares(dz),
            theta_len: count(|t| !is_masked(t)),
            theta_nonzero: count(|t| !is_masked(t) && t != 0.0),
        };
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        let good = |sum: f64| sum.is_finite() && sum >= 0.0;
        if good(self.theta_squared) && good(self.dz_squared) {
            Ok(())
        } else {
            Err(Error::NonFinite { argument: Argument::Parts, row: 0 })
        }
    }
}

impl ops::AddAssign for AdaptiveParts {
    fn add_assign(&mut self, other: AdaptiveParts) {
        self.theta_squared += other.theta_squared;
        self.dz_squared += other.dz_squared;
        self.theta_len = self.theta_len.saturating_add(other.theta_len);
        self.theta_nonzero = self.theta_nonzero.saturating_add(other.theta_nonzero);
    }
}

impl ops::Add for AdaptiveParts {
    type Output = AdaptiveParts;

    fn add(mut self, other: AdaptiveParts) -> AdaptiveParts {
        self += other;
        self
    }
}

/// x, limited to low..=high.
fn within<T: PartialOrd>(low: T, x: T, high: T) -> T {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}
