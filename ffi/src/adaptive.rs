//! The adaptive lambda, which follows how often choices change.

use imle::{Adaptive, AdaptiveRule, Diagnostics};

use crate::abi::imle_diagnostics;
use crate::args::{self, Array, Plain, check_arrays};
use crate::status::{Refused, imle_status, status};

/// imle_adaptive.rule: a <- max(a + c, 0), c = momentum * previous +- step, + while g < target. This is the rule of the
/// paper. Set step to its value, 1e-3: a thousand updates then move a by 1.
pub const IMLE_ADAPTIVE_ADDITIVE: u32 = 0;
/// imle_adaptive.rule, default: a <- a (1 + step c), or a / (1 + step |c|) for c < 0, c = (target - g) / target within
/// -1 to 1. Because g lags, a is held while the newest count lies on the other side of the target. With the default
/// step a lambda that is wrong by a factor of 1000 is right after about 75 updates, with little overshoot.
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
}

// SAFETY: `repr(C)`, of integers and floats.
unsafe impl Plain for imle_adaptive {}

impl imle_adaptive {
    /// The state as the core takes it. The core checks its ranges.
    fn to_core(self) -> Result<Adaptive, Refused> {
        let imle_adaptive { struct_size: _, rule, a, g, previous, step, momentum, decay, target } = self;
        let rule = match rule {
            IMLE_ADAPTIVE_ADDITIVE => AdaptiveRule::Additive,
            IMLE_ADAPTIVE_MULTIPLICATIVE => AdaptiveRule::Multiplicative,
            _ => return Err(Refused::Option),
        };
        Ok(Adaptive { rule, a, g, previous, step, momentum, decay, target })
    }
}

impl From<Adaptive> for imle_adaptive {
    fn from(Adaptive { rule, a, g, previous, step, momentum, decay, target }: Adaptive) -> Self {
        let rule = match rule {
            AdaptiveRule::Additive => IMLE_ADAPTIVE_ADDITIVE,
            _ => IMLE_ADAPTIVE_MULTIPLICATIVE,
        };
        let struct_size = size_of::<imle_adaptive>() as u32;
        imle_adaptive { struct_size, rule, a, g, previous, step, momentum, decay, target }
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
/// imle_options.lambda for the gradient of this theta and dz. It is exactly 0 if dz is 0: there is nothing to learn, so
/// skip the gradient (imle_options.lambda = 0 is refused).
///
/// The relative error is at most 5e-6 at any scale of theta and dz; the result is limited to the positive normal
/// floats. Masked entries (theta = -inf) do not count. If all others are 0 (nothing is learnt yet), each counts as 1,
/// the scale of the noise. With S samples ||dz|| grows with sqrt(S), and a settles higher by that factor. If a batch is
/// cut over threads or hosts, compute lambda from the whole batch. Time: O(theta_len + dz_len).
///
/// adaptive: in.
/// theta, theta_len: in, all scores of the group, finite or -inf, and their number: B N for [B][N] without gaps.
/// dz, dz_len: in, all gradients of the group, finite, in units of loss, and their number: B S N for [B][S][N] without
/// gaps.
/// lambda: out, one number, in units of theta per unit of dz.
/// Errors: IMLE_ERR_NULL, _STRIDE (a length beyond the address space), _OPTION, _OVERLAP, _VERSION; _NONFINITE.
/// Threads: any, with different outputs. Source: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
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
    status(|| {
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

/// Updates the state after a gradient: g <- decay * g + (1 - decay) * nonzeros / states, and a by its rule. This holds
/// for any S, because states (samples of rows) are counted. After an error nothing is changed.
///
/// adaptive: in and out, one struct.
/// diagnostics: in, the counts that the gradient wrote, summed field by field if the batch is cut over threads or
/// hosts.
/// Errors: IMLE_ERR_NULL, _SHAPE (no states were counted), _OPTION, _VERSION.
/// Threads: any, with different structs. Source: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862); the
/// multiplicative rule: this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_adaptive_update(
    adaptive: *mut imle_adaptive,
    diagnostics: *const imle_diagnostics,
) -> imle_status {
    status(|| {
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
