#!/usr/bin/env bash
# Compiles and runs the MPI example with 1, 2 and 4 ranks, and with a rank that dies. Run tests/c/run.sh first, which
# builds the library. Prints each proof.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
proved() { echo "ok: $*"; }
fail() { echo "$*"; cat "$tmp/log"; exit 1; }

# OpenMPI's own C++ interface, which the program does not use, has warnings.
mpicxx -std=c++17 -DOMPI_SKIP_MPICXX -Wall -Wextra -Wpedantic -Wconversion -Wdouble-promotion -Werror \
    -ffp-contract=off -O3 -fno-math-errno -Iinclude examples/cpp/training_loop_mpi.cpp \
    "${CARGO_TARGET_DIR:-target}/c/libimle.a" -o "$tmp/program"

# job RANKS OPTION...: trains for one epoch, 213 steps; its results are in $tmp/out.
job() {
    timeout 600 mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$1" "$tmp/program" --epochs 1 "${@:2}" \
        >"$tmp/out" 2>"$tmp/log"
}
# same RANKS OPTION...: checks that the job gives the results of one rank.
same() {
    job "$@" || fail "the job failed: $*"
    diff "$tmp/one" "$tmp/out"
}

job 1 || fail "the job of one rank failed"
grep -q '^fingerprint of the weights: [0-9a-f]\{16\}$' "$tmp/out"
cp "$tmp/out" "$tmp/one"
cat "$tmp/one"
for ranks in 2 4; do
    same $ranks
done
# Every loss and every gradient depends on the choices, so they were the same, too.
proved "1, 2 and 4 ranks train the same weights, bit for bit"

# dies AFTER: a rank of a job of 2 dies after this step.
dies() {
    if job 2 --state "$tmp/state" --kill "$1"; then fail "the job goes on without a rank"; fi
    ! grep -q fingerprint "$tmp/out"
}
dies 71
cp "$tmp/state" "$tmp/first"
same 2 --state "$tmp/state"
grep -q '^2 ranks start after step 60$' "$tmp/log"
proved "a rank that dies ends the job with an error; started again, the job gets the same weights from its saved state"

cp "$tmp/first" "$tmp/state"
dies 153
same 4 --state "$tmp/state"
grep -q '^4 ranks start after step 140$' "$tmp/log"
proved "so it does when a rank dies twice, and with another number of ranks"

# refused MESSAGE OPTION...: checks that the job ends with this message.
refused() {
    if job 2 "${@:2}"; then fail "accepted: ${*:2}"; fi
    grep -qF -- "$1" "$tmp/log" || fail "should say: $1"
}
refused "$tmp/first: is not the state of a run with these options and data" --state "$tmp/first" --seed 2
truncate -s -1 "$tmp/first"
refused "$tmp/first: is not the state of a run with these options and data" --state "$tmp/first"
refused "no/such/directory/state.unfinished: cannot be written" --state no/such/directory/state
refused "no/such/file: cannot be read" --data no/such/file
refused "--ranks: expected --data, --epochs, --k, --seed, --state or --kill" --ranks 2
proved "states of other runs, damaged ones, files that cannot be read or written, and unknown options are refused"
