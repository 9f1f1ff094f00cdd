#!/usr/bin/env bash
# run.sh [--torch] [--quick] [--write]: imle beside JAX, NumPy, C++ and, with --torch (3 GB), PyTorch, eager and under
# torch.compile, on one core.
# Prints the table of benches/README.md, which --write replaces, and writes peers.tsv to target/peers.
# Needs Rust, g++, python3 with venv, and the Python package registry.
set -euo pipefail
cd "$(dirname "$0")/../.."
. benches/peers/setup.sh
library benches/peers/peers.cpp libpeers.so
measure benches/peers/measure.py "$@"
