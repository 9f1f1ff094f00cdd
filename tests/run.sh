#!/usr/bin/env bash
# tests/run.sh [--all]: sets up a fresh clone, that is, installs the packages that the tests need, and runs the tests.
# --all adds slow tests: the packagers' cargo-c, the JAX of benches/peers, the downloads for operating systems, all
# boards, all tests on other CPUs, and the feature no-avx2.
# Needs Rust (rustup or a package) and, to install missing packages, a Debian-like system with root or sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
exec 3>&1 # the terminal, also for the lanes, which write to files

# section NAME: heads the tests that follow. The terminal gets the time and the lane, too.
section() {
  printf '\n== %s\n' "$*"
  [[ ! ${lane:-} ]] || printf '%(%T)T %s: %s\n' -1 "$lane" "$*" >&3
}

# The Debian package of each program. The tests fail if a program is missing and cannot be installed.
declare -A package=(
  [gcc]=gcc [g++]=g++ [clang]=clang [cmake]=cmake [make]=make [pkg-config]=pkg-config [valgrind]=valgrind
  [python3]=python3 [node]=nodejs [wasm-ld]=lld [qemu-aarch64]=qemu-user
  [arm-none-eabi-gcc]=gcc-arm-none-eabi [riscv64-unknown-elf-gcc]=gcc-riscv64-unknown-elf
  [aarch64-linux-gnu-gcc]=gcc-aarch64-linux-gnu [s390x-linux-gnu-gcc]=gcc-s390x-linux-gnu
  [i686-linux-gnu-gcc]=gcc-i686-linux-gnu
  [bochs]=bochs [cpio]=cpio [genisoimage]=genisoimage
  [mpirun]=openmpi-bin
)
# Packages that bring no program of their own: a second Rust with the source of core, for targets for which the first
# has no standard library; the C libraries of the cross compilers, and headers of C++; parts of an emulated PC; libtorch;
# and MPI.
libraries=(rustc-web rust-web-src cargo-web libstd-rust-web-dev libnewlib-arm-none-eabi picolibc-riscv64-unknown-elf
  libstdc++-arm-none-eabi-dev libc6-dev-arm64-cross libc6-dev-s390x-cross libc6-dev-i386-cross bochsbios vgabios
  isolinux syslinux-common busybox-static libtorch-dev libopenmpi-dev)

# --all needs these, too.
if [[ ${1:-} == --all ]]; then
  package+=(
    [aarch64-linux-gnu-g++]=g++-aarch64-linux-gnu [arm-linux-gnueabihf-g++]=g++-arm-linux-gnueabihf
    [x86_64-w64-mingw32-g++]=g++-mingw-w64-x86-64 [musl-gcc]=musl-tools [wine]=wine [llvm-lib]=llvm [file]=file
  )
  libraries+=(libc6-dev-armhf-cross wine64)
fi

section "set-up"
missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package[$program]}")
done
dpkg -s "${libraries[@]}" >/dev/null 2>&1 || missing+=("${libraries[@]}")
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
[[ -e $(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]] || missing+=(python3-dev)
emulators=(qemu-system-arm qemu-system-misc)
dpkg -s "${emulators[@]}" >/dev/null 2>&1 && emulators=()

sudo=$([[ $(id -u) == 0 ]] || echo sudo)
install() {
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=500 install -qy --no-install-recommends "$@" >/dev/null
}
((${#missing[@]} + ${#emulators[@]} == 0)) || $sudo apt-get update -q
((${#missing[@]} == 0)) || install --no-remove "${missing[@]}"
if ((${#emulators[@]})); then
  # The emulators need qemu-utils in their own version. Installing them removes another version, so install it again.
  install "${emulators[@]}"
  install --no-remove qemu-utils
fi
rustc --version
for program in gcc clang cmake valgrind arm-none-eabi-gcc riscv64-unknown-elf-gcc aarch64-linux-gnu-gcc s390x-linux-gnu-gcc \
  i686-linux-gnu-gcc qemu-system-arm qemu-system-riscv32 qemu-aarch64 wasm-ld node; do
  echo "$program: $("$program" --version | head -1)"
done
dpkg-query --show "${libraries[@]}"

# The tests are in three lanes, which run side by side, because most tests keep one core busy.

the_core() {
  section "format, lints, documentation"
  cargo fmt --all --check
  rustfmt --check --edition 2024 tests/embedded/{firmware/src/main,faulty/lib}.rs
  cargo clippy --workspace --all-targets -- -D warnings
  cargo clippy --features heapless,rand_core --all-targets -- -D warnings
  cargo clippy --features scalar -- -D warnings
  cargo clippy --manifest-path tests/embedded/firmware/Cargo.toml --target-dir target -- -D warnings
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --features heapless,rand_core

  section "Rust tests"
  local tests=(cargo test --profile checked --workspace --features imle/heapless,imle/rand_core)
  "${tests[@]}" --all-targets
  "${tests[@]}" --doc

  section "the C ABI, fuzzed"
  tests/fuzz/run.sh ${1:+"$1"}

  section "the same bits in the profile that ships"
  cargo test --release --test value_stability --test laws --test kernels

  section "the same bits from every instruction set"
  for features in scalar ${1:+no-avx2}; do
    cargo test --profile checked --features "$features" --test kernels --test laws --test value_stability
  done
  if [[ $(uname -m) == x86_64 ]]; then
    # The same programs again, on an emulated processor that has AVX2 and no AVX-512, and on one that has neither.
    for cpu in max max,avx2=off; do
      PROPTEST_CASES=32 CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="qemu-x86_64 -cpu $cpu" \
        "${tests[@]}" --test kernels --test laws --test value_stability
    done
    tests/cpus/avx512.sh
  fi

  section "instructions: no more than recorded"
  benches/instructions.sh --check

  section "without the default features: no Sum-of-Gamma noise, no stratified noise"
  cargo test --profile checked --no-default-features --lib --test laws --test errors -- --skip sum_of_gamma

  section "ready to publish"
  tests/publish.sh "$@"

  section "how good the gradients are"
  tests/gradient_quality.sh
}

packages() {
  section "C: header, libraries, proofs"
  tests/c/run.sh
  tests/c/threads.sh "$target/c" "$@"

  section "the main job"
  tests/learning_to_explain.sh

  section "learning to parse"
  tests/learning_to_parse.sh

  section "C and C++: imle.hpp and the examples"
  tests/readme.sh
  tests/cpp/run.sh

  section "libtorch: imle_torch.hpp and the main job"
  tests/libtorch/run.sh

  section "MPI: the main job on several processes"
  tests/mpi/run.sh

  section "C and C++: CMake, pkg-config, FetchContent"
  tests/consumer/run.sh
  if [[ ${1:-} == --all ]]; then tests/consumer/cargo_c.sh; fi

  section "Python: the package libimle"
  if [[ ${1:-} == --all ]]; then
    ffi/python/test.sh --torch --jax
  else
    ffi/python/test.sh
    echo "NOT RUN: the tests of libimle.torch and libimle.jax need PyTorch and JAX, 6 GB; --all runs them"
  fi

  section "operating systems: downloads and their users"
  tests/platforms/run.sh ${1:+"$1"}

  if [[ ${1:-} == --all ]]; then
    section "imle and its peers compute the same"
    benches/peers/run.sh --quick
    benches/trees/run.sh --quick
  fi
}

machines() {
  # Two cargos that build the same library in one folder would be in each other's way.
  export CARGO_TARGET_DIR=$target/machines

  section "microcontrollers: download, proofs, firmware"
  tests/embedded/run.sh "$@"

  section "learning on the device"
  tests/embedded/sensor_budget.sh "$CARGO_TARGET_DIR/embedded"

  section "other CPUs: AArch64, big-endian s390x, 32-bit x86, WebAssembly"
  tests/cpus/run.sh "$@"
}

# Each lane has a process group of its own, which ends with this script. The output of a lane is shown when it ends.
mkdir -p "$target/tests"
set -m
declare -A lanes
stop() { for group in "${!lanes[@]}"; do kill -- "-$group" 2>/dev/null || true; done; }
trap stop EXIT
for lane in the_core packages machines; do
  (set -e; "$lane" "$@") >"$target/tests/$lane.txt" 2>&1 </dev/null &
  lanes[$!]=$lane
done
lane=
while ((${#lanes[@]})); do
  status=0
  wait -n -p ended "${!lanes[@]}" || status=$?
  name=${lanes[$ended]}
  unset "lanes[$ended]"
  section "the lane $name"
  cat "$target/tests/$name.txt"
  ((status == 0)) || { echo "FAIL: the lane $name, in the section $(grep '^== ' "$target/tests/$name.txt" | tail -1)"; exit 1; }
done

section "all passed"
