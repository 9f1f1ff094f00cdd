#!/usr/bin/env bash
# threads.sh OUT_DIR [--all]: calls every function from four threads at once, the first calls of the process among them.
# Every bit must be that of one thread, with the archive as it ships and under valgrind's memcheck. --all adds
# ThreadSanitizer on an archive that is built for it, and a soak of 20 minutes.
set -euo pipefail
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
flags=(-std=c11 -O2 -g -Wall -Wextra -Wno-unused-function -Werror -ffp-contract=off -Iinclude -Iexamples/embedded/boards)
sources=(tests/c/threads.c tests/embedded/host.c)

gcc "${flags[@]}" "${sources[@]}" "$out/libimle.a" -pthread -o "$out/threads"
"$out/threads"
valgrind --quiet --error-exitcode=1 "$out/threads" >/dev/null
echo "threads: the bits of one thread, and no error of valgrind"

if [[ ${2:-} == --all ]]; then
  # Helgrind would call each relaxed atomic a race, so the sanitizer must see the sources: the code of the library and
  # of Rust's core are compiled for it.
  . ffi/cross.sh
  rust_web
  target=x86_64-unknown-linux-gnu
  RUSTFLAGS=-Zsanitizer=thread "$CARGO" rustc --quiet --manifest-path ffi/archive/Cargo.toml --locked \
    --target-dir "$out/tsan" --profile release --features panic-handler --crate-type staticlib --target $target
  sanitized() { # FLAG...
    gcc "${flags[@]}" "$@" -fsanitize=thread "${sources[@]}" "$out/tsan/$target/release/libimle_ffi.a" -pthread \
      -o "$out/threads.tsan"
    timeout 300 "$out/threads.tsan"
  }
  sanitized
  # Threads that share the arrays race in the library, which shows that the sanitizer sees into it.
  if sanitized -DSTATE=static >"$out/threads.tsan.txt" 2>&1 || ! grep -q '#0 imle_' "$out/threads.tsan.txt"; then
    echo "FAIL: the sanitizer does not see the library"
    exit 1
  fi
  echo "threads: ThreadSanitizer finds no race, but finds those of shared arrays"
  SECONDS=1200 "$out/threads"
  echo "threads: 20 minutes with the same bits in constant memory"
fi
