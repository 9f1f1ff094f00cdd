#!/usr/bin/env bash
# platformio.sh DIST_DIR: builds a project that has the library of dist.sh in its lib_deps with the real PlatformIO, and
# runs it on an emulated Cortex-M4F and on a RISC-V. PlatformIO comes from PyPI. Its registry is not asked for anything:
# the platform is that of platformio/platform, and SCons comes from PyPI, too.
set -euo pipefail
dist=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
built=$(mkdir -p "${CARGO_TARGET_DIR:-target}/platformio" && cd "${CARGO_TARGET_DIR:-target}/platformio" && pwd)
folder=$PWD/examples/embedded/boards
. "$folder/boards.sh"

[[ -e $built/venv ]] || python3 -m venv "$built/venv"
"$built/venv/bin/pip" install --quiet platformio==6.2.0 scons==4.10.1
export PLATFORMIO_CORE_DIR=$built/core PLATFORMIO_SETTING_ENABLE_TELEMETRY=no
scons=$built/core/packages/tool-scons
rm -rf "$built/core" "$built/project" && mkdir -p "$scons"
echo '{"name": "tool-scons", "version": "4.41101.0"}' >"$scons/package.json"
echo '{"type": "tool", "name": "tool-scons", "version": "4.41101.0",
  "spec": {"owner": "platformio", "name": "tool-scons"}}' >"$scons/.piopm"
printf '%s\n' 'from SCons.Script import main' 'main()' >"$scons/scons.py"

library=$(echo "$dist"/imle-*-platformio.tar.gz)
export library compiler core compile link
for board in mps2-an386 riscv32imac; do
  board $board
  read -r start_up _ script <<<"$start"
  rm -rf "$built/project" && cp -r tests/embedded/platformio "$built/project" && mkdir "$built/project/src"
  cp examples/embedded/minimal.c "$folder"/{board.h,start.h} "$start_up" "$built/project/src"
  link+=" -L$folder -T${script##*/}"
  timeout 300 "$built/venv/bin/pio" run -d "$built/project" >"$built/log" 2>&1 </dev/null || { cat "$built/log"; exit 1; }
  printed=$(timeout 300 $emulate "$built/project/.pio/build/emulated/program.elf" 2>&1 </dev/null)
  [[ $printed == "C F J are the best sensors" ]] || { echo "FAIL: PlatformIO, $board: $printed"; exit 1; }
done
echo "ok: PlatformIO builds a project with the library, which learns on mps2-an386 and riscv32imac"
