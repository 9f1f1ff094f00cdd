#!/usr/bin/env bash
# rust_users.sh OUT_DIR: checks the archive in programs that contain other Rust code: first beside a Rust staticlib that
# uses std, then inside one, where a user's staticlib depends on imle-ffi and exports its functions.
set -euo pipefail
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
ffi=$(cd ../../ffi && pwd)
build() { gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -I../../include rust_users.c "$@" -lgcc_s -lpthread -ldl -lm; }

rm -rf "$out/rust_user"
mkdir -p "$out/rust_user/src"
cat >"$out/rust_user/Cargo.toml" <<TOML
[package]
name = "rust_user"
version = "0.0.0"
edition = "2024"

[lib]
crate-type = ["staticlib"]

[features]
with_imle = ["dep:imle-ffi"]

[dependencies]
imle-ffi = { path = "$ffi", optional = true }

[profile.release]
panic = "abort"
lto = "fat"
codegen-units = 1

[workspace]
TOML
cat >"$out/rust_user/src/lib.rs" <<'RUST'
//! Uses std: threads, collections, formatting, a panic.
#[cfg(feature = "with_imle")]
pub use imle_ffi::*;

#[unsafe(no_mangle)]
pub extern "C" fn rust_user_digits(n: u64) -> usize {
    std::thread::spawn(move || format!("{n}").chars().collect::<Vec<_>>().len()).join().unwrap()
}
RUST
cp ../../Cargo.lock "$out/rust_user/"
target=$out/rust_user/target
user=$target/release/librust_user.a
cargo_build() { cargo build --quiet --release --manifest-path "$out/rust_user/Cargo.toml" --target-dir "$target" "$@"; }

cargo_build
copy=$out/rust_user/libimle_copy.a # two components of a program may each bring a copy
cp "$out/libimle.a" "$copy"
for order in "$user $out/libimle.a $copy" "$copy $out/libimle.a $user"; do
  # shellcheck disable=SC2086
  build $order -o "$out/rust_users"
  "$out/rust_users"
done
echo "beside: one program links two copies of libimle.a and a staticlib that uses std, in either order"

cargo_build --features with_imle
build "$user" -o "$out/rust_users"
"$out/rust_users"
echo "inside: a user's staticlib exports imle_*"
