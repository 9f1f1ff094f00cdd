#!/usr/bin/env bash
# faults.sh [FIRST [LAST]]: shows that the fuzzer finds faults. Every fault of faults.txt is planted alone in a copy of the
# sources, and the fuzzer, built without optimisation, must fail. FIRST and LAST choose faults by their numbers, from 0 on.
# KEEP=FILE adds the inputs that found a fault to FILE.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${CARGO_TARGET_DIR:-$root/target}/fuzz-faults
export CARGO_TARGET_DIR=$out/target CARGO_PROFILE_DEV_DEBUG=0

# A copy has the time of now, so that cargo builds what an earlier fault has changed.
rm -rf "$out/tree"
mkdir -p "$out/tree"
cd "$root"
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- -cf - | tar -C "$out/tree" -xmf -
cd "$out/tree"

count=$("$here/faults.py" "$here/faults.txt")
first=${1:-0} last=${2:-$((count - 1))} missed=0
for ((i = first; i <= last; i++)); do
  read -r file title <<<"$("$here/faults.py" "$here/faults.txt" "$i")"
  cargo build --quiet -p fuzz
  if found=$("$CARGO_TARGET_DIR/debug/fuzz" --executions 40000 2>&1); then
    echo "FAIL: not found: $title"
    missed=1
  else
    echo "found: $title ($(grep -m 1 "^FAIL" <<<"$found" | cut -c 7-100))"
    [[ -z ${KEEP:-} ]] || grep -m 1 -E '^[0-9a-f]{40,}$' <<<"$found" >>"$KEEP"
  fi
  cp "$root/$file" "$file"
done
((missed == 0)) || exit 1
echo "faults: the fuzzer finds $((last - first + 1)) planted faults"
