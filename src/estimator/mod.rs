//! Perturb-and-MAP samples and Implicit-MLE gradients, for any constraint set that has a MAP solver.

mod implicit;
mod perturb;
mod target;

pub use implicit::{Diagnostics, difference};
pub use perturb::{noise, perturb};
pub use target::{Side, target};

use crate::kernel::elementwise::copy;
use crate::rows::{DzView, block_mut, check_length};
use crate::{Dz, Error, MapSolver, Options, Rows, Shape};

/// The floats of workspace that a row of n needs, whatever B and S: noise, scores and a state.
#[must_use]
pub const fn workspace_len(n: usize) -> usize {
    3 * n
}

/// A layer that draws z and estimates ∇_θ L: sizes, constraint set and options, no state of its own.
///
/// One layer serves any number of threads; a call writes only what it is given. Every method costs O(B·S·N) time (plus
/// the solver's) and stores nothing for the next call: the noise is a function of the [`Key`](crate::Key).
#[derive(Clone, Copy, Debug)]
pub struct Imle<M> {
    shape: Shape,
    solver: M,
    options: Options,
}

impl<M: MapSolver> Imle<M> {
    /// Checks the options.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn new(shape: Shape, solver: M, options: Options) -> Result<Self, Error> {
        options.check()?;
        Ok(Imle { shape, solver, options })
    }

    /// The sizes of a batch.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The options.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The floats of workspace that every call needs: 3·N.
    #[must_use]
    pub const fn workspace_len(&self) -> usize {
        workspace_len(self.shape.n())
    }

    /// Whether every row can be sampled and, given `dz`, differentiated.
    ///
    /// # Errors
    /// The error that [`sample`](Imle::sample) or [`gradient`](Imle::gradient) would return, with the first bad row.
    pub fn check(&self, theta: Rows<'_>, dz: Option<Dz<'_>>) -> Result<(), Error> {
        let theta = theta.check("theta", self.shape)?;
        let dz = dz.map(|dz| dz.check(self.shape)).transpose()?;
        (0..self.shape.rows()).try_for_each(|b| {
            self.check_row(b, theta.row(b, self.shape.n()))?;
            dz.map_or(Ok(()), |dz| check_dz_row(dz, b, self.shape.samples()))
        })
    }

    fn row<'a>(&'a self, b: usize, theta: &'a [f32]) -> Row<'a, M> {
        Row { solver: &self.solver, options: &self.options, samples: self.shape.samples(), b, theta }
    }

    fn check_row(&self, b: usize, theta: &[f32]) -> Result<(), Error> {
        check_theta_row(b, theta)?;
        if self.solver.feasible(b, theta) { Ok(()) } else { Err(Error::Infeasible { row: b as u32 }) }
    }
}

/// What the estimators know of one row.
pub(crate) struct Row<'a, M> {
    pub solver: &'a M,
    pub options: &'a Options,
    pub samples: usize,
    /// The number of the row in the batch.
    pub b: usize,
    pub theta: &'a [f32],
}

/// θ of row b is finite or −inf.
pub(crate) fn check_theta_row(b: usize, theta: &[f32]) -> Result<(), Error> {
    check_values("theta", b, theta, |t| t < f32::INFINITY)
}

/// Every gradient of row b is finite.
pub(crate) fn check_dz_row(dz: DzView<'_>, b: usize, samples: usize) -> Result<(), Error> {
    dz.row(b, samples).try_for_each(|dz| check_values("dz", b, dz, f32::is_finite))
}

pub(crate) fn check_values(
    argument: &'static str,
    b: usize,
    values: &[f32],
    good: impl Fn(f32) -> bool,
) -> Result<(), Error> {
    // Reads all rather than stopping at the first: the loop has no branch, and bad values are rare.
    let good = values.iter().fold(true, |all, &x| all & good(x));
    if good { Ok(()) } else { Err(Error::NonFinite { argument, row: b as u32 }) }
}

/// The workspace of one row.
pub(crate) struct Work<'a> {
    /// ε, kept for the target.
    pub epsilon: &'a mut [f32],
    pub scores: &'a mut [f32],
    pub z: &'a mut [f32],
}

impl<'a> Work<'a> {
    pub(crate) fn new(work: &'a mut [f32], n: usize) -> Result<Self, Error> {
        let error = Error::Workspace { needed: workspace_len(n), given: work.len() };
        let (epsilon, rest) = work.split_at_mut_checked(n).ok_or(error)?;
        let (scores, rest) = rest.split_at_mut_checked(n).ok_or(error)?;
        let z = rest.get_mut(..n).ok_or(error)?;
        Ok(Work { epsilon, scores, z })
    }
}

/// Where states go: 0/1 floats, index lists, or both.
#[derive(Debug, Default)]
pub struct States<'a> {
    /// z, `[B][S][N]` (`[B][N]` for MAP): exactly 0 or 1.
    pub z: Option<&'a mut [f32]>,
    /// The positions of the ones, ascending, `[B][S][K]` (`[B][K]` for MAP); the unused tail is `u32::MAX`.
    pub indices: Option<&'a mut [u32]>,
}

impl<'a> States<'a> {
    /// States as 0/1 floats.
    #[must_use]
    pub const fn z(z: &'a mut [f32]) -> Self {
        States { z: Some(z), indices: None }
    }

    /// States as index lists.
    #[must_use]
    pub const fn indices(indices: &'a mut [u32]) -> Self {
        States { z: None, indices: Some(indices) }
    }

    fn check(&self, shape: Shape) -> Result<(), Error> {
        let states = shape.rows() * shape.samples();
        if let Some(z) = &self.z {
            check_length("z", z, states * shape.n())?;
        }
        if let Some(indices) = &self.indices {
            check_length("indices", indices, states * shape.k())?;
        }
        Ok(())
    }

    fn is_none(&self) -> bool {
        self.z.is_none() && self.indices.is_none()
    }

    /// Writes z as state number `state`; false if it has more ones than the shape's k and a list was asked for.
    fn put(&mut self, shape: Shape, state: usize, z: &[f32]) -> bool {
        if let Some(out) = &mut self.z {
            copy(z, block_mut(out, state * shape.n(), shape.n()));
        }
        let Some(out) = &mut self.indices else { return true };
        let mut list = block_mut(out, state * shape.k(), shape.k()).iter_mut();
        let mut ones = (0..).zip(z).filter(|&(_, &z)| z != 0.0).map(|(i, _)| i);
        for slot in &mut list {
            *slot = ones.next().unwrap_or(u32::MAX);
        }
        ones.next().is_none()
    }
}
