#!/usr/bin/env python3
"""Packs the worker into the wheel `reg-cxr-torch`: setup/torch_wheel.py WORKER VERSION FOLDER.

The wheel has no compiled extension, which maturin would build, but a program and a launcher that finds PyTorch's libraries.
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


def main(worker, version, folder):
    program = pathlib.Path(worker).read_bytes()
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
    record = "".join(f"{name},sha256={digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = pathlib.Path(folder) / f"reg_cxr_torch-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name.endswith("reg-torch") else 0o100644) << 16
            archive.writestr(entry, data)
    print(path)


def glibc(program):
    """The minor version of the newest glibc 2 whose symbols the program needs."""
    versions = [int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", program)]
    return max(versions)


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


if __name__ == "__main__":
    main(*sys.argv[1:])
