//! k of n in closed form: the distribution p(z) proportional to exp(<z, theta> / temperature) itself.

use core::ptr;

use imle::{Error, Exact, Shape, TopK};

use crate::abi::{imle_key, imle_shape};
use crate::args;
use crate::arrays::{Backward, Expected, Forward, Listed, Pair, Scored};
use crate::status::{imle_status, status};
use crate::topk::solver;

fn exact(shape: Shape, k_row: Option<&[u32]>, temperature: f32) -> Result<Exact<TopK<'_>>, Error> {
    Exact::new(shape, solver(shape, k_row)?, temperature)
}

/// The same for every k_row and temperature.
fn workspace_len(shape: Shape) -> Result<usize, Error> {
    Ok(exact(shape, None, 1.0)?.workspace_len())
}

/// The floats of workspace that the exact functions of k-subsets need, whatever rows and samples:
/// (N + 12)(K + 1) + 3 N + 136.
/// IMLE_TOPK_EXACT_WORKSPACE_LEN(n, k) is the same number as a constant.
///
/// shape: in; samples is ignored.
/// Returns 0 for a shape that every exact function refuses, NULL included, and where the workspace is not addressable.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_exact_workspace_len(shape: *const imle_shape) -> usize {
    args::shape_of_map(shape).map_or(0, |shape| workspace_len(shape).unwrap_or(0))
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
/// entropy: out, [B], at least 0, in nats, or NULL. One of the three is not NULL.
/// work, work_len: workspace, in floats, at least imle_topk_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape_of_map(shape)?;
        let work = args::workspace(workspace_len(shape)?, work, work_len)?;
        let c = Expected::check(shape, k_row, (theta, ld_theta), (marginals, log_partition, entropy), work)?;
        Ok(exact(shape, c.k_row, temperature)?.marginals(c.theta, c.moments, c.work)?)
    })
}

/// The exact gradient of <v, mu(theta)> with respect to theta, a product with the covariance of p:
///
/// out = (1 / T) Cov(z) v = (1 / T) (E[z <v, z>] - mu <v, mu>), T = temperature.
///
/// With v = the gradient of the loss at mu this is the backward pass of a layer whose output is mu. O(B N K).
///
/// shape: in; samples is ignored.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
/// out: out, [B][N], in units of loss per unit of theta; its sum over a row is 0 to rounding.
/// work, work_len: workspace, in floats, at least imle_topk_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape_of_map(shape)?;
        let work = args::workspace(workspace_len(shape)?, work, work_len)?;
        let out = (out, shape.rows() * shape.n());
        let c = Pair::check(shape, k_row, (theta, ld_theta), (v, ld_v), out, work)?;
        Ok(exact(shape, c.k_row, temperature)?.marginals_vjp(c.theta, c.other, c.out, c.work)?)
    })
}

/// Exact samples, independent of one another: z_s drawn from p(z) proportional to exp(<z, theta> / T), s = 1..S,
/// T = temperature. (imle_topk_sample draws from a distribution that is close.) Row b draws from a pure function of
/// (seed, step, row0 + b), with other words than the noise of the same key. O(B N (K + S)).
///
/// shape: in.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// key: in, which samples.
/// z: out, [B][S][N], 0 or 1, or NULL.
/// indices: out, [B][S][K], the positions of the ones, ascending, 0-based, unused tail UINT32_MAX, or NULL. Not both
/// NULL.
/// work, work_len: workspace, in floats, at least imle_topk_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let (shape, key) = (args::shape(shape)?, args::key(key)?);
        let work = args::workspace(workspace_len(shape)?, work, work_len)?;
        let c = Forward::check(shape, k_row, (theta, ld_theta), (z, indices), ptr::null_mut(), work)?;
        Ok(exact(shape, c.k_row, temperature)?.sample(key, c.theta, c.states.view_mut(), c.work.view_mut())?)
    })
}

/// The log-probability of states: log_prob = ln p(z_s) = <z_s, theta> / T - A, T = temperature. O(B N (K + S)).
///
/// shape: in.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// indices: in, [B][S][K], the positions of the ones, as the functions that draw return them.
/// log_prob: out, [B][S], at most 0, in nats.
/// work, work_len: workspace, in floats, at least imle_topk_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape(shape)?;
        let work = args::workspace(workspace_len(shape)?, work, work_len)?;
        let c = Listed::check(shape, k_row, (theta, ld_theta), indices, log_prob, work)?;
        Ok(exact(shape, c.k_row, temperature)?.log_prob(c.theta, c.indices, c.log_prob, c.work)?)
    })
}

/// The Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature and k:
/// kl = KL(p || q) = sum over z of p(z) ln(p(z) / q(z)). O(B N K).
///
/// shape: in; samples is ignored.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// kl: out, [B], at least 0, in nats; +inf where theta_other masks what p chooses.
/// work, work_len: workspace, in floats, at least imle_topk_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape_of_map(shape)?;
        let work = args::workspace(workspace_len(shape)?, work, work_len)?;
        let (other, kl) = ((theta_other, ld_other), (kl, shape.rows()));
        let c = Pair::check(shape, k_row, (theta, ld_theta), other, kl, work)?;
        Ok(exact(shape, c.k_row, temperature)?.kl(c.theta, c.other, c.out, c.work)?)
    })
}

/// The SIMPLE estimator, exact samples forwards and the derivative of the exact marginals backwards:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
/// imle_topk_sample_exact.
///
/// The mean is that of imle_straight_through, the product that of imle_topk_marginals_vjp. O(B N (K + S)).
///
/// shape: in.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_topk_gradient.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. What lies between rows is not touched.
/// work, work_len: workspace, in floats, at least imle_topk_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape(shape)?;
        let work = args::workspace(workspace_len(shape)?, work, work_len)?;
        let (dz, grad) = ((dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad));
        let c = Backward::check(shape, k_row, (theta, ld_theta), dz, ptr::null(), grad, ptr::null_mut(), work)?;
        Ok(exact(shape, c.k_row, temperature)?.simple(c.theta, c.dz, c.grad_theta.view_mut(), c.work.view_mut())?)
    })
}

/// The score function of p with a leave-one-out baseline, an unbiased estimate of the gradient of E[loss(z)]:
///
/// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
///
/// Needs no gradient of the loss, and no mu: the differences sum to 0, so that it drops out. O(B (N + S K)).
///
/// shape: in; S at least 2.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// indices: in, [B][S][K], the samples that imle_topk_sample_exact drew.
/// losses: in, [B][S], finite: any function of the samples.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. What lies between rows is not touched.
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
    status(|| {
        let shape = args::shape(shape)?;
        let c = Scored::check(shape, k_row, (theta, ld_theta), indices, losses, (grad_theta, ld_grad))?;
        Ok(exact(shape, c.k_row, temperature)?.score_function(c.theta, c.indices, c.losses, c.grad_theta)?)
    })
}
