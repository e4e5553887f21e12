#!/usr/bin/env python3
"""Remotes of a stranger, with right hashes and lying contents: names that lead out of a folder, scores of images that are
not there, executions in the year 9999, lists of names that nothing can follow."""

import hashlib
import os
import shutil
import struct

from common import BASE, ROOM, end, failures, run
from forge import Forger

VICTIM = os.path.join(ROOM, "home", "victim")
# What reads a registry, and the exit code that it must have; None for any but a panic.
READING = [
    (None, "verify"),
    (3, "verify --recompute"),
    (None, "list"),
    (None, "show tiny"),
    (None, "dataset stats tiny"),
    (None, "dataset export tiny --format croissant -o OUT/croissant"),
    (None, "trace t"),
    (None, "trace t --format ro-crate -o OUT/crate"),
    (None, "report t -o OUT/t.html"),
    (None, "compare t"),
    (3, "reproduce t"),
    (None, "audit t -o OUT/t.zip"),
    (3, "audit verify OUT/t.zip"),
]
tries = 0


def taker():
    """An empty registry, and a folder for outputs."""
    for name in ("taker", "out"):
        shutil.rmtree(os.path.join(ROOM, name), ignore_errors=True)
        os.mkdir(os.path.join(ROOM, name))
    registry = os.path.join(ROOM, "taker")
    run(registry, "init", registry)
    return registry


def pull(what, forger, names=None, seq=1, code=1, words=()):
    """Pulls a forged remote, which must end so."""
    global tries
    tries += 1
    forger.everything()
    names = names or {"tiny": forger.of("dataset")[0], "t": forger.table()}
    remote = forger.remote(os.path.join(ROOM, f"remote{tries}"), names, seq)
    registry = taker()
    ended = run(registry, "pull", remote, seconds=60)
    said = ended.stderr.decode() if ended else ""
    if ended is None or ended.returncode != code or not all(word in said for word in words):
        failures.append(f"{what}: pull: {ended and ended.returncode} {said[-400:]}")
    if open(VICTIM).read() != "victim":
        failures.append(f"{what}: the victim was changed")
    return registry


def read_all(what, registry):
    out = os.path.join(ROOM, "out")
    for code, command in READING:
        # Where nothing could be bundled, there is nothing to verify.
        if "audit verify" in command and not os.path.exists(os.path.join(out, "t.zip")):
            continue
        ended = run(registry, *command.replace("OUT", out).split(), seconds=60)
        if code is not None and ended is not None and ended.returncode != code:
            failures.append(f"{what}: {command}: {ended.returncode}, not {code}: {ended.stderr[-300:]!r}")
    if open(VICTIM).read() != "victim":
        failures.append(f"{what}: the victim was changed")


def named(name):
    """A manifest whose first image has another name, and contents that somebody chose."""
    forger = Forger(BASE)
    evil = b"echo attacked\n"

    def manifest(it):
        rest = hashlib.sha256(evil).digest() + struct.pack("<Q", len(evil)) + it.rows[0][2][40:]
        it.rows[0] = [name, forger.put(evil), rest]
        it.rows.sort(key=lambda row: row[0].encode())

    forger.manifest = manifest
    return forger


def execution(**fields):
    forger = Forger(BASE)
    forger.record = lambda kind, document: {**document, **fields} if kind == "execution" else document
    return forger


def far(data):
    """Scores of images far behind the end of their manifest."""
    (rows,) = struct.unpack_from("<Q", data, 12)
    numbers = struct.unpack_from(f"<{rows}I", data, 20)
    return data[:20] + struct.pack(f"<{rows}I", *(row + 1_000_000 for row in numbers)) + data[20 + 4 * rows :]


def main():
    os.mkdir(os.path.dirname(VICTIM))
    with open(VICTIM, "w") as file:
        file.write("victim")
    honest = Forger(BASE)
    registry = pull("honest", honest, code=0)
    for command in ("verify", "verify --recompute", "reproduce t"):
        ended = run(registry, *command.split(), seconds=60)
        if ended is None or ended.returncode != 0:
            failures.append(f"honest: {command}: {ended and ended.stderr[-300:]!r}: forge.py does not fit this format")
    for name in ["../../../home/victim", VICTIM, "..", "a/b", "a\\b", "a\nb", "", "x\u202e.png", "x" * 256]:
        pull(f"an image called {name!r}", named(name), words=["not a valid packed manifest", "is not the name of an image"])
    for started in ["9999-12-31T23:59:59Z", "yesterday", "2026-11-05T08:30:00+01:00", "", "\u202e2026"]:
        pull(f"started {started!r}", execution(started=started), words=["not a valid execution record", "its `started` is"])
    for seconds in [-1.0, 1e300, 1e10]:
        pull(f"{seconds} seconds", execution(seconds=seconds), words=["not a valid execution record", "its `seconds` are"])
    short = Forger(BASE)
    short.manifest = lambda manifest: manifest.keep(1)
    read_all("a manifest of one row", pull("a manifest of one row", short, code=0))
    scores = Forger(BASE)
    scores.scores = far
    read_all("scores of no image", pull("scores of no image", scores, code=0))
    for name in ["../../x", "a b", "\x1b[31m", ""]:
        forger = Forger(BASE).everything()
        pull(f"a record named {name!r}", forger, {name: forger.table()}, words=["cannot be a name"])
    pull("the last number", Forger(BASE), seq=2**64 - 1, words=["tampered"])
    end()


main()
