# Sourced by run.sh of this folder and of benches/trees, with their arguments: installs the peers (PyTorch with
# --torch), builds libimle.a in $out and sets $python and the versions of the compilers.
out=${CARGO_TARGET_DIR:-target}/peers

python3 -m venv "$out/venv"
python=$out/venv/bin/python
"$python" -m pip install --quiet -r benches/peers/requirements.txt
if [[ " $* " == *' --torch '* ]]; then "$python" -m pip install --quiet torch==2.15.0; fi

ffi/archive.sh "$out"

# library SOURCE NAME: the shared library NAME of SOURCE and imle, which in_c.py loads.
library() {
  g++ -std=c++17 -O3 -march=native -Wall -Wextra -fPIC -shared -Iinclude -Ibenches/peers "$1" "$out/libimle.a" \
    -o "$out/$2"
  export PEERS_OUT=$out PEERS_LIBRARY=$out/$2 PYTHONDONTWRITEBYTECODE=1
  PEERS_CXX=$(g++ --version | sed -n '1s/ .* / /p') PEERS_RUSTC=$(rustc --version | cut -d ' ' -f 1-2)
  export PEERS_CXX PEERS_RUSTC
}

# measure PROGRAM ARGUMENT...: runs it on one core.
# JAX: no threads of its own, as there is one core for all. torch.compile: what an earlier run compiled stays here.
measure() {
  TORCHINDUCTOR_CACHE_DIR=$out/inductor XLA_FLAGS=--xla_cpu_multi_thread_eigen=false OMP_NUM_THREADS=1 \
    taskset --cpu-list "$(($(nproc) - 1))" "$python" "$@"
}
