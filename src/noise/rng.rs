//! A generator for the caller's own random numbers, by the rule that the noise follows: a function of (seed, step, row).

use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro128PlusPlus;

use super::hash::absorb;
use crate::Key;

/// The digits of π behind those of the exact samples, so that the numbers depend neither on the noise nor on the samples.
static RNG_CONSTANTS: [u32; 4] = [0x4528_21e6, 0x38d0_1377, 0xbe54_66cf, 0x34e9_0c6c];

impl Key<'_> {
    /// A generator for your own random numbers: dropout, shuffles, a noise law of your own. It is a function of `seed`,
    /// `step` and `row0 + row` (modulo 2⁶⁴) alone; `row_ids`, `sample0` and `strata` are ignored, so for a row with an id
    /// pass the id as `row`. A batch that is cut over threads or hosts therefore draws the numbers of the uncut batch.
    ///
    /// Its numbers are those of xoshiro128++ (Blackman, Vigna 2021). They depend neither on the noise nor on the exact
    /// samples of any key. It takes what implements [`rand_core::Rng`], version 0.10, so the crate `rand` with its
    /// distributions and shuffles works on it. Needs the feature `rand_core`. O(1).
    ///
    /// ```
    /// use imle::Key;
    /// use rand_core::Rng;
    ///
    /// let key = Key { seed: 42, step: 7, ..Key::default() };
    /// let mut rng = key.rng(3); // row 3 of the batch
    /// let dropped: [bool; 8] = core::array::from_fn(|_| rng.next_u32() < u32::MAX / 10); // one of ten
    ///
    /// // The part of the batch that starts at row 2 has this row as its row 1.
    /// let mut again = Key { row0: 2, ..key }.rng(1);
    /// assert_eq!(dropped, core::array::from_fn(|_| again.next_u32() < u32::MAX / 10));
    /// ```
    #[must_use]
    pub fn rng(&self, row: u64) -> Xoshiro128PlusPlus {
        let mut hashes = [0; 4];
        for bits in [self.seed, self.step, self.row0.wrapping_add(row)] {
            absorb(&mut hashes, &RNG_CONSTANTS, bits);
        }
        let [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]] = hashes.map(u32::to_le_bytes);
        Xoshiro128PlusPlus::from_seed([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }
}
