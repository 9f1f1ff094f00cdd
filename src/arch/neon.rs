//! NEON, which the target of this build has: there is nothing to detect.

use core::arch::aarch64::*;

use super::isa::{Dispatch, EIGHT, Isa, LANES};

#[derive(Clone, Copy)]
struct Neon;

impl Isa for Neon {
    #[inline(always)]
    fn at_least(self, block: &[f32; LANES], t: f32) -> u32 {
        match block.as_chunks().0 {
            [low, high] => eight_at_least(low, t) | eight_at_least(high, t) << EIGHT,
            _ => 0,
        }
    }
}

#[inline(always)]
fn eight_at_least(eight: &[f32; EIGHT], t: f32) -> u32 {
    const BITS: [u16; EIGHT] = [1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY:
    // - the loads read eight floats and eight words, which `eight` and `BITS` have;
    // - this file is compiled only where the target has NEON.
    unsafe {
        let t = vdupq_n_f32(t);
        let low = vcgeq_f32(vld1q_f32(eight.as_ptr()), t);
        let high = vcgeq_f32(vld1q_f32(eight.as_ptr().add(4)), t);
        let reached = vcombine_u16(vmovn_u32(low), vmovn_u32(high));
        u32::from(vaddvq_u16(vandq_u16(reached, vld1q_u16(BITS.as_ptr()))))
    }
}

/// Runs a computation with NEON.
#[inline(always)]
pub(crate) fn run<D: Dispatch>(computation: D) -> D::Output {
    computation.run(Neon)
}

/// [`instruction_set`](super::instruction_set) as a string that ends in NUL, for the C ABI: always "neon" in this build.
#[doc(hidden)]
#[must_use]
pub const fn instruction_set_c() -> &'static core::ffi::CStr {
    c"neon"
}
