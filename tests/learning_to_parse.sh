#!/usr/bin/env bash
# Checks that learning to parse finds the trees of nested lists, gives the tables of its README, writes its page, and
# refuses bad input with one line and exit code 2.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/page.sh

cargo build --quiet --profile example -p learning_to_parse
parse() { "${CARGO_TARGET_DIR:-target}/example/learning_to_parse" "$@"; }

parse --out "$tmp/page.html" 2>/dev/null | tee "$tmp/table"
# column METHOD COLUMN: that number in the first row of the method.
column() { awk -F '  +' -v method="$1" -v column="$2" 'index($0, method) { sub(" .*", "", $column); print $column; exit }' "$tmp/table"; }
trees=$(column 'trees, I-MLE' 2) chain=$(column 'chain, head before' 2) behind=$(column 'chain, head behind' 2)
awk -v trees="$trees" -v chain="$chain" -v behind="$behind" 'BEGIN { exit !(trees >= 95 && chain < 60 && behind < 60) }'
whole_page "$tmp/page.html"
grep -q '<path d="M' "$tmp/page.html"
echo "ok: trees of I-MLE have $trees % of the arcs right, chains of neighbours $chain %, one self-contained page"

# The README has these tables.
sed -nE 's/^ (.*[^ ]) *$/\1/p' "$tmp/table" | sed -E 's/  +/ | /g; s/.*/| & |/' >"$tmp/rows"
[[ $(wc -l <"$tmp/rows") == 14 ]]
while IFS= read -r row; do
  grep -qxF -- "$row" examples/learning_to_parse/README.md || { echo "the README has no row: $row"; exit 1; }
done <"$tmp/rows"
echo "ok: the README has these tables"

for i in {1..120}; do printf '%d\t%d\tword%d and more\n' "$i" $((i % 7 - 3)) "$i"; done >"$tmp/good.tsv"
sed '50s/.*/50\tno score here/' "$tmp/good.tsv" >"$tmp/score.tsv"
printf -v long 'word %.0s' {1..41}
sed "s/word.*/$long/" "$tmp/good.tsv" >"$tmp/long.tsv"
refuses parse 'missing.tsv: ' --data "$tmp/missing.tsv"
refuses parse 'score.tsv:50: ' --data "$tmp/score.tsv"
refuses parse 'long.tsv: too few texts of at most 40 words' --data "$tmp/long.tsv"
refuses parse "'99'" --lists 99
refuses parse "'0'" --epochs 0
echo "ok: bad input is refused with file and line, exit code 2"
