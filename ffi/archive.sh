#!/usr/bin/env bash
# archive.sh OUT_DIR: builds OUT_DIR/libimle.a and OUT_DIR/libimle.so for Linux.
# The archive is one object with what the exported functions reach and no other global symbol: bitcode, debug sections
# and the unused rest of Rust's core library stay behind. Link it as it is, with nothing after it.
set -euo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

library() { cargo rustc --quiet -p imle-ffi --release --features panic-handler --crate-type "$@"; }
release=${CARGO_TARGET_DIR:-target}/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}release

library staticlib
raw=$release/libimle_ffi.a
mapfile -t exports < <(nm -g --defined-only "$raw" 2>/dev/null | awk '$2 == "T" && $3 ~ /^imle_/ { print $3 }')
ld -r --gc-sections "${exports[@]/#/--undefined=}" "$raw" -o "$out/imle.o"
objcopy --strip-debug --remove-section=.comment --localize-hidden "$out/imle.o"
rm -f "$out/libimle.a"
ar crsD "$out/libimle.a" "$out/imle.o"
rm "$out/imle.o"

library cdylib -- -C link-arg=-Wl,-soname,libimle.so -C strip=symbols
install -m 755 "$release/libimle_ffi.so" "$out/libimle.so"
