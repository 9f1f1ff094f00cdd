//! The interface of a constraint set.

use crate::mask::has_unmasked;
use crate::{Error, Rule, Shape};

/// A constraint set C and its solver: the only thing the estimators know about the structure z.
///
/// Implement it for matchings, paths, trees: anything with a solver for the best state under given scores.
///
/// The answers of a solver are not checked. If z has other values than 0 and 1, or another number of ones than
/// [`ones`](MapSolver::ones) says, no memory is at risk, but the results are meaningless and no error tells you so: an
/// index list is cut off or ends early, and a gradient may be NaN.
///
/// ```
/// use imle::{Imle, Key, MapSolver, Options, Rows, Shape, States};
///
/// /// One choice in each half of the row.
/// struct OnePerHalf;
///
/// impl MapSolver for OnePerHalf {
///     fn ones(&self, _row: usize) -> Option<usize> {
///         Some(2)
///     }
///
///     fn feasible(&self, _row: usize, theta: &[f32]) -> bool {
///         theta.chunks(theta.len() / 2).all(|half| half.iter().any(|&t| t != f32::NEG_INFINITY))
///     }
///
///     fn map(&self, _row: usize, scores: &[f32], z: &mut [f32]) {
///         let half = scores.len() / 2;
///         z.fill(0.0);
///         for (scores, z) in scores.chunks(half).zip(z.chunks_mut(half)) {
///             let best = (0..half).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
///             z[best] = 1.0;
///         }
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
pub trait MapSolver {
    /// z = argmax_{z ∈ C} ⟨z, scores⟩ for row `row` of the batch. The solver may break ties as it likes, but always in the
    /// same way.
    ///
    /// Both slices have N elements. `scores` are never NaN; a sum that overflows may be +inf. A score of −inf is a mask: z must
    /// be 0 there. `z` comes with
    /// unspecified contents, and every element must be written, with 0 or 1.
    fn map(&self, row: usize, scores: &[f32], z: &mut [f32]);

    /// The number of ones in every state of the row, if all states have the same number: exactly as many as
    /// [`map`](MapSolver::map) writes. Only such solvers can give and take index lists.
    fn ones(&self, row: usize) -> Option<usize> {
        let _ = row;
        None
    }

    /// Refuses a shape that the solver does not serve. A layer asks once, when it is built. By default no row's states may have
    /// more ones than the shape's k.
    ///
    /// # Errors
    /// [`Error::Shape`] by default.
    fn check(&self, shape: Shape) -> Result<(), Error> {
        match first_row_above(self, shape) {
            None => Ok(()),
            Some(_) => Err(Error::Shape { rule: Rule::SolverAtMostK }),
        }
    }

    /// True if the row has a state that avoids every masked entry (θ = −inf). Rows without one are
    /// [`Error::Infeasible`](crate::Error::Infeasible) and never reach [`map`](MapSolver::map). By default a row needs as many
    /// unmasked entries as its states have ones; if [`ones`](MapSolver::ones) does not tell, every row is feasible, also one
    /// that is masked everywhere.
    fn feasible(&self, row: usize, theta: &[f32]) -> bool {
        match self.ones(row) {
            Some(k) => has_unmasked(theta, k) == Some(true),
            None => true,
        }
    }

    /// k, if the states of the row are all k-subsets, so that MAP chooses the k largest scores by the rule for ties. Such a
    /// set need not compute most scores.
    #[doc(hidden)]
    fn selects(&self, row: usize) -> Option<usize> {
        let _ = row;
        None
    }
}

/// The first row whose states have more ones than the shape's k.
#[cfg_attr(imle_small, inline(never))]
pub(crate) fn first_row_above<M: MapSolver + ?Sized>(solver: &M, shape: Shape) -> Option<u32> {
    (0..shape.rows).find(|&b| solver.ones(b as usize).is_some_and(|ones| ones > shape.k()))
}
