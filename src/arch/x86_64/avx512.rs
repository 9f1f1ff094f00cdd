//! AVX-512 F, BW, CD, DQ and VL, and all that [`Avx2`] stands for.

use core::arch::x86_64::*;

use super::avx2::Avx2;
use crate::arch::isa::{Dispatch, EIGHT, FOUR, Isa, LANES};

/// Proof that the machine has these instructions.
#[derive(Clone, Copy)]
pub(super) struct Avx512(Avx2);

impl Avx512 {
    /// # Safety
    /// - The machine has AVX-512 F, BW, CD, DQ and VL, and FMA and F16C, which AVX-512 F implies.
    /// - The system saves the zmm and mask registers.
    /// - The contract of [`Avx2::new`] holds.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        // SAFETY: the same contract.
        Avx512(unsafe { Avx2::new() })
    }
}

/// # Safety
/// - The machine has the enabled features; an [`Avx512`] says so. (Only callers without these features must be unsafe.)
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
fn compiled<D: Dispatch>(isa: Avx512, computation: D) -> D::Output {
    computation.run(isa)
}

impl Isa for Avx512 {
    #[inline(always)]
    fn apart<D: Dispatch>(self, computation: D) -> D::Output {
        // SAFETY: `self` is proof that the machine has the features that `compiled` enables.
        unsafe { compiled(self, computation) }
    }

    #[inline(always)]
    fn at_least(self, block: &[f32; LANES], t: f32) -> u32 {
        // SAFETY:
        // - the load reads sixteen floats, which `block` has;
        // - `self` is proof that the machine has AVX-512 F.
        let reached = unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_loadu_ps(block.as_ptr()), _mm512_set1_ps(t)) };
        u32::from(reached)
    }

    #[inline(always)]
    fn order(self, a: [f32; EIGHT], b: [f32; EIGHT]) -> [[f32; EIGHT]; 2] {
        self.0.order(a, b)
    }

    #[inline(always)]
    fn transpose(self, rows: [&[f32; EIGHT]; EIGHT]) -> [[f32; EIGHT]; EIGHT] {
        self.0.transpose(rows)
    }

    #[inline(always)]
    fn deposit(self, bits: u64, set: u64) -> u64 {
        self.0.deposit(bits, set)
    }

    #[inline(always)]
    fn exceeded_by(self, scores: &[[f32; FOUR]], lanes: &[[f32; EIGHT]], k: i32) -> [u32; 2] {
        self.0.exceeded_by(scores, lanes, k)
    }
}
