#!/usr/bin/env bash
# Puts libtorch 2.11.0 (CPU) into ./libtorch, where .cargo/config.toml points the build.
#
# It is cut out of the PyPI wheel of PyTorch, which is a CUDA build: only the headers and the CPU
# libraries are kept (450 MB), beside the two small CUDA run-time libraries that libtorch_cpu.so
# names as needed. The wheels are pinned by SHA-256 in libtorch.txt. Idempotent; an existing
# LIBTORCH or LIBTORCH_USE_PYTORCH is honoured and nothing is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
version=2.11.0

if [ -n "${LIBTORCH_USE_PYTORCH:-}" ]; then
  python=python3; [ -n "${VIRTUAL_ENV:-}" ] && python=python
  found=$("$python" -c 'import torch; print(torch.__version__.split("+")[0])') || {
    echo "setup: LIBTORCH_USE_PYTORCH is set, but $python cannot import torch" >&2
    echo "hint: install torch==$version there, or unset LIBTORCH_USE_PYTORCH" >&2; exit 1; }
  [ "$found" = "$version" ] || {
    echo "setup: LIBTORCH_USE_PYTORCH is set, but that PyTorch is $found, not $version" >&2; exit 1; }
  echo "setup: using the PyTorch $found of $python"; exit 0
fi
if [ -n "${LIBTORCH:-}" ]; then
  [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] || [ -e "$LIBTORCH/lib/libtorch_cpu.dylib" ] || {
    echo "setup: LIBTORCH=$LIBTORCH has no lib/libtorch_cpu" >&2
    echo "hint: unset LIBTORCH to let setup fetch libtorch $version" >&2; exit 1; }
  echo "setup: using LIBTORCH=$LIBTORCH"; exit 0
fi
if [ "$(cat libtorch/build-version 2>/dev/null)" = "$version" ]; then
  echo "setup: libtorch $version is in place"; exit 0
fi
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "setup: libtorch can be fetched for Linux x86_64 only, this is $(uname -sm)" >&2
  echo "hint: install libtorch or PyTorch $version and set LIBTORCH or LIBTORCH_USE_PYTORCH=1" >&2; exit 1
fi

work=$(mktemp -d .libtorch.XXXXXX)
trap 'rm -rf "$work"' EXIT
echo "setup: fetching libtorch $version (about 540 MB)"
# The platform and Python tags are fixed, so that any Python 3 with pip fetches the same bytes.
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --implementation cp --python-version 3.11 --abi cp311 --abi none \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
  --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
  --require-hashes -r setup/libtorch.txt --dest "$work"
python3 - "$work" <<'PY'
import pathlib, shutil, sys, zipfile
work = pathlib.Path(sys.argv[1])
root = work / "libtorch"
keep = {"libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"}
for wheel in sorted(work.glob("*.whl")):
    with zipfile.ZipFile(wheel) as z:
        for info in z.infolist():
            path = pathlib.PurePosixPath(info.filename)
            if path.parts[:2] == ("torch", "include") and not info.is_dir():
                target = root / path.relative_to("torch")
            elif path.name in keep and "lib" in path.parts:
                target = root / "lib" / path.name
            else:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with z.open(info) as source, open(target, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
missing = keep - {p.name for p in (root / "lib").iterdir()}
assert not missing, f"not in the wheels: {missing}"
# The linker asks for -lgomp and -ltorch. The wheel's own libtorch.so would pull in CUDA; a linker
# script of that name leads to the CPU library instead.
(root / "lib/libgomp.so").symlink_to("libgomp.so.1")
(root / "lib/libtorch.so").write_text("INPUT(libtorch_cpu.so)\n")
PY
echo "$version" >"$work/libtorch/build-version"
rm -rf libtorch
mv "$work/libtorch" libtorch
echo "setup: libtorch $version is in ./libtorch"
