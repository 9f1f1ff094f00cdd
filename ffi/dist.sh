#!/usr/bin/env bash
set -euo pipefail

firmware=(thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabi thumbv7em-none-eabihf
  thumbv8m.main-none-eabi thumbv8m.main-none-eabihf
  riscv32imc-unknown-none-elf riscv32imac-unknown-none-elf riscv32imafc-unknown-none-elf)
hosts=(x86_64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf
  x86_64-pc-windows-gnu x86_64-pc-windows-msvc x86_64-apple-darwin aarch64-apple-darwin)

usage() {
  cat <<TEXT
dist.sh OUT_DIR [TARGET...]: makes downloads, OUT_DIR/imle-VERSION-TARGET.tar.gz, by default for all targets. Using one
needs no Rust. Each has the headers, static and shared library, licences, checksums and a report of sizes.
All have files for CMake and pkg-config. For a microcontroller there are three static libraries and no shared one:
lib/release, which is fast and complete, lib/fast, which leaves the Sum-of-Gamma noise and stratified noise out, and
lib/size, which leaves them out and is small. There is also an example with start-up code and linker scripts, and the
report has proofs.

Microcontrollers:
$(printf '  %s\n' "${firmware[@]}")
Operating systems:
$(printf '  %s\n' "${hosts[@]}")

With microcontrollers it also makes packages of lib/size for Zephyr, ESP-IDF, Arduino, PlatformIO and CMSIS, which have
the microcontrollers that were named.

It needs Debian's rustc-web, cargo-web and rust-web-src, and the binutils of the target; for Windows and macOS llvm and
lld; for macOS also PyPI's ziglang (\$ZIG, by default python3 -m ziglang).
TEXT
}
case ${1:-} in
  -h | --help) usage; exit ;;
  '' | -*) usage >&2; exit 2 ;;
esac
targets=("${@:2}")
((${#targets[@]})) || targets=("${firmware[@]}" "${hosts[@]}")
for target in "${targets[@]}"; do
  [[ " ${firmware[*]} ${hosts[*]} " == *" $target "* ]] ||
    { echo "dist.sh: unknown target $target" >&2; usage >&2; exit 2; }
done

mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
. ffi/cross.sh
. examples/embedded/boards/boards.sh
rust_web
version=$(sed -n '0,/^version = /s/^version = "\(.*\)"/\1/p' Cargo.toml)
abi=$(sed -n 's/^#define IMLE_ABI_VERSION //p' include/imle.h)

# for_firmware TARGET, for_host TARGET: fill $package, but for what all packages have.
for_firmware() {
  local built=$CARGO_TARGET_DIR/embedded/$1 profile board start_up script cxx_compiler row learning tables
  frames
  for profile in "${firmware_profiles[@]}"; do
    CARGO_BUILD_TARGET=$1 ffi/archive.sh "$built/$profile" "$profile"
    # The proofs need the archive before it was stripped. The next profile may write to the same place.
    cp "$CARGO_TARGET_DIR/$1/$(cargo_profile "$profile")/libimle_ffi.a" "$built/$profile"
    mkdir -p "$package/lib/$profile"
    cp "$built/$profile/libimle.a" "$package/lib/$profile"
    cmake -Dversion="$version" -Ddirectory="$package/lib/$profile/cmake" \
      -Dpc_directory="$package/lib/$profile/pkgconfig" -Dpackage="lib/$profile/cmake" -Dlibdir="lib/$profile" \
      -Dincludedir=include -Dstatic_name=libimle.a -P ffi/cmake/package.cmake
  done
  {
    echo
    tests/embedded/proofs.sh "$CARGO_TARGET_DIR/embedded" "$1" | tee >(cat >&2)
    echo "lib/fast and lib/size leave two noises out: IMLE_NOISE_SUM_OF_GAMMA and IMLE_COUPLING_STRATIFIED are"
    echo "IMLE_ERR_OPTION there."
    for profile in "${firmware_profiles[@]}"; do
      echo
      echo "lib/$profile/libimle.a: what a program does, its bytes of flash, its worst-case bytes of stack. Gradient is"
      echo "sample and gradient; trees is the same for dependency trees; learning is MAP, sample, gradient and adaptive"
      echo "lambda."
      cat "$built/$profile/purposes.txt"
      echo
      echo "lib/$profile/libimle.a: function, bytes of flash if it is all that a program calls, worst-case bytes of stack"
      cat "$built/$profile/functions.txt"
    done
  } >>"$package/REPORT.txt"

  board_of "$1"
  read -r start_up _ script <<<"$start"
  start_up=${start_up##*/} script=${script##*/} cxx_compiler=${compiler/%gcc/g++}
  row=$(grep "^| \`$1\`" examples/embedded/README.md)
  learning=$(cd "$built" && awk '$1 == "learning" { sub("/.*", "", FILENAME)
    print "| `lib/" FILENAME "` | " $2 " | " $3 " |" }' */purposes.txt)
  tables=$(sed -n '/^| instructions/,/^$/p' examples/embedded/README.md)
  mkdir "$package/example"
  cp examples/embedded/minimal.c* examples/embedded/boards/{*.h,"$start_up","$script",sections.ld} "$package/example"
  fill CMakeLists.txt "$package/example"
  fill toolchain.cmake "$package"
  fill README.md "$package"
}

# board_of TARGET: sets the variables of the first board that has this target.
board_of() {
  for board in "${boards[@]}"; do
    board "$board"
    [[ $target != "$1" ]] || return 0
  done
}

# fill FILE DIRECTORY: writes FILE, in which the values of shell variables stand for @their names@.
fill() {
  local text name
  text=$(<"ffi/firmware/$1.in")
  for name in version target board compiler cxx_compiler core compile link start_up script emulate row learning \
    tables; do
    text=${text//"@$name@"/"${!name}"}
  done
  printf '%s\n' "$text" >"$2/$1"
}

for_host() {
  local static=libimle.a shared=libimle.so.$abi location=lib soname='' import=''
  case $1 in
    *-linux-*) soname=$shared ;;
    *-apple-*) shared=libimle.$abi.dylib soname=@rpath/$shared ;;
    *-windows-*) shared=imle.dll location=bin import=libimle.dll.a ;;&
    *-msvc) static=imle.lib import=imle.dll.lib ;;
  esac
  unset RUSTFLAGS
  CARGO_BUILD_TARGET=$1 ffi/archive.sh "$package/lib"
  if [[ $location == bin ]]; then
    mkdir "$package/bin"
    mv "$package/lib/imle.dll" "$package/bin"
  fi
  cmake -Dversion="$version" -Ddirectory="$package/lib/cmake/imle" -Dpc_directory="$package/lib/pkgconfig" \
    -Dpackage=lib/cmake/imle -Dlibdir=lib -Dincludedir=include -Dstatic_name=$static -Dshared_name="$shared" \
    -Dshared_location="$location/$shared" -Dshared_soname="$soname" -Dimport_name=$import -P ffi/cmake/package.cmake
  cp ffi/cmake/torch.cmake "$package/lib/cmake/imle"
  cp include/imle_torch.hpp "$package/include"
  {
    echo
    echo "Bytes of each library. A program takes from the static one only what it calls, if it is linked with"
    echo "-Wl,--gc-sections (Linux), -Wl,-dead_strip (macOS) or /OPT:REF (Windows)."
    echo
    (cd "$package" && find . -type f -regex '.*\.\(a\|lib\|dll\|dylib\|so\.[0-9]+\)' -printf '%P %s\n' | sort)
  } >>"$package/REPORT.txt"
}

# pack NAME: makes $out/NAME.tar.gz of the directory $out/NAME.
pack() {
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$out" -cf - "$1" | gzip -n >"$out/$1.tar.gz"
}
# pack_zip FILE DIRECTORY: makes $out/FILE of what DIRECTORY holds.
pack_zip() {
  (cd "$2" && find . -type f -printf '%P\n' | sort |
    cmake -E tar cf "$out/$1" --format=zip --mtime='2000-01-01 00:00:00 UTC' --files-from=/dev/stdin)
}

for target in "${targets[@]}"; do
  name=imle-$version-$target package=$out/imle-$version-$target
  rm -rf "$package"
  mkdir -p "$package/include"
  cp include/imle.h include/imle.hpp "$package/include"
  cp LICENSE-MIT LICENSE-APACHE "$package"
  echo "imle $version for $target, $("$RUSTC" --version)" >"$package/REPORT.txt"
  if [[ $target == *-none* ]]; then (for_firmware "$target"); else (for_host "$target"); fi
  (cd "$package" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)
  pack "$name"
done

# The packages of packagers (firmware/packagers) have lib/size of all microcontrollers that were named.
# put TARGET DIRECTORY...: copies the archive into these directories of $package, if the target was named.
put() {
  local directory
  [[ " ${targets[*]} " == *" $1 "* ]] || return 0
  for directory in "${@:2}"; do
    mkdir -p "$package/$directory"
    cp "$out/imle-$version-$1/lib/size/libimle.a" "$package/$directory"
  done
}
# write FILE: writes standard input to this file of $package.
write() { mkdir -p "$(dirname "$package/$1")" && cat >"$package/$1"; }
url=$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)
for format in zephyr esp_idf arduino platformio cmsis; do
  name=imle-$version-$format package=$out/imle-$version-$format
  rm -rf "$package"
  mkdir -p "$package/include"
  cp include/imle.h include/imle.hpp "$package/include"
  cp LICENSE-MIT LICENSE-APACHE "$package"
  . "ffi/firmware/packagers/$format.sh"
  [[ $(find "$package" -name libimle.a) ]] || { rm -r "$package"; continue; } # no such target was named
  case $format in
    cmsis) pack_zip "imle.imle.$version.pack" "$package" ;;
    arduino)
      mkdir "$out/zip" && mv "$package" "$out/zip/imle"
      pack_zip "$name.zip" "$out/zip"
      mv "$out/zip/imle" "$package" && rmdir "$out/zip"
      ;;
    *) pack "$name" ;;
  esac
done
(cd "$out" && find . -maxdepth 1 -regex '.*\.\(tar\.gz\|zip\|pack\)' -printf '%P\0' | sort -z |
  xargs -0 sha256sum >SHA256SUMS)
