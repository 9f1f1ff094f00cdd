//! Bias and error of one gradient, defined as in SIMPLE's table.

use imle::{Error, Key, Shape};

use crate::estimator::{Estimator, Gradients, Lambda};
use crate::problem::Problem;

/// Rows of a call.
const BATCH: u32 = 100;
/// Updates of an adaptive λ before its gradients count.
const WARM_UP: u64 = 100;

/// Means over problems, with their standard errors.
#[derive(Clone, Copy, Default)]
pub struct Quality {
    /// 1 − cos(exact, mean gradient).
    pub bias: f64,
    pub bias_error: f64,
    /// Mean of 1 − cos(exact, gradient).
    pub error: f64,
    pub error_error: f64,
}

impl Quality {
    pub fn mean(parts: &[Quality]) -> Quality {
        let count = parts.len() as f64;
        let mean = |of: fn(&Quality) -> f64| parts.iter().map(of).sum::<f64>() / count;
        let error = |of: fn(&Quality) -> f64| parts.iter().map(|part| of(part).powi(2)).sum::<f64>().sqrt() / count;
        Quality {
            bias: mean(|part| part.bias),
            bias_error: error(|part| part.bias_error),
            error: mean(|part| part.error),
            error_error: error(|part| part.error_error),
        }
    }
}

/// Measures `draws` gradients (rounded up to whole batches), each from S samples, at the problem's θ.
pub fn measure(problem: &Problem, estimator: Estimator, samples: u32, draws: u32, seed: u64) -> Result<Quality, Error> {
    let n = problem.theta.len();
    let shape = Shape { rows: BATCH, n: n as u32, k: problem.k as u32, samples };
    let mut gradients = Gradients::new(estimator, &problem.loss, shape)?;
    let theta: Vec<f32> = problem.theta.iter().map(|t| *t as f32).collect::<Vec<_>>().repeat(BATCH as usize);
    let adaptive = matches!(estimator, Estimator::ImplicitMle { lambda: Lambda::Adaptive { .. }, .. });
    let warm_up = if adaptive { WARM_UP } else { 0 };
    let mut drawn = Vec::new();
    for step in 0..warm_up + u64::from(draws.div_ceil(BATCH)) {
        let mut grad = vec![0.0; theta.len()];
        gradients.estimate(Key { seed, step, ..Key::default() }, &theta, &mut grad)?;
        if step >= warm_up {
            drawn.extend(grad);
        }
    }
    Ok(summarise(&problem.exact, &drawn))
}

fn summarise(exact: &[f64], drawn: &[f32]) -> Quality {
    let n = exact.len();
    let count = (drawn.len() / n) as f64;
    let gradients = || drawn.chunks_exact(n);
    let exact: Vec<f64> = exact.iter().map(|e| e / norm(exact)).collect();
    let mut mean = vec![0.0; n];
    gradients().for_each(|g| mean.iter_mut().zip(g).for_each(|(mean, g)| *mean += f64::from(*g) / count));
    let length = norm(&mean);
    let cosine = dot(&exact, &mean) / length;
    // To first order the bias moves with the mean gradient m by −⟨exact − cos·m/|m|, dm⟩/|m|.
    let slope: Vec<f64> = exact.iter().zip(&mean).map(|(e, m)| -(e - cosine * m / length) / length).collect();

    let (mut errors, mut influences) = (Moments::default(), Moments::default());
    for gradient in gradients() {
        let gradient: Vec<f64> = gradient.iter().map(|g| f64::from(*g)).collect();
        // A gradient of zero has no direction: cos = 0.
        errors.add(1.0 - dot(&exact, &gradient) / norm(&gradient).max(f64::MIN_POSITIVE));
        influences.add(dot(&slope, &gradient));
    }
    let per_root = |moments: Moments| moments.deviation() / count.sqrt();
    let (bias_error, error_error) = (per_root(influences), per_root(errors));
    Quality { bias: 1.0 - cosine, bias_error, error: errors.mean(), error_error }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Mean and standard deviation (n − 1 in the denominator) of numbers of the order of 1.
#[derive(Clone, Copy, Default)]
pub struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    pub fn of(values: &[f64]) -> Self {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.add(*value));
        moments
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    pub fn mean(self) -> f64 {
        self.sum / self.count
    }

    pub fn deviation(self) -> f64 {
        ((self.squares - self.sum * self.mean()) / (self.count - 1.0)).max(0.0).sqrt()
    }
}
