//! (seed, step, row) → words: the noise of a row as a function, not a stream that advances over the batch.
//!
//! Sixteen lanes of xoshiro128++ (Blackman, Vigna 2021). Lane l feeds the coordinates ≡ l mod 16, one output a
//! coordinate; the samples of a row follow one another, each starting at a fresh block of sixteen words. The lanes are
//! seeded by hashing the key, so rows and steps need no generator handed from one to the next.

#[cfg(not(any(feature = "scalar", target_arch = "arm", target_arch = "riscv32")))]
mod blocks;
#[cfg(any(feature = "scalar", target_arch = "arm", target_arch = "riscv32"))]
mod lanes;

use crate::Key;
#[cfg(not(any(feature = "scalar", target_arch = "arm", target_arch = "riscv32")))]
pub use blocks::Stream;
#[cfg(any(feature = "scalar", target_arch = "arm", target_arch = "riscv32"))]
pub use lanes::Stream;

/// The words of a key, a stream for every row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    chains: &'static [u32; 4],
    /// What seed and step leave to be hashed with the row.
    hashes: [u32; 4],
    row0: u64,
}

impl Source {
    /// The noise of a call.
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub(crate) fn noise(key: Key) -> Source {
        Source::new(&CHAINS, key)
    }

    /// The words of exact samples: hashed with other constants, so independent of the noise.
    pub(crate) fn exact(key: Key) -> Source {
        Source::new(&EXACT_CHAINS, key)
    }

    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    fn new(chains: &'static [u32; 4], key: Key) -> Source {
        let mut hashes = [0; 4];
        absorb(&mut hashes, chains, key.seed);
        absorb(&mut hashes, chains, key.step);
        Source { chains, hashes, row0: key.row0 }
    }

    /// The words of row b, so many samples, from the beginning.
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub(crate) fn row(&self, b: usize, samples: usize) -> Stream {
        Stream::new(self.hash(b), samples)
    }

    #[inline(always)]
    fn hash(&self, b: usize) -> [u32; 4] {
        let mut hashes = self.hashes;
        absorb(&mut hashes, self.chains, self.row0.wrapping_add(b as u64));
        hashes
    }
}

/// The first digits of π after the point, as rand's other generators use them: constants with nothing up the sleeve.
static CHAINS: [u32; 4] = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
static EXACT_CHAINS: [u32; 4] = [0xa409_3822, 0x299f_31d0, 0x082e_fa98, 0xec4e_6c89];
/// 2³² divided by the golden ratio.
const GOLDEN: u32 = 0x9e37_79b9;

/// Hashes 64 bits more into four words, each of which depends on every bit hashed. For a given seed and step different
/// rows (below 2³²) have different words, all four of them.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
fn absorb(hashes: &mut [u32; 4], chains: &[u32; 4], bits: u64) {
    // the high word first: the last step of each chain is a bijection of the row's low word
    for word in [(bits >> 32) as u32, bits as u32] {
        for (hash, chain) in hashes.iter_mut().zip(chains) {
            *hash = mix((*hash ^ word).wrapping_add(*chain));
        }
    }
}

/// A bijection of 32-bit words in which every input bit flips every output bit with probability ½: the multiply and
/// xor-shift form with the constants that Wellons' search found ("triple32", bias 0.02).
#[inline(always)]
fn mix(x: u32) -> u32 {
    let x = (x ^ x >> 17).wrapping_mul(0xed5a_d4bb);
    let x = (x ^ x >> 11).wrapping_mul(0xac4c_1b51);
    let x = (x ^ x >> 15).wrapping_mul(0x3184_8bab);
    x ^ x >> 14
}
