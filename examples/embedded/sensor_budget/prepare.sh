#!/bin/sh
# Rebuilds tecator.csv and LICENSE-sktime from the pinned package. Needs pip, unzip, awk and sha256sum.
#
# tecator.csv has one spectrum per line: 100 absorbances in units of 10^-4, then fat in units of 0.1 %. Lines 1 to 172
# are for training and 173 to 215 for the test, as in the source. Every line ends with a comma, so that C can #include
# the file.
set -eu

wheel=sktime-1.2.0-py3-none-any.whl
sha256=dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
export LC_ALL=C

python3 -m pip download --quiet --no-deps sktime==1.2.0 || {
    echo "prepare.sh: cannot download $wheel with pip" >&2
    exit 1
}
echo "$sha256  $wheel" | sha256sum --check --quiet || {
    echo "prepare.sh: $wheel is not the package this script was written for" >&2
    exit 1
}
unzip -q "$wheel" 'sktime/datasets/data/Tecator/*' 'sktime-*/licenses/LICENSE'

# The source has absorbances up to 5.5 with five decimals. Four decimals fit into 16 bits.
awk -F '[,:]' '
    /^[#@]/ || NF < 101 { next }
    {
        for (i = 1; i <= 100; i++) printf "%d,", $i * 10000 + 0.5
        printf "%d,\n", $101 * 10 + 0.5
    }
' sktime/datasets/data/Tecator/Tecator_TRAIN.ts sktime/datasets/data/Tecator/Tecator_TEST.ts >"$here/tecator.csv"

cp sktime-*/licenses/LICENSE "$here/LICENSE-sktime"
