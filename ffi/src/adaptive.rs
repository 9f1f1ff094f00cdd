//! The adaptive lambda, which follows how often choices change.

use imle::{Adaptive, AdaptiveParts, AdaptiveRule, Diagnostics};

use crate::abi::imle_diagnostics;
use crate::args::{self, Array, Plain, check_arrays};
use crate::status::{Refused, imle_status, status};

/// imle_adaptive.rule: a <- max(a + c, 0), c = momentum * previous +- step, + while g < target. This is the rule of the
/// paper. Set step to its value, 1e-3, and theta_floor to 0: a thousand updates then move a by 1. In float, a stands
/// still from the first power of two on that is at least 2^24 * step: from 2048 on for a step of 1e-4.
pub const IMLE_ADAPTIVE_ADDITIVE: u32 = 0;
/// imle_adaptive.rule, default: a <- a (1 + step c), or a / (1 + step |c|) for c < 0, c = (target - g) / target within
/// -1 to 1. Because g lags, a is held while the newest count lies on the other side of the target. With the default
/// step a lambda that is wrong by a factor of 1000 is right after about 75 updates, with little overshoot. momentum must
/// be 0: any other value is IMLE_ERR_OPTION.
pub const IMLE_ADAPTIVE_MULTIPLICATIVE: u32 = 1;

/// The state of an adaptive lambda. It is plain data: copy it, and save it with the model. One state serves all rows
/// that share lambda, usually a whole batch. Call imle_adaptive_default first, and then change the fields that you
/// want.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct imle_adaptive {
    /// sizeof(imle_adaptive), else IMLE_ERR_VERSION.
    pub struct_size: u32,
    /// IMLE_ADAPTIVE_MULTIPLICATIVE (default) or IMLE_ADAPTIVE_ADDITIVE.
    pub rule: u32,
    /// lambda in units of ||theta|| / ||dz||, finite, at least 0 (multiplicative: above 0). Starts at 1.
    pub a: f32,
    /// The non-zeros of z_s - z'_s per state, a moving average, finite, at least 0. Starts at 1.
    pub g: f32,
    /// The additive rule's last change of a, finite. Starts at 0.
    pub previous: f32,
    /// Finite, above 0, default 0.15; for the additive rule set 1e-3.
    pub step: f32,
    /// The share of the last change in the next one, 0 <= momentum < 1, default 0; it must be 0 for the multiplicative
    /// rule.
    pub momentum: f32,
    /// The weight of the past in g, 0 <= decay < 1, default 0.9.
    pub decay: f32,
    /// The g to aim at, finite, above 0, default 1: one choice changes in every second state. A state has at most 2 k.
    pub target: f32,
    /// The least root mean square of theta that lambda is computed with, finite, at least 0, default 1, the scale of the
    /// noise: where theta is smaller, the noise decides the choice, and a lambda in proportion to theta would change
    /// none. The larger of the two counts, so that lambda is the paper's where theta is above the floor. For the additive
    /// rule as in the paper set 0; then, if every theta is 0, each counts as 1.
    pub theta_floor: f32,
}

/// The sums over theta and dz from which lambda is computed. They add up over threads, hosts and micro-batches: start
/// from zeros, add blocks with imle_adaptive_add, and add up parts field by field (all-reduce, MPI_SUM). Any order
/// of the blocks gives lambda to an ulp or so; the same order of the same blocks gives the same bits on every platform.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct imle_adaptive_parts {
    /// The sum of theta^2 over the unmasked entries.
    pub theta_squared: f64,
    /// The sum of dz^2.
    pub dz_squared: f64,
    /// The number of unmasked entries of theta.
    pub theta_len: u64,
    /// The number of unmasked entries of theta that are not 0.
    pub theta_nonzero: u64,
}

// SAFETY: `repr(C)`, of integers and floats.
unsafe impl Plain for imle_adaptive {}
// SAFETY: `repr(C)`, of integers and floats.
unsafe impl Plain for imle_adaptive_parts {}

impl imle_adaptive {
    /// The state as the core takes it. The core checks its ranges.
    fn to_core(self) -> Result<Adaptive, Refused> {
        let imle_adaptive { struct_size: _, rule, a, g, previous, step, momentum, decay, target, theta_floor } = self;
        let rule = match rule {
            IMLE_ADAPTIVE_ADDITIVE => AdaptiveRule::Additive,
            IMLE_ADAPTIVE_MULTIPLICATIVE => AdaptiveRule::Multiplicative,
            _ => return Err(Refused::Option),
        };
        Ok(Adaptive { rule, a, g, previous, step, momentum, decay, target, theta_floor })
    }
}

impl From<Adaptive> for imle_adaptive {
    fn from(Adaptive { rule, a, g, previous, step, momentum, decay, target, theta_floor }: Adaptive) -> Self {
        let rule = match rule {
            AdaptiveRule::Additive => IMLE_ADAPTIVE_ADDITIVE,
            _ => IMLE_ADAPTIVE_MULTIPLICATIVE,
        };
        let struct_size = size_of::<imle_adaptive>() as u32;
        imle_adaptive { struct_size, rule, a, g, previous, step, momentum, decay, target, theta_floor }
    }
}

impl imle_adaptive_parts {
    fn to_core(self) -> AdaptiveParts {
        let imle_adaptive_parts { theta_squared, dz_squared, theta_len, theta_nonzero } = self;
        AdaptiveParts { theta_squared, dz_squared, theta_len, theta_nonzero }
    }
}

impl From<AdaptiveParts> for imle_adaptive_parts {
    fn from(AdaptiveParts { theta_squared, dz_squared, theta_len, theta_nonzero }: AdaptiveParts) -> Self {
        imle_adaptive_parts { theta_squared, dz_squared, theta_len, theta_nonzero }
    }
}

/// Sets every field to its value at the start of the multiplicative rule, and struct_size to the size of the struct.
///
/// adaptive: out, one struct; NULL (or a misaligned pointer) does nothing.
/// Threads: any, with different structs. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_adaptive_default(adaptive: *mut imle_adaptive) {
    // SAFETY: the caller's contract.
    unsafe { args::write(adaptive, Adaptive::default().into()) }
}

/// Computes lambda = a ||theta|| / ||dz||, with Euclidean norms over all rows and samples. Use it as
/// imle_options.lambda for the gradient of this theta and dz. It is exactly 0 if dz is 0 or if theta has no unmasked
/// entry: there is nothing to learn, so skip the gradient (imle_options.lambda = 0 is refused). The bits are those of
/// imle_adaptive_lambda_from for the parts of theta and dz.
///
/// The relative error is at most 1e-7 at any scale of theta and dz; the result is limited to the positive normal
/// floats. Masked entries (theta = -inf) do not count. ||theta|| counts as at least theta_floor * sqrt(the number of
/// unmasked entries). With S samples ||dz|| grows with sqrt(S), and a settles higher by that factor. If a batch is cut
/// over threads, hosts or micro-batches, use imle_adaptive_add and imle_adaptive_lambda_from. Time: O(theta_len +
/// dz_len).
///
/// adaptive: in.
/// theta, theta_len: in, all scores of the group, finite or -inf, and their number: B N for [B][N] without gaps. NULL if
/// the number is 0.
/// dz, dz_len: in, all gradients of the group, finite, in units of loss, and their number: B S N for [B][S][N] without
/// gaps. NULL if the number is 0.
/// lambda: out, one number, in units of theta per unit of dz.
/// Errors: IMLE_ERR_NULL, _STRIDE (a length beyond the address space), _OPTION, _OVERLAP, _VERSION; _NONFINITE.
/// Threads: any, with different outputs. Source: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862); theta_floor:
/// this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_adaptive_lambda(
    adaptive: *const imle_adaptive,
    theta: *const f32,
    theta_len: usize,
    dz: *const f32,
    dz_len: usize,
    lambda: *mut f32,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let adaptive = unsafe { args::read_sized(adaptive) }?.to_core()?;
        let (theta, dz) = (Array::required(theta, theta_len), Array::required(dz, dz_len));
        let lambda = Array::required(lambda, 1);
        // SAFETY: the caller's contract.
        check_arrays!(unsafe outputs: [lambda], inputs: [theta, dz]);
        let found = adaptive.lambda(theta.slice(), dz.slice())?;
        lambda.slice().fill(found);
        Ok(())
    })
}

/// Adds a block of theta and a block of dz to the parts of a batch. The blocks may have any lengths, and either may be
/// empty: whole rows, whole micro-batches, or theta in one call and dz in another. Sums are computed in double, which
/// neither overflows nor loses a small value. After an error the parts are what they were. Time: O(theta_len + dz_len).
///
/// parts: in and out, one struct, at first zeros.
/// theta, theta_len: in, scores, finite or -inf, and their number. NULL if the number is 0.
/// dz, dz_len: in, gradients, finite, in units of loss, and their number. NULL if the number is 0.
/// Errors: IMLE_ERR_NULL, _STRIDE (a length beyond the address space), _OVERLAP; _NONFINITE (also if a sum in parts is
/// negative or not finite).
/// Threads: any, with different parts. Source: this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_adaptive_add(
    parts: *mut imle_adaptive_parts,
    theta: *const f32,
    theta_len: usize,
    dz: *const f32,
    dz_len: usize,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let mut sum = unsafe { args::read(parts.cast_const()) }?.to_core();
        let (theta, dz) = (Array::required(theta, theta_len), Array::required(dz, dz_len));
        let parts = Array::required(parts, 1);
        // SAFETY: the caller's contract.
        check_arrays!(unsafe outputs: [parts], inputs: [theta, dz]);
        sum.add(theta.slice(), dz.slice())?;
        parts.slice().fill(sum.into());
        Ok(())
    })
}

/// Computes the lambda of imle_adaptive_lambda for a batch that was cut, from the sum of its parts. Time: O(1).
///
/// adaptive: in.
/// parts: in, of the whole batch.
/// lambda: out, one number, in units of theta per unit of dz.
/// Errors: IMLE_ERR_NULL, _OPTION, _VERSION; _NONFINITE (a sum in parts is negative or not finite).
/// Threads: any, with different outputs. Source: as imle_adaptive_lambda.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_adaptive_lambda_from(
    adaptive: *const imle_adaptive,
    parts: *const imle_adaptive_parts,
    lambda: *mut f32,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let adaptive = unsafe { args::read_sized(adaptive) }?.to_core()?;
        // SAFETY: the caller's contract.
        let parts = unsafe { args::read(parts) }?.to_core();
        let lambda = Array::required(lambda, 1);
        // SAFETY: the caller's contract.
        check_arrays!(unsafe outputs: [lambda], inputs: []);
        let found = adaptive.lambda_from(&parts)?;
        lambda.slice().fill(found);
        Ok(())
    })
}

/// Updates the state after a gradient: g <- decay * g + (1 - decay) * nonzeros / states, and a by its rule. This holds
/// for any S, because states (samples of rows) are counted. If no states were counted, nothing is changed. After an
/// error nothing is changed.
///
/// adaptive: in and out, one struct.
/// diagnostics: in, the counts that the gradient wrote, summed field by field if the batch is cut over threads or
/// hosts.
/// Errors: IMLE_ERR_NULL, _OPTION, _VERSION.
/// Threads: any, with different structs. Source: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862); the
/// multiplicative rule: this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_adaptive_update(
    adaptive: *mut imle_adaptive,
    diagnostics: *const imle_diagnostics,
) -> imle_status {
    status(move || {
        // SAFETY: the caller's contract.
        let mut updated = unsafe { args::read_sized(adaptive.cast_const()) }?.to_core()?;
        // SAFETY: the caller's contract.
        let imle_diagnostics { states, unchanged, nonzeros } = unsafe { args::read(diagnostics) }?;
        updated.update(&Diagnostics { states, unchanged, nonzeros })?;
        // SAFETY: the caller's contract.
        unsafe { args::write(adaptive, updated.into()) };
        Ok(())
    })
}
