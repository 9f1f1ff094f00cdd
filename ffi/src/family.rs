//! The two families of functions, imle_topk_ and imle_argmax_, and what their calls have in common.
//!
//! Every function of the families has one body, which is generic over the family. It stands in `layer` or `exact` above
//! the two exported functions that call it.

use imle::{Distribution, MapSolver, Shape};

use crate::abi::{self, imle_shape};
use crate::args::Array;
use crate::status::Refused;

/// A set of states with a solver and a closed form.
pub(crate) trait Family {
    type Solver<'a>: Distribution;

    /// Refuses a shape that the family does not serve.
    fn check(shape: Shape) -> Result<(), Refused>;

    /// The solver of a batch. A family of fixed k has no `k_row`.
    fn solver(shape: Shape, k_row: Option<&[u32]>) -> Self::Solver<'_>;
}

/// k of n: C = { z in {0,1}^N : sum z_i = k }.
pub(crate) struct TopK;

impl Family for TopK {
    type Solver<'a> = imle::TopK<'a>;

    fn check(_: Shape) -> Result<(), Refused> {
        Ok(())
    }

    #[cfg_attr(imle_small, inline(always))]
    fn solver(shape: Shape, k_row: Option<&[u32]>) -> imle::TopK<'_> {
        k_row.map_or(imle::TopK::new(shape.k), imle::TopK::per_row)
    }
}

/// One of n. It gives the same bits as k of n at k = 1.
pub(crate) struct OneHot;

impl Family for OneHot {
    type Solver<'a> = imle::Argmax;

    fn check(shape: Shape) -> Result<(), Refused> {
        Ok(imle::Argmax.check(shape)?)
    }

    fn solver(_: Shape, _: Option<&[u32]>) -> imle::Argmax {
        imle::Argmax
    }
}

/// The answer of a function that measures a workspace: 0 for a shape that is refused. `floats` is the formula.
#[inline(always)]
pub(crate) unsafe fn workspace_len(shape: *const imle_shape, floats: impl FnOnce(Shape) -> Option<usize>) -> usize {
    // SAFETY: the caller's contract.
    unsafe { abi::shape_of_a_row(shape) }.ok().and_then(floats).unwrap_or(0)
}

/// The arguments that every call with a workspace has.
pub(crate) struct Start {
    pub shape: Shape,
    pub k_row: Array<u32>,
    pub theta: Array<f32>,
    pub work: Array<f32>,
}

// `start` and `with_gradient` return one error for several arguments on purpose. The compiler takes a call behind many
// `?` for a rare one and does not inline it. That would cost microcontrollers 200 bytes of flash and of stack.

/// The sizes, k_row, theta and workspace of a call. `floats` is the length of workspace that it needs.
#[inline(always)]
pub(crate) fn start(
    shape: Result<Shape, Refused>,
    k_row: *const u32,
    (theta, ld_theta): (*const f32, usize),
    (work, work_len): (*mut f32, usize),
    floats: impl FnOnce(Shape) -> Option<usize>,
) -> Result<Start, Refused> {
    let shape = shape?;
    let floats = floats(shape).ok_or(Refused::Shape)?;
    let work = Array::workspace(if shape.rows == 0 { 0 } else { floats }, work, work_len)?;
    let k_row = Array::optional(k_row, shape.rows());
    Ok(Start { shape, k_row, theta: Array::rows(shape, theta, ld_theta)?, work })
}

/// The start of a call that also takes an array and writes a gradient; the array; the gradient.
#[inline(always)]
pub(crate) fn with_gradient(
    start: Result<Start, Refused>,
    array: impl FnOnce(Shape) -> Result<Array<f32>, Refused>,
    (grad_theta, ld_grad): (*mut f32, usize),
) -> Result<(Start, Array<f32>, Array<f32>), Refused> {
    let start = start?;
    let array = array(start.shape)?;
    let grad_theta = Array::rows(start.shape, grad_theta, ld_grad)?;
    Ok((start, array, grad_theta))
}
