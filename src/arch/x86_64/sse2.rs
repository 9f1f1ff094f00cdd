//! SSE2, which the target of this build has.

use core::arch::x86_64::*;

use crate::arch::isa::{FOUR, Isa, LANES};

#[derive(Clone, Copy)]
pub(super) struct Sse2;

impl Isa for Sse2 {
    #[inline(always)]
    fn at_least(self, block: &[f32; LANES], t: f32) -> u32 {
        match block.as_chunks().0 {
            [a, b, c, d] => {
                four_at_least(a, t) | four_at_least(b, t) << 4 | four_at_least(c, t) << 8 | four_at_least(d, t) << 12
            }
            _ => 0,
        }
    }
}

#[inline(always)]
fn four_at_least(four: &[f32; FOUR], t: f32) -> u32 {
    // SAFETY:
    // - the load reads four floats, which `four` has;
    // - this file is compiled only where the target has SSE2.
    unsafe { _mm_movemask_ps(_mm_cmpge_ps(_mm_loadu_ps(four.as_ptr()), _mm_set1_ps(t))) as u32 }
}
