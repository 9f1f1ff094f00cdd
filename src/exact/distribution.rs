//! The interface of a constraint set whose distribution has a closed form.

use crate::noise::SampleWords;
use crate::{Argmax, MapSolver, Shape, TopK, Tree};

/// A constraint set whose distribution has a closed form: [`TopK`] takes O(nk) a row, [`Argmax`] O(n),
/// [`Tree`] O(words³).
///
/// The trait is sealed: only this library implements it, because its closed forms share code that may change. For a set of
/// your own implement [`MapSolver`].
pub trait Distribution: MapSolver + Sealed {
    #[doc(hidden)]
    type Row<'a>: RowDistribution<'a>;

    /// The floats that one row needs; None if they are not addressable.
    #[doc(hidden)]
    fn exact_workspace_len(&self, shape: Shape) -> Option<usize>;

    /// The distribution of row b. θ and the length of `work` were checked.
    #[doc(hidden)]
    fn row<'a>(&self, b: usize, theta: &'a [f32], temperature: f32, work: &'a mut [f32]) -> Self::Row<'a>;
}

/// Types outside this library cannot name this trait, and so cannot implement [`Distribution`].
pub trait Sealed {}

impl Sealed for Argmax {}

impl Sealed for TopK<'_> {}

impl Sealed for Tree<'_> {}

/// The distribution p of one row. It has memory for the marginals of a distribution r over states.
#[doc(hidden)]
pub trait RowDistribution<'a> {
    /// A.
    fn log_partition(&mut self) -> f32;
    /// μ; from now on r = p.
    fn marginals(&mut self) -> &[f32];
    /// From now on r is certain of the state that `write_state` writes.
    fn hold(&mut self, write_state: impl FnOnce(&mut [f32]));
    /// From now on p is the distribution of `theta`, while r stays.
    fn replace(&mut self, theta: &'a [f32]);
    /// −Σ_z r(z) ln p(z) ≥ 0: the entropy of p for r = p, and −ln p(z) where r is certain of z.
    fn cross_entropy(&mut self) -> f32;
    /// v ← Cov_p(z) v/`divisor`. Forgets r.
    fn covariance(&mut self, divisor: f32, v: &mut [f32]);
    /// Memory for n floats, until the next call. Forgets r.
    fn scratch(&mut self) -> &mut [f32];
    /// A state z ~ p, from the words of a sample, valid until the next call. Forgets r.
    fn draw(&mut self, words: SampleWords<'_>) -> &[f32];
}
