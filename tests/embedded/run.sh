#!/usr/bin/env bash
# run.sh [--all]: makes the packages that firmware engineers download (ffi/dist.sh), with the proofs of their promises,
# and runs C and Rust firmware on emulated boards, which must print the same bits as the host.
# The boards are Cortex-M0, Cortex-M4F and a RISC-V; --all adds Cortex-M3, M7, M33, M55, a RISC-V with hardware floating
# point, one without atomic instructions, and archives with a soft float ABI for M3, M4 and M33.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
out=$CARGO_TARGET_DIR/embedded
. examples/embedded/boards/boards.sh
. ffi/cross.sh

measured=(microbit mps2-an386 riscv32imac)
[[ ${1:-} == --all ]] && measured+=(mps2-an505 riscv32imafc)
[[ ${1:-} == --all ]] || {
  boards=("${measured[@]}")
  echo "NOT RUN: the other cores and the soft float ABIs; --all runs them"
}
targets=()
for board in "${boards[@]}"; do
  board "$board"
  [[ " ${targets[*]} " == *" $target "* ]] || targets+=("$target")
done
rm -rf "$out/dist"
ffi/dist.sh "$out/dist" "${targets[@]}"
tests/embedded/faults.sh "$out"

# Unpacks the packages and makes a PATH that has everything but Rust, because using a package needs none.
rm -rf "$out/bin" "$out/download" && mkdir "$out/bin" "$out/download"
for download in "$out"/dist/imle-*-none-*.tar.gz; do tar -C "$out/download" -xzf "$download"; done
for package in "$out"/download/*; do (cd "$package" && sha256sum --check --quiet SHA256SUMS); done
for program in /usr/bin/*; do
  [[ ${program##*/} == *rust* || ${program##*/} == *cargo* ]] || ln -s "$program" "$out/bin"
done
for package in "$out"/download/*; do PATH=$out/bin tests/embedded/download.sh "$package"; done
# The lines of the README's quick start, with the download that is there.
quick=$(awk '/^```sh/ { inside = 1; next } /^```/ && inside { exit } inside' examples/embedded/README.md |
  sed "/^ffi.dist/d; s,target/,$out/,g" | PATH=$out/bin timeout 300 bash -e 2>&1)
[[ $quick == "C F J are the best sensors" ]] || { echo "FAIL: the quick start prints $quick"; exit 1; }
PATH=$out/bin tests/embedded/packagers.py "$out/dist" "${boards[@]}"
if [[ ${1:-} == --all ]]; then
  tests/embedded/platformio.sh "$out/dist"
else
  echo "NOT RUN: PlatformIO, which comes from PyPI; --all runs it"
fi
tests/embedded/interrupts.sh "$out"/download/imle-*-thumbv7em-none-eabihf

warnings="-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror"
programs=(cases sum_of_gamma float_modes)
for profile in "${firmware_profiles[@]}"; do ffi/archive.sh "$out/host/$profile" $profile; done
for profile in "${firmware_profiles[@]}"; do
  for program in "${programs[@]}"; do
    gcc $warnings -O2 -ffp-contract=off -Iinclude -Iexamples/embedded/boards tests/embedded/$program.c \
      tests/embedded/host.c "$out/host/$profile/libimle.a" -o "$out/host/$program"
    "$out/host/$program" >"$out/host/$profile/$program.txt" || { grep FAIL "$out/host/$profile/$program.txt"; exit 1; }
  done
done
# The host refuses no case but those that are wrong on purpose, of which the last ones begin with "no shape".
refused=$(sed -n '/^no shape /q; /^gradient from wrong lists /d; / f\{7\}[0-9a-f] [0-9a-f]\{16\} $/p' \
  "$out/host/release/cases.txt")
[[ ! $refused ]] || { printf 'FAIL: refused on the host:\n%s\n' "$refused"; exit 1; }
# All profiles give the same bits, except that lib/fast and lib/size have no Sum-of-Gamma noise: each of the six calls
# returns IMLE_ERR_OPTION (fffffffb) and writes nothing.
for program in cases float_modes; do
  for profile in fast size; do diff "$out"/host/{release,$profile}/$program.txt; done
done
status() { grep -c "^[a-z]* $1 " "$out/host/$2/sum_of_gamma.txt" || true; }
[[ $(status 00000000 release) == 6 && $(status fffffffb size) == 6 ]]
diff "$out"/host/{fast,size}/sum_of_gamma.txt
written=$(grep '^  ' "$out/host/size/sum_of_gamma.txt" | grep -v '^  \(5a5a5a5a *\)*$' || true)
[[ ! $written ]] || { echo "FAIL: a refused call wrote $written"; exit 1; }
for board in "${boards[@]}"; do
  board "$board"
  package=$(echo "$out"/download/imle-*-"$target")
  for profile in "${firmware_profiles[@]}"; do
    for program in "${programs[@]}"; do
      # All functions are too much for the flash of a micro:bit; another board runs the same archive.
      if [[ $board/$program == microbit/float_modes ]]; then board mps2-an385; else board "$board"; fi
      built=$out/$target/$profile/$board.$program
      PATH=$out/bin $cc $warnings -I"$package/include" tests/embedded/$program.c $start "$package/lib/$profile/libimle.a" \
        -o "$built.elf"
      # The console is stderr.
      timeout 300 $emulate "$built.elf" >"$built.txt" 2>&1 </dev/null ||
        { grep FAIL "$built.txt" || echo "FAIL: $built.elf did not come to its end"; exit 1; }
      diff "$out/host/$profile/$program.txt" "$built.txt" || { echo "FAIL: $board, $profile: the bits differ from the host's"; exit 1; }
    done
  done
  echo "firmware in C prints the same bits on $board ($target, all profiles) as on the host"
done
tests/embedded/firmware.sh "$out"
tests/embedded/table.py "$out" "${measured[@]}"
