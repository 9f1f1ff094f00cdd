//! A row of few scores, and what is asked of it.

use crate::arch::{Dispatch, EIGHT, Isa};
use crate::kernel::lanes::copy;
use crate::kernel::select::FEW;
use crate::mask::unmasked_bits;
use crate::perturbed::scores::Formula;
use crate::views::lists::Lists;
use crate::views::rows::DzView;

/// True if k of n are chosen here, on machines whose loops go by lanes.
#[inline(always)]
pub(crate) const fn are_few(n: usize, k: usize) -> bool {
    n <= FEW && 1 <= k && k < n
}

/// A row from which the k largest scores are chosen, 1 ≤ k < n ≤ 64. At least k coordinates are not masked. Bit i of a
/// state is z_i.
#[derive(Clone, Copy)]
pub(crate) struct Few<'a> {
    pub theta: &'a [f32],
    pub k: usize,
}

/// How z and z' of a sample are found.
pub(crate) struct Pair<'a> {
    pub z: First<'a>,
    /// The scores of z'. The noise is that of z.
    pub target: Formula<'a>,
    pub dz: DzView<'a>,
    /// The number of the row in `dz`.
    pub b: usize,
}

/// How z is found.
pub(crate) enum First<'a> {
    /// It is the choice of these scores.
    Chosen(Formula<'a>),
    /// A list says it.
    Listed(Lists<'a>),
}

/// The states that lists say, of the `samples` ≤ 8 samples from s on; None if one is not a state of the row.
pub(super) struct Listed<'a> {
    pub row: Few<'a>,
    pub lists: Lists<'a>,
    pub s: usize,
    pub samples: usize,
}

impl Dispatch for Listed<'_> {
    type Output = Option<[u64; EIGHT]>;
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Option<[u64; EIGHT]> {
        let Listed { row, lists, s, samples } = self;
        let mut theta = [f32::NEG_INFINITY; FEW];
        copy(row.theta, &mut theta);
        let unmasked = unmasked_bits(isa, theta.as_chunks().0);
        let mut states = [0; EIGHT];
        for (state, s) in states.iter_mut().zip(s..).take(samples) {
            *state = lists.checked_bits(s, row.k, unmasked)?;
        }
        Some(states)
    }
}
