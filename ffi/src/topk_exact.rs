//! k of n in closed form: the distribution p(z) proportional to exp(<z, theta> / temperature) itself.

use crate::abi::{imle_key, imle_shape};
use crate::calls::{self, TopK};
use crate::status::{imle_status, status};

/// The floats of workspace that the exact functions of k-subsets need, for any number of rows and samples:
/// (N + 12)(K + 1) + 3 N + 136.
/// IMLE_TOPK_EXACT_WORKSPACE_LEN(n, k) is the same number as a constant.
///
/// shape: in; samples is ignored.
/// Returns 0 for NULL, for a shape that every exact function refuses, and if the workspace exceeds the address space.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_exact_workspace_len(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    unsafe { calls::exact_workspace_len::<TopK>(shape) }
}

/// Exact marginals, log-partition and entropy of p(z) = exp(<z, theta> / T - A) on k-subsets, T = temperature:
///
/// marginals mu = E[z], log_partition A = ln sum over z of exp(<z, theta> / T), entropy H = A - <mu, theta> / T.
///
/// mu is within 2e-6 of the exact value and A within 2e-6 * max(1, |A|), for theta in -80 to 80 and N to 4096 at
/// least. While |theta|, |theta / T| and (imle_topk_marginals_vjp) |v| are at most 1e30, no output of this and the
/// other exact functions is NaN. O(B N K).
///
/// shape: in; samples is ignored.
/// k_row: in, [B], the k of each row, 0 to shape.k, or NULL: shape.k for all.
/// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// marginals: out, [B][N], 0 to 1, their sum is the row's k to rounding, exactly 0 where theta is -inf; or NULL.
/// log_partition: out, [B], in nats, or NULL.
/// entropy: out, [B], at least 0, in nats, or NULL. At least one of the three must not be NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
/// 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_marginals(
    shape: *const imle_shape,
    k_row: *const u32,
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
        calls::marginals::<TopK>(shape, k_row, temperature, theta, (marginals, log_partition, entropy), work)
    })
}

/// The exact gradient of <v, mu(theta)> with respect to theta, a product with the covariance of p:
///
/// out = (1 / T) Cov(z) v = (1 / T) (E[z <v, z>] - mu <v, mu>), T = temperature.
///
/// If v is the gradient of the loss at mu, this is the backward pass of a layer whose output is mu. O(B N K).
///
/// shape: in; samples is ignored.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
/// out: out, [B][N], in units of loss per unit of theta; its sum over a row is 0 to rounding.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE (of theta or v),
/// _INFEASIBLE. imle_topk_find_bad_row names the row, with v for dz and dz_sample_stride 0.
/// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
/// 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_marginals_vjp(
    shape: *const imle_shape,
    k_row: *const u32,
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
    status(|| unsafe { calls::marginals_vjp::<TopK>(shape, k_row, temperature, theta, (v, ld_v), out, work) })
}

/// Exact samples, independent of one another: z_s drawn from p(z) proportional to exp(<z, theta> / T), s = 1..S,
/// T = temperature. (The distribution of imle_topk_sample is only close to it.) The samples of row b are a pure
/// function of (seed, step, row0 + b); they share no random words with the noise of the same key. O(B N (K + S)).
///
/// shape: in.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// key: in, which samples.
/// z: out, [B][S][N], 0 or 1, or NULL.
/// indices: out, [B][S][K], the positions of the ones, ascending, 0-based, unused tail UINT32_MAX, or NULL. At least
/// one of the two must not be NULL.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
/// 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_sample_exact(
    shape: *const imle_shape,
    k_row: *const u32,
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
    status(|| unsafe { calls::sample_exact::<TopK>(shape, k_row, temperature, key, theta, (z, indices), work) })
}

/// The log-probability of states: log_prob = ln p(z_s) = <z_s, theta> / T - A, T = temperature. O(B N (K + S)).
///
/// shape: in.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// indices: in, [B][S][K], the positions of the ones, as the functions that draw return them.
/// log_prob: out, [B][S], at most 0, in nats.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE (also
/// for an index list that is no state of its row: not ascending, not below N, masked, or not followed by UINT32_MAX).
/// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
/// 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_log_prob(
    shape: *const imle_shape,
    k_row: *const u32,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    indices: *const u32,
    log_prob: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let theta = (theta, ld_theta);
    // SAFETY: the caller's contract.
    status(|| unsafe { calls::log_prob::<TopK>(shape, k_row, temperature, theta, indices, log_prob, (work, work_len)) })
}

/// The Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature and k:
/// kl = KL(p || q) = sum over z of p(z) ln(p(z) / q(z)). O(B N K).
///
/// shape: in; samples is ignored.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// kl: out, [B], at least 0, in nats; +inf where theta_other masks what p chooses.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE, for
/// either set of scores. imle_topk_find_bad_row names the first bad row of each.
/// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
/// 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_kl(
    shape: *const imle_shape,
    k_row: *const u32,
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
    status(|| unsafe { calls::kl::<TopK>(shape, k_row, temperature, theta, (theta_other, ld_other), kl, work) })
}

/// The SIMPLE estimator: exact samples in the forward pass, the derivative of the exact marginals in the backward pass:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
/// imle_topk_sample_exact.
///
/// The mean over samples is computed as in imle_straight_through, the product as in imle_topk_marginals_vjp. O(B N (K +
/// S)).
///
/// shape: in.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_topk_gradient.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory), its length in floats at least imle_topk_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
/// 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_simple(
    shape: *const imle_shape,
    k_row: *const u32,
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
    status(|| unsafe { calls::simple::<TopK>(shape, k_row, temperature, theta, dz, grad, (work, work_len)) })
}

/// The score function of p with a leave-one-out baseline, an unbiased estimate of the gradient of E[loss(z)]:
///
/// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
///
/// It needs no gradient of the loss. It needs no mu either: the differences sum to 0, so mu cancels. O(B (N + S K)).
///
/// shape: in; S at least 2.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// indices: in, [B][S][K], the samples that imle_topk_sample_exact drew.
/// losses: in, [B][S], finite: any function of the samples.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE
/// (also for an index list that is no state of its row).
/// Threads: any, with different outputs. Source: Kool, van Hoof, Welling 2019 (Buy 4 REINFORCE samples, get a baseline
/// for free).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_score_function(
    shape: *const imle_shape,
    k_row: *const u32,
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
    status(|| unsafe { calls::score_function::<TopK>(shape, k_row, temperature, theta, indices, losses, grad) })
}
