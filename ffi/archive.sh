#!/usr/bin/env bash
# archive.sh OUT_DIR [PROFILE]: builds the static library OUT_DIR/libimle.a and, for an operating system, the shared
# one, OUT_DIR/libimle.so.ABI with the link libimle.so. PROFILE is release (the default), fast (the same without
# Sum-of-Gamma noise and without stratified noise) or size (like fast, but with opt-level "s").
# The archive is one object that holds the code which the exported functions reach. It exports no other symbol, and it
# leaves out bitcode, debug sections and the unused rest of Rust's core library. It links with no other library. On
# Linux its functions are hidden: a shared object that links them does not export them again.
# The build needs no network, because the one crate that it needs is in this tree.
# To build for another machine, set CARGO_BUILD_TARGET to Rust's name for it; ffi/cross.sh finds a Rust and the binutils
# for it. On Windows the libraries are libimle.a and imle.dll with libimle.dll.a (MinGW), or imle.lib and imle.dll with
# imle.dll.lib (MSVC); on macOS they are libimle.a and libimle.ABI.dylib.
set -euo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
profile=${2:-release}
cd "$(dirname "$0")/.."

target=${CARGO_BUILD_TARGET:-}
. ffi/cross.sh
binutils "$target"
build=${CARGO_TARGET_DIR:-target}
built=$build/${target:+$target/}$(cargo_profile "$profile")
raw=$built/libimle_ffi.a
[[ $target != *-msvc ]] || raw=$built/imle_ffi.lib
features=(--features panic-handler)
[[ $profile == release ]] || features+=(--no-default-features)
abi=$(sed -n 's/^#define IMLE_ABI_VERSION //p' include/imle.h)

"${CARGO:-cargo}" rustc --quiet --manifest-path ffi/archive/Cargo.toml --locked --target-dir "$build" \
  --profile "$(cargo_profile "$profile")" "${features[@]}" --crate-type staticlib

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
object=$work/imle.o

# exports FILE: sets $exports, the functions for C that FILE defines.
exports() {
  mapfile -t exports < <("${tools}nm" -g --defined-only "$1" 2>/dev/null |
    awk '$2 == "T" && $3 ~ /^_?imle_/ { print $3 }')
  ((${#exports[@]}))
}

# member: takes $object out of the raw archive. Link-time optimisation has put all code that the functions reach into
# one member; the others are the compiler's helpers, which every C compiler brings.
member() {
  "${tools}ar" p "$raw" "$("${tools}ar" t "$raw" | grep -m1 '^imle_ffi.*\.o$')" >"$object"
  exports "$object"
}

case $target in
  x86_64-*-windows-*)
    static=libimle.a import=libimle.dll.a
    [[ $target != *-msvc ]] || static=imle.lib import=imle.dll.lib
    object=$work/imle.obj
    member
    # The helpers hold options of the GNU linker, which lld-link refuses.
    llvm-objcopy --remove-section=.drectve "$raw" "$work/helpers.lib"
    # The DLL has no start-up code. It takes the functions of memory and Microsoft's probe of large stack frames from a
    # DLL that every process of Windows has. _fltused is a mark that only has to exist.
    printf '%s\n' 'LIBRARY ntdll.dll' EXPORTS memcpy memmove memset memcmp __chkstk >"$work/ntdll.def"
    llvm-dlltool -m i386:x86-64 -d "$work/ntdll.def" -l "$work/ntdll.lib"
    lld-link /dll /noentry /nodefaultlib /machine:x64 /opt:ref /Brepro /alternatename:_fltused=imle_version \
      "${exports[@]/#//export:}" "$object" "$work/helpers.lib" "$work/ntdll.lib" \
      "/out:$out/imle.dll" "/implib:$out/$import"
    (cd "$work" && llvm-lib "/out:$static" imle.obj) # from another folder, the archive would hold the path
    mv "$work/$static" "$out"
    ;;
  *-apple-darwin)
    member
    ${ZIG:-python3 -m ziglang} cc -target "${target%%-*}-macos" -shared -Wl,-dead_strip \
      "-Wl,-install_name,@rpath/libimle.$abi.dylib" "$object" -o "$out/libimle.$abi.dylib"
    ln -sf "libimle.$abi.dylib" "$out/libimle.dylib"
    rm -f "$out/libimle.a"
    "${tools}ar" --format=darwin crsD "$out/libimle.a" "$object"
    ;;
  *)
    exports "$raw"
    # Nothing unwinds: 32-bit Arm's tables for it, .ARM.exidx and .ARM.extab, would ask for functions of libgcc.
    $ld -r --gc-sections "${exports[@]/#/--undefined=}" "$raw" -o "$object"
    "${tools}objcopy" --strip-debug --remove-section=.comment --remove-section=.llvmbc --remove-section=.llvmcmd \
      --remove-section=.stack_sizes --localize-hidden --wildcard --remove-section='.ARM.ex*' \
      --strip-unneeded-symbol='__aeabi_unwind_*' "$object"
    if [[ $target != *-none* ]]; then
      # It names no C library, so it is for programs of any: the four functions of memory come from the program's.
      rm -f "$out"/libimle.so*
      $ld -shared -soname "libimle.so.$abi" --gc-sections --hash-style=both -z relro -z now -z noexecstack -s \
        "$object" -o "$out/libimle.so.$abi"
      ln -s "libimle.so.$abi" "$out/libimle.so"
      # A symbol becomes hidden if any object of the link says so. The linker drops the section, which nothing reaches.
      {
        printf '.hidden %s\n' "${exports[@]}"
        echo '.section .note.GNU-stack,""'
        echo '.section .hidden_functions,"a"'
        printf '.4byte %s - .\n' "${exports[@]}"
      } | "${tools}as" -o "$work/hidden.o"
      mv "$object" "$work/visible.o"
      $ld -r --gc-sections "${exports[@]/#/--undefined=}" "$work/visible.o" "$work/hidden.o" -o "$object"
    fi
    rm -f "$out/libimle.a"
    "${tools}ar" crsD "$out/libimle.a" "$object"
    ;;
esac
