//! A sample's words on machines without vector units: lane after lane, each in four registers.

use crate::arch::{EIGHT, LANES};
use crate::kernel::select::FEW;
use crate::noise::hash::{lane_constant, mix};
use crate::noise::uniform::{OfWord, Words};

/// The lanes of one sample. A lane is seeded when it is visited.
#[derive(Clone, Debug)]
pub struct Lanes {
    hashes: [u32; 4],
    sample: u32,
}

/// One step of xoshiro128++.
#[inline(always)]
fn step([s0, s1, s2, s3]: [u32; 4]) -> [u32; 4] {
    let (s2, t) = (s2 ^ s0, s3 ^ s1);
    [s0 ^ t, s1 ^ s2, s2 ^ s1 << 9, t.rotate_left(11)]
}

/// The output of a state.
#[inline(always)]
fn output([s0, _, _, s3]: [u32; 4]) -> u32 {
    s0.wrapping_add(s3).rotate_left(7).wrapping_add(s0)
}

/// Two words of a lane's seed.
fn seeds(a: u32, b: u32, constant: u32) -> (u32, u32) {
    (mix(a ^ constant), mix(b ^ constant))
}

/// The seed of a lane. The output depends on the outer words only, so the inner ones are left out if no step follows.
#[inline(always)]
fn seed([a, b, c, d]: [u32; 4], constant: u32, steps: bool) -> [u32; 4] {
    let (s0, s3) = seeds(a, d, constant);
    let (s1, s2) = if steps { seeds(b, c, constant) } else { (0, 0) };
    [s0, s1, s2, s3]
}

impl Lanes {
    /// Words that nothing reads.
    pub(crate) const UNUSED: Lanes = Lanes { hashes: [0; 4], sample: 0 };

    #[inline(always)]
    pub(super) fn new(hashes: [u32; 4], sample: u32) -> Lanes {
        Lanes { hashes, sample }
    }

    /// The same.
    #[inline(always)]
    pub(super) fn new_apart(hashes: [u32; 4], sample: u32) -> Lanes {
        Lanes::new(hashes, sample)
    }

    /// The first n ≤ 64 words of a sample.
    pub(super) fn few(hashes: [u32; 4], sample: u32, n: usize, words: &mut [f32; FEW]) {
        Lanes { hashes, sample }.fill(words.get_mut(..n).unwrap_or_default(), &Words);
    }

    /// The first words of eight samples, from `sample` on, side by side: those of coordinate i go to `words[i]`.
    pub(super) fn eight_samples(hashes: [u32; 4], sample: u32, words: &mut [[f32; EIGHT]]) {
        for s in 0..EIGHT {
            let mut few = [0.0; FEW];
            Lanes::few(hashes, sample.wrapping_add(s as u32), words.len(), &mut few);
            for (words, few) in words.iter_mut().zip(few) {
                if let Some(word) = words.get_mut(s) {
                    *word = few;
                }
            }
        }
    }

    /// Shows every element of one sample with its word, lane after lane.
    #[inline(always)]
    fn each(&self, out: &mut [f32], mut show: impl FnMut(&mut f32, u32)) {
        let Lanes { hashes, sample } = *self;
        if out.len() <= LANES {
            for (out, lane) in out.iter_mut().zip(0..) {
                show(out, output(seed(hashes, lane_constant(sample, lane), false)));
            }
            return;
        }
        let (blocks, rest) = out.as_chunks_mut::<LANES>();
        for first in 0..LANES {
            let mut lane = seed(hashes, lane_constant(sample, first as u32), true);
            for out in blocks.iter_mut().filter_map(|block| block.get_mut(first)) {
                show(out, output(lane));
                lane = step(lane);
            }
            if let Some(out) = rest.get_mut(first) {
                show(out, output(lane));
            }
        }
    }

    /// Fills one sample: each coordinate gets the number of its word.
    #[inline(always)]
    pub(crate) fn fill(&mut self, out: &mut [f32], number: &impl OfWord) {
        self.each(out, |out, word| *out = number.of_word(word));
    }

    /// sum += factor · number, for the words of one sample.
    #[inline(always)]
    pub(crate) fn add(&mut self, factor: f32, sum: &mut [f32], number: &impl OfWord) {
        self.each(sum, |sum, word| *sum += factor * number.of_word(word));
    }
}
