//! The training loop: scorer, choice, predictor, and the gradients back through all three.

use imle::{Adaptive, Dz, Error, Forward, Imle, Key, Options, Rows, RowsMut, Shape, States, TopK};
use learning::{Corpus, Example, SplitMix64};

use crate::evaluation::mean_squared_error;
use crate::networks::{Predictor, Scorer};

/// Texts per step.
const BATCH: usize = 40;
/// Adam's learning rate.
const RATE: f32 = 5e-4;
/// The straight-through scorer's rate. It is the best of 5e-6 to 5e-4 on validation texts: at 5e-4, R² is .07 lower.
const STRAIGHT_THROUGH_RATE: f32 = 5e-5;

/// The choice of the words that the predictor sees, and of the gradient that the scorer learns from.
#[derive(Clone, Copy, PartialEq)]
pub enum Method {
    AllWords,
    RandomWords,
    StraightThrough,
    ImplicitMle,
}

impl Method {
    pub const ALL: [Method; 4] = [Method::AllWords, Method::RandomWords, Method::StraightThrough, Method::ImplicitMle];

    pub fn name(self, k: u32) -> String {
        let words = if k == 1 { "word" } else { "words" };
        match self {
            Method::AllWords => "all words".into(),
            Method::RandomWords => format!("{k} random {words}"),
            Method::StraightThrough => format!("{k} {words}, straight-through"),
            Method::ImplicitMle => format!("{k} {words}, I-MLE"),
        }
    }

    /// True if a scorer decides. If not, all words have the same score.
    pub fn learns_choice(self) -> bool {
        matches!(self, Method::StraightThrough | Method::ImplicitMle)
    }
}

#[derive(Clone, Copy)]
pub struct Settings {
    pub k: u32,
    pub samples: u32,
    pub epochs: u32,
    pub options: Options,
    /// True if every step replaces the options' lambda.
    pub adaptive: bool,
}

#[derive(Clone)]
pub struct Model {
    pub method: Method,
    pub settings: Settings,
    pub seed: u64,
    /// Texts are padded to this many words.
    n: usize,
    scorer: Scorer,
    pub predictor: Predictor,
    adaptive: Adaptive,
}

/// Mean squared errors of one epoch, in squared units of the scores.
#[derive(Clone, Copy)]
pub struct Epoch {
    /// The mean over the epoch's steps, with noisy choices and changing weights.
    pub training: f32,
    pub validation: f32,
}

pub struct Run {
    /// The model after the epoch with the least validation error.
    pub model: Model,
    pub epochs: Vec<Epoch>,
    pub best: usize,
}

/// Trains one model. Calls `progress` after every epoch.
pub fn train(
    method: Method,
    settings: Settings,
    corpus: &Corpus,
    seed: u64,
    progress: impl Fn(Epoch),
) -> Result<Run, Error> {
    let mut model = Model::new(method, settings, corpus, seed);
    let mut order: Vec<&Example> = corpus.training.iter().collect();
    let mut random = SplitMix64::new(seed, 3);
    let mut step = 0;
    let mut best = (f32::INFINITY, 0, model.clone());
    let mut epochs = Vec::new();
    for number in 0..settings.epochs as usize {
        random.shuffle(&mut order);
        let mut loss = 0.0;
        for batch in order.chunks(BATCH) {
            step += 1;
            loss += model.step(batch, step)?;
        }
        let unit = corpus.deviation * corpus.deviation;
        let training = loss / order.len() as f32 * unit;
        let validation = mean_squared_error(&model, &corpus.validation)? * unit;
        let epoch = Epoch { training, validation };
        progress(epoch);
        epochs.push(epoch);
        if validation < best.0 {
            best = (validation, number, model.clone());
        }
    }
    let (_, best, model) = best;
    Ok(Run { model, epochs, best })
}

impl Model {
    fn new(method: Method, settings: Settings, corpus: &Corpus, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 2);
        let scorer = Scorer::new(corpus.vocabulary, &mut random);
        let predictor = Predictor::new(corpus.vocabulary, &mut random);
        Self { method, settings, seed, n: corpus.longest, scorer, predictor, adaptive: Adaptive::default() }
    }

    /// The number of words that are chosen from a text.
    pub fn k(&self, words: &[u32]) -> u32 {
        let words = words.len() as u32;
        if self.method == Method::AllWords { words } else { words.min(self.settings.k) }
    }

    /// theta `[B][N]`. The padding behind a text is −inf, which the layer never chooses.
    fn theta(&self, texts: &[&Example]) -> Vec<f32> {
        let mut theta = vec![f32::NEG_INFINITY; texts.len() * self.n];
        for (text, theta) in texts.iter().zip(theta.chunks_exact_mut(self.n)) {
            let theta = &mut theta[..text.words.len()];
            if self.method.learns_choice() { self.scorer.scores(&text.words, theta) } else { theta.fill(0.0) }
        }
        theta
    }

    /// The layer for these texts. Their number and their k make its shape.
    fn layer<'a>(&self, k_row: &'a [u32], samples: u32) -> Result<Imle<TopK<'a>>, Error> {
        let k = k_row.iter().copied().max().unwrap_or(0);
        let shape = Shape { rows: k_row.len() as u32, n: self.n as u32, k, samples };
        let options = if self.method == Method::RandomWords {
            Options::default() // equal scores and Gumbel noise: every k words are equally likely
        } else {
            self.settings.options
        };
        Imle::new(shape, TopK::per_row(k_row), options)
    }

    fn k_row(&self, texts: &[&Example]) -> Vec<u32> {
        texts.iter().map(|text| self.k(&text.words)).collect()
    }

    /// The words chosen at test time, z `[B][N]`: MAP(theta), or k random words. Those depend on `row0`, the number of
    /// the first text.
    pub fn choose(&self, texts: &[&Example], row0: usize) -> Result<Vec<f32>, Error> {
        let theta = self.theta(texts);
        let k_row = self.k_row(texts);
        let layer = self.layer(&k_row, 1)?;
        let mut z = vec![0.0; theta.len()];
        let mut work = vec![0.0; layer.workspace_len()];
        let (theta, states) = (Rows::contiguous(&theta), States::z(&mut z));
        if self.method == Method::RandomWords {
            let key = Key { seed: self.seed, row0: row0 as u64, ..Key::default() }; // training steps count from 1
            layer.sample(key, theta, states, &mut work)?;
        } else {
            layer.map(theta, states, &mut work)?;
        }
        Ok(z)
    }

    /// One step of Adam on a batch. Returns the sum of the texts' losses, each of which is a mean over samples.
    fn step(&mut self, texts: &[&Example], step: u64) -> Result<f32, Error> {
        let samples = if self.method == Method::AllWords { 1 } else { self.settings.samples };
        let key = Key { seed: self.seed, step, ..Key::default() };
        let theta = self.theta(texts);
        let k_row = self.k_row(texts);
        let layer = self.layer(&k_row, samples)?;
        let mut work = vec![0.0; layer.workspace_len()];

        // Forward: z_s = MAP(theta + noise), S choices for every text.
        let mut z = vec![0.0; theta.len() * samples as usize];
        layer.sample(key, Rows::contiguous(&theta), States::z(&mut z), &mut work)?;

        // The predictor runs forward and backward. It adds to its own gradient and writes dz.
        let mut dz = vec![0.0; z.len()];
        let share = 1.0 / samples as f32;
        let mean = 1.0 / texts.len() as f32;
        let mut loss = 0.0;
        let states = z.chunks_exact(self.n).zip(dz.chunks_exact_mut(self.n));
        for (state, (z, dz)) in states.enumerate() {
            let row = state / samples as usize;
            let Example { words, target, .. } = texts[row];
            loss += share * self.predictor.backward(words, z, k_row[row] as f32, *target, mean * share, dz);
        }

        // Through the choice to theta. The layer takes the dz of one text's loss. The factor 1/B of the batch's mean
        // comes after the layer.
        if self.method.learns_choice() {
            let mut mean_dz = vec![0.0; theta.len()];
            let (rows, out) = (Rows::contiguous(&theta), RowsMut::contiguous(&mut mean_dz));
            imle::straight_through(layer.shape(), rows, Dz::per_sample(&dz), out)?;
            let grad_theta = if self.method == Method::ImplicitMle {
                self.implicit_gradient(key, &layer, &theta, &mean_dz, &mut work)?
            } else {
                mean_dz // the straight-through gradient
            };
            for (text, grad) in texts.iter().zip(grad_theta.chunks_exact(self.n)) {
                self.scorer.backward(&text.words, &grad[..text.words.len()], mean);
            }
        }
        self.update(step);
        Ok(loss)
    }

    /// The gradient through the choice, from the mean dz of every text. An adaptive lambda is computed from this batch.
    fn implicit_gradient(
        &mut self,
        key: Key,
        layer: &Imle<TopK>,
        theta: &[f32],
        dz: &[f32],
        work: &mut [f32],
    ) -> Result<Vec<f32>, Error> {
        let lambda = if self.settings.adaptive { self.adaptive.lambda(theta, dz)? } else { layer.options().lambda };
        let mut grad_theta = vec![0.0; theta.len()];
        if lambda > 0.0 {
            let (theta, grad) = (Rows::contiguous(theta), RowsMut::contiguous(&mut grad_theta));
            let layer = layer.with_lambda(lambda)?;
            let diagnostics = layer.gradient(key, theta, Dz::shared(dz), Forward::Replay, grad, work)?;
            self.adaptive.update(&diagnostics)?;
        }
        Ok(grad_theta)
    }

    fn update(&mut self, step: u64) {
        for weights in self.predictor.weights() {
            weights.step(step as i32, RATE);
        }
        let rate = if self.method == Method::StraightThrough { STRAIGHT_THROUGH_RATE } else { RATE };
        if self.method.learns_choice() {
            for weights in self.scorer.weights() {
                weights.step(step as i32, rate);
            }
        }
    }
}
