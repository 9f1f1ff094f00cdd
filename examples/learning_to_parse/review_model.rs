//! The model for reviews. What score did people give? It sees a sentence through its arcs only.
//!
//! ```text
//! scorer      theta_hd = ⟨output, relu(head[h] + word[d] + place[distance from h to d, and its sign])⟩
//! predictor   y = shift + (1/n) Σ_hd z_hd s(h, d),  s(h, d) = ⟨effect, relu(bias + governor[h] + dependent[d])⟩
//! loss        (y − target)²
//! ```
//!
//! The root has rows of its own in the tables of heads.

use learning::{Example, SplitMix64, Weights};

use crate::arc_scores::ArcScores;
use crate::model::Model;

/// Longer distances count as this.
const FAR: usize = 5;
/// Bound of the initial tables of words.
const BOUND: f32 = 0.1;

/// A text as the model and the page see it.
pub struct Review {
    pub words: Vec<u32>,
    /// Standardised.
    pub target: f32,
    pub spelled: Vec<String>,
}

impl From<&Example<'_>> for Review {
    fn from(example: &Example) -> Self {
        let spelled = example.text.words.iter().map(|word| example.text.text[word.place.clone()].into()).collect();
        Review { words: example.words.clone(), target: example.target, spelled }
    }
}

#[derive(Clone)]
pub struct ReviewModel {
    vocabulary: usize,
    scorer: ArcScores<3>,
    predictor: ArcScores<3>,
    shift: Weights,
}

/// The row of an arc's distance in the scorer's third table. The predictor's third table has one row, the bias.
fn place(h: usize, d: usize) -> usize {
    h.abs_diff(d).min(FAR) + if h < d { 0 } else { FAR }
}
const BIAS: usize = 0;

impl ReviewModel {
    pub fn new(vocabulary: usize, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 2);
        Self {
            vocabulary,
            scorer: ArcScores::new([vocabulary + 1, vocabulary, 2 * FAR + 1], BOUND, &mut random),
            predictor: ArcScores::new([vocabulary + 1, vocabulary, 1], BOUND, &mut random),
            shift: Weights::zeros(1),
        }
    }

    /// The rows of an arc in the three tables. The root is the last head.
    fn rows(&self, words: &[u32], h: usize, d: usize, third: usize) -> [usize; 3] {
        [if h == d { self.vocabulary } else { words[h] as usize }, words[d] as usize, third]
    }

    pub fn predict(&self, words: &[u32], z: &[f32]) -> f32 {
        let n = words.len();
        let chosen = z.iter().enumerate().filter(|(_, z)| **z != 0.0);
        let sum: f32 = chosen.map(|(i, &z)| z * self.predictor.value(self.rows(words, i / n, i % n, BIAS))).sum();
        self.shift.value[0] + sum / n as f32
    }

    /// The share of an arc in the prediction.
    pub fn effect(&self, words: &[u32], h: usize, d: usize) -> f32 {
        self.predictor.value(self.rows(words, h, d, BIAS)) / words.len() as f32
    }
}

impl Model for ReviewModel {
    type Sentence = Review;

    fn words(sentence: &Self::Sentence) -> usize {
        sentence.words.len()
    }

    fn scores(&self, sentence: &Self::Sentence, theta: &mut [f32]) {
        let n = sentence.words.len();
        for (i, theta) in theta.iter_mut().enumerate() {
            *theta = self.scorer.value(self.rows(&sentence.words, i / n, i % n, place(i / n, i % n)));
        }
    }

    fn backward_scores(&mut self, sentence: &Self::Sentence, grad_theta: &[f32], weight: f32) {
        let n = sentence.words.len();
        for (i, &grad) in grad_theta.iter().enumerate().filter(|(_, grad)| **grad != 0.0) {
            let rows = self.rows(&sentence.words, i / n, i % n, place(i / n, i % n));
            self.scorer.backward(rows, weight * grad);
        }
    }

    fn loss(&self, sentence: &Self::Sentence, z: &[f32]) -> f32 {
        (self.predict(&sentence.words, z) - sentence.target).powi(2)
    }

    fn backward(&mut self, sentence: &Self::Sentence, z: &[f32], weight: f32, dz: &mut [f32]) -> f32 {
        let words = &sentence.words;
        let n = words.len();
        let error = self.predict(words, z) - sentence.target;
        let grad = 2.0 * error;
        self.shift.gradient[0] += weight * grad;
        for (i, (&z, dz)) in z.iter().zip(dz).enumerate() {
            *dz = grad * self.effect(words, i / n, i % n);
            if z != 0.0 {
                let rows = self.rows(words, i / n, i % n, BIAS);
                self.predictor.backward(rows, weight * grad * z / n as f32);
            }
        }
        error * error
    }

    fn step(&mut self, step: i32, rate: f32, scorer_learns: bool) {
        self.shift.step(step, rate);
        self.predictor.step(step, rate);
        if scorer_learns {
            self.scorer.step(step, rate);
        }
    }
}
