#!/usr/bin/env bash
# coverage.sh [EXECUTIONS]: the parts of the core and of the C ABI that the corpus and 200,000 fresh inputs reach, by file.
# Needs llvm-profdata and llvm-cov of rustc's LLVM: rustup component add llvm-tools. Their reports are in
# target/fuzz-coverage; lines.txt shows how often each line ran.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${CARGO_TARGET_DIR:-$PWD/target}/fuzz-coverage
llvm=$(rustc --print target-libdir)/../bin

# Programs that the build runs write a profile, too; the fuzzer's takes its place.
export LLVM_PROFILE_FILE=$out/fuzz.profraw
CARGO_TARGET_DIR=$out CARGO_PROFILE_DEV_OPT_LEVEL=1 RUSTFLAGS="-C instrument-coverage" cargo build --quiet -p fuzz
"$out/debug/fuzz" --corpus tests/fuzz/corpus.txt --executions "${1:-200000}" | tail -1
"$llvm/llvm-profdata" merge -sparse "$out/fuzz.profraw" -o "$out/fuzz.profdata"
files=(-instr-profile "$out/fuzz.profdata" "$out/debug/fuzz" -ignore-filename-regex 'tests/|registry|rustc')
"$llvm/llvm-cov" report "${files[@]}" | tee "$out/report.txt"
"$llvm/llvm-cov" show "${files[@]}" >"$out/lines.txt"
