#!/usr/bin/env bash
# run.sh [TORCH]: compiles and runs the tests of imle_torch.hpp and the examples, against Debian's libtorch-dev or the
# libtorch in the directory TORCH, such as that of Python's package torch. Run tests/c/run.sh first, which builds the
# library. Prints each proof.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
library=${CARGO_TARGET_DIR:-target}/c/libimle.a
include=${1:-/usr}/include
standards=(17 20)
link=(-ltorch_cpu -ltorch -lc10)
if [[ ${1:-} ]]; then
    link+=(-L"$1/lib" -Wl,-rpath,"$1/lib")
    standards=(20) # newer versions want it
else
    include=$include/torch
fi
proved() { echo "ok: $*"; }

# cpp STANDARD SOURCE OPTION...: compiles to $tmp/program.
cpp() {
    g++ "-std=c++$1" -fopenmp -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude -isystem "$include" \
        -isystem "$include/torch/csrc/api/include" -isystem "$include/csrc/api/include" "$2" "${@:3}" "$library" \
        "${link[@]}" -o "$tmp/program"
}

for standard in "${standards[@]}"; do
    cpp "$standard" tests/libtorch/layer_test.cpp -O0
    "$tmp/program"
done
proved "imle_torch.hpp gives the bits of imle.hpp, and its gradients are those of enumerations, as C++${standards[*]}"

cpp "${standards[0]}" examples/libtorch/forward_backward.cpp -O0
"$tmp/program" | diff tests/libtorch/expected/forward_backward.txt -
proved "the example prints what is expected"

# Each row of the main job, within three standard deviations of the Rust example's row for three seeds.
cpp "${standards[0]}" examples/libtorch/learning_to_explain.cpp -O2
"$tmp/program" >"$tmp/table" 2>"$tmp/progress" || { cat "$tmp/progress"; exit 1; }
cat "$tmp/table"
python3 - "$tmp/table" <<'PYTHON'
import re, sys
rust = {}
for line in open("examples/learning_to_explain/README.md", encoding="utf-8"):
    cells = [cell.strip(" *") for cell in line.split("|")]
    if len(cells) > 5 and "±" in cells[3] and cells[1] not in rust:
        rust[cells[1]] = [float(number) for number in re.findall(r"\.\d+", cells[3])]
lines = open(sys.argv[1], encoding="utf-8").read().splitlines()[1:]
assert len(rust) == len(lines) == 4, (rust, lines)
for line in lines:
    name, r2 = re.fullmatch(r"(.*?)\s{2,}\S+\s+(\S+)\s+\S+ %", line).groups()
    mean, deviation = rust[name]
    assert abs(float(r2) - mean) <= 3 * max(deviation, 0.02), f"{name}: R² {r2}, Rust {mean} ± {deviation}"
PYTHON
proved "the main job's table is that of the Rust example, within noise"
if "$tmp/program" no/such/file 2>"$tmp/log"; then exit 1; fi
grep -q '^no/such/file: ' "$tmp/log"
proved "the main job refuses a missing file"
