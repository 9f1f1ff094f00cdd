//! The row's words where there are no vector units: lane after lane, each in four registers.

use super::{GOLDEN, Stream, mix};
use crate::kernel::LANES;
use crate::noise::Quantile;

/// xoshiro128++
struct Lane([u32; 4]);

impl Lane {
    #[inline(always)]
    fn next(&mut self) -> u32 {
        let [s0, s1, s2, s3] = self.0;
        let (s2, t) = (s2 ^ s0, s3 ^ s1);
        self.0 = [s0 ^ t, s1 ^ s2, s2 ^ s1 << 9, t.rotate_left(11)];
        s0.wrapping_add(s3).rotate_left(7).wrapping_add(s0)
    }
}

impl Stream {
    /// Sets the lanes from hashes, in place: a stream is too large to be handed around.
    #[inline(never)]
    pub(super) fn seed(&mut self, [a, b, c, d]: [u32; 4]) {
        let mut golden = 0_u32;
        for lane in self.lanes() {
            golden = golden.wrapping_add(GOLDEN);
            *lane = [mix(a ^ golden), mix(b ^ golden), mix(c ^ golden), mix(d ^ golden)];
            // The one state that xoshiro cannot leave.
            if let [s0 @ 0, 0, 0, 0] = lane {
                *s0 = 1;
            }
        }
    }

    /// Here the four words of a lane are neighbours.
    #[inline(always)]
    fn lanes(&mut self) -> &mut [[u32; 4]] {
        self.state.as_flattened_mut().as_chunks_mut().0
    }

    /// Shows one sample of n coordinates, every one with its word, in the order of the lanes.
    #[inline(always)]
    pub(crate) fn visit(&mut self, n: usize, mut show: impl FnMut(usize, u32)) {
        let stays = self.stays;
        for (first, kept) in self.lanes().iter_mut().enumerate() {
            let mut lane = Lane(*kept);
            let mut i = first;
            while i < n {
                show(i, lane.next());
                i += LANES;
            }
            // The next sample starts at a fresh block.
            if i < n.next_multiple_of(LANES) {
                lane.next();
            }
            if !stays {
                *kept = lane.0;
            }
        }
    }

    /// As [`Stream::fill`].
    #[inline(always)]
    pub(super) fn fill_by_lanes(&mut self, out: &mut [f32], law: &impl Quantile) {
        self.visit(out.len(), |i, word| {
            if let Some(out) = out.get_mut(i) {
                *out = law.quantile(word);
            }
        });
    }

    /// As [`Stream::add`].
    #[inline(always)]
    pub(super) fn add_by_lanes(&mut self, factor: f32, sum: &mut [f32], law: &impl Quantile) {
        self.visit(sum.len(), |i, word| {
            if let Some(sum) = sum.get_mut(i) {
                *sum += factor * law.quantile(word);
            }
        });
    }

    /// As [`Stream::skip`].
    #[inline(never)]
    pub(super) fn skip_by_lanes(&mut self, n: usize) {
        self.visit(n, |_, _| ());
    }
}
