#!/usr/bin/env bash
# proofs.sh OUT_DIR TARGET: proves for OUT_DIR/TARGET/{release,fast,size}/libimle.a that no function reaches a panic, an
# allocator, a trap, writable data or an undefined symbol (tests/link_proof.sh), and that there is no recursion and no
# indirect call, so that the worst-case stack is known (stack.py). Writes two files beside the archive: functions.txt
# has the name, the bytes of flash and the bytes of stack of each function, and purposes.txt the same of what programs
# do.
set -euo pipefail
out=$1 target=$2
here=$(dirname "$0")
. "$here/../../ffi/cross.sh"
. "$here/../link_proof.sh"
binutils "$target"

# functions PURPOSE: the functions that a program calls.
learning="imle_options_default imle_topk_sample imle_topk_gradient"
functions() {
  case $1 in
    map) echo imle_topk_map ;;
    gradient) echo $learning ;;
    exact) echo imle_topk_marginals ;;
    solver) echo imle_options_default imle_perturb imle_target imle_difference ;;
    adaptive) echo imle_adaptive_default imle_adaptive_add imle_adaptive_lambda_from imle_adaptive_update ;;
    trees) echo imle_options_default imle_tree_options_default imle_tree_sample imle_tree_gradient ;;
    learning) echo $learning imle_topk_map imle_adaptive_default imle_adaptive_lambda imle_adaptive_update ;;
    all) exported "$tools" "$library" ;;
  esac
}

for profile in "${firmware_profiles[@]}"; do
  built=$out/$target/$profile program=$out/$target/$profile/closure
  library=$built/libimle.a
  mapfile -t functions < <(exported "$tools" "$library")
  # The archive before it was stripped has the same functions, and the sizes of their frames.
  $ld -static --gc-sections --entry="${functions[0]}" "${functions[@]/#/--undefined=}" -z noexecstack \
    "$built/libimle_ffi.a" -o "$built/frames"

  echo "$target, $profile: no panic, no allocator, no trap, no writable data, nothing undefined,"
  all=$(closure "$target" "$library" "$program") || { echo "$all"; exit 1; }
  echo "no recursion, no indirect call; $all"
  "$here/stack.py" "$tools" "$built/frames" "$program" "${functions[@]}" >"$built/stack.txt"
  while read -r function stack _; do
    closure "$target" "$library" "$program" "$function" >/dev/null
    echo "$function $(flash "$tools" "$program") $stack"
  done <"$built/stack.txt" >"$built/functions.txt"
  # A program links only the functions that it calls.
  for function in imle_abi_version imle_version; do
    taken=$(awk -v name=$function '$1 == name { print $2 }' "$built/functions.txt")
    ((taken <= 32)) || { echo "FAIL: a program that calls only $function needs $taken bytes"; exit 1; }
  done
  for purpose in map gradient exact solver adaptive trees learning all; do
    called=$(functions $purpose)
    closure "$target" "$library" "$program" $called >/dev/null
    echo "$purpose $(flash "$tools" "$program") $(awk -v called=" ${called//$'\n'/ } " \
      'index(called, " " $1 " ") && $3 > most { most = $3 } END { print most }' "$built/functions.txt")"
  done >"$built/purposes.txt"
done
