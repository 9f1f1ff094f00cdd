#!/usr/bin/env bash
# symbols.sh OUT_DIR: checks that both libraries define the functions that imle.h declares and no other global symbol,
# and that they need only memcpy, memmove, memset and memcmp; and the SONAME.
set -euo pipefail
out=$1
header=$(dirname "$0")/../../include/imle.h
. "$(dirname "$0")/../link_proof.sh"

declared=$(declared "$header")
same() { # name, symbols
  diff <(echo "$declared") <(echo "$2") || { echo "FAIL: $1 (>) differs from imle.h (<)"; exit 1; }
}
same libimle.a "$(nm --extern-only --defined-only --format=posix "$out/libimle.a" | awk 'NF > 1 { print $1 }' | sort)"
same libimle.so "$(nm --dynamic --defined-only --format=posix "$out/libimle.so" | awk '{ print $1 }' | sort)"

# A program that was linked with another ABI version must not load this one.
abi=$(sed -n 's/^#define IMLE_ABI_VERSION //p' "$header")
[[ $(readelf -d "$out/libimle.so") == *"soname: [libimle.so.$abi]"* && -e $out/libimle.so.$abi ]] ||
  { echo "FAIL: the SONAME is not libimle.so.$abi"; exit 1; }
grep -q "^version = \"$abi\.0\.0\"" <(sed -n '/capi.library/,/^$/p' "$(dirname "$0")/../../ffi/Cargo.toml") ||
  { echo "FAIL: the version of capi.library in ffi/Cargo.toml is not that of the ABI, $abi"; exit 1; }

# The table of bad input has every function that returns a status.
table=$(grep -oE '^ +imle_[a-z_0-9]+:' "$(dirname "$0")/../../ffi/tests/common/functions.rs" | tr -d ' :' | sort)
statuses=$(gcc -E -P "$header" | tr '\n;' ' \n' | grep -E '\bimle_status +imle_' | grep -oE 'imle_[a-z_0-9]+\(' | tr -d '(' | sort)
diff <(echo "$statuses") <(echo "$table") || { echo "FAIL: FUNCTIONS (>) of ffi/tests/common/functions.rs differs from imle.h (<)"; exit 1; }

# The tests of floating-point modes and of threads call every function.
called=$(grep -oE '\bCALL\(imle_[a-z_0-9]+' "$(dirname "$0")/../embedded/every_function.h" | sed 's/CALL(//' | sort -u)
diff <(echo "$declared") <(echo "$called") || { echo "FAIL: tests/embedded/every_function.h (>) does not call what imle.h (<) declares"; exit 1; }

# Weak symbols are hooks of the C runtime that every shared object has; they do not count.
needed=$({ nm --undefined-only --format=posix "$out/libimle.a"; nm --dynamic --format=posix "$out/libimle.so"; } |
  awk '$2 == "U" { print $1 }' | sort -u | grep -vxE 'memcpy|memmove|memset|memcmp' || true)
[[ -z $needed ]] || { echo "FAIL: the libraries also need: $needed"; exit 1; }
echo "symbols: both libraries define the $(wc -l <<<"$declared") functions of imle.h, and need at most memcpy etc."
