//! The two small networks and their gradients, written out by hand.
//!
//! x_j is the number of the text's j-th word, E an embedding (each network has its own).
//!
//! ```text
//! scorer h_v: one score for each word, from the word and its neighbours
//!     hidden_j = relu(bias + Σ_o E[x_{j+o}] C_o),  o = −REACH..REACH, words outside the text count as 0
//!     theta_j  = ⟨output, hidden_j⟩                no bias: it would change no choice
//!
//! predictor f_u: one number for each text, from the chosen words alone and not from their order
//!     pooled   = (1/k) Σ_j z_j E[x_j]
//!     hidden   = relu(bias + pooled W)
//!     y        = ⟨output, hidden⟩ + shift
//!
//! loss of one choice: (y − target)²
//! ```

use learning::{SplitMix64, Weights, add, dot};

/// Numbers in the embedding of a word.
const EMBEDDING: usize = 32;
/// Units in a hidden layer.
const HIDDEN: usize = 32;
/// Neighbours that the scorer sees on each side of a word.
const REACH: usize = 2;
const WINDOW: usize = 2 * REACH + 1;
/// Bound of the initial embeddings; the other layers start within sqrt(3 / inputs).
const EMBEDDING_BOUND: f32 = 0.1;

fn layer(inputs: usize, outputs: usize, random: &mut SplitMix64) -> Weights {
    Weights::uniform(inputs * outputs, (3.0 / inputs as f32).sqrt(), random)
}

#[derive(Clone)]
pub struct Scorer {
    embedding: Weights,
    context: Weights,
    bias: Weights,
    output: Weights,
}

impl Scorer {
    pub fn new(vocabulary: usize, random: &mut SplitMix64) -> Self {
        Self {
            embedding: Weights::uniform(vocabulary * EMBEDDING, EMBEDDING_BOUND, random),
            context: layer(WINDOW * EMBEDDING, HIDDEN, random),
            bias: Weights::zeros(HIDDEN),
            output: layer(HIDDEN, 1, random),
        }
    }

    pub fn weights(&mut self) -> [&mut Weights; 4] {
        [&mut self.embedding, &mut self.context, &mut self.bias, &mut self.output]
    }

    /// The neighbours of word j: (offset in the window, number of the word there).
    fn window(words: &[u32], j: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..WINDOW).filter_map(move |o| {
            let number = words.get((j + o).checked_sub(REACH)?)?;
            Some((o, *number as usize))
        })
    }

    fn hidden(&self, words: &[u32], j: usize) -> [f32; HIDDEN] {
        let mut hidden = [0.0; HIDDEN];
        hidden.copy_from_slice(&self.bias.value);
        for (o, number) in Self::window(words, j) {
            let embedding = &self.embedding.value[number * EMBEDDING..][..EMBEDDING];
            let rows = self.context.value[o * EMBEDDING * HIDDEN..].chunks_exact(HIDDEN);
            for (&x, row) in embedding.iter().zip(rows) {
                add(&mut hidden, x, row);
            }
        }
        hidden.map(|x| x.max(0.0))
    }

    pub fn scores(&self, words: &[u32], theta: &mut [f32]) {
        for (j, theta) in theta.iter_mut().enumerate() {
            *theta = dot(&self.output.value, &self.hidden(words, j));
        }
    }

    /// Adds `weight` times the gradient of a loss to the weights' gradients, given its gradient with respect to theta.
    pub fn backward(&mut self, words: &[u32], grad_theta: &[f32], weight: f32) {
        for (j, &grad) in grad_theta.iter().enumerate() {
            if grad != 0.0 {
                self.backward_word(words, j, weight * grad); // few words, because the layer's gradient is sparse
            }
        }
    }

    fn backward_word(&mut self, words: &[u32], j: usize, grad: f32) {
        let hidden = self.hidden(words, j);
        let grad_hidden = through_relu(&hidden, grad, &self.output.value);
        add(&mut self.output.gradient, grad, &hidden);
        add(&mut self.bias.gradient, 1.0, &grad_hidden);
        for (o, number) in Self::window(words, j) {
            for i in 0..EMBEDDING {
                let row = (o * EMBEDDING + i) * HIDDEN;
                let word = number * EMBEDDING + i;
                self.embedding.gradient[word] += dot(&self.context.value[row..][..HIDDEN], &grad_hidden);
                add(&mut self.context.gradient[row..][..HIDDEN], self.embedding.value[word], &grad_hidden);
            }
        }
    }
}

#[derive(Clone)]
pub struct Predictor {
    embedding: Weights,
    middle: Weights,
    bias: Weights,
    output: Weights,
    shift: Weights,
}

impl Predictor {
    pub fn new(vocabulary: usize, random: &mut SplitMix64) -> Self {
        Self {
            embedding: Weights::uniform(vocabulary * EMBEDDING, EMBEDDING_BOUND, random),
            middle: layer(EMBEDDING, HIDDEN, random),
            bias: Weights::zeros(HIDDEN),
            output: layer(HIDDEN, 1, random),
            shift: Weights::zeros(1),
        }
    }

    pub fn weights(&mut self) -> [&mut Weights; 5] {
        [&mut self.embedding, &mut self.middle, &mut self.bias, &mut self.output, &mut self.shift]
    }

    fn pooled(&self, words: &[u32], z: &[f32], k: f32) -> [f32; EMBEDDING] {
        let mut pooled = [0.0; EMBEDDING];
        for (&word, &z) in words.iter().zip(z) {
            if z != 0.0 {
                add(&mut pooled, z / k, &self.embedding.value[word as usize * EMBEDDING..][..EMBEDDING]);
            }
        }
        pooled
    }

    fn hidden(&self, pooled: &[f32; EMBEDDING]) -> [f32; HIDDEN] {
        let mut hidden = [0.0; HIDDEN];
        hidden.copy_from_slice(&self.bias.value);
        for (&x, row) in pooled.iter().zip(self.middle.value.chunks_exact(HIDDEN)) {
            add(&mut hidden, x, row);
        }
        hidden.map(|x| x.max(0.0))
    }

    fn output(&self, hidden: &[f32; HIDDEN]) -> f32 {
        dot(&self.output.value, hidden) + self.shift.value[0]
    }

    pub fn predict(&self, words: &[u32], z: &[f32], k: f32) -> f32 {
        self.output(&self.hidden(&self.pooled(words, z, k)))
    }

    /// Returns the loss (y − target)² and adds `weight` times its gradient to the weights' gradients. Writes dz, the
    /// loss's gradient with respect to z, without the factor `weight`. dz covers words that are not chosen too, because
    /// the layer needs to know how the loss would change if they were.
    pub fn backward(&mut self, words: &[u32], z: &[f32], k: f32, target: f32, weight: f32, dz: &mut [f32]) -> f32 {
        let pooled = self.pooled(words, z, k);
        let hidden = self.hidden(&pooled);
        let error = self.output(&hidden) - target;
        let dy = 2.0 * error;

        let grad_hidden = through_relu(&hidden, dy, &self.output.value);
        self.shift.gradient[0] += weight * dy;
        add(&mut self.output.gradient, weight * dy, &hidden);
        add(&mut self.bias.gradient, weight, &grad_hidden);
        let mut grad_pooled = [0.0; EMBEDDING];
        for (i, (grad, pooled)) in grad_pooled.iter_mut().zip(pooled).enumerate() {
            let row = i * HIDDEN;
            *grad = dot(&self.middle.value[row..][..HIDDEN], &grad_hidden);
            add(&mut self.middle.gradient[row..][..HIDDEN], weight * pooled, &grad_hidden);
        }
        for ((&word, &z), dz) in words.iter().zip(z).zip(dz) {
            let word = word as usize * EMBEDDING;
            *dz = dot(&self.embedding.value[word..][..EMBEDDING], &grad_pooled) / k;
            if z != 0.0 {
                add(&mut self.embedding.gradient[word..][..EMBEDDING], weight * z / k, &grad_pooled);
            }
        }
        error * error
    }
}

/// The gradient at the input of a relu layer whose output `hidden` was multiplied by the weights `output`.
fn through_relu(hidden: &[f32; HIDDEN], grad: f32, output: &[f32]) -> [f32; HIDDEN] {
    std::array::from_fn(|i| if hidden[i] > 0.0 { grad * output[i] } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small enough to cross few kinks of relu, and large enough for the rounding of f32.
    const STEP: f32 = 1e-3;
    const WORDS: [u32; 7] = [3, 1, 4, 1, 5, 0, 2];
    const VOCABULARY: usize = 6;

    /// (f(x + STEP) − f(x − STEP)) / (2 STEP)
    fn slope(f: impl Fn(f32) -> f32) -> f32 {
        (f(STEP) - f(-STEP)) / (2.0 * STEP)
    }

    /// With the small initial embeddings every unit would be close to its kink.
    fn enlarge(embedding: &mut Weights) {
        embedding.value.iter_mut().for_each(|x| *x *= 10.0);
    }

    /// Kinks and rounding disturb single entries, so the error is compared over the tensor as a whole.
    fn check(name: &str, pairs: &[(f32, f32)]) {
        let error: f32 = pairs.iter().map(|(gradient, slope)| (gradient - slope).abs()).sum();
        let size: f32 = pairs.iter().map(|(_, slope)| slope.abs()).sum();
        assert!(size > 0.0 && error < 0.003 * size, "{name}: error {error} of {size}");
    }

    #[test]
    fn the_gradient_of_the_scorer_is_its_slope() {
        let grad_theta = [0.3, -1.0, 0.0, 0.7, 0.2, -0.4, 0.9];
        let mut scorer = Scorer::new(VOCABULARY, &mut SplitMix64::new(1, 1));
        enlarge(&mut scorer.embedding);
        scorer.backward(&WORDS, &grad_theta, 0.5);
        let loss = |scorer: &Scorer| -> f32 {
            let mut theta = [0.0; WORDS.len()];
            scorer.scores(&WORDS, &mut theta);
            theta.iter().zip(grad_theta).map(|(theta, grad)| 0.5 * theta * grad).sum()
        };
        for (tensor, name) in ["embedding", "context", "bias", "output"].into_iter().enumerate() {
            let gradient = scorer.weights()[tensor].gradient.clone();
            let moved = |i: usize, by: f32| {
                let mut scorer = scorer.clone();
                scorer.weights()[tensor].value[i] += by;
                loss(&scorer)
            };
            let pairs: Vec<_> = (0..gradient.len()).map(|i| (gradient[i], slope(|by| moved(i, by)))).collect();
            check(name, &pairs);
        }
    }

    #[test]
    fn the_gradient_of_the_predictor_is_its_slope() {
        let z = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        let (k, target) = (4.0, 0.8);
        let mut predictor = Predictor::new(VOCABULARY, &mut SplitMix64::new(1, 3));
        enlarge(&mut predictor.embedding);
        let mut dz = [0.0; WORDS.len()];
        let loss = predictor.backward(&WORDS, &z, k, target, 0.5, &mut dz);
        assert_eq!(loss, (predictor.predict(&WORDS, &z, k) - target).powi(2));

        for (tensor, name) in ["embedding", "middle", "bias", "output", "shift"].into_iter().enumerate() {
            let gradient = predictor.weights()[tensor].gradient.clone();
            let moved = |i: usize, by: f32| {
                let mut predictor = predictor.clone();
                predictor.weights()[tensor].value[i] += by;
                0.5 * (predictor.predict(&WORDS, &z, k) - target).powi(2)
            };
            let pairs: Vec<_> = (0..gradient.len()).map(|i| (gradient[i], slope(|by| moved(i, by)))).collect();
            check(name, &pairs);
        }

        let moved = |j: usize, by: f32| {
            let mut z = z;
            z[j] += by;
            (predictor.predict(&WORDS, &z, k) - target).powi(2)
        };
        let pairs: Vec<_> = (0..z.len()).map(|j| (dz[j], slope(|by| moved(j, by)))).collect();
        check("z, chosen or not", &pairs);
    }
}
