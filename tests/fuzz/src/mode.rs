//! The caller's floating-point mode: MXCSR of x86-64. On other processors every call has the default mode, and
//! tests/embedded/float_modes.c tries the others.

use arbitrary::{Arbitrary, Result, Unstructured};

/// To nearest, nothing flushed, all traps masked.
pub const DEFAULT: u32 = 0x1f80;
/// The bits that are the mode; the others are flags.
const MODE: u32 = 0xffc0;

/// Calls in a mode. The second value is false if another mode is set afterwards.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
pub fn with<R>(mode: u32, call: impl FnOnce() -> R) -> (R, bool) {
    write(mode);
    let result = call();
    let mut after = 0_u32;
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut after, options(nostack, preserves_flags)) };
    write(DEFAULT);
    (result, after & MODE == mode & MODE)
}

#[cfg(target_arch = "x86_64")]
fn write(mode: u32) {
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mode, options(nostack)) };
}

#[cfg(not(target_arch = "x86_64"))]
pub fn with<R>(_: u32, call: impl FnOnce() -> R) -> (R, bool) {
    (call(), true)
}

/// A mode that differs from the default one in one respect or two, or any.
pub fn draw(u: &mut Unstructured<'_>) -> Result<u32> {
    const FLUSHED_RESULTS: u32 = 0x8000;
    const FLUSHED_OPERANDS: u32 = 0x40;
    Ok(match u.int_in_range(0..=7_u8)? {
        0 | 1 => DEFAULT | FLUSHED_RESULTS | FLUSHED_OPERANDS,
        2 => DEFAULT | FLUSHED_RESULTS,
        3 => DEFAULT | FLUSHED_OPERANDS,
        4 | 5 => DEFAULT | u.int_in_range(1..=3)? << 13,
        _ => u32::from(u16::arbitrary(u)?) & MODE,
    })
}
