#!/usr/bin/env bash
# run.sh [--torch] [--quick] [--write]: the best trees and exact marginals of sentences, by imle and by C++,
# TurboParser, networkx, JAX and, with --torch (3 GB), PyTorch, on one core.
# Prints the table of benches/README.md, which --write replaces.
# Needs Rust, g++, python3 with venv, and the Python package registry.
set -euo pipefail
cd "$(dirname "$0")/../.."
. benches/peers/setup.sh
"$python" -m pip install --quiet -r benches/trees/requirements.txt
library benches/trees/trees.cpp libtrees.so
PYTHONPATH=benches/peers measure benches/trees/measure.py "$@"
