#!/usr/bin/env bash
# Compiles and runs the tests of imle.hpp and the C and C++ examples with gcc and clang. Prints each proof.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

strict=(-Wall -Wextra -Wpedantic -Wconversion -Wdouble-promotion -Werror -ffp-contract=off -I"$root/include")
library=$tmp/libimle.a
proved() { echo "ok: $*"; }

# c CC SOURCE OPTION... and cpp CXX STANDARD SOURCE OPTION... compile to $tmp/program.
c() { "$1" -std=c99 "${strict[@]}" -O2 "${@:3}" "$root/examples/c/$2" "$library" -o "$tmp/program"; }
cpp() { "$1" "-std=c++$2" "${strict[@]}" "${@:4}" "$3" "$library" -o "$tmp/program"; }

# prints EXPECTED_FILE: checks that the program prints what the file has.
prints() { "$tmp/program" >"$tmp/out" && diff "$here/expected/$1" "$tmp/out"; }

compilers=(gcc clang)

"$root/ffi/archive.sh" "$tmp"

for name in $(grep -oE '\bimle_[a-z_]+\(' "$root/include/imle.h" | tr -d '(' | sort -u); do
    grep -q "$name\b" "$root/include/imle.hpp" || { echo "imle.hpp does not call $name"; exit 1; }
done
proved "imle.hpp calls every function of imle.h"

for cxx in g++ clang++; do
    # -w: the file gives __cplusplus another value.
    "$cxx" -std=c++20 -w -fsyntax-only -I"$root/include" -isystem "$here/msvc" "$here/msvc_span.cpp"
done
proved "imle.hpp takes std::span as MSVC offers it in C++20"

for standard in 17 20; do
    clang++ -std=c++$standard -Weverything -Wno-padded -Wno-c++98-compat-pedantic -Wno-pre-c++17-compat-pedantic -Werror \
        -fsyntax-only -I"$root/include" -include imle.hpp -x c++ /dev/null
done
proved "imle.hpp: no warning under clang's -Weverything but padding and older standards, as C++17 and C++20"

for cc in "${compilers[@]}"; do
    case $cc in gcc) cxx=g++ ;; *) cxx=clang++ ;; esac
    for standard in 17 20; do
        for with in "" "-fno-exceptions -fno-rtti"; do
            # shellcheck disable=SC2086 # the options must be split into words
            cpp "$cxx" $standard "$here/layer_test.cpp" -O1 $with
            "$tmp/program"
        done
        if "$cxx" -std=c++$standard "${strict[@]}" -c "$here/discarded_status.cpp" -o "$tmp/o" 2>"$tmp/log"; then
            echo "discarded_status.cpp compiles, but must not"
            exit 1
        fi
        grep -qE 'nodiscard|unused-(result|value)' "$tmp/log"
    done
    proved "$cxx: imle.hpp works as C++17 and C++20, with and without exceptions; an ignored status does not compile"

    for example in forward_backward exact own_solver knapsack parse; do
        c "$cc" $example.c
        prints $example.txt
    done
    cpp "$cxx" 17 "$root/examples/cpp/forward_backward.cpp"
    prints forward_backward.txt
    proved "$cc: the C examples, as C99, and the C++ example print what is expected"
done

for example in forward_backward exact own_solver knapsack parse; do
    c gcc $example.c -g -fsanitize=address,undefined -fno-sanitize-recover
    prints $example.txt
done
cpp g++ 17 "$here/layer_test.cpp" -g -fsanitize=address,undefined -fno-sanitize-recover
"$tmp/program"
proved "the C examples and the tests of imle.hpp pass under gcc's sanitizers"

# train OPTION...: runs two epochs of the main job and prints its table and its fingerprint.
train() { "$tmp/program" --data "$root/examples/data/movie_reviews.tsv" --epochs 2 "$@" 2>/dev/null; }

for compiler in "${compilers[@]}"; do
    case $compiler in gcc) cxx=g++ standard=17 ;; *) cxx=clang++ standard=20 ;; esac
    cpp $cxx $standard "$root/examples/cpp/training_loop.cpp" -O3 -fno-math-errno -pthread
    train --threads 1 >"$tmp/one"
    for threads in 2 3; do
        train --threads $threads | diff "$tmp/one" -
    done
    proved "$cxx: the main job trains the same weights with 1, 2 and 3 threads, bit for bit"
done

# Two epochs already rank these methods as the full run does. I-MLE is as good as all words, so neither must be ahead.
r2() { awk -v method="$1" 'index($0, method) == 1 { print $(NF - 3) }' "$tmp/one"; }
awk -v all="$(r2 'all words')" -v random="$(r2 '5 random')" -v through="$(r2 '5 words, s')" -v imle="$(r2 '5 words, I')" \
    'BEGIN { exit !(all > through && imle > through && through > random) }' || { cat "$tmp/one"; exit 1; }
cat "$tmp/one"
proved "in R², all words and I-MLE > straight-through > random words"

# The full run gives the README's C++ column: MSE, R² and the share of words in the lexicon.
"$tmp/program" --data "$root/examples/data/movie_reviews.tsv" --threads 2 2>/dev/null >"$tmp/full"
while read -r method; do
    row=$(awk -v method="$method" 'index($0, method) == 1 { print $(NF - 4) ", " substr($(NF - 3), 2) ", " $(NF - 2) " %" }' \
        "$tmp/full")
    grep -qF "| $method | $row |" "$root/examples/learning_to_explain/README.md" ||
        { cat "$tmp/full"; echo "examples/learning_to_explain/README.md has another row for $method"; exit 1; }
done <<<$'all words\n5 random words\n5 words, straight-through\n5 words, I-MLE'
proved "the main job's full run gives the README's table"

if "$tmp/program" --data no/such/file 2>"$tmp/log"; then exit 1; fi
grep -q '^no/such/file: ' "$tmp/log"
proved "the main job refuses a missing file"
