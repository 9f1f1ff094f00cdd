//! Ways to choose K of the channels.

use std::array::from_fn;

use imle::{Error, Key, Options, Scale, fixed};

use crate::regression::{Covariances, Predictor};
use crate::tecator::CHANNELS;

pub const STEPS: u64 = 1000;

/// Implicit MLE from θ = 0. Calls `show` with the predictor at steps 0, 1, 2, 4, … and after the last. Returns θ and the
/// predictor.
pub fn learn<const K: usize>(
    covariances: &Covariances,
    lambda: f32,
    seed: u64,
    mut show: impl FnMut(u64, &Predictor),
) -> Result<([f32; CHANNELS], Predictor), Error> {
    let layer = fixed::Layer::<CHANNELS, K>::new(Options { lambda, scale: Scale::None, ..Options::default() })?;
    let mut theta = [0.0; CHANNELS];
    for step in 0..STEPS {
        if step & step.wrapping_sub(1) == 0 {
            show(step, &best(&layer, covariances, &theta)?);
        }
        let key = Key { seed, step, ..Key::default() };
        let [z] = layer.sample::<1>(key, &theta)?;
        let (_, dz) = covariances.regress(&channels(&z));
        let (grad_theta, _) = layer.gradient(key, &theta, &[dz])?;
        theta = from_fn(|i| theta[i] - grad_theta[i]);
    }
    let predictor = best(&layer, covariances, &theta)?;
    show(STEPS, &predictor);
    Ok((theta, predictor))
}

/// The predictor at test time: it reads the channels with the K best scores.
fn best<const K: usize>(
    layer: &fixed::Layer<CHANNELS, K>,
    covariances: &Covariances,
    theta: &[f32; CHANNELS],
) -> Result<Predictor, Error> {
    Ok(Predictor::new(covariances, channels(&layer.map(theta)?)))
}

/// θ = 0, so all subsets are equally likely.
pub fn random<const K: usize>(covariances: &Covariances, draw: u64) -> Result<Predictor, Error> {
    let layer = fixed::Layer::<CHANNELS, K>::new(Options::default())?;
    let [z] = layer.sample::<1>(Key { seed: 0, step: draw, ..Key::default() }, &[0.0; CHANNELS])?;
    Ok(Predictor::new(covariances, channels(&z)))
}

pub fn evenly_spaced<const K: usize>(covariances: &Covariances, offset: usize) -> Predictor {
    Predictor::new(covariances, (0..K).map(|t| offset + t * (CHANNELS / K)).collect())
}

/// Adds one channel after the other, each time the one that lowers the loss most.
pub fn forward<const K: usize>(covariances: &Covariances) -> Predictor {
    let mut chosen = Vec::new();
    for _ in 0..K {
        let (_, mut dz) = covariances.regress(&chosen);
        chosen.iter().for_each(|&i| dz[i] = 0.0);
        chosen.push((1..CHANNELS).fold(0, |best, i| if dz[i] < dz[best] { i } else { best }));
    }
    Predictor::new(covariances, chosen)
}

fn channels(z: &[u32]) -> Vec<usize> {
    z.iter().map(|&i| i as usize).collect()
}
