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
# Every warning that clang has, but those of padding and of language standards that are older than the one asked for.
everything() {
  "$@" -Weverything -Wno-padded -Werror -fsyntax-only -I../../include - <<'C'
#include "imle.h"
extern float workspace[IMLE_TOPK_WORKSPACE_LEN(5, 2)], workspace_of_one[IMLE_ARGMAX_WORKSPACE_LEN(5)];
extern float exact[IMLE_TOPK_EXACT_WORKSPACE_LEN(5, 2)], exact_of_one[IMLE_ARGMAX_EXACT_WORKSPACE_LEN(5)];
extern float tree[IMLE_TREE_WORKSPACE_LEN(5, 1, 0)], exact_tree[IMLE_TREE_EXACT_WORKSPACE_LEN(5, 0, 1)];
C
}
if grep -E '^#define \w+ -' ../../include/imle.h; then echo "FAIL: a negative number without parentheses"; exit 1; fi
everything clang -x c -std=c99
everything clang++ -Wno-c++98-compat-pedantic -x c++ -std=c++17
echo "imle.h: no warning in $compiled compilations (C99 to C2x, C++11 to C++20, gcc and clang, hosted and"
echo "freestanding), nor under clang's -Weverything but padding, as C99 and as C++17"
