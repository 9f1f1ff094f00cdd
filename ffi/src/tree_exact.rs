//! The exact distribution over dependency trees, in closed form. The bodies are those of `exact`.

use core::ptr;

use crate::abi::{imle_key, imle_shape, imle_tree_options};
use crate::exact::{
    floats, kl_of, log_prob_of, marginals_of, marginals_vjp_of, sample_exact_of, score_function_of, simple_of,
    unbiased_simple_of,
};
use crate::family::{Tree, workspace_len};
use crate::status::{imle_status, status};

/// Returns the floats of workspace that the exact functions of trees need, for any number of rows and samples:
/// 10 N + 100 K + 48, projective 15 N + 120 K + 144, where K is the number of words.
/// IMLE_TREE_EXACT_WORKSPACE_LEN(words, projective, single_root) is the same number as a constant.
///
/// shape: in; k = words, n = words * words; rows and samples are ignored.
/// tree_options: in, which trees.
/// Returns 0 for NULL, for a shape that every function refuses, and for options that it refuses.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_exact_workspace_len(
    shape: *const imle_shape,
    tree_options: *const imle_tree_options,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe { workspace_len::<Tree>(shape, (ptr::null(), tree_options), floats::<Tree>) }
}

/// Computes the exact marginals, log-partition and entropy of p(z) = exp(<z, theta> / T - A) on dependency trees,
/// T = temperature:
///
/// marginals mu = E[z], log_partition A = ln sum over z of exp(<z, theta> / T), entropy H = A - <mu, theta> / T.
///
/// mu is within 5e-6 of the exact value and A within 2e-6 * max(1, |A|), for 64 words and theta in -80 to 80 at any T
/// from 0.01 to 100: nothing is subtracted, and numbers have exponents of their own. A is infinite only if its exact
/// value exceeds FLT_MAX. Nothing is accurate if two scores of a row differ by more than FLT_MAX. While |theta|,
/// |theta / T| and (imle_tree_marginals_vjp) |v| are at most 1e30, no output of this and the other exact functions is
/// NaN. Time: O(B K^3), where K is the number of words.
///
/// shape: in; k = words, n = words * words; samples is ignored.
/// n_row: in, [B], the words of each row, 0 to shape.k; NULL means shape.k for every row. What lies outside the upper
/// left corner of n_row[b] words is not read and is 0 in the outputs. A row of 0 words has the empty tree: A = 0.
/// tree_options: in, which trees.
/// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous. Element
/// h * words + d is the arc from head h to word d, the diagonal the arcs from the root.
/// marginals: out, [B][N], 0 to 1, their sum over the heads of a word is 1 to rounding, exactly 0 where theta is -inf;
/// or NULL.
/// log_partition: out, [B], in nats, or NULL.
/// entropy: out, [B], at least 0, in nats, or NULL. At least one of the three must not be NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_exact_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
/// _NONFINITE, _INFEASIBLE (masks that leave no tree).
/// Threads: any, with different outputs and workspaces. Source: Smith, Smith 2007 and Koo, Globerson, Carreras, Collins
/// 2007 (the matrix-tree theorem); Grassmann, Taksar, Heyman 1985 (the elimination); projective: Eisner 1996.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_marginals(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    marginals: *mut f32,
    log_partition: *mut f32,
    entropy: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (set, theta, work) = ((n_row, tree_options), (theta, ld_theta), (work, work_len));
    let out = (marginals, log_partition, entropy);
    // SAFETY: the caller's contract.
    status(move || unsafe { marginals_of::<Tree>(shape, set, temperature, theta, out, work) })
}

/// Computes the exact gradient of <v, mu(theta)> with respect to theta, a product with the covariance of p:
///
/// out = (1 / T) Cov(z) v = (1 / T) (E[z <v, z>] - mu <v, mu>), T = temperature.
///
/// If v is the gradient of the loss at mu, this is the backward pass of a layer whose output is mu. Time: O(B K^3).
///
/// shape: in; k = words, n = words * words; samples is ignored.
/// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
/// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
/// out: out, [B][N], in units of loss per unit of theta, its sum over the heads of a word is 0 to rounding, exactly 0
/// where theta is masked; infinite only where the exact value exceeds FLT_MAX, or its error does because far larger
/// terms cancel.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_exact_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION; _NONFINITE
/// (of theta or v), _INFEASIBLE. imle_tree_find_bad_row names the row, with v for dz and dz_sample_stride 0.
/// Threads: any, with different outputs and workspaces. Source: Smith, Smith 2007 and Koo, Globerson, Carreras, Collins
/// 2007 (the matrix-tree theorem); Grassmann, Taksar, Heyman 1985 (the elimination); projective: Eisner 1996.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_marginals_vjp(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    v: *const f32,
    ld_v: usize,
    out: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (set, theta, v, work) = ((n_row, tree_options), (theta, ld_theta), (v, ld_v), (work, work_len));
    // SAFETY: the caller's contract.
    status(move || unsafe { marginals_vjp_of::<Tree>(shape, set, temperature, theta, v, out, work) })
}

/// Draws exact samples, independent of one another: z_s from p(z) proportional to exp(<z, theta> / T), s = 1..S, T =
/// temperature. (The distribution of imle_tree_sample is only close to it.) A sample is a pure function of seed, step,
/// the numbers of its row and sample (imle_key), theta, T, the kind of trees and the number of words. It shares no
/// random words with the noise of the same key, and it is never stratified. Time: O(B (K^3 + S K^2)) as a rule.
///
/// shape: in; k = words, n = words * words.
/// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
/// key: in, selects the samples.
/// z: out, [B][S][N], 0 or 1; or NULL.
/// indices: out, [B][S][K], the positions of the arcs, ascending, UINT32_MAX in the unused tail; or NULL. At least one
/// of the two must not be NULL. imle_tree_heads turns them into heads.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_exact_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
/// _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: this library; projective: Eisner 1996.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_sample_exact(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    temperature: f32,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    z: *mut f32,
    indices: *mut u32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (set, theta, work) = ((n_row, tree_options), (theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(move || unsafe { sample_exact_of::<Tree>(shape, set, temperature, key, theta, (z, indices), work) })
}

/// Computes the log-probability of trees: log_prob = ln p(z_s) = <z_s, theta> / T - A, T = temperature.
/// Time: O(B (K^3 + S N)), plus K^3 for each list that is checked to be projective.
///
/// shape: in; k = words, n = words * words.
/// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
/// indices: in, [B][S][K], the positions of the arcs, as the functions that draw return them.
/// log_prob: out, [B][S], at most 0, in nats.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_exact_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
/// _NONFINITE, _INFEASIBLE (also for an index list that is no tree of its row).
/// Threads: any, with different outputs and workspaces. Source: Smith, Smith 2007 and Koo, Globerson, Carreras, Collins
/// 2007 (the matrix-tree theorem); Grassmann, Taksar, Heyman 1985 (the elimination); projective: Eisner 1996.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_log_prob(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    indices: *const u32,
    log_prob: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (set, theta, work) = ((n_row, tree_options), (theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(move || unsafe { log_prob_of::<Tree>(shape, set, temperature, theta, indices, log_prob, work) })
}

/// Computes the Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature and for the
/// same trees: kl = KL(p || q) = sum over z of p(z) ln(p(z) / q(z)). Time: O(B K^3).
///
/// shape: in; k = words, n = words * words; samples is ignored.
/// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
/// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// kl: out, [B], at least 0, in nats, +inf where theta_other masks what p chooses.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_exact_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
/// _NONFINITE, _INFEASIBLE, for either set of scores. imle_tree_find_bad_row names the first bad row of each.
/// Threads: any, with different outputs and workspaces. Source: Smith, Smith 2007 and Koo, Globerson, Carreras, Collins
/// 2007 (the matrix-tree theorem); Grassmann, Taksar, Heyman 1985 (the elimination); projective: Eisner 1996.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_kl(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    theta_other: *const f32,
    ld_other: usize,
    kl: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (set, theta, work) = ((n_row, tree_options), (theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(move || unsafe { kl_of::<Tree>(shape, set, temperature, theta, (theta_other, ld_other), kl, work) })
}

/// The SIMPLE estimator takes exact samples in the forward pass and the derivative of the exact marginals in the
/// backward pass:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
/// imle_tree_sample_exact.
///
/// The product is computed as in imle_tree_marginals_vjp. A mean of dz that overflows counts as FLT_MAX with its sign.
/// Time: O(B (K^3 + S N)).
///
/// shape: in; k = words, n = words * words.
/// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_tree_gradient.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, exactly 0 where theta is masked; row stride in
/// elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_exact_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
/// _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
/// 2210.01941), on trees.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_simple(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
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
    let (set, theta, dz) = ((n_row, tree_options), (theta, ld_theta), (dz, dz_row_stride, dz_sample_stride));
    let (grad, work) = ((grad_theta, ld_grad), (work, work_len));
    // SAFETY: the caller's contract.
    status(move || unsafe { simple_of::<Tree>(shape, set, temperature, theta, dz, grad, work) })
}

/// The score function of p with a leave-one-out baseline estimates the gradient of E[loss(z)] without bias:
///
/// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
///
/// It needs no gradient of the loss. It needs no mu either: the differences sum to 0, so mu cancels.
/// Time: O(B (N + S K)), plus K^3 for each list that is checked to be projective.
///
/// shape: in; k = words, n = words * words; S at least 2.
/// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
/// indices: in, [B][S][K], the samples that imle_tree_sample_exact drew. Samples of any other law give a bias, those of
/// imle_tree_sample and stratified ones too.
/// losses: in, [B][S], finite, any function of the samples.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, exactly 0 where theta is masked; row stride in
/// elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _OPTION (temperature, options), _OVERLAP, _VERSION;
/// _NONFINITE, _INFEASIBLE (also for an index list that is no tree of its row).
/// Threads: any, with different outputs. Source: Kool, van Hoof, Welling 2019 (Buy 4 REINFORCE samples, get a baseline
/// for free).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_score_function(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    temperature: f32,
    theta: *const f32,
    ld_theta: usize,
    indices: *const u32,
    losses: *const f32,
    grad_theta: *mut f32,
    ld_grad: usize,
) -> imle_status {
    let (set, theta, grad) = ((n_row, tree_options), (theta, ld_theta), (grad_theta, ld_grad));
    // SAFETY: the caller's contract.
    status(move || unsafe { score_function_of::<Tree>(shape, set, temperature, theta, indices, losses, grad) })
}

/// SIMPLE with the score function as its correction estimates the gradient of E[loss(z)] without bias, whatever the
/// loss and dz are:
///
/// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s + (1/S) sum_s (r_ss - mean over t != s of r_st) (1 / T) (z_s - mu),
/// r_st = loss_t - <v_s, z_t>, v_s = the mean of the dz of the other samples (a shared dz itself), T = temperature.
///
/// The nearer the loss is to a linear function of z with the gradient dz, the smaller is the variance. A common offset
/// of the losses costs no digits. Time: O(B (K^3 + S N)), plus K^3 for each list that is checked to be projective.
///
/// shape: in; k = words, n = words * words; S at least 2.
/// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
/// indices: in, [B][S][K], the samples that imle_tree_sample_exact drew. Samples of any other law give a bias, those of
/// imle_tree_sample and stratified ones too.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss, the gradients of the loss at these
/// samples: the same as for imle_tree_gradient.
/// losses: in, [B][S], finite, of these samples.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, exactly 0 where theta is masked; row stride in
/// elements, at least N, 0 = contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_exact_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP,
/// _VERSION; _NONFINITE, _INFEASIBLE (also for an index list that is no tree of its row).
/// Threads: any, with different outputs and workspaces. Source: this library; SIMPLE: Ahmed, Zeng, Niepert, Van den
/// Broeck 2023 (arXiv 2210.01941).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_unbiased_simple(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
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
    let (set, theta, dz) = ((n_row, tree_options), (theta, ld_theta), (dz, dz_row_stride, dz_sample_stride));
    let (grad, work) = ((grad_theta, ld_grad), (work, work_len));
    // SAFETY: the caller's contract.
    status(move || unsafe {
        unbiased_simple_of::<Tree>(shape, set, temperature, theta, indices, dz, losses, grad, work)
    })
}
