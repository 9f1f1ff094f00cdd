//! The two jobs: their methods with the best learning rates, their data, and what is measured.

use imle::Error;
use learning::{Corpus, Data, SplitMix64};

use crate::choice::{Method, heads};
use crate::list_model::ListModel;
use crate::lists::Sentence;
use crate::model::Model;
use crate::review_model::{Review, ReviewModel};
use crate::training::{Run, Settings, state};

/// The learning rates that `--search` tries.
pub const RATES: [f32; 4] = [1e-3, 3e-3, 1e-2, 3e-2];
/// The methods of the nested lists, each with the best rate of `--search`.
pub const LISTS: [(Method, f32); 7] = [
    (Method::Flat, 3e-3),
    (Method::Chain, 3e-3),
    (Method::BackwardChain, 1e-2),
    (Method::BestHeads, 3e-2),
    (Method::Implicit, 3e-2),
    (Method::Simple, 3e-2),
    (Method::Marginals, 1e-2),
];
/// The methods of the reviews, each with the best rate of `--search`.
pub const REVIEWS: [(Method, f32); 5] = [
    (Method::Flat, 3e-3),
    (Method::Chain, 1e-3),
    (Method::RandomTrees, 1e-3),
    (Method::Implicit, 1e-2),
    (Method::Simple, 1e-2),
];

const TEST_LISTS: usize = 1000;
const VALIDATION_LISTS: usize = 500;
/// Longer reviews are left out.
pub const LONGEST: usize = 40;

/// The sentences of a job.
pub struct Parts<S> {
    pub training: Vec<S>,
    pub validation: Vec<S>,
    pub test: Vec<S>,
}

pub fn lists(training: usize, seed: u64) -> Parts<Sentence> {
    let mut random = SplitMix64::new(seed, 1);
    let mut some = |count| (0..count).map(|_| Sentence::random(&mut random)).collect();
    Parts { test: some(TEST_LISTS), validation: some(VALIDATION_LISTS), training: some(training) }
}

/// The reviews of at most 40 words, and the number of longer ones.
pub fn reviews(corpus: &Corpus) -> Parts<Review> {
    let short = |examples: &[learning::Example]| {
        examples.iter().filter(|example| example.words.len() <= LONGEST).map(Review::from).collect()
    };
    Parts { training: short(&corpus.training), validation: short(&corpus.validation), test: short(&corpus.test) }
}

pub fn longer(data: &Data) -> usize {
    data.texts.iter().filter(|text| text.words.len() > LONGEST).count()
}

/// Shares of the tokens of the test lists.
pub struct ListResult {
    pub right_arcs: f64,
    pub right_answers: f64,
}

pub fn measure_lists(run: &Run<ListModel>, test: &[Sentence]) -> Result<ListResult, Error> {
    let (mut tokens, mut arcs, mut answers) = (0, 0, 0);
    for (number, sentence) in test.iter().enumerate() {
        let z = state(&run.model, run.settings, number, sentence)?;
        let n = sentence.tokens.len();
        tokens += n;
        arcs += heads(&z, n).iter().zip(&sentence.heads).filter(|(found, true_head)| found == true_head).count();
        answers += run.model.right_answers(sentence, &z);
    }
    let share = |count: usize| count as f64 / tokens as f64;
    Ok(ListResult { right_arcs: share(arcs), right_answers: share(answers) })
}

/// R² on the test reviews.
pub fn measure_reviews(run: &Run<ReviewModel>, test: &[Review]) -> Result<f64, Error> {
    let mean = test.iter().map(|review| f64::from(review.target)).sum::<f64>() / test.len() as f64;
    let (mut error, mut variance) = (0.0, 0.0);
    for (number, review) in test.iter().enumerate() {
        error += f64::from(run.model.loss(review, &state(&run.model, run.settings, number, review)?));
        variance += (f64::from(review.target) - mean).powi(2);
    }
    Ok(1.0 - error / variance)
}

/// Settings of the methods of a job, or with `search` of every method at every rate.
pub fn settings(methods: &[(Method, f32)], epochs: u32, seed: u64, search: bool) -> Vec<Settings> {
    let rates = |best: f32| if search { RATES.to_vec() } else { vec![best] };
    let all = methods.iter().flat_map(|&(method, best)| rates(best).into_iter().map(move |rate| (method, rate)));
    all.map(|(method, rate)| Settings { method, epochs, rate, seed }).collect()
}
