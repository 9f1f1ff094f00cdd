//! Texts as the networks see them: split into parts, with numbers for words and with standardised scores.

use std::collections::HashSet;

use crate::data::Text;
use crate::random::SplitMix64;
use crate::words::{Vocabulary, Word};

pub struct Example<'a> {
    pub text: &'a Text,
    pub words: Vec<u32>,
    /// (score − mean) / deviation
    pub target: f32,
}

/// One shuffled split: 80 % training, 10 % validation, 10 % test.
pub struct Corpus<'a> {
    pub training: Vec<Example<'a>>,
    pub validation: Vec<Example<'a>>,
    pub test: Vec<Example<'a>>,
    /// The number of words that the networks tell apart.
    pub vocabulary: usize,
    /// The number of words in the longest text. All texts are padded to it.
    pub longest: usize,
    /// Mean and standard deviation of the training scores.
    pub mean: f32,
    pub deviation: f32,
}

impl<'a> Corpus<'a> {
    /// Vocabulary, mean and deviation come from the training texts alone.
    pub fn new(texts: &'a [Text], seed: u64) -> Self {
        let mut order: Vec<&Text> = texts.iter().collect();
        SplitMix64::new(seed, 1).shuffle(&mut order);
        let (training, rest) = order.split_at(order.len() * 8 / 10);
        let (validation, test) = rest.split_at(rest.len() / 2);

        let vocabulary = Vocabulary::new(training.iter().map(|text| &text.words[..]));
        let (mean, deviation) = mean_and_deviation(training);
        let examples = |texts: &[&'a Text]| -> Vec<Example<'a>> {
            let example = |&text: &&'a Text| Example {
                text,
                words: vocabulary.numbers(&text.words),
                target: (text.score - mean) / deviation,
            };
            texts.iter().map(example).collect()
        };
        Self {
            training: examples(training),
            validation: examples(validation),
            test: examples(test),
            vocabulary: vocabulary.len(),
            longest: texts.iter().map(|text| text.words.len()).max().unwrap_or(0),
            mean,
            deviation,
        }
    }

    /// Turns a prediction into the unit of the scores.
    pub fn score(&self, prediction: f32) -> f32 {
        self.mean + self.deviation * prediction
    }
}

fn mean_and_deviation(texts: &[&Text]) -> (f32, f32) {
    let count = texts.len() as f64;
    let mean = texts.iter().map(|text| f64::from(text.score)).sum::<f64>() / count;
    let square = |text: &&Text| (f64::from(text.score) - mean).powi(2);
    let variance = texts.iter().map(square).sum::<f64>() / count;
    (mean as f32, variance.sqrt() as f32)
}

/// The words that people judged to carry feeling on their own.
pub struct Lexicon(HashSet<&'static str>);

impl Lexicon {
    pub fn new() -> Self {
        let lines = include_str!("../data/valence_lexicon.tsv").lines();
        Self(lines.filter_map(|line| line.split('\t').next()).collect())
    }

    pub fn contains(&self, word: &Word) -> bool {
        self.0.contains(word.lowercase.as_str())
    }
}
