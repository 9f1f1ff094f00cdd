#!/usr/bin/env bash
# programs.sh OUT_DIR: compiles the C programs of this folder as C99 with gcc and clang, and runs them with the archive,
# with the shared library, under gcc's address and undefined-behaviour sanitizers, and under valgrind. (The enumeration
# in exact.c needs -lm.)
set -euo pipefail
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
flags=(-std=c99 -O2 -g -Wall -Wextra -Wpedantic -Wconversion -Wdouble-promotion -Werror -I../../include)

for program in header forward_backward exact bad_input; do
  for cc in gcc clang; do
    "$cc" "${flags[@]}" $program.c "$out/libimle.a" -lm -o "$out/$program.$cc.static"
    "$cc" "${flags[@]}" $program.c "$out/libimle.so" -lm -Wl,-rpath,"$out" -o "$out/$program.$cc.shared"
    "$out/$program.$cc.static" >/dev/null
    "$out/$program.$cc.shared" >/dev/null
  done
  gcc "${flags[@]}" -fsanitize=address,undefined -fno-sanitize-recover $program.c "$out/libimle.a" -lm \
    -o "$out/$program.sanitized"
  "$out/$program.sanitized" >/dev/null
  valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=all "$out/$program.gcc.static"
done
echo "programs: pass with gcc and clang, static and shared, and under -fsanitize=address,undefined and valgrind"
