#!/usr/bin/env bash
# measure.sh OUT_DIR BOARD: measures what the library needs on a board. Run proofs.sh first. Prints one number per line:
#
#   TARGET PROFILE flash FUNCTIONS bytes       flash of a program that calls these functions
#   TARGET PROFILE stack FUNCTIONS bytes       the deepest stack of these functions
#   TARGET PROFILE instructions N K number     instructions per coordinate and MAP, over 16 rows of noise (speed.c)
#   TARGET naive instructions N K number       the same for the naive way
#   TARGET PROFILE-worst instructions N K number   the same for whole steps of learning, on the rows that take longest
set -euo pipefail
out=$1
here=$(dirname "$0")
. "$here/../../ffi/cross.sh"
. "$here/../../examples/embedded/boards/boards.sh"
board "$2"

gcc -O2 -Wall -Wextra -Werror -fPIC -shared "$here/count.c" -o "$out/count.so"
for profile in "${firmware_profiles[@]}"; do
  library=$out/$target/$profile/libimle.a program=$out/$target/$profile/measured.elf
  while read -r purpose flash stack; do
    echo "$target $profile flash $purpose $flash"
    echo "$target $profile stack $purpose $stack"
  done <"$out/$target/$profile/purposes.txt"
  $cc -O3 -I"$here/../../include" "$here/speed.c" $start "$library" -lm -o "$program"
  timeout 300 ${emulate/-kernel/-plugin $out/count.so,out=$out/counts.txt -kernel} "$program" </dev/null
  sizes=$(printf '%s\n' {16,64,256}\ {1,8})
  { sed 'p; s/$/ naive/' <<<"$sizes"; sed 's/$/ worst/' <<<"$sizes"; } | paste -d' ' "$out/counts.txt" - |
    awk -v target="$target" -v profile="$profile" -v rows=16 '
      { number = int($1 / (rows * 2 * $2) + 0.5) }
      $4 == "" { print target, profile, "instructions", $2, $3, number }
      $4 == "worst" { print target, profile "-worst", "instructions", $2, $3, number }
      $4 == "naive" && profile == "release" { print target, "naive instructions", $2, $3, number }'
done
