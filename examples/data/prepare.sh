#!/bin/sh
# Rebuilds movie_reviews.tsv, valence_lexicon.tsv and LICENSE-vader from the pinned source package.
# Needs pip, tar, awk and sha256sum. README.md says what this script changes and why.
set -eu

package=vaderSentiment-3.3.2
sha256=5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
export LC_ALL=C # work on bytes, so that the files do not depend on the locale

python3 -m pip download --quiet --no-deps --no-binary :all: vaderSentiment==3.3.2 || {
    echo "prepare.sh: cannot download $package with pip" >&2
    exit 1
}
echo "$sha256  $package.tar.gz" | sha256sum --check --quiet || {
    echo "prepare.sh: $package.tar.gz is not the archive this script was written for" >&2
    exit 1
}
tar -xzf "$package.tar.gz"
tar -xzf "$package/additional_resources/hutto_ICWSM_2014.tar.gz"

# The columns are id, score, text. The scores are means of 15 to 29 ratings, which stay different with four decimals.
awk -F '\t' -v OFS='\t' '
    { sub(/\r$/, "") }
    {
        text = $3
        gsub(/&amp;/, "\\&", text)
        gsub(/–/, "-", text)
        gsub(/’/, "\047", text)
        gsub(/  +/, " ", text)
        sub(/ $/, "", text)
    }
    text in seen { next }
    {
        seen[text] = 1
        score = sprintf("%.4f", $2)
        sub(/\.?0+$/, "", score)
        if (score == "-0") score = "0"
        print $1, score, text
    }
' hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt >"$here/movie_reviews.tsv"

# The columns are word, mean valence. If a word is listed twice, its first line counts.
awk -F '\t' -v OFS='\t' '!($1 in seen) { seen[$1] = 1; print $1, $2 }' \
    "$package/vaderSentiment/vader_lexicon.txt" >"$here/valence_lexicon.tsv"

{ tr -d "\r" <"$package/LICENSE.txt"; echo; } >"$here/LICENSE-vader"
