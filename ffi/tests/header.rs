//! include/imle.h is the output of cbindgen for this crate.
//! `UPDATE_HEADER=1 cargo test -p imle-ffi --test header` writes it.

use std::path::Path;
use std::{env, fs};

/// The macros of the version.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let [major, minor, patch] =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    format!(
        r#"
// The version of this header; imle_version() is that of the library.
#define IMLE_VERSION_MAJOR {major}
#define IMLE_VERSION_MINOR {minor}
#define IMLE_VERSION_PATCH {patch}
#define IMLE_VERSION "{version}"
"#
    )
}

fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    config.after_includes = Some(version() + &config.after_includes.unwrap());
    let mut header = Vec::new();
    cbindgen::Builder::new().with_crate(root).with_config(config).generate().unwrap().write(&mut header);
    let header = String::from_utf8(header).unwrap();
    header.lines().map(|line| parenthesized(line) + "\n").collect()
}

/// The definition of a macro that is a negative number, with the parentheses that cbindgen leaves out: without them
/// the macro could become a part of a longer expression.
fn parenthesized(line: &str) -> String {
    match line.strip_prefix("#define ").and_then(|definition| definition.split_once(" -")) {
        Some((name, number)) if number.parse::<u32>().is_ok() => format!("#define {name} (-{number})"),
        _ => line.to_owned(),
    }
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/imle.h");
    let generated = generated();
    if env::var_os("UPDATE_HEADER").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(committed == generated, "include/imle.h is out of date: UPDATE_HEADER=1 writes it");
}

/// Some compilers do not read headers as UTF-8.
#[test]
fn the_header_is_ascii() {
    assert!(generated().is_ascii());
}
