#!/usr/bin/env bash
# Checks that the READMEs show what the repository contains: links, programs with their output, and numbers that stand in
# tables elsewhere. Run tests/c/run.sh first. (The README's Rust program is also a documentation test of src/lib.rs.)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() { echo "$*"; exit 1; }
# block LANGUAGE <FILE: the first code block in that language.
block() { awk -v fence="\`\`\`$1" '$0 == fence { inside = 1; next } /^```$/ && inside { exit } inside'; }
# says FILE SENTENCE: the file has this sentence, wherever its lines are broken.
says() { tr -s '\n ' ' ' <"$1" | grep -qF -- "$2" || fail "$1 should say: $2"; }

# Every relative link leads to a file and, where it has an anchor, to a heading.
# An anchor is its heading in lower case, without punctuation, with hyphens for spaces.
anchors() { sed -nE 's/^#+ //; T; s/[^[:alnum:] -]//g; s/ /-/g; s/.*/\L&/p' "$1"; }
links=0
while IFS=$'\t' read -r file link; do
  path=${link%%#*}
  path=${path:+$(dirname "$file")/$path} # a link without a path leads to the same file
  [[ -e ${path:-$file} ]] || fail "$file: no such file: $link"
  [[ $link != *'#'* ]] || anchors "${path:-$file}" | grep -qxF -- "${link#*#}" || fail "$file: no such heading: $link"
  links=$((links + 1))
done < <(git ls-files --cached --others --exclude-standard '*.md' | while read -r file; do
  grep -oP '\]\(\K[^)\s]+' "$file" | grep -v '^[a-z]*:' | sed "s,^,$file\t," || true
done)
((links > 50)) || fail "only $links links were found"
echo "ok: $links links lead to files and headings"

# The README's Rust program, in a package made by the README's install command, prints what the README says.
(
  unset CARGO_TARGET_DIR
  cargo init --quiet --vcs none --bin --name readme "$tmp/program"
  cd "$tmp/program"
  cargo add --quiet --offline imle --path "$root"
  block rust <"$root/README.md" >src/main.rs
  cp "$root/Cargo.lock" .
  cargo run --quiet --offline >"$tmp/printed"
)
diff <(sed -n '/^It prints$/,$p' README.md | block text) "$tmp/printed"
echo "ok: cargo add, and the README's Rust program prints what the README says"

# The C and C++ programs are the examples, which tests/cpp/run.sh and tests/libtorch/run.sh compile and
# run, and so is what they print.
diff <(block c <ffi/README.md) examples/c/forward_backward.c
diff <(block cpp <ffi/README.md) examples/cpp/forward_backward.cpp
diff <(sed -n '/^## libtorch$/,$p' ffi/README.md | block cpp) examples/libtorch/forward_backward.cpp
awk '/^ *```/ { fence = !fence; text = /```text/; next } fence && text' ffi/README.md | sed 's/^  //' >"$tmp/said"
[[ $(wc -l <"$tmp/said") == 10 ]] || fail "ffi/README.md shows other output than that of two programs"
while IFS= read -r line; do
  grep -qxF -- "$line" tests/cpp/expected/*.txt || fail "ffi/README.md shows what is not printed: $line"
done <"$tmp/said"
echo "ok: the C and C++ programs in ffi/README.md are those in examples/"

# The knapsack in C prints what the same job in Rust prints.
if grep -vxFf examples/own_solver/README.md tests/cpp/expected/knapsack.txt; then
  fail "examples/own_solver/README.md has other numbers than the same job in C"
fi
echo "ok: the knapsack in C learns what the knapsack in Rust learns"

# The numbers of the first screen are those of the generated tables.
IFS='|' read -r _ _ imle jax _ _ torch _ < <(grep '^| 40×350, k=10 |' benches/README.md)
multiple() { sed 's/.*(\(.*\)).*/\1/' <<<"$1"; }
cpu=$(grep -oP '^One of \d+ cores of an \K[^,]+' benches/README.md)
says README.md "take ${imle// /} ns per score on one core of an $cpu with AVX-512. On the same core JAX takes $(
  multiple "$jax") and eager PyTorch $(multiple "$torch") as long"
says benches/README.md "cores of an $cpu, imle 0.1.0 with its avx512 kernel"
IFS='|' read -r _ _ _ _ flash _ _ _ _ learning _ stack _ < <(
  grep -m1 '^| Cortex-M4F | `size`' examples/embedded/README.md)
needed="${flash// /} bytes of flash and ${stack// /} bytes of stack"
says README.md "samples and their gradients take $needed with the archive \`lib/size\`"
says README.md "a program that learns takes ${learning// /} bytes of flash"
says examples/embedded/README.md "takes ${learning// /} bytes of flash on a Cortex-M4F, because adaptive λ"
slowest=$(grep -oP 'SLOWEST=\K[0-9.]+' benches/instructions.sh) # which that script holds
says benches/README.md "None of them takes more than $slowest times the instructions of a row of normal scores"

# The RAM of one row with n = 64, k = 4 and S = 1, and the instructions for k = 8, of the firmware page.
arrays=$((4 * (6 * 64 + 4)))
says examples/embedded/README.md "4 · (6 · 64 + 4) = $arrays bytes. With the structs and the stack of \`lib/size\` on a Cortex-M4F that makes $((
  arrays + 104 + stack)) bytes"
echo '_Static_assert(sizeof(imle_shape) + sizeof(imle_options) + sizeof(imle_key) == 104, "examples/embedded/README.md");' |
  cc -std=c11 -fsyntax-only -include include/imle.h -xc -
# The RAM of one sentence of 12 words with S = 1.
workspace=3552 projective=3748 arrays=$((4 * (3 * 12 * 12 + 12)))
says examples/embedded/README.md "For 12 words these are $workspace bytes, or $projective bytes for projective trees"
says examples/embedded/README.md "all arrays together take $((arrays + workspace)) or $((
  arrays + projective)) bytes, and the structs, with imle_tree_options, 116"
cc -std=c11 -fsyntax-only -include include/imle.h -xc - <<END
_Static_assert(sizeof(float) * IMLE_TREE_WORKSPACE_LEN(12, 0, 0) == $workspace, "examples/embedded/README.md");
_Static_assert(sizeof(float) * IMLE_TREE_WORKSPACE_LEN(12, 1, 0) == $projective, "examples/embedded/README.md");
_Static_assert(sizeof(imle_tree_options) == 116 - 104, "examples/embedded/README.md");
END
# instructions PROFILE COLUMN: the figure of a Cortex-M4F, n = 64.
instructions() { awk -F ' *[|] *' -v profile="$1" -v column="$2" '/^[|] instructions/ { from = 1 }
  from && $2 == "Cortex-M4F" && $3 == profile { print $column }' examples/embedded/README.md; }
count=$((2 * 64 * $(instructions '`size`' 7)))
says examples/embedded/README.md "${count%???},${count: -3} instructions on a Cortex-M4F with \`lib/size\`, n = 64 and k = 8"
for column in 6 7; do
  (($(instructions '`size`' $column) > $(instructions 'naive C' $column))) ||
    fail "examples/embedded/README.md says that naive C is faster at n = 64"
done

# The cost of SIMPLE beside that of I-MLE is that of the curves.
# times K: the exact marginals and their gradient over a sample and its gradient.
times() { awk -F , -v k="$1" '$1 == "K" && $2 == k { ns[$3] = $4 }
  END { print (ns["marginals"] + ns["vjp"]) / (ns["sample"] + ns["gradient"]) }' benches/scaling.csv; }
says src/guide/which_estimator.md "take $(printf %.1f "$(times 10)") times as long as a sample and its gradient for k = 10, and $(
  printf %.0f "$(times 175)") times for k = 175"
echo "ok: the READMEs and the guide quote the tables"

# The program of the firmware page is the example, which has at most 40 lines and prints on the host what the page says.
diff <(block c <examples/embedded/README.md) examples/embedded/minimal.c
for program in examples/embedded/minimal.{c,cpp}; do
  (($(wc -l <$program) <= 40)) || fail "$program: more than 40 lines"
done
cc -O2 -ffp-contract=off -Iinclude -Iexamples/embedded/boards examples/embedded/minimal.c tests/embedded/host.c \
  "${CARGO_TARGET_DIR:-target}/c/libimle.a" -o "$tmp/minimal"
diff <(sed -n '/^It prints$/,$p' examples/embedded/README.md | block text) <("$tmp/minimal")
echo "ok: the firmware page shows the example and what it prints"

# The versions that the pages ask for are those that the build files ask for.
rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
says README.md "\`rust-version\` is $rust"
says ffi/README.md "Rust $rust or later"
says examples/embedded/README.md "of $rust or later"
says ffi/README.md "CMake $(sed -n 's/^cmake_minimum_required(VERSION \(.*\))/\1/p' ffi/CMakeLists.txt) or later"
abi=$(sed -n 's/^#define IMLE_ABI_VERSION //p' include/imle.h)
says ffi/README.md "the SONAME is \`libimle.so.$abi\`"
says ffi/platforms.md "\`libimle.$abi.dylib\`"
echo "ok: the pages name the versions that the build needs"

# The libraries that tests/c/run.sh has built are as large as ffi/README.md says, to a tenth: compilers differ.
for library in libimle.a libimle.so; do
  said=$(tr '\n' ' ' <ffi/README.md | grep -oP "\`$library\` has \K[0-9]+(?= kB)")
  bytes=$(stat -L -c %s "${CARGO_TARGET_DIR:-target}/c/$library")
  awk -v said="$said" -v kilobytes="$((bytes / 1000))" 'BEGIN { exit !(said > kilobytes * 0.9 && said < kilobytes * 1.1) }' ||
    fail "ffi/README.md says that $library has $said kB; it has $bytes bytes"
done
echo "ok: the libraries are as large as ffi/README.md says"
