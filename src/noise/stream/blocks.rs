//! A sample's words on machines with vector units: blocks of one word from every lane.

use crate::arch::{EIGHT, LANES};
use crate::kernel::lanes::copy;
use crate::kernel::select::FEW;
use crate::noise::hash::{distinct, lane_constant, mix};
use crate::noise::uniform::OfWord;

/// The generator of one sample: word w of lane l is `state[w][l]`.
#[derive(Clone, Debug)]
pub struct Lanes {
    state: [[u32; LANES]; 4],
}

// There are no closures here: a closure is not compiled for the instruction set of its caller.

impl Lanes {
    /// Words that nothing reads.
    pub(crate) const UNUSED: Lanes = Lanes { state: [[0; LANES]; 4] };

    /// Seeds the lanes of a sample.
    #[inline(always)]
    pub(super) fn new(hashes: [u32; 4], sample: u32) -> Lanes {
        let [a, b, c, d] = hashes;
        let (a, b) = (expand(a, sample, &NUMBERS), expand(b, sample, &NUMBERS));
        let (c, d) = (expand(c, sample, &NUMBERS), expand(d, sample, &NUMBERS));
        Lanes { state: [a, b, c, d] }
    }

    /// The first n ≤ 64 words of a sample, in whole eights. Words of the seed that they do not depend on are not made.
    #[inline(always)]
    pub(super) fn few(hashes: [u32; 4], sample: u32, n: usize, words: &mut [f32; FEW]) {
        let (
            &mut [ref mut a, ref mut b, ref mut c, ref mut d, ref mut e, ref mut f, ref mut g, ref mut h],
            [first, second],
        ) = (words.as_chunks_mut::<EIGHT>().0, NUMBERS.as_chunks::<EIGHT>().0)
        else {
            return;
        };
        eight_lanes(hashes, sample, first, n.saturating_sub(1) / LANES, [a, c, e, g]);
        if n > EIGHT {
            eight_lanes(hashes, sample, second, (n - 1 - EIGHT) / LANES, [b, d, f, h]);
        }
    }

    /// The next word of every lane.
    #[inline(always)]
    fn next_block(&mut self) -> [u32; LANES] {
        let [s0, _, _, s3] = &self.state;
        let words = output(s0, s3);
        step(&mut self.state);
        words
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

/// The first word of eight lanes, and `more` ≤ 3 that follow.
#[inline(always)]
fn eight_lanes(hashes: [u32; 4], sample: u32, numbers: &[u32; EIGHT], more: usize, words: [&mut [f32; EIGHT]; 4]) {
    let [a, b, c, d] = hashes;
    let [first, second, third, fourth] = words;
    let (s0, s3) = (expand(a, sample, numbers), expand(d, sample, numbers));
    put(first, &output(&s0, &s3));
    if more == 0 {
        return;
    }
    let mut state = [s0, expand(b, sample, numbers), [0; EIGHT], s3];
    if more == 1 {
        // The second output does not depend on the third word of the seed.
        step(&mut state);
        put(second, &output(&state[0], &state[3]));
        return;
    }
    state[2] = expand(c, sample, numbers);
    step(&mut state);
    put(second, &output(&state[0], &state[3]));
    step(&mut state);
    put(third, &output(&state[0], &state[3]));
    if more == 3 {
        step(&mut state);
        put(fourth, &output(&state[0], &state[3]));
    }
}

#[inline(always)]
fn put(at: &mut [f32; EIGHT], words: &[u32; EIGHT]) {
    for (at, word) in at.iter_mut().zip(words) {
        *at = f32::from_bits(*word);
    }
}

/// One step of xoshiro128++ in W lanes.
#[inline(always)]
fn step<const W: usize>(state: &mut [[u32; W]; 4]) {
    let [s0, s1, s2, s3] = state;
    for (((s0, s1), s2), s3) in s0.iter_mut().zip(s1).zip(s2).zip(s3) {
        let t = *s1 << 9;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= t;
        *s3 = s3.rotate_left(11);
    }
}

/// The output of a state, which depends on two of its words.
#[inline(always)]
fn output<const W: usize>(s0: &[u32; W], s3: &[u32; W]) -> [u32; W] {
    let mut words = *s0;
    for (word, s3) in words.iter_mut().zip(s3) {
        *word = word.wrapping_add(*s3).rotate_left(7).wrapping_add(*word);
    }
    words
}

/// What tells the lanes of a sample from one another: [`lane_constant`] less that of the first lane.
const NUMBERS: [u32; LANES] = [
    0,
    distinct(0),
    distinct(1),
    distinct(2),
    distinct(3),
    distinct(4),
    distinct(5),
    distinct(6),
    distinct(7),
    distinct(8),
    distinct(9),
    distinct(10),
    distinct(11),
    distinct(12),
    distinct(13),
    distinct(14),
];

/// One word of the seeds of the lanes with these numbers.
#[inline(always)]
fn expand<const W: usize>(hash: u32, sample: u32, numbers: &[u32; W]) -> [u32; W] {
    let first = lane_constant(sample, 0);
    let mut words = *numbers;
    for word in &mut words {
        *word = mix(hash ^ word.wrapping_add(first));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;
    use crate::noise::BatchWords;
    use rand_core::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro128PlusPlus;

    #[test]
    fn every_lane_is_xoshiro128_plus_plus() {
        for (row, key) in
            [Key::default(), Key { seed: 7, step: 3, row0: u64::MAX, ..Key::default() }].into_iter().enumerate()
        {
            let mut stream = BatchWords::noise(key, 1).row(row).sample(3).lanes();
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
        let state = |row0, row| {
            let key = Key { seed: 1, step: 2, row0, ..Key::default() };
            BatchWords::noise(key, 1).row(row).sample(0).lanes().state
        };
        assert_eq!(state(40, 2), state(0, 42));
        assert_eq!(state(u64::MAX, 2), state(0, 1));
        assert_ne!(state(0, 1), state(0, 2));
    }

    /// The first words of a short row are those of the lanes, however many are read.
    #[test]
    fn few_words_are_the_first_of_all() {
        let words = BatchWords::noise(Key { seed: 5, step: 1, ..Key::default() }, 1).row(2).sample(7);
        let mut all = [0.0; FEW];
        words.lanes().fill(&mut all, &crate::noise::uniform::Words);
        for n in 0..=FEW {
            let mut few = [0.0; FEW];
            words.few(n, &mut few);
            let bits = |words: &[f32; FEW]| words.map(f32::to_bits);
            assert_eq!(bits(&few)[..n], bits(&all)[..n], "{n}");
        }
    }

    /// No sample's lanes share a seed with another's: lane numbers do not wrap, up to the last sample.
    #[test]
    fn lanes_are_told_apart_up_to_the_last_sample() {
        let samples = [0, 1, 2, (1 << 28) - 2, (1 << 28) - 1];
        let mut constants: Vec<u32> =
            samples.into_iter().flat_map(|s| (0..LANES as u32).map(move |lane| lane_constant(s, lane))).collect();
        for sample in samples {
            let here = NUMBERS.map(|number| number.wrapping_add(lane_constant(sample, 0)));
            assert!(here.into_iter().eq((0..LANES as u32).map(|lane| lane_constant(sample, lane))));
        }
        constants.sort_unstable();
        constants.dedup();
        assert_eq!(constants.len(), samples.len() * LANES);
    }

    /// Flips each of the 220 bits of (seed, step, row, sample) of many keys; each of the 2048 bits of the lanes' seeds must flip
    /// in about half of them. 4096 keys give a standard deviation of 1/128 for a pair of bits. With random keys the chance
    /// that one of the 450,560 pairs is more than 6.5 standard deviations off would be 4e-5; the keys are fixed.
    #[test]
    fn seeding_has_full_avalanche() {
        const KEYS: u64 = 4096;
        let key = |i: u64| Key { seed: i * 3, step: i / 64, row0: i % 64, sample0: i as u32 % 16, ..Key::default() };
        let state = |key: Key<'_>| BatchWords::noise(key, 1).row(0).sample(0).lanes().state;
        for bit in 0..220 {
            let mut flips = vec![0_u32; 2048];
            for i in 0..KEYS {
                let mut flipped = key(i);
                match bit {
                    0..192 => *[&mut flipped.seed, &mut flipped.step, &mut flipped.row0][bit / 64] ^= 1 << (bit % 64),
                    _ => flipped.sample0 ^= 1 << (bit - 192),
                }
                let (a, b) = (state(key(i)), state(flipped));
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
