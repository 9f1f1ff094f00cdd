//! The model for reviews. What score did people give? It sees a sentence through its arcs only.
//!
//! ```text
//! scorer      theta_hd = ⟨output, relu(head[h] + word[d] + place[distance from h to d, and its sign])⟩
//! predictor   y = shift + (1/n) Σ_hd z_hd s(h, d),  s(h, d) = ⟨effect, relu(bias + governor[h] + dependent[d])⟩
//! loss        (y − target)²
//! ```
//!
//! The root has rows of its own in the tables of heads.

use learning::{Example, SplitMix64, Weights, add, dot};

use crate::model::Model;

const HIDDEN: usize = 16;
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
    scorer: Arcs,
    predictor: Arcs,
    shift: Weights,
}

/// One number for each arc: ⟨output, relu(Σ of one row of each table)⟩.
#[derive(Clone)]
struct Arcs {
    head: Weights,
    word: Weights,
    place: Weights,
    output: Weights,
}

impl Arcs {
    fn new(vocabulary: usize, places: usize, random: &mut SplitMix64) -> Self {
        let mut table = |rows: usize, bound: f32| Weights::uniform(rows * HIDDEN, bound, random);
        Self {
            head: table(vocabulary + 1, BOUND),
            word: table(vocabulary, BOUND),
            place: table(places, BOUND),
            output: table(1, 0.4),
        }
    }

    fn weights(&mut self) -> [&mut Weights; 4] {
        [&mut self.head, &mut self.word, &mut self.place, &mut self.output]
    }

    /// The rows of an arc. A predictor has one place for all arcs, which serves as the bias.
    fn rows(&self, words: &[u32], h: usize, d: usize) -> [usize; 3] {
        let places = self.place.value.len() / HIDDEN;
        let root = self.head.value.len() / HIDDEN - 1;
        let distance = h.abs_diff(d).min(FAR);
        let place = if h < d { distance } else { distance + FAR };
        [if h == d { root } else { words[h] as usize }, words[d] as usize, if places == 1 { 0 } else { place }]
    }

    fn hidden(&self, rows: [usize; 3]) -> [f32; HIDDEN] {
        let mut hidden = [0.0; HIDDEN];
        for (table, row) in [&self.head, &self.word, &self.place].into_iter().zip(rows) {
            add(&mut hidden, 1.0, &table.value[row * HIDDEN..][..HIDDEN]);
        }
        hidden.map(|x| x.max(0.0))
    }

    fn value(&self, words: &[u32], h: usize, d: usize) -> f32 {
        dot(&self.output.value, &self.hidden(self.rows(words, h, d)))
    }

    /// Adds `grad` times the gradient of the arc's number to the gradients of the weights.
    fn backward(&mut self, words: &[u32], h: usize, d: usize, grad: f32) {
        let rows = self.rows(words, h, d);
        let hidden = self.hidden(rows);
        let active = |i: usize| if hidden[i] > 0.0 { grad * self.output.value[i] } else { 0.0 };
        let grad_hidden: [f32; HIDDEN] = std::array::from_fn(active);
        add(&mut self.output.gradient, grad, &hidden);
        for (table, row) in [&mut self.head, &mut self.word, &mut self.place].into_iter().zip(rows) {
            add(&mut table.gradient[row * HIDDEN..][..HIDDEN], 1.0, &grad_hidden);
        }
    }
}

impl ReviewModel {
    pub fn new(vocabulary: usize, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 2);
        Self {
            scorer: Arcs::new(vocabulary, 2 * FAR + 1, &mut random),
            predictor: Arcs::new(vocabulary, 1, &mut random),
            shift: Weights::zeros(1),
        }
    }

    pub fn predict(&self, words: &[u32], z: &[f32]) -> f32 {
        let n = words.len();
        let chosen = z.iter().enumerate().filter(|(_, z)| **z != 0.0);
        let sum: f32 = chosen.map(|(i, &z)| z * self.predictor.value(words, i / n, i % n)).sum();
        self.shift.value[0] + sum / n as f32
    }

    /// What an arc adds to the prediction.
    pub fn effect(&self, words: &[u32], h: usize, d: usize) -> f32 {
        self.predictor.value(words, h, d) / words.len() as f32
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
            *theta = self.scorer.value(&sentence.words, i / n, i % n);
        }
    }

    fn backward_scores(&mut self, sentence: &Self::Sentence, grad_theta: &[f32], weight: f32) {
        let n = sentence.words.len();
        for (i, &grad) in grad_theta.iter().enumerate().filter(|(_, grad)| **grad != 0.0) {
            self.scorer.backward(&sentence.words, i / n, i % n, weight * grad);
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
                self.predictor.backward(words, i / n, i % n, weight * grad * z / n as f32);
            }
        }
        error * error
    }

    fn step(&mut self, step: i32, rate: f32, scorer_learns: bool) {
        self.shift.step(step, rate);
        for weights in self.predictor.weights() {
            weights.step(step, rate);
        }
        if scorer_learns {
            for weights in self.scorer.weights() {
                weights.step(step, rate);
            }
        }
    }
}
