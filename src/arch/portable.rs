//! The instructions that every machine of the target has.

use super::isa::{Dispatch, Isa, LANES};

#[derive(Clone, Copy)]
struct Portable;

impl Isa for Portable {
    #[inline(always)]
    fn at_least(self, block: &[f32; LANES], t: f32) -> u32 {
        block.iter().rev().fold(0, |bits, &x| bits << 1 | u32::from(x >= t))
    }
}

/// Runs a computation with the instructions that every machine of the target has.
#[inline(always)]
pub(crate) fn run<D: Dispatch>(computation: D) -> D::Output {
    computation.run(Portable)
}

/// [`instruction_set`](super::instruction_set) as a string that ends in NUL, for the C ABI: always "portable" in this build.
#[doc(hidden)]
#[must_use]
pub const fn instruction_set_c() -> &'static core::ffi::CStr {
    c"portable"
}
