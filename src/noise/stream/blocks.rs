//! The row's words on machines with vector units: blocks of one word from every lane.

use crate::arch::{self, Dispatch, Isa, LANES};
use crate::kernel::lanes::copy;
use crate::noise::hash::{lane_constant, mix};
use crate::noise::uniform::OfWord;

/// The generator of one row: word w of lane l is `state[w][l]`.
#[derive(Clone, Debug)]
pub struct Stream {
    state: [[u32; LANES]; 4],
}

struct Seeding {
    hashes: [u32; 4],
}

impl Dispatch for Seeding {
    type Output = Stream;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> Stream {
        let [a, b, c, d] = self.hashes;
        let mut state = [expand(a), expand(b), expand(c), expand(d)];
        let [s0, s1, s2, s3] = &mut state;
        for (((s0, s1), s2), s3) in s0.iter_mut().zip(s1).zip(s2).zip(s3) {
            // The one state that xoshiro cannot leave.
            *s0 |= u32::from(*s0 | *s1 | *s2 | *s3 == 0);
        }
        Stream { state }
    }
}

impl Stream {
    /// Inlined, so that the state is not copied on its way out.
    #[inline(always)]
    pub(super) fn new(hashes: [u32; 4], _samples: usize) -> Stream {
        arch::run(Seeding { hashes })
    }

    /// A stream that no word is read from.
    pub(crate) const fn unused() -> Stream {
        Stream { state: [[0; LANES]; 4] }
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

    /// Runs `read` on a copy of the stream; the stream itself does not advance.
    #[inline(always)]
    pub(crate) fn peek<R>(&mut self, read: impl FnOnce(&mut Stream) -> R) -> R {
        read(&mut self.clone())
    }

    /// Fills one sample: each coordinate gets the number of its word.
    #[inline(always)]
    pub(crate) fn fill(&mut self, out: &mut [f32], number: &impl OfWord) {
        // The copy stays in registers, because nothing else can see it.
        let mut stream = self.clone();
        let (blocks, rest) = out.as_chunks_mut::<LANES>();
        for block in blocks {
            let words = stream.next_block();
            for (out, &word) in block.iter_mut().zip(&words) {
                *out = number.of_word(word);
            }
        }
        if !rest.is_empty() {
            let mut block = [0.0; LANES];
            for (out, word) in block.iter_mut().zip(stream.next_block()) {
                *out = number.of_word(word);
            }
            copy(&block, rest);
        }
        *self = stream;
    }

    /// sum += factor · number, for the words of one sample.
    #[inline(always)]
    pub(crate) fn add(&mut self, factor: f32, sum: &mut [f32], number: &impl OfWord) {
        for block in sum.chunks_mut(LANES) {
            for (sum, word) in block.iter_mut().zip(self.next_block()) {
                *sum += factor * number.of_word(word);
            }
        }
    }
}

/// One word of every lane's state.
#[inline(always)]
fn expand(hash: u32) -> [u32; LANES] {
    let mut words = [0_u32; LANES];
    for (lane, word) in (0..).zip(&mut words) {
        *word = mix(hash ^ lane_constant(lane));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;
    use crate::noise::Source;
    use rand_core::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro128PlusPlus;

    #[test]
    fn every_lane_is_xoshiro128_plus_plus() {
        for (row, key) in
            [Key::default(), Key { seed: 7, step: 3, row0: u64::MAX, ..Key::default() }].into_iter().enumerate()
        {
            let mut stream = Source::noise(key).row(row, 1);
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
        let state = |row0, row| Source::noise(Key { seed: 1, step: 2, row0, ..Key::default() }).row(row, 1).state;
        assert_eq!(state(40, 2), state(0, 42));
        assert_eq!(state(u64::MAX, 2), state(0, 1));
        assert_ne!(state(0, 1), state(0, 2));
    }

    /// Flips each of the 192 bits of many keys; each of the 2048 state bits must flip in about half of them. 4096 keys
    /// give a standard deviation of 1/128 for a pair of bits. With random keys the chance that one of the 393,216 pairs is
    /// more than 6.5 standard deviations off would be 3e-5; the keys are fixed.
    #[test]
    fn seeding_has_full_avalanche() {
        const KEYS: u64 = 4096;
        let key = |i: u64| Key { seed: i * 3, step: i / 64, row0: i % 64, ..Key::default() };
        for bit in 0..192 {
            let mut flips = vec![0_u32; 2048];
            for i in 0..KEYS {
                let (a, mut b) = (key(i), key(i));
                *[&mut b.seed, &mut b.step, &mut b.row0][bit / 64] ^= 1 << (bit % 64);
                let (a, b) = (Source::noise(a).row(0, 1).state, Source::noise(b).row(0, 1).state);
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
}
