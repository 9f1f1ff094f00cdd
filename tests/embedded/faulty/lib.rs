//! One function for every fault that the proofs look for (proofs.sh).

#![no_std]

use core::sync::atomic::{AtomicU32, Ordering};

#[unsafe(no_mangle)]
pub extern "C" fn imle_can_panic(i: usize) -> u8 {
    [3, 1, 4][i]
}

#[unsafe(no_mangle)]
pub extern "C" fn imle_traps() {
    // SAFETY: the proof only reads this instruction; nobody executes it.
    #[cfg(target_arch = "arm")]
    unsafe {
        core::arch::asm!("udf #0")
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn imle_has_a_static() -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let calls = CALLS.load(Ordering::Relaxed);
    CALLS.store(calls.wrapping_add(1), Ordering::Relaxed);
    calls
}

#[unsafe(no_mangle)]
pub extern "C" fn imle_calls_a_stranger() -> u32 {
    unsafe extern "C" {
        safe fn stranger() -> u32;
    }
    stranger()
}

#[unsafe(no_mangle)]
pub extern "C" fn imle_calls_a_pointer(function: extern "C" fn(u32) -> u32) -> u32 {
    function(1).wrapping_add(1)
}

/// Ackermann's function, which no compiler turns into a loop.
#[unsafe(no_mangle)]
pub extern "C" fn imle_recurses(m: u32, n: u32) -> u32 {
    match (m, n) {
        (0, _) => n.wrapping_add(1),
        (_, 0) => imle_recurses(m - 1, 1),
        _ => imle_recurses(m - 1, imle_recurses(m, n - 1)),
    }
}

// A conditional call and a conditional indirect call. The stack of the first is 8 bytes plus 20 of its callee.
#[cfg(target_arch = "arm")]
core::arch::global_asm!(
    ".syntax unified",
    ".macro function name",
    ".section .text.\\name, \"ax\"",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    ".endm",
    "function imle_calls_if",
    "push {{r4, lr}}",
    "cmp r0, #0",
    "it ne",
    "blne imle_is_deep",
    "pop {{r4, pc}}",
    "function imle_is_deep",
    "push {{r4, r5, r6, r7, lr}}",
    "pop {{r4, r5, r6, r7, pc}}",
    "function imle_calls_a_pointer_if",
    "push {{r4, lr}}",
    "cmp r0, #0",
    "it ne",
    "blxne r0",
    "pop {{r4, pc}}",
);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
