#!/usr/bin/env bash
# closure.sh OUT_DIR: the link proof for x86-64 (tests/link_proof.sh). To show that the proof can fail, it is tried on a
# library that may index out of bounds.
set -euo pipefail
out=$1
root=$(dirname "$0")/../..
. "$root/ffi/cross.sh"
. "$root/tests/link_proof.sh"

closure x86_64 "$out/libimle.a" "$out/closure"
echo "closure: no panic, no allocator, no trap, no writable data but one byte behind any function of libimle.a"

rustc --crate-type staticlib --crate-name can_panic -C opt-level=3 -C panic=abort -C lto=fat \
  -o "$out/libcan_panic.a" - <<'RUST'
#![no_std]
#[unsafe(no_mangle)]
pub extern "C" fn imle_can_panic(i: usize) -> u8 { [3, 1, 4][i] }
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }
RUST
found=$(closure x86_64 "$out/libcan_panic.a" "$out/closure" || true)
[[ $found == *"a panic"* ]] || { echo "FAIL: a panic was not found"; exit 1; }
echo "closure: the proof finds the panic of a library that has one"
