//! x86-64: AVX-512, AVX2 or the baseline, found out once at run time.

mod avx2;
#[cfg(not(feature = "no-avx512"))]
mod avx512;
mod sse2;

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering};

use super::isa::Dispatch;
use avx2::Avx2;
#[cfg(not(feature = "no-avx512"))]
use avx512::Avx512;
use sse2::Sse2;

const UNKNOWN: u8 = 0;
const SSE2: u8 = 1;
const AVX2: u8 = 2;
const AVX512: u8 = 3;

/// The answer of [`detect`], which is kept because CPUID takes microseconds on virtual machines. This byte is the only
/// static that the library writes; every thread writes the same value.
static DETECTED: AtomicU8 = AtomicU8::new(UNKNOWN);

#[inline(always)]
fn detected() -> u8 {
    match DETECTED.load(Ordering::Relaxed) {
        UNKNOWN => detect(),
        detected => detected,
    }
}

/// Runs a computation with the best instructions that this machine has.
#[inline(always)]
pub(crate) fn run<D: Dispatch>(computation: D) -> D::Output {
    match detected() {
        // SAFETY: `detect` answers AVX512 only where it found every feature that the token stands for.
        #[cfg(not(feature = "no-avx512"))]
        AVX512 => unsafe { Avx512::new() }.run(computation),
        // SAFETY: `detect` answers AVX2 or more only where it found every feature that the token stands for.
        AVX2.. => unsafe { Avx2::new() }.run(computation),
        _ => computation.run(Sse2),
    }
}

/// The instruction set that this machine runs: "avx512", "avx2" or "portable".
#[must_use]
pub fn instruction_set() -> &'static core::ffi::CStr {
    match detected() {
        AVX512 => c"avx512",
        AVX2 => c"avx2",
        _ => c"portable",
    }
}

/// Asks CPUID what the processor has, and XGETBV which registers the system saves.
#[cold]
#[inline(never)]
fn detect() -> u8 {
    let detected = best();
    DETECTED.store(detected, Ordering::Relaxed);
    detected
}

/// True if every one of the bits is set in `word`.
fn all(word: u32, bits: &[u32]) -> bool {
    bits.iter().all(|bit| word >> bit & 1 == 1)
}

fn best() -> u8 {
    let (largest, largest_extended) = (__cpuid(0).eax, __cpuid(0x8000_0000).eax);
    if largest < 7 || largest_extended < 0x8000_0001 {
        return SSE2;
    }
    let (basic, leaf7, extended) = (__cpuid(1), __cpuid_count(7, 0), __cpuid(0x8000_0001));
    // popcnt, xsave in use, avx; lzcnt
    if !all(basic.ecx, &[23, 27, 28]) || !all(extended.ecx, &[5]) {
        return SSE2;
    }
    // SAFETY: bit 27 says that the system has switched XSAVE on, and XGETBV with it.
    let saved = unsafe { saved_registers() };
    // bmi1, avx2, bmi2; xmm, ymm
    if !all(leaf7.ebx, &[3, 5, 8]) || !all(saved, &[1, 2]) {
        return SSE2;
    }
    // avx512f, dq, cd, bw, vl; mask registers, upper halves of zmm0 to zmm15, zmm16 to zmm31
    let avx512 = all(leaf7.ebx, &[16, 17, 28, 30, 31]) && all(saved, &[5, 6, 7]);
    if avx512 && cfg!(not(feature = "no-avx512")) { AVX512 } else { AVX2 }
}

/// # Safety
/// - The system has switched XSAVE on.
#[target_feature(enable = "xsave")]
fn saved_registers() -> u32 {
    // SAFETY: register 0 exists wherever XGETBV does.
    unsafe { _xgetbv(0) as u32 }
}
