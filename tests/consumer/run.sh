#!/usr/bin/env bash
# Builds and installs imle and uses it from a clean directory, in every way that the README names. Prints each proof. Run
# tests/c/run.sh first.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
prefix=$tmp/prefix

# quietly COMMAND...: runs it and shows its output only if it fails. fails COMMAND...: checks that it fails.
quietly() { "$@" >"$tmp/log" 2>&1 || { cat "$tmp/log"; echo "failed: $*"; exit 1; }; }
fails() { ! "$@" >"$tmp/log" 2>&1 || { echo "should have failed: $*"; exit 1; }; }
proved() { echo "ok: $*"; }

# use NAME OPTION...: configures, builds and runs the consumer with these options of CMake.
use() {
    quietly cmake -S "$here" -B "$tmp/$1" "${@:2}"
    quietly cmake --build "$tmp/$1"
    for program in consumer_c consumer_cpp consumer_shared; do quietly "$tmp/$1/$program"; done
    xargs -d '\n' ls >/dev/null <"$tmp/$1/libraries.txt" # $<TARGET_FILE:...>
}

# The archive's own manifest repeats what ffi/Cargo.toml and Cargo.toml say.
python3 - "$root" <<'PYTHON'
import os, sys, tomllib
root = sys.argv[1]
def read(path):
    with open(os.path.join(root, path), "rb") as file:
        return tomllib.load(file)
workspace, ffi, archive = read("Cargo.toml"), read("ffi/Cargo.toml"), read("ffi/archive/Cargo.toml")
assert archive["features"] == ffi["features"], "other features than ffi/Cargo.toml"
for profile, settings in archive["profile"].items():
    assert settings == workspace["profile"][profile], f"profile {profile}: not as in Cargo.toml"
for key in "version", "edition", "rust-version", "license":
    assert archive["package"][key] == workspace["workspace"]["package"][key], f"{key}: not as in Cargo.toml"
def script(manifest, directory):
    path = manifest["package"].get("build")
    return path and os.path.normpath(os.path.join(root, directory, path))
assert script(archive, "ffi/archive") == script(ffi, "ffi"), "another build script than that of ffi/Cargo.toml"
assert set(archive["dependencies"]) == {"imle"} == set(ffi["dependencies"]), "the archive needs imle and nothing else"
locked = {package["name"]: package.get("source") for package in read("ffi/archive/Cargo.lock")["package"]}
assert locked == dict.fromkeys(["imle", "imle-archive"]), f"its lock file names other crates: {locked}"
PYTHON
proved "ffi/archive/Cargo.toml has the features and profiles of the workspace, and no crate from outside the tree"

# rust_target NAME SYSTEM PROCESSOR [FLAGS [OPTION]]: checks Rust's name for a machine of a toolchain file; - means that
# CMake stops with an error.
rust_target() {
    local printed found=-
    if printed=$(cmake -DCMAKE_CROSSCOMPILING=1 -DCMAKE_SYSTEM_NAME="$2" -DCMAKE_SYSTEM_PROCESSOR="$3" \
        -DCMAKE_C_FLAGS="${4:-}" "${@:5}" -P "$root/ffi/cmake/rust_target.cmake" 2>&1); then
        found=${printed#-- imle: building for }
    fi
    [[ $found == "$1" && ($found != - || $printed == *"no Rust target is known"*) ]] ||
        { echo "failed: $* gives $found: $printed"; exit 1; }
}
rust_target x86_64-unknown-linux-gnu Linux x86_64
rust_target aarch64-unknown-linux-gnu Linux aarch64
rust_target armv7-unknown-linux-gnueabihf Linux armv7l
rust_target x86_64-pc-windows-gnu Windows AMD64
rust_target aarch64-apple-darwin Darwin arm64
rust_target x86_64-apple-darwin Darwin x86_64
rust_target thumbv6m-none-eabi Generic arm '-mthumb -mcpu=cortex-m0plus'
rust_target thumbv7m-none-eabi Generic cortex-m3
rust_target thumbv7em-none-eabi Generic arm '-mcpu=cortex-m4 -mfloat-abi=softfp'
rust_target thumbv7em-none-eabihf Generic arm '-mcpu=cortex-m7 -mfloat-abi=hard'
rust_target thumbv8m.main-none-eabihf Generic cortex-m33 -mfloat-abi=hard
rust_target riscv32imac-unknown-none-elf Generic riscv32 '-march=rv32imac -mabi=ilp32'
rust_target - Linux arm
rust_target - Generic ''
rust_target - Generic avr
rust_target riscv32imc-unknown-none-elf Generic avr '' -DIMLE_RUST_TARGET=riscv32imc-unknown-none-elf
proved "CMake knows Rust's names for machines of toolchain files, and stops where it knows none"

quietly cmake -S "$root/ffi" -B "$tmp/build"
quietly cmake --build "$tmp/build"
quietly cmake --install "$tmp/build" --prefix "$tmp/elsewhere"
mv "$tmp/elsewhere" "$prefix"
(cd "$prefix" && find . -type f -printf '%P %s bytes\n' | sort)
proved "CMake builds and installs; the installed tree can be moved"

# Two builds of one checkout, in two folders, give the same bytes. tests/c/run.sh made the other one.
for library in libimle.a libimle.so; do
    cmp "${CARGO_TARGET_DIR:-$root/target}/c/$library" "$(find "$prefix" -name $library)"
done
proved "libimle.a and libimle.so are built again to the same bytes"

use package -DCMAKE_PREFIX_PATH="$prefix" -DIMLE_TORCH=ON
quietly "$tmp/package/consumer_torch"
proved "find_package(imle): C and C++ with imle::imle, C with imle::shared, libtorch with imle::torch"

for version in 0.2 1 99; do
    fails cmake -S "$here" -B "$tmp/newer" -DCMAKE_PREFIX_PATH="$prefix" -DIMLE_VERSION=$version
    grep -q "with requested version \"$version\"" "$tmp/log" || { cat "$tmp/log"; exit 1; }
done
proved "find_package(imle) refuses a newer version"

export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name imle.pc)")
flags() { pkg-config "$@" imle; }
# shellcheck disable=SC2046 # the flags must be split into words
{
    rpath=-Wl,-rpath,$(flags --variable=libdir)
    quietly cc -std=c99 "$here/consumer.c" $(flags --cflags --libs) "$rpath" -o "$tmp/c"
    quietly c++ -std=c++17 "$here/consumer.cpp" $(flags --cflags --libs) "$rpath" -o "$tmp/cpp"
}
for program in c cpp; do quietly "$tmp/$program"; done
fails pkg-config --atleast-version=0.2 imle
fails pkg-config --exists 'imle >= 99'
proved "pkg-config: C and C++ with libimle.so; a newer version is refused"

library=$(flags --variable=libdir)
quietly cc -std=c99 -I"$prefix/include" "$here/consumer.c" "$library/libimle.a" -o "$tmp/bare"
quietly "$tmp/bare"
quietly c++ -std=c++20 -fno-rtti -I"$prefix/include" "$here/consumer.cpp" "$library/libimle.a" -o "$tmp/bare"
quietly "$tmp/bare"
proved "one compiler line with libimle.a and nothing after it"

# compiled DIR: gives a build of this checkout what the first one has compiled.
compiled() { mkdir -p "$1" && cp -a "$tmp/build/cargo" "$1"; }
compiled "$tmp/subdirectory/imle"
use subdirectory -DIMLE_FROM=subdirectory
proved "add_subdirectory"

(cd "$root" && git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null |
    tar -czf "$tmp/imle.tar.gz" --transform 's,^,imle/,' -T -)
use fetch -DIMLE_FROM=fetch -DIMLE_ARCHIVE="$tmp/imle.tar.gz"
proved "FetchContent"

# offline COMMAND...: without a network, and with a cargo that has downloaded nothing.
offline() {
    CARGO_HOME=$tmp/cargo_home RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} quietly unshare --map-root-user --net "$@"
}
mkdir "$tmp/plain"
tar -xzf "$tmp/imle.tar.gz" -C "$tmp/plain"
offline cmake -S "$tmp/plain/imle/ffi" -B "$tmp/plain/build"
offline cmake --build "$tmp/plain/build"
quietly cc -std=c99 -I"$root/include" "$here/consumer.c" "$tmp/plain/build/libimle.a" -o "$tmp/bare"
quietly "$tmp/bare"
[[ ! -e $tmp/cargo_home/registry ]]
proved "the source tree builds without a network and with an empty CARGO_HOME, by CMake, which calls archive.sh"

compiled "$tmp/other"
quietly cmake -S "$root/ffi" -B "$tmp/other" -DIMLE_PLAIN_CARGO=ON
quietly cmake --build "$tmp/other"
quietly cc -std=c99 -I"$root/include" "$here/consumer.c" "$tmp/other/libimle.a" -o "$tmp/bare"
quietly "$tmp/bare"
proved "hosts other than Linux: cargo's own archive"
