//! Three steps around a MAP solver of your own: perturb, target, difference.

use imle::Side;

use crate::abi::{self, imle_diagnostics, imle_key, imle_options, imle_shape};
use crate::args::{Array, check_arrays};
use crate::status::{Refused, imle_status, status};

/// Step 1 of 3 for a solver of your own computes the scores theta + tau eps_s. Your solver finds z_s for them. Each
/// operation is rounded once; the score of an entry is -inf if and only if it is masked (theta = -inf). Time: O(B S N).
///
/// shape: in; k is not used, but must be at most n.
/// options: in; noise and temperature are used, every option is checked.
/// key: in, selects the noise.
/// theta, ld_theta: in, [B][N], finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// scores: out, [B][S][N].
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OPTION, _OVERLAP, _VERSION; _NONFINITE.
/// Threads: any, with different outputs. Source: Papandreou, Yuille 2011; Niepert, Minervini, Franceschi 2021 (arXiv
/// 2106.01798), section 3.2.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_perturb(
    shape: *const imle_shape,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    scores: *mut f32,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let (shape, options) = unsafe { (abi::shape(shape)?, abi::options(options)?) };
        // SAFETY: the caller's contract.
        let (key, row_ids) = unsafe { abi::key(key, shape) }?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let scores = Array::required(scores, shape.rows() * shape.samples() * shape.n());
        // SAFETY: the caller's contract.
        check_arrays!(unsafe outputs: [scores], inputs: [theta, row_ids]);
        Ok(imle::perturb(shape, &options, key.to_core(row_ids), theta.rows(ld_theta), scores.slice())?)
    })
}

/// Step 2 of 3 for a solver of your own computes the target scores theta'_s + tau' eps_s with the noise of imle_perturb
/// for the same key. Your solver finds z'_s for them. theta'_s is alpha theta - lambda dz_s, or alpha theta +
/// lambda dz_s on the other side, or the combinatorial target (options.target). Each operation is rounded once; masked
/// entries get -inf. Time: O(B S N).
///
/// shape, options, key, theta, ld_theta: in, the same as for imle_perturb.
/// side: in, +1: theta' = alpha theta - lambda dz, the target of both differences; -1: alpha theta + lambda dz. The
/// central difference takes the state of side -1 in place of that of the forward pass (IMLE_ERR_OPTION for the
/// combinatorial target).
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite: the gradient of row b's own loss with respect to
/// z_(b,s). Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means rows without
/// gaps, dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N.
/// scores: out, [B][S][N].
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OPTION, _OVERLAP, _VERSION; _NONFINITE.
/// Threads: any, with different outputs. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798), section 3.1;
/// central difference: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_target(
    shape: *const imle_shape,
    options: *const imle_options,
    key: *const imle_key,
    side: i32,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    scores: *mut f32,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let (shape, options) = unsafe { (abi::shape(shape)?, abi::options(options)?) };
        // SAFETY: the caller's contract.
        let (key, row_ids) = unsafe { abi::key(key, shape) }?;
        let side = match side {
            1 => Side::Minus,
            -1 => Side::Plus,
            _ => return Err(Refused::Option),
        };
        let theta = Array::rows(shape, theta, ld_theta)?;
        let dz = Array::dz(shape, dz, dz_row_stride, dz_sample_stride)?;
        let scores = Array::required(scores, shape.rows() * shape.samples() * shape.n());
        // SAFETY: the caller's contract.
        check_arrays!(unsafe outputs: [scores], inputs: [theta, dz, row_ids]);
        let dz = dz.dz(dz_row_stride, dz_sample_stride);
        let theta = theta.rows(ld_theta);
        Ok(imle::target(shape, &options, key.to_core(row_ids), side, theta, dz, scores.slice())?)
    })
}

/// Step 3 of 3 for a solver of your own computes grad_theta = c (1/S) sum_s (z_s - z'_s), c = 1 / lambda or 1
/// (options.scale). For the central difference z is the state of side -1 and the result is halved. It is rounded as in
/// imle_topk_gradient. Time: O(B S N).
///
/// shape: in; k is not used, but must be at most n.
/// options: in; lambda, scale, difference and target are used, every option is checked.
/// z, z_target: in, [B][S][N], the states that your solver found, finite (any numbers, not only 0 and 1; numbers near
/// FLT_MAX may overflow the sum).
/// grad_theta, ld_grad: out, [B][N]; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not
/// touched.
/// diagnostics: out, one struct, written on success only, or NULL.
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OPTION, _OVERLAP, _VERSION; _NONFINITE.
/// Threads: any, with different outputs. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798), Algorithm 1.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_difference(
    shape: *const imle_shape,
    options: *const imle_options,
    z: *const f32,
    z_target: *const f32,
    grad_theta: *mut f32,
    ld_grad: usize,
    diagnostics: *mut imle_diagnostics,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let (shape, options) = unsafe { (abi::shape(shape)?, abi::options(options)?) };
        let states = shape.rows() * shape.samples() * shape.n();
        let (z, z_target) = (Array::required(z, states), Array::required(z_target, states));
        let grad_theta = Array::rows(shape, grad_theta, ld_grad)?;
        let diagnostics = Array::optional(diagnostics, 1);
        // SAFETY: the caller's contract.
        check_arrays!(unsafe outputs: [grad_theta, diagnostics], inputs: [z, z_target]);
        let grad_theta = grad_theta.rows(ld_grad);
        let found = imle::difference(shape, &options, z.slice(), z_target.slice(), grad_theta)?;
        if let Some(diagnostics) = diagnostics.slice_if_any() {
            diagnostics.fill(found.into());
        }
        Ok(())
    })
}

/// Writes the noise itself: eps_s for every row and sample, before it is multiplied by tau. Every function uses this
/// noise for the same key and the same options.noise. It has the same bits on every platform. Time: O(B S N).
///
/// shape: in; k is not used, but must be at most n.
/// options: in; noise is used, every option is checked.
/// key: in, selects the noise.
/// noise: out, [B][S][N], finite; Gumbel: from -3.13 to 22.88, within 3.2e-7 * max(1, |eps|) of the exact value.
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OPTION, _VERSION.
/// Threads: any, with different outputs. Source: this library; the words are xoshiro128++ (Blackman, Vigna 2021).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_noise(
    shape: *const imle_shape,
    options: *const imle_options,
    key: *const imle_key,
    noise: *mut f32,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let (shape, options) = unsafe { (abi::shape(shape)?, abi::options(options)?) };
        // SAFETY: the caller's contract.
        let (key, row_ids) = unsafe { abi::key(key, shape) }?;
        let noise = Array::required(noise, shape.rows() * shape.samples() * shape.n());
        // SAFETY: the caller's contract.
        check_arrays!(unsafe outputs: [noise], inputs: [row_ids]);
        Ok(imle::noise(shape, &options, key.to_core(row_ids), noise.slice())?)
    })
}
