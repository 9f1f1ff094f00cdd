//! The problems: scores, k, a loss, and the exact gradient of its expectation.

use crate::numpy::RandomState;
use crate::truth::{derivatives, gradient_by_enumeration, marginals};

/// The seeds of SIMPLE's table (Ahmed, Zeng, Niepert, Van den Broeck 2023).
pub const SEEDS: [u32; 10] = [1234, 1067, 9198, 9453, 6240, 7044, 1755, 7898, 3131, 1277];

/// ℓ(z), with the gradient that automatic differentiation would give for it.
pub enum Loss {
    /// Σ_i (z_i − b_i)².
    Distance { b: Vec<f64> },
    /// (⟨w, z⟩ − y)²: a linear model that reads the chosen coordinates.
    Regression { w: Vec<f64>, y: f64 },
    /// (⟨a, tanh(W z)⟩ − y)²: a network that reads them.
    Network { w: Vec<Vec<f64>>, a: Vec<f64>, y: f64 },
}

fn dot(a: &[f64], z: &[f32]) -> f64 {
    a.iter().zip(z).map(|(a, z)| a * f64::from(*z)).sum()
}

impl Loss {
    pub fn value(&self, z: &[f32]) -> f64 {
        match self {
            Loss::Distance { b } => z.iter().zip(b).map(|(z, b)| (f64::from(*z) - b).powi(2)).sum(),
            Loss::Regression { w, y } => (dot(w, z) - y).powi(2),
            Loss::Network { w, a, y } => (w.iter().zip(a).map(|(w, a)| a * dot(w, z).tanh()).sum::<f64>() - y).powi(2),
        }
    }

    /// dz = ∇_z ℓ.
    pub fn gradient(&self, z: &[f32], dz: &mut [f32]) {
        match self {
            Loss::Distance { b } => {
                for ((dz, z), b) in dz.iter_mut().zip(z).zip(b) {
                    *dz = (2.0 * (f64::from(*z) - b)) as f32;
                }
            }
            Loss::Regression { w, y } => {
                let slope = 2.0 * (dot(w, z) - y);
                for (dz, w) in dz.iter_mut().zip(w) {
                    *dz = (slope * w) as f32;
                }
            }
            Loss::Network { w, a, y } => {
                let hidden: Vec<f64> = w.iter().map(|w| dot(w, z).tanh()).collect();
                let slope = 2.0 * (a.iter().zip(&hidden).map(|(a, h)| a * h).sum::<f64>() - y);
                for (i, dz) in dz.iter_mut().enumerate() {
                    let through = hidden.iter().zip(a).zip(w).map(|((h, a), w)| a * (1.0 - h * h) * w[i]);
                    *dz = (slope * through.sum::<f64>()) as f32;
                }
            }
        }
    }

    /// v with ℓ(z) = ⟨v, z⟩ + constant on C. Only the distance has one, because z² = z on C.
    pub fn slope_on_states(&self) -> Option<Vec<f64>> {
        match self {
            Loss::Distance { b } => Some(b.iter().map(|b| 1.0 - 2.0 * b).collect()),
            _ => None,
        }
    }

    /// The least loss of a state, if the loss is linear on C.
    pub fn least_on_states(&self, k: usize) -> Option<f64> {
        let mut slope = self.slope_on_states()?;
        slope.sort_by(f64::total_cmp);
        Some(self.value(&vec![0.0; slope.len()]) + slope[..k].iter().sum::<f64>())
    }

    /// `E_p[ℓ]`, if it has a closed form.
    pub fn expectation(&self, theta: &[f64], k: usize) -> Option<f64> {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        match self {
            Loss::Distance { .. } => {
                Some(self.value(&vec![0.0; theta.len()]) + dot(&self.slope_on_states()?, &marginals(theta, k)))
            }
            Loss::Regression { w, y } => {
                let [mu, first, _] = derivatives(theta, k, w);
                Some(dot(w, &first) + (dot(w, &mu) - y).powi(2))
            }
            Loss::Network { .. } => None,
        }
    }
}

pub struct Problem {
    pub theta: Vec<f64>,
    pub k: usize,
    pub loss: Loss,
    /// ∇_θ `E_p[ℓ]`.
    pub exact: Vec<f64>,
}

/// A kind of problem. It has one problem for every seed.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Distance { n: usize, k: usize },
    Regression { n: usize, k: usize },
    Network { n: usize, k: usize },
}

impl Kind {
    pub fn name(self) -> String {
        match self {
            Kind::Distance { n, k } => format!("distance, {k} of {n}"),
            Kind::Regression { n, k } => format!("regression, {k} of {n}"),
            Kind::Network { n, k } => format!("network, {k} of {n}"),
        }
    }

    pub fn problem(self, seed: u32) -> Problem {
        let mut random = RandomState::new(seed);
        match self {
            Kind::Distance { n, k } => {
                let theta = random.randn(n);
                let b: Vec<f64> = random.randn(n).iter().map(|b| b.abs()).collect();
                let loss = Loss::Distance { b };
                let [_, exact, _] = derivatives(&theta, k, &loss.slope_on_states().expect("linear on C"));
                Problem { theta, k, loss, exact }
            }
            Kind::Regression { n, k } => {
                let (theta, w, y) = (random.randn(n), random.randn(n), random.randn(1)[0]);
                // The gradient of wᵀ Cov w + (⟨w, μ⟩ − y)².
                let [mu, first, second] = derivatives(&theta, k, &w);
                let slope = 2.0 * (w.iter().zip(&mu).map(|(w, mu)| w * mu).sum::<f64>() - y);
                let exact = first.iter().zip(&second).map(|(first, second)| second + slope * first).collect();
                Problem { theta, k, loss: Loss::Regression { w, y }, exact }
            }
            Kind::Network { n, k } => {
                const HIDDEN: usize = 8;
                let theta = random.randn(n);
                let scaled = |values: Vec<f64>, by: f64| values.iter().map(|value| value * by).collect::<Vec<_>>();
                let w = (0..HIDDEN).map(|_| scaled(random.randn(n), 1.0 / (k as f64).sqrt())).collect();
                let a = scaled(random.randn(HIDDEN), 2.0 / (HIDDEN as f64).sqrt());
                let loss = Loss::Network { w, a, y: random.randn(1)[0] };
                let exact = gradient_by_enumeration(&theta, k, |z| loss.value(z));
                Problem { theta, k, loss, exact }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_gradients_are_those_of_enumeration() {
        for kind in [Kind::Distance { n: 9, k: 4 }, Kind::Regression { n: 9, k: 4 }, Kind::Regression { n: 5, k: 5 }] {
            let problem = kind.problem(3);
            let enumerated = gradient_by_enumeration(&problem.theta, problem.k, |z| problem.loss.value(z));
            for (closed, enumerated) in problem.exact.iter().zip(enumerated) {
                assert!((closed - enumerated).abs() < 1e-7, "{}: {closed} {enumerated}", kind.name());
            }
        }
    }

    #[test]
    fn dz_is_the_derivative_of_the_loss() {
        const H: f32 = 1.0 / 64.0;
        for kind in [Kind::Distance { n: 6, k: 2 }, Kind::Regression { n: 6, k: 2 }, Kind::Network { n: 6, k: 2 }] {
            let loss = kind.problem(3).loss;
            let z = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
            let mut dz = [0.0; 6];
            loss.gradient(&z, &mut dz);
            for (i, dz) in dz.into_iter().enumerate() {
                let moved =
                    |by: f32| loss.value(&std::array::from_fn::<f32, 6, _>(|j| z[j] + if i == j { by } else { 0.0 }));
                let quotient = (moved(H) - moved(-H)) / f64::from(2.0 * H);
                assert!((quotient - f64::from(dz)).abs() < 2e-3 * (1.0 + quotient.abs()), "{}", kind.name());
            }
        }
    }
}
