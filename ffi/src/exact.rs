//! The exact distribution p(z) proportional to exp(<z, theta> / temperature), in closed form.

use core::ptr;

use imle::{Exact, ExactOutputs, RowsMut, Shape, States};

use crate::abi::{self, imle_key, imle_shape};
use crate::args::{Array, check_arrays};
use crate::family::{Family, OneHot, Start, TopK, start, with_gradient, workspace_len};
use crate::status::{Refused, imle_status, status};

fn exact<F: Family>(
    shape: Shape,
    k_row: Option<&[u32]>,
    kind: F::Kind,
    temperature: f32,
) -> Result<Exact<F::Solver<'_>>, Refused> {
    Ok(Exact::new(shape, F::solver(shape, k_row, kind), temperature)?)
}

/// The floats of workspace that the exact functions need: the same for any number of rows, any k_row and temperature.
pub(crate) fn floats<F: Family>(shape: Shape, kind: F::Kind) -> Option<usize> {
    let one_row = Shape { rows: 1, samples: 1, ..shape };
    let exact = Exact::new(one_row, F::solver(one_row, None, kind), 1.0).ok()?;
    Some(exact.workspace_len())
}

/// Returns the floats of workspace that the exact functions of k-subsets need, for any number of rows and samples:
/// (N + 12)(K + 1) + 3 N + 136. IMLE_TOPK_EXACT_WORKSPACE_LEN(n, k) is the same number as a constant.
///
/// shape: in; rows and samples are ignored.
/// Returns 0 for NULL, for a shape that every exact function refuses, and if the workspace exceeds the address space.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_exact_workspace_len(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    unsafe { workspace_len::<TopK>(shape, ptr::null(), floats::<TopK>) }
}

/// Returns the floats of workspace that the exact functions of one-hot states need: N, for any number of rows and
/// samples. IMLE_ARGMAX_EXACT_WORKSPACE_LEN(n) is the same number as a constant.
///
/// shape: in; k = 1; rows and samples are ignored.
/// Returns 0 for NULL and for a shape that every exact function refuses.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_exact_workspace_len(shape: *const imle_shape) -> usize {
    // SAFETY: the caller's contract.
    unsafe { workspace_len::<OneHot>(shape, (), floats::<OneHot>) }
}

pub(crate) unsafe fn marginals_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    (marginals, log_partition, entropy): (*mut f32, *mut f32, *mut f32),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, kind, theta, work } =
        unsafe { start::<F>(abi::shape_ignoring_samples(shape), set, (theta, ld_theta), work, floats::<F>) }?;
    let marginals = Array::optional(marginals, shape.rows() * shape.n());
    let log_partition = Array::optional(log_partition, shape.rows());
    let entropy = Array::optional(entropy, shape.rows());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [marginals, log_partition, entropy, work], inputs: [k_row, theta]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), kind, temperature)?;
    let out = ExactOutputs {
        marginals: marginals.slice_if_any(),
        log_partition: log_partition.slice_if_any(),
        entropy: entropy.slice_if_any(),
    };
    Ok(exact.marginals(theta.rows(ld_theta), out, work.slice())?)
}

/// Computes the exact marginals, log-partition and entropy of p(z) = exp(<z, theta> / T - A) on k-subsets,
/// T = temperature:
///
/// marginals mu = E[z], log_partition A = ln sum over z of exp(<z, theta> / T), entropy H = A - <mu, theta> / T.
///
/// mu is within 2e-6 of the exact value and A within 2e-6 * max(1, |A|), for theta in -80 to 80 and N to 4096 at least.
/// A is infinite only if its exact value exceeds FLT_MAX. Nothing is accurate if two scores of a row differ by more than
/// FLT_MAX.
/// While |theta|, |theta / T| and (imle_topk_marginals_vjp) |v| are at most 1e30, no output of this and the other exact
/// functions is NaN. Time: O(B N K).
///
/// shape: in; samples is ignored.
/// k_row: in, [B], the k of each row, 0 to shape.k; NULL means shape.k for every row.
/// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// marginals: out, [B][N], 0 to 1, their sum is the row's k to rounding, exactly 0 where theta is -inf; or NULL.
/// log_partition: out, [B], in nats, or NULL.
/// entropy: out, [B], at least 0, in nats, or NULL. At least one of the three must not be NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
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
    status(move || unsafe {
        marginals_of::<TopK>(shape, k_row, temperature, theta, (marginals, log_partition, entropy), work)
    })
}

/// Computes the exact marginals, log-partition and entropy of p(i) = exp(theta_i / T - A), T = temperature:
///
/// marginals mu_i = p(i), the softmax, log_partition A = ln sum_i exp(theta_i / T), entropy H = A - <mu, theta> / T.
///
/// mu is within 1e-6 of the exact value and A within 2e-6 * max(1, |A|), for theta in -80 to 80 and N to 4096 at least.
/// A is infinite only if its exact value exceeds FLT_MAX. Nothing is accurate if two scores of a row differ by more than
/// FLT_MAX.
/// While |theta|, |theta / T| and (imle_argmax_marginals_vjp) |v| are at most 1e30, no output of this and the other
/// exact functions is NaN. Time: O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// marginals: out, [B][N], 0 to 1, their sum is 1 to rounding, exactly 0 where theta is -inf; or NULL.
/// log_partition: out, [B], in nats, or NULL.
/// entropy: out, [B], at least 0, in nats, or NULL. At least one of the three must not be NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_argmax_exact_workspace_len(shape).
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
    status(move || unsafe {
        marginals_of::<OneHot>(shape, (), temperature, theta, (marginals, log_partition, entropy), work)
    })
}

pub(crate) unsafe fn marginals_vjp_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    (v, ld_v): (*const f32, usize),
    out: *mut f32,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, kind, theta, work } =
        unsafe { start::<F>(abi::shape_ignoring_samples(shape), set, (theta, ld_theta), work, floats::<F>) }?;
    let v = Array::rows(shape, v, ld_v)?;
    let out = Array::required(out, shape.rows() * shape.n());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [out, work], inputs: [k_row, theta, v]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), kind, temperature)?;
    Ok(exact.marginals_vjp(theta.rows(ld_theta), v.rows(ld_v), RowsMut::contiguous(out.slice()), work.slice())?)
}

/// Computes the exact gradient of <v, mu(theta)> with respect to theta, a product with the covariance of p:
///
/// out = (1 / T) Cov(z) v = (1 / T) (E[z <v, z>] - mu <v, mu>), T = temperature.
///
/// If v is the gradient of the loss at mu, this is the backward pass of a layer whose output is mu. Time: O(B N K).
///
/// shape: in; samples is ignored.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
/// out: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0 where theta is
/// masked; infinite only where the exact value exceeds FLT_MAX, or its error does because far larger terms cancel.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
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
    status(move || unsafe { marginals_vjp_of::<TopK>(shape, k_row, temperature, theta, (v, ld_v), out, work) })
}

/// Computes the exact gradient of <v, mu(theta)> with respect to theta, the backward pass of the softmax:
///
/// out_i = (1 / T) mu_i (v_i - <mu, v>), T = temperature.
///
/// It is imle_topk_marginals_vjp at k = 1, without k_row. Time: O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
/// out: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0 where theta is
/// masked; infinite only where the exact value exceeds FLT_MAX, or its error does because far larger terms cancel.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_argmax_exact_workspace_len(shape).
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
    status(move || unsafe { marginals_vjp_of::<OneHot>(shape, (), temperature, theta, (v, ld_v), out, work) })
}

pub(crate) unsafe fn sample_exact_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    temperature: f32,
    key: *const imle_key,
    (theta, ld_theta): (*const f32, usize),
    (z, indices): (*mut f32, *mut u32),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, kind, theta, work } =
        unsafe { start::<F>(abi::shape(shape), set, (theta, ld_theta), work, floats::<F>) }?;
    // SAFETY: the caller's contract.
    let (key, row_ids) = unsafe { abi::key(key, shape) }?;
    let states = shape.rows() * shape.samples();
    let z = Array::optional(z, states * shape.n());
    let indices = Array::optional(indices, states * shape.k());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [z, indices, work], inputs: [k_row, theta, row_ids]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), kind, temperature)?;
    let states = States { z: z.slice_if_any(), indices: indices.slice_if_any(), marginals: None };
    Ok(exact.sample(key.to_core(row_ids), theta.rows(ld_theta), states, work.slice())?)
}

/// Draws exact samples, independent of one another: z_s from p(z) proportional to exp(<z, theta> / T), s = 1..S,
/// T = temperature. (The distribution of imle_topk_sample is only close to it.) A sample is a pure function of seed,
/// step, the numbers of its row and sample (imle_key), theta, T and k; -inf behind the scores of a row changes no bit.
/// It shares no random words with the noise of the same key, and it is never stratified. Time: O(B N (K + S)).
///
/// shape: in.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// key: in, selects the samples.
/// z: out, [B][S][N], 0 or 1; or NULL.
/// indices: out, [B][S][K], the positions of the ones, ascending, 0-based, UINT32_MAX in the unused tail; or NULL. At
/// least one of the two must not be NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
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
    status(move || unsafe { sample_exact_of::<TopK>(shape, k_row, temperature, key, theta, (z, indices), work) })
}

/// Draws exact samples, independent of one another: z_s is one-hot at i with probability p(i), s = 1..S. This is the
/// distribution of imle_argmax_sample with Gumbel noise and tau = temperature. A sample is a pure function of seed,
/// step, the numbers of its row and sample (imle_key), theta and T; -inf behind the scores of a row changes no bit. It
/// shares no random words with the noise of the same key, and it is never stratified. Time: O(B S N).
///
/// shape: in; k = 1.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// key: in, selects the samples.
/// z: out, [B][S][N], 0 or 1; or NULL.
/// indices: out, [B][S], the position of the one, 0-based; or NULL. At least one of the two must not be NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_argmax_exact_workspace_len(shape).
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
    status(move || unsafe { sample_exact_of::<OneHot>(shape, (), temperature, key, theta, (z, indices), work) })
}

pub(crate) unsafe fn log_prob_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    indices: *const u32,
    log_prob: *mut f32,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, kind, theta, work } =
        unsafe { start::<F>(abi::shape(shape), set, (theta, ld_theta), work, floats::<F>) }?;
    let states = shape.rows() * shape.samples();
    let indices = Array::required(indices, states * shape.k());
    let log_prob = Array::required(log_prob, states);
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [log_prob, work], inputs: [k_row, theta, indices]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), kind, temperature)?;
    Ok(exact.log_prob(theta.rows(ld_theta), indices.slice(), log_prob.slice(), work.slice())?)
}

/// Computes the log-probability of states: log_prob = ln p(z_s) = <z_s, theta> / T - A, T = temperature.
/// Time: O(B N (K + S)).
///
/// shape: in.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// indices: in, [B][S][K], the positions of the ones, as the functions that draw return them.
/// log_prob: out, [B][S], at most 0, in nats.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
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
    status(move || unsafe {
        log_prob_of::<TopK>(shape, k_row, temperature, theta, indices, log_prob, (work, work_len))
    })
}

/// Computes the log-probability of choices: log_prob = ln p(i_s) = theta_(i_s) / T - A, T = temperature.
/// Time: O(B S N).
///
/// shape: in; k = 1.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// indices: in, [B][S], the position of the one, as the functions that draw return it.
/// log_prob: out, [B][S], at most 0, in nats.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_argmax_exact_workspace_len(shape).
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
    status(move || unsafe { log_prob_of::<OneHot>(shape, (), temperature, theta, indices, log_prob, work) })
}

pub(crate) unsafe fn kl_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    (theta_other, ld_other): (*const f32, usize),
    kl: *mut f32,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, k_row, kind, theta, work } =
        unsafe { start::<F>(abi::shape_ignoring_samples(shape), set, (theta, ld_theta), work, floats::<F>) }?;
    let theta_other = Array::rows(shape, theta_other, ld_other)?;
    let kl = Array::required(kl, shape.rows());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [kl, work], inputs: [k_row, theta, theta_other]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), kind, temperature)?;
    Ok(exact.kl(theta.rows(ld_theta), theta_other.rows(ld_other), kl.slice(), work.slice())?)
}

/// Computes the Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature and k:
/// kl = KL(p || q) = sum over z of p(z) ln(p(z) / q(z)). Time: O(B N K).
///
/// shape: in; samples is ignored.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// kl: out, [B], at least 0, in nats, +inf where theta_other masks what p chooses.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
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
    status(move || unsafe { kl_of::<TopK>(shape, k_row, temperature, theta, (theta_other, ld_other), kl, work) })
}

/// Computes the Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature:
/// kl = KL(p || q) = sum_i p(i) ln(p(i) / q(i)). Time: O(B N).
///
/// shape: in; k = 1; samples is ignored.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// kl: out, [B], at least 0, in nats, +inf where theta_other masks what p chooses.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_argmax_exact_workspace_len(shape).
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
    status(move || unsafe { kl_of::<OneHot>(shape, (), temperature, theta, (theta_other, ld_other), kl, work) })
}

unsafe fn log_partitions_of(
    shape: *const imle_shape,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    log_partitions: *mut f32,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, theta, work, .. } = unsafe {
        start::<TopK>(abi::shape_ignoring_samples(shape), ptr::null(), (theta, ld_theta), work, floats::<TopK>)
    }?;
    let log_partitions = Array::required(log_partitions, shape.rows() * (shape.k() + 1));
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [log_partitions, work], inputs: [theta]);
    let exact = exact::<TopK>(shape, None, (), temperature)?;
    Ok(exact.log_partitions(theta.rows(ld_theta), log_partitions.slice(), work.slice())?)
}

/// Computes the log-partitions of all sizes in one pass: A_k = ln sum of exp(<z, theta> / T) over the z with k ones,
/// for k = 0 to K, T = temperature.
///
/// This is for a k that is itself chosen. Draw k with probability proportional to exp(A_k), or to exp(A_k) times a
/// prior of k, and then a subset with imle_topk_sample_exact and this k in k_row: without a prior this is the law of N
/// independent coins with odds exp(theta_i / T), given that at most K of them show heads (a Poisson-binomial law of k,
/// "up to K of N").
///
/// Each A_k is within 2e-6 * max(1, |A_k|) of the exact value, whatever theta / T is, also where large terms cancel
/// (tested to N = K = 1000), if no two scores of a row differ by more than FLT_MAX. While |theta| and |theta / T| are at
/// most 1e30, no output is NaN. Time: O(B N K), with an exponential for every coordinate and size.
///
/// shape: in; samples is ignored. K = N is allowed.
/// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// log_partitions: out, [B][K+1], in nats; A_0 = 0, and -inf where fewer than k entries are not masked: no row is
/// infeasible.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE.
/// Threads: any, with different outputs and workspaces. Source: this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_log_partitions(
    shape: *const imle_shape,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    log_partitions: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    // SAFETY: the caller's contract.
    status(move || unsafe {
        log_partitions_of(shape, temperature, (theta, ld_theta), log_partitions, (work, work_len))
    })
}

unsafe fn log_partitions_vjp_of(
    shape: *const imle_shape,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    (v, ld_v): (*const f32, usize),
    out: *mut f32,
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let Start { shape, theta, work, .. } = unsafe {
        start::<TopK>(abi::shape_ignoring_samples(shape), ptr::null(), (theta, ld_theta), work, floats::<TopK>)
    }?;
    let v = Array::rows(Shape { n: shape.k.saturating_add(1), k: 0, ..shape }, v, ld_v)?;
    let out = Array::required(out, shape.rows() * shape.n());
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [out, work], inputs: [theta, v]);
    let exact = exact::<TopK>(shape, None, (), temperature)?;
    Ok(exact.log_partitions_vjp(theta.rows(ld_theta), v.rows(ld_v), RowsMut::contiguous(out.slice()), work.slice())?)
}

/// Computes the gradient of sum_k v_k A_k with respect to theta, with the A_k of imle_topk_log_partitions:
///
/// out_i = sum_k v_k dA_k / dtheta_i, dA_k / dtheta_i = (1 / T) mu_i, mu = the marginals of the states with k ones.
///
/// If v is the gradient of the loss with respect to the A_k, this is the backward pass. The error of out is about
/// 1e-6 * sum_k |v_k| / T. Time: O(B N K).
///
/// shape: in; samples is ignored. K = N is allowed.
/// temperature, theta, ld_theta: in, the same as for imle_topk_log_partitions.
/// v, ld_v: in, [B][K+1], finite, in units of loss; row stride in elements, at least K + 1, 0 = contiguous. Where A_k
/// is -inf it has no gradient, and v_k is ignored (but must be finite).
/// out: out, [B][N], in units of loss per unit of theta, exactly 0 where theta is masked.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE (of theta or v).
/// Threads: any, with different outputs and workspaces. Source: this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_log_partitions_vjp(
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
    // SAFETY: the caller's contract.
    status(move || unsafe {
        log_partitions_vjp_of(shape, temperature, (theta, ld_theta), (v, ld_v), out, (work, work_len))
    })
}

pub(crate) unsafe fn simple_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    (dz, dz_row_stride, dz_sample_stride): (*const f32, usize, usize),
    (grad_theta, ld_grad): (*mut f32, usize),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let start = unsafe { start::<F>(abi::shape(shape), set, (theta, ld_theta), work, floats::<F>) };
    let (Start { shape, k_row, kind, theta, work }, dz, grad_theta) =
        with_gradient(start, |shape| Array::dz(shape, dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad))?;
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [grad_theta, work], inputs: [k_row, theta, dz]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), kind, temperature)?;
    let (theta, dz) = (theta.rows(ld_theta), dz.dz(dz_row_stride, dz_sample_stride));
    Ok(exact.simple(theta, dz, grad_theta.rows(ld_grad), work.slice())?)
}

/// The SIMPLE estimator takes exact samples in the forward pass and the derivative of the exact marginals in the
/// backward pass:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
/// imle_topk_sample_exact.
///
/// The mean over samples is computed as in imle_straight_through, the product as in imle_topk_marginals_vjp. A mean that
/// overflows counts as FLT_MAX with its sign.
/// Time: O(B N (K + S)).
///
/// shape: in.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_topk_gradient.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
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
    status(move || unsafe { simple_of::<TopK>(shape, k_row, temperature, theta, dz, grad, (work, work_len)) })
}

/// The SIMPLE estimator takes exact samples in the forward pass and the derivative of the exact marginals in the
/// backward pass:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
/// imle_argmax_sample_exact.
///
/// The mean over samples is computed as in imle_straight_through, the product as in imle_argmax_marginals_vjp. A mean
/// that overflows counts as FLT_MAX with its sign.
/// Time: O(B S N).
///
/// shape: in; k = 1.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_argmax_gradient.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_argmax_exact_workspace_len(shape).
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
    status(move || unsafe { simple_of::<OneHot>(shape, (), temperature, theta, dz, grad, (work, work_len)) })
}

pub(crate) unsafe fn score_function_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    indices: *const u32,
    losses: *const f32,
    (grad_theta, ld_grad): (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let shape = unsafe { abi::shape(shape) }?;
    F::check(shape)?;
    // SAFETY: the caller's contract.
    let (k_row, kind) = unsafe { F::read(set) };
    let kind = kind?;
    let states = shape.rows() * shape.samples();
    let k_row = Array::optional(k_row, shape.rows());
    let theta = Array::rows(shape, theta, ld_theta)?;
    let indices = Array::required(indices, states * shape.k());
    let losses = Array::required(losses, states);
    let grad_theta = Array::rows(shape, grad_theta, ld_grad)?;
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [grad_theta], inputs: [k_row, theta, indices, losses]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), kind, temperature)?;
    Ok(exact.score_function(theta.rows(ld_theta), indices.slice(), losses.slice(), grad_theta.rows(ld_grad))?)
}

/// The score function of p with a leave-one-out baseline estimates the gradient of E[loss(z)] without bias:
///
/// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
///
/// It needs no gradient of the loss. It needs no mu either: the differences sum to 0, so mu cancels.
/// Time: O(B (N + S K)).
///
/// shape: in; S at least 2.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// indices: in, [B][S][K], the samples that imle_topk_sample_exact drew. Samples of any other law give a
/// bias, those of imle_topk_sample and stratified ones too.
/// losses: in, [B][S], finite, any function of the samples.
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
    status(move || unsafe { score_function_of::<TopK>(shape, k_row, temperature, theta, indices, losses, grad) })
}

/// The score function of p with a leave-one-out baseline estimates the gradient of E[loss(z)] without bias:
///
/// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
///
/// It needs no gradient of the loss. It needs no mu either: the differences sum to 0, so mu cancels.
/// Time: O(B (N + S)).
///
/// shape: in; k = 1; S at least 2.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// indices: in, [B][S], the samples that imle_argmax_sample_exact drew. Samples of any other law give a
/// bias, stratified ones too.
/// losses: in, [B][S], finite, any function of the samples.
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
    status(move || unsafe { score_function_of::<OneHot>(shape, (), temperature, theta, indices, losses, grad) })
}

pub(crate) unsafe fn unbiased_simple_of<F: Family>(
    shape: *const imle_shape,
    set: F::Set,
    temperature: f32,
    (theta, ld_theta): (*const f32, usize),
    indices: *const u32,
    (dz, dz_row_stride, dz_sample_stride): (*const f32, usize, usize),
    losses: *const f32,
    (grad_theta, ld_grad): (*mut f32, usize),
    work: (*mut f32, usize),
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let start = unsafe { start::<F>(abi::shape(shape), set, (theta, ld_theta), work, floats::<F>) };
    let (Start { shape, k_row, kind, theta, work }, dz, grad_theta) =
        with_gradient(start, |shape| Array::dz(shape, dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad))?;
    let states = shape.rows() * shape.samples();
    let indices = Array::required(indices, states * shape.k());
    let losses = Array::required(losses, states);
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [grad_theta, work], inputs: [k_row, theta, indices, dz, losses]);
    let exact = exact::<F>(shape, k_row.slice_if_any(), kind, temperature)?;
    let (theta, dz) = (theta.rows(ld_theta), dz.dz(dz_row_stride, dz_sample_stride));
    let (indices, losses, grad_theta) = (indices.slice(), losses.slice(), grad_theta.rows(ld_grad));
    Ok(exact.unbiased_simple(theta, indices, dz, losses, grad_theta, work.slice())?)
}

/// SIMPLE with the score function as its correction estimates the gradient of E[loss(z)] without bias, whatever the
/// loss and dz are:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s + (1/S) sum_s (r_ss - mean over t != s of r_st) (1 / T) (z_s - mu),
/// r_st = loss_t - <v_s, z_t>, v_s = the mean of the dz of the other samples (a shared dz itself), T = temperature.
///
/// The nearer the loss is to a linear function of z with the gradient dz, the smaller is the variance. A common offset
/// of the losses costs no digits. Time: O(B N (K + S)).
///
/// shape: in; S at least 2.
/// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
/// indices: in, [B][S][K], the samples that imle_topk_sample_exact drew. Samples of any other law give a bias, those of
/// imle_topk_sample and stratified ones too.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss, the gradients of the loss at these
/// samples: the same as for imle_topk_gradient.
/// losses: in, [B][S], finite, of these samples.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE,
/// _INFEASIBLE (also for an index list that is no state of its row).
/// Threads: any, with different outputs and workspaces. Source: this library; SIMPLE: Ahmed, Zeng, Niepert, Van den
/// Broeck 2023 (arXiv 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_topk_unbiased_simple(
    shape: *const imle_shape,
    k_row: *const u32,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    indices: *const u32,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    losses: *const f32,
    grad_theta: *mut f32,
    ld_grad: usize,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, dz, grad) = ((theta, ld_theta), (dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad));
    let work = (work, work_len);
    // SAFETY: the caller's contract.
    status(move || unsafe {
        unbiased_simple_of::<TopK>(shape, k_row, temperature, theta, indices, dz, losses, grad, work)
    })
}

/// SIMPLE with the score function as its correction estimates the gradient of E[loss(z)] without bias, whatever the
/// loss and dz are:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s + (1/S) sum_s (r_ss - mean over t != s of r_st) (1 / T) (z_s - mu),
/// r_st = loss_t - <v_s, z_t>, v_s = the mean of the dz of the other samples (a shared dz itself), T = temperature.
///
/// The nearer the loss is to a linear function of z with the gradient dz, the smaller is the variance. A common offset
/// of the losses costs no digits. Time: O(B S N).
///
/// shape: in; k = 1; S at least 2.
/// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
/// indices: in, [B][S], the samples that imle_argmax_sample_exact drew. Samples of any other law give a bias,
/// stratified ones too.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss, the gradients of the loss at these
/// samples: the same as for imle_argmax_gradient.
/// losses: in, [B][S], finite, of these samples.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
/// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_argmax_exact_workspace_len(shape).
/// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE,
/// _INFEASIBLE (also for an index that is masked or not below N).
/// Threads: any, with different outputs and workspaces. Source: this library; SIMPLE: Ahmed, Zeng, Niepert, Van den
/// Broeck 2023 (arXiv 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_argmax_unbiased_simple(
    shape: *const imle_shape,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    indices: *const u32,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    losses: *const f32,
    grad_theta: *mut f32,
    ld_grad: usize,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, dz, grad) = ((theta, ld_theta), (dz, dz_row_stride, dz_sample_stride), (grad_theta, ld_grad));
    let work = (work, work_len);
    // SAFETY: the caller's contract.
    status(move || unsafe {
        unbiased_simple_of::<OneHot>(shape, (), temperature, theta, indices, dz, losses, grad, work)
    })
}
