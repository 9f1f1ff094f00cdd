//! (seed, step, row) → words: the noise of a row as a function, not as a stream that runs on over the batch.
//!
//! A row has sixteen lanes of xoshiro128++ (Blackman, Vigna 2021). Lane l feeds the coordinates ≡ l mod 16, one output
//! for each. The samples of a row follow one another, and each starts at a fresh block of sixteen words. The lanes are
//! seeded by hashing the key, so no generator has to be handed from one row or step to the next.

#[cfg(not(imle_small))]
mod blocks;
#[cfg(imle_small)]
mod lanes;

use super::hash::{EXACT_CONSTANTS, NOISE_CONSTANTS, absorb};
use crate::Key;
#[cfg(not(imle_small))]
pub use blocks::Stream;
#[cfg(imle_small)]
pub use lanes::Stream;

/// The words of a batch: a stream for every row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    constants: &'static [u32; 4],
    /// The hash of seed and step, into which each row is hashed.
    hashes: [u32; 4],
    key: Key<'a>,
}

impl<'a> Source<'a> {
    /// The words of a call's noise.
    #[cfg_attr(imle_small, inline(always))]
    pub(crate) fn noise(key: Key<'a>) -> Source<'a> {
        Source::new(&NOISE_CONSTANTS, key)
    }

    /// The words of exact samples, which do not depend on the noise of any key.
    pub(crate) fn exact(key: Key<'a>) -> Source<'a> {
        Source::new(&EXACT_CONSTANTS, key)
    }

    #[cfg_attr(imle_small, inline(always))]
    fn new(constants: &'static [u32; 4], key: Key<'a>) -> Source<'a> {
        let mut hashes = [0; 4];
        absorb(&mut hashes, constants, key.seed);
        absorb(&mut hashes, constants, key.step);
        Source { constants, hashes, key }
    }

    /// The words of row b from the beginning; `samples` samples will be drawn.
    #[cfg_attr(imle_small, inline(always))]
    pub(crate) fn row(&self, b: usize, samples: usize) -> Stream {
        Stream::new(self.hash(b), samples)
    }

    #[inline(always)]
    fn hash(&self, b: usize) -> [u32; 4] {
        let mut hashes = self.hashes;
        absorb(&mut hashes, self.constants, self.key.row(b));
        hashes
    }
}
