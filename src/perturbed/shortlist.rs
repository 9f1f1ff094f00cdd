//! The few coordinates whose scores may be among the k largest, for machines whose loops go by coordinates. (x86-64 and
//! AArch64 never run this file, except with the feature `scalar`.)

use core::cell::Cell;

use super::bounds::Bounds;
use super::scores::{Base, Perturbed, linear};
use crate::kernel::heap::{least, offer};

/// A coordinate on the list: its position and the upper bound of its score, both as the bits of floats. Once the list is
/// full, the bound of a coordinate that is certain to be among the k largest is [`CERTAIN`].
type Entry = [f32; 2];

/// The bits of no bound: a NaN that no operation makes, or more than any whole number.
const CERTAIN: u32 = i32::MAX as u32;

/// The position of an entry, and whether it is certain to be among the k largest.
#[inline(always)]
pub(super) fn read(entry: &Entry) -> (usize, bool) {
    let [i, upper] = entry.map(f32::to_bits);
    (i as usize, !cfg!(imle_smallest) && upper == CERTAIN)
}

/// The coordinates that one turn of the loop looks at. More of them take more flash.
const TURN: usize = if cfg!(imle_smallest) { 1 } else { 8 };

/// The coordinates whose scores may be among the k largest.
pub(super) struct Shortlist<'a, B> {
    row: &'a Perturbed<'a>,
    bounds: B,
    /// The complements of the words.
    complements: &'a [f32],
    /// The positions of a state that may be close to the k largest scores, ascending.
    hint: &'a [f32],
    /// The k largest lower bounds of scores, as ranks, the least at the root.
    heap: &'a mut [f32],
    /// In the order of their positions.
    list: &'a mut [Entry],
    len: usize,
}

impl<'a, B: Bounds> Shortlist<'a, B> {
    /// `heap` has room for k ranks, and `hint` has at most k positions. None if the noise has no bounds.
    #[inline(always)]
    pub(super) fn new(
        row: &'a Perturbed<'a>,
        complements: &'a [f32],
        hint: &'a [f32],
        heap: &'a mut [f32],
        list: &'a mut [Entry],
    ) -> Option<Self> {
        let bounds = B::new(row.formula.noise, row.formula.tau)?;
        Some(Shortlist { row, bounds, complements, hint, heap, list, len: 0 })
    }

    /// Fills the list; its length, which is at least k, and the number of its entries that are certain to be chosen. None if
    /// the target has no bounds, or if the list had no room.
    #[inline(always)]
    pub(super) fn run(mut self) -> Option<(usize, usize)> {
        let &Perturbed { theta, dz, formula } = self.row;
        let (words, last_words) = self.complements.as_chunks::<TURN>();
        let (theta, last_theta) = theta.as_chunks::<TURN>();
        let last = words.as_flattened().len();
        self.heap.fill(0.0);
        let (bounds, mut bar) = (self.bounds, self.bar_of_hint());
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
        let kept = self.drop_below(bar)?;
        let marks = !cfg!(imle_smallest) && kept > self.heap.len();
        Some((kept, if marks { self.mark_certain(kept) } else { 0 }))
    }

    /// Looks at a coordinate. `bounds` are those of self: a copy that stays in registers.
    #[inline(always)]
    fn look(&mut self, bounds: &B, bar: &mut B::Bound, i: usize, complement: &f32, base: f32) {
        let upper = bounds.upper(base, complement.to_bits());
        if upper < *bar {
            return;
        }
        *bar = self.consider(i, upper);
    }

    /// Puts a coordinate on the list; the bar that follows.
    #[inline(never)]
    fn consider(&mut self, i: usize, upper: B::Bound) -> B::Bound {
        if let Some(slot) = self.list.get_mut(self.len) {
            *slot = [i as u32, B::to_bits(upper)].map(f32::from_bits);
        }
        self.len += 1;
        if !self.is_hinted(i) {
            self.raise(i, upper);
        }
        B::of_rank(least(self.heap))
    }

    /// True if the heap has this coordinate already. Takes the hints up to it away.
    #[inline(always)]
    fn is_hinted(&mut self, i: usize) -> bool {
        while let Some((hinted, rest)) = self.hint.split_first() {
            let hinted = hinted.to_bits() as usize;
            if hinted > i {
                return false;
            }
            self.hint = rest;
            if hinted == i {
                return true;
            }
        }
        false
    }

    /// Offers a coordinate to the heap.
    #[inline(always)]
    fn raise(&mut self, i: usize, upper: B::Bound) {
        let p = self.complement(i);
        // A score that is out of range may be anywhere beyond it, so it does not raise the bar.
        if self.bounds.in_range(upper) {
            let exact = || self.bounds.lower_of_score(self.row.score_of_word(i, !p));
            offer(self.heap, B::rank(self.bounds.lower(upper, p).unwrap_or_else(exact)));
        }
    }

    /// The bar that the coordinates of the hint reach.
    fn bar_of_hint(&mut self) -> B::Bound {
        for i in self.hint {
            let i = i.to_bits() as usize;
            self.raise(i, self.bounds.upper(self.row.base(i), self.complement(i)));
        }
        B::of_rank(least(self.heap))
    }

    #[inline(always)]
    fn complement(&self, i: usize) -> u32 {
        self.complements.get(i).map_or(0, |p| p.to_bits())
    }

    /// Drops the entries whose upper bounds are below the last bar; the number of the others. None if the list had no room.
    #[inline(always)]
    fn drop_below(&mut self, bar: B::Bound) -> Option<usize> {
        let list = Cell::from_mut(self.list.get_mut(..self.len)?).as_slice_of_cells();
        let mut kept = 0;
        for entry in list {
            let [i, upper] = entry.get();
            if B::from_bits(upper.to_bits()) < bar {
                continue;
            }
            if let Some(slot) = list.get(kept) {
                slot.set([i, upper]);
            }
            kept += 1;
        }
        Some(kept)
    }

    /// Marks the entries whose lower bounds exceed the (k+1)-th largest upper bound, so that they are among the k largest,
    /// whatever their scores are; their number.
    #[inline(always)]
    fn mark_certain(self, kept: usize) -> usize {
        let Shortlist { bounds, complements, heap, list, .. } = self;
        // That bound is the last of the smallest ones, if these are few.
        let smallest = heap.get_mut(..kept - heap.len());
        let (Some(smallest), Some(list)) = (smallest, list.get_mut(..kept)) else { return 0 };
        smallest.fill(0.0);
        for [_, upper] in &*list {
            offer(smallest, !B::rank(B::from_bits(upper.to_bits())));
        }
        let (next, mut certain) = (!least(smallest), 0);
        for [i, upper] in list {
            let bound = B::from_bits(upper.to_bits());
            let p = complements.get(i.to_bits() as usize).filter(|_| bounds.in_range(bound));
            let lower = p.and_then(|p| bounds.lower(bound, p.to_bits()));
            if lower.is_some_and(|lower| B::rank(lower) > next) {
                *upper = f32::from_bits(CERTAIN);
                certain += 1;
            }
        }
        certain
    }
}
