//! (seed, step, row) → words: the noise of a row as a function, not a stream that advances over the batch.
//!
//! Sixteen lanes of xoshiro128++ (Blackman, Vigna 2021). Lane l feeds the coordinates ≡ l mod 16, one output a
//! coordinate; the samples of a row follow one another, each starting at a fresh block of sixteen words. The lanes are
//! seeded by hashing the key, so rows and steps need no generator handed from one to the next.

mod lanes;

use super::Quantile;
use crate::Key;
use crate::kernel::elementwise::copy;
use crate::kernel::level::{self, Kernel, Level};
use crate::kernel::{LANES, SCALAR};

/// The generator of one row: word w of lane l is `state[w][l]`.
#[derive(Clone, Debug)]
pub struct Stream {
    state: [[u32; LANES]; 4],
    /// Whether what is read by lanes is to be read again.
    stays: bool,
}

/// The words of a key, a stream for every row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    chains: [u32; 4],
    /// What seed and step leave to be hashed with the row.
    hashes: [u32; 4],
    row0: u64,
}

impl Source {
    /// The noise of a call.
    pub(crate) fn noise(key: Key) -> Source {
        Source::new(CHAINS, key)
    }

    /// The words of exact samples: hashed with other constants, so independent of the noise.
    pub(crate) fn exact(key: Key) -> Source {
        Source::new(EXACT_CHAINS, key)
    }

    fn new(chains: [u32; 4], key: Key) -> Source {
        let hashes = absorb(absorb([0; 4], chains, key.seed), chains, key.step);
        Source { chains, hashes, row0: key.row0 }
    }

    /// The words of row b from the beginning.
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub(crate) fn row(self, b: usize) -> Stream {
        if SCALAR {
            let mut stream = Stream::silent();
            self.start(b, &mut stream);
            return stream;
        }
        level::run(Seeding { hashes: self.hash(b) })
    }

    /// The same in place, by lanes.
    #[inline(always)]
    pub(crate) fn start(self, b: usize, stream: &mut Stream) {
        stream.seed(self.hash(b));
    }

    #[inline(always)]
    fn hash(&self, b: usize) -> [u32; 4] {
        absorb(self.hashes, self.chains, self.row0.wrapping_add(b as u64))
    }
}

struct Seeding {
    hashes: [u32; 4],
}

impl Kernel for Seeding {
    type Output = Stream;

    #[inline(always)]
    fn run<L: Level>(self) -> Stream {
        let [a, b, c, d] = self.hashes;
        let mut state = [expand(a), expand(b), expand(c), expand(d)];
        let [s0, s1, s2, s3] = &mut state;
        for (((s0, s1), s2), s3) in s0.iter_mut().zip(s1).zip(s2).zip(s3) {
            // The one state that xoshiro cannot leave.
            *s0 |= u32::from(*s0 | *s1 | *s2 | *s3 == 0);
        }
        Stream { state, stays: false }
    }
}

struct Skip<'a> {
    stream: &'a mut Stream,
    n: usize,
}

impl Kernel for Skip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        for _ in 0..self.n.div_ceil(LANES) {
            self.stream.next_block();
        }
    }
}

impl Stream {
    /// For where no word is read.
    pub(crate) const fn silent() -> Stream {
        Stream { state: [[0; LANES]; 4], stays: false }
    }

    /// The next word of every lane.
    #[inline(always)]
    pub(crate) fn next_block(&mut self) -> [u32; LANES] {
        let mut words = [0; LANES];
        let [s0, s1, s2, s3] = &mut self.state;
        for ((((word, s0), s1), s2), s3) in words.iter_mut().zip(s0).zip(s1).zip(s2).zip(s3) {
            *word = s0.wrapping_add(*s3).rotate_left(7).wrapping_add(*s0);
            let t = *s1 << 9;
            *s2 ^= *s0;
            *s3 ^= *s1;
            *s1 ^= *s2;
            *s0 ^= *s3;
            *s2 ^= t;
            *s3 = s3.rotate_left(11);
        }
        words
    }

    /// Passes over the words of n coordinates.
    pub(crate) fn skip(&mut self, n: usize) {
        if SCALAR {
            return self.skip_by_lanes(n);
        }
        level::run(Skip { stream: self, n });
    }

    /// What `read` makes of the words that come next, and still come next afterwards.
    #[inline(always)]
    pub(crate) fn ahead<R>(&mut self, read: impl FnOnce(&mut Stream) -> R) -> R {
        if !SCALAR {
            return read(&mut self.clone());
        }
        self.stays = true;
        let read = read(self);
        self.stays = false;
        read
    }

    /// One word of the row a coordinate, through `law`.
    #[inline(always)]
    pub(crate) fn fill(&mut self, out: &mut [f32], law: &impl Quantile) {
        if SCALAR {
            return self.fill_by_lanes(out, law);
        }
        // A copy that nothing else can see stays in registers.
        let mut stream = self.clone();
        let (blocks, rest) = out.as_chunks_mut::<LANES>();
        for block in blocks {
            let words = stream.next_block();
            for (out, &word) in block.iter_mut().zip(&words) {
                *out = law.quantile(word);
            }
        }
        if !rest.is_empty() {
            let mut block = [0.0; LANES];
            for (out, word) in block.iter_mut().zip(stream.next_block()) {
                *out = law.quantile(word);
            }
            copy(&block, rest);
        }
        *self = stream;
    }

    /// sum += factor · law: one sample's words again.
    #[inline(always)]
    pub(crate) fn add(&mut self, factor: f32, sum: &mut [f32], law: &impl Quantile) {
        if SCALAR {
            return self.add_by_lanes(factor, sum, law);
        }
        for block in sum.chunks_mut(LANES) {
            for (sum, word) in block.iter_mut().zip(self.next_block()) {
                *sum += factor * law.quantile(word);
            }
        }
    }
}

/// The first digits of π after the point, as rand's other generators use them: constants with nothing up the sleeve.
const CHAINS: [u32; 4] = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
const EXACT_CHAINS: [u32; 4] = [0xa409_3822, 0x299f_31d0, 0x082e_fa98, 0xec4e_6c89];
/// 2³² divided by the golden ratio.
const GOLDEN: u32 = 0x9e37_79b9;

/// Hashes 64 bits more into four words, each of which depends on every bit hashed. For a given seed and step different
/// rows (below 2³²) have different words, all four of them.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
fn absorb(hashes: [u32; 4], chains: [u32; 4], bits: u64) -> [u32; 4] {
    let mut hashes = hashes;
    // the high word first: the last step of each chain is a bijection of the row's low word
    for word in [(bits >> 32) as u32, bits as u32] {
        for (hash, chain) in hashes.iter_mut().zip(chains) {
            *hash = mix((*hash ^ word).wrapping_add(chain));
        }
    }
    hashes
}

/// One word of every lane's state.
#[inline(always)]
fn expand(hash: u32) -> [u32; LANES] {
    let mut words = [0_u32; LANES];
    for (lane, word) in (1..).zip(&mut words) {
        *word = mix(hash ^ GOLDEN.wrapping_mul(lane));
    }
    words
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro128PlusPlus;

    #[test]
    fn every_lane_is_xoshiro128_plus_plus() {
        for (row, key) in [Key::default(), Key { seed: 7, step: 3, row0: u64::MAX }].into_iter().enumerate() {
            let mut stream = Source::noise(key).row(row);
            let mut lanes: Vec<_> = (0..LANES)
                .map(|l| {
                    let seed: Vec<u8> = stream.state.iter().flat_map(|word| word[l].to_le_bytes()).collect();
                    Xoshiro128PlusPlus::from_seed(seed.try_into().unwrap())
                })
                .collect();
            for _ in 0..1000 {
                let expected: Vec<u32> = lanes.iter_mut().map(Rng::next_u32).collect();
                assert_eq!(stream.next_block().to_vec(), expected);
            }
        }
    }

    #[test]
    fn row0_and_row_add_up() {
        let state = |row0, row| Source::noise(Key { seed: 1, step: 2, row0 }).row(row).state;
        assert_eq!(state(40, 2), state(0, 42));
        assert_eq!(state(u64::MAX, 2), state(0, 1));
        assert_ne!(state(0, 1), state(0, 2));
    }

    /// Flips each of the 192 bits of many keys; each of the 2048 state bits must flip in about half of them. 4096 keys
    /// give a standard deviation of 1/128 a pair of bits; 393,216 pairs stay within 6.5 of them but for a chance of
    /// 3e-5, were the keys drawn anew (they are fixed).
    #[test]
    fn seeding_has_full_avalanche() {
        const KEYS: u64 = 4096;
        let key = |i: u64| Key { seed: i * 3, step: i / 64, row0: i % 64 };
        for bit in 0..192 {
            let mut flips = vec![0_u32; 2048];
            for i in 0..KEYS {
                let (a, mut b) = (key(i), key(i));
                *[&mut b.seed, &mut b.step, &mut b.row0][bit / 64] ^= 1 << (bit % 64);
                let (a, b) = (Source::noise(a).row(0).state, Source::noise(b).row(0).state);
                for (w, (a, b)) in a.as_flattened().iter().zip(b.as_flattened()).enumerate() {
                    for j in 0..32 {
                        flips[w * 32 + j] += (a ^ b) >> j & 1;
                    }
                }
            }
            for (out, &n) in flips.iter().enumerate() {
                let share = f64::from(n) / KEYS as f64;
                assert!((share - 0.5).abs() < 6.5 / 128.0, "key bit {bit} flips state bit {out} with {share}");
            }
        }
    }

    #[test]
    fn mix_is_a_bijection_on_what_can_be_checked() {
        // injective on every 16-bit window of the input, in a fixed surrounding
        for shift in [0, 8, 16] {
            let mut seen: Vec<u32> = (0..1 << 16).map(|x| mix(x << shift ^ 0x5bd1_e995)).collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 1 << 16);
        }
    }
}
