#!/usr/bin/env bash
# download.sh PACKAGE: builds and runs the example of an unpacked download for a microcontroller in every way that its
# README has, and in C++, with each library. PATH should hold nothing but the compilers, CMake, make and the emulator.
set -euo pipefail
cd "$1"
learnt="C F J are the best sensors"

# block N: the N-th block of commands in the README.
block() { awk -v wanted="$1" '/^```/ { inside = /sh$/ && ++count == wanted; next } inside' README.md; }
prints() {
  local printed
  printed=$(timeout 300 "$@" 2>&1 </dev/null) && [[ $printed == "$learnt" ]] ||
    { echo "FAIL: $PWD: $* prints: $printed"; exit 1; }
}
for library in size fast release; do
  for way in 1 2 3; do
    rm -rf minimal.elf build
    block $way | sed "s|lib/size|lib/$library|g" | bash -e >log 2>&1 || { cat log; exit 1; }
    block 4 >run.sh
    prints bash -e run.sh
  done
done

# In C++, if the compiler has the headers of C++: Debian has none for RISC-V.
if [[ $(<toolchain.cmake) == *arm-none-eabi-g++* ]]; then
  cmake -S example -B build-cpp -DCMAKE_TOOLCHAIN_FILE="$PWD/toolchain.cmake" -DCMAKE_PREFIX_PATH="$PWD/lib/size" \
    -DCXX=ON >log 2>&1 && cmake --build build-cpp >>log 2>&1 || { cat log; exit 1; }
  cp build-cpp/minimal_cpp minimal.elf
  prints bash -e run.sh
else
  echo "NOT RUN: minimal.cpp for RISC-V, because Debian has no C++ headers for it"
fi
echo "ok: ${PWD##*/}: the example learns, built by hand, with CMake and with pkg-config, with each library"
