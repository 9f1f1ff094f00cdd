//! One of n in closed form, the softmax: the functions of `topk_exact` less k_row, in O(n) instead of O(nk).

use core::ptr;

use imle::{Argmax, Exact, Shape};

use crate::abi::{imle_key, imle_shape};
use crate::argmax::solver;
use crate::args;
use crate::arrays::{Backward, Expected, Forward, Listed, Pair, Scored};
use crate::status::{Refused, imle_status, status};

fn exact(shape: Shape, temperature: f32) -> Result<Exact<Argmax>, Refused> {
    Ok(Exact::new(shape, solver(shape)?, temperature)?)
}

/// The floats of workspace that the exact functions of one-hot states need, whatever rows and samples: N.
/// IMLE_ARGMAX_EXACT_WORKSPACE_LEN(n) is the same number as a constant.
///
/// shape: in; k = 1; samples is ignored.
/// Returns 0 for a shape that every exact function refuses, NULL included.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_exact_workspace_len(shape: *const imle_shape) -> usize {
    args::shape_of_map(shape).map_or(0, |shape| exact(shape, 1.0).map_or(0, |exact| exact.workspace_len()))
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
/// entropy: out, [B], at least 0, in nats, or NULL. One of the three is not NULL.
/// work, work_len: workspace, in floats, at least imle_argmax_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape_of_map(shape)?;
        let exact = exact(shape, temperature)?;
        let work = args::workspace(exact.workspace_len(), work, work_len)?;
        let moments = (marginals, log_partition, entropy);
        let c = Expected::check(shape, ptr::null(), (theta, ld_theta), moments, work)?;
        Ok(exact.marginals(c.theta, c.moments, c.work)?)
    })
}

/// The exact gradient of <v, mu(theta)> with respect to theta, the backward pass of the softmax:
///
/// out_i = (1 / T) mu_i (v_i - <mu, v>), T = temperature.
///
/// All as for imle_topk_marginals_vjp at k = 1, less k_row. O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
/// out: out, [B][N], in units of loss per unit of theta; its sum over a row is 0 to rounding.
/// work, work_len: workspace, in floats, at least imle_argmax_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape_of_map(shape)?;
        let exact = exact(shape, temperature)?;
        let work = args::workspace(exact.workspace_len(), work, work_len)?;
        let out = (out, shape.rows() * shape.n());
        let c = Pair::check(shape, ptr::null(), (theta, ld_theta), (v, ld_v), out, work)?;
        Ok(exact.marginals_vjp(c.theta, c.other, c.out, c.work)?)
    })
}

/// Exact samples, independent of one another: z_s one-hot at i with probability p(i), s = 1..S: the distribution of
/// imle_argmax_sample with Gumbel noise and tau = temperature. Row b draws from a pure function of (seed, step, row0 +
/// b), with other words than the noise of the same key. O(B S N).
///
/// shape: in; k = 1.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// key: in, which samples.
/// z: out, [B][S][N], 0 or 1, or NULL.
/// indices: out, [B][S], the position of the one, 0-based, or NULL. Not both NULL.
/// work, work_len: workspace, in floats, at least imle_argmax_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let (shape, key) = (args::shape(shape)?, args::key(key)?);
        let exact = exact(shape, temperature)?;
        let work = args::workspace(exact.workspace_len(), work, work_len)?;
        let c = Forward::check(shape, ptr::null(), (theta, ld_theta), (z, indices), ptr::null_mut(), work)?;
        Ok(exact.sample(key, c.theta, c.states.view_mut(), c.work.view_mut())?)
    })
}

/// The log-probability of choices: log_prob = ln p(i_s) = theta_(i_s) / T - A, T = temperature. O(B S N).
///
/// shape: in; k = 1.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// indices: in, [B][S], the position of the one, as the functions that draw return it.
/// log_prob: out, [B][S], at most 0, in nats.
/// work, work_len: workspace, in floats, at least imle_argmax_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape(shape)?;
        let exact = exact(shape, temperature)?;
        let work = args::workspace(exact.workspace_len(), work, work_len)?;
        let c = Listed::check(shape, ptr::null(), (theta, ld_theta), indices, log_prob, work)?;
        Ok(exact.log_prob(c.theta, c.indices, c.log_prob, c.work)?)
    })
}

/// The Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature:
/// kl = KL(p || q) = sum_i p(i) ln(p(i) / q(i)). O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// kl: out, [B], at least 0, in nats; +inf where theta_other masks what p chooses.
/// work, work_len: workspace, in floats, at least imle_argmax_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape_of_map(shape)?;
        let exact = exact(shape, temperature)?;
        let work = args::workspace(exact.workspace_len(), work, work_len)?;
        let (other, kl) = ((theta_other, ld_other), (kl, shape.rows()));
        let c = Pair::check(shape, ptr::null(), (theta, ld_theta), other, kl, work)?;
        Ok(exact.kl(c.theta, c.other, c.out, c.work)?)
    })
}

/// The SIMPLE estimator, exact samples forwards and the derivative of the exact marginals backwards:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
/// imle_argmax_sample_exact.
///
/// The mean is that of imle_straight_through, the product that of imle_argmax_marginals_vjp. O(B S N).
///
/// shape: in; k = 1.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_argmax_gradient.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. What lies between rows is not touched.
/// work, work_len: workspace, in floats, at least imle_argmax_exact_workspace_len(shape); its contents mean nothing.
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
    status(|| {
        let shape = args::shape(shape)?;
        let exact = exact(shape, temperature)?;
        let work = args::workspace(exact.workspace_len(), work, work_len)?;
        let (dz, grad) = ((dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad));
        let c = Backward::check(shape, ptr::null(), (theta, ld_theta), dz, ptr::null(), grad, ptr::null_mut(), work)?;
        Ok(exact.simple(c.theta, c.dz, c.grad_theta.view_mut(), c.work.view_mut())?)
    })
}

/// The score function of p with a leave-one-out baseline, an unbiased estimate of the gradient of E[loss(z)]:
///
/// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
///
/// Needs no gradient of the loss, and no mu: the differences sum to 0, so that it drops out. O(B (N + S)).
///
/// shape: in; k = 1; S at least 2.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// indices: in, [B][S], the samples that imle_argmax_sample_exact drew.
/// losses: in, [B][S], finite: any function of the samples.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. What lies between rows is not touched.
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
    status(|| {
        let shape = args::shape(shape)?;
        let c = Scored::check(shape, ptr::null(), (theta, ld_theta), indices, losses, (grad_theta, ld_grad))?;
        Ok(exact(shape, temperature)?.score_function(c.theta, c.indices, c.losses, c.grad_theta)?)
    })
}
