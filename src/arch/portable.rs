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

/// The instruction set that this machine runs: always "portable" in this build.
#[must_use]
pub const fn instruction_set() -> &'static core::ffi::CStr {
    c"portable"
}
