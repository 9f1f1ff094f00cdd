//! Functions of one uniform word.

use crate::arch::{EIGHT, LANES};
use crate::kernel::lanes::copy;

/// A number as a function of one 32-bit word w, which stands for u = (w + ½)·2⁻³².
pub(crate) trait OfWord {
    /// The number.
    fn of_word(&self, word: u32) -> f32;
}

/// The word itself, as the bits of a float.
pub(super) struct Words;

impl OfWord for Words {
    #[inline(always)]
    fn of_word(&self, word: u32) -> f32 {
        f32::from_bits(word)
    }
}

/// The complement of the word, 2³²·(1 − u) − ½, as the bits of a float.
pub(super) struct Complements;

impl OfWord for Complements {
    #[inline(always)]
    fn of_word(&self, word: u32) -> f32 {
        f32::from_bits(!word)
    }
}

/// u itself, from 2⁻³³ to 1.
pub(crate) struct Uniform;

impl OfWord for Uniform {
    #[inline(always)]
    fn of_word(&self, word: u32) -> f32 {
        unit(word)
    }
}

/// (1 − u)/u, from 2⁻³³ to 2³³. An event of probability p happens if p/(1 − p) times this exceeds 1: then rare events and
/// nearly certain ones both have their probability.
pub(crate) struct Odds;

impl OfWord for Odds {
    #[inline(always)]
    fn of_word(&self, word: u32) -> f32 {
        unit(!word) / unit(word)
    }
}

/// 2⁻³²
pub(super) const UNIT: f32 = 1.0 / 4_294_967_296.0;

/// u = (w + ½)·2⁻³², rounded to the nearest float.
#[inline(always)]
pub(super) fn unit(word: u32) -> f32 {
    (word as f32 + 0.5) * UNIT
}

/// Replaces words by their numbers.
#[inline(always)]
pub(super) fn replace(words: &mut [f32], number: &impl OfWord) {
    let (blocks, rest) = words.as_chunks_mut::<LANES>();
    for block in blocks {
        for word in block {
            *word = number.of_word(word.to_bits());
        }
    }
    let (halves, rest) = rest.as_chunks_mut::<EIGHT>();
    for word in halves.as_flattened_mut() {
        *word = number.of_word(word.to_bits());
    }
    if !rest.is_empty() {
        let mut words = [0.0; EIGHT];
        copy(rest, &mut words);
        for word in &mut words {
            *word = number.of_word(word.to_bits());
        }
        copy(&words, rest);
    }
}
