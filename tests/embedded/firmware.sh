#!/usr/bin/env bash
# firmware.sh OUT_DIR: checks that firmware in Rust alone (crate cortex-m-rt) prints on an emulated Cortex-M4F what the
# same program prints on the host.
set -euo pipefail
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../ffi/cross.sh"
. "$here/../../examples/embedded/boards/boards.sh"
cd "$here/firmware"

cargo run --quiet --release >"$out/rust.host.txt"
board=mps2-an386
board $board
rust_web
frames
CARGO_TARGET_THUMBV7EM_NONE_EABIHF_LINKER=arm-none-eabi-ld "$CARGO" rustc --quiet --release --target "$target" -- \
  -C link-arg=-Tlink.x -C link-arg=-L"$here/firmware" -C link-arg=--no-warn-rwx-segments
timeout 300 $emulate "$CARGO_TARGET_DIR/$target/release/firmware" >"$out/rust.board.txt" 2>&1 </dev/null
diff "$out/rust.host.txt" "$out/rust.board.txt"
echo "firmware in Rust prints the same bits on $board ($target) as on the host"
