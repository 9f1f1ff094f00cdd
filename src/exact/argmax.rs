//! One-hot states in closed form: softmax and its logarithm, O(n) time and n floats of memory.
//!
//! ```text
//! y_i = (θ_i − max θ)/T,  Z = Σ e^{y_i}        A = max θ/T + ln Z
//! μ_i = e^{y_i}/Z                              −ln p(i) = ln Z − y_i
//! ```

use super::{Distribution, RowDistribution};
use crate::float::{CompensatedSum, exp_negative, ln};
use crate::kernel::argmax::argmax;
use crate::kernel::elementwise::divide;
use crate::noise::{Law, Stream};
use crate::{Argmax, Shape};

/// The softmax of one row.
pub struct Softmax<'a> {
    theta: &'a [f32],
    temperature: f32,
    max: f32,
    /// Z ≥ 1.
    total: f32,
    /// e^{y_i}, then whatever was asked for.
    values: &'a mut [f32],
}

impl<'a> Softmax<'a> {
    fn new(theta: &'a [f32], temperature: f32, values: &'a mut [f32]) -> Self {
        let mut row = Softmax { theta, temperature, max: 0.0, total: 1.0, values };
        row.normalise();
        row
    }

    fn normalise(&mut self) {
        self.max = self.theta.get(argmax(self.theta)).copied().unwrap_or_default();
        self.total = CompensatedSum::of(self.theta.iter().map(|&t| exp_negative(self.y(t)))).value();
    }

    /// y ≤ 0.
    fn y(&self, theta: f32) -> f32 {
        (theta - self.max) / self.temperature
    }

    /// −Σ_i r_i ln p(i) for the r in `values`.
    fn cross_entropy(&self) -> f32 {
        let mut sum = CompensatedSum::default();
        sum.add(ln(self.total));
        for (&theta, &r) in self.theta.iter().zip(self.values.iter()) {
            let y = self.y(theta);
            if r > 0.0 {
                if y.is_infinite() {
                    return f32::INFINITY;
                }
                sum.add(-y * r);
            }
        }
        sum.value().max(0.0)
    }
}

impl<'a> RowDistribution<'a> for Softmax<'a> {
    fn log_partition(&self) -> f32 {
        self.max / self.temperature + ln(self.total)
    }

    fn marginals(&mut self) -> &[f32] {
        for (value, &theta) in self.values.iter_mut().zip(self.theta) {
            *value = exp_negative((theta - self.max) / self.temperature);
        }
        divide(self.values, self.total);
        self.values
    }

    fn entropy(&self) -> f32 {
        self.cross_entropy()
    }

    /// Cov v = μ (v − ⟨μ, v⟩).
    fn covariance(&mut self, v: &mut [f32]) {
        let mu = self.marginals();
        let mean = CompensatedSum::of(mu.iter().zip(v.iter()).map(|(mu, v)| mu * v)).value();
        for (v, mu) in v.iter_mut().zip(mu) {
            *v = mu * (*v - mean);
        }
    }

    /// The Gumbel-max trick: argmax(y + ε) ~ p, with both of the noise's tails.
    fn draw(&mut self, stream: &mut Stream) -> &[f32] {
        Law::Gumbel.fill(stream, self.values);
        for (score, &theta) in self.values.iter_mut().zip(self.theta) {
            *score += (theta - self.max) / self.temperature;
        }
        let chosen = argmax(self.values);
        self.values.fill(0.0);
        if let Some(z) = self.values.get_mut(chosen) {
            *z = 1.0;
        }
        self.values
    }

    fn log_prob(&mut self, state: impl FnOnce(&mut [f32])) -> f32 {
        state(self.values);
        -self.cross_entropy()
    }

    fn kl(&mut self, other: &'a [f32]) -> f32 {
        self.marginals();
        let entropy = self.cross_entropy();
        self.theta = other;
        self.normalise();
        (self.cross_entropy() - entropy).max(0.0)
    }
}

impl Distribution for Argmax {
    type Row<'a> = Softmax<'a>;

    fn workspace_len(shape: Shape) -> Option<usize> {
        Some(shape.n())
    }

    fn row<'a>(&self, _b: usize, theta: &'a [f32], temperature: f32, work: &'a mut [f32]) -> Softmax<'a> {
        Softmax::new(theta, temperature, crate::rows::block_mut(work, 0, theta.len()))
    }
}
