//! Weights, their gradients, and Adam (Kingma and Ba, 2015).

use crate::random::SplitMix64;

const DECAY_MEAN: f32 = 0.9;
const DECAY_SQUARE: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// One tensor of weights. `backward` functions add to `gradient`, `step` applies it and clears it.
#[derive(Clone)]
pub struct Weights {
    pub value: Vec<f32>,
    pub gradient: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl Weights {
    /// Uniform on [-bound, bound).
    pub fn uniform(len: usize, bound: f32, random: &mut SplitMix64) -> Self {
        let value = (0..len).map(|_| bound * random.symmetric()).collect();
        let zeros = vec![0.0; len];
        Self { value, gradient: zeros.clone(), mean: zeros.clone(), square: zeros }
    }

    pub fn zeros(len: usize) -> Self {
        Self::uniform(len, 0.0, &mut SplitMix64::new(0, 0))
    }

    /// Update number `step`, counted from 1. Clears the gradient.
    pub fn step(&mut self, step: i32, rate: f32) {
        let correct_mean = 1.0 / (1.0 - DECAY_MEAN.powi(step));
        let correct_square = 1.0 / (1.0 - DECAY_SQUARE.powi(step));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        let weights = self.value.iter_mut().zip(&mut self.gradient);
        for ((mean, square), (value, gradient)) in moments.zip(weights) {
            *mean += (1.0 - DECAY_MEAN) * (*gradient - *mean);
            *square += (1.0 - DECAY_SQUARE) * (*gradient * *gradient - *square);
            *value -= rate * *mean * correct_mean / ((*square * correct_square).sqrt() + EPSILON);
            *gradient = 0.0;
        }
    }
}
