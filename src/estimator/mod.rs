//! Perturb-and-MAP samples and gradients: Implicit MLE for any constraint set that has a MAP solver, and the other
//! estimators of ∇_θ L on the same views.

mod adaptive;
mod fenchel_young;
mod implicit;
mod perturb;
mod score;
mod simple;
mod straight_through;
mod target;

pub use adaptive::{Adaptive, AdaptiveRule};
pub use implicit::{Diagnostics, difference};
pub use perturb::{noise, perturb};
pub use score::perturbed_gradient;
pub use straight_through::straight_through;
pub use target::{Side, target};

use crate::error::BadRow;
use crate::kernel::SCALAR;
use crate::kernel::few::{Few, are_few};
use crate::map::{check_row, check_solver};
use crate::noise::{Law, Source, Stream};
use crate::rows::{check_dz_row, for_rows};
use crate::{Argument, Dz, Error, MapSolver, Options, Rows, Shape};

/// The floats of workspace that a row of n needs, whatever B and S: noise, scores and a state.
#[must_use]
pub const fn workspace_len(n: usize) -> usize {
    n.saturating_mul(3)
}

/// A layer that draws z and estimates ∇_θ L: sizes, constraint set and options, no state of its own.
///
/// Plain data of a few words: where batches differ in size or in `k_row`, build one per batch. It serves any number of
/// threads; a call writes only what it is given, costs O(B·S·N) time (plus the solver's) and stores nothing for the
/// next: the noise is a function of the [`Key`](crate::Key).
#[derive(Clone, Copy, Debug)]
pub struct Imle<M> {
    shape: Shape,
    solver: M,
    options: Options,
}

impl<M: MapSolver> Imle<M> {
    /// Checks the options, and that the solver's states fit the shape.
    ///
    /// # Errors
    /// [`Error::Option`], [`Error::Shape`].
    // Here as in `sample` and `gradient`: on small machines copies of what is handed over weigh more than the code.
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub fn new(shape: Shape, solver: M, options: Options) -> Result<Self, Error> {
        options.check()?;
        check_solver(&solver, shape)?;
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
        let theta = theta.check(Argument::Theta, self.shape)?;
        let dz = dz.map(|dz| dz.check(self.shape)).transpose()?;
        for_rows(self.shape.rows(), |b| {
            check_row(&self.solver, b, theta.row(b, self.shape.n()))?;
            dz.map_or(Ok(()), |dz| check_dz_row(dz, b, self.shape.samples()))
        })
    }

    fn row<'a>(&'a self, law: Law<'a>, b: usize, theta: &'a [f32]) -> Row<'a, M> {
        Row { solver: &self.solver, options: &self.options, law, samples: self.shape.samples(), b, theta }
    }

    /// Calls `run` for every row with the law of its noise.
    #[inline(always)]
    fn for_rows(&self, run: impl FnMut(Law<'_>, usize) -> Result<(), BadRow>) -> Result<(), Error> {
        let k = |b| self.solver.ones(b).unwrap_or(self.shape.k());
        self.options.noise.for_rows(self.shape.rows(), k, run)
    }
}

/// What the estimators know of one row.
pub(crate) struct Row<'a, M> {
    pub solver: &'a M,
    pub options: &'a Options,
    pub law: Law<'a>,
    pub samples: usize,
    /// The number of the row in the batch.
    pub b: usize,
    pub theta: &'a [f32],
}

/// The workspace of a row of n.
pub(crate) fn workspace(work: &mut [f32], n: usize) -> Result<&mut [f32], Error> {
    let (needed, given) = (workspace_len(n), work.len());
    work.get_mut(..needed).ok_or(Error::Workspace { needed, given })
}

impl<M: MapSolver> Row<'_, M> {
    /// k, where the k largest of few scores are chosen.
    #[inline(always)]
    fn k_of_few(&self) -> Option<usize> {
        if SCALAR || !self.solver.ranks() {
            return None;
        }
        self.solver.ones(self.b).filter(|&k| are_few(self.theta.len(), k))
    }

    /// Shows the states of all samples of such a row; false if they could not be found.
    fn for_few(&self, row: &Few<'_>, stream: &mut Stream, mut show: impl FnMut(usize, [u64; 2])) -> bool {
        let mut batch = [[0; 2]; 16];
        for from in (0..self.samples).step_by(batch.len()) {
            let len = batch.len().min(self.samples - from);
            let states = batch.get_mut(..len).unwrap_or_default();
            if !row.choose(stream, from, states) {
                return false;
            }
            (from..).zip(states).for_each(|(s, states)| show(s, *states));
        }
        true
    }

    /// The row's words. Where there is no noise none are read; to seed them all for nothing takes time only where loops go
    /// by lanes.
    #[inline(always)]
    fn stream(&self, source: &Source) -> Stream {
        if !SCALAR && matches!(self.law, Law::None) { Stream::silent() } else { source.row(self.b, self.samples) }
    }
}
