#!/usr/bin/env bash
# measure.sh OUT_DIR BOARD: measures what the library needs on a board. Run proofs.sh first. Prints one number per line:
#
#   TARGET PROFILE flash FUNCTIONS bytes       flash of a program that calls these functions
#   TARGET PROFILE stack FUNCTIONS bytes       the deepest stack of these functions
#   TARGET PROFILE instructions N K number     instructions per coordinate and MAP, over 16 rows of noise (speed.c)
#   TARGET naive instructions N K number       the same for the naive way
set -euo pipefail
out=$1
here=$(dirname "$0")
. "$here/../../ffi/cross.sh"
. "$here/../link_proof.sh"
. "$here/../../examples/embedded/boards/boards.sh"
board "$2"
binutils "$target"

functions() { # purpose
  case $1 in
    map) echo imle_topk_map ;;
    learn) echo imle_options_default imle_topk_sample imle_topk_gradient ;;
    exact) echo imle_topk_marginals ;;
    solver) echo imle_options_default imle_perturb imle_target imle_difference ;;
    adaptive) echo imle_adaptive_default imle_adaptive_add imle_adaptive_lambda_from imle_adaptive_update ;;
    all) exported "$tools" "$library" ;;
  esac
}

gcc -O2 -Wall -Wextra -Werror -fPIC -shared "$here/count.c" -o "$out/count.so"
for profile in release size; do
  library=$out/$target/$profile/libimle.a program=$out/$target/$profile/measured.elf
  for purpose in map learn exact solver adaptive all; do
    closure "$target" "$library" "$program" $(functions $purpose) >/dev/null
    echo "$target $profile flash $purpose $(flash "$tools" "$program")"
    stack=$(awk -v wanted=" $(functions $purpose | tr '\n' ' ') " \
      'index(wanted, " " $1 " ") && $3 > most { most = $3 } END { print most }' "$out/$target/$profile/functions.txt")
    echo "$target $profile stack $purpose $stack"
  done
  $cc -O3 -I"$here/../../include" "$here/speed.c" $start "$library" -lm -o "$program"
  timeout 60 ${emulate/-kernel/-plugin $out/count.so,out=$out/counts.txt -kernel} "$program" </dev/null
  for n in 16 64 256; do for k in 1 8; do printf '%s\n' "$n $k library" "$n $k naive"; done; done |
    paste -d' ' - "$out/counts.txt" | awk -v target="$target" -v profile=$profile -v rows=16 '
      $3 == "library" { print target, profile, "instructions", $1, $2, int($4 / (rows * 2 * $1) + 0.5) }
      $3 == "naive" && profile == "release" { print target, "naive instructions", $1, $2, int($4 / (rows * 2 * $1) + 0.5) }'
done
