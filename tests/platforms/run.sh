#!/usr/bin/env bash
# run.sh [--all | TARGET...]: checks that dist.sh says what it takes. Then makes the downloads for the operating systems
# that are named, or for all of them, and uses each as its users do, with a PATH that has no Rust. Linux programs run
# here or under qemu-user, Windows programs under wine. Programs for macOS are linked, and their load commands are
# checked; nothing here can run them. --all also cross-compiles with CMake and toolchain files.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
out=$CARGO_TARGET_DIR/platforms
here=$root/tests/platforms
. tests/link_proof.sh
abi=$(sed -n 's/^#define IMLE_ABI_VERSION //p' include/imle.h)

# says STATUS ARGUMENT...: dist.sh ends with this status and lists its targets.
says() {
  local status=0 text
  text=$(ffi/dist.sh "${@:2}" 2>&1) || status=$?
  [[ $status == "$1" && $text == *"dist.sh OUT_DIR [TARGET...]"*thumbv6m-none-eabi*aarch64-apple-darwin* ]] ||
    { echo "FAIL: dist.sh ${*:2} ends with $status and says: $text"; exit 1; }
}
says 2
says 0 --help
says 2 "$out/dist" pdp11-unknown-linux-gnu
echo "ok: dist.sh without arguments, with --help and with an unknown target says what it takes"

all=(x86_64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf
  x86_64-pc-windows-gnu x86_64-pc-windows-msvc x86_64-apple-darwin aarch64-apple-darwin)
targets=("$@")
case ${1:-} in
  '')
    echo "NOT RUN: the downloads for Linux, Windows and macOS, and CMake with toolchain files; --all runs them"
    exit
    ;;
  --all) targets=("${all[@]}") ;;
esac

rm -rf "$out" && mkdir -p "$out/bin"
if [[ " ${targets[*]} " == *-apple-* ]]; then
  zig=$CARGO_TARGET_DIR/zig
  [[ -e $zig/bin/python3 ]] || python3 -m venv "$zig"
  "$zig/bin/python3" -m pip install --quiet ziglang==0.17.1
  export ZIG="$zig/bin/python3 -m ziglang" ZIG_GLOBAL_CACHE_DIR=$zig/cache ZIG_LOCAL_CACHE_DIR=$zig/cache
fi
ffi/dist.sh "$out/dist" "${targets[@]}"
ffi/dist.sh "$out/again" "${targets[@]}"
cmp "$out/dist/SHA256SUMS" "$out/again/SHA256SUMS"
echo "ok: dist.sh packs the same bytes again"

# cross CPU OPTION...: CMake builds the library for a machine of a toolchain file, and not for this one.
cross() {
  (. ffi/cross.sh && rust_web &&
    cmake -S ffi -B "$out/cross-$1" -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY "${@:2}" >"$out/log" &&
    cmake --build "$out/cross-$1" >>"$out/log") || { cat "$out/log"; exit 1; }
  [[ $(readelf -h "$out/cross-$1/libimle.a") == *"Machine: "*"$1"* ]] || { echo "FAIL: not for $1"; exit 1; }
  echo "ok: CMake builds for $1 with a toolchain file"
}
if [[ ${1:-} == --all ]]; then
  # This compiles what dist.sh has compiled for AArch64, in another folder.
  cross AArch64 -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc
  for library in libimle.a libimle.so; do
    cmp "$out/cross-AArch64/$library" "$out"/dist/imle-*-aarch64-unknown-linux-gnu/lib/$library
  done
  echo "ok: CMake builds the bytes of the download"
  cross ARM -DCMAKE_SYSTEM_NAME=Generic -DCMAKE_SYSTEM_PROCESSOR=arm -DCMAKE_C_COMPILER=arm-none-eabi-gcc \
    -DCMAKE_C_FLAGS="-mthumb -mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16"
fi

# Everything but Rust.
for program in /usr/bin/*; do
  [[ ${program##*/} == *rust* || ${program##*/} == *cargo* ]] || ln -s "$program" "$out/bin"
done
PATH=$out/bin
! command -v cargo rustc || exit 1
export WINEDEBUG=-all WINEPREFIX=$out/wine
[[ " ${targets[*]} " != *-windows-* ]] || wine wineboot --init >"$out/log" 2>&1

# consumer OPTION...: builds the project of tests/consumer with CMake and find_package(imle).
consumer() {
  cmake -S "$root/tests/consumer" -B "$built/cmake" -DCMAKE_PREFIX_PATH="$package" \
    -DCMAKE_FIND_ROOT_PATH="$package" "$@" >"$built/log" &&
    cmake --build "$built/cmake" >>"$built/log" || { cat "$built/log"; exit 1; }
}

# programs RUNNER COMPILER...: builds and runs the C programs of tests/c with the static and with the shared library.
programs() {
  local program library
  for program in header forward_backward exact bad_input; do
    for library in $static $shared; do
      "${@:2}" -std=c99 -O2 -I"$package/include" "$root/tests/c/$program.c" "$package/lib/$library" -lm \
        -o "$built/$program.exe"
      (cd "$built" && timeout 300 $1 "./$program.exe" >"$built/log") || { cat "$built/log"; exit 1; }
    done
  done
}

# named OPTION...: the files that find_package(imle) names are in the download.
named() {
  mkdir "$built/named"
  cat >"$built/named/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.21)
project(named NONE)
find_package(imle 0.1 REQUIRED)
foreach(target imle shared)
  set(properties INTERFACE_INCLUDE_DIRECTORIES IMPORTED_LOCATION)
  if(WIN32 AND target STREQUAL "shared")
    list(APPEND properties IMPORTED_IMPLIB)
  endif()
  foreach(property ${properties})
    get_target_property(path imle::${target} ${property})
    if(NOT EXISTS "${path}")
      message(FATAL_ERROR "FAIL: ${property} of imle::${target} is ${path}")
    endif()
  endforeach()
endforeach()
CMAKE
  cmake -S "$built/named" -B "$built/named/build" -DCMAKE_PREFIX_PATH="$package" "$@" >"$built/log" 2>&1 ||
    { cat "$built/log"; exit 1; }
}

# calls FUNCTION...: the libraries of the download define the functions of imle.h, and call of others at most the four
# functions of memory and these. For Linux the functions in the static one are hidden.
calls() {
  local library symbols needed declared
  declared=$(declared "$package/include/imle.h")
  for library in "$package/lib/$static" "$package"/{bin/imle.dll,lib/libimle.so,lib/libimle.dylib}; do
    [[ -e $library ]] || continue
    case $library in
      *.dll)
        symbols=$(llvm-readobj --coff-exports "$library" | sed -nE 's/^ *Name: (\S+)/T \1/p')
        symbols+=$'\n'$(llvm-readobj --coff-imports "$library" | sed -nE 's/^ *Symbol: (\S*).*/U \1/p')
        ;;
      *.so) symbols=$(llvm-nm --dynamic --format=posix "$library" | awk '{ print $2, $1 }') ;;
      *) symbols=$(llvm-nm --extern-only --format=posix "$library" | awk 'NF > 1 { print $2, $1 }') ;;
    esac
    # Mach-O has an underscore before each name.
    [[ $target != *-apple-* ]] || symbols=$(sed 's/ _/ /' <<<"$symbols")
    diff <(echo "$declared") <(sed -n 's/^T //p' <<<"$symbols" | sort) ||
      { echo "FAIL: $library (>) differs from imle.h (<)"; exit 1; }
    needed=$(sed -n 's/^U //p' <<<"$symbols" | grep -vxF "$(printf '%s\n' memcpy memmove memset memcmp "$@")" || true)
    [[ ! $needed ]] || { echo "FAIL: $library calls $needed"; exit 1; }
  done
  if [[ $target == *-linux-* ]]; then
    symbols=$(readelf --symbols --wide "$package/lib/$static" | grep -E '\bFUNC +GLOBAL\b')
    ! grep -v HIDDEN <<<"$symbols" || { echo "FAIL: libimle.a has functions that are not hidden"; exit 1; }
  fi
}

# page PARAGRAPH [LINE]: runs the lines that ffi/platforms.md has after this paragraph, on the program of ffi/README.md,
# after this line.
page() {
  mkdir "$built/page"
  cp "$root/examples/c/forward_backward.c" "$built/page/program.c"
  cp "$out"/dist/*.tar.gz "$built/page"
  awk -v start="$1" 'index($0, start) == 1 { found = 1 }
    inside && /^```/ { exit }
    inside
    found && /^```sh/ { inside = 1 }' "$root/ffi/platforms.md" >"$built/page/lines.sh"
  lines=$(wc -l <"$built/page/lines.sh")
  ((0 < lines && lines <= 5)) || { echo "FAIL: ffi/platforms.md has $lines lines after $1"; exit 1; }
  (cd "$built/page" && bash -e <(echo "${2:-}"; cat lines.sh)) >"$built/log" 2>&1 || { cat "$built/log"; exit 1; }
}
# learned RUNNER PROGRAM: the program prints what ffi/README.md says.
learned() { diff "$root/tests/cpp/expected/forward_backward.txt" <("$@" | tr -d '\r'); }

for target in "${targets[@]}"; do
  built=$out/$target
  mkdir -p "$built"
  tar -C "$built" -xzf "$out"/dist/imle-*-"$target".tar.gz
  package=$(echo "$built"/imle-*)
  (cd "$package" && sha256sum --check --quiet SHA256SUMS)
  static=libimle.a shared=libimle.so
  system=(-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="${target%%-*}")
  case $target in
    *-linux-*)
      runner=env compiler='' cxx=g++
      case $target in
        *-musl) cc=musl-gcc ;;
        x86_64-*) cc=gcc ;;
        aarch64-*) compiler=aarch64-linux-gnu runner="qemu-aarch64 -L /usr/$compiler" ;;
        armv7-*) compiler=arm-linux-gnueabihf runner="qemu-arm -L /usr/$compiler" ;;
      esac
      [[ ! $compiler ]] || cc=$compiler-gcc cxx=$compiler-g++
      programs "$runner" $cc -Wl,-rpath,"$package/lib"
      ((!$(readelf -d "$package/lib/libimle.so" | grep -c NEEDED)))
      [[ $(readelf -d "$package/lib/libimle.so") == *"soname: [libimle.so.$abi]"* ]]
      if [[ $target != *-musl ]]; then
        consumer "${system[@]}" -DCMAKE_C_COMPILER=$cc -DCMAKE_CXX_COMPILER=$cxx
        for program in consumer_c consumer_cpp consumer_shared; do $runner "$built/cmake/$program"; done
      fi
      calls
      named "${system[@]}"
      case $target in
        *-musl) ;;
        x86_64-*) page "Linux x86-64, glibc or musl:" ;;
        aarch64-*) page "Linux AArch64, from another machine:" ;;
        armv7-*) page "Linux armv7, from another machine:" ;;
      esac
      [[ $target == *-musl ]] || learned $runner "$built/page/program"
      # pkg-config
      export PKG_CONFIG_PATH=$package/lib/pkgconfig
      # shellcheck disable=SC2046 # the flags must be split into words
      $cc -std=c99 tests/consumer/consumer.c $(pkg-config --cflags --libs imle) -Wl,-rpath,"$package/lib" \
        -o "$built/consumer"
      $runner "$built/consumer"
      echo "ok: $target: the C tests, static and shared, a CMake project (but for musl) and pkg-config"
      ;;
    x86_64-pc-windows-gnu)
      shared=libimle.dll.a
      cp "$package/bin/imle.dll" "$built"
      programs wine x86_64-w64-mingw32-gcc
      consumer -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_SYSTEM_PROCESSOR=AMD64 \
        -DCMAKE_C_COMPILER=x86_64-w64-mingw32-gcc -DCMAKE_CXX_COMPILER=x86_64-w64-mingw32-g++ \
        -DCMAKE_EXE_LINKER_FLAGS=-static
      cp "$package/bin/imle.dll" "$built/cmake"
      for program in consumer_c consumer_cpp consumer_shared; do (cd "$built/cmake" && wine $program.exe); done
      calls ___chkstk_ms
      named -DCMAKE_SYSTEM_NAME=Windows
      page "Windows with MinGW:"
      (cd "$built/page" && learned wine program.exe)
      echo "ok: $target: the C tests and a CMake project, with libimle.a and imle.dll, under wine"
      ;;
    x86_64-pc-windows-msvc)
      static=imle.lib
      # There is no Microsoft compiler here: clang and lld-link build a program without a C runtime, which takes the
      # functions of memory and the stack probe from Windows itself.
      printf '%s\n' 'LIBRARY ntdll.dll' EXPORTS memcpy memmove memset memcmp __chkstk >"$built/ntdll.def"
      llvm-dlltool -m i386:x86-64 -d "$built/ntdll.def" -l "$built/ntdll.lib"
      clang --target=x86_64-pc-windows-msvc -ffreestanding -O2 -I"$package/include" -c "$here/windows.c" \
        -o "$built/windows.obj"
      calls __chkstk _fltused
      named -DCMAKE_SYSTEM_NAME=Windows
      cp "$package/bin/imle.dll" "$built"
      for library in imle.lib imle.dll.lib; do
        lld-link /entry:start /subsystem:console /nodefaultlib "/out:$built/windows.exe" "$built/windows.obj" \
          "$package/lib/$library" "$built/ntdll.lib"
        (cd "$built" && wine windows.exe)
      done
      echo "ok: $target: a program without a C runtime, with imle.lib and imle.dll.lib, under wine"
      ;;
    *-apple-darwin)
      calls bzero __bzero memset_pattern16 dyld_stub_binder
      named -DCMAKE_SYSTEM_NAME=Darwin
      cc="$ZIG cc -target ${target%%-*}-macos -std=c99 -O2 -I$package/include"
      for library in libimle.a libimle.dylib; do
        $cc tests/consumer/consumer.c "$package/lib/$library" -o "$built/$library.program"
      done
      loads() { llvm-objdump --macho --dylibs-used "$1" | sed -n 's/^\t\([^ ]*\).*/\1/p' | sort | tr '\n' ' '; }
      system=/usr/lib/libSystem.B.dylib
      dylib=@rpath/libimle.$abi.dylib
      [[ $(loads "$built/libimle.a.program") == "$system " ]]
      [[ $(loads "$built/libimle.dylib.program") == "$(printf '%s\n' $system "$dylib" | sort | tr '\n' ' ')" ]]
      [[ $(llvm-objdump --macho --dylib-id "$package/lib/libimle.dylib") == *"$dylib"* ]]
      cpu=${target%%-*}
      [[ $cpu != aarch64 ]] || page "macOS " "cc() { $ZIG cc -target aarch64-macos \"\$@\"; }"
      [[ $(file "$built/libimle.a.program") == *"Mach-O 64-bit ${cpu/aarch64/arm64} executable"* ]]
      echo "ok: $target: programs link with libimle.a and libimle.dylib and load what they should"
      echo "NOT RUN: programs for $target, because this is no macOS"
      ;;
  esac
done
