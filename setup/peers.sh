#!/usr/bin/env bash
# Puts the tools of others that the exports are checked with into ./peers, a virtual environment of Python
# (1 GB, of which pyarrow, polars and DuckDB are the half). Versions and hashes are pinned in peers.txt. Idempotent.
set -euo pipefail
cd "$(dirname "$0")/.."

if cmp -s setup/peers.txt peers/installed.txt && peers/bin/python -c '' 2>/dev/null; then
  echo "setup: the peers are in place"; exit 0
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "setup: the peers need Python 3.11 or newer, and this is $(python3 --version)" >&2; exit 1; }
rm -rf peers
python3 -m venv peers || {
  echo "hint: apt-get install python3-venv, or what your system calls it" >&2; exit 1; }
echo "setup: installing the tools that exports are checked with (about 300 MB to fetch)"
# One of them comes as source, all others as wheels: nothing is compiled.
peers/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --no-binary jsonpath-rw \
  --require-hashes -r setup/peers.txt
cp setup/peers.txt peers/installed.txt
echo "setup: the peers are in ./peers"
