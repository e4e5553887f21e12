#!/usr/bin/env bash
# Builds the wheels into ./dist: `reg-cxr`, the program `reg` and the Python module, and `reg-cxr-torch`, the worker. Both are
# built for release, which compiles everything a second time (20 minutes on two cores). Checks what they need of a system.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n1)
target=${CARGO_TARGET_DIR:-target}
tools=$target/wheels

if ! cmp -s setup/wheels.txt "$tools/installed.txt"; then
  rm -rf "$tools"
  python3 -m venv "$tools" || {
    echo "hint: apt-get install python3-venv, or what your system calls it" >&2; exit 1; }
  echo "wheels: installing maturin and auditwheel"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes -r setup/wheels.txt
  cp setup/wheels.txt "$tools/installed.txt"
fi

# The program with the module, because these have the same crates with the same features: maturin compiles nothing again.
cargo build --release -p reg -p reg-python
# The worker gets no path of this machine: its launcher finds libtorch (python/torch).
export REG_TORCH_FOR_WHEEL=1
cargo build --release -p reg-torch

mkdir -p dist
rm -f dist/*.whl
"$tools/bin/maturin" build --release --manifest-path python/Cargo.toml --out dist --compatibility manylinux_2_34
setup/wheel.py program dist/reg_cxr-*.whl "$target/release/reg"
setup/wheel.py worker "$target/release/reg-torch" "$version" dist
for wheel in dist/*.whl; do
  echo "wheels: $wheel, $(stat -c %s "$wheel") bytes"
done
"$tools/bin/auditwheel" show dist/reg_cxr-*.whl
