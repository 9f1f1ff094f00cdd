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

use super::hash::{EXACT_CONSTANTS, NOISE_CONSTANTS, absorb, absorb_in_registers};
use super::strata::{STRATIFIED, Strata};
use crate::Key;
use crate::arch::EIGHT;
use crate::kernel::select::FEW;
use crate::key::row_number;
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
    // The rest of the key. A reference to the key would keep all of it in memory, and a hash that begins with a load of
    // what the caller has just stored begins late.
    row0: u64,
    row_ids: Option<&'a [u64]>,
    sample0: u32,
    /// The number of strata of a coordinate's words; at most 1 if they are independent.
    strata: u32,
}

impl<'a> BatchWords<'a> {
    /// The words of a call's noise, which are independent or stratified.
    #[inline(always)]
    pub(crate) fn noise(key: &Key<'a>, strata: u32) -> BatchWords<'a> {
        BatchWords::new(&NOISE_CONSTANTS, key, strata)
    }

    /// The words of exact samples, which do not depend on the noise of any key.
    pub(crate) fn exact(key: &Key<'a>) -> BatchWords<'a> {
        BatchWords::new(&EXACT_CONSTANTS, key, 1)
    }

    #[inline(always)]
    fn new(constants: &'static [u32; 4], key: &Key<'a>, strata: u32) -> BatchWords<'a> {
        let mut hashes = [0; 4];
        absorb_in_registers(&mut hashes, constants, key.seed);
        absorb_in_registers(&mut hashes, constants, key.step);
        let &Key { row0, row_ids, sample0, .. } = key;
        BatchWords { constants, hashes, row0, row_ids, sample0, strata }
    }

    /// The words of row b.
    #[cfg_attr(imle_small, inline(always))]
    pub(crate) fn row(&self, b: usize) -> RowWords {
        let mut hashes = self.hashes;
        absorb(&mut hashes, self.constants, row_number(self.row0, self.row_ids, b));
        RowWords { hashes, sample0: self.sample0, strata: self.strata }
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
    /// True if the samples of a coordinate are independent.
    #[inline(always)]
    pub(crate) fn are_independent(&self) -> bool {
        !STRATIFIED || self.strata <= 1
    }

    /// The first words, at most 64, of eight independent samples, from sample s of the call on, side by side: those of
    /// coordinate i go to `words[i]`.
    #[inline(always)]
    pub(super) fn eight_samples(&self, s: usize, words: &mut [[f32; EIGHT]]) {
        Lanes::eight_samples(self.hashes, self.sample0.wrapping_add(s as u32), words);
    }

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
        Lanes::new_apart(self.row.hashes, self.drawn_sample())
    }

    /// The same without a call.
    #[inline(always)]
    pub(super) fn lanes_here(self) -> Lanes {
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
        !self.row.are_independent()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::LANES;
    use std::io::Write;

    /// Writes words to the file IMLE_WORDS, usually a pipe, until its reader has enough, in the order IMLE_ORDER: what a
    /// battery of tests for generators reads. tests/README.md says how, and what it found.
    #[test]
    #[ignore = "endless: it feeds a battery of tests"]
    fn words_for_a_battery() {
        let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let mut out = std::fs::File::create(variable("IMLE_WORDS")).expect("the file can be written");
        // The key, the samples and the coordinates of call number i.
        let order: fn(u64) -> (Key<'static>, u32, usize) = match variable("IMLE_ORDER").as_str() {
            "rows" => |i| (Key { row0: i, ..Key::default() }, 1, 1),
            "samples" => |i| (Key { row0: i >> 12, sample0: (i as u32 & 0xfff) << 16, ..Key::default() }, 1 << 16, 1),
            "lanes" => |i| (Key { row0: i >> 12, sample0: (i as u32 & 0xfff) << 16, ..Key::default() }, 1 << 16, LANES),
            "batch" => |i| (Key { step: i >> 8, row0: i & 0xff, ..Key::default() }, 10, 20),
            "steps" => |i| (Key { step: i, ..Key::default() }, 1, 1),
            "seeds" => |i| (Key { seed: i, ..Key::default() }, 1, 1),
            order => panic!("{order} is none of rows, samples, lanes, batch, steps, seeds"),
        };
        let mut bytes = Vec::new();
        for i in 0.. {
            let (key, samples, n) = order(i);
            let (row, mut words) = (BatchWords::noise(&key, 1).row(0), [0.0; FEW]);
            for s in 0..samples as usize {
                row.sample(s).few(n, &mut words);
                bytes.extend(words.iter().take(n).flat_map(|word| word.to_bits().to_le_bytes()));
            }
            if bytes.len() >= 1 << 16 {
                if out.write_all(&bytes).is_err() {
                    return; // the reader has enough
                }
                bytes.clear();
            }
        }
    }
}
