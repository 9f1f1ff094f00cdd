#!/usr/bin/env bash
# run.sh [--torch] [--quick] [--write]: imle beside JAX, NumPy, C++ and, with --torch (3 GB), PyTorch, eager and under
# torch.compile, on one core.
# Prints the table of benches/README.md, which --write replaces, and writes peers.tsv to target/peers.
# Needs Rust, g++, python3 with venv, and the Python package registry.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
out=${CARGO_TARGET_DIR:-target}/peers

python3 -m venv "$out/venv"
python=$out/venv/bin/python
"$python" -m pip install --quiet -r "$here/requirements.txt"
if [[ " $* " == *' --torch '* ]]; then "$python" -m pip install --quiet torch==2.15.0; fi

ffi/archive.sh "$out"
g++ -std=c++17 -O3 -march=native -Wall -Wextra -fPIC -shared -Iinclude "$here/peers.cpp" "$out/libimle.a" \
  -o "$out/libpeers.so"

export PEERS_OUT=$out PEERS_LIBRARY=$out/libpeers.so PYTHONDONTWRITEBYTECODE=1
PEERS_CXX=$(g++ --version | sed -n '1s/ .* / /p') PEERS_RUSTC=$(rustc --version | cut -d ' ' -f 1-2)
export PEERS_CXX PEERS_RUSTC
# JAX: no threads of its own, as there is one core for all. torch.compile: what an earlier run compiled stays here.
TORCHINDUCTOR_CACHE_DIR=$out/inductor XLA_FLAGS=--xla_cpu_multi_thread_eigen=false OMP_NUM_THREADS=1 \
  taskset --cpu-list "$(($(nproc) - 1))" "$python" "$here/measure.py" "$@"
