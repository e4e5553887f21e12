"""Reads and writes files with errors that name them; a file is written completely or not at all."""

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
    """Turns a system error, or an error of invalid text, into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise Error(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Error(f"cannot read {path}: {error}") from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a system error into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise Error(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that replaces `path` once it is written completely; after an error it is removed."""
    with writing(path), tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            yield file
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
