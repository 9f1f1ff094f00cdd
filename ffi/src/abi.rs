//! Versions, the structs that cross the ABI, their defaults, and how they are read.

use core::ffi::c_char;

use imle::{Coupling, Diagnostics, Difference, Key, Noise, Options, Scale, Shape, Target};

use crate::args::{self, Array, Input, Plain};
use crate::status::Refused;

/// The version of this ABI. It changes when programs must be compiled anew. Equals imle_abi_version().
pub const IMLE_ABI_VERSION: u32 = 2;

/// imle_options.noise: no noise, eps = 0. Every sample is MAP(theta).
pub const IMLE_NOISE_NONE: u32 = 0;
/// imle_options.noise, default: Gumbel(0, 1), eps = -ln(-ln U), mean 0.5772, variance pi^2/6. With argmax this samples
/// p(z) proportional to exp(<z, theta> / tau) exactly; with top-k it draws the first k of a Plackett-Luce order.
pub const IMLE_NOISE_GUMBEL: u32 = 1;
/// imle_options.noise: Logistic(0, 1), eps = ln U - ln(1 - U), mean 0, variance pi^2/3. Its marginals are the closest
/// to those of p if k is near n/2.
pub const IMLE_NOISE_LOGISTIC: u32 = 2;
/// imle_options.noise: Normal(0, 1), for perturbed optimisers (Berthet et al. 2020).
pub const IMLE_NOISE_NORMAL: u32 = 3;
/// imle_options.noise: Sum-of-Gamma, eps = sum over i <= s of Gamma(shape 1/kappa, scale 1) / i - ln(s) / kappa, with
/// s = sog_terms and kappa = sog_kappa: mean (H_s - ln s) / kappa, H_s = sum of 1/i, variance (1/kappa) sum of 1/i^2.
/// With infinitely many terms the sum of kappa independent copies is Gumbel(0, 1). eps is within 1e-4 max(1, |eps|) of
/// the exact quantile. It needs a table, which is built once for consecutive rows of the same kappa (some 10 us on
/// x86-64, 7 KiB of stack). At equal tau its marginals are farther from those of p than Gumbel's. lib/fast and
/// lib/size for microcontrollers leave it out and answer IMLE_ERR_OPTION. Source: Niepert, Minervini, Franceschi 2021,
/// section 3.2.
pub const IMLE_NOISE_SUM_OF_GAMMA: u32 = 4;

/// imle_options.sog_terms: the limit s = infinity.
pub const IMLE_SOG_TERMS_INFINITE: u32 = 4_294_967_295;

/// imle_options.target, default: theta' = alpha theta - lambda dz.
pub const IMLE_TARGET_LINEAR: u32 = 0;
/// imle_options.target: theta'_i = theta_i where dz_i = 0, else -dz_i. Use it for losses that compare z with a gold
/// structure. It uses neither alpha nor lambda, is never scaled (c = 1), and has no central difference.
pub const IMLE_TARGET_COMBINATORIAL: u32 = 1;

/// imle_options.difference, default: MAP(theta + tau eps) - MAP(theta' + tau' eps).
pub const IMLE_DIFFERENCE_FORWARD: u32 = 0;
/// imle_options.difference: (MAP(alpha theta + lambda dz + tau' eps) - MAP(alpha theta - lambda dz + tau' eps)) / 2.
pub const IMLE_DIFFERENCE_CENTRAL: u32 = 1;

/// imle_options.scale, default: c = 1 / lambda, an estimate of the gradient of the loss.
pub const IMLE_SCALE_INVERSE_LAMBDA: u32 = 0;
/// imle_options.scale: c = 1: the gradient of the maximum-likelihood objective, which Algorithm 1 of the paper returns.
pub const IMLE_SCALE_NONE: u32 = 1;

/// imle_options.coupling, default: the noise of every sample is independent of the others'.
pub const IMLE_COUPLING_INDEPENDENT: u32 = 0;
/// imle_options.coupling: stratified samples. The S uniform words behind the noise of a coordinate lie one in each of S
/// equal parts of all words, in an order that is the coordinate's own (Latin hypercube sampling). One sample alone still
/// has independent noise of the right law, so means over samples have the same expectation and a lower variance, at the
/// same number of MAP solves. lib/fast and lib/size for microcontrollers leave it out and answer IMLE_ERR_OPTION.
/// Source: McKay, Beckman, Conover 1979.
pub const IMLE_COUPLING_STRATIFIED: u32 = 1;

/// The sizes of a batch: B rows of N scores, states of K ones, S samples per row. B * S * N floats must fit into the
/// address space.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct imle_shape {
    /// B; 0 is an empty batch.
    pub rows: u32,
    /// N, at least 1.
    pub n: u32,
    /// K, 0 to N; 1 for argmax. If the k of rows differ (k_row), the largest of them.
    pub k: u32,
    /// S, 1 to 2^24.
    pub samples: u32,
}

/// Selects the noise. Row b of a call has the number r = row0 + row_ids[b], or row0 + b without ids, modulo 2^64; sample
/// s has the number sample0 + s. The eps of a coordinate is a pure function of seed, step, r, the sample's number, the
/// coordinate and the noise options. It depends neither on N nor on S nor on the other rows, so any cut of a batch over
/// threads, hosts or micro-batches gets the noise of the whole batch. A backward call with the key of the forward call
/// gets the same noise. Initialise the whole struct: every field after row0 may be zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct imle_key {
    /// One per run.
    pub seed: u64,
    /// One per training iteration.
    pub step: u64,
    /// The number of the first row, or what is added to every id.
    pub row0: u64,
    /// [B], the number of each row of a shuffled, ragged or distributed batch; NULL if rows follow one another. It is an
    /// input array: it must be aligned (else IMLE_ERR_NULL) and may not overlap an output.
    pub row_ids: *const u64,
    /// The number of the first sample; sample0 + samples is at most 2^28, else IMLE_ERR_SHAPE.
    pub sample0: u32,
    /// With stratified noise: the number of samples of the whole batch, if this call has only some of them; 0 means the
    /// samples of this call. sample0 + samples must be at most strata, else IMLE_ERR_SHAPE. With independent noise: 0, else
    /// IMLE_ERR_OPTION.
    pub strata: u32,
}

/// How samples are drawn and gradients are estimated. Call imle_options_default first, and then change the fields that
/// you want.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct imle_options {
    /// sizeof(imle_options), else IMLE_ERR_VERSION.
    pub struct_size: u32,
    /// The law of the noise eps: IMLE_NOISE_NONE, _GUMBEL (default), _LOGISTIC, _NORMAL or _SUM_OF_GAMMA.
    pub noise: u32,
    /// tau, finite, at least 0, default 1: the noise factor of the forward pass. 0 is MAP(theta).
    pub temperature: f32,
    /// tau', finite, at least 0, default 1: the noise factor of the target.
    pub target_temperature: f32,
    /// Finite, default 1: the factor of theta in the linear target.
    pub alpha: f32,
    /// Finite, above 0 (1 / lambda finite too), default 1: the step from theta to the target, in units of theta per
    /// unit of dz.
    pub lambda: f32,
    /// IMLE_TARGET_LINEAR (default) or IMLE_TARGET_COMBINATORIAL.
    pub target: u32,
    /// IMLE_DIFFERENCE_FORWARD (default) or IMLE_DIFFERENCE_CENTRAL.
    pub difference: u32,
    /// IMLE_SCALE_INVERSE_LAMBDA (default) or IMLE_SCALE_NONE.
    pub scale: u32,
    /// s of the Sum-of-Gamma noise, at least 1, default 10; IMLE_SOG_TERMS_INFINITE is the limit. Other laws ignore it.
    pub sog_terms: u32,
    /// kappa of the Sum-of-Gamma noise, from 1 to 65536, or 0 (default): the row's k (shape.k for functions without
    /// k_row), limited to that range. Other laws ignore it.
    pub sog_kappa: f32,
    /// IMLE_COUPLING_INDEPENDENT (default) or IMLE_COUPLING_STRATIFIED: how the noises of a row's samples depend on each
    /// other.
    pub coupling: u32,
}

/// Selects the trees that the imle_tree_ functions work on. Call imle_tree_options_default first, and then change the
/// fields that you want.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct imle_tree_options {
    /// sizeof(imle_tree_options), else IMLE_ERR_VERSION.
    pub struct_size: u32,
    /// 1: no arcs cross. Every word between the head and the word of an arc descends from the head, and no arc passes over
    /// a word that hangs from the root. 0 (default): arcs may cross.
    pub projective: u32,
    /// 1: exactly one word hangs from the root. 0 (default): one or more do.
    pub single_root: u32,
}

/// Counts of the states that a gradient compared.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct imle_diagnostics {
    /// The states compared: rows * samples.
    pub states: u64,
    /// States with z' = z, which add nothing to the gradient. If this is near `states`, lambda is too small to change
    /// choices.
    pub unchanged: u64,
    /// The sum over states of the non-zeros of z - z'.
    pub nonzeros: u64,
}

// SAFETY: `repr(C)`, of integers.
unsafe impl Plain for imle_shape {}
// SAFETY: `repr(C)`, of integers and a pointer, which is not dereferenced unless it was checked.
unsafe impl Plain for imle_key {}
// SAFETY: `repr(C)`, of integers and floats.
unsafe impl Plain for imle_options {}
// SAFETY: `repr(C)`, of integers.
unsafe impl Plain for imle_tree_options {}
// SAFETY: `repr(C)`, of integers.
unsafe impl Plain for imle_diagnostics {}

/// Reads the sizes of a batch.
pub(crate) unsafe fn shape(shape: *const imle_shape) -> Result<Shape, Refused> {
    // SAFETY: the caller's contract.
    let imle_shape { rows, n, k, samples } = unsafe { args::read(shape) }?;
    checked(Shape { rows, n, k, samples })
}

/// Reads the sizes of a batch whose samples do not matter.
pub(crate) unsafe fn shape_ignoring_samples(shape: *const imle_shape) -> Result<Shape, Refused> {
    // SAFETY: the caller's contract.
    let imle_shape { rows, n, k, samples: _ } = unsafe { args::read(shape) }?;
    checked(Shape { rows, n, k, samples: 1 })
}

/// Reads the sizes of a row of a batch, whose rows and samples do not matter.
pub(crate) unsafe fn shape_of_a_row(shape: *const imle_shape) -> Result<Shape, Refused> {
    // SAFETY: the caller's contract.
    let imle_shape { rows: _, n, k, samples: _ } = unsafe { args::read(shape) }?;
    checked(Shape { rows: 1, n, k, samples: 1 })
}

#[inline(always)]
fn checked(shape: Shape) -> Result<Shape, Refused> {
    shape.check()?;
    Ok(shape)
}

/// Reads the key of a batch, and its array.
pub(crate) unsafe fn key(key: *const imle_key, shape: Shape) -> Result<(imle_key, Array<u64>), Refused> {
    // SAFETY: the caller's contract.
    let key = unsafe { args::read(key) }?;
    Ok((key, Array::optional(key.row_ids, shape.rows())))
}

impl imle_key {
    /// The key as the core takes it.
    pub(crate) fn to_core(self, row_ids: Input<'_, u64>) -> Key<'_> {
        let imle_key { seed, step, row0, row_ids: _, sample0, strata } = self;
        Key { seed, step, row0, row_ids: row_ids.slice_if_any(), sample0, strata }
    }
}

/// Reads the options. The core checks their ranges.
pub(crate) unsafe fn options(options: *const imle_options) -> Result<Options, Refused> {
    // SAFETY: the caller's contract.
    unsafe { args::read_sized(options) }?.to_core()
}

/// The kind of trees.
#[derive(Clone, Copy)]
pub(crate) struct TreeKind {
    pub projective: bool,
    pub single_root: bool,
}

/// Reads the options of trees.
pub(crate) unsafe fn tree_options(options: *const imle_tree_options) -> Result<TreeKind, Refused> {
    // SAFETY: the caller's contract.
    let imle_tree_options { struct_size: _, projective, single_root } = unsafe { args::read_sized(options) }?;
    let is_one = |option| match option {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Refused::Option),
    };
    Ok(TreeKind { projective: is_one(projective)?, single_root: is_one(single_root)? })
}

impl imle_options {
    const DEFAULT: imle_options = imle_options {
        struct_size: size_of::<imle_options>() as u32,
        noise: IMLE_NOISE_GUMBEL,
        temperature: 1.0,
        target_temperature: 1.0,
        alpha: 1.0,
        lambda: 1.0,
        target: IMLE_TARGET_LINEAR,
        difference: IMLE_DIFFERENCE_FORWARD,
        scale: IMLE_SCALE_INVERSE_LAMBDA,
        sog_terms: 10,
        sog_kappa: 0.0,
        coupling: IMLE_COUPLING_INDEPENDENT,
    };

    /// The options as the core takes them.
    pub(crate) fn to_core(self) -> Result<Options, Refused> {
        let unknown = Err(Refused::Option);
        Ok(Options {
            noise: match self.noise {
                IMLE_NOISE_NONE => Noise::None,
                IMLE_NOISE_GUMBEL => Noise::Gumbel,
                IMLE_NOISE_LOGISTIC => Noise::Logistic,
                IMLE_NOISE_NORMAL => Noise::Normal,
                IMLE_NOISE_SUM_OF_GAMMA => Noise::SumOfGamma { kappa: self.sog_kappa, terms: self.sog_terms },
                _ => return unknown,
            },
            temperature: self.temperature,
            target_temperature: self.target_temperature,
            alpha: self.alpha,
            lambda: self.lambda,
            target: match self.target {
                IMLE_TARGET_LINEAR => Target::Linear,
                IMLE_TARGET_COMBINATORIAL => Target::Combinatorial,
                _ => return unknown,
            },
            difference: match self.difference {
                IMLE_DIFFERENCE_FORWARD => Difference::Forward,
                IMLE_DIFFERENCE_CENTRAL => Difference::Central,
                _ => return unknown,
            },
            scale: match self.scale {
                IMLE_SCALE_INVERSE_LAMBDA => Scale::InverseLambda,
                IMLE_SCALE_NONE => Scale::None,
                _ => return unknown,
            },
            coupling: match self.coupling {
                IMLE_COUPLING_INDEPENDENT => Coupling::Independent,
                IMLE_COUPLING_STRATIFIED => Coupling::Stratified,
                _ => return unknown,
            },
        })
    }
}

impl From<Diagnostics> for imle_diagnostics {
    fn from(Diagnostics { states, unchanged, nonzeros }: Diagnostics) -> Self {
        imle_diagnostics { states, unchanged, nonzeros }
    }
}

/// Returns the ABI version of the library that was linked; IMLE_ABI_VERSION is that of the header.
///
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub extern "C" fn imle_abi_version() -> u32 {
    IMLE_ABI_VERSION
}

/// Returns the version of the library that was linked, such as "0.1.0"; IMLE_VERSION is that of the header.
///
/// The string ends in NUL and lives as long as the program; the pointer is never NULL.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub extern "C" fn imle_version() -> *const c_char {
    // LLVM puts all C strings into one section, which is linked as a whole. With two NULs this is not a C string to
    // LLVM.
    concat!(env!("CARGO_PKG_VERSION"), "\0\0").as_ptr().cast()
}

/// Returns the name of the instruction set that this build runs on this machine: "avx512", "avx2" or "portable" on
/// x86-64, "neon" on AArch64, "portable" on others. The results do not depend on it.
///
/// The string ends in NUL and lives as long as the program; the pointer is never NULL.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub extern "C" fn imle_kernel() -> *const c_char {
    imle::instruction_set_c().as_ptr()
}

/// Sets every option to its default and struct_size to the size of the struct.
///
/// options: out, one struct; NULL (or a misaligned pointer) does nothing.
/// Threads: any, with different structs. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_options_default(options: *mut imle_options) {
    // SAFETY: the caller's contract.
    unsafe { args::write(options, imle_options::DEFAULT) }
}

/// Sets the options of trees to their defaults, trees that may cross and may have several roots, and struct_size to the
/// size of the struct.
///
/// options: out, one struct; NULL (or a misaligned pointer) does nothing.
/// Threads: any, with different structs. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_options_default(options: *mut imle_tree_options) {
    let struct_size = size_of::<imle_tree_options>() as u32;
    // SAFETY: the caller's contract.
    unsafe { args::write(options, imle_tree_options { struct_size, projective: 0, single_root: 0 }) }
}
