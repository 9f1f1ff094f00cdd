#!/usr/bin/env bash
# `cargo cinstall`, the packagers' way, and a program that finds what it installed. Installs cargo-c where it is missing,
# which takes minutes: `tests/run.sh --all` runs this, `tests/run.sh` does not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The newest that the Rust of Cargo.toml builds.
command -v cargo-cinstall >/dev/null || cargo install --quiet --locked cargo-c@0.10.24
(cd "$root" && cargo cinstall -p imle-ffi --release --prefix="$tmp" --libdir=lib --target-dir "$root/target/cargo-c")

export PKG_CONFIG_PATH=$tmp/lib/pkgconfig
# shellcheck disable=SC2046 # flags are words
c++ -std=c++17 "$here/consumer.cpp" $(pkg-config --cflags --libs imle) -o "$tmp/consumer"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir imle) "$tmp/consumer"
echo "ok: cargo cinstall"
