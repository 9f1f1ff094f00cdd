//! Names three conditions on the build, because Rust has no other stable way to name a condition. Both packages, `imle` and
//! `imle-ffi`, run this script.
//!
//! - `cfg(imle_small)` is set for 32-bit Arm, for 32-bit RISC-V and for the feature `scalar`. Code that takes care of
//!   flash and stack there asks for it by name instead of spelling the three out.
//! - `cfg(imle_smallest)` is set where the compiler optimises for size, as in the profile `size`.
//! - `cfg(imle_float_mode)` is set where the machine computes with f32 in hardware that has a mode (rounding, flushing of
//!   subnormals) which `ffi/src/float_mode.rs` knows.

use std::env;

fn main() {
    let variable = |name| env::var(name).unwrap_or_default();
    let (arch, features) = (variable("CARGO_CFG_TARGET_ARCH"), variable("CARGO_CFG_TARGET_FEATURE"));
    let scalar = env::var_os("CARGO_FEATURE_SCALAR").is_some();
    let has = |feature| features.split(',').any(|name| name == feature);
    let float_mode = match arch.as_str() {
        "x86" | "x86_64" => has("sse"),
        "aarch64" => has("neon"),
        "arm" => variable("CARGO_CFG_TARGET_ABI") == "eabihf",
        "riscv32" | "riscv64" => has("f") || riscv_name_has_f(&variable("TARGET")),
        _ => false,
    };
    println!("cargo::rustc-check-cfg=cfg(imle_small, imle_smallest, imle_float_mode)");
    if scalar || arch == "arm" || arch == "riscv32" {
        println!("cargo::rustc-cfg=imle_small");
    }
    if ["s", "z"].contains(&variable("OPT_LEVEL").as_str()) {
        println!("cargo::rustc-cfg=imle_smallest");
    }
    if float_mode {
        println!("cargo::rustc-cfg=imle_float_mode");
    }
    // Only the target, the features and the profile decide, and Cargo runs the script again when these change. It would also do so
    // after a change of any source file, unless it is given a file to watch, which both packages must have.
    println!("cargo::rerun-if-changed=Cargo.toml");
}

/// True if a RISC-V target has the extension F by its name, such as riscv32imafc-unknown-none-elf. Stable Rust does not
/// list this extension among the features. Names without extensions are those of hosted systems, which have it.
fn riscv_name_has_f(target: &str) -> bool {
    let extensions = target.split('-').next().and_then(|machine| machine.get("riscv32".len()..)).unwrap_or_default();
    extensions.is_empty() || ["f", "g", "a23"].iter().any(|name| extensions.contains(name))
}
