//! The words that people judged to carry feeling on their own.

use std::collections::HashSet;

use learning::Word;

/// The words of the valence lexicon, in lower case.
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
