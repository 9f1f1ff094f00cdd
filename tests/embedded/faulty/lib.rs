//! Every fault that the proofs look for, a function each: see proofs.sh.

#![no_std]

use core::sync::atomic::{AtomicU32, Ordering};

#[unsafe(no_mangle)]
pub extern "C" fn imle_can_panic(i: usize) -> u8 {
    [3, 1, 4][i]
}

#[unsafe(no_mangle)]
pub extern "C" fn imle_traps() {
    // SAFETY: the proof reads this instruction, nobody executes it.
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

/// Ackermann's function, which is no loop.
#[unsafe(no_mangle)]
pub extern "C" fn imle_recurses(m: u32, n: u32) -> u32 {
    match (m, n) {
        (0, _) => n.wrapping_add(1),
        (_, 0) => imle_recurses(m - 1, 1),
        _ => imle_recurses(m - 1, imle_recurses(m, n - 1)),
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
