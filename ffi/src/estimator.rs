//! Estimators that need no solver: the states may be of any kind and come from anywhere.

use crate::abi::{self, imle_key, imle_options, imle_shape};
use crate::args::{Array, check_arrays};
use crate::status::{imle_status, status};

/// The straight-through estimator is the crudest one: it treats z as if it were theta. grad_theta is (1/S) sum_s dz_s,
/// and exactly 0 where theta is masked. The sum is taken in the order of the samples and divided once; a shared dz is
/// its own mean. Time: O(B S N).
///
/// shape: in; k is not used, but must be at most n.
/// theta, ld_theta: in, [B][N], finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
/// respect to z_(b,s). Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means
/// rows without gaps, dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N. If a |dz|
/// exceeds FLT_MAX / S, the sum may overflow.
/// grad_theta, ld_grad: out, [B][N], in units of loss; row stride in elements, at least N, 0 = contiguous. The gaps
/// between rows are not touched.
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; _NONFINITE.
/// Threads: any, with different outputs. Source: Bengio, Leonard, Courville 2013 (arXiv 1308.3432).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_straight_through(
    shape: *const imle_shape,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    grad_theta: *mut f32,
    ld_grad: usize,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let shape = unsafe { abi::shape(shape) }?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let dz = Array::dz(shape, dz, dz_row_stride, dz_sample_stride)?;
        let grad_theta = Array::rows(shape, grad_theta, ld_grad)?;
        // SAFETY: the caller's contract.
        check_arrays!(unsafe outputs: [grad_theta], inputs: [theta, dz]);
        let dz = dz.dz(dz_row_stride, dz_sample_stride);
        let theta = theta.rows(ld_theta);
        Ok(imle::straight_through(shape, theta, dz, grad_theta.rows(ld_grad))?)
    })
}

/// The score function of the noise estimates the gradient of E[loss(MAP(theta + tau eps))] without bias. The samples
/// may be those of imle_topk_sample, of imle_argmax_sample, or of your own solver with imle_perturb:
///
/// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / tau) nu'(eps_s), nu = -ln density,
///
/// nu'(eps) = eps for normal noise, 1 - exp(-eps) for Gumbel, tanh(eps / 2) for logistic noise. The key reproduces the
/// noise. With loss_s = <z_s, v> this is the vector-Jacobian product of a perturbed optimiser, the gradient of
/// <v, E[z]>. (The source has no baseline; E[nu'] = 0 permits one.) It needs no gradient of the loss. Its variance is
/// of order Var(loss) / (S tau^2) in every coordinate. It is exactly 0 where theta is masked. Time: O(B S N).
///
/// shape: in; S at least 2; k is not used, but must be at most n.
/// options, key: in, the same as for the samples. The noise is Gumbel, logistic or normal, and temperature is above 0
/// (1 / temperature finite too).
/// theta, ld_theta: in, [B][N], finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// losses: in, [B][S], finite, any function of the samples.
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _OPTION, _OVERLAP, _VERSION; _NONFINITE.
/// Threads: any, with different outputs. Source: Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020 (arXiv 2002.08676).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_perturbed_gradient(
    shape: *const imle_shape,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    losses: *const f32,
    grad_theta: *mut f32,
    ld_grad: usize,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let (shape, options) = unsafe { (abi::shape(shape)?, abi::options(options)?) };
        // SAFETY: the caller's contract.
        let (key, row_ids) = unsafe { abi::key(key, shape) }?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let losses = Array::required(losses, shape.rows() * shape.samples());
        let grad_theta = Array::rows(shape, grad_theta, ld_grad)?;
        // SAFETY: the caller's contract.
        check_arrays!(unsafe outputs: [grad_theta], inputs: [theta, losses, row_ids]);
        let theta = theta.rows(ld_theta);
        let grad_theta = grad_theta.rows(ld_grad);
        Ok(imle::perturbed_gradient(shape, &options, key.to_core(row_ids), theta, losses.slice(), grad_theta)?)
    })
}
