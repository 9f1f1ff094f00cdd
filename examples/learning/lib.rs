//! The parts that learning_to_explain and learning_to_parse share: scored texts and their split, words and their numbers,
//! weights that Adam trains, and random numbers.

mod adam;
mod corpus;
mod data;
mod random;
mod vectors;
mod words;

pub use adam::Weights;
pub use corpus::{Corpus, Example};
pub use data::{Data, DataError, Text, read};
pub use random::SplitMix64;
pub use vectors::{add, dot};
pub use words::Word;
