//! MAP(θ) = argmax_{z ∈ C} ⟨z, θ⟩, one constraint set C a file.

mod argmax;
mod top_k;

pub use argmax::Argmax;
pub use top_k::TopK;

use crate::error::BadRow;
use crate::kernel::SCALAR;
use crate::kernel::elementwise::{Base, Perturbed, unmasked};
use crate::noise::{Law, Stream};
use crate::rows::{check_theta_row, has_unmasked};
use crate::states::State;
use crate::{Error, Rule, Shape};

/// A constraint set C and its solver: the only thing the estimators know about the structure z.
///
/// Implement it for matchings, paths, trees: anything with a solver for the best state under given scores.
///
/// What a solver answers is not checked. Where z is not of zeros and ones, or has not as many ones as
/// [`ones`](MapSolver::ones) says, no memory is at risk, but results are without meaning and no error tells: an index
/// list is cut off or ends early, a gradient may be NaN.
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
/// let shape = Shape::new(1, 4, 2, 1)?;
/// let layer = Imle::new(shape, OnePerHalf, Options::default())?;
/// let (mut z, mut work) = ([0.0; 4], [0.0; 12]);
/// layer.map(Rows::contiguous(&[0.1, 0.7, 0.9, 0.2]), States::z(&mut z), &mut work)?;
/// assert_eq!(z, [0.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), imle::Error>(())
/// ```
pub trait MapSolver {
    /// z = argmax_{z ∈ C} ⟨z, scores⟩ for row `row` of the batch; ties as the solver likes, but always alike.
    ///
    /// `scores` are never NaN. A score of −inf is a mask: z must be 0 there. `z` comes with unspecified contents and
    /// every element must be written, with 0 or 1; both slices have N elements.
    fn map(&self, row: usize, scores: &[f32], z: &mut [f32]);

    /// The number of ones in every state of the row, if all have the same: exactly as many as
    /// [`map`](MapSolver::map) writes. Index lists are for such solvers only.
    fn ones(&self, row: usize) -> Option<usize> {
        let _ = row;
        None
    }

    /// Whether the row has a state that avoids every masked entry (θ = −inf). Rows without one are
    /// [`Error::Infeasible`](crate::Error::Infeasible) and never reach [`map`](MapSolver::map).
    fn feasible(&self, row: usize, theta: &[f32]) -> bool {
        match self.ones(row) {
            Some(k) => unmasked(theta, k) == Some(true),
            None => true,
        }
    }

    /// The state of perturbed scores, and what it leaves of `work`: of 3·N floats 2·N, of 2·N what may be. A set that
    /// needs only the largest scores need not compute the others.
    #[doc(hidden)]
    fn choose<'w>(
        &self,
        row: usize,
        scores: &Perturbed<'_>,
        stream: &mut Stream,
        work: &'w mut [f32],
    ) -> (State<'w>, &'w mut [f32]) {
        let (z, rest) = work.split_at_mut_checked(scores.theta.len()).unwrap_or_default();
        let all = rest.get_mut(..z.len()).unwrap_or_default();
        scores.fill(stream, all);
        self.map(row, all, z);
        (State::Dense(z), rest)
    }

    /// Whether states go by the order of single scores: a state stays when none of its scores falls and no other rises.
    #[doc(hidden)]
    fn ranks(&self) -> bool {
        false
    }

    /// MAP(θ) in one pass, of a row that was not checked: the number of positions written to the front of `work`, in the
    /// form of [`State::Ones`]. None where the set has no such way or the row is not good.
    #[doc(hidden)]
    fn largest(&self, row: usize, theta: &[f32], work: &mut [f32]) -> Option<usize> {
        let _ = (row, theta, work);
        None
    }
}

/// MAP(θ) of a row that is not yet known to be good, at the front of `work` (3·N floats).
pub(crate) fn check_and_map<'w>(
    solver: &impl MapSolver,
    b: usize,
    theta: &[f32],
    work: &'w mut [f32],
) -> Result<State<'w>, BadRow> {
    if let Some(k) = solver.largest(b, theta, work) {
        return Ok(State::Ones(work.get(..k).unwrap_or_default()));
    }
    check_row(solver, b, theta)?;
    if SCALAR && solver.ranks() {
        // The one pass answers every good row there: what follows need not be linked.
        return Ok(State::Ones(&[]));
    }
    let scores = Perturbed { theta, base: Base::Theta, law: Law::None, tau: 0.0 };
    Ok(solver.choose(b, &scores, &mut Stream::silent(), work).0)
}

/// No row's states have more ones than the shape's k: a solver made for this shape.
pub(crate) fn check_solver(solver: &impl MapSolver, shape: Shape) -> Result<(), Error> {
    match row_above(solver, shape.rows(), shape.k()) {
        Some(_) => Err(Error::Shape { rule: Rule::SolverAtMostK }),
        None => Ok(()),
    }
}

/// The first row whose states have more than k ones.
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
fn row_above(solver: &impl MapSolver, rows: usize, k: usize) -> Option<usize> {
    (0..rows).find(|&b| solver.ones(b).is_some_and(|ones| ones > k))
}

/// θ of row b is good and the row has a state.
pub(crate) fn check_row(solver: &impl MapSolver, b: usize, theta: &[f32]) -> Result<(), BadRow> {
    // Where single scores are chosen, as many must be there: one look at θ for both.
    match solver.ones(b).filter(|_| solver.ranks()) {
        Some(k) if has_unmasked(theta, k)? => Ok(()),
        Some(_) => Err(BadRow::Infeasible),
        None => check_theta_row(theta).and_then(|()| check_feasible(solver, b, theta)),
    }
}

/// The row has a state.
pub(crate) fn check_feasible(solver: &impl MapSolver, b: usize, theta: &[f32]) -> Result<(), BadRow> {
    if solver.feasible(b, theta) { Ok(()) } else { Err(BadRow::Infeasible) }
}
