//! Gradient descent with momentum on `E_p[ℓ]`, the synthetic experiment of the I-MLE paper. The repeats are the rows of
//! one batch.

use imle::{Error, Key, Shape};

use crate::estimator::{Estimator, Gradients};
use crate::problem::{Kind, Loss, Problem};

const MOMENTUM: f32 = 0.9;
/// Updates of θ.
pub const STEPS: usize = 50;

/// The problem that all repeats start from.
pub struct Start {
    pub theta: Vec<f64>,
    pub k: usize,
    pub loss: Loss,
    /// A lower bound of the loss for every θ.
    pub least: f64,
}

impl Start {
    /// The problem of the paper: the distance, 5 of 10, numpy's seed 0.
    pub fn published() -> Self {
        let Problem { theta, k, loss, .. } = Kind::Distance { n: 10, k: 5 }.problem(0);
        let least = loss.least_on_states(k).expect("linear on C");
        Self { theta, k, loss, least }
    }

    /// A regression, 10 of 100: some of the 10¹³ states come very close to y.
    pub fn regression() -> Self {
        let Problem { theta, k, loss, .. } = Kind::Regression { n: 100, k: 10 }.problem(0);
        Self { theta, k, loss, least: 0.0 }
    }

    pub fn gap(&self, theta: &[f64]) -> f64 {
        self.loss.expectation(theta, self.k).expect("a closed form") - self.least
    }
}

/// The gap `E_p[ℓ]` − least after 1, 2, …, `STEPS` updates, for every repeat: `[STEPS][repeats]`.
pub fn descend(
    start: &Start,
    estimator: Estimator,
    samples: u32,
    rate: f32,
    repeats: u32,
    seed: u64,
) -> Result<Vec<Vec<f64>>, Error> {
    let n = start.theta.len();
    let shape = Shape { rows: repeats, n: n as u32, k: start.k as u32, samples };
    let mut gradients = Gradients::new(estimator, &start.loss, shape)?;
    let mut theta: Vec<f32> = start.theta.iter().map(|t| *t as f32).collect::<Vec<_>>().repeat(repeats as usize);
    let (mut grad, mut velocity) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
    let mut gaps = Vec::with_capacity(STEPS);
    for step in 0..STEPS as u64 {
        gradients.estimate(Key { seed, step, ..Key::default() }, &theta, &mut grad)?;
        for ((theta, velocity), grad) in theta.iter_mut().zip(&mut velocity).zip(&grad) {
            *velocity = MOMENTUM * *velocity + grad;
            *theta -= rate * *velocity;
        }
        let gap = |theta: &[f32]| start.gap(&theta.iter().map(|t| f64::from(*t)).collect::<Vec<_>>());
        gaps.push(theta.chunks_exact(n).map(gap).collect());
    }
    Ok(gaps)
}
