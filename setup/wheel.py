#!/usr/bin/env python3
"""What maturin does not do for the wheels: it builds an extension module, and these have programs.

    setup/wheel.py program WHEEL REG              adds the program `reg` to the wheel that maturin built
    setup/wheel.py worker REG-TORCH VERSION DIR   packs the worker and its launcher into the wheel `reg-cxr-torch`

The same files give the same bytes.
"""

import base64
import hashlib
import pathlib
import platform
import re
import sys
import zipfile

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "python/torch/regcxr_torch"
DESCRIPTION = """\
# reg-cxr-torch

The worker of reg-cxr: training and inference of a registry of chest X-ray data sets, splits, models
and results. It uses the libtorch of the PyTorch 2.11 in the same environment, for the CPU and for CUDA alike.
"""


def program(wheel, reg):
    """Adds a program that an installation puts beside `python`."""
    path = pathlib.Path(wheel)
    with zipfile.ZipFile(path) as archive:
        files = {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
    distribution = "-".join(path.name.split("-")[:2])
    files[f"{distribution}.data/scripts/reg"] = pathlib.Path(reg).read_bytes()
    write(path, files, f"{distribution}.dist-info")


def worker(program, version, folder):
    """Packs the worker."""
    program = pathlib.Path(program).read_bytes()
    tag = f"py3-none-manylinux_2_{glibc(program)}_{platform.machine()}"
    info = f"reg_cxr_torch-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.4",
        "Name: reg-cxr-torch",
        f"Version: {version}",
        "Summary: Training and inference for reg-cxr, with the libtorch of an installed PyTorch",
        "License-Expression: MIT OR Apache-2.0",
        "License-File: LICENSE-APACHE",
        "License-File: LICENSE-MIT",
        "Requires-Python: >=3.10",
        f"Requires-Dist: reg-cxr=={version}",
        "Requires-Dist: torch==2.11.*",
        "Description-Content-Type: text/markdown",
        "",
        DESCRIPTION,
    ]
    wheel = ["Wheel-Version: 1.0", "Generator: reg", "Root-Is-Purelib: false", f"Tag: {tag}", ""]
    files = {
        "regcxr_torch/__init__.py": (PACKAGE / "__init__.py").read_bytes(),
        "regcxr_torch/reg-torch": program,
        f"{info}/METADATA": "\n".join(metadata).encode(),
        f"{info}/WHEEL": "\n".join(wheel).encode(),
        f"{info}/entry_points.txt": b"[console_scripts]\nreg-torch = regcxr_torch:main\n",
        **{f"{info}/licenses/{name}": (ROOT / name).read_bytes() for name in ("LICENSE-APACHE", "LICENSE-MIT")},
    }
    write(pathlib.Path(folder) / f"reg_cxr_torch-{version}-{tag}.whl", files, info)


def write(path, files, info):
    """Writes a wheel, with the list of its files as the last of them."""
    record = f"{info}/RECORD"
    files.pop(record, None)
    lines = "".join(f"{name},sha256={digest(data)},{len(data)}\n" for name, data in files.items())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in {**files, record: f"{lines}{record},,\n".encode()}.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if data[:4] == b"\x7fELF" else 0o100644) << 16
            archive.writestr(entry, data)
    print(path)


def glibc(program):
    """The minor version of the newest glibc 2 whose symbols the program needs."""
    versions = [int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", program)]
    return max(versions)


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


if __name__ == "__main__":
    {"program": program, "worker": worker}[sys.argv[1]](*sys.argv[2:])
