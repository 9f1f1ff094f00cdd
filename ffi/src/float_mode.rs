//! The caller's floating-point mode: no result depends on it.
//!
//! C code may round in another direction or flush subnormals to zero, in one thread or in the whole program (`fesetround`,
//! `-ffast-math`, libraries for audio and machine learning). Rust code works in the default mode only: it rounds to
//! nearest, keeps subnormals and traps nothing. So every call that computes runs inside [`in_default_mode`].
//!
//! `machine` reads and writes the mode; it has one version for each kind of processor. `build.rs` sets `imle_float_mode`
//! where one of them fits. Elsewhere the guard is the plain call of the body: floats are computed in software or in
//! WebAssembly, which have no mode, or by a processor that this file does not know.

/// Runs the body in the default mode. If the caller has another mode, it is back afterwards, bit for bit, also if the body
/// returns an error. If the caller has the default mode, no control register is written.
#[inline(always)]
pub(crate) fn in_default_mode<R>(body: impl FnOnce() -> R) -> R {
    call_in_default_mode(move || behind_a_call(body))
}

/// [`in_default_mode`] for a body that is one call of a function which is not inlined.
#[cfg(imle_float_mode)]
#[inline(always)]
pub(crate) fn call_in_default_mode<R>(call: impl FnOnce() -> R) -> R {
    let callers = machine::read();
    if callers & machine::MODE == machine::DEFAULT {
        return call();
    }
    // The bits that are no mode stay. One of them, LTPSIZE, must be as it is for the fast loops of a Cortex-M55, which
    // memcpy may have.
    // SAFETY: the function that is called alone computes until the mode is written again.
    unsafe { machine::write(callers & !machine::MODE | machine::DEFAULT) }
    let result = call();
    // SAFETY: the caller of the C function works in this mode, and nothing computes before it goes on.
    unsafe { machine::write(callers) }
    result
}

/// Without a mode, runs the body.
#[cfg(not(imle_float_mode))]
#[inline(always)]
pub(crate) fn call_in_default_mode<R>(call: impl FnOnce() -> R) -> R {
    call()
}

/// Runs the body in a function of its own. To the compiler arithmetic does not depend on the mode, so it may move
/// arithmetic over the instructions that change the mode. It does not move any out of a function that is not inlined.
#[cfg_attr(imle_float_mode, inline(never))]
#[cfg_attr(not(imle_float_mode), inline(always))]
fn behind_a_call<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// MXCSR, the mode of SSE and AVX. It has flags in its low bits; the rest is the mode.
#[cfg(all(imle_float_mode, any(target_arch = "x86", target_arch = "x86_64")))]
mod machine {
    /// FTZ, the rounding direction, the masks of the six traps, DAZ.
    pub(super) const MODE: u32 = 0xffc0;
    /// To nearest, nothing flushed, all traps masked.
    pub(super) const DEFAULT: u32 = 0x1f80;

    #[inline(always)]
    pub(super) fn read() -> u32 {
        let mut word = 0_u32;
        // SAFETY: STMXCSR writes four bytes, which `word` has; the target has SSE.
        unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) }
        word
    }

    /// # Safety
    /// - `word` is what [`read`] gave, or that with [`DEFAULT`] in the bits of [`MODE`].
    /// - No Rust code computes with floats while the mode is not the default one.
    #[inline(always)]
    pub(super) unsafe fn write(word: u32) {
        // SAFETY: LDMXCSR reads four bytes, which `word` has, and faults only on bits that `read` never gives.
        unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack)) }
    }
}

/// FPCR, which has nothing but modes: all zero is the default.
#[cfg(all(imle_float_mode, target_arch = "aarch64"))]
mod machine {
    /// Rounding, flushing, default NaNs, traps, and what newer processors add.
    pub(super) const MODE: u64 = u64::MAX;
    /// To nearest, nothing flushed, no traps.
    pub(super) const DEFAULT: u64 = 0;

    #[inline(always)]
    pub(super) fn read() -> u64 {
        let word;
        // SAFETY: the register can be read at every level of privilege.
        unsafe { core::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) }
        word
    }

    /// # Safety
    /// - `word` is what [`read`] gave, or that with [`DEFAULT`] in the bits of [`MODE`].
    /// - No Rust code computes with floats while the mode is not the default one.
    #[inline(always)]
    pub(super) unsafe fn write(word: u64) {
        // SAFETY: the register can be written at every level of privilege.
        unsafe { core::arch::asm!("msr fpcr, {}", in(reg) word, options(nostack, preserves_flags)) }
    }
}

/// FPSCR of 32-bit Arm, application and microcontroller profile.
#[cfg(all(imle_float_mode, target_arch = "arm"))]
mod machine {
    /// Default NaNs, flushing, the rounding direction, and traps, which microcontrollers do not have: there the number is
    /// shorter to load. The other bits are flags.
    pub(super) const MODE: u32 = if cfg!(target_os = "none") { 0x03c0_0000 } else { 0x03c0_9f00 };
    /// To nearest, nothing flushed, no traps.
    pub(super) const DEFAULT: u32 = 0;

    #[inline(always)]
    pub(super) fn read() -> u32 {
        let word;
        // SAFETY: the target has a floating-point unit; its status can be read at every level of privilege.
        unsafe { core::arch::asm!("vmrs {}, fpscr", out(reg) word, options(nomem, nostack, preserves_flags)) }
        word
    }

    /// # Safety
    /// - `word` is what [`read`] gave, or that with [`DEFAULT`] in the bits of [`MODE`].
    /// - No Rust code computes with floats while the mode is not the default one.
    #[inline(always)]
    pub(super) unsafe fn write(word: u32) {
        // SAFETY: as above for writing.
        unsafe { core::arch::asm!("vmsr fpscr, {}", in(reg) word, options(nostack)) }
    }
}

/// frm, the rounding direction of RISC-V, which neither flushes nor traps.
#[cfg(all(imle_float_mode, any(target_arch = "riscv32", target_arch = "riscv64")))]
mod machine {
    /// All of the register.
    pub(super) const MODE: usize = usize::MAX;
    /// To nearest, ties to even.
    pub(super) const DEFAULT: usize = 0;

    #[inline(always)]
    pub(super) fn read() -> usize {
        let word;
        // SAFETY: the target has the extension F.
        unsafe { core::arch::asm!("frrm {}", out(reg) word, options(nomem, nostack, preserves_flags)) }
        word
    }

    /// # Safety
    /// - `word` is what [`read`] gave, or that with [`DEFAULT`] in the bits of [`MODE`].
    /// - No Rust code computes with floats while the mode is not the default one.
    #[inline(always)]
    pub(super) unsafe fn write(word: usize) {
        // SAFETY: the target has the extension F.
        unsafe { core::arch::asm!("fsrm {}", in(reg) word, options(nostack)) }
    }
}
