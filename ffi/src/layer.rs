//! The layer of k-subsets and of one-hot states: MAP, the forward pass, the backward pass, and the Fenchel-Young loss.

use core::ptr;

use imle::{Error, Forward, Imle, MapSolver, Options, Shape, States};

use crate::abi::{self, imle_diagnostics, imle_key, imle_options, imle_shape};
use crate::args::{Array, check_arrays};
use crate::family::{Family, OneHot, Start, TopK, start, with_gradient, workspace_len};
use crate::status::{Refused, imle_status, status, status_of_call};

#[inline(always)]
unsafe fn layer<F: Family>(
    shape: Shape,
    k_row: Option<&[u32]>,
    kind: F::Kind,
    options: *const imle_options,
) -> Result<Imle<F::Solver<'_>>, Refused> {
    let solver = F::solver(shape, k_row, kind);
    // SAFETY: the caller's contract.
    let options = unsafe { abi::options(options) }?;
    Ok(Imle::unchecked(shape, solver, options))
}

/// The floats of workspace that a layer needs.
pub(crate) fn floats<F: Family>(shape: Shape, kind: F::Kind) -> Option<usize> {
    imle::workspace_len(shape.n()).checked_add(F::solver(shape, None, kind).workspace_len(shape.n()))
}

/// Returns the floats of workspace that imle_topk_map, imle_topk_sample, imle_topk_gradient and imle_topk_fenchel_young
/// need: 3 N, for any number of rows and samples. IMLE_TOPK_WORKSPACE_LEN(n, k) is the same number as a constant.
///
/// shape: in; rows and samples are ignored.
/// Returns 0 for NULL and for a shape that every function refuses.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_workspace_len(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    unsafe { workspace_len::<TopK>(shape, ptr::null(), floats::<TopK>) }
}

/// Returns the floats of workspace that imle_argmax_map, imle_argmax_sample, imle_argmax_gradient and
/// imle_argmax_fenchel_young need: 3 N, for any number of rows and samples. IMLE_ARGMAX_WORKSPACE_LEN(n) is the same
/// number as a constant.
///
/// shape: in; k = 1; rows and samples are ignored.
/// Returns 0 for NULL and for a shape that every function refuses.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_workspace_len(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    unsafe { workspace_len::<OneHot>(shape, (), floats::<OneHot>) }
}

pub(crate) unsafe fn find_bad_row_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    (theta, ld_theta): (*const f32, usize),
    (dz, dz_row_stride, dz_sample_stride): (*const f32, usize, usize),
    row: *mut u32,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // A solver without workspace of its own needs none here.
    let floats = |shape: Shape, kind| match F::solver(shape, None, kind).workspace_len(shape.n()) {
        0 => Some(0),
        _ => floats::<F>(shape, kind),
    };
    // SAFETY: the caller's contract.
    let Start { shape, k_row, kind, theta, work } =
        unsafe { start::<F>(abi::shape(shape), set, (theta, ld_theta), work, floats) }?;
    let dz = match dz.is_null() {
        true => Array::optional(dz, 0),
        false => Array::dz(shape, dz, dz_row_stride, dz_sample_stride)?,
    };
    let row = Array::required(row, 1);
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [row, work], inputs: [k_row, theta, dz]);
    let (theta, k_row) = (theta.rows(ld_theta), k_row.slice_if_any());
    let dz = dz.slice_if_any().map(|dz| imle::Dz::strided(dz, dz_row_stride, dz_sample_stride));

    // The rows before the first bad k are checked; it is the answer if they are good.
    let too_large = |k_row: &[u32]| k_row.iter().position(|&k| k as usize > shape.k());
    let rows = k_row.and_then(too_large).unwrap_or(shape.rows()) as u32;
    let good = Shape { rows, ..shape };
    let layer = Imle::new(good, F::solver(good, k_row, kind), Options::default())?;
    let first = match layer.check(theta, dz, work.slice()) {
        Ok(()) => rows,
        Err(Error::NonFinite { row, .. } | Error::Infeasible { row }) => row,
        Err(error) => return Err(error.into()),
    };
    row.slice().fill(first);
    Ok(())
}

/// Finds the first row whose data imle_topk_sample and imle_topk_gradient would refuse: k_row[b] > k, NaN or +inf in
/// theta, fewer unmasked entries than the row's k, or a value of dz that is not finite. Time: O(B S N).
///
/// shape: in.
/// k_row: in, [B], the k of each row; NULL means shape.k for every row.
/// theta, ld_theta: in, [B][N], row stride in elements, 0 = contiguous.
/// dz, dz_row_stride, dz_sample_stride: in, as for imle_topk_gradient; NULL means that there is no dz to check.
/// row: out, one number: the first bad row, or shape.rows if all are good.
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; bad data is not an error here but the answer.
/// Threads: any, with different outputs. Source: this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_find_bad_row(
    shape: *const imle_shape,
    k_row: *const u32,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    row: *mut u32,
) -> imle_status {
    let (theta, dz) = ((theta, ld_theta), (dz, dz_row_stride, dz_sample_stride));
    // SAFETY: the caller's contract.
    status(move || unsafe { find_bad_row_of::<TopK>(shape, k_row, theta, dz, row, (ptr::null_mut(), 0)) })
}

/// Finds the first row whose data imle_argmax_sample and imle_argmax_gradient would refuse: NaN or +inf in theta, no
/// unmasked entry, or a value of dz that is not finite. Time: O(B S N).
///
/// shape: in; k = 1.
/// theta, ld_theta: in, [B][N], row stride in elements, 0 = contiguous.
/// dz, dz_row_stride, dz_sample_stride: in, as for imle_argmax_gradient; NULL means that there is no dz to check.
/// row: out, one number: the first bad row, or shape.rows if all are good.
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; bad data is not an error here but the answer.
/// Threads: any, with different outputs. Source: this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_find_bad_row(
    shape: *const imle_shape,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    row: *mut u32,
) -> imle_status {
    let (theta, dz) = ((theta, ld_theta), (dz, dz_row_stride, dz_sample_stride));
    // SAFETY: the caller's contract.
    status(move || unsafe { find_bad_row_of::<OneHot>(shape, (), theta, dz, row, (ptr::null_mut(), 0)) })
}

pub(crate) unsafe fn map_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    (theta, ld_theta): (*const f32, usize),
    (z, indices): (*mut f32, *mut u32),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, kind, theta, work } =
        unsafe { start::<F>(abi::shape_ignoring_samples(shape), set, (theta, ld_theta), work, floats::<F>) }?;
    let z = Array::optional(z, shape.rows() * shape.n());
    let indices = Array::optional(indices, shape.rows() * shape.k());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [z, indices, work], inputs: [k_row, theta]);
    let layer = Imle::unchecked(shape, F::solver(shape, k_row.slice_if_any(), kind), Options::default());
    layer.check_parts()?;
    let states = States { z: z.slice_if_any(), indices: indices.slice_if_any(), marginals: None };
    Ok(layer.map(theta.rows(ld_theta), states, work.slice())?)
}

/// The choice at test time: z = MAP(theta) = argmax over k-subsets z of <z, theta>. The state has exactly k ones, at
/// the largest scores; among equal scores the lower index wins, and -0 equals +0. theta = -inf is a mask: the entry is
/// never chosen. Time: O(B N). On 32-bit Arm and RISC-V the worst case is O(B N log K) for each MAP, here and below.
///
/// shape: in; samples is ignored.
/// k_row: in, [B], the k of each row, 0 to shape.k; NULL means shape.k for every row.
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// z: out, [B][N], 0 or 1; or NULL.
/// indices: out, [B][K], the positions of the ones, ascending, 0-based, UINT32_MAX in the unused tail; or NULL. At
/// least one of the two must not be NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OVERLAP; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
/// section 2.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_map(
    shape: *const imle_shape,
    k_row: *const u32,
    theta: *const f32,
    ld_theta: usize,
    z: *mut f32,
    indices: *mut u32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    // SAFETY: the caller's contract.
    status(move || unsafe { map_of::<TopK>(shape, k_row, (theta, ld_theta), (z, indices), (work, work_len)) })
}

/// The choice at test time: z = MAP(theta) is 1 at the largest score of the row and 0 elsewhere. Among equal scores the
/// lower index wins, and -0 equals +0. theta = -inf is a mask: the entry is never chosen. Time: O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// z: out, [B][N], 0 or 1; or NULL.
/// indices: out, [B], the position of the one, 0-based; or NULL. At least one of the two must not be NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_argmax_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OVERLAP; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
/// section 2.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_map(
    shape: *const imle_shape,
    theta: *const f32,
    ld_theta: usize,
    z: *mut f32,
    indices: *mut u32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    // SAFETY: the caller's contract.
    status(move || unsafe { map_of::<OneHot>(shape, (), (theta, ld_theta), (z, indices), (work, work_len)) })
}

#[cfg_attr(imle_float_mode, inline(never))]
pub(crate) unsafe fn sample_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    z: *mut f32,
    indices: *mut u32,
    marginals: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, kind, theta, work } =
        unsafe { start::<F>(abi::shape(shape), set, (theta, ld_theta), (work, work_len), floats::<F>) }?;
    let states = shape.rows() * shape.samples();
    let z = Array::optional(z, states * shape.n());
    let indices = Array::optional(indices, states * shape.k());
    let marginals = Array::optional(marginals, shape.rows() * shape.n());
    // SAFETY: the caller's contract.
    let (key, row_ids) = unsafe { abi::key(key, shape) }?;
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [z, indices, marginals, work], inputs: [k_row, theta, row_ids]);
    // SAFETY: the caller's contract.
    let layer = unsafe { layer::<F>(shape, k_row.slice_if_any(), kind, options) }?;
    layer.check_parts()?;
    let states = States { z: z.slice_if_any(), indices: indices.slice_if_any(), marginals: marginals.slice_if_any() };
    Ok(layer.sample(key.to_core(row_ids), theta.rows(ld_theta), states, work.slice())?)
}

/// The forward pass draws z_s = MAP(theta + tau eps_s), s = 1..S, with the noise eps_s of (key, row, s). The score of a
/// coordinate is theta + (tau * eps); each operation is rounded once. Each state has exactly k ones, chosen as in
/// imle_topk_map. Time: O(B S N).
///
/// shape: in.
/// k_row: in, [B], the k of each row, 0 to shape.k; NULL means shape.k for every row.
/// options: in; noise and temperature are used, every option is checked.
/// key: in, selects the noise.
/// theta, ld_theta: in, [B][N], scores, finite or -inf (never chosen); row stride in elements, at least N, 0 =
/// contiguous.
/// z: out, [B][S][N], 0 or 1; or NULL.
/// indices: out, [B][S][K], the positions of the ones, ascending, 0-based, UINT32_MAX in the unused tail; or NULL.
/// marginals: out, [B][N], the mean of z_s over s, which estimates E[z]; or NULL. At least one of the three must not be
/// NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Papandreou, Yuille 2011; Niepert, Minervini, Franceschi
/// 2021 (arXiv 2106.01798), section 3.2.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_sample(
    shape: *const imle_shape,
    k_row: *const u32,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    z: *mut f32,
    indices: *mut u32,
    marginals: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    // SAFETY: the caller's contract.
    status_of_call(move || unsafe {
        sample_of::<TopK>(shape, k_row, options, key, theta, ld_theta, z, indices, marginals, work, work_len)
    })
}

/// The forward pass draws z_s = MAP(theta + tau eps_s), s = 1..S, with the noise eps_s of (key, row, s). With Gumbel
/// noise these are exact samples of p(z) proportional to exp(<z, theta> / tau), a softmax. The score of a coordinate is
/// theta + (tau * eps); each operation is rounded once. Time: O(B S N).
///
/// shape: in; k = 1.
/// options: in; noise and temperature are used, every option is checked.
/// key: in, selects the noise.
/// theta, ld_theta: in, [B][N], scores, finite or -inf (never chosen); row stride in elements, at least N, 0 =
/// contiguous.
/// z: out, [B][S][N], 0 or 1; or NULL.
/// indices: out, [B][S], the position of the one, 0-based; or NULL.
/// marginals: out, [B][N], the mean of z_s over s, which estimates E[z]; or NULL. At least one of the three must not be
/// NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_argmax_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Papandreou, Yuille 2011; Niepert, Minervini, Franceschi
/// 2021 (arXiv 2106.01798), section 3.2.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_sample(
    shape: *const imle_shape,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    z: *mut f32,
    indices: *mut u32,
    marginals: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    // SAFETY: the caller's contract.
    status_of_call(move || unsafe {
        sample_of::<OneHot>(shape, (), options, key, theta, ld_theta, z, indices, marginals, work, work_len)
    })
}

#[cfg_attr(imle_float_mode, inline(never))]
pub(crate) unsafe fn gradient_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    indices: *const u32,
    grad_theta: *mut f32,
    ld_grad: usize,
    diagnostics: *mut imle_diagnostics,
    work: *mut f32,
    work_len: usize,
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let start = unsafe { start::<F>(abi::shape(shape), set, (theta, ld_theta), (work, work_len), floats::<F>) };
    let (Start { shape, k_row, kind, theta, work }, dz, grad_theta) =
        with_gradient(start, |shape| Array::dz(shape, dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad))?;
    let indices = Array::optional(indices, shape.rows() * shape.samples() * shape.k());
    let diagnostics = Array::optional(diagnostics, 1);
    // SAFETY: the caller's contract.
    let (key, row_ids) = unsafe { abi::key(key, shape) }?;
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [grad_theta, diagnostics, work], inputs: [k_row, theta, dz, indices, row_ids]);
    // SAFETY: the caller's contract.
    let layer = unsafe { layer::<F>(shape, k_row.slice_if_any(), kind, options) }?;
    layer.check_parts()?;
    let (theta, dz) = (theta.rows(ld_theta), dz.dz(dz_row_stride, dz_sample_stride));
    let found = layer.gradient(
        key.to_core(row_ids),
        theta,
        dz,
        indices.slice_if_any().map_or(Forward::Replay, Forward::Indices),
        grad_theta.rows(ld_grad),
        work.slice(),
    )?;
    if let Some(diagnostics) = diagnostics.slice_if_any() {
        diagnostics.fill(found.into());
    }
    Ok(())
}

/// The backward pass estimates the gradient of the expected loss L with respect to theta:
///
/// grad_theta = c (1/S) sum_s (z_s - z'_s), z'_s = MAP(theta'_s + tau' eps_s), theta'_s = alpha theta - lambda dz_s,
///
/// with the noise of the forward pass, which the key reproduces, and c = 1 / lambda or 1 (options.scale). The target
/// theta' is (alpha * theta) - (lambda * dz) and its score theta' + (tau' * eps); each operation is rounded once.
/// IMLE_DIFFERENCE_CENTRAL and IMLE_TARGET_COMBINATORIAL describe the other difference and the other target. An entry
/// masked in theta stays masked. The sum is exact. It is then multiplied by the float ((h * c) / S), where h is 1, or
/// 1/2 for the central difference. Time: O(B S N).
///
/// shape, k_row, options, key, theta, ld_theta: in, the same as for imle_topk_sample.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
/// respect to z_(b,s); if the loss is a mean over the batch, leave its factor 1/B out, because lambda multiplies dz.
/// Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means rows without gaps,
/// dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N.
/// indices: in, [B][S][K], what imle_topk_sample returned for the same key, which saves a selection; NULL means that
/// the states are computed again. Any other states of the rows take the place of z_s in the formula. (The central
/// difference checks the lists but does not use them.)
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// diagnostics: out, one struct, written on success only, or NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE (also for
/// an index list that is no state of its row).
/// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
/// Algorithm 1; central difference: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_gradient(
    shape: *const imle_shape,
    k_row: *const u32,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    indices: *const u32,
    grad_theta: *mut f32,
    ld_grad: usize,
    diagnostics: *mut imle_diagnostics,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    // SAFETY: the caller's contract.
    status_of_call(move || unsafe {
        gradient_of::<TopK>(
            shape,
            k_row,
            options,
            key,
            theta,
            ld_theta,
            dz,
            dz_row_stride,
            dz_sample_stride,
            indices,
            grad_theta,
            ld_grad,
            diagnostics,
            work,
            work_len,
        )
    })
}

/// The backward pass estimates the gradient of the expected loss L with respect to theta:
///
/// grad_theta = c (1/S) sum_s (z_s - z'_s), z'_s = MAP(theta'_s + tau' eps_s), theta'_s = alpha theta - lambda dz_s,
///
/// with the noise of the forward pass, which the key reproduces, and c = 1 / lambda or 1 (options.scale). It is
/// imle_topk_gradient at k = 1, without k_row. Time: O(B S N).
///
/// shape, options, key, theta, ld_theta: in, the same as for imle_argmax_sample.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
/// respect to z_(b,s); if the loss is a mean over the batch, leave its factor 1/B out, because lambda multiplies dz.
/// Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means rows without gaps,
/// dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N.
/// indices: in, [B][S], what imle_argmax_sample returned for the same key, which saves a selection; NULL means that the
/// states are computed again. Any other states of the rows take the place of z_s in the formula. (The central difference
/// checks the positions but does not use them.)
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// diagnostics: out, one struct, written on success only, or NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_argmax_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE (also for
/// an index that is masked or not below N).
/// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
/// Algorithm 1; central difference: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_gradient(
    shape: *const imle_shape,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    indices: *const u32,
    grad_theta: *mut f32,
    ld_grad: usize,
    diagnostics: *mut imle_diagnostics,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    // SAFETY: the caller's contract.
    status_of_call(move || unsafe {
        gradient_of::<OneHot>(
            shape,
            (),
            options,
            key,
            theta,
            ld_theta,
            dz,
            dz_row_stride,
            dz_sample_stride,
            indices,
            grad_theta,
            ld_grad,
            diagnostics,
            work,
            work_len,
        )
    })
}

pub(crate) unsafe fn fenchel_young_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    options: *const imle_options,
    key: *const imle_key,
    (theta, ld_theta): (*const f32, usize),
    (y, ld_y): (*const f32, usize),
    loss: *mut f32,
    (grad_theta, ld_grad): (*mut f32, usize),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let start = unsafe { start::<F>(abi::shape(shape), set, (theta, ld_theta), work, floats::<F>) };
    let (Start { shape, k_row, kind, theta, work }, y, grad_theta) =
        with_gradient(start, |shape| Array::rows(shape, y, ld_y), (grad_theta, ld_grad))?;
    let loss = Array::required(loss, shape.rows());
    // SAFETY: the caller's contract.
    let (key, row_ids) = unsafe { abi::key(key, shape) }?;
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [loss, grad_theta, work], inputs: [k_row, theta, y, row_ids]);
    // SAFETY: the caller's contract.
    let layer = unsafe { layer::<F>(shape, k_row.slice_if_any(), kind, options) }?;
    layer.check_parts()?;
    let (theta, y) = (theta.rows(ld_theta), y.rows(ld_y));
    Ok(layer.fenchel_young(key.to_core(row_ids), theta, y, loss.slice(), grad_theta.rows(ld_grad), work.slice())?)
}

/// Learns from observed states y instead of a loss on z. This is the Fenchel-Young loss of the perturbed optimiser, up
/// to an unknown constant that depends on y only, and its exact gradient:
///
/// loss = (1/S) sum_s max over z of <z, theta + tau eps_s> - <theta, y>,   grad_theta = (1/S) sum_s z_s - y,
///
/// with the z_s that imle_topk_sample draws for the same key. The loss is convex in theta, and its expectation has its
/// minimum where E[z] = y. Time: O(B S N).
///
/// shape, k_row, options, key, theta, ld_theta: in, the same as for imle_topk_sample.
/// y, ld_y: in, [B][N], finite: a state, or a mean of states; row stride in elements, at least N, 0 = contiguous.
/// loss: out, [B], in units of theta; it may be below 0, and is +inf where y is above 0 at a masked entry.
/// grad_theta, ld_grad: out, [B][N], exactly 0 where theta is masked; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020
/// (arXiv 2002.08676).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_fenchel_young(
    shape: *const imle_shape,
    k_row: *const u32,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    y: *const f32,
    ld_y: usize,
    loss: *mut f32,
    grad_theta: *mut f32,
    ld_grad: usize,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, grad, work) = ((theta, ld_theta), (grad_theta, ld_grad), (work, work_len));
    // SAFETY: the caller's contract.
    status(move || unsafe { fenchel_young_of::<TopK>(shape, k_row, options, key, theta, (y, ld_y), loss, grad, work) })
}

/// Learns from observed states y instead of a loss on z. This is the Fenchel-Young loss of the perturbed optimiser, up
/// to an unknown constant that depends on y only, and its exact gradient:
///
/// loss = (1/S) sum_s max over z of <z, theta + tau eps_s> - <theta, y>,   grad_theta = (1/S) sum_s z_s - y,
///
/// with the z_s that imle_argmax_sample draws for the same key. It is imle_topk_fenchel_young at k = 1, without k_row.
/// Time: O(B S N).
///
/// shape, options, key, theta, ld_theta: in, the same as for imle_argmax_sample.
/// y, ld_y: in, [B][N], finite: a state, or a mean of states; row stride in elements, at least N, 0 = contiguous.
/// loss: out, [B], in units of theta; it may be below 0, and is +inf where y is above 0 at a masked entry.
/// grad_theta, ld_grad: out, [B][N], exactly 0 where theta is masked; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_argmax_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020
/// (arXiv 2002.08676).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_fenchel_young(
    shape: *const imle_shape,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    y: *const f32,
    ld_y: usize,
    loss: *mut f32,
    grad_theta: *mut f32,
    ld_grad: usize,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, grad, work, y) = ((theta, ld_theta), (grad_theta, ld_grad), (work, work_len), (y, ld_y));
    // SAFETY: the caller's contract.
    status(move || unsafe { fenchel_young_of::<OneHot>(shape, (), options, key, theta, y, loss, grad, work) })
}
