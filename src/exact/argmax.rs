//! One-hot states in closed form: softmax and its logarithm, O(n) time and n floats of memory.
//!
//! ```text
//! y_i = (θ_i − max θ)/T,  Z = Σ e^{y_i}        A = max θ/T + ln Z
//! μ_i = e^{y_i}/Z                              −ln p(i) = ln Z − y_i
//! ```

use super::distribution::{Distribution, RowDistribution};
use crate::float::{CompensatedSum, exp_negative, ln};
use crate::kernel::elementwise::divide;
use crate::kernel::reduce::argmax;
use crate::noise::{SampleWords, Sampler};
use crate::{Argmax, Shape};

/// The softmax of one row.
pub struct Softmax<'a> {
    theta: &'a [f32],
    temperature: f32,
    max: f32,
    /// Z ≥ 1.
    total: f32,
    /// The marginals of a distribution over states, or scratch.
    values: &'a mut [f32],
}

impl<'a> Softmax<'a> {
    fn new(theta: &'a [f32], temperature: f32, values: &'a mut [f32]) -> Self {
        let mut row = Softmax { theta, temperature, max: 0.0, total: 1.0, values };
        row.replace(theta);
        row
    }

    /// y_i ≤ 0 of all coordinates.
    fn y(&self) -> impl Iterator<Item = f32> + use<'a> {
        let (max, temperature) = (self.max, self.temperature);
        self.theta.iter().map(move |&theta| (theta - max) / temperature)
    }
}

impl<'a> RowDistribution<'a> for Softmax<'a> {
    fn log_partition(&mut self) -> f32 {
        self.max / self.temperature + ln(self.total)
    }

    fn marginals(&mut self) -> &[f32] {
        let y = self.y();
        for (value, y) in self.values.iter_mut().zip(y) {
            *value = exp_negative(y);
        }
        divide(self.values, self.total);
        self.values
    }

    fn hold(&mut self, write_state: impl FnOnce(&mut [f32])) {
        write_state(self.values);
    }

    fn replace(&mut self, theta: &'a [f32]) {
        self.theta = theta;
        self.max = theta.get(argmax(theta)).copied().unwrap_or_default();
        self.total = CompensatedSum::of(self.y().map(exp_negative)).value();
    }

    fn cross_entropy(&mut self) -> f32 {
        let mut sum = CompensatedSum::default();
        sum.add(ln(self.total));
        for (y, &r) in self.y().zip(self.values.iter()) {
            if r > 0.0 {
                if y.is_infinite() {
                    return f32::INFINITY;
                }
                sum.add(-y * r);
            }
        }
        sum.value().max(0.0)
    }

    /// Cov v = μ (v − ⟨μ, v⟩).
    fn covariance(&mut self, divisor: f32, v: &mut [f32]) {
        let mu = self.marginals();
        let mean = CompensatedSum::of(mu.iter().zip(v.iter()).map(|(mu, v)| mu * v)).value();
        for (v, mu) in v.iter_mut().zip(mu) {
            *v = mu * (*v - mean) / divisor;
        }
    }

    fn scratch(&mut self) -> &mut [f32] {
        self.values
    }

    /// The Gumbel-max trick: argmax(y + ε) ~ p, with both of the noise's tails.
    fn draw(&mut self, words: SampleWords<'_>) -> &[f32] {
        Sampler::Gumbel.draw(words, self.values);
        let y = self.y();
        for (score, y) in self.values.iter_mut().zip(y) {
            *score += y;
        }
        let chosen = argmax(self.values);
        self.values.fill(0.0);
        if let Some(z) = self.values.get_mut(chosen) {
            *z = 1.0;
        }
        self.values
    }
}

impl Distribution for Argmax {
    type Row<'a> = Softmax<'a>;

    fn exact_workspace_len(&self, shape: Shape) -> Option<usize> {
        Some(shape.n())
    }

    fn row<'a>(&self, _b: usize, theta: &'a [f32], temperature: f32, work: &'a mut [f32]) -> Softmax<'a> {
        Softmax::new(theta, temperature, crate::views::rows::block_mut(work, 0, theta.len()))
    }
}
