//! The core's structs as C has them.

use imle::{Coupling, Difference, Key, Noise, Options, Scale, Target};
use imle_ffi::*;

use crate::common::cases::{Case, Sizes};
use crate::common::trees::Kind;

pub fn shape(case: &Case) -> imle_shape {
    let Sizes { rows, n, k, samples } = case.sizes;
    let [rows, n, k, samples] = [rows, n, k, samples].map(|size| size as u32);
    imle_shape { rows, n, k, samples }
}

pub fn key(key: Key<'_>) -> imle_key {
    let Key { seed, step, row0, row_ids, sample0, strata } = key;
    imle_key { seed, step, row0, row_ids: row_ids.map_or(std::ptr::null(), <[u64]>::as_ptr), sample0, strata }
}

/// k_row, or NULL if the case has none.
pub fn k_row(case: &Case) -> *const u32 {
    case.k_row.as_ref().map_or(std::ptr::null(), |k_row| k_row.as_ptr())
}

/// The options of trees of a kind.
pub const fn tree_options(kind: Kind) -> imle_tree_options {
    imle_tree_options {
        struct_size: size_of::<imle_tree_options>() as u32,
        projective: kind.projective as u32,
        single_root: kind.single_root as u32,
    }
}

/// dz and its strides.
pub fn dz(case: &Case) -> (*const f32, usize, usize) {
    (case.dz.as_ptr(), 0, if case.shared { 0 } else { case.sizes.n })
}

pub fn options(options: &Options) -> imle_options {
    let &Options { noise, temperature, target_temperature, alpha, lambda, target, difference, scale, coupling } =
        options;
    let (sog_kappa, sog_terms) = match noise {
        Noise::SumOfGamma { kappa, terms } => (kappa, terms),
        _ => (defaults().sog_kappa, defaults().sog_terms),
    };
    imle_options {
        sog_terms,
        sog_kappa,
        noise: match noise {
            Noise::None => IMLE_NOISE_NONE,
            Noise::Gumbel => IMLE_NOISE_GUMBEL,
            Noise::Logistic => IMLE_NOISE_LOGISTIC,
            Noise::Normal => IMLE_NOISE_NORMAL,
            Noise::SumOfGamma { .. } => IMLE_NOISE_SUM_OF_GAMMA,
            _ => unreachable!("no case has another law"),
        },
        temperature,
        target_temperature,
        alpha,
        lambda,
        target: match target {
            Target::Linear => IMLE_TARGET_LINEAR,
            Target::Combinatorial => IMLE_TARGET_COMBINATORIAL,
            _ => unreachable!("no case has another one"),
        },
        difference: match difference {
            Difference::Forward => IMLE_DIFFERENCE_FORWARD,
            Difference::Central => IMLE_DIFFERENCE_CENTRAL,
            _ => unreachable!("no case has another one"),
        },
        coupling: match coupling {
            Coupling::Stratified => IMLE_COUPLING_STRATIFIED,
            _ => IMLE_COUPLING_INDEPENDENT,
        },
        scale: match scale {
            Scale::InverseLambda => IMLE_SCALE_INVERSE_LAMBDA,
            Scale::None => IMLE_SCALE_NONE,
            _ => unreachable!("no case has another one"),
        },
        ..defaults()
    }
}

pub fn defaults() -> imle_options {
    let mut options = std::mem::MaybeUninit::uninit();
    unsafe {
        imle_options_default(options.as_mut_ptr());
        options.assume_init()
    }
}
