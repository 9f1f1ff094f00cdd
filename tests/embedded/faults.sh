#!/usr/bin/env bash
# faults.sh OUT_DIR: checks that the proofs can fail. Each is tried on a function that has the fault (faulty/lib.rs).
set -euo pipefail
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../ffi/cross.sh"
. "$here/../link_proof.sh"

target=thumbv7em-none-eabihf
binutils $target
rust_web
frames
(cd "$here/faulty" && "$CARGO" build --quiet --release --target $target)
library=$CARGO_TARGET_DIR/$target/release/libfaulty.a program=$out/faulty

finds() { # fault, function
  local found
  if found=$(closure $target "$library" "$program" "$2" 2>&1 && "$here/stack.py" "$tools" "$program" "$program" "$2" 2>&1); then
    echo "FAIL: the proofs find nothing in $2"; exit 1
  fi
  [[ $found == *"$1"* ]] || { echo "FAIL: $2 has $1, but the proofs find: $found"; exit 1; }
}
finds "a panic" imle_can_panic
finds "a trap" imle_traps
finds "writable data" imle_has_a_static
finds "undefined reference" imle_calls_a_stranger
finds "an indirect call" imle_calls_a_pointer
finds "an indirect call" imle_calls_a_pointer_if
finds "recursion" imle_recurses
closure $target "$library" "$program" imle_calls_if >/dev/null
stack=$("$here/stack.py" "$tools" "$program" "$program" imle_calls_if)
[[ $stack == "imle_calls_if 28 "* ]] || { echo "FAIL: a conditional call does not count: $stack"; exit 1; }
echo "faults: the proofs find a panic, a trap, writable data, an undefined symbol, an indirect call and a recursion"
