//! The row's words where there are no vector units: lane after lane, each in four registers.

use super::{GOLDEN, mix};
use crate::kernel::LANES;
use crate::noise::Quantile;

/// The generator of one row. A lane is seeded where it is visited, and is in memory only if more samples follow.
#[derive(Clone, Debug)]
pub struct Stream {
    lanes: Lanes,
    /// Whether what comes next is read again, or nothing after it.
    stays: bool,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put it on")]
enum Lanes {
    /// Four words a lane.
    States([u32; 4 * LANES]),
    /// From which all lanes are seeded.
    Hashes([u32; 4]),
}

/// One step of xoshiro128++.
#[inline(always)]
fn step([s0, s1, s2, s3]: [u32; 4]) -> [u32; 4] {
    let (s2, t) = (s2 ^ s0, s3 ^ s1);
    [s0 ^ t, s1 ^ s2, s2 ^ s1 << 9, t.rotate_left(11)]
}

/// Its output.
#[inline(always)]
fn output([s0, _, _, s3]: [u32; 4]) -> u32 {
    s0.wrapping_add(s3).rotate_left(7).wrapping_add(s0)
}

/// Two words of a lane's seed.
fn seeds(a: u32, b: u32, golden: u32) -> (u32, u32) {
    (mix(a ^ golden), mix(b ^ golden))
}

/// The seed of a lane. Its output takes only the outer words: without the inner ones where no step follows.
#[inline(always)]
fn seed([a, b, c, d]: [u32; 4], lane: usize, steps: bool) -> [u32; 4] {
    let golden = GOLDEN.wrapping_mul(lane as u32 + 1);
    let (s0, s3) = seeds(a, d, golden);
    if !steps && s0 | s3 != 0 {
        return [s0, 0, 0, s3];
    }
    let (s1, s2) = seeds(b, c, golden);
    // The one state that xoshiro cannot leave.
    [s0 | u32::from(s0 | s1 | s2 | s3 == 0), s1, s2, s3]
}

impl Stream {
    #[inline(always)]
    pub(super) fn new(hashes: [u32; 4], samples: usize) -> Stream {
        Stream { lanes: Lanes::Hashes(hashes), stays: samples == 1 }
    }

    /// For where no word is read.
    #[inline(always)]
    pub(crate) const fn silent() -> Stream {
        Stream { lanes: Lanes::Hashes([0; 4]), stays: true }
    }

    /// What `read` makes of the words that come next, and still come next afterwards.
    #[inline(always)]
    pub(crate) fn ahead<R>(&mut self, read: impl FnOnce(&mut Stream) -> R) -> R {
        let stays = self.stays;
        self.stays = true;
        let read = read(self);
        self.stays = stays;
        read
    }

    /// Shows the elements of one sample, every one with its word, lane after lane.
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

    /// Room in memory for the lanes.
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

    /// One word of the row a coordinate, through `law`.
    #[inline(always)]
    pub(crate) fn fill(&mut self, out: &mut [f32], law: &impl Quantile) {
        self.each(out, |out, word| *out = law.quantile(word));
    }

    /// sum += factor · law: one sample's words again.
    #[inline(always)]
    pub(crate) fn add(&mut self, factor: f32, sum: &mut [f32], law: &impl Quantile) {
        self.each(sum, |sum, word| *sum += factor * law.quantile(word));
    }
}
