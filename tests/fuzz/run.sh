#!/usr/bin/env bash
# run.sh [--all]: fuzzes the C ABI: the saved corpus and then fresh inputs, which are the same ones in every run. --all
# adds an hour, ten minutes under sanitizers, and the planted faults that the fuzzer must find.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
corpus=tests/fuzz/corpus.txt

cargo build --quiet --profile checked -p fuzz
"$target/checked/fuzz" --corpus $corpus --executions 200000

if [[ ${1:-} == --all ]]; then
  "$target/checked/fuzz" --seconds 3600
  # The library and the C side under AddressSanitizer, the C side under UndefinedBehaviorSanitizer, too.
  # AddressSanitizer is no option of a stable rustc, so this build asks the stable one to take it all the same.
  triple=$(rustc --print host-tuple)
  CC=clang CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all" \
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address \
    cargo build --quiet --profile checked -p fuzz --features no-guards --target "$triple"
  ASAN_OPTIONS=abort_on_error=1:handle_abort=0 "$target/$triple/checked/fuzz" --corpus $corpus --seconds 600
  tests/fuzz/faults.sh
fi
