#!/usr/bin/env bash
# archive.sh OUT_DIR [PROFILE]: builds OUT_DIR/libimle.a and, for Linux, OUT_DIR/libimle.so. PROFILE: release (default)
# or size (opt-level "s", without the Sum-of-Gamma noise).
# The archive is one object with what the exported functions reach and no other global symbol: bitcode, debug sections
# and the unused rest of Rust's core library stay behind. Link it as it is, with nothing after it.
# For a microcontroller set CARGO_BUILD_TARGET to Rust's name for it; ffi/cross.sh knows a Rust that can build for it.
set -euo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
profile=${2:-release}
cd "$(dirname "$0")/.."

target=${CARGO_BUILD_TARGET:-}
. ffi/cross.sh
binutils "$target"
features=panic-handler
[[ $profile != size ]] || features+=,no-sum-of-gamma
library() { "${CARGO:-cargo}" rustc --quiet -p imle-ffi --profile "$profile" --features "$features" --crate-type "$@"; }
built=${CARGO_TARGET_DIR:-target}/${target:+$target/}$profile

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
