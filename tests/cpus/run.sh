#!/usr/bin/env bash
# run.sh [--all]: runs Rust tests on other CPUs, with std built from source: AArch64 and s390x (big-endian) on QEMU, and
# 32-bit x86. Then runs C programs of tests/embedded, which must write what the host writes (run tests/embedded/run.sh
# first): cases.c on x86-64 without SSE and as WebAssembly under node, and float_modes.c where floats are computed in
# hardware. The tests are the pinned values, the laws and, on AArch64, the kernels, with few cases.
# --all adds the kernels everywhere, the unit tests, the exact distributions and all cases, and a build for UEFI.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
. ffi/cross.sh

tests=(--test value_stability --test laws)
export PROPTEST_CASES=8
if [[ ${1:-} == --all ]]; then
  tests=(--tests)
  unset PROPTEST_CASES
fi

# on TARGET LINKER RUNNER [OPTION...]: runs the tests on a target. They are static programs, which need no loader of
# that CPU.
on() {
  local name
  name=$(tr 'a-z-' 'A-Z_' <<<"$1")
  (
    rust_web
    export RUSTFLAGS=-Ctarget-feature=+crt-static CARGO_UNSTABLE_BUILD_STD=std,panic_unwind,test
    export "CARGO_TARGET_${name}_LINKER=$2" "CARGO_TARGET_${name}_RUNNER=$3"
    "$CARGO" test --manifest-path tests/cpus/Cargo.toml --release --target "$1" "${tests[@]}" "${@:4}"
  )
}
on aarch64-unknown-linux-gnu aarch64-linux-gnu-gcc qemu-aarch64 --test kernels # tests the code for NEON
on s390x-unknown-linux-gnu s390x-linux-gnu-gcc qemu-s390x
on i686-unknown-linux-gnu i686-linux-gnu-gcc env

# archive TARGET: builds the library for a target and sets $target, $archive, and $out, the folder for its programs.
archive() {
  target=$1 archive=$CARGO_TARGET_DIR/$1/release/libimle_ffi.a out=$CARGO_TARGET_DIR/embedded/$1
  mkdir -p "$out"
  (rust_web; "$CARGO" rustc --quiet -p imle-ffi --release --features panic-handler --crate-type staticlib --target "$1")
}

# float_modes RUNNER COMPILER [ARGUMENT...]: runs float_modes.c with the last archive.
float_modes() {
  "${@:2}" -std=c11 -O2 -ffp-contract=off -Iinclude -Iexamples/embedded/boards tests/embedded/float_modes.c \
    "$archive" -o "$out/float_modes"
  timeout 300 $1 "$out/float_modes" >"$out/float_modes.txt" 2>&1 </dev/null ||
    { grep FAIL "$out/float_modes.txt" || echo "FAIL: $out/float_modes did not come to its end"; exit 1; }
  diff "$CARGO_TARGET_DIR/embedded/host/release/float_modes.txt" "$out/float_modes.txt"
  echo "no result depends on the caller's floating-point mode on $target"
}
archive x86_64-unknown-none # it has no SSE: floats are computed in software and are arguments in integer registers
clang -std=c11 -O2 -ffp-contract=off -mno-sse -mno-mmx -mno-80387 -msoft-float -Iinclude -Iexamples/embedded/boards \
  -c tests/embedded/cases.c -o "$out/cases.o"
gcc -static -no-pie -Iexamples/embedded/boards tests/embedded/host.c "$out/cases.o" "$archive" -o "$out/cases"
"$out/cases" >"$out/cases.txt"
diff "$CARGO_TARGET_DIR/embedded/host/release/cases.txt" "$out/cases.txt"
echo "x86-64 without SSE gives the same bits as the host"
if [[ ${1:-} == --all ]]; then archive x86_64-unknown-uefi; fi
archive aarch64-unknown-linux-gnu
float_modes qemu-aarch64 aarch64-linux-gnu-gcc -static tests/embedded/host.c
archive i686-unknown-linux-gnu
float_modes env i686-linux-gnu-gcc -msse2 -mfpmath=sse -static tests/embedded/host.c
. examples/embedded/boards/boards.sh
board riscv32imafc
archive "$target"
float_modes "$emulate" $cc $start

archive wasm32-unknown-unknown
clang --target=wasm32 -ffreestanding -nostdlib -O2 -ffp-contract=off -Iinclude -Iexamples/embedded/boards \
  tests/embedded/cases.c "$archive" \
  -Wl,--no-entry,--export=main,--allow-undefined -o "$out/cases.wasm"
node tests/cpus/wasm.mjs "$out/cases.wasm" >"$out/cases.txt"
diff "$CARGO_TARGET_DIR/embedded/host/release/cases.txt" "$out/cases.txt"
echo "WebAssembly gives the same bits under node as on the host"
