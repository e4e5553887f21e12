"""Starts the worker of reg with the libtorch of the PyTorch that lies in the same environment."""

import importlib.util
import os
import sys
from pathlib import Path

WORKER = Path(__file__).with_name("reg-torch")
LIBRARIES = "LD_LIBRARY_PATH"


def libraries() -> Path:
    """The folder of PyTorch's libraries; PyTorch itself is not imported, which would take a second."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        sys.exit(f"PyTorch 2.11 is not installed in {sys.prefix}: `{sys.executable} -m pip install 'torch==2.11.*'`")
    return Path(torch.origin).with_name("lib")


def main() -> None:
    """The program `reg-torch`."""
    paths = [str(libraries()), *filter(None, [os.environ.get(LIBRARIES)])]
    os.execve(WORKER, ["reg-torch", *sys.argv[1:]], {**os.environ, LIBRARIES: os.pathsep.join(paths)})
