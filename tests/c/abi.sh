#!/usr/bin/env bash
# abi.sh: checks that what compiled programs depend on is as tests/c/abi.txt has it: the values of the macros, the
# functions, and the size, alignment and offsets of every struct on 64-bit and 32-bit machines. A line may be added
# before a release. A line that changes or goes needs another IMLE_ABI_VERSION. UPDATE_ABI=1 writes the file anew.
set -euo pipefail
cd "$(dirname "$0")"
header=../../include/imle.h
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

layouts() { # target
  clang -target "$1" -ffreestanding -fsyntax-only -x c $header -Xclang -fdump-record-layouts-complete |
    awk 'BEGIN { RS = ""; ORS = "\n" } /struct imle_/' | sed '/^\*\*\*/d; s/^ *//'
}
same_layouts() { # target...: one layout for all of these
  layouts "$1" | tee "$tmp/first"
  for target in "${@:2}"; do
    diff "$tmp/first" <(layouts "$target") >&2 || { echo "FAIL: layouts of $1 (<) and $target (>)" >&2; exit 1; }
  done
}

{
  echo "# macros"
  names=$(grep -oE '^#define IMLE_\w+ ' $header | awk '{ print $2 }' | grep -vE '^IMLE_(VERSION|MUST_USE)')
  printf '#include "imle.h"\n' | cat - <(sed 's/.*/"&" &/' <<<"$names") |
    gcc -E -P -I../../include - | grep '^"' | tr -d '"'
  echo "# functions"
  gcc -E -P $header | tr '\n' ' ' | tr ';' '\n' | grep -oE '\w+ \**imle_[a-z_0-9]+\(.*' | sed 's/  */ /g' | sort
  echo "# structs of 64-bit machines: offsets in bytes"
  same_layouts x86_64-linux-gnu x86_64-windows-msvc aarch64-linux-gnu arm64-apple-macos
  echo "# structs of 32-bit machines that align 64-bit integers to 8 bytes"
  same_layouts thumbv7em-none-eabihf thumbv6m-none-eabi armv7-linux-gnueabihf riscv32-unknown-elf wasm32-unknown-unknown
  echo "# structs of 32-bit x86"
  layouts i686-linux-gnu
} >"$tmp/abi.txt"
[[ -z ${UPDATE_ABI:-} ]] || cp "$tmp/abi.txt" abi.txt
diff abi.txt "$tmp/abi.txt" || { echo "FAIL: the ABI (>) is not that of tests/c/abi.txt (<)"; exit 1; }
echo "abi: the macros, $(grep -c 'imle_.*)$' abi.txt) functions and the layouts of all structs are as listed"
