//! Perturbed scores, base + τ·ε, and the k largest of them, whatever way is the fastest for the machine and the sizes.
//!
//! `scores` has the arithmetic. Machines whose loops go by lanes take one of three ways: `few` for rows of at most 64
//! scores, `pruned` for few of many, which computes only the scores that bounds do not rule out, and else all scores and
//! a selection. Machines whose loops go by coordinates take `scalar`. The results are the same to the last bit: those of
//! computing all scores and sorting them.

mod bounds;
pub(crate) mod few;
mod pruned;
mod scalar;
pub(crate) mod scores;
mod shortlist;
mod threshold;

use crate::arch::SCALAR;
use crate::kernel::select;
use crate::noise::SampleWords;
use crate::views::state::State;
use few::are_few;
use scores::Perturbed;

/// The k largest scores of a sample, with a workspace of 3·n floats, or of the 2·n that another state has left; the
/// state, and the rest of the workspace. At least k coordinates are not masked. `hint`, if it is given, is a state that may
/// be close to this one.
#[cfg_attr(imle_small, inline(always))]
pub(crate) fn k_largest<'w>(
    row: &Perturbed<'_>,
    k: usize,
    words: SampleWords<'_>,
    hint: Option<State<'_>>,
    work: &'w mut [f32],
) -> (State<'w>, &'w mut [f32]) {
    let n = row.theta.len();
    if SCALAR {
        let hint = match hint {
            Some(State::Ones(ones)) if !cfg!(imle_smallest) => ones,
            _ => &[],
        };
        scalar::k_largest(row, k, words, hint, work);
        return ones_in_front(work, k);
    }
    if pruned::pays(n, k) {
        pruned::k_largest(row, k, words, work);
        return ones_in_front(work, k);
    }
    debug_assert!(work.len() >= 2 * n, "no room for a state and its scores");
    let (z, rest) = work.split_at_mut_checked(n).unwrap_or_default();
    let all = rest.get_mut(..n).unwrap_or_default();
    row.draw(words, all);
    select::map(all, k, z);
    (State::Dense(z), rest)
}

/// The state whose k positions are at the front of the workspace, and the rest.
// Inlined, so that the caller knows which kind of state it is.
#[inline(always)]
fn ones_in_front(work: &mut [f32], k: usize) -> (State<'_>, &mut [f32]) {
    debug_assert!(work.len() >= k, "no room for {k} positions");
    let (ones, rest) = work.split_at_mut_checked(k).unwrap_or_default();
    (State::Ones(ones), rest)
}

/// MAP(θ) of a row that has at least k coordinates which are not masked, with a workspace of n floats. No noise is linked
/// with it.
pub(crate) fn map_row<'w>(theta: &[f32], k: usize, work: &'w mut [f32]) -> State<'w> {
    if are_few(theta.len(), k) {
        return State::Bits(select::set_of_short(theta, k));
    }
    let z = work.get_mut(..theta.len()).unwrap_or_default();
    select::map(theta, k, z);
    State::Dense(z)
}

/// MAP(θ) of a row that was not looked at before, in one pass: the positions of the k largest θ, ascending, as the bits of
/// floats at the front of `work`. False if this does not pay for such sizes, or if the row is not good: it has NaN, +inf,
/// or fewer than k coordinates that are not masked. The contents of `work` are then unspecified.
pub(crate) fn map_unchecked_row(theta: &[f32], k: usize, work: &mut [f32]) -> bool {
    if SCALAR {
        return scalar::map_unchecked_row(theta, k, work);
    }
    pruned::pays(theta.len(), k) && pruned::map_unchecked_row(theta, k, work)
}
