//! One of n in closed form, the softmax: the functions of `topk_exact` without k_row, in O(n) instead of O(nk).

use core::ptr;

use crate::abi::{imle_key, imle_shape};
use crate::calls::{self, OneHot};
use crate::status::{imle_status, status};

/// The floats of workspace that the exact functions of one-hot states need: N, for any number of rows and samples.
/// IMLE_ARGMAX_EXACT_WORKSPACE_LEN(n) is the same number as a constant.
///
/// shape: in; k = 1; samples is ignored.
/// Returns 0 for NULL and for a shape that every exact function refuses.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_exact_workspace_len(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    unsafe { calls::exact_workspace_len::<OneHot>(shape) }
}

/// Exact marginals, log-partition and entropy of p(i) = exp(theta_i / T - A), T = temperature:
///
/// marginals mu_i = p(i), the softmax, log_partition A = ln sum_i exp(theta_i / T), entropy H = A - <mu, theta> / T.
///
/// mu is within 1e-6 of the exact value and A within 2e-6 * max(1, |A|), for theta in -80 to 80 and N to 4096 at
/// least. While |theta|, |theta / T| and (imle_argmax_marginals_vjp) |v| are at most 1e30, no output of this and the
/// other exact functions is NaN. O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// marginals: out, [B][N], 0 to 1, their sum is 1 to rounding, exactly 0 where theta is -inf; or NULL.
/// log_partition: out, [B], in nats, or NULL.
/// entropy: out, [B], at least 0, in nats, or NULL. At least one of the three must not be NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_marginals(
    shape: *const imle_shape,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    marginals: *mut f32,
    log_partition: *mut f32,
    entropy: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, work) = ((theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(|| unsafe {
        calls::marginals::<OneHot>(shape, ptr::null(), temperature, theta, (marginals, log_partition, entropy), work)
    })
}

/// The exact gradient of <v, mu(theta)> with respect to theta, the backward pass of the softmax:
///
/// out_i = (1 / T) mu_i (v_i - <mu, v>), T = temperature.
///
/// The same as imle_topk_marginals_vjp at k = 1, without k_row. O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
/// out: out, [B][N], in units of loss per unit of theta; its sum over a row is 0 to rounding.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE (of theta or v),
/// _INFEASIBLE. imle_argmax_find_bad_row names the row, with v for dz and dz_sample_stride 0.
/// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_marginals_vjp(
    shape: *const imle_shape,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    v: *const f32,
    ld_v: usize,
    out: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, work) = ((theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(|| unsafe { calls::marginals_vjp::<OneHot>(shape, ptr::null(), temperature, theta, (v, ld_v), out, work) })
}

/// Exact samples, independent of one another: z_s one-hot at i with probability p(i), s = 1..S: the distribution of
/// imle_argmax_sample with Gumbel noise and tau = temperature. The samples of row b are a pure function of (seed, step,
/// row0 + b); they share no random words with the noise of the same key. O(B S N).
///
/// shape: in; k = 1.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// key: in, which samples.
/// z: out, [B][S][N], 0 or 1, or NULL.
/// indices: out, [B][S], the position of the one, 0-based, or NULL. At least one of
/// the two must not be NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_sample_exact(
    shape: *const imle_shape,
    temperature: f32,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    z: *mut f32,
    indices: *mut u32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, work) = ((theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(|| unsafe { calls::sample_exact::<OneHot>(shape, ptr::null(), temperature, key, theta, (z, indices), work) })
}

/// The log-probability of choices: log_prob = ln p(i_s) = theta_(i_s) / T - A, T = temperature. O(B S N).
///
/// shape: in; k = 1.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// indices: in, [B][S], the position of the one, as the functions that draw return it.
/// log_prob: out, [B][S], at most 0, in nats.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE (also
/// for an index that is masked or not below N).
/// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_log_prob(
    shape: *const imle_shape,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    indices: *const u32,
    log_prob: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, work) = ((theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(|| unsafe { calls::log_prob::<OneHot>(shape, ptr::null(), temperature, theta, indices, log_prob, work) })
}

/// The Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature:
/// kl = KL(p || q) = sum_i p(i) ln(p(i) / q(i)). O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// kl: out, [B], at least 0, in nats; +inf where theta_other masks what p chooses.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE, for
/// either set of scores. imle_argmax_find_bad_row names the first bad row of each.
/// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_kl(
    shape: *const imle_shape,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    theta_other: *const f32,
    ld_other: usize,
    kl: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, work) = ((theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(|| unsafe { calls::kl::<OneHot>(shape, ptr::null(), temperature, theta, (theta_other, ld_other), kl, work) })
}

/// The SIMPLE estimator: exact samples in the forward pass, the derivative of the exact marginals in the backward pass:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
/// imle_argmax_sample_exact.
///
/// The mean over samples is computed as in imle_straight_through, the product as in imle_argmax_marginals_vjp.
/// O(B S N).
///
/// shape: in; k = 1.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_argmax_gradient.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_argmax_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
/// 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_simple(
    shape: *const imle_shape,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    grad_theta: *mut f32,
    ld_grad: usize,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, dz, grad) = ((theta, ld_theta), (dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad));
    // SAFETY: the caller's contract.
    status(|| unsafe { calls::simple::<OneHot>(shape, ptr::null(), temperature, theta, dz, grad, (work, work_len)) })
}

/// The score function of p with a leave-one-out baseline, an unbiased estimate of the gradient of E[loss(z)]:
///
/// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
///
/// It needs no gradient of the loss. It needs no mu either: the differences sum to 0, so mu cancels. O(B (N + S)).
///
/// shape: in; k = 1; S at least 2.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// indices: in, [B][S], the samples that imle_argmax_sample_exact drew.
/// losses: in, [B][S], finite: any function of the samples.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE
/// (also for an index that is masked or not below N).
/// Threads: any, with different outputs. Source: Kool, van Hoof, Welling 2019 (Buy 4 REINFORCE samples, get a baseline
/// for free).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_score_function(
    shape: *const imle_shape,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    indices: *const u32,
    losses: *const f32,
    grad_theta: *mut f32,
    ld_grad: usize,
) -> imle_status {
    let (theta, grad) = ((theta, ld_theta), (grad_theta, ld_grad));
    // SAFETY: the caller's contract.
    status(|| unsafe { calls::score_function::<OneHot>(shape, ptr::null(), temperature, theta, indices, losses, grad) })
}
