"""Programs that a benchmark measures beside reg where they are installed."""

import os
import shutil
import sys


def optional(program):
    """Where a program is; none where it is not there, which ends the benchmark with REG_STRICT=1, as it fails a test."""
    path = shutil.which(program)
    if path is None and os.environ.get("REG_STRICT") == "1":
        sys.exit(f"REG_STRICT=1, and {program} is not there")
    return path
