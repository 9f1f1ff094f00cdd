#!/usr/bin/env bash
# interrupts.sh PACKAGE: checks on an emulated Cortex-M4F, with its unpacked download, that a handler of an interrupt
# may call the library while the main program is in one of its functions, and that this check can fail.
set -euo pipefail
here=$(dirname "$0")
. "$here/../../examples/embedded/boards/boards.sh"
board mps2-an386
for library in size fast release; do
  for case in "no bit is wrong" "some bits are wrong -DSHARED_WORKSPACE"; do
    $cc -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror ${case#*wrong} -I"$1/include" \
      "$here/interrupts.c" $start "$1/lib/$library/libimle.a" -o "$1/interrupts.elf"
    printed=$(timeout 300 $emulate "$1/interrupts.elf" 2>&1 </dev/null)
    [[ $printed == "${case%wrong*}wrong" ]] || { echo "FAIL: $library, $case: $printed"; exit 1; }
  done
done
echo "ok: calls from SysTick and from the calls that it interrupts give the bits of calls alone"
