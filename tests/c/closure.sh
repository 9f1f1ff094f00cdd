#!/usr/bin/env bash
# closure.sh OUT_DIR: the link proof for x86-64 (tests/link_proof.sh). The script also tries the proof on a library that
# may index out of bounds, to show that the proof can fail.
set -euo pipefail
out=$1
root=$(dirname "$0")/../..
. "$root/ffi/cross.sh"
. "$root/tests/link_proof.sh"

closure x86_64 "$out/libimle.a" "$out/closure"
echo "closure: the functions of libimle.a reach no panic, no allocator, no trap and only one byte of writable data"

rustc --crate-type staticlib --crate-name can_panic -C opt-level=3 -C panic=abort -C lto=fat \
  -o "$out/libcan_panic.a" - <<'RUST'
#![no_std]
#[unsafe(no_mangle)]
pub extern "C" fn imle_can_panic(i: usize) -> u8 { [3, 1, 4][i] }
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }
RUST
found=$(closure x86_64 "$out/libcan_panic.a" "$out/closure" || true)
[[ $found == *"a panic"* ]] || { echo "FAIL: the proof did not find the panic"; exit 1; }
echo "closure: the proof finds the panic of a library that has one"
