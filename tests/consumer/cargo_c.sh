#!/usr/bin/env bash
# Installs imle by `cargo cinstall`, as packagers do, and builds a program with the result. Installs cargo-c if it is
# missing. This takes minutes, so `tests/run.sh --all` runs this script and `tests/run.sh` does not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# This is the newest cargo-c that builds with the Rust version of Cargo.toml.
command -v cargo-cinstall >/dev/null || cargo install --quiet --locked cargo-c@0.10.24
(cd "$root" && cargo cinstall -p imle-ffi --release --prefix="$tmp" --libdir=lib --target-dir "$root/target/cargo-c")

export PKG_CONFIG_PATH=$tmp/lib/pkgconfig
# shellcheck disable=SC2046 # the flags must be split into words
c++ -std=c++17 "$here/consumer.cpp" $(pkg-config --cflags --libs imle) -o "$tmp/consumer"
abi=$(sed -n 's/^#define IMLE_ABI_VERSION //p' "$root/include/imle.h")
[[ $(readelf -d "$tmp/consumer") == *"[libimle.so.$abi]"* ]] || { echo "FAIL: the SONAME is not libimle.so.$abi"; exit 1; }
LD_LIBRARY_PATH=$(pkg-config --variable=libdir imle) "$tmp/consumer"
echo "ok: cargo cinstall"
