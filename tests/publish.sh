#!/usr/bin/env bash
# publish.sh: checks that the core is ready for crates.io: cargo's own check has no complaint, the package has what the
# library and its tests need, and its tests pass there. --all also compares the public names with tests/public_api.txt,
# which needs cargo-public-api and a nightly Rust; UPDATE_API=1 writes that file anew.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

# A tree with uncommitted changes is checked, too.
cargo publish --dry-run --allow-dirty -p imle 2>&1 | tee "$CARGO_TARGET_DIR/publish.txt"
if grep '^warning' "$CARGO_TARGET_DIR/publish.txt" | grep -v 'aborting upload due to dry run'; then
  echo "FAIL: cargo publish has complaints"
  exit 1
fi
version=$(sed -n '0,/^version = /s/^version = "\(.*\)"/\1/p' Cargo.toml)
grep -q "^## .*$version" CHANGELOG.md || { echo "FAIL: CHANGELOG.md does not name version $version"; exit 1; }
(cd "$CARGO_TARGET_DIR/package/imle-$version" && cargo test --quiet --profile checked --test value_stability --test errors)
if grep -q '^repository = "https://example\.org' Cargo.toml; then
  echo "NOT READY: repository in Cargo.toml is a placeholder; put the public address there before the first release"
fi

if [[ ${1:-} == --all ]]; then
  # Another target directory, because cargo lets no other build into this one until it is done.
  tools=$CARGO_TARGET_DIR/tools
  cargo install --quiet --locked --root "$tools" --target-dir "$tools" cargo-public-api@0.52.0
  "$tools/bin/cargo-public-api" -sss --features heapless,rand_core >"$CARGO_TARGET_DIR/public_api.txt"
  [[ -z ${UPDATE_API:-} ]] || cp "$CARGO_TARGET_DIR/public_api.txt" tests/public_api.txt
  diff tests/public_api.txt "$CARGO_TARGET_DIR/public_api.txt" ||
    { echo "FAIL: the public names (>) are not those of tests/public_api.txt (<); a line that goes or changes is breaking"; exit 1; }
  echo "ok: the public API is as listed, $(wc -l <tests/public_api.txt) lines"
fi
