//! The training loop: scorer, choice, predictor, and the gradients back through all three.

use imle::{Adaptive, AdaptiveParts, Diagnostics, Error, Key};
use learning::SplitMix64;

use crate::choice::{Method, choose, draw, gradient};
use crate::model::Model;

/// Sentences per step.
const BATCH: usize = 20;

#[derive(Clone, Copy)]
pub struct Settings {
    pub method: Method,
    pub epochs: u32,
    /// Adam's learning rate.
    pub rate: f32,
    pub seed: u64,
}

pub struct Run<M> {
    pub settings: Settings,
    /// The model after the epoch with the least validation loss.
    pub model: M,
    pub best: usize,
    /// The mean loss of the validation sentences after each epoch.
    pub validation: Vec<f32>,
}

/// Trains a model. Calls `progress` after every epoch with the validation loss.
pub fn train<M: Model>(
    mut model: M,
    settings: Settings,
    training: &[M::Sentence],
    validation: &[M::Sentence],
    progress: impl Fn(f32),
) -> Result<Run<M>, Error> {
    let mut order: Vec<&M::Sentence> = training.iter().collect();
    let mut random = SplitMix64::new(settings.seed, 3);
    let mut adaptive = Adaptive::default();
    let mut step = 0;
    let mut run = Run { settings, model: model.clone(), best: 0, validation: Vec::new() };
    let mut least = f32::INFINITY;
    for epoch in 0..settings.epochs as usize {
        random.shuffle(&mut order);
        for batch in order.chunks(BATCH) {
            step += 1;
            train_step(&mut model, &mut adaptive, settings, batch, step)?;
        }
        let loss = mean_loss(&model, settings, validation)?;
        progress(loss);
        run.validation.push(loss);
        if loss < least {
            (least, run.best, run.model) = (loss, epoch, model.clone());
        }
    }
    Ok(run)
}

/// A sentence of a batch on its way back.
struct Row<'a, S> {
    sentence: &'a S,
    key: Key<'static>,
    n: usize,
    theta: Vec<f32>,
    dz: Vec<f32>,
}

fn train_step<M: Model>(
    model: &mut M,
    adaptive: &mut Adaptive,
    settings: Settings,
    batch: &[&M::Sentence],
    step: u64,
) -> Result<(), Error> {
    let method = settings.method;
    let mean = 1.0 / batch.len() as f32;
    let mut rows = Vec::with_capacity(batch.len());
    for (row, &sentence) in batch.iter().enumerate() {
        let n = M::words(sentence);
        let key = Key { seed: settings.seed, step, row0: row as u64, ..Key::default() };
        let mut theta = vec![0.0; n * n];
        if method.learns() {
            model.scores(sentence, &mut theta);
        }
        // dz is the mean over the drawn states, of the loss of this sentence alone. The factor 1/B comes after the choice.
        let z = draw(method, key, &theta, n)?;
        let (mut dz, mut dz_of_state) = (vec![0.0; n * n], vec![0.0; n * n]);
        let share = 1.0 / method.samples() as f32;
        for z in z.chunks_exact(n * n) {
            model.backward(sentence, z, mean * share, &mut dz_of_state);
            learning::add(&mut dz, share, &dz_of_state);
        }
        rows.push(Row { sentence, key, n, theta, dz });
    }
    if method.learns() {
        let mut parts = AdaptiveParts::default();
        for row in &rows {
            parts.add(&row.theta, &row.dz)?;
        }
        let lambda = adaptive.lambda_from(&parts)?;
        let mut diagnostics = Diagnostics::default();
        for row in rows.iter().filter(|_| lambda > 0.0) {
            let (grad, of_row) = gradient(method, row.key, lambda, &row.theta, &row.dz, row.n)?;
            model.backward_scores(row.sentence, &grad, mean);
            diagnostics.states += of_row.states;
            diagnostics.unchanged += of_row.unchanged;
            diagnostics.nonzeros += of_row.nonzeros;
        }
        adaptive.update(&diagnostics)?;
    }
    model.step(step as i32, settings.rate, method.learns());
    Ok(())
}

/// The state that a trained model chooses for sentence number `number` of a part.
pub fn state<M: Model>(
    model: &M,
    settings: Settings,
    number: usize,
    sentence: &M::Sentence,
) -> Result<Vec<f32>, Error> {
    let n = M::words(sentence);
    let mut theta = vec![0.0; n * n];
    model.scores(sentence, &mut theta);
    let key = Key { seed: settings.seed, row0: number as u64, ..Key::default() }; // training steps count from 1
    choose(settings.method, key, &theta, n)
}

pub fn mean_loss<M: Model>(model: &M, settings: Settings, sentences: &[M::Sentence]) -> Result<f32, Error> {
    let mut sum = 0.0;
    for (number, sentence) in sentences.iter().enumerate() {
        sum += f64::from(model.loss(sentence, &state(model, settings, number, sentence)?));
    }
    Ok((sum / sentences.len() as f64) as f32)
}
