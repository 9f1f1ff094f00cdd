//! The layer that draws z and estimates ∇_θ L, and the row that its estimators work on.

use super::batch::for_rows_with_noise;
use crate::arch::SCALAR;
use crate::door::{check_dz_of, check_row, solve};
use crate::error::BadRow;
use crate::noise::{BatchWords, RowWords, SampleWords, Sampler};
use crate::perturbed::few::{Few, are_few};
use crate::perturbed::k_largest;
use crate::perturbed::scores::{Base, Formula, Perturbed};
use crate::views::rows::for_rows;
use crate::views::state::State;
use crate::{Argument, Dz, Error, MapSolver, Options, Rows, Shape};

/// The floats of workspace that a row of n needs, whatever B and S, beside those of a solver of your own: 3·n, for noise,
/// scores and a state.
#[must_use]
pub const fn workspace_len(n: usize) -> usize {
    n.saturating_mul(3)
}

/// A layer that draws z and estimates ∇_θ L: sizes, constraint set and options, no state of its own.
///
/// It is plain data of a few words: if batches differ in size or in `k_row`, build one per batch. It serves any number of
/// threads. A call writes only to its arguments and costs O(B·S·N) time, plus the solver's. It stores nothing for the next
/// call, because the noise is a function of the [`Key`](crate::Key).
#[derive(Clone, Copy, Debug)]
pub struct Imle<M> {
    pub(super) shape: Shape,
    pub(super) solver: M,
    pub(super) options: Options,
}

impl<M: MapSolver> Imle<M> {
    /// Checks the sizes, the options, and that the solver serves the shape.
    ///
    /// # Errors
    /// [`Error::Option`], [`Error::Shape`].
    // On small machines the copies of arguments and results weigh more than the code, here as in `sample` and `gradient`.
    #[cfg_attr(imle_small, inline(always))]
    pub fn new(shape: Shape, solver: M, options: Options) -> Result<Self, Error> {
        shape.check()?;
        let layer = Self::unchecked(shape, solver, options);
        layer.check_parts()?;
        Ok(layer)
    }

    /// A layer of parts that are checked afterwards: the shape by [`Shape::check`], which imle-ffi calls before it measures
    /// its arrays, and the rest by [`check_parts`](Imle::check_parts). A layer that comes out of a `Result` is copied.
    #[doc(hidden)]
    #[inline(always)]
    pub fn unchecked(shape: Shape, solver: M, options: Options) -> Self {
        Imle { shape, solver, options }
    }

    /// Refuses options that break a rule, and a solver that does not serve the shape.
    #[doc(hidden)]
    #[inline(always)]
    pub fn check_parts(&self) -> Result<(), Error> {
        self.options.check()?;
        self.solver.check(self.shape)
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

    /// The constraint set.
    #[must_use]
    pub const fn solver(&self) -> &M {
        &self.solver
    }

    /// The same layer with another λ, for instance one that [`Adaptive`](crate::Adaptive) has found for this batch. It
    /// borrows the solver, and looks neither at the shape nor at the solver again. O(1).
    ///
    /// # Errors
    /// [`Error::Option`] if λ is out of its range.
    pub fn with_lambda(&self, lambda: f32) -> Result<Imle<&M>, Error> {
        let options = Options { lambda, ..self.options };
        options.check()?;
        Ok(Imle { shape: self.shape, solver: &self.solver, options })
    }

    /// The floats of workspace that every call needs: 3·N, and those of the solver
    /// ([`MapSolver::workspace_len`]; [`TopK`](crate::TopK) and [`Argmax`](crate::Argmax) have none).
    #[must_use]
    pub fn workspace_len(&self) -> usize {
        workspace_len(self.shape.n()).saturating_add(self.solver.workspace_len(self.shape.n()))
    }

    /// The front of `work`, as long as a call needs it. A batch without rows needs none.
    pub(super) fn workspace<'w>(&self, work: &'w mut [f32]) -> Result<&'w mut [f32], Error> {
        needed(work, if self.shape.rows == 0 { 0 } else { self.workspace_len() })
    }

    /// Refuses a batch in which a row cannot be sampled or, if `dz` is given, differentiated. `work` is the solver's own
    /// workspace, without the layer's 3·N; for [`TopK`](crate::TopK) and [`Argmax`](crate::Argmax) it may be empty.
    ///
    /// # Errors
    /// The error that [`sample`](Imle::sample) or [`gradient`](Imle::gradient) would return, with the first bad row.
    /// [`Error::Unsolved`] is not foreseen.
    pub fn check(&self, theta: Rows<'_>, dz: Option<Dz<'_>>, work: &mut [f32]) -> Result<(), Error> {
        let theta = theta.check(Argument::Theta, self.shape)?;
        let dz = dz.map(|dz| dz.check(self.shape)).transpose()?;
        let of_solver = if self.shape.rows == 0 { 0 } else { self.solver.workspace_len(self.shape.n()) };
        let work = needed(work, of_solver)?;
        for_rows(self.shape.rows(), |b| {
            check_row(&self.solver, b, theta.row(b, self.shape.n()), work)?;
            dz.map_or(Ok(()), |dz| check_dz_of(&self.solver, b, dz, self.shape.samples()))
        })
    }

    pub(super) fn row<'a>(&'a self, noise: Sampler<'a>, b: usize, theta: &'a [f32]) -> Row<'a, M> {
        Row { solver: &self.solver, options: &self.options, noise, samples: self.shape.samples(), b, theta }
    }

    /// Calls `run` for every row with the law of its noise.
    #[inline(always)]
    pub(super) fn for_rows(&self, run: impl FnMut(Sampler<'_>, usize) -> Result<(), BadRow>) -> Result<(), Error> {
        let k = |b| self.solver.max_ones(b).unwrap_or(self.shape.k());
        for_rows_with_noise(self.options.noise, self.shape.rows(), k, run)
    }
}

/// One row of a batch, as the estimators see it. Its θ was checked, except where a method says that it checks it.
pub(crate) struct Row<'a, M> {
    pub solver: &'a M,
    pub options: &'a Options,
    pub noise: Sampler<'a>,
    pub samples: usize,
    /// The number of the row in the batch.
    pub b: usize,
    pub theta: &'a [f32],
}

/// The samples of a row of few scores that are found in one call.
pub(super) const BATCH: usize = 16;

impl<'a, M: MapSolver> Row<'a, M> {
    /// θ + τ ε
    pub(super) fn forward_scores(&self) -> Formula<'a> {
        Formula { base: Base::Theta, noise: self.noise, tau: self.options.temperature }
    }

    /// The row, if it has few scores and its states are k-subsets.
    #[inline(always)]
    pub(super) fn few(&self) -> Option<Few<'_>> {
        if SCALAR {
            return None;
        }
        let k = self.solver.selects(self.b).filter(|&k| are_few(self.theta.len(), k))?;
        Some(Few { theta: self.theta, k })
    }

    /// The row's words. Without noise none are read, and machines whose loops go by lanes save the time of hashing the row.
    #[inline(always)]
    pub(super) fn words(&self, batch: &BatchWords<'_>) -> RowWords {
        if !SCALAR && !self.noise.reads_words() { RowWords::UNUSED } else { batch.row(self.b) }
    }

    /// The state that has the largest sum of these scores, for which `hint` may be a good guess, and what it leaves of `work`: of 3·N floats and the solver's own
    /// at least 2·N and the solver's own.
    #[cfg_attr(imle_small, inline(always))]
    pub(super) fn choose<'w>(
        &self,
        formula: Formula<'_>,
        dz: &[f32],
        words: SampleWords<'_>,
        hint: Option<State<'_>>,
        work: &'w mut [f32],
    ) -> Result<(State<'w>, &'w mut [f32]), BadRow> {
        let scores = Perturbed { theta: self.theta, dz, formula };
        if let Some(k) = self.solver.selects(self.b) {
            return Ok(k_largest(&scores, k, words, hint, work));
        }
        let n = self.theta.len();
        debug_assert!(work.len() >= 2 * n, "no room for a state and its scores");
        let (z, rest) = work.split_at_mut_checked(n).unwrap_or_default();
        let (all, solver_work) = rest.split_at_mut_checked(n).unwrap_or_default();
        scores.draw(words, all);
        solve(self.solver, self.b, all, z, solver_work)?;
        Ok((State::Dense(z), rest))
    }
}

/// The first `needed` floats of a workspace.
fn needed(work: &mut [f32], needed: usize) -> Result<&mut [f32], Error> {
    let given = work.len();
    work.get_mut(..needed).ok_or(Error::Workspace { needed, given })
}
