#!/usr/bin/env bash
# symbols.sh OUT_DIR: both libraries define the functions that imle.h declares and no other global symbol, and need
# nothing but memcpy, memmove, memset and memcmp.
set -euo pipefail
out=$1
header=$(dirname "$0")/../../include/imle.h

declared=$(gcc -E -P "$header" | grep -oE '\bimle_[a-z_0-9]+\(' | tr -d '(' | sort -u)
same() { # what, symbols
  diff <(echo "$declared") <(echo "$2") || { echo "FAIL: $1 (>) differs from imle.h (<)"; exit 1; }
}
same libimle.a "$(nm --extern-only --defined-only --format=posix "$out/libimle.a" | awk 'NF > 1 { print $1 }' | sort)"
same libimle.so "$(nm --dynamic --defined-only --format=posix "$out/libimle.so" | awk '{ print $1 }' | sort)"

# The table of bad input knows every function that returns a status.
table=$(grep -oE '^ +imle_[a-z_0-9]+:' "$(dirname "$0")/../../ffi/tests/call/mod.rs" | tr -d ' :' | sort)
statuses=$(gcc -E -P "$header" | tr '\n;' ' \n' | grep -E '\bimle_status +imle_' | grep -oE 'imle_[a-z_0-9]+\(' | tr -d '(' | sort)
diff <(echo "$statuses") <(echo "$table") || { echo "FAIL: FUNCTIONS (>) of ffi/tests/call differs from imle.h (<)"; exit 1; }

# Weak ones are the C runtime's own hooks in every shared object.
needed=$({ nm --undefined-only --format=posix "$out/libimle.a"; nm --dynamic --format=posix "$out/libimle.so"; } |
  awk '$2 == "U" { print $1 }' | sort -u | grep -vxE 'memcpy|memmove|memset|memcmp' || true)
[[ -z $needed ]] || { echo "FAIL: undefined: $needed"; exit 1; }
echo "symbols: the $(wc -l <<<"$declared") functions of imle.h and nothing else; nothing needed but memcpy and its like"
