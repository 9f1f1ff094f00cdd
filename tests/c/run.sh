#!/usr/bin/env bash
# run.sh [OUT_DIR]: builds libimle.a and libimle.so as they ship and proves the promises that include/imle.h makes.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-${CARGO_TARGET_DIR:-target}/c}

ffi/archive.sh "$out"
echo "libimle.a $(stat -c %s "$out/libimle.a") bytes, libimle.so $(stat -L -c %s "$out/libimle.so") bytes"
for proof in header abi programs symbols copies closure link_line rust_users; do
  printf '\n-- %s\n' "$proof"
  tests/c/"$proof".sh "$out"
done
