//! The interface of a constraint set.

use crate::kernel::corner::Corner;
use crate::mask::has_unmasked;
use crate::{Error, Rule, Shape};

/// The solver gave up on a row: [`MapSolver::map`] returns it, and the call that asked returns
/// [`Error::Unsolved`](crate::Error::Unsolved) with the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsolved;

/// A constraint set C and its solver: the only thing the estimators know about the structure z.
///
/// Implement it for matchings, paths, packings: anything with a solver for the best state under given scores. A
/// reference to a solver is a solver, too.
///
/// Only [`map`](MapSolver::map) is required. The other methods say what is special about the set: how much workspace the
/// solver needs, how many ones a state has, which rows have no state, and which shapes the solver was made for.
///
/// The answers of a solver are not checked. If z has other values than 0 and 1, or another number of ones than
/// [`ones`](MapSolver::ones) and [`max_ones`](MapSolver::max_ones) say, no memory is at risk, but the results are
/// meaningless and no error tells you so: an index list is cut off or ends early, and a gradient may be NaN.
///
/// # Scores
/// The scores that a solver is given are −inf exactly where θ is masked, and never NaN. Elsewhere they are at least
/// `f32::MIN`, which a score that overflows downwards is raised to, and a score that overflows upwards is +inf. So a
/// solver that adds scores can meet a sum of −inf that has no mask in it, and −inf − (−inf) is NaN. Look for masks in the
/// scores themselves, not in sums of them, and return [`Unsolved`] where a sum that is not finite leaves no answer.
///
/// ```
/// use imle::{Imle, Key, MapSolver, Options, Rows, Shape, States, Unsolved};
///
/// /// One choice in each half of the row.
/// struct OnePerHalf;
///
/// impl MapSolver for OnePerHalf {
///     fn map(&self, _row: usize, scores: &[f32], z: &mut [f32], _work: &mut [f32]) -> Result<(), Unsolved> {
///         let half = scores.len() / 2;
///         z.fill(0.0);
///         for (scores, z) in scores.chunks(half).zip(z.chunks_mut(half)) {
///             let best = (0..half).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
///             z[best] = 1.0;
///         }
///         Ok(())
///     }
///
///     fn ones(&self, _row: usize) -> Option<usize> {
///         Some(2)
///     }
///
///     fn feasible(&self, _row: usize, theta: &[f32], _work: &mut [f32]) -> bool {
///         theta.chunks(theta.len() / 2).all(|half| half.iter().any(|&t| t != f32::NEG_INFINITY))
///     }
/// }
///
/// let shape = Shape { rows: 1, n: 4, k: 2, samples: 1 };
/// let layer = Imle::new(shape, OnePerHalf, Options::default())?;
/// let (mut z, mut work) = ([0.0; 4], [0.0; 12]);
/// layer.map(Rows::contiguous(&[0.1, 0.7, 0.9, 0.2]), States::z(&mut z), &mut work)?;
/// assert_eq!(z, [0.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), imle::Error>(())
/// ```
///
/// `examples/own_solver` has two solvers for real problems, a knapsack and an assignment, with workspace, states of
/// different size, and a search for rows without a state.
pub trait MapSolver {
    /// z = argmax_{z ∈ C} ⟨z, scores⟩ for row `row` of the batch. The solver may break ties as it likes, but always in the
    /// same way.
    ///
    /// `scores` and `z` have N elements, `work` has the [`workspace_len`](MapSolver::workspace_len) of this N. z must be 0
    /// where the score is −inf. `z` and `work` come with unspecified contents; every element of z must be written, with 0
    /// or 1.
    ///
    /// # Errors
    /// [`Unsolved`] if there is no answer, for instance because a budget is used up.
    fn map(&self, row: usize, scores: &[f32], z: &mut [f32], work: &mut [f32]) -> Result<(), Unsolved>;

    /// The floats of `work` for rows of n, 0 by default. The layer adds them to its own workspace.
    fn workspace_len(&self, n: usize) -> usize {
        let _ = n;
        0
    }

    /// The number of ones in every state of the row, if all states have the same number.
    fn ones(&self, row: usize) -> Option<usize> {
        let _ = row;
        None
    }

    /// The largest number of ones in a state of the row, by default that of [`ones`](MapSolver::ones). Only solvers that
    /// tell it can give and take index lists; the shape's K must be at least as large. Where a state has fewer ones, its
    /// list ends in `u32::MAX`.
    fn max_ones(&self, row: usize) -> Option<usize> {
        self.ones(row)
    }

    /// True if the row has a state that avoids every masked entry (θ = −inf). Rows without one are
    /// [`Error::Infeasible`](crate::Error::Infeasible) and never reach [`map`](MapSolver::map). By default a row needs as many
    /// unmasked entries as its states have ones; if [`ones`](MapSolver::ones) does not tell, every row is feasible, also one
    /// that is masked everywhere. `work` is as for [`map`](MapSolver::map).
    fn feasible(&self, row: usize, theta: &[f32], work: &mut [f32]) -> bool {
        let _ = work;
        self.ones(row).is_none_or(|k| has_unmasked(theta, k) == Some(true))
    }

    /// Refuses a shape that the solver does not serve. A layer asks once, when it is built. By default no row's states may
    /// have more ones than the shape's k. A solver that was made for certain rows or a certain N refuses others here, so that
    /// [`map`](MapSolver::map) need not look.
    ///
    /// # Errors
    /// [`Error::Shape`] with [`Rule::SolverAtMostK`] by default, or with [`Rule::SolverFits`].
    fn check(&self, shape: Shape) -> Result<(), Error> {
        let too_many = |b| self.max_ones(b).is_some_and(|ones| ones > shape.k());
        if (0..shape.rows()).any(too_many) { Err(Error::Shape { rule: Rule::SolverAtMostK }) } else { Ok(()) }
    }

    /// k, if the states of the row are all k-subsets, so that MAP chooses the k largest scores by the rule for ties. Such a
    /// set need not compute most scores.
    #[doc(hidden)]
    fn selects(&self, row: usize) -> Option<usize> {
        let _ = row;
        None
    }

    /// The part of a row that is read, if it is not all of it. What lies outside may be NaN in every input; it is 0 in z,
    /// marginals and gradients.
    #[doc(hidden)]
    fn corner(&self, row: usize) -> Option<Corner> {
        let _ = row;
        None
    }

    /// True if these positions are a state of the row. They ascend, none is masked, and there are as many as
    /// [`ones`](MapSolver::ones) says.
    #[doc(hidden)]
    fn has_list(&self, row: usize, positions: &[u32]) -> bool {
        let _ = (row, positions);
        true
    }

    /// True if z, of 0s and 1s, is a state of the row. None of its ones is masked, and there are as many as
    /// [`ones`](MapSolver::ones) says.
    #[doc(hidden)]
    fn has_z(&self, row: usize, z: &[f32]) -> bool {
        let _ = (row, z);
        true
    }
}

impl<M: MapSolver + ?Sized> MapSolver for &M {
    fn map(&self, row: usize, scores: &[f32], z: &mut [f32], work: &mut [f32]) -> Result<(), Unsolved> {
        (**self).map(row, scores, z, work)
    }

    fn workspace_len(&self, n: usize) -> usize {
        (**self).workspace_len(n)
    }

    fn ones(&self, row: usize) -> Option<usize> {
        (**self).ones(row)
    }

    fn max_ones(&self, row: usize) -> Option<usize> {
        (**self).max_ones(row)
    }

    fn feasible(&self, row: usize, theta: &[f32], work: &mut [f32]) -> bool {
        (**self).feasible(row, theta, work)
    }

    fn check(&self, shape: Shape) -> Result<(), Error> {
        (**self).check(shape)
    }

    fn selects(&self, row: usize) -> Option<usize> {
        (**self).selects(row)
    }

    fn corner(&self, row: usize) -> Option<Corner> {
        (**self).corner(row)
    }

    fn has_list(&self, row: usize, positions: &[u32]) -> bool {
        (**self).has_list(row, positions)
    }

    fn has_z(&self, row: usize, z: &[f32]) -> bool {
        (**self).has_z(row, z)
    }
}
