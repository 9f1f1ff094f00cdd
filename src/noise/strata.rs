//! Stratified words: the words of a coordinate lie one in each of S equal parts of the words, in an order that is the
//! coordinate's own (Latin hypercube sampling; McKay, Beckman, Conover 1979).
//!
//! The strata of S are the words from ⌈j·2³²/S⌉ to ⌈(j + 1)·2³²/S⌉, j = 0..S. Sample s of a row has its word of coordinate i
//! in stratum π_i(s), where π_i is a random permutation of 0..S. All S words of a coordinate have the same place in
//! their strata, which is that of the word that the row's first sample would have without strata.
//!
//! One sample alone has independent words of the uniform law: its stratum is uniform by a shift that the coordinate draws,
//! and the place within the stratum is uniform. The order of the strata comes from the swap-or-not shuffle (Hoang, Morris,
//! Rogaway 2012), in which every round swaps a random half of the pairs {x, K − x}: it needs no table and takes any S.

use super::hash::{distinct, mix};
use crate::arch::{self, Dispatch, Isa, LANES};

/// True if the library has stratified noise.
pub(crate) const STRATIFIED: bool = cfg!(feature = "stratified");

/// Rounds of the shuffle. With six the order of four strata is within 4 % of uniform in total variation.
const ROUNDS: u32 = 6;

/// The strata of one sample's words.
#[derive(Clone, Copy)]
pub(super) struct Strata {
    /// The hashes of the row.
    pub hashes: [u32; 4],
    /// The number of the sample, below `strata`.
    pub sample: u32,
    /// S
    pub strata: u32,
}

impl Strata {
    /// Moves words into their strata; the first is that of coordinate `from`.
    pub(super) fn replace(self, from: usize, words: &mut [f32]) {
        arch::run(Replace { strata: self, from, words });
    }

    /// The hash that the orders of a row's coordinates come from.
    #[inline(always)]
    fn orders(&self) -> u32 {
        let [a, b, c, d] = self.hashes;
        mix(a ^ mix(b ^ mix(c ^ mix(d))))
    }

    /// The stratum of the sample, for a coordinate that has this hash.
    #[inline(always)]
    fn stratum(&self, mut hash: u32) -> u32 {
        let mut x = self.sample;
        for _ in 0..ROUNDS {
            hash = next(hash);
            let partner = self.modulo(below(hash, self.strata).wrapping_sub(x));
            // One bit for each pair decides whether it is swapped.
            let larger = if x > partner { x } else { partner };
            let bit = (distinct(larger) ^ hash.rotate_left(13)).wrapping_mul(0x3184_8bab);
            x = if (bit as i32) < 0 { partner } else { x };
        }
        self.modulo(x.wrapping_add(below(next(hash), self.strata)).wrapping_sub(self.strata))
    }

    /// x, or x + S if x is negative; −S ≤ x < S.
    #[inline(always)]
    fn modulo(&self, x: u32) -> u32 {
        x.wrapping_add(if (x as i32) < 0 { self.strata } else { 0 })
    }

    /// The word of the stratum that is at the place of `word` among all words: a monotone map onto the stratum.
    #[inline(always)]
    fn word_in(&self, stratum: u32, word: u32) -> u32 {
        let place = word - below(word, self.strata);
        // ⌈(stratum·2³² + place)/S⌉; the place is at most 2³² − S, so that this is below the next stratum.
        let scaled = (u64::from(stratum) << 32) + u64::from(place) + u64::from(self.strata.saturating_sub(1));
        scaled.checked_div(u64::from(self.strata)).unwrap_or_default() as u32
    }
}

/// The next hash of a coordinate. Its high bits, which are the mixed ones, decide.
#[inline(always)]
fn next(hash: u32) -> u32 {
    hash.wrapping_mul(0xed5a_d4bb).wrapping_add(0x9e37_79b9)
}

/// A uniform number below `end`, from a uniform word.
#[inline(always)]
fn below(word: u32, end: u32) -> u32 {
    ((u64::from(word) * u64::from(end)) >> 32) as u32
}

struct Replace<'a> {
    strata: Strata,
    from: usize,
    words: &'a mut [f32],
}

impl Dispatch for Replace<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let Replace { strata, from, words } = self;
        let orders = strata.orders();
        let mut i = from as u32;
        for block in words.chunks_mut(LANES) {
            // The first loop is vectorised. The second is not: it divides.
            let mut strata_of = [0; LANES];
            for (stratum, lane) in strata_of.iter_mut().zip(0..) {
                *stratum = strata.stratum(mix(orders ^ distinct(i.wrapping_add(lane))));
            }
            for (word, stratum) in block.iter_mut().zip(strata_of) {
                *word = f32::from_bits(strata.word_in(stratum, word.to_bits()));
            }
            i = i.wrapping_add(LANES as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn border(j: u32, strata: u32) -> u64 {
        ((j as u64) << 32).div_ceil(strata as u64)
    }

    /// Every order is a permutation, for any S, and the samples of many coordinates meet every stratum.
    #[test]
    fn every_stratum_has_one_sample() {
        for strata in [1, 2, 3, 4, 5, 7, 8, 10, 12, 64, 97, 1000] {
            for i in 0..50 {
                let mut samples: Vec<u32> =
                    (0..strata).map(|sample| Strata { hashes: [1, 2, 3, 4], sample, strata }.stratum(mix(i))).collect();
                samples.sort_unstable();
                assert!(samples.into_iter().eq(0..strata), "{strata} strata, coordinate {i}");
            }
        }
    }

    /// The map of words into a stratum is monotone and onto: it meets the first word and the last.
    #[test]
    fn words_fill_their_stratum() {
        for strata in [1, 2, 3, 5, 7, 10, 255, 256, 257, 65_537, (1 << 24) - 3, 1 << 28, (1 << 28) - 57] {
            let of = Strata { hashes: [0; 4], sample: 0, strata };
            for j in [0, 1 % strata, strata / 3, strata / 2, strata - 1] {
                assert_eq!(u64::from(of.word_in(j, 0)), border(j, strata));
                assert_eq!(u64::from(of.word_in(j, u32::MAX)), border(j + 1, strata) - 1);
                let words = (0..1_000).map(|i: u32| of.word_in(j, i * 4_294_967));
                assert!(words.is_sorted(), "{strata} strata, {j}");
            }
        }
        let one = Strata { hashes: [0; 4], sample: 0, strata: 1 };
        assert!([0, 1, 12_345, u32::MAX].into_iter().all(|word| one.word_in(0, word) == word));
    }

    /// A sample's stratum is uniform over coordinates, and two samples' strata are as far apart as those of a random order:
    /// chi-square below its 1 − 1e-6 quantile for fixed keys, and every distance within 15 % of its share.
    #[test]
    fn orders_are_random() {
        const N: u32 = 1 << 18;
        for strata in [2, 3, 4, 5, 8, 10] {
            let stratum = |sample, i| Strata { hashes: [9; 4], sample, strata }.stratum(mix(77 ^ distinct(i)));
            for sample in 0..strata {
                let mut counts = vec![0_u32; strata as usize];
                let mut apart = vec![0_u32; strata as usize];
                for i in 0..N {
                    counts[stratum(sample, i) as usize] += 1;
                    apart[((stratum(sample, i) + strata - stratum((sample + 1) % strata, i)) % strata) as usize] += 1;
                }
                let expected = f64::from(N) / f64::from(strata);
                let chi_square: f64 = counts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
                assert!(chi_square < 45.0, "{strata} strata, sample {sample}: {chi_square}");
                let share = f64::from(N) / f64::from(strata - 1);
                assert_eq!(apart[0], 0);
                assert!(apart[1..].iter().all(|&n| (f64::from(n) / share - 1.0).abs() < 0.15), "{strata}: {apart:?}");
            }
        }
    }
}
