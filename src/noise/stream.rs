//! (seed, step, row, sample) → the words of a sample: the noise as a function, not as a stream that runs on.
//!
//! A sample has sixteen lanes of xoshiro128++ (Blackman, Vigna 2021). Lane l feeds the coordinates ≡ l mod 16, one output
//! for each. The key and the row are hashed to four words, and each of these, with the number that the lane has among all
//! lanes of the row's samples, to a word of the lane's seed. So the word of a coordinate depends on (seed, step, row,
//! sample, coordinate) alone: not on N, not on S, and not on the other rows.
//!
//! A seed of zeros, the one state that xoshiro cannot leave, has the probability 2⁻¹²⁸ that it has among random seeds: all
//! four hashes of a row must be equal. Nothing looks for it.

#[cfg(not(imle_small))]
mod blocks;
#[cfg(imle_small)]
mod lanes;

use super::hash::{EXACT_CONSTANTS, NOISE_CONSTANTS, absorb};
use super::strata::{STRATIFIED, Strata};
use crate::Key;
use crate::kernel::select::FEW;
#[cfg(not(imle_small))]
pub use blocks::Lanes;
#[cfg(imle_small)]
pub use lanes::Lanes;

/// The words of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchWords<'a> {
    constants: &'static [u32; 4],
    /// The hash of seed and step, into which each row is hashed.
    hashes: [u32; 4],
    key: &'a Key<'a>,
    /// The number of strata of a coordinate's words; at most 1 if they are independent.
    strata: u32,
}

impl<'a> BatchWords<'a> {
    /// The words of a call's noise, which are independent or stratified.
    #[cfg_attr(imle_small, inline(always))]
    pub(crate) fn noise(key: &'a Key<'a>, strata: u32) -> BatchWords<'a> {
        BatchWords::new(&NOISE_CONSTANTS, key, strata)
    }

    /// The words of exact samples, which do not depend on the noise of any key.
    pub(crate) fn exact(key: &'a Key<'a>) -> BatchWords<'a> {
        BatchWords::new(&EXACT_CONSTANTS, key, 1)
    }

    #[cfg_attr(imle_small, inline(always))]
    fn new(constants: &'static [u32; 4], key: &'a Key<'a>, strata: u32) -> BatchWords<'a> {
        let mut hashes = [0; 4];
        absorb(&mut hashes, constants, key.seed);
        absorb(&mut hashes, constants, key.step);
        BatchWords { constants, hashes, key, strata }
    }

    /// The words of row b.
    #[cfg_attr(imle_small, inline(always))]
    pub(crate) fn row(&self, b: usize) -> RowWords {
        let mut hashes = self.hashes;
        absorb(&mut hashes, self.constants, self.key.row(b));
        RowWords { hashes, sample0: self.key.sample0, strata: self.strata }
    }
}

/// The words of a row.
#[derive(Debug)]
pub(crate) struct RowWords {
    hashes: [u32; 4],
    sample0: u32,
    strata: u32,
}

impl RowWords {
    /// Words that nothing reads.
    pub(crate) const UNUSED: RowWords = RowWords { hashes: [0; 4], sample0: 0, strata: 1 };

    /// The words of sample s of the call.
    #[inline(always)]
    pub(crate) fn sample(&self, s: usize) -> SampleWords<'_> {
        SampleWords { row: self, sample: self.sample0.wrapping_add(s as u32) }
    }
}

/// The words of a sample, one for each coordinate.
#[derive(Clone, Copy, Debug)]
pub struct SampleWords<'a> {
    row: &'a RowWords,
    /// The number of the sample.
    sample: u32,
}

impl SampleWords<'_> {
    /// The generator, at the first coordinate.
    #[inline(always)]
    pub(crate) fn lanes(self) -> Lanes {
        Lanes::new(self.row.hashes, self.drawn_sample())
    }

    /// The first n ≤ 64 words, and perhaps some more.
    #[inline(always)]
    pub(super) fn few(self, n: usize, words: &mut [f32; FEW]) {
        Lanes::few(self.row.hashes, self.drawn_sample(), n, words);
    }

    /// The words of stratified samples are those of the row's first sample, moved into the sample's strata.
    #[inline(always)]
    fn drawn_sample(self) -> u32 {
        if self.are_stratified() { 0 } else { self.sample }
    }

    /// True if `stratify` changes words.
    #[inline(always)]
    pub(super) fn are_stratified(self) -> bool {
        STRATIFIED && self.row.strata > 1
    }

    /// Moves words of the generator into the strata of this sample. The first of them is that of coordinate `from`.
    #[inline(always)]
    pub(crate) fn stratify(self, from: usize, words: &mut [f32]) {
        if self.are_stratified() {
            let RowWords { hashes, strata, .. } = *self.row;
            Strata { hashes, sample: self.sample, strata }.replace(from, words);
        }
    }
}
