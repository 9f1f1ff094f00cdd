//! The panic handler of the libraries for C. The link proof (tests/c/closure.sh) shows that nothing calls it; the
//! linker wants one all the same.
//!
//! Off by default, because a Rust program has its own. With a panic strategy other than abort it is left out, so that
//! `--all-features` tests and lints pass; rustc then refuses to make a library, as it should.

#[cfg(all(feature = "panic-handler", panic = "abort", not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
