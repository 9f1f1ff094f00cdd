//! The row's words on machines without vector units: lane after lane, each in four registers.

use crate::arch::LANES;
use crate::noise::hash::{lane_constant, mix};
use crate::noise::uniform::OfWord;

/// The generator of one row. A lane is seeded when it is visited, and is kept in memory only if more samples follow.
#[derive(Clone, Debug)]
pub struct Stream {
    lanes: Lanes,
    /// True if the lane states need not be kept: either no sample follows, or the next sample is read again.
    stays: bool,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put it on")]
enum Lanes {
    /// The state of every lane, four words each.
    States([u32; 4 * LANES]),
    /// The hashes that all lanes are seeded from.
    Hashes([u32; 4]),
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
fn seed([a, b, c, d]: [u32; 4], lane: usize, steps: bool) -> [u32; 4] {
    let constant = lane_constant(lane as u32);
    let (s0, s3) = seeds(a, d, constant);
    if !steps && s0 | s3 != 0 {
        return [s0, 0, 0, s3];
    }
    let (s1, s2) = seeds(b, c, constant);
    // The one state that xoshiro cannot leave.
    [s0 | u32::from(s0 | s1 | s2 | s3 == 0), s1, s2, s3]
}

impl Stream {
    #[inline(always)]
    pub(super) fn new(hashes: [u32; 4], samples: usize) -> Stream {
        Stream { lanes: Lanes::Hashes(hashes), stays: samples == 1 }
    }

    /// A stream that no word is read from.
    #[inline(always)]
    pub(crate) const fn unused() -> Stream {
        Stream { lanes: Lanes::Hashes([0; 4]), stays: true }
    }

    /// Runs `read` on the words that come next; the stream does not advance.
    #[inline(always)]
    pub(crate) fn peek<R>(&mut self, read: impl FnOnce(&mut Stream) -> R) -> R {
        let stays = self.stays;
        self.stays = true;
        let read = read(self);
        self.stays = stays;
        read
    }

    /// Shows every element of one sample with its word, lane after lane.
    #[inline(always)]
    fn each(&mut self, out: &mut [f32], mut show: impl FnMut(&mut f32, u32)) {
        if !self.stays {
            self.settle();
        }
        if let Lanes::Hashes(hashes) = self.lanes
            && out.len() <= LANES
        {
            return out.iter_mut().enumerate().for_each(|(lane, out)| show(out, output(seed(hashes, lane, false))));
        }
        let (blocks, rest) = out.as_chunks_mut::<LANES>();
        for first in 0..LANES {
            let mut lane = match &self.lanes {
                Lanes::Hashes(hashes) => seed(*hashes, first, true),
                Lanes::States(states) => states.as_chunks().0.get(first).copied().unwrap_or_default(),
            };
            for out in blocks.iter_mut().filter_map(|block| block.get_mut(first)) {
                show(out, output(lane));
                lane = step(lane);
            }
            // The next sample starts at a fresh block.
            if !rest.is_empty() {
                if let Some(out) = rest.get_mut(first) {
                    show(out, output(lane));
                }
                lane = step(lane);
            }
            if !self.stays {
                self.keep(first, lane);
            }
        }
    }

    /// Makes room in memory for the lanes.
    #[inline(never)]
    fn settle(&mut self) {
        let Lanes::Hashes(hashes) = self.lanes else { return };
        self.lanes = Lanes::States([0; 4 * LANES]);
        if let Lanes::States(states) = &mut self.lanes {
            for (lane, state) in states.as_chunks_mut().0.iter_mut().enumerate() {
                *state = seed(hashes, lane, true);
            }
        }
    }

    fn keep(&mut self, first: usize, lane: [u32; 4]) {
        if let Lanes::States(states) = &mut self.lanes
            && let Some(state) = states.as_chunks_mut().0.get_mut(first)
        {
            *state = lane;
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
