"""Reads and writes files with errors that name them; what is written stands completely or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .errors import Error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns an error of the system, or of a text that is none, into one that names the file."""
    try:
        yield
    except OSError as error:
        raise Error(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Error(f"cannot read {path}: {error}") from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an error of the system into one that names the file."""
    try:
        yield
    except OSError as error:
        raise Error(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when all of it is written; after an error, nothing of it is left."""
    with writing(path), tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            yield file
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
