#!/usr/bin/env bash
# closure.sh OUT_DIR: the link proof for x86-64. Links exactly what the exported functions reach; that has no panic, no
# formatting, no allocator, no trap, no writable data and no undefined symbol. To show that the proof can fail, it is
# tried on a library that may index out of bounds.
set -euo pipefail
out=$1

# closure LIBRARY PROGRAM: prints what is wrong, and fails if anything is
closure() {
  local library=$1 program=$2 exports symbols wrong=0
  mapfile -t exports < <(nm -g --defined-only --format=posix "$library" 2>/dev/null | awk '$1 ~ /^imle_/ { print $1 }')
  # The four functions of libc are nobody's here: an address that does not matter.
  gcc -nostdlib -nostartfiles -static -Wl,--gc-sections,--entry="${exports[0]}" "${exports[@]/#/-Wl,--undefined=}" \
    -Wl,--defsym=memcpy=0,--defsym=memmove=0,--defsym=memset=0,--defsym=memcmp=0 "$library" -o "$program"
  symbols=$(nm --defined-only --format=posix "$program" | awk '{ print $1 }')
  found() { if grep -E "$2" <<<"$symbols"; then echo "  $1"; wrong=1; fi; }
  found "a panic" 'panic|rust_begin_unwind|unwrap_failed|expect_failed|slice_.*_fail|_fail$|option13expect'
  found "formatting" 'core3fmt'
  found "an allocator" '^(malloc|calloc|realloc|free|aligned_alloc|posix_memalign)$|__rust_|__rdl_|rust_oom|alloc_error'
  # An abort without a symbol is a bare trap; a panic handler that was inlined, a jump to itself.
  if objdump -d "$program" | grep -E '\s(ud2|int3|hlt)\b|\seb fe\s'; then echo "  a trap"; wrong=1; fi
  if size -A "$program" | grep -E '^\.t?(data|bss)'; then echo "  writable data"; wrong=1; fi
  echo "  ${#exports[@]} functions reach $(size "$program" | awk 'NR == 2 { print $1 + $2 }') bytes of code and constants"
  return $wrong
}

closure "$out/libimle.a" "$out/closure"
echo "closure: no panic, no allocator, no trap, no writable data behind any function of libimle.a"

rustc --crate-type staticlib --crate-name can_panic -C opt-level=3 -C panic=abort -C lto=fat \
  -o "$out/libcan_panic.a" - <<'RUST'
#![no_std]
#[unsafe(no_mangle)]
pub extern "C" fn imle_can_panic(i: usize) -> u8 { [3, 1, 4][i] }
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }
RUST
found=$(closure "$out/libcan_panic.a" "$out/closure" || true)
[[ $found == *"a panic"* ]] || { echo "FAIL: a panic was not found"; exit 1; }
echo "closure: the proof finds the panic of a library that has one"
