//! Names one condition: `cfg(imle_small)` is set for 32-bit Arm, for 32-bit RISC-V and for the feature `scalar`. Code
//! that takes care of flash and stack there asks for it by name instead of spelling the three out.
//!
//! This is a build script because Rust has no other stable way to name a condition. Both packages, `imle` and
//! `imle-ffi`, run it.

use std::env;

fn main() {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let scalar = env::var_os("CARGO_FEATURE_SCALAR").is_some();
    println!("cargo::rustc-check-cfg=cfg(imle_small)");
    if scalar || arch == "arm" || arch == "riscv32" {
        println!("cargo::rustc-cfg=imle_small");
    }
    // Only the target and the features decide, and Cargo runs the script again when these change. It would also do so
    // after a change of any source file, unless it is given a file to watch, which both packages must have.
    println!("cargo::rerun-if-changed=Cargo.toml");
}
