#!/usr/bin/env bash
# header.sh OUT_DIR: checks that imle.h compiles without a warning in every language standard, hosted and freestanding.
set -euo pipefail
cd "$(dirname "$0")"
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wdouble-promotion -Werror)

compile() { "$@" "${warnings[@]}" -fsyntax-only -I../../include header.c && compiled=$((compiled + 1)); }
compiled=0
for environment in "" -ffreestanding; do
  for standard in c99 c11 c17 c2x; do
    for cc in gcc clang; do compile "$cc" -std=$standard $environment -DHEADER_ONLY; done
  done
  for standard in c++11 c++17 c++20; do
    for cxx in g++ clang++; do compile "$cxx" -x c++ -std=$standard $environment -DHEADER_ONLY; done
  done
done
echo "imle.h: no warning in $compiled compilations (C99 to C2x, C++11 to C++20, gcc and clang, hosted and freestanding)"
