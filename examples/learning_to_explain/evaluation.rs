//! Measures a trained model on texts that it has not seen.

use imle::Error;
use learning::{Corpus, Example, Word};

use crate::lexicon::Lexicon;
use crate::training::Model;

/// Texts per call. It bounds the memory and changes no result.
const BLOCK: usize = 256;

pub struct Evaluation {
    /// The mean squared error in squared units of the scores.
    pub mse: f64,
    pub r2: f64,
    /// Share of the chosen words that the valence lexicon knows.
    pub in_lexicon: f64,
}

/// One text with the model's choice.
pub struct Explained<'a> {
    pub example: &'a Example<'a>,
    /// 1 where a word was chosen, 0 elsewhere.
    pub z: Vec<f32>,
    /// Standardised like the targets.
    pub prediction: f32,
}

pub fn explain<'a>(model: &Model, texts: &'a [Example<'a>]) -> Result<Vec<Explained<'a>>, Error> {
    let mut explained = Vec::with_capacity(texts.len());
    for (number, block) in texts.chunks(BLOCK).enumerate() {
        let block: Vec<&Example> = block.iter().collect();
        let z = model.choose(&block, number * BLOCK)?;
        for (example, z) in block.iter().zip(z.chunks_exact(z.len() / block.len())) {
            let z = z[..example.words.len()].to_vec();
            let prediction = model.predictor.predict(&example.words, &z, model.k(&example.words) as f32);
            explained.push(Explained { example, z, prediction });
        }
    }
    Ok(explained)
}

pub fn mean_squared_error(model: &Model, texts: &[Example]) -> Result<f32, Error> {
    let sum: f64 = explain(model, texts)?.iter().map(Explained::squared_error).sum();
    Ok((sum / texts.len() as f64) as f32)
}

pub fn evaluate(model: &Model, corpus: &Corpus, lexicon: &Lexicon) -> Result<Evaluation, Error> {
    let explained = explain(model, &corpus.test)?;
    let count = explained.len() as f64;
    let error = explained.iter().map(Explained::squared_error).sum::<f64>() / count;
    let target = |text: &Explained| f64::from(text.example.target);
    let mean = explained.iter().map(target).sum::<f64>() / count;
    let variance = explained.iter().map(|text| (target(text) - mean).powi(2)).sum::<f64>() / count;

    let chosen = || explained.iter().flat_map(Explained::chosen);
    let known = chosen().filter(|word| lexicon.contains(word)).count();
    Ok(Evaluation {
        mse: error * f64::from(corpus.deviation).powi(2),
        r2: 1.0 - error / variance,
        in_lexicon: known as f64 / chosen().count() as f64,
    })
}

impl Explained<'_> {
    fn squared_error(&self) -> f64 {
        f64::from(self.prediction - self.example.target).powi(2)
    }

    fn chosen(&self) -> impl Iterator<Item = &Word> {
        let words = self.example.text.words.iter().zip(&self.z);
        words.filter(|&(_, &z)| z == 1.0).map(|(word, _)| word)
    }

    /// The effect of each chosen word: the prediction minus the prediction without it. It is 0 for all other words.
    pub fn effects(&self, model: &Model) -> Vec<f32> {
        let words = &self.example.words;
        let k = model.k(words) as f32;
        let effect = |j: usize| {
            if self.z[j] == 0.0 {
                return 0.0;
            }
            let mut without = self.z.clone();
            without[j] = 0.0;
            self.prediction - model.predictor.predict(words, &without, k)
        };
        (0..words.len()).map(effect).collect()
    }
}
