#!/usr/bin/env bash
# link_line.sh OUT_DIR: checks that the archive needs no other library. rustc names none, and a program that has no libc
# but brings the four memory functions itself links and runs.
set -euo pipefail
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

note=$(cargo rustc -p imle-ffi --release --features panic-handler --crate-type staticlib -- \
  --print native-static-libs 2>&1 | grep -o 'native-static-libs:.*')
[[ $note =~ ^native-static-libs:\ *$ ]] || { echo "FAIL: rustc asks for $note"; exit 1; }
gcc -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror -ffreestanding -fno-stack-protector \
  -fno-tree-loop-distribute-patterns -nostdlib -static -I../../include no_libc.c "$out/libimle.a" -o "$out/no_libc"
"$out/no_libc"
echo "link line: empty; without libc a program with a sample and its gradient has $(stat -c %s "$out/no_libc") bytes"
