//! The interface of a constraint set whose distribution has a closed form.

use crate::noise::Stream;
use crate::{MapSolver, Shape};

/// A constraint set with a distribution in closed form: [`TopK`](crate::TopK), O(nk) a row, and
/// [`Argmax`](crate::Argmax), O(n).
pub trait Distribution: MapSolver {
    #[doc(hidden)]
    type Row<'a>: RowDistribution<'a>;

    /// The floats that one row needs; None if they are not addressable.
    #[doc(hidden)]
    fn workspace_len(shape: Shape) -> Option<usize>;

    /// The distribution of row b, whose θ is good.
    #[doc(hidden)]
    fn row<'a>(&self, b: usize, theta: &'a [f32], temperature: f32, work: &'a mut [f32]) -> Self::Row<'a>;
}

/// The distribution of one row.
#[doc(hidden)]
pub trait RowDistribution<'a> {
    /// A.
    fn log_partition(&self) -> f32;
    /// μ.
    fn marginals(&mut self) -> &[f32];
    /// H, after `marginals`.
    fn entropy(&self) -> f32;
    /// v ← Cov_p(z) v.
    fn covariance(&mut self, v: &mut [f32]);
    /// A state, valid until the next call, from the stream's next words.
    fn draw(&mut self, stream: &mut Stream) -> &[f32];
    /// ln p of the state that `state` writes.
    fn log_prob(&mut self, state: impl FnOnce(&mut [f32])) -> f32;
    /// KL(p_θ ‖ p_other). Afterwards this is the distribution of `other`.
    fn kl(&mut self, other: &'a [f32]) -> f32;
}
