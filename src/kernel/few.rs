//! Rows of at most 64 scores: all of them are computed, a state is a word, and a row's samples are found in one go.

use super::elementwise::{Perturbed, copy};
use super::level::{self, Kernel, Level};
use super::select::best_of_few;
use super::{EIGHT, LANES};
use crate::noise::{Law, Stream};
use crate::rows::DzView;
use crate::states::Lists;

/// So many scores are few: as many as a word has bits.
pub(crate) const FEW: usize = 64;

/// Whether the choice of k of n is made here, where loops go by lanes.
#[inline(always)]
pub(crate) const fn are_few(n: usize, k: usize) -> bool {
    n <= FEW && 1 <= k && k < n
}

/// A row of which the k largest scores are chosen, 1 ≤ k < n, equal scores by lower index: bit i of a state is z_i. At least
/// k coordinates are not masked.
pub(crate) struct Few<'a> {
    pub k: usize,
    /// z: its scores, but for dz, unless lists say what it is.
    pub first: Option<Perturbed<'a>>,
    /// Checked in any case.
    pub lists: Option<Lists<'a>>,
    /// z': its scores, but for dz.
    pub target: Perturbed<'a>,
    /// What the scores need, if they do, and the number of the row in it.
    pub dz: Option<DzView<'a>>,
    pub b: usize,
    /// Whether z' is z where none of the scores that a list has chosen falls and no other rises.
    pub descends: bool,
}

impl<'a> Few<'a> {
    /// For states of θ's scores alone.
    pub(crate) fn of(theta: &Perturbed<'a>, k: usize) -> Self {
        Few { k, first: None, lists: None, target: *theta, dz: None, b: 0, descends: false }
    }

    /// z and z' of the samples from `from` on, as many as there is room for. False if a dz is not finite or a list is no
    /// state of the row.
    pub(crate) fn choose(&self, stream: &mut Stream, from: usize, states: &mut [[u64; 2]]) -> bool {
        level::run(Choose { row: self, stream, from, states })
    }
}

struct Choose<'a> {
    row: &'a Few<'a>,
    stream: &'a mut Stream,
    from: usize,
    states: &'a mut [[u64; 2]],
}

impl Kernel for Choose<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<L: Level>(self) -> bool {
        let Choose { row: Few { k, first, lists, target, dz, b, descends }, stream, from, states } = self;
        let mut row = Row::new(target, *k);
        let unmasked = row.unmasked::<L>();
        for (s, [z, z_target]) in (from..).zip(states) {
            if let Some(dz) = dz
                && !row.set_dz(dz.get(*b, s))
            {
                return false;
            }
            if let Some(lists) = lists {
                match lists.bits(s, *k, unmasked) {
                    Some(state) => *z = state,
                    None => return false,
                }
            }
            row.read(stream);
            if first.is_none() && *descends && row.has_descended::<L>(*z) {
                *z_target = *z;
                continue;
            }
            row.draw();
            if let Some(first) = first {
                *z = row.choose::<L>(first);
            }
            *z_target = row.choose::<L>(target);
        }
        true
    }
}

/// A row of n padded to whole blocks: loops over it have no rest.
struct Row<'a> {
    n: usize,
    k: usize,
    law: Law<'a>,
    /// Then masks.
    theta: [f32; FEW],
    /// Then zeros.
    dz: [f32; FEW],
    /// The sample's words, then its noise.
    epsilon: [f32; FEW],
    scores: [f32; FEW],
}

impl<'a> Row<'a> {
    #[inline(always)]
    fn new(scores: &Perturbed<'a>, k: usize) -> Self {
        let mut theta = [f32::NEG_INFINITY; FEW];
        copy(scores.theta, &mut theta);
        let zeros = [0.0; FEW];
        Row { n: scores.theta.len(), k, law: scores.law, theta, dz: zeros, epsilon: zeros, scores: zeros }
    }

    /// The coordinates that are not masked.
    #[inline(always)]
    fn unmasked<L: Level>(&self) -> u64 {
        let mut unmasked = 0;
        for block in self.theta.as_chunks().0.iter().rev() {
            unmasked = unmasked << LANES | u64::from(L::at_least(block, f32::MIN));
        }
        unmasked
    }

    /// Whether all are finite.
    #[inline(always)]
    fn set_dz(&mut self, dz: &[f32]) -> bool {
        copy(dz, &mut self.dz);
        // 0 · x is 0 for a finite x.
        let mut zeros = [0.0; EIGHT];
        for eight in self.dz.as_chunks::<EIGHT>().0.iter().take(self.n.div_ceil(EIGHT)) {
            for (zero, x) in zeros.iter_mut().zip(eight) {
                *zero += 0.0 * x;
            }
        }
        zeros.iter().fold(true, |all, &zero| all & (zero == 0.0))
    }

    /// The words of the next sample.
    #[inline(always)]
    fn read(&mut self, stream: &mut Stream) {
        let blocks = self.n.next_multiple_of(LANES);
        self.law.fill_words(stream, self.epsilon.get_mut(..blocks).unwrap_or_default());
    }

    /// Makes noise of them.
    #[inline(always)]
    fn draw(&mut self) {
        self.law.exact(self.epsilon.get_mut(..self.n.next_multiple_of(EIGHT)).unwrap_or_default());
    }

    /// The k largest scores.
    #[inline(always)]
    fn choose<L: Level>(&mut self, perturbed: &Perturbed<'_>) -> u64 {
        let Row { n, k, theta, dz, epsilon, scores, .. } = self;
        let inputs = theta.as_chunks().0.iter().zip(dz.as_chunks().0).zip(epsilon.as_chunks().0);
        for (scores, ((theta, dz), epsilon)) in scores.as_chunks_mut().0.iter_mut().zip(inputs).take(n.div_ceil(EIGHT))
        {
            *scores = perturbed.eight(*theta, *dz, *epsilon);
        }
        best_of_few::<L>(scores, *n, *k).bits
    }

    /// Whether dz ≤ 0 at every one and dz ≥ 0 at every zero: a step against dz raises what is chosen and nothing else.
    #[inline(always)]
    fn has_descended<L: Level>(&self, z: u64) -> bool {
        let mut ones = z;
        for block in self.dz.as_chunks().0.iter().take(self.n.div_ceil(LANES)) {
            let (here, at_least, at_most) = (ones as u32, L::at_least(block, 0.0), L::at_most(block, 0.0));
            if (here & !at_most | !here & !at_least) & ((1 << LANES) - 1) != 0 {
                return false;
            }
            ones >>= LANES;
        }
        true
    }
}
