//! The families of functions, imle_topk_, imle_argmax_ and imle_tree_, and what their calls have in common.
//!
//! Every function of the families has one body, which is generic over the family. It stands in `layer` or `exact` above
//! the exported functions that call it.

use core::ptr;

use imle::{Distribution, MapSolver, Shape};

use crate::abi::{self, TreeKind, imle_shape, imle_tree_options};
use crate::args::Array;
use crate::status::Refused;

/// A set of states with a solver and a closed form.
pub(crate) trait Family {
    type Solver<'a>: Distribution;
    /// The arguments between the shape and the options: k_row, or n_row and the options of trees.
    type Set: Copy;
    /// The caller's choice among the family's sets of states, beside the sizes.
    type Kind: Copy;

    /// Refuses a shape that the family does not serve.
    fn check(shape: Shape) -> Result<(), Refused>;

    /// k_row or n_row, and the kind.
    unsafe fn read(set: Self::Set) -> (*const u32, Result<Self::Kind, Refused>);

    /// The solver of a batch. A family of fixed k has no `k_row`.
    fn solver(shape: Shape, k_row: Option<&[u32]>, kind: Self::Kind) -> Self::Solver<'_>;
}

/// k of n: C = { z in {0,1}^N : sum z_i = k }.
pub(crate) struct TopK;

impl Family for TopK {
    type Solver<'a> = imle::TopK<'a>;
    type Set = *const u32;
    type Kind = ();

    fn check(_: Shape) -> Result<(), Refused> {
        Ok(())
    }

    #[inline(always)]
    unsafe fn read(k_row: *const u32) -> (*const u32, Result<(), Refused>) {
        (k_row, Ok(()))
    }

    #[cfg_attr(imle_small, inline(always))]
    fn solver(shape: Shape, k_row: Option<&[u32]>, (): ()) -> imle::TopK<'_> {
        k_row.map_or(imle::TopK::new(shape.k), imle::TopK::per_row)
    }
}

/// One of n. It gives the same bits as k of n at k = 1.
pub(crate) struct OneHot;

impl Family for OneHot {
    type Solver<'a> = imle::Argmax;
    type Set = ();
    type Kind = ();

    fn check(shape: Shape) -> Result<(), Refused> {
        Ok(imle::Argmax.check(shape)?)
    }

    #[inline(always)]
    unsafe fn read((): ()) -> (*const u32, Result<(), Refused>) {
        (ptr::null(), Ok(()))
    }

    fn solver(_: Shape, _: Option<&[u32]>, (): ()) -> imle::Argmax {
        imle::Argmax
    }
}

/// Dependency trees.
pub(crate) struct Tree;

impl Family for Tree {
    type Solver<'a> = imle::Tree<'a>;
    type Set = (*const u32, *const imle_tree_options);
    type Kind = TreeKind;

    fn check(shape: Shape) -> Result<(), Refused> {
        Ok(imle::Tree::new(shape.k).check(shape)?)
    }

    unsafe fn read((n_row, options): Self::Set) -> (*const u32, Result<TreeKind, Refused>) {
        // SAFETY: the caller's contract.
        (n_row, unsafe { abi::tree_options(options) })
    }

    fn solver(shape: Shape, n_row: Option<&[u32]>, kind: TreeKind) -> imle::Tree<'_> {
        let tree = n_row.map_or(imle::Tree::new(shape.k), |n_row| imle::Tree::per_row(shape.k, n_row));
        let tree = if kind.projective { tree.projective() } else { tree };
        if kind.single_root { tree.single_root() } else { tree }
    }
}

/// The answer of a function that measures a workspace: 0 for arguments that are refused. `floats` is the formula.
#[inline(always)]
pub(crate) unsafe fn workspace_len<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    floats: impl FnOnce(Shape, F::Kind) -> Option<usize>,
) -> usize {
    // SAFETY: the caller's contract.
    let (shape, (_, kind)) = unsafe { (abi::shape_of_a_row(shape), F::read(set)) };
    let (Ok(shape), Ok(kind)) = (shape, kind) else { return 0 };
    F::check(shape).ok().and_then(|()| floats(shape, kind)).unwrap_or(0)
}

/// The arguments that every call with a workspace has.
pub(crate) struct Start<F: Family> {
    pub shape: Shape,
    pub k_row: Array<u32>,
    pub kind: F::Kind,
    pub theta: Array<f32>,
    pub work: Array<f32>,
}

// `start` and `with_gradient` return one error for several arguments on purpose. The compiler takes a call behind many
// `?` for a rare one and does not inline it. That would cost microcontrollers 200 bytes of flash and of stack.

/// The sizes, k_row, kind, theta and workspace of a call. `floats` is the length of workspace that it needs.
#[inline(always)]
pub(crate) unsafe fn start<F: Family>(
    shape: Result<Shape, Refused>,
    set: F::Set,
    (theta, ld_theta): (*const f32, usize),
    (work, work_len): (*mut f32, usize),
    floats: impl FnOnce(Shape, F::Kind) -> Option<usize>,
) -> Result<Start<F>, Refused> {
    let shape = shape?;
    F::check(shape)?;
    // SAFETY: the caller's contract.
    let (k_row, kind) = unsafe { F::read(set) };
    let kind = kind?;
    let floats = floats(shape, kind).ok_or(Refused::Shape)?;
    let work = Array::workspace(if shape.rows == 0 { 0 } else { floats }, work, work_len)?;
    let k_row = Array::optional(k_row, shape.rows());
    Ok(Start { shape, k_row, kind, theta: Array::rows(shape, theta, ld_theta)?, work })
}

type WithGradient<F> = (Start<F>, Array<f32>, Array<f32>);

/// The start of a call that also takes an array and writes a gradient; the array; the gradient.
#[inline(always)]
pub(crate) fn with_gradient<F: Family>(
    start: Result<Start<F>, Refused>,
    array: impl FnOnce(Shape) -> Result<Array<f32>, Refused>,
    (grad_theta, ld_grad): (*mut f32, usize),
) -> Result<WithGradient<F>, Refused> {
    let start = start?;
    let array = array(start.shape)?;
    let grad_theta = Array::rows(start.shape, grad_theta, ld_grad)?;
    Ok((start, array, grad_theta))
}
