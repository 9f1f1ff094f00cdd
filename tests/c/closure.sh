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

# at_most KILOBYTES FUNCTION...: the functions reach no more than ffi/README.md says.
at_most() {
  closure x86_64 "$out/libimle.a" "$out/closure" "${@:2}"
  (($(flash '' "$out/closure") <= $1 * 1000)) || { echo "FAIL: more than $1 kB"; exit 1; }
  grep -q "at most $1 kB" <(tr '\n' ' ' <"$root/ffi/README.md") || { echo "FAIL: ffi/README.md does not say $1 kB"; exit 1; }
}
at_most 64 imle_topk_map
at_most 364 imle_options_default imle_topk_sample imle_topk_gradient

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
