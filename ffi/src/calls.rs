//! The bodies of the functions that every family has: one body each, generic over the family.
//!
//! # Safety
//! Every unsafe function here has the contract of the crate for the pointers that it is given.
//!
//! Options and key are read after the check of the arrays and before an output becomes a slice, because they may lie in
//! an output.

use imle::{Distribution, Error, Exact, ExactOutputs, Imle, Options, Rule, Shape, States};

use crate::abi::{self, imle_diagnostics, imle_key, imle_options, imle_shape};
use crate::args::{Array, check_arrays};
use crate::status::Refused;

/// A set of states with a solver and a closed form.
pub(crate) trait Family {
    type Solver<'a>: Distribution;

    /// The solver of a batch. A family of fixed k has no `k_row`.
    fn solver(shape: Shape, k_row: Option<&[u32]>) -> Result<Self::Solver<'_>, Error>;
}

/// k of n.
pub(crate) struct TopK;

impl Family for TopK {
    type Solver<'a> = imle::TopK<'a>;

    #[cfg_attr(imle_small, inline(always))]
    fn solver(shape: Shape, k_row: Option<&[u32]>) -> Result<imle::TopK<'_>, Error> {
        k_row.map_or(Ok(imle::TopK::new(shape)), |k_row| imle::TopK::with_k_row(shape, k_row))
    }
}

/// One of n.
pub(crate) struct OneHot;

impl Family for OneHot {
    type Solver<'a> = imle::Argmax;

    fn solver(shape: Shape, _: Option<&[u32]>) -> Result<imle::Argmax, Error> {
        if shape.k() == 1 { Ok(imle::Argmax) } else { Err(Error::Shape { rule: Rule::SolverAtMostK }) }
    }
}

/// The layer of a call.
#[inline(always)]
unsafe fn layer<F: Family>(
    shape: Shape,
    k_row: Option<&[u32]>,
    options: *const imle_options,
) -> Result<Imle<F::Solver<'_>>, Refused> {
    let solver = F::solver(shape, k_row)?;
    // SAFETY: the caller's contract.
    let options = unsafe { abi::options(options) }?;
    Ok(Imle::new(shape, solver, options)?)
}

/// The arguments that every call with a workspace has.
struct Start {
    shape: Shape,
    k_row: Array<u32>,
    theta: Array<f32>,
    work: Array<f32>,
}

// `start`, `with_dz` and `with_rows` return one error for several arguments on purpose. The compiler takes a call
// behind many `?` for a rare one and does not inline it. That would cost microcontrollers 200 bytes of flash and of
// stack.

/// The sizes, theta and workspace of a call that needs `workspace_len(shape)` floats.
#[inline(always)]
fn start(
    shape: Result<Shape, Refused>,
    k_row: *const u32,
    (theta, ld_theta): (*const f32, usize),
    (work, work_len): (*mut f32, usize),
    workspace_len: impl FnOnce(Shape) -> Option<usize>,
) -> Result<Start, Refused> {
    let shape = shape?;
    let work = Array::workspace(workspace_len(shape).ok_or(Refused::Shape)?, work, work_len)?;
    let k_row = Array::optional(k_row, shape.rows());
    Ok(Start { shape, k_row, theta: Array::rows(shape, theta, ld_theta)?, work })
}

/// The start of a call that also takes dz and writes a gradient; dz; the gradient.
#[inline(always)]
fn with_dz(
    start: Result<Start, Refused>,
    (dz, dz_row_stride, dz_sample_stride): (*const f32, usize, usize),
    (grad_theta, ld_grad): (*mut f32, usize),
) -> Result<(Start, Array<f32>, Array<f32>), Refused> {
    let start = start?;
    let dz = Array::dz(start.shape, dz, dz_row_stride, dz_sample_stride)?;
    let grad_theta = Array::rows(start.shape, grad_theta, ld_grad)?;
    Ok((start, dz, grad_theta))
}

/// The start of a call that also takes rows and writes a gradient; the rows; the gradient.
#[inline(always)]
fn with_rows(
    start: Result<Start, Refused>,
    (rows, ld): (*const f32, usize),
    (grad_theta, ld_grad): (*mut f32, usize),
) -> Result<(Start, Array<f32>, Array<f32>), Refused> {
    let start = start?;
    let rows = Array::rows(start.shape, rows, ld)?;
    let grad_theta = Array::rows(start.shape, grad_theta, ld_grad)?;
    Ok((start, rows, grad_theta))
}

fn exact<F: Family>(shape: Shape, k_row: Option<&[u32]>, temperature: f32) -> Result<Exact<F::Solver<'_>>, Refused> {
    Ok(Exact::new(shape, F::solver(shape, k_row)?, temperature)?)
}

/// The floats of workspace that `map` and its kind need; 0 for a shape that they refuse.
#[inline]
pub(crate) unsafe fn workspace_len<F: Family>(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    match unsafe { abi::shape_of_map(shape) } {
        Ok(shape) if F::solver(shape, None).is_ok() => imle::workspace_len(shape.n()),
        _ => 0,
    }
}

/// The floats of workspace that the exact functions need; 0 for a shape that they refuse.
#[inline]
pub(crate) unsafe fn exact_workspace_len<F: Family>(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    unsafe { abi::shape_of_map(shape) }.ok().and_then(exact_floats::<F>).unwrap_or(0)
}

/// The floats of workspace that `map` and its kind need.
fn floats(shape: Shape) -> Option<usize> {
    Some(imle::workspace_len(shape.n()))
}

/// The floats of workspace that the exact functions need: the same for any number of rows, any `k_row` and temperature.
fn exact_floats<F: Family>(shape: Shape) -> Option<usize> {
    let one_row = Shape::new(1, shape.n() as u32, shape.k() as u32, 1).ok()?;
    let exact = Exact::new(one_row, F::solver(one_row, None).ok()?, 1.0).ok()?;
    Some(exact.workspace_len())
}

#[inline]
pub(crate) unsafe fn find_bad_row<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    (theta, ld_theta): (*const f32, usize),
    (dz, dz_row_stride, dz_sample_stride): (*const f32, usize, usize),
    row: *mut u32,
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let shape = unsafe { abi::shape(shape) }?;
    let k_row = Array::optional(k_row, shape.rows());
    let theta = Array::rows(shape, theta, ld_theta)?;
    let dz = match dz.is_null() {
        true => Array::optional(dz, 0),
        false => Array::dz(shape, dz, dz_row_stride, dz_sample_stride)?,
    };
    let row = Array::required(row, 1);
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [row], inputs: [k_row, theta, dz]);
    let (theta, k_row) = (theta.rows(ld_theta), k_row.slice_if_any());
    let dz = dz.slice_if_any().map(|dz| imle::Dz::strided(dz, dz_row_stride, dz_sample_stride));

    // The rows before the first bad k are checked; it is the answer if they are good.
    let too_large = |k_row: &[u32]| k_row.iter().position(|&k| k as usize > shape.k());
    let rows = k_row.and_then(too_large).unwrap_or(shape.rows()) as u32;
    let first = match Shape::new(rows, shape.n() as u32, shape.k() as u32, shape.samples() as u32) {
        Ok(good) => match Imle::new(good, F::solver(good, k_row)?, Options::default())?.check(theta, dz) {
            Ok(()) => rows,
            Err(Error::NonFinite { row, .. } | Error::Infeasible { row }) => row,
            Err(error) => return Err(error.into()),
        },
        Err(_) => rows,
    };
    row.slice().fill(first);
    Ok(())
}

#[inline]
pub(crate) unsafe fn map<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    (theta, ld_theta): (*const f32, usize),
    (z, indices): (*mut f32, *mut u32),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, theta, work } =
        start(unsafe { abi::shape_of_map(shape) }, k_row, (theta, ld_theta), work, floats)?;
    let z = Array::optional(z, shape.rows() * shape.n());
    let indices = Array::optional(indices, shape.rows() * shape.k());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [z, indices, work], inputs: [k_row, theta]);
    let layer = Imle::new(shape, F::solver(shape, k_row.slice_if_any())?, Options::default())?;
    let states = States { z: z.slice_if_any(), indices: indices.slice_if_any() };
    Ok(layer.map(theta.rows(ld_theta), states, work.slice())?)
}

#[inline]
pub(crate) unsafe fn sample<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    options: *const imle_options,
    key: *const imle_key,
    (theta, ld_theta): (*const f32, usize),
    (z, indices, marginals): (*mut f32, *mut u32, *mut f32),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, theta, work } =
        start(unsafe { abi::shape(shape) }, k_row, (theta, ld_theta), work, floats)?;
    let states = shape.rows() * shape.samples();
    let z = Array::optional(z, states * shape.n());
    let indices = Array::optional(indices, states * shape.k());
    let marginals = Array::optional(marginals, shape.rows() * shape.n());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [z, indices, marginals, work], inputs: [k_row, theta]);
    // SAFETY: the caller's contract.
    let layer = unsafe { layer::<F>(shape, k_row.slice_if_any(), options) }?;
    // SAFETY: the caller's contract.
    let key = unsafe { abi::key(key) }?;
    let states = States { z: z.slice_if_any(), indices: indices.slice_if_any() };
    Ok(layer.sample(key, theta.rows(ld_theta), states, marginals.slice_if_any(), work.slice())?)
}

#[inline]
pub(crate) unsafe fn gradient<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    options: *const imle_options,
    key: *const imle_key,
    (theta, ld_theta): (*const f32, usize),
    (dz, dz_row_stride, dz_sample_stride): (*const f32, usize, usize),
    indices: *const u32,
    (grad_theta, ld_grad): (*mut f32, usize),
    diagnostics: *mut imle_diagnostics,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let start = start(unsafe { abi::shape(shape) }, k_row, (theta, ld_theta), work, floats);
    let (Start { shape, k_row, theta, work }, dz, grad_theta) =
        with_dz(start, (dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad))?;
    let indices = Array::optional(indices, shape.rows() * shape.samples() * shape.k());
    let diagnostics = Array::optional(diagnostics, 1);
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [grad_theta, diagnostics, work], inputs: [k_row, theta, dz, indices]);
    // SAFETY: the caller's contract.
    let layer = unsafe { layer::<F>(shape, k_row.slice_if_any(), options) }?;
    // SAFETY: the caller's contract.
    let key = unsafe { abi::key(key) }?;
    let (theta, dz) = (theta.rows(ld_theta), dz.dz(dz_row_stride, dz_sample_stride));
    let found = layer.gradient(key, theta, dz, indices.slice_if_any(), grad_theta.rows(ld_grad), work.slice())?;
    if let Some(diagnostics) = diagnostics.slice_if_any() {
        diagnostics.fill(found.into());
    }
    Ok(())
}

#[inline]
pub(crate) unsafe fn fenchel_young<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    options: *const imle_options,
    key: *const imle_key,
    (theta, ld_theta): (*const f32, usize),
    (y, ld_y): (*const f32, usize),
    loss: *mut f32,
    (grad_theta, ld_grad): (*mut f32, usize),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let start = start(unsafe { abi::shape(shape) }, k_row, (theta, ld_theta), work, floats);
    let (Start { shape, k_row, theta, work }, y, grad_theta) = with_rows(start, (y, ld_y), (grad_theta, ld_grad))?;
    let loss = Array::required(loss, shape.rows());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [loss, grad_theta, work], inputs: [k_row, theta, y]);
    // SAFETY: the caller's contract.
    let layer = unsafe { layer::<F>(shape, k_row.slice_if_any(), options) }?;
    // SAFETY: the caller's contract.
    let key = unsafe { abi::key(key) }?;
    let (theta, y) = (theta.rows(ld_theta), y.rows(ld_y));
    Ok(layer.fenchel_young(key, theta, y, loss.slice(), grad_theta.rows(ld_grad), work.slice())?)
}

#[inline]
pub(crate) unsafe fn marginals<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    (marginals, log_partition, entropy): (*mut f32, *mut f32, *mut f32),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, theta, work } =
        start(unsafe { abi::shape_of_map(shape) }, k_row, (theta, ld_theta), work, exact_floats::<F>)?;
    let marginals = Array::optional(marginals, shape.rows() * shape.n());
    let log_partition = Array::optional(log_partition, shape.rows());
    let entropy = Array::optional(entropy, shape.rows());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [marginals, log_partition, entropy, work], inputs: [k_row, theta]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), temperature)?;
    let out = ExactOutputs {
        marginals: marginals.slice_if_any(),
        log_partition: log_partition.slice_if_any(),
        entropy: entropy.slice_if_any(),
    };
    Ok(exact.marginals(theta.rows(ld_theta), out, work.slice())?)
}

#[inline]
pub(crate) unsafe fn marginals_vjp<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    (v, ld_v): (*const f32, usize),
    out: *mut f32,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, theta, work } =
        start(unsafe { abi::shape_of_map(shape) }, k_row, (theta, ld_theta), work, exact_floats::<F>)?;
    let v = Array::rows(shape, v, ld_v)?;
    let out = Array::required(out, shape.rows() * shape.n());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [out, work], inputs: [k_row, theta, v]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), temperature)?;
    Ok(exact.marginals_vjp(theta.rows(ld_theta), v.rows(ld_v), out.slice(), work.slice())?)
}

#[inline]
pub(crate) unsafe fn sample_exact<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    temperature: f32,
    key: *const imle_key,
    (theta, ld_theta): (*const f32, usize),
    (z, indices): (*mut f32, *mut u32),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, theta, work } =
        start(unsafe { abi::shape(shape) }, k_row, (theta, ld_theta), work, exact_floats::<F>)?;
    // SAFETY: the caller's contract.
    let key = unsafe { abi::key(key) }?;
    let states = shape.rows() * shape.samples();
    let z = Array::optional(z, states * shape.n());
    let indices = Array::optional(indices, states * shape.k());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [z, indices, work], inputs: [k_row, theta]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), temperature)?;
    let states = States { z: z.slice_if_any(), indices: indices.slice_if_any() };
    Ok(exact.sample(key, theta.rows(ld_theta), states, work.slice())?)
}

#[inline]
pub(crate) unsafe fn log_prob<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    indices: *const u32,
    log_prob: *mut f32,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, theta, work } =
        start(unsafe { abi::shape(shape) }, k_row, (theta, ld_theta), work, exact_floats::<F>)?;
    let states = shape.rows() * shape.samples();
    let indices = Array::required(indices, states * shape.k());
    let log_prob = Array::required(log_prob, states);
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [log_prob, work], inputs: [k_row, theta, indices]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), temperature)?;
    Ok(exact.log_prob(theta.rows(ld_theta), indices.slice(), log_prob.slice(), work.slice())?)
}

#[inline]
pub(crate) unsafe fn kl<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    (theta_other, ld_other): (*const f32, usize),
    kl: *mut f32,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, theta, work } =
        start(unsafe { abi::shape_of_map(shape) }, k_row, (theta, ld_theta), work, exact_floats::<F>)?;
    let theta_other = Array::rows(shape, theta_other, ld_other)?;
    let kl = Array::required(kl, shape.rows());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [kl, work], inputs: [k_row, theta, theta_other]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), temperature)?;
    Ok(exact.kl(theta.rows(ld_theta), theta_other.rows(ld_other), kl.slice(), work.slice())?)
}

#[inline]
pub(crate) unsafe fn simple<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    (dz, dz_row_stride, dz_sample_stride): (*const f32, usize, usize),
    (grad_theta, ld_grad): (*mut f32, usize),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let start = start(unsafe { abi::shape(shape) }, k_row, (theta, ld_theta), work, exact_floats::<F>);
    let (Start { shape, k_row, theta, work }, dz, grad_theta) =
        with_dz(start, (dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad))?;
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [grad_theta, work], inputs: [k_row, theta, dz]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), temperature)?;
    let (theta, dz) = (theta.rows(ld_theta), dz.dz(dz_row_stride, dz_sample_stride));
    Ok(exact.simple(theta, dz, grad_theta.rows(ld_grad), work.slice())?)
}

#[inline]
pub(crate) unsafe fn score_function<F: Family>(
    shape: *const imle_shape,
    k_row: *const u32,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    indices: *const u32,
    losses: *const f32,
    (grad_theta, ld_grad): (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let shape = unsafe { abi::shape(shape) }?;
    let states = shape.rows() * shape.samples();
    let k_row = Array::optional(k_row, shape.rows());
    let theta = Array::rows(shape, theta, ld_theta)?;
    let indices = Array::required(indices, states * shape.k());
    let losses = Array::required(losses, states);
    let grad_theta = Array::rows(shape, grad_theta, ld_grad)?;
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [grad_theta], inputs: [k_row, theta, indices, losses]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), temperature)?;
    Ok(exact.score_function(theta.rows(ld_theta), indices.slice(), losses.slice(), grad_theta.rows(ld_grad))?)
}
