#!/usr/bin/env bash
# test.sh [--torch] [--jax]: builds the Python package, installs it into a virtual environment, and runs its tests.
# The environment is made once, in $CARGO_TARGET_DIR/python (by default target/python), and holds NumPy and the tools of
# the build and the tests. --torch adds the tests of libimle.torch, and --jax those of libimle.jax, with the PyTorch and
# the JAX of benches/peers/run.sh if they are installed; otherwise they are installed, too. PyTorch takes two minutes and
# 5.6 GB, JAX 400 MB.
# Needs Rust, a C++17 compiler, CMake, python3 with venv, and the Python package registry.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${CARGO_TARGET_DIR:-target}/python
mkdir -p "$out"
out=$(cd "$out" && pwd)
python=$out/venv/bin/python
export PYTHONDONTWRITEBYTECODE=1 PATH=$out/venv/bin:$PATH

[[ -x $python ]] || python3 -m venv "$out/venv"
"$python" -m pip install --quiet -r ffi/python/tests/requirements.txt
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
peers=${packages/#"$out"/"$(dirname "$out")/peers"}
wanted=" $* "
wants() { [[ $wanted == *" --$1 "* ]]; }
for package in torch==2.15.0 jax==0.10.2; do
  wants "${package%==*}" || continue
  if [[ -d $peers/${package%==*} ]]; then
    echo "$peers" >"$packages/peers.pth"
  else
    "$python" -m pip install --quiet "$package"
  fi
done
wants torch && "$python" -m pip install --quiet -r ffi/python/examples/requirements.txt

# The build directory stays, so that a second run compiles only what has changed.
"$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$out/wheel" \
  --config-settings=build-dir="$out/build" ./ffi/python
"$out/venv/bin/auditwheel" repair --wheel-dir "$out/manylinux" "$out"/wheel/libimle-*.whl
"$python" -m pip install --quiet --no-deps --force-reinstall "$out"/manylinux/libimle-*.whl

check_types() { "$python" -m mypy --strict --cache-dir "$out/mypy" "$@"; }
run_tests() { LIBIMLE_SO=$out/build/imle/libimle.so "$python" -m pytest -q -p no:cacheprovider "$@"; }
check_types ffi/python/libimle/*.py
run_tests ffi/python/tests --ignore ffi/python/tests/with_torch --ignore ffi/python/tests/with_jax
for framework in torch jax; do
  wants "$framework" || continue
  check_types -p "libimle.$framework"
  run_tests "ffi/python/tests/with_$framework"
done
if wants torch; then check_types -p libimle.compat; fi
