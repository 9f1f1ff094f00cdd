//! One of n: C = { z in {0,1}^N : sum z_i = 1 }. The functions of `topk` without k_row; they give the same bits as
//! those at k = 1.

use core::ptr;

use crate::abi::{imle_diagnostics, imle_key, imle_options, imle_shape};
use crate::calls::{self, OneHot};
use crate::status::{imle_status, status};

/// The floats of workspace that imle_argmax_map, imle_argmax_sample, imle_argmax_gradient and imle_argmax_fenchel_young
/// need: 3 N, for any number of rows and samples. IMLE_ARGMAX_WORKSPACE_LEN(n) is the same number as a constant.
///
/// shape: in; k = 1; samples is ignored.
/// Returns 0 for NULL and for a shape that every function refuses.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_workspace_len(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    unsafe { calls::workspace_len::<OneHot>(shape) }
}

/// The first row whose data imle_argmax_sample and imle_argmax_gradient would refuse: NaN or +inf in theta, no unmasked
/// entry, or a value of dz that is not finite.
///
/// shape: in; k = 1.
/// theta, ld_theta: in, [B][N], row stride in elements, 0 = contiguous.
/// dz, dz_row_stride, dz_sample_stride: in, as for imle_argmax_gradient, or NULL: not checked.
/// row: out, one number: the first bad row, or shape.rows if all are good.
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; bad data is not an error here but the answer. O(B S N).
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
    status(|| unsafe { calls::find_bad_row::<OneHot>(shape, ptr::null(), theta, dz, row) })
}

/// z = MAP(theta): 1 at the largest score of the row, the lowest index among equals (-0 equal to +0), 0 elsewhere: the
/// choice at test time. theta = -inf is a mask: the entry is never chosen. O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// z: out, [B][N], 0 or 1, or NULL.
/// indices: out, [B], the position of the one, 0-based, or NULL. At least one of
/// the two must not be NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_workspace_len(shape).
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
    status(|| unsafe { calls::map::<OneHot>(shape, ptr::null(), (theta, ld_theta), (z, indices), (work, work_len)) })
}

/// The forward pass: z_s = MAP(theta + tau eps_s), s = 1..S, with the noise eps_s of (key, row, s). With Gumbel noise
/// these are exact samples of p(z) proportional to exp(<z, theta> / tau), a softmax. The score of a coordinate is
/// theta + (tau * eps), each operation rounded once. O(B S N).
///
/// shape: in; k = 1.
/// options: in; noise and temperature are used, every option is checked.
/// key: in, which noise.
/// theta, ld_theta: in, [B][N], scores, finite or -inf (never chosen); row stride in elements, at least N, 0 =
/// contiguous.
/// z: out, [B][S][N], 0 or 1, or NULL.
/// indices: out, [B][S], the position of the one, 0-based, or NULL.
/// marginals: out, [B][N], the mean of z_s over s, an estimate of E[z], or NULL. At least one of the three must not be
/// NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_workspace_len(shape).
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
    let (theta, work) = ((theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(|| unsafe {
        calls::sample::<OneHot>(shape, ptr::null(), options, key, theta, (z, indices, marginals), work)
    })
}

/// The backward pass: an estimate of the gradient of the expected loss L with respect to theta:
///
/// grad_theta = c (1/S) sum_s (z_s - z'_s), z'_s = MAP(theta'_s + tau' eps_s), theta'_s = alpha theta - lambda dz_s,
///
/// with the noise of the forward pass, which the key reproduces, and c = 1 / lambda or 1 (options.scale). The same as
/// imle_topk_gradient at k = 1, without k_row. O(B S N).
///
/// shape, options, key, theta, ld_theta: in, the same as for imle_argmax_sample.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
/// respect to z_(b,s); if the loss is a mean over the batch, leave its factor 1/B out, because lambda multiplies dz.
/// Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 = rows without gaps;
/// dz_sample_stride 0 = one dz per row, shared by its samples; others at least N.
/// indices: in, [B][S], what imle_argmax_sample returned for the same key, which saves a selection, or NULL: they are
/// computed again. (The central difference checks them but does not use them.)
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// diagnostics: out, one struct, written on success only, or NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_workspace_len(shape).
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
    let (theta, dz, grad, work) =
        ((theta, ld_theta), (dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad), (work, work_len));
    // SAFETY: the caller's contract.
    status(|| unsafe {
        calls::gradient::<OneHot>(shape, ptr::null(), options, key, theta, dz, indices, grad, diagnostics, work)
    })
}

/// Learns from observed states y instead of a loss on z. This is the Fenchel-Young loss of the perturbed optimiser, up
/// to an unknown constant that depends on y only, and its exact gradient:
///
/// loss = (1/S) sum_s max over z of <z, theta + tau eps_s> - <theta, y>,   grad_theta = (1/S) sum_s z_s - y,
///
/// with the z_s that imle_argmax_sample draws for the same key. The same as imle_topk_fenchel_young at k = 1, without
/// k_row. O(B S N).
///
/// shape, options, key, theta, ld_theta: in, the same as for imle_argmax_sample.
/// y, ld_y: in, [B][N], finite: a state, or a mean of states; row stride in elements, at least N, 0 = contiguous.
/// loss: out, [B], in units of theta; may be below 0; +inf where y is above 0 at a masked entry.
/// grad_theta, ld_grad: out, [B][N], exactly 0 where theta is masked; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_workspace_len(shape).
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
    status(|| unsafe { calls::fenchel_young::<OneHot>(shape, ptr::null(), options, key, theta, y, loss, grad, work) })
}
