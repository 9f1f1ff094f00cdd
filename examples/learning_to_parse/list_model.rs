//! The model for nested lists. Which operator's list is a token in? It answers for each token from the head alone.
//!
//! ```text
//! scorer      theta_hd = ⟨output, relu(head[kind of h] + word[kind of d] + opens[o] + closes[c] + place[p])⟩
//!             o, c: the operators and the closing brackets between h and d;  p: the distance from h to d and its sign
//! predictor   logits_d = W Σ_h z_hd E[h],  E of the root for h = d
//! loss        −(1/n) Σ_d ln softmax(logits_d)[answer of d]
//! ```

use learning::{SplitMix64, Weights, add, dot};

use crate::arc_scores::ArcScores;
use crate::lists::{OPERATORS, Sentence, Token};
use crate::model::Model;

const EMBEDDING: usize = 16;
/// An operator, or none for the token that hangs from the root.
const ANSWERS: usize = OPERATORS.len() + 1;
/// Kinds of tokens, and the root as a head.
const KINDS: usize = 4;
const ROOT: usize = 3;
/// Larger counts of brackets count as this.
const MOST: usize = 5;
/// Longer distances count as this.
const FAR: usize = 4;

#[derive(Clone)]
pub struct ListModel {
    scorer: ArcScores<5>,
    embedding: Weights,
    answer: Weights,
}

fn kind(token: Token) -> usize {
    match token {
        Token::Open(_) => 0,
        Token::Digit(_) => 1,
        Token::Close => 2,
    }
}

/// The rows of the scorer's five tables that make the hidden units of an arc.
fn rows(sentence: &Sentence, h: usize, d: usize) -> [usize; 5] {
    let tokens = &sentence.tokens;
    let between = if h == d { &tokens[..d] } else { &tokens[h.min(d) + 1..h.max(d)] };
    let count = |kind_of: usize| between.iter().filter(|&&token| kind(token) == kind_of).count().min(MOST);
    let distance = h.abs_diff(d).min(FAR);
    let head = if h == d { ROOT } else { kind(tokens[h]) };
    [head, kind(tokens[d]), count(0), count(2), if h < d { distance } else { distance + FAR }]
}

impl ListModel {
    pub fn new(seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 2);
        Self {
            scorer: ArcScores::new([KINDS, KINDS - 1, MOST + 1, MOST + 1, 2 * FAR + 1], 0.5, &mut random),
            embedding: Weights::uniform((Token::COUNT + 1) * EMBEDDING, 0.5, &mut random),
            answer: Weights::uniform(ANSWERS * EMBEDDING, 0.4, &mut random),
        }
    }

    /// The row of the embedding that arc (h, d) shows to d.
    fn shown(sentence: &Sentence, h: usize, d: usize) -> usize {
        EMBEDDING * if h == d { Token::COUNT } else { sentence.tokens[h].number() }
    }

    fn pooled(&self, sentence: &Sentence, z: &[f32], d: usize) -> [f32; EMBEDDING] {
        let n = sentence.tokens.len();
        let mut pooled = [0.0; EMBEDDING];
        for h in (0..n).filter(|h| z[h * n + d] != 0.0) {
            add(&mut pooled, z[h * n + d], &self.embedding.value[Self::shown(sentence, h, d)..][..EMBEDDING]);
        }
        pooled
    }

    /// The probabilities of the answers.
    fn softmax(&self, pooled: &[f32; EMBEDDING]) -> [f32; ANSWERS] {
        let rows = self.answer.value.chunks_exact(EMBEDDING);
        let mut logits = [0.0; ANSWERS];
        logits.iter_mut().zip(rows).for_each(|(logit, row)| *logit = dot(row, pooled));
        let largest = logits.iter().copied().fold(f32::MIN, f32::max);
        let powers = logits.map(|logit| (logit - largest).exp());
        let sum: f32 = powers.iter().sum();
        powers.map(|power| power / sum)
    }

    fn right_answer(sentence: &Sentence, d: usize) -> usize {
        sentence.answer(d).unwrap_or(OPERATORS.len())
    }

    /// The number of tokens that are answered rightly.
    pub fn right_answers(&self, sentence: &Sentence, z: &[f32]) -> usize {
        let right = |&d: &usize| {
            let probabilities = self.softmax(&self.pooled(sentence, z, d));
            let best = (0..ANSWERS).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
            best == Some(Self::right_answer(sentence, d))
        };
        (0..sentence.tokens.len()).filter(right).count()
    }
}

impl Model for ListModel {
    type Sentence = Sentence;

    fn words(sentence: &Sentence) -> usize {
        sentence.tokens.len()
    }

    fn scores(&self, sentence: &Sentence, theta: &mut [f32]) {
        let n = sentence.tokens.len();
        for (i, theta) in theta.iter_mut().enumerate() {
            *theta = self.scorer.value(rows(sentence, i / n, i % n));
        }
    }

    fn backward_scores(&mut self, sentence: &Sentence, grad_theta: &[f32], weight: f32) {
        let n = sentence.tokens.len();
        for (i, &grad) in grad_theta.iter().enumerate().filter(|(_, grad)| **grad != 0.0) {
            self.scorer.backward(rows(sentence, i / n, i % n), weight * grad);
        }
    }

    fn loss(&self, sentence: &Sentence, z: &[f32]) -> f32 {
        let n = sentence.tokens.len();
        let loss = |d| -self.softmax(&self.pooled(sentence, z, d))[Self::right_answer(sentence, d)].ln();
        (0..n).map(loss).sum::<f32>() / n as f32
    }

    fn backward(&mut self, sentence: &Sentence, z: &[f32], weight: f32, dz: &mut [f32]) -> f32 {
        let n = sentence.tokens.len();
        let mut loss = 0.0;
        for d in 0..n {
            let pooled = self.pooled(sentence, z, d);
            let mut grad = self.softmax(&pooled);
            let right = Self::right_answer(sentence, d);
            loss -= grad[right].ln() / n as f32;
            grad[right] -= 1.0;
            let mut grad_pooled = [0.0; EMBEDDING];
            for (answer, grad) in grad.into_iter().enumerate() {
                let row = answer * EMBEDDING..(answer + 1) * EMBEDDING;
                add(&mut grad_pooled, grad / n as f32, &self.answer.value[row.clone()]);
                add(&mut self.answer.gradient[row], weight * grad / n as f32, &pooled);
            }
            for h in 0..n {
                let row = Self::shown(sentence, h, d)..Self::shown(sentence, h, d) + EMBEDDING;
                dz[h * n + d] = dot(&self.embedding.value[row.clone()], &grad_pooled);
                if z[h * n + d] != 0.0 {
                    add(&mut self.embedding.gradient[row], weight * z[h * n + d], &grad_pooled);
                }
            }
        }
        loss
    }

    fn step(&mut self, step: i32, rate: f32, scorer_learns: bool) {
        self.embedding.step(step, rate);
        self.answer.step(step, rate);
        if scorer_learns {
            self.scorer.step(step, rate);
        }
    }
}
