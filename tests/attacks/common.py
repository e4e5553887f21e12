"""What the attacks share. Set REG to the program and BASE to a folder with a trained registry in it (`.reg`)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

REG, BASE = os.environ["REG"], os.environ["BASE"]
ROOM = tempfile.mkdtemp(prefix="reg-attack-")
tried, failures = 0, []


def copy(name):
    folder = os.path.join(ROOM, name)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["cp", "-a", BASE, folder], check=True)
    return folder


def run(registry, *arguments, seconds=60):
    """Runs reg, which may refuse and may not panic, be killed or go on for ever."""
    global tried
    tried += 1
    command = [REG, "--registry", registry, *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL, cwd=ROOM)
    except subprocess.TimeoutExpired:
        failures.append(f"{arguments}: no end after {seconds} s")
        return None
    if ended.returncode not in (0, 1, 2, 3) or b"panicked" in ended.stderr:
        failures.append(f"{arguments}: {ended.returncode} {ended.stderr[-300:]!r}")
    return ended


def end():
    shutil.rmtree(ROOM, ignore_errors=True)
    print(json.dumps({"tried": tried, "failures": failures}, indent=1))
    sys.exit(1 if failures else 0)
