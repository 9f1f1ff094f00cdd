#!/usr/bin/env bash
# Checks that the main job gives the results of the READMEs, writes its page, and refuses bad input with one line and
# exit code 2.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/page.sh

cargo build --quiet --profile example -p learning_to_explain
explain() { "${CARGO_TARGET_DIR:-target}/example/learning_to_explain" "$@"; }

explain --seeds 3 --out "$tmp/page.html" 2>/dev/null | tee "$tmp/table"
# mean METHOD COLUMN: the first number of that column in the row of the method.
mean() { awk -F '  +' -v method="$1" -v column="$2" 'index($0, method) { split($column, n, " "); print n[1] }' "$tmp/table"; }
r2=$(mean '5 words, I-MLE' 3) random=$(mean '5 random words' 3) ratio=$(mean '5 words, I-MLE' 5)
awk -v r2="$r2" -v random="$random" -v ratio="$ratio" \
  'BEGIN { exit !(r2 >= 0.38 && random > 0 && r2 > random && ratio >= 1.7) }'
whole_page "$tmp/page.html"
echo "ok: test R² $r2 (5 random words: $random), lexicon share $ratio times random, one self-contained page"

# The example's README has this table: MSE and R² of every method. The main README names three values of R².
readme=examples/learning_to_explain/README.md
for method in 'all words' '5 random words' '5 words, straight-through' '5 words, I-MLE'; do
  mse=$(mean "$method" 2) r2=$(mean "$method" 3)
  grep "| [*]*$method" "$readme" | grep -q "$mse ± .*${r2#0} ±" || { echo "$readme has another row for: $method"; exit 1; }
done
for method in 'all words' '5 random words' '5 words, I-MLE'; do
  r2=$(mean "$method" 3)
  tr '\n' ' ' <README.md | grep -qF "R² = ${r2#0}" || { echo "README.md lacks R² = ${r2#0} of: $method"; exit 1; }
done
echo "ok: the READMEs have these results"

for i in {1..120}; do printf '%d\t%d\tword%d and more\n' "$i" $((i % 7 - 3)) "$i"; done >"$tmp/good.tsv"
sed '50s/.*/50\tno score here/' "$tmp/good.tsv" >"$tmp/score.tsv"
sed '60s/word60/\xe9/' "$tmp/good.tsv" >"$tmp/latin1.tsv"
{ cat "$tmp/good.tsv"; printf '121\t1\t\n122\t1\t...\n'; } >"$tmp/empty.tsv"
explain --data "$tmp/empty.tsv" --k 2 --epochs 1 --out "$tmp/page.html" 2>&1 >/dev/null | grep -q 'empty.tsv: skipped 2 lines'
for i in {0..99}; do printf '%d\t%de17\tword%d and more\n' "$i" $((i * 6)) "$i"; done >"$tmp/huge.tsv"
for i in {1..100}; do printf '%d\t%d\tword%d and more\n' "$i" $((i == 100)) "$i"; done >"$tmp/alike.tsv"
refuses explain 'huge.tsv:2: the score 6e17 is too large to be squared' --data "$tmp/huge.tsv"
refuses explain 'alike.tsv:[0-9]*: the training scores of seed [0-9]* are too much alike' --data "$tmp/alike.tsv" --k 2 --seeds 30
refuses explain 'missing.tsv: ' --data "$tmp/missing.tsv"
refuses explain 'score.tsv:50: ' --data "$tmp/score.tsv"
refuses explain 'latin1.tsv:60: not UTF-8' --data "$tmp/latin1.tsv"
refuses explain 'more than the 3 words' --data "$tmp/good.tsv" --k 4
refuses explain "'0'" --k 0
refuses explain 'lambda must be' --lambda=-1
refuses explain 'expected "adaptive" or a number' --lambda=some
echo "ok: bad input is refused with file and line, exit code 2; lines without a word are skipped and counted"
