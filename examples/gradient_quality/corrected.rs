//! SIMPLE as the control variate of the score function. It goes beyond the papers and uses public functions of the
//! library.

use imle::{Dz, Error, ExactOutputs, Key, Rows, RowsMut};

use crate::estimator::{Draw, Gradients, exact};

impl Gradients<'_> {
    /// Cov_p(z) · mean dz + (1/S) Σ_s (r_ss − mean_{t≠s} r_st) (z_s − μ), r_st = ℓ_t − ⟨v_s, z_t⟩, where v_s is the
    /// mean of the *other* samples' dz: SIMPLE as the control variate of the score function. v_s is independent of
    /// z_s, so the estimate is unbiased, whatever dz is.
    pub fn corrected(&mut self, key: Key, theta: &[f32], grad: &mut [f32]) -> Result<(), Error> {
        self.draw(key, theta, Draw::Exact)?;
        let theta = Rows::contiguous(theta);
        let (n, samples) = (self.shape.n(), self.shape.samples());
        let mut mu = vec![0.0; grad.len()];
        let exact = exact(self.shape)?;
        exact.marginals(theta, ExactOutputs { marginals: Some(&mut mu), ..ExactOutputs::default() }, &mut self.work)?;
        exact.simple(theta, Dz::per_sample(&self.dz), RowsMut::contiguous(grad), &mut self.work)?;

        let rows = grad.chunks_exact_mut(n).zip(mu.chunks_exact(n));
        let states = self.z.chunks_exact(n * samples).zip(self.dz.chunks_exact(n * samples));
        for (((grad, mu), (z, dz)), losses) in rows.zip(states).zip(self.losses.chunks_exact(samples)) {
            let products = products(z, dz, n, samples);
            let others = (samples - 1) as f32;
            let residual = |s: usize, t: usize| {
                let linear: f32 = (0..samples).filter(|&r| r != s).map(|r| products[r * samples + t]).sum();
                losses[t] - linear / others
            };
            for (s, z) in z.chunks_exact(n).enumerate() {
                let baseline: f32 = (0..samples).filter(|&t| t != s).map(|t| residual(s, t)).sum();
                let factor = (residual(s, s) - baseline / others) / samples as f32;
                for ((grad, z), mu) in grad.iter_mut().zip(z).zip(mu) {
                    *grad += factor * (z - mu);
                }
            }
        }
        Ok(())
    }
}

/// ⟨dz_r, z_t⟩ for all pairs of samples.
fn products(z: &[f32], dz: &[f32], n: usize, samples: usize) -> Vec<f32> {
    let mut products = Vec::with_capacity(samples * samples);
    for dz in dz.chunks_exact(n) {
        products.extend(z.chunks_exact(n).map(|z| z.iter().zip(dz).map(|(z, dz)| z * dz).sum::<f32>()));
    }
    products
}
