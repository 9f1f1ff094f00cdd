#!/usr/bin/env bash
# dist.sh OUT_DIR [TARGET...]: makes the download for firmware engineers, OUT_DIR/imle-VERSION-TARGET.tar.gz. It holds
# libimle.a in both profiles (release is fast and complete, size is small and leaves the Sum-of-Gamma noise out), the
# headers, a report of sizes and proofs, checksums and licences. Using it needs no Rust. Without TARGET it packs the five
# targets that `tests/embedded/run.sh --all` runs.
set -euo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
. ffi/cross.sh
rust_web

targets=("$@")
((${#targets[@]})) || targets=(thumbv6m-none-eabi thumbv7em-none-eabihf thumbv8m.main-none-eabihf
  riscv32imac-unknown-none-elf riscv32imafc-unknown-none-elf)
version=$(sed -n '0,/^version = /s/^version = "\(.*\)"/\1/p' Cargo.toml)
for target in "${targets[@]}"; do
  built=$CARGO_TARGET_DIR/embedded/$target name=imle-$version-$target
  package=$out/$name
  rm -rf "$package"
  mkdir -p "$package/include" "$package/lib/release" "$package/lib/size"
  for profile in release size; do
    CARGO_BUILD_TARGET=$target ffi/archive.sh "$built/$profile" $profile
    cp "$built/$profile/libimle.a" "$package/lib/$profile"
  done
  cp include/imle.h include/imle.hpp "$package/include"
  cp LICENSE-MIT LICENSE-APACHE "$package"
  {
    echo "imle $version for $target, $("$RUSTC" --version)"
    echo
    tests/embedded/proofs.sh "$CARGO_TARGET_DIR/embedded" "$target" | tee >(cat >&2)
    echo "lib/size leaves the Sum-of-Gamma noise out: IMLE_NOISE_SUM_OF_GAMMA is IMLE_ERR_OPTION there."
    for profile in release size; do
      echo
      echo "lib/$profile/libimle.a: function, bytes of flash if it is all that a program calls, worst-case bytes of stack"
      cat "$built/$profile/functions.txt"
    done
  } >"$package/REPORT.txt"
  (cd "$package" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$out" -cf - "$name" | gzip -n >"$package.tar.gz"
done
(cd "$out" && sha256sum ./*.tar.gz >SHA256SUMS)
