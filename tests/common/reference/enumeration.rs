//! p(z; θ) = exp(β⟨z,θ⟩ − A(θ)) over every k-subset, in f64, for n up to about 20.

use libm::{exp, log};

use super::{inner_product, k_subsets};

/// The states of C and their probabilities.
pub struct Enumeration {
    n: usize,
    /// Each state as a bit set.
    pub states: Vec<u32>,
    pub p: Vec<f64>,
    /// A = log Σ_z exp(β⟨z,θ⟩)
    pub log_partition: f64,
}

impl Enumeration {
    pub fn new(theta: &[f32], k: usize, beta: f64) -> Self {
        let n = theta.len();
        let states: Vec<u32> = k_subsets(n, k).collect();
        let energies: Vec<f64> = states.iter().map(|&z| beta * inner_product(z, theta)).collect();
        let largest = energies.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_partition = largest + log(energies.iter().map(|e| exp(e - largest)).sum::<f64>());
        let p = energies.iter().map(|e| exp(e - log_partition)).collect();
        Enumeration { n, states, p, log_partition }
    }

    /// softmax(βθ), for any n.
    pub fn one_hot(theta: &[f32], beta: f64) -> Vec<f64> {
        let largest = f64::from(theta.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let weights: Vec<f64> = theta.iter().map(|&t| exp(beta * (f64::from(t) - largest))).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|w| w / sum).collect()
    }

    /// μ = E[z]
    pub fn marginals(&self) -> Vec<f64> {
        let marginal = |i| self.states.iter().zip(&self.p).filter(|&(z, _)| z >> i & 1 == 1).map(|(_, p)| p).sum();
        (0..self.n).map(marginal).collect()
    }

    /// Cov(z, f(z)), the derivative of E[f(z)] in units of β: for f = ⟨·, v⟩ it is Cov(z) v.
    pub fn covariance(&self, f: impl Fn(u32) -> f64) -> Vec<f64> {
        let mean: f64 = self.states.iter().zip(&self.p).map(|(&z, p)| p * f(z)).sum();
        let entry = |i: usize| {
            let states = self.states.iter().zip(&self.p).filter(|&(z, _)| z >> i & 1 == 1);
            states.map(|(&z, p)| p * (f(z) - mean)).sum()
        };
        (0..self.n).map(entry).collect()
    }

    /// −Σ p ln p
    pub fn entropy(&self) -> f64 {
        -self.p.iter().filter(|&&p| p > 0.0).map(|&p| p * log(p)).sum::<f64>()
    }
}
