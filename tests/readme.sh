#!/usr/bin/env bash
# The C and C++ programs in the README are the examples, which tests/cpp/run.sh compiles and runs. (Its Rust program is
# a documentation test of src/lib.rs.)
set -euo pipefail
cd "$(dirname "$0")/.."

# block LANGUAGE: the README's first code block in that language.
block() { awk -v fence="\`\`\`$1" '$0 == fence { inside = 1; next } /^```$/ && inside { exit } inside' README.md; }

diff <(block c) examples/c/forward_backward.c
diff <(block cpp) examples/cpp/forward_backward.cpp
echo "ok: the programs in the README are those in examples/"
