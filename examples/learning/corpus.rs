//! Texts as the networks see them: split into parts, with numbers for words and with standardised scores.

use crate::data::{LARGEST_SCORE, Text};
use crate::random::SplitMix64;
use crate::words::Vocabulary;

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

    /// The line of a text whose target is not a number that can be squared. Then the training scores are equal, or so alike
    /// that this text's score is too far away in units of their deviation.
    pub fn line_beyond_measure(&self) -> Option<usize> {
        let mut all = self.training.iter().chain(&self.validation).chain(&self.test);
        let allowed = -LARGEST_SCORE..=LARGEST_SCORE;
        all.find(|example| !allowed.contains(&example.target)).map(|example| example.text.line)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::words_of;

    fn texts(score: impl Fn(usize) -> f32) -> Vec<Text> {
        let text = |i| Text { line: i + 1, score: score(i), text: "fine words".into(), words: words_of("fine words") };
        (0..100).map(text).collect()
    }

    #[test]
    fn a_text_that_the_training_scores_cannot_measure_is_named() {
        let beyond = |score: &dyn Fn(usize) -> f32| Corpus::new(&texts(score), 1).line_beyond_measure();
        assert_eq!(beyond(&|i| i as f32), None);
        assert_eq!(beyond(&|i| i as f32 * 1e13), None);
        // One text differs: it is in the training part, or the others have no deviation.
        let alone: Vec<_> = (0..100).map(|odd| beyond(&|i| if i == odd { 1.0 } else { 0.0 })).collect();
        assert_eq!(alone.iter().filter(|line| line.is_some()).count(), 20);
        // The training scores differ by less than any float tells apart from 0 next to the others.
        let far = Corpus::new(&texts(|i| i as f32 * 1e-40), 1).test[0].text.line - 1;
        assert_eq!(beyond(&|i| if i == far { 1e15 } else { i as f32 * 1e-40 }), Some(far + 1));
    }
}
