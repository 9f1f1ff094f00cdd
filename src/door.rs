//! The door of every call: is this input good? What passes here cannot fail later.

use crate::error::BadRow;
use crate::kernel::reduce::all_finite;
use crate::mask::{has_unmasked, is_masked};
use crate::noise::STRATIFIED;
use crate::views::lists::Lists;
use crate::views::rows::{DzView, block_mut, check_length};
use crate::{Argument, Coupling, Error, Key, MapSolver, Rule, Shape, States, Unsolved};

/// All samples of a row have numbers below this.
const SAMPLE_NUMBERS: u32 = 1 << 28;

/// Refuses a key that does not fit the batch.
#[cfg_attr(imle_small, inline(always))]
pub(crate) fn check_key(key: &Key<'_>, shape: Shape) -> Result<(), Error> {
    // The difference does not wrap, because S is at most 2²⁴.
    if key.sample0 > SAMPLE_NUMBERS - shape.samples {
        return Err(Error::Shape { rule: Rule::SamplesNumbered });
    }
    key.row_ids.map_or(Ok(()), |ids| check_length(Argument::RowIds, ids, shape.rows()))
}

/// Refuses a key whose strata do not fit the coupling of the samples; the number of strata, 1 if there are none.
#[cfg_attr(imle_small, inline(always))]
pub(crate) fn check_coupling(coupling: Coupling, key: &Key<'_>, shape: Shape) -> Result<u32, Error> {
    // A build without stratified noise has refused it with the options.
    if coupling == Coupling::Independent || !STRATIFIED {
        return if key.strata == 0 { Ok(1) } else { Err(Error::Option { rule: Rule::IndependentHasNoStrata }) };
    }
    let strata = if key.strata == 0 { shape.samples } else { key.strata };
    // The sum does not wrap, because `check_key` has seen that it is at most 2²⁸.
    if key.sample0 + shape.samples <= strata {
        Ok(strata)
    } else {
        Err(Error::Shape { rule: Rule::SamplesWithinStrata })
    }
}

/// Refuses index lists of a solver that does not tell how many ones its states have.
pub(crate) fn check_has_lists(shape: Shape, solver: &impl MapSolver) -> Result<(), Error> {
    if (0..shape.rows()).any(|b| solver.max_ones(b).is_none()) { Err(Error::NoLists) } else { Ok(()) }
}

/// Refuses outputs that are too short for the states of a batch, lists of a solver that has none, and no outputs at all
/// (an empty batch needs none).
#[cfg_attr(imle_small, inline(always))]
pub(crate) fn check_states(states: &States<'_>, shape: Shape, solver: &impl MapSolver) -> Result<(), Error> {
    states.check_lengths(shape)?;
    if states.is_none() && shape.rows > 0 {
        return Err(Error::NoOutput);
    }
    if states.indices.is_some() { check_has_lists(shape, solver) } else { Ok(()) }
}

/// Refuses a row whose θ is not good, or that has no state. `work` is at least what the solver needs.
pub(crate) fn check_row(solver: &impl MapSolver, b: usize, theta: &[f32], work: &mut [f32]) -> Result<(), BadRow> {
    // A k-subset needs k coordinates that are not masked: one look at θ tells both.
    match solver.selects(b) {
        Some(k) => match has_unmasked(theta, k) {
            None => Err(BadRow::NonFinite(Argument::Theta)),
            Some(false) => Err(BadRow::Infeasible),
            Some(true) => Ok(()),
        },
        None => {
            check_scores_of(solver, b, Argument::Theta, theta)?;
            check_feasible(solver, b, theta, work)
        }
    }
}

/// Refuses a row whose θ is not good, that has no state, or of which a list is not a state. The call has no workspace. A
/// set that needs some to look for a state has one if a list is good.
pub(crate) fn check_listed_row(
    solver: &impl MapSolver,
    b: usize,
    theta: &[f32],
    lists: Lists<'_>,
    samples: usize,
) -> Result<(), BadRow> {
    match solver.workspace_len(theta.len()) {
        0 => check_row(solver, b, theta, &mut [])?,
        _ => check_scores_of(solver, b, Argument::Theta, theta)?,
    }
    check_lists(solver, b, lists, samples, theta)
}

/// Refuses a row that has no state. `work` is at least what the solver needs.
pub(crate) fn check_feasible(solver: &impl MapSolver, b: usize, theta: &[f32], work: &mut [f32]) -> Result<(), BadRow> {
    if solver.feasible(b, theta, solver_work(solver, theta.len(), work)) { Ok(()) } else { Err(BadRow::Infeasible) }
}

/// Calls the solver. `work` is at least what it needs.
pub(crate) fn solve(
    solver: &impl MapSolver,
    b: usize,
    scores: &[f32],
    z: &mut [f32],
    work: &mut [f32],
) -> Result<(), BadRow> {
    solver.map(b, scores, z, solver_work(solver, scores.len(), work)).map_err(|Unsolved| BadRow::Unsolved)
}

/// The solver's share of a workspace, which is at least as long.
fn solver_work<'w>(solver: &impl MapSolver, n: usize, work: &'w mut [f32]) -> &'w mut [f32] {
    block_mut(work, 0, solver.workspace_len(n))
}

/// Refuses a row of θ that is neither finite nor −inf somewhere.
pub(crate) fn check_theta_row(theta: &[f32]) -> Result<(), BadRow> {
    check_scores(Argument::Theta, theta)
}

/// Refuses scores that are neither finite nor −inf somewhere.
pub(crate) fn check_scores(argument: Argument, scores: &[f32]) -> Result<(), BadRow> {
    has_unmasked(scores, 0).map(|_| ()).ok_or(BadRow::NonFinite(argument))
}

/// The same for scores of row b of a solver, which may read a corner of them only.
pub(crate) fn check_scores_of(
    solver: &impl MapSolver,
    b: usize,
    argument: Argument,
    scores: &[f32],
) -> Result<(), BadRow> {
    match solver.corner(b) {
        None => check_scores(argument, scores),
        Some(corner) => corner.lines(scores).try_for_each(|line| check_scores(argument, line)),
    }
}

/// Refuses gradients of row b that are not finite.
pub(crate) fn check_dz_row(dz: DzView<'_>, b: usize, samples: usize) -> Result<(), BadRow> {
    for dz in dz.row(b, samples) {
        check_finite(Argument::Dz, dz)?;
    }
    Ok(())
}

/// The same for a solver, which may read a corner of them only.
#[inline(always)]
pub(crate) fn check_dz_of(solver: &impl MapSolver, b: usize, dz: DzView<'_>, samples: usize) -> Result<(), BadRow> {
    match solver.corner(b) {
        None => check_dz_row(dz, b, samples),
        Some(_) => dz.row(b, samples).try_for_each(|dz| check_finite_of(solver, b, Argument::Dz, dz)),
    }
}

/// Refuses values of row b that are not finite, in the corner that the solver reads.
pub(crate) fn check_finite_of(
    solver: &impl MapSolver,
    b: usize,
    argument: Argument,
    values: &[f32],
) -> Result<(), BadRow> {
    match solver.corner(b) {
        None => check_finite(argument, values),
        Some(corner) => corner.lines(values).try_for_each(|line| check_finite(argument, line)),
    }
}

/// Refuses values that are not finite.
pub(crate) fn check_finite(argument: Argument, values: &[f32]) -> Result<(), BadRow> {
    if all_finite(values) { Ok(()) } else { Err(BadRow::NonFinite(argument)) }
}

/// Refuses index lists that are not states of the row: as many unmasked positions as a state has ones (at most K, if
/// the solver does not tell), ascending, and `u32::MAX` behind them.
pub(crate) fn check_lists(
    solver: &impl MapSolver,
    b: usize,
    lists: Lists<'_>,
    samples: usize,
    theta: &[f32],
) -> Result<(), BadRow> {
    let ones = solver.ones(b);
    for s in 0..samples {
        let ones = ones.unwrap_or_else(|| lists.ones(s));
        let Some((positions, tail)) = lists.get(s).split_at_checked(ones) else { return Err(BadRow::NotAState) };
        let mut least = 0;
        for &i in positions {
            if i < least || theta.get(i as usize).is_none_or(|&t| is_masked(t)) {
                return Err(BadRow::NotAState);
            }
            least = i.wrapping_add(1);
        }
        if tail.iter().any(|&i| i != u32::MAX) || !solver.has_list(b, positions) {
            return Err(BadRow::NotAState);
        }
    }
    Ok(())
}

/// Refuses a z that is not a state of the row: 0 or 1, with as many ones as a state has, if that is known, and none at a
/// mask.
pub(crate) fn check_z(solver: &impl MapSolver, b: usize, z: &[f32], theta: &[f32]) -> Result<(), BadRow> {
    let good = z.iter().zip(theta).all(|(&z, &t)| z == 0.0 || (z == 1.0 && !is_masked(t)));
    let counted = || z.iter().filter(|&&z| z != 0.0).count();
    let good = good && solver.ones(b).is_none_or(|ones| ones == counted()) && solver.has_z(b, z);
    if good { Ok(()) } else { Err(BadRow::NotAState) }
}
