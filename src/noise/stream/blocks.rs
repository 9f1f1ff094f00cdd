//! A sample's words on machines with vector units: blocks of one word from every lane.

use crate::arch::{self, Dispatch, EIGHT, Isa, LANES};
use crate::kernel::lanes::copy;
use crate::kernel::select::FEW;
use crate::noise::hash::{lane_constant, mix};
use crate::noise::uniform::{OfWord, Words};

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
        let (a, b) = (expand(a, sample), expand(b, sample));
        let (c, d) = (expand(c, sample), expand(d, sample));
        Lanes { state: [a, b, c, d] }
    }

    /// The same as a function.
    #[inline(always)]
    pub(super) fn new_apart(hashes: [u32; 4], sample: u32) -> Lanes {
        arch::run(Seed { hashes, sample })
    }

    /// The first n ≤ 64 words of a sample, in whole eights. Words of the seeds that they do not depend on are not made.
    #[inline(always)]
    pub(super) fn few(hashes: [u32; 4], sample: u32, n: usize, words: &mut [f32; FEW]) {
        let [a, b, c, d] = hashes;
        let [first, second, third, fourth] = words.as_chunks_mut::<LANES>().0 else { return };
        let (s0, s3) = (expand(a, sample), expand(d, sample));
        put(first, &output(&s0, &s3));
        if n <= LANES {
            return;
        }
        // The second output does not depend on the third word of the seed.
        if n <= LANES + EIGHT
            && let ([s0, _], [s3, _], [second, _]) =
                (s0.as_chunks::<EIGHT>().0, s3.as_chunks::<EIGHT>().0, second.as_chunks_mut::<EIGHT>().0)
        {
            let mut state = [*s0, expand(b, sample), [0; EIGHT], *s3];
            step(&mut state);
            put(second, &output(&state[0], &state[3]));
            return;
        }
        let mut lanes = Lanes { state: [s0, expand(b, sample), [0; LANES], s3] };
        if n <= 2 * LANES {
            step(&mut lanes.state);
            put(second, &output(&lanes.state[0], &lanes.state[3]));
            return;
        }
        lanes.state[2] = expand(c, sample);
        step(&mut lanes.state);
        put(second, &lanes.next_block());
        put(third, &lanes.next_block());
        if n > 3 * LANES {
            put(fourth, &lanes.next_block());
        }
    }

    /// The first words of eight samples, from `sample` on, side by side: those of coordinate i go to `words[i]`.
    #[inline(always)]
    pub(super) fn eight_samples(hashes: [u32; 4], sample: u32, words: &mut [[f32; EIGHT]]) {
        let ([a, b, c, d], n) = (hashes, words.len());
        for lane in 0..n.min(LANES) {
            let (s0, s3) = (expand_samples(a, sample, lane), expand_samples(d, sample, lane));
            let mut words = words.iter_mut().skip(lane).step_by(LANES);
            if let Some(words) = words.next() {
                put(words, &output(&s0, &s3));
            }
            if lane + LANES >= n {
                continue;
            }
            let mut state = [s0, expand_samples(b, sample, lane), [0; EIGHT], s3];
            // The second output does not depend on the third word of the seed.
            if lane + 2 * LANES < n {
                state[2] = expand_samples(c, sample, lane);
            }
            for words in words {
                step(&mut state);
                put(words, &output(&state[0], &state[3]));
            }
        }
    }

    /// The next word of every lane.
    #[inline(always)]
    fn next_block(&mut self) -> [u32; LANES] {
        // One loop, so that each word of the state is loaded once.
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
        for sum in sum.chunks_mut(8 * LANES) {
            let mut words = [0.0_f32; 8 * LANES];
            arch::run(FillWords { lanes: self, out: &mut words });
            for (sum, word) in sum.iter_mut().zip(words) {
                *sum += factor * number.of_word(word.to_bits());
            }
        }
    }
}

struct FillWords<'a> {
    lanes: &'a mut Lanes,
    out: &'a mut [f32],
}

impl Dispatch for FillWords<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        self.lanes.fill(self.out, &Words);
    }
}

struct Seed {
    hashes: [u32; 4],
    sample: u32,
}

impl Dispatch for Seed {
    type Output = Lanes;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> Lanes {
        Lanes::new(self.hashes, self.sample)
    }
}

#[inline(always)]
fn put<const W: usize>(at: &mut [f32; W], words: &[u32; W]) {
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

/// One word of the seeds of a sample's first W lanes.
#[inline(always)]
fn expand<const W: usize>(hash: u32, sample: u32) -> [u32; W] {
    let first = lane_constant(sample, 0);
    let mut words = [0_u32; W];
    for (lane, word) in (0..).zip(&mut words) {
        *word = mix(hash ^ first.wrapping_add(lane_constant(0, lane)).wrapping_sub(lane_constant(0, 0)));
    }
    words
}

/// One word of the seeds that a lane has in eight samples.
#[inline(always)]
fn expand_samples(hash: u32, sample: u32, lane: usize) -> [u32; EIGHT] {
    let first = lane_constant(sample, lane as u32);
    let mut words = [0_u32; EIGHT];
    for (s, word) in (0..).zip(&mut words) {
        *word = mix(hash ^ first.wrapping_add(lane_constant(s, 0)).wrapping_sub(lane_constant(0, 0)));
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
            let mut stream = BatchWords::noise(&key, 1).row(row).sample(3).lanes();
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
            BatchWords::noise(&key, 1).row(row).sample(0).lanes().state
        };
        assert_eq!(state(40, 2), state(0, 42));
        assert_eq!(state(u64::MAX, 2), state(0, 1));
        assert_ne!(state(0, 1), state(0, 2));
    }

    /// The first words of a short row are those of the lanes, however many are read.
    #[test]
    fn few_words_are_the_first_of_all() {
        let row = BatchWords::noise(&Key { seed: 5, step: 1, ..Key::default() }, 1).row(2);
        let words = row.sample(7);
        let mut all = [0.0; FEW];
        words.lanes().fill(&mut all, &crate::noise::uniform::Words);
        for n in 0..=FEW {
            let mut few = [0.0; FEW];
            words.few(n, &mut few);
            let bits = |words: &[f32; FEW]| words.map(f32::to_bits);
            assert_eq!(bits(&few)[..n], bits(&all)[..n], "{n}");
        }
    }

    /// Eight samples side by side have the words that each has by itself.
    #[test]
    fn eight_samples_have_their_own_words() {
        let key = Key { seed: 5, step: 1, sample0: (1 << 28) - 9, ..Key::default() };
        let row = BatchWords::noise(&key, 1).row(2);
        for n in 0..=FEW {
            let mut side_by_side = [[0.0; EIGHT]; FEW];
            row.eight_samples(1, &mut side_by_side[..n]);
            for s in 0..EIGHT {
                let mut few = [0.0; FEW];
                row.sample(1 + s).few(n, &mut few);
                let same = few[..n].iter().zip(side_by_side).all(|(one, eight)| one.to_bits() == eight[s].to_bits());
                assert!(same, "{n} words of sample {s}");
            }
        }
    }

    /// No sample's lanes share a seed with another's: lane numbers do not wrap, up to the last sample.
    #[test]
    fn lanes_are_told_apart_up_to_the_last_sample() {
        let samples = [0, 1, 2, (1 << 28) - 2, (1 << 28) - 1];
        let mut constants: Vec<u32> =
            samples.into_iter().flat_map(|s| (0..LANES as u32).map(move |lane| lane_constant(s, lane))).collect();
        for sample in samples {
            // A hash of 0 shows the lanes' constants: `mix` is a bijection.
            let seeds = (0..LANES as u32).map(|lane| mix(lane_constant(sample, lane)));
            assert!(expand::<LANES>(0, sample).into_iter().eq(seeds));
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
        let state = |key: Key<'_>| BatchWords::noise(&key, 1).row(0).sample(0).lanes().state;
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
