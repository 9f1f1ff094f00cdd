//! include/imle.h is the output of cbindgen for this crate. `UPDATE_HEADER=1 cargo test -p imle-ffi --test header` writes
//! it.

use std::path::Path;
use std::{env, fs};

/// The macros, which cbindgen cannot know. tests/c/header.c compares each of them with its function.
fn macros() -> String {
    let [version, major, minor, patch] = [
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ];
    format!(
        r#"
// The version of this header; imle_version() is that of the library.
#define IMLE_VERSION_MAJOR {major}
#define IMLE_VERSION_MINOR {minor}
#define IMLE_VERSION_PATCH {patch}
#define IMLE_VERSION "{version}"

// Lengths of workspace as constants, for static arrays. Where a workspace would exceed half of the address space the
// functions return 0 and these macros do not; still larger ones wrap around. (For the exact functions and n = k: from
// 23,163 and from 65,528 on if size_t has 32 bits, from 2^32 - 8 on if it has 64.)
//
// imle_topk_workspace_len; 0 where k > n.
#define IMLE_TOPK_WORKSPACE_LEN(n, k) ((size_t)(k) < (size_t)(n) + 1 ? (size_t)3 * (size_t)(n) : (size_t)0)
// imle_argmax_workspace_len.
#define IMLE_ARGMAX_WORKSPACE_LEN(n) ((size_t)3 * (size_t)(n))
// imle_topk_exact_workspace_len; 0 where k > n or n = 0.
#define IMLE_TOPK_EXACT_WORKSPACE_LEN(n, k) \
    ((size_t)(n) > 0 && (size_t)(k) < (size_t)(n) + 1 \
         ? ((size_t)(n) + 12) * ((size_t)(k) + 1) + (size_t)3 * (size_t)(n) + (size_t)136 \
         : (size_t)0)
// imle_argmax_exact_workspace_len.
#define IMLE_ARGMAX_EXACT_WORKSPACE_LEN(n) ((size_t)(n))

// On every function whose status should not be ignored; define it as nothing if you would rather.
#ifndef IMLE_MUST_USE
#if (defined(__cplusplus) && __cplusplus >= 201703L) || (defined(__STDC_VERSION__) && __STDC_VERSION__ > 201710L)
#define IMLE_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define IMLE_MUST_USE __attribute__((warn_unused_result))
#else
#define IMLE_MUST_USE
#endif
#endif"#
    )
}

fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    config.after_includes = Some(macros());
    let mut header = Vec::new();
    cbindgen::Builder::new().with_crate(root).with_config(config).generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/imle.h");
    let generated = generated();
    if env::var_os("UPDATE_HEADER").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &generated).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        generated,
        "include/imle.h is out of date: UPDATE_HEADER=1 writes it"
    );
}

/// Some compilers do not read headers as UTF-8.
#[test]
fn the_header_is_ascii() {
    assert!(generated().is_ascii());
}
