#!/usr/bin/env bash
# archive.sh OUT_DIR [PROFILE]: builds OUT_DIR/libimle.a and, for Linux, OUT_DIR/libimle.so. PROFILE is release (the
# default) or size (opt-level "s", without the Sum-of-Gamma noise and without stratified noise).
# The archive is one object that holds the code which the exported functions reach. It exports no other symbol, and it
# leaves out bitcode, debug sections and the unused rest of Rust's core library. It links with no other library.
# The build needs one crate from outside this tree, libm. It needs no network if cargo has downloaded that crate before,
# or if `cargo vendor` has put it into the tree (ffi/README.md).
# For a microcontroller, set CARGO_BUILD_TARGET to Rust's name for it; ffi/cross.sh finds a Rust that can build for it.
set -euo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
profile=${2:-release}
cd "$(dirname "$0")/.."

target=${CARGO_BUILD_TARGET:-}
. ffi/cross.sh
binutils "$target"
features=(--features panic-handler)
[[ $profile != size ]] || features+=(--no-default-features)
library() {
  "${CARGO:-cargo}" rustc --quiet --manifest-path ffi/archive/Cargo.toml --locked --target-dir "$build" \
    --profile "$profile" "${features[@]}" --crate-type "$@"
}
build=${CARGO_TARGET_DIR:-target}
built=$build/${target:+$target/}$profile

library staticlib
raw=$built/libimle_ffi.a
mapfile -t exports < <("${tools}nm" -g --defined-only "$raw" 2>/dev/null | awk '$2 == "T" && $3 ~ /^imle_/ { print $3 }')
$ld -r --gc-sections "${exports[@]/#/--undefined=}" "$raw" -o "$out/imle.o"
"${tools}objcopy" --strip-debug --remove-section=.comment --remove-section=.llvmbc --remove-section=.llvmcmd \
  --remove-section=.stack_sizes --localize-hidden "$out/imle.o"
rm -f "$out/libimle.a"
"${tools}ar" crsD "$out/libimle.a" "$out/imle.o"
rm "$out/imle.o"

if [[ $target != *-none* ]]; then
  library cdylib -- -C link-arg=-Wl,-soname,libimle.so -C strip=symbols
  install -m 755 "$built/libimle_ffi.so" "$out/libimle.so"
fi
