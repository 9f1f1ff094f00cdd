//! Five-fold cross-validation on the training spectra: it chose the ridge and λ.

use imle::Error;

use crate::choice;
use crate::regression::{Covariances, total};
use crate::tecator::Spectrum;

const FOLDS: usize = 5;
const SEEDS: u64 = 20;

pub fn print(training: &[Spectrum]) -> Result<(), Error> {
    println!("ridge   lambda  k = 4   k = 8   (R2 of {FOLDS} folds, {SEEDS} seeds each)");
    for ridge in [1e-3, 1e-4, 1e-5, 1e-6] {
        for lambda in [3.0, 10.0, 30.0, 100.0] {
            let [four, eight] = [r_squared::<4>(training, ridge, lambda)?, r_squared::<8>(training, ridge, lambda)?];
            println!("{:5e}  {lambda:6}  {four:.4}  {eight:.4}", ridge);
        }
    }
    Ok(())
}

/// R² when each part of the spectra is predicted from the others.
fn r_squared<const K: usize>(training: &[Spectrum], ridge: f32, lambda: f32) -> Result<f32, Error> {
    let mut residual = 0.0;
    for fold in 0..FOLDS {
        let part = |inside: bool| {
            let numbered = training.iter().enumerate();
            numbered.filter(|(r, _)| (r % FOLDS == fold) == inside).map(|(_, reading)| *reading).collect::<Vec<_>>()
        };
        let covariances = Covariances::new(&part(false), ridge);
        for seed in 1..=SEEDS {
            let (_, predictor) = choice::learn::<K>(&covariances, lambda, seed, |_, _| ())?;
            residual += predictor.residual(&part(true)) / SEEDS as f32;
        }
    }
    Ok(1.0 - residual / total(training))
}
