#!/usr/bin/env bash
# The C and C++ programs in the README are the examples, which tests/cpp/run.sh compiles and runs. (Its Rust program is
# a documentation test of src/lib.rs.) Run tests/c/run.sh first.
set -euo pipefail
cd "$(dirname "$0")/.."

# block LANGUAGE: the README's first code block in that language.
block() { awk -v fence="\`\`\`$1" '$0 == fence { inside = 1; next } /^```$/ && inside { exit } inside' README.md; }

diff <(block c) examples/c/forward_backward.c
diff <(block cpp) examples/cpp/forward_backward.cpp
# The libraries that tests/c/run.sh has built are as large as the README says, to a tenth: compilers differ.
for library in libimle.a libimle.so; do
  said=$(tr '\n' ' ' <README.md | grep -oP "\`$library\` has \K[0-9]+(?= kB)")
  bytes=$(stat -c %s "${CARGO_TARGET_DIR:-target}/c/$library")
  awk -v said="$said" -v kilobytes="$((bytes / 1000))" 'BEGIN { exit !(said > kilobytes * 0.9 && said < kilobytes * 1.1) }' ||
    { echo "README.md says that $library has $said kB; it has $bytes bytes"; exit 1; }
done
echo "ok: the programs in the README are those in examples/"
