//! Compiles the C side of the fuzzer, src/caller.c, with a C function for every function of the table.

use std::path::Path;
use std::{env, fs};

#[path = "../../ffi/tests/common/functions.rs"]
#[allow(dead_code, reason = "only the names are read")]
mod functions;

macro_rules! names {
    ($($name:ident: $($argument:ident)*;)*) => {
        const FUNCTIONS: &[(&str, &[&str])] = &[$((stringify!($name), &[$(stringify!($argument)),*])),*];
    };
}
functions::every_function!(names);

fn main() {
    let calls: String = FUNCTIONS.iter().map(|(name, arguments)| call(name, arguments)).collect();
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("calls.h"), calls).expect("the folder is there");
    let sources = ["src/caller.c", "../../include/imle.h", "../../ffi/tests/common/functions.rs"];
    sources.iter().for_each(|source| println!("cargo::rerun-if-changed={source}"));
    let flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];
    cc::Build::new().file("src/caller.c").include("../../include").include(&out).flags(flags).compile("caller");
}

/// The function of caller.c that calls `name`.
fn call(name: &str, arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().enumerate().map(|(i, name)| format!("{name}(a + {i})")).collect();
    format!("imle_status call_{name}(const struct argument *a) {{ return {name}({}); }}\n", arguments.join(", "))
}
