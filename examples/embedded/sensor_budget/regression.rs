//! Least squares on chosen channels, from covariances. The operations and their order are those of `regression.c`, which
//! explains them.

use std::array::from_fn;

use crate::tecator::{CHANNELS, FAT, Spectrum};

/// Covariances times the square of the number of spectra. `gram` has the ridge on its diagonal.
pub struct Covariances {
    mean: [f32; CHANNELS + 1],
    gram: Vec<[f32; CHANNELS]>,
    with_fat: [f32; CHANNELS],
    fat: f32,
}

impl Covariances {
    /// `ridge` is per spectrum, in squared units of absorbance.
    pub fn new(spectra: &[Spectrum], ridge: f32) -> Self {
        let sum = |i: usize| spectra.iter().map(|reading| i64::from(reading[i])).sum::<i64>();
        let covariance = |i: usize, j: usize| {
            let products: i64 = spectra.iter().map(|reading| i64::from(reading[i]) * i64::from(reading[j])).sum();
            (spectra.len() as i64 * products - sum(i) * sum(j)) as f32
        };
        let ridge = 1e8 * ridge * spectra.len() as f32; // the readings are in units of 10⁻⁴
        let diagonal = |i, j| if i == j { ridge } else { 0.0 };
        Covariances {
            mean: from_fn(|i| sum(i) as f32 / spectra.len() as f32),
            gram: (0..CHANNELS).map(|i| from_fn(|j| covariance(i, j) + diagonal(i, j))).collect(),
            with_fat: from_fn(|i| covariance(i, FAT)),
            fat: covariance(FAT, FAT),
        }
    }

    /// Returns the weights of the chosen channels, and dz.
    pub fn regress(&self, chosen: &[usize]) -> (Vec<f32>, [f32; CHANNELS]) {
        let k = chosen.len();
        let mut rows: Vec<[f32; CHANNELS]> = Vec::new();
        let (mut factor, mut pivot, mut weight) = (vec![vec![0.0; k]; k], vec![0.0; k], vec![0.0; k]);
        let (mut left, mut spread, mut loss) =
            (self.with_fat, from_fn::<_, CHANNELS, _>(|i| self.gram[i][i]), self.fat);
        for (t, &channel) in chosen.iter().enumerate() {
            let mut row = self.gram[channel];
            for (u, above) in rows.iter().enumerate() {
                factor[t][u] = above[channel] / pivot[u];
                row.iter_mut().zip(above).for_each(|(row, above)| *row -= factor[t][u] * above);
            }
            pivot[t] = row[channel];
            weight[t] = left[channel] / pivot[t];
            loss -= weight[t] * left[channel];
            for ((left, spread), row) in left.iter_mut().zip(&mut spread).zip(&row) {
                *left -= weight[t] * row;
                *spread -= row * (row / pivot[t]);
            }
            rows.push(row);
        }
        for t in (0..k).rev() {
            for u in t + 1..k {
                weight[t] -= factor[u][t] * weight[u];
            }
        }

        let gain = |i: usize| if spread[i] > 0.0 { -(left[i] * left[i]) / spread[i] / loss } else { 0.0 };
        let mut dz = from_fn(gain);
        for (t, &channel) in chosen.iter().enumerate() {
            let (mut column, mut inverse) = (vec![0.0; k], 1.0 / pivot[t]);
            column[t] = 1.0;
            for u in t + 1..k {
                for q in t..u {
                    column[u] -= factor[u][q] * column[q];
                }
                inverse += column[u] * column[u] / pivot[u];
            }
            dz[channel] = -(weight[t] * weight[t]) / inverse / loss;
        }
        (weight, dz)
    }
}

/// fat = bias + Σ weight · reading, over the chosen channels.
pub struct Predictor {
    pub channels: Vec<usize>,
    pub weights: Vec<f32>,
    bias: f32,
}

impl Predictor {
    pub fn new(covariances: &Covariances, channels: Vec<usize>) -> Self {
        let (weights, _) = covariances.regress(&channels);
        Self::with_weights(covariances, channels, weights)
    }

    /// The ridge regression on every channel, by conjugate gradients.
    pub fn on_all(covariances: &Covariances) -> Self {
        let mut weights = [0.0; CHANNELS];
        let mut residual = covariances.with_fat;
        let mut direction = residual;
        let mut square = dot(&residual, &residual);
        for _ in 0..CHANNELS {
            let image: [f32; CHANNELS] = from_fn(|i| dot(&covariances.gram[i], &direction));
            let length = square / dot(&direction, &image);
            for i in 0..CHANNELS {
                weights[i] += length * direction[i];
                residual[i] -= length * image[i];
            }
            let before = std::mem::replace(&mut square, dot(&residual, &residual));
            direction = from_fn(|i| residual[i] + square / before * direction[i]);
        }
        Self::with_weights(covariances, (0..CHANNELS).collect(), weights.to_vec())
    }

    fn with_weights(covariances: &Covariances, channels: Vec<usize>, weights: Vec<f32>) -> Self {
        let terms = channels.iter().zip(&weights);
        let bias = terms.fold(covariances.mean[FAT], |bias, (&i, weight)| bias - weight * covariances.mean[i]);
        Predictor { channels, weights, bias }
    }

    fn predict(&self, reading: &Spectrum) -> f32 {
        let terms = self.channels.iter().zip(&self.weights);
        terms.fold(self.bias, |fat, (&i, weight)| fat + weight * f32::from(reading[i]))
    }

    /// Σ (fat − prediction)².
    pub fn residual(&self, spectra: &[Spectrum]) -> f32 {
        let errors = spectra.iter().map(|reading| f32::from(reading[FAT]) - self.predict(reading));
        errors.fold(0.0, |sum, error| sum + error * error)
    }

    /// 1 − residual over total sum of squares.
    pub fn r_squared(&self, spectra: &[Spectrum]) -> f32 {
        1.0 - self.residual(spectra) / total(spectra)
    }
}

/// Σ (fat − mean)².
pub fn total(spectra: &[Spectrum]) -> f32 {
    let sum: u32 = spectra.iter().map(|reading| u32::from(reading[FAT])).sum();
    let mean = sum as f32 / spectra.len() as f32;
    spectra.iter().map(|reading| f32::from(reading[FAT]) - mean).fold(0.0, |sum, error| sum + error * error)
}

fn dot(a: &[f32; CHANNELS], b: &[f32; CHANNELS]) -> f32 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}
