//! k of n: C = { z in {0,1}^N : sum z_i = k }.

use crate::abi::{imle_diagnostics, imle_key, imle_options, imle_shape};
use crate::calls::{self, TopK};
use crate::status::{imle_status, status};

/// The floats of workspace that imle_topk_map, imle_topk_sample, imle_topk_gradient and imle_topk_fenchel_young need:
/// 3 N, for any number of rows and samples. IMLE_TOPK_WORKSPACE_LEN(n, k) is the same number as a constant.
///
/// shape: in; samples is ignored.
/// Returns 0 for NULL and for a shape that every function refuses.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_workspace_len(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    unsafe { calls::workspace_len::<TopK>(shape) }
}

/// The first row whose data imle_topk_sample and imle_topk_gradient would refuse: k_row[b] > k, NaN or +inf in theta,
/// fewer unmasked entries than the row's k, or a value of dz that is not finite.
///
/// shape: in.
/// k_row: in, [B], the k of each row, or NULL: shape.k for all.
/// theta, ld_theta: in, [B][N], row stride in elements, 0 = contiguous.
/// dz, dz_row_stride, dz_sample_stride: in, as for imle_topk_gradient, or NULL: not checked.
/// row: out, one number: the first bad row, or shape.rows if all are good.
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; bad data is not an error here but the answer. O(B S N).
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
    let theta = (theta, ld_theta);
    // SAFETY: the caller's contract.
    status(|| unsafe { calls::find_bad_row::<TopK>(shape, k_row, theta, (dz, dz_row_stride, dz_sample_stride), row) })
}

/// z = MAP(theta) = argmax over k-subsets z of <z, theta>: the choice at test time. The state has exactly k ones, at
/// the largest scores; among equal scores the lower index wins, and -0 equals +0. theta = -inf is a mask: the entry is
/// never chosen. O(B N); on 32-bit Arm and RISC-V the worst case is O(B N log K), here and below.
///
/// shape: in; samples is ignored.
/// k_row: in, [B], the k of each row, 0 to shape.k, or NULL: shape.k for all.
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// z: out, [B][N], 0 or 1, or NULL.
/// indices: out, [B][K], the positions of the ones, ascending, 0-based, unused tail UINT32_MAX, or NULL. At least
/// one of the two must not be NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_workspace_len(shape).
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
    status(|| unsafe { calls::map::<TopK>(shape, k_row, (theta, ld_theta), (z, indices), (work, work_len)) })
}

/// The forward pass: z_s = MAP(theta + tau eps_s), s = 1..S, with the noise eps_s of (key, row, s). The score of a
/// coordinate is theta + (tau * eps), each operation rounded once. Each state has exactly k ones, chosen as in
/// imle_topk_map. O(B S N).
///
/// shape: in.
/// k_row: in, [B], the k of each row, 0 to shape.k, or NULL: shape.k for all.
/// options: in; noise and temperature are used, every option is checked.
/// key: in, which noise.
/// theta, ld_theta: in, [B][N], scores, finite or -inf (never chosen); row stride in elements, at least N, 0 =
/// contiguous.
/// z: out, [B][S][N], 0 or 1, or NULL.
/// indices: out, [B][S][K], the positions of the ones, ascending, 0-based, unused tail UINT32_MAX, or NULL.
/// marginals: out, [B][N], the mean of z_s over s, an estimate of E[z], or NULL. At least one of the three must not be
/// NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_workspace_len(shape).
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
    let (theta, work) = ((theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(|| unsafe { calls::sample::<TopK>(shape, k_row, options, key, theta, (z, indices, marginals), work) })
}

/// The backward pass: an estimate of the gradient of the expected loss L with respect to theta:
///
/// grad_theta = c (1/S) sum_s (z_s - z'_s), z'_s = MAP(theta'_s + tau' eps_s), theta'_s = alpha theta - lambda dz_s,
///
/// with the noise of the forward pass, which the key reproduces, and c = 1 / lambda or 1 (options.scale). The target is
/// (alpha * theta) - (lambda * dz), its score theta' + (tau' * eps), each operation rounded once. Central difference
/// and combinatorial target: see IMLE_DIFFERENCE_CENTRAL, IMLE_TARGET_COMBINATORIAL. An entry masked in theta stays
/// masked. The sum is exact, then multiplied by the float ((h * c) / S), h = 1 or 1/2 for the central difference. O(B S
/// N).
///
/// shape, k_row, options, key, theta, ld_theta: in, the same as for imle_topk_sample.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
/// respect to z_(b,s); if the loss is a mean over the batch, leave its factor 1/B out, because lambda multiplies dz.
/// Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 = rows without gaps;
/// dz_sample_stride 0 = one dz per row, shared by its samples; others at least N.
/// indices: in, [B][S][K], what imle_topk_sample returned for the same key, which saves a selection, or NULL: they are
/// computed again. (The central difference checks them but does not use them.)
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// diagnostics: out, one struct, written on success only, or NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_workspace_len(shape).
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
    let (theta, dz, grad, work) =
        ((theta, ld_theta), (dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad), (work, work_len));
    // SAFETY: the caller's contract.
    status(|| unsafe {
        calls::gradient::<TopK>(shape, k_row, options, key, theta, dz, indices, grad, diagnostics, work)
    })
}

/// Learns from observed states y instead of a loss on z. This is the Fenchel-Young loss of the perturbed optimiser, up
/// to an unknown constant that depends on y only, and its exact gradient:
///
/// loss = (1/S) sum_s max over z of <z, theta + tau eps_s> - <theta, y>,   grad_theta = (1/S) sum_s z_s - y,
///
/// with the z_s that imle_topk_sample draws for the same key. The loss is convex in theta, and its expectation is least
/// where E[z] = y. O(B S N).
///
/// shape, k_row, options, key, theta, ld_theta: in, the same as for imle_topk_sample.
/// y, ld_y: in, [B][N], finite: a state, or a mean of states; row stride in elements, at least N, 0 = contiguous.
/// loss: out, [B], in units of theta; may be below 0; +inf where y is above 0 at a masked entry.
/// grad_theta, ld_grad: out, [B][N], exactly 0 where theta is masked; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_workspace_len(shape).
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
    status(|| unsafe { calls::fenchel_young::<TopK>(shape, k_row, options, key, theta, (y, ld_y), loss, grad, work) })
}
