//! The few coordinates whose scores may be among the k largest, for machines whose loops go by coordinates. (x86-64 and
//! AArch64 never run this file, except with the feature `scalar`.)

use super::bounds::Bounds;
use super::scores::{Base, Perturbed, linear};
use crate::kernel::heap::{least, offer};

/// A coordinate on the list: its position and the upper bound of its score, both as the bits of floats.
type Entry = [f32; 2];

/// The coordinates that one turn of the loop looks at. More of them take more flash.
const TURN: usize = if cfg!(imle_smallest) { 1 } else { 8 };

/// The coordinates whose scores may be among the k largest.
pub(super) struct Shortlist<'a, B> {
    row: &'a Perturbed<'a>,
    bounds: B,
    words: &'a [f32],
    /// The k largest lower bounds of scores, as ranks, the least at the root.
    heap: &'a mut [f32],
    /// In the order of their positions.
    list: &'a mut [Entry],
    len: usize,
}

impl<'a, B: Bounds> Shortlist<'a, B> {
    /// `heap` has room for k ranks. None if the noise has no bounds.
    #[inline(always)]
    pub(super) fn new(
        row: &'a Perturbed<'a>,
        words: &'a [f32],
        heap: &'a mut [f32],
        list: &'a mut [Entry],
    ) -> Option<Self> {
        let bounds = B::new(row.formula.noise, row.formula.tau)?;
        Some(Shortlist { row, bounds, words, heap, list, len: 0 })
    }

    /// Fills the list; its length, which is at least k. None if the target has no bounds, or if the list had no room.
    #[inline(always)]
    pub(super) fn run(mut self) -> Option<usize> {
        let &Perturbed { theta, dz, formula } = self.row;
        let ((words, last_words), (theta, last_theta)) = (self.words.as_chunks::<TURN>(), theta.as_chunks::<TURN>());
        let last = words.as_flattened().len();
        self.heap.fill(0.0);
        let (bounds, mut bar) = (self.bounds, B::of_rank(0));
        match formula.base {
            Base::Theta => {
                for ((words, theta), from) in words.iter().zip(theta).zip((0..).step_by(TURN)) {
                    for ((word, &t), i) in words.iter().zip(theta).zip(from..) {
                        self.look(&bounds, &mut bar, i, word, t);
                    }
                }
                for ((word, &t), i) in last_words.iter().zip(last_theta).zip(last..) {
                    self.look(&bounds, &mut bar, i, word, t);
                }
            }
            Base::Linear { alpha, lambda } => {
                let (dz, last_dz) = dz.as_chunks::<TURN>();
                for (((words, theta), dz), from) in words.iter().zip(theta).zip(dz).zip((0..).step_by(TURN)) {
                    for (((word, &t), &d), i) in words.iter().zip(theta).zip(dz).zip(from..) {
                        self.look(&bounds, &mut bar, i, word, linear(t, d, alpha, lambda));
                    }
                }
                for (((word, &t), &d), i) in last_words.iter().zip(last_theta).zip(last_dz).zip(last..) {
                    self.look(&bounds, &mut bar, i, word, linear(t, d, alpha, lambda));
                }
            }
            Base::Combinatorial => return None,
        }
        self.drop_below(bar)
    }

    /// Looks at a coordinate. `bounds` are those of self: a copy that stays in registers.
    #[inline(always)]
    fn look(&mut self, bounds: &B, bar: &mut B::Bound, i: usize, word: &f32, base: f32) {
        let word = word.to_bits();
        let upper = bounds.upper(base, word);
        if upper < *bar {
            return;
        }
        *bar = self.consider(i, word, upper);
    }

    /// Puts a coordinate on the list; the bar that follows.
    #[inline(never)]
    fn consider(&mut self, i: usize, word: u32, upper: B::Bound) -> B::Bound {
        let Shortlist { row, bounds, heap, list, len, .. } = self;
        if let Some(slot) = list.get_mut(*len) {
            *slot = [i as u32, B::to_bits(upper)].map(f32::from_bits);
        }
        *len += 1;
        // A score that is out of range may be anywhere beyond it, so it does not raise the bar.
        if bounds.in_range(upper) {
            let exact = || bounds.lower_of_score(row.score_of_word(i, word));
            offer(heap, B::rank(bounds.lower(upper, word).unwrap_or_else(exact)));
        }
        B::of_rank(least(heap))
    }

    /// Drops the entries whose upper bounds are below the last bar; None if the list had no room for all.
    #[inline(always)]
    fn drop_below(self, bar: B::Bound) -> Option<usize> {
        let list = self.list.get_mut(..self.len)?;
        let mut kept = 0;
        for j in 0..list.len() {
            let entry = list.get(j).copied().unwrap_or_default();
            if B::from_bits(entry[1].to_bits()) < bar {
                continue;
            }
            if let Some(slot) = list.get_mut(kept) {
                *slot = entry;
            }
            kept += 1;
        }
        Some(kept)
    }
}
