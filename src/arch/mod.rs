//! The instruction sets: what this machine runs, and the few operations that compilers do not find by themselves.
//!
//! Loops are written once, over lanes, in safe code that every compiler vectorises. [`run`] compiles them once for each
//! instruction set and picks the best one that the machine has. No choice changes a bit of any result. Each copy is a
//! function that all callers share; code that already runs with an instruction set calls it through [`Isa::apart`].
//!
//! All unsafe code of the core is in the files of this folder. The argument is the same everywhere: an [`Isa`] is a
//! token, a value without contents that only this folder can make, and it makes the token of an instruction set only
//! where detection (or the compiler's target) says that the machine has it. Code that holds a token may therefore use
//! the instructions.

mod isa;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(feature = "no-avx2")))]
#[allow(unsafe_code)]
mod x86_64;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(feature = "no-avx2")))]
use x86_64 as machine;

#[cfg(all(target_arch = "aarch64", target_feature = "neon", not(feature = "scalar")))]
#[allow(unsafe_code)]
mod neon;
#[cfg(all(target_arch = "aarch64", target_feature = "neon", not(feature = "scalar")))]
use neon as machine;

#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2", not(feature = "no-avx2")),
    all(target_arch = "aarch64", target_feature = "neon", not(feature = "scalar"))
)))]
mod portable;
#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2", not(feature = "no-avx2")),
    all(target_arch = "aarch64", target_feature = "neon", not(feature = "scalar"))
)))]
use portable as machine;

pub(crate) use isa::{Dispatch, EIGHT, FLOAT_UNIT, FOUR, Isa, LANES, RANKED, SCALAR};
pub use machine::instruction_set_c;
pub(crate) use machine::run;

/// The name of the instruction set that this machine runs: "avx512", "avx2" or "portable" on x86-64, "neon" on AArch64,
/// "portable" on others. The results do not depend on it.
#[must_use]
pub fn instruction_set() -> &'static str {
    instruction_set_c().to_str().unwrap_or_default()
}
