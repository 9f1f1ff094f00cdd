#!/usr/bin/env bash
# instructions.sh [--check | --write]: counts the instructions per coordinate of every call with valgrind. Unlike times,
# these figures repeat. No row may take more than SLOWEST times the instructions of a normal row. --check also fails if a
# count is more than TOLERANCE above its value in benches/instructions.tsv, and --write replaces that file. Counts depend
# on the compiler: with another rustc than the one in the file nothing is compared, and that is a failure if CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly SLOWEST=2.5 TOLERANCE=0.03 recorded=benches/instructions.tsv
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# count LEVEL FEATURES: lines of LEVEL, case, instructions per coordinate.
count() {
  local program
  program=$(cargo bench --quiet --no-run -p imle-benches --bench instructions --features "$2" --message-format=json |
    sed -n 's/.*"name":"instructions".*"executable":"\([^"]*\)".*/\1/p')
  rm -f "$tmp"/out*
  valgrind --quiet --tool=callgrind --callgrind-out-file="$tmp/out" --toggle-collect='*instructions::counted*' \
    --dump-before='*instructions::report*' "$program" >"$tmp/cases" 2>/dev/null
  # Dump number i belongs to case number i.
  for i in $(seq "$(wc -l <"$tmp/cases")"); do sed -n 's/^totals: //p' "$tmp/out.$i"; done |
    paste "$tmp/cases" - |
    awk -F '\t' -v level="$1" '{ printf "%s\t%s\t%.2f\n", level, $1, $3 / $2 }'
}

# Valgrind hides AVX-512, so imle takes AVX2 on a machine that has it.
{
  printf '# %s\n' "$(rustc --version)"
  if grep -qw avx2 /proc/cpuinfo; then count avx2 ''; fi
  count portable imle/no-avx2
} >"$tmp/counts"
echo 'instructions per coordinate'
awk -F '\t' '!/^#/ { printf "%-8s  %-32s %8.2f\n", $1, $2, $3 }' "$tmp/counts"

# A case is "SHAPE CALL" for normal rows and "SHAPE ROWS CALL" for others, and the shape has three words.
awk -F '\t' -v slowest=$SLOWEST '
  /^#/ { next }
  { words = split($2, word, " "); normal = $1 " " word[1] " " word[2] " " word[3] " " word[words] }
  words == 4 { count[normal] = $3 }
  words > 4 && normal in count {
    ratio = $3 / count[normal]
    if (ratio > worst) { worst = ratio; name = $1 " " $2 }
    if (ratio > slowest) { printf "slow: %s %s takes %.2f times a normal row\n", $1, $2, ratio; failed = 1 }
  }
  END { printf "the slowest row takes %.2f times a normal row: %s\n", worst, name; exit failed }' "$tmp/counts"

case ${1:-} in
  --write) cp "$tmp/counts" "$recorded" ;;
  --check)
    if [[ $(head -1 "$tmp/counts") != "$(head -1 "$recorded")" ]]; then
      echo "not compared: $recorded is of $(head -1 "$recorded" | cut -c 3-)"
      echo "To renew it: --check with that rustc, then benches/instructions.sh --write with this one, and commit."
      [[ ${CI:-} != true ]]
      exit
    fi
    awk -F '\t' -v tolerance=$TOLERANCE '
      /^#/ { next }
      NR == FNR { before[$1, $2] = $3; next }
      !(($1, $2) in before) { print "not recorded: " $1 " " $2; failed = 1; next }
      $3 > before[$1, $2] * (1 + tolerance) { print "slower: " $1 " " $2 ": " before[$1, $2] " -> " $3; failed = 1 }
      $3 < before[$1, $2] * (1 - tolerance) { print "faster: " $1 " " $2 ": " before[$1, $2] " -> " $3 }
      END { exit failed }' "$recorded" "$tmp/counts"
    echo "ok: no call counted takes more instructions than recorded, to 3 %"
    ;;
esac
