#!/usr/bin/env bash
# sensor_budget.sh OUT_DIR: checks that the example that learns on the device prints the same on an emulated Cortex-M4F
# with 128 KiB of flash and 64 KiB of RAM, on the host, and in Rust, that its results are good enough, and that the
# README reports them. Run tests/embedded/run.sh first.
set -euo pipefail
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
here=examples/embedded/sensor_budget
built=${CARGO_TARGET_DIR:-target}
program="-std=c11 -fno-math-errno -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude $here/sensor_budget.c $here/regression.c"
. examples/embedded/boards/boards.sh

gcc -O2 -ffp-contract=off -Iexamples/embedded/boards $program tests/embedded/host.c "$out/host/release/libimle.a" -o "$out/sensor_budget"
"$out/sensor_budget" >"$out/sensor_budget.txt"

board mps2-an386
$cc $program ${start/%-T*/-T$here/small.ld} "$out/$target/release/libimle.a" -o "$out/sensor_budget.elf"
timeout 300 $emulate "$out/sensor_budget.elf" >"$out/sensor_budget.board.txt" 2>&1 </dev/null
diff "$out/sensor_budget.txt" "$out/sensor_budget.board.txt"

cargo build --quiet --release -p sensor_budget
"$built/release/sensor_budget" | diff <(tail -n +2 "$out/sensor_budget.txt") -
echo "learning on the device: $(wc -l <"$out/sensor_budget.txt") lines, the same on $target, on the host and in Rust"

# The program prints how much RAM it needs; the linked file must agree.
said=$(awk '/bytes of RAM/ { print $NF }' "$out/sensor_budget.txt")
arm-none-eabi-size "$out/sensor_budget.elf" | awk -v said="$said" 'NR == 2 { exit !($2 + $3 == said) }' ||
  { echo "$said bytes of RAM are printed, others are used"; exit 1; }
grep -qF " ${said%???},${said: -3} bytes " <(tr '\n' ' ' <$here/README.md) || { echo "$here/README.md names other bytes than $said"; exit 1; }

# test_r2 K METHOD: the mean test R² of a row.
test_r2() { awk -F ' *[|] *' -v k="$1" -v method="$2" '$2 == k && index($3, method) == 1 { split($5, r2, " "); print r2[1] }' "$out/sensor_budget.txt"; }
awk -v four="$(test_r2 4 I-MLE)" -v eight="$(test_r2 8 I-MLE)" -v even4="$(test_r2 4 even)" -v even8="$(test_r2 8 even)" \
  -v random4="$(test_r2 4 random)" -v random8="$(test_r2 8 random)" \
  'BEGIN { exit !(four >= 0.90 && four > even4 && even4 > random4 && eight > four && eight > even8 && even8 > random8) }'
awk '/^seed/ && $5 + 0 < 0.90 { exit 1 }' "$out/sensor_budget.txt"
echo "ok: test R² $(test_r2 4 I-MLE) of 4 channels, $(test_r2 8 I-MLE) of 8, every seed above .90; $said bytes of RAM"

# The README has every row of the table and nothing that is not printed, and the figure is that of this run.
while read -r row; do
  grep -qF "$row" $here/README.md || { echo "$here/README.md lacks the row: $row"; exit 1; }
done < <(grep '^|' "$out/sensor_budget.txt")
awk '/^```/ { fence = !fence; text = /text/; next } fence && text' $here/README.md |
  while read -r line; do
    grep -qxF -- "$line" <(sed 's/^ *//' "$out/sensor_budget.txt") || { echo "$here/README.md says what is not printed: $line"; exit 1; }
  done
"$built/release/sensor_budget_plot" "$out/sensor_budget.svg" <"$out/sensor_budget.txt"
cmp "$out/sensor_budget.svg" $here/sensor_budget.svg
echo "ok: the README's table, transcript and figure are of this run"

for arguments in surprise --surprise 'cross-validate surprise'; do
  # shellcheck disable=SC2086 # words
  "$built/release/sensor_budget" $arguments >"$out/refused.txt" 2>&1 && exit 1 || [[ $? == 2 ]]
  grep -q "unexpected argument\|unrecognized subcommand" "$out/refused.txt"
done
"$built/release/sensor_budget" --help | grep -q cross-validate
echo "ok: --help is help, and unknown arguments are refused with exit code 2"
