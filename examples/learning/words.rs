//! Cuts a text into words and numbers them.

use std::collections::HashMap;
use std::ops::Range;

#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub lowercase: String,
    /// The place of the word in the text, in bytes.
    pub place: Range<usize>,
}

/// A word is a run of letters, digits and apostrophes, without the apostrophes at its ends.
pub fn words_of(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = 0;
    for run in text.split(|c: char| !(c.is_alphanumeric() || c == '\'')) {
        let word = run.trim_matches('\'');
        if !word.is_empty() {
            let from = start + (run.len() - run.trim_start_matches('\'').len());
            words.push(Word { lowercase: word.to_lowercase(), place: from..from + word.len() });
        }
        let separator = text[start + run.len()..].chars().next();
        start += run.len() + separator.map_or(0, char::len_utf8);
    }
    words
}

/// The words that appear at least twice in the texts, numbered from 1 in the order of their first appearance. All other
/// words share number 0, so the networks learn one value for every rare word.
pub struct Vocabulary {
    numbers: HashMap<String, u32>,
}

impl Vocabulary {
    const FEWEST_USES: usize = 2;

    pub fn new<'a>(texts: impl Iterator<Item = &'a [Word]> + Clone) -> Self {
        let mut uses = HashMap::<&str, usize>::new();
        for word in texts.clone().flatten() {
            *uses.entry(&word.lowercase).or_default() += 1;
        }
        let mut numbers = HashMap::new();
        for word in texts.flatten() {
            if uses[word.lowercase.as_str()] >= Self::FEWEST_USES {
                let next = numbers.len() as u32 + 1;
                numbers.entry(word.lowercase.clone()).or_insert(next);
            }
        }
        Self { numbers }
    }

    /// The count of numbers, 0 included.
    pub fn len(&self) -> usize {
        self.numbers.len() + 1
    }

    pub fn numbers(&self, words: &[Word]) -> Vec<u32> {
        let number = |word: &Word| self.numbers.get(&word.lowercase).copied().unwrap_or(0);
        words.iter().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lowercase_and_keep_their_place() {
        let text = "Isn't ''Été''–a  well-made film's '90s rock'n'roll?";
        let words = words_of(text);
        let lowercase: Vec<&str> = words.iter().map(|word| word.lowercase.as_str()).collect();
        assert_eq!(lowercase, ["isn't", "été", "a", "well", "made", "film's", "90s", "rock'n'roll"]);
        assert_eq!(&text[words[1].place.clone()], "Été");
        assert!(words.iter().all(|word| text[word.place.clone()].to_lowercase() == word.lowercase));
        assert!(words_of("... '' – !").is_empty());
    }

    #[test]
    fn rare_words_share_number_0() {
        let texts = [words_of("once a film"), words_of("a film twice")];
        let vocabulary = Vocabulary::new(texts.iter().map(Vec::as_slice));
        assert_eq!(vocabulary.len(), 3);
        assert_eq!(vocabulary.numbers(&words_of("A new film")), [1, 0, 2]);
    }
}
