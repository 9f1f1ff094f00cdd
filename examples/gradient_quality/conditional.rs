//! The Rao–Blackwell estimator of top-k. It goes beyond the papers and uses public functions of the library.
//!
//! Fix the noise of all coordinates but i. Then z_i is 1 exactly if θ_i + ε_i exceeds a score x_j of another coordinate
//! j: the largest score that was not chosen if i was chosen, else the least that was. So P(z_i = 1) = σ(θ_i − x_j) for
//! logistic noise, and a step along dz changes it by σ' (dz_i − dz_j). This is the derivative itself: it needs neither
//! λ nor another call of the solver. (Conditional Monte Carlo; Fu and Hu 1997.)

use imle::{Error, Key, Options, Rows, perturb};

use crate::estimator::{Draw, Gradients};

impl Gradients<'_> {
    /// g_i = (1/S) Σ_s σ'(θ_i − x_sj) (dz_i − dz_j), dz the mean over the samples, less the mean of g over i: every
    /// state has k ones, so the gradient's sum is 0. `options` have logistic noise and τ = 1; 0 < k < n.
    pub fn conditional(&mut self, key: Key, theta: &[f32], options: Options, grad: &mut [f32]) -> Result<(), Error> {
        self.draw(key, theta, Draw::Perturbed(options))?;
        let dz = self.mean_dz(Rows::contiguous(theta))?;
        let mut scores = vec![0.0; self.z.len()];
        perturb(self.shape, &options, key, Rows::contiguous(theta), &mut scores)?;

        let (n, samples) = (self.shape.n(), self.shape.samples());
        let states = self.z.chunks_exact(n * samples).zip(scores.chunks_exact(n * samples));
        let rows = theta.chunks_exact(n).zip(dz.chunks_exact(n)).zip(states);
        for (grad, ((theta, dz), (z, scores))) in grad.chunks_exact_mut(n).zip(rows) {
            grad.fill(0.0);
            for (z, scores) in z.chunks_exact(n).zip(scores.chunks_exact(n)) {
                let with = |value: f32| (0..n).filter(move |&i| z[i] == value);
                let least = with(1.0).min_by(|&i, &j| scores[i].total_cmp(&scores[j])).expect("k > 0");
                let largest = with(0.0).max_by(|&i, &j| scores[i].total_cmp(&scores[j])).expect("k < n");
                for i in 0..n {
                    let j = if z[i] == 1.0 { largest } else { least };
                    let p = 1.0 / (1.0 + (scores[j] - theta[i]).exp());
                    grad[i] += p * (1.0 - p) * (dz[i] - dz[j]) / samples as f32;
                }
            }
            let mean = grad.iter().sum::<f32>() / n as f32;
            grad.iter_mut().for_each(|g| *g -= mean);
        }
        Ok(())
    }
}
