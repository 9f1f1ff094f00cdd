#!/usr/bin/env bash
# Sets up what the tests need and runs them. From a fresh clone: tests/run.sh [--all]
# --all adds what takes long to install: the packagers' cargo-c, and the JAX of benches/peers.
# Needs Rust (rustup or a package), a Debian-like system for the set-up, and root or sudo where packages are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

section() { printf '\n== %s\n' "$*"; }

# Debian packages by the program that each brings. A program that is missing and cannot be installed is a failure.
section "set-up"
declare -A package=(
  [gcc]=gcc [g++]=g++ [clang]=clang [cmake]=cmake [make]=make [pkg-config]=pkg-config [valgrind]=valgrind
)
missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package[$program]}")
done
# A second Rust, with the source of core, for the targets that the first has no standard library for.
dpkg -s rustc-web rust-web-src cargo-web libstd-rust-web-dev >/dev/null 2>&1 ||
  missing+=(rustc-web rust-web-src cargo-web libstd-rust-web-dev)
if [[ ${1:-} == --all ]] && ! python3 -c 'import ensurepip' 2>/dev/null; then missing+=(python3-venv); fi
if ((${#missing[@]})); then
  sudo=$([[ $(id -u) == 0 ]] || echo sudo)
  $sudo apt-get update -q
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=500 install -qy --no-remove --no-install-recommends "${missing[@]}" >/dev/null
fi
rustc --version
for program in gcc clang cmake valgrind; do "$program" --version | head -1; done

section "format, lints, documentation"
cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

section "Rust tests"
cargo test --profile checked --workspace --all-targets
cargo test --profile checked --workspace --doc

section "the same bits in the profile that ships"
cargo test --release --test value_stability --test laws --test kernels

section "the same bits from every instruction set"
for features in no-avx512 no-avx2; do
  cargo test --profile checked --features $features --test kernels --test laws --test value_stability
done

section "no call takes more instructions than before"
benches/instructions.sh --check

section "the main job"
tests/learning_to_explain.sh

section "how good the gradients are"
tests/gradient_quality.sh

section "no_std: the core for Cortex-M4F"
rustc_web=$(dpkg -L rustc-web | grep -m1 'bin/rustc$')
cargo_web=$(dpkg -L cargo-web | grep -m1 'bin/cargo$')
RUSTC=$rustc_web RUSTC_BOOTSTRAP=1 "$cargo_web" build -p imle --release --no-default-features -Zbuild-std=core \
  --target thumbv7em-none-eabihf --target-dir target/embedded

section "C: header, libraries, proofs"
tests/c/run.sh

section "C and C++: imle.hpp and the examples"
tests/readme.sh
tests/cpp/run.sh

section "C and C++: CMake, pkg-config, FetchContent"
tests/consumer/run.sh
if [[ ${1:-} == --all ]]; then tests/consumer/cargo_c.sh; fi

if [[ ${1:-} == --all ]]; then
  section "imle and its peers compute the same"
  benches/peers/run.sh --quick
fi

section "all passed"
