//! Noise that is stratified over a row's samples. It goes beyond the papers and uses public functions of the library.
//!
//! Each sample has independent noise of the right law. The S samples of a row depend on each other: for each coordinate,
//! one of the S uniforms behind its noise lies in each of S equal parts of [0, 1). Every coordinate has its own order of
//! these parts. The variance that a coordinate's own noise adds to the gradient averages out, at no cost. (Latin hypercube
//! sampling, McKay, Beckman, Conover 1979, by a lattice with random generators.)

use imle::{Difference, Error, Key, Noise, Options, Rows, RowsMut, Shape, States, difference};

use crate::estimator::{Draw, Gradients, Lambda, layer};

/// The options of every stratified estimator here.
fn logistic() -> Options {
    Options { noise: Noise::Logistic, difference: Difference::Central, ..Options::default() }
}

/// Logistic noise `[B][S][N]`: u_s = u + s·m/S modulo 1, with m odd and so, for S a power of 2, prime to S.
pub fn noise(shape: Shape, key: Key) -> Result<Vec<f32>, Error> {
    let (n, samples) = (shape.n(), shape.samples());
    assert!(samples.is_power_of_two());
    let two = Shape { rows: shape.rows() as u32, n: n as u32, k: shape.k() as u32, samples: 2 };
    let mut seeds = vec![0.0; shape.rows() * 2 * n];
    imle::noise(two, &logistic(), key, &mut seeds)?;
    let uniform = |logistic: f32| 1.0 / (1.0 + (-f64::from(logistic)).exp());

    let mut epsilon = Vec::with_capacity(shape.rows() * samples * n);
    for seeds in seeds.chunks_exact(2 * n) {
        let (first, generator) = seeds.split_at(n);
        for s in 0..samples {
            epsilon.extend(first.iter().zip(generator).map(|(first, generator)| {
                let odd = 2.0 * (uniform(*generator) * samples as f64).floor() + 1.0;
                let u = (uniform(*first) + s as f64 * odd / samples as f64).fract();
                let u = u.clamp(1e-9, 1.0 - 1e-9);
                (u / (1.0 - u)).ln() as f32
            }));
        }
    }
    Ok(epsilon)
}

/// z = MAP(θ + step·v + ε) for the noise of every sample.
pub fn map(
    shape: Shape,
    theta: &[f32],
    step: f32,
    v: &[f32],
    noise: &[f32],
    z: &mut [f32],
    work: &mut [f32],
) -> Result<(), Error> {
    let (n, samples) = (shape.n(), shape.samples());
    let mut scores = Vec::with_capacity(noise.len());
    let rows = theta.chunks_exact(n).zip(v.chunks_exact(n));
    for ((theta, v), noise) in rows.zip(noise.chunks_exact(n * samples)) {
        for epsilon in noise.chunks_exact(n) {
            scores.extend(theta.iter().zip(v).zip(epsilon).map(|((t, v), e)| t + step * v + e));
        }
    }
    let states = Shape { rows: (shape.rows() * samples) as u32, n: n as u32, k: shape.k() as u32, samples: 1 };
    layer(states, logistic())?.map(Rows::contiguous(&scores), States::z(z), work)
}

impl Gradients<'_> {
    /// (1/S) Σ_s (1/2λ) [MAP(θ + λ dz + ε_s) − MAP(θ − λ dz + ε_s)], dz the mean over the samples.
    pub fn stratified_implicit(
        &mut self,
        key: Key,
        theta: &[f32],
        lambda: Lambda,
        grad: &mut [f32],
    ) -> Result<(), Error> {
        self.draw(key, theta, Draw::Stratified)?;
        let dz = self.mean_dz(Rows::contiguous(theta))?;
        let lambda = self.lambda(lambda, theta, &dz)?;
        let noise = noise(self.shape, key)?;
        let (mut plus, mut minus) = (vec![0.0; self.z.len()], vec![0.0; self.z.len()]);
        map(self.shape, theta, lambda, &dz, &noise, &mut plus, &mut self.work)?;
        map(self.shape, theta, -lambda, &dz, &noise, &mut minus, &mut self.work)?;
        let options = Options { lambda, ..logistic() };
        difference(self.shape, &options, &plus, &minus, RowsMut::contiguous(grad)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_coordinate_has_one_sample_in_every_stratum() -> Result<(), Error> {
        let (rows, n, samples) = (3, 17, 8);
        let epsilon = noise(Shape { rows, n, k: 2, samples }, Key { seed: 5, step: 0, ..Key::default() })?;
        for row in epsilon.chunks_exact((n * samples) as usize) {
            for i in 0..n as usize {
                let uniforms = row.chunks_exact(n as usize).map(|epsilon| 1.0 / (1.0 + (-epsilon[i]).exp()));
                let mut strata: Vec<u32> = uniforms.map(|u| (u * samples as f32) as u32).collect();
                strata.sort_unstable();
                assert_eq!(strata, (0..samples).collect::<Vec<_>>());
            }
        }
        Ok(())
    }
}
