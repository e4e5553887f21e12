#!/usr/bin/env python3
"""Writes requirements with the hashes of all their files, for `pip install --require-hashes`.

    peers/bin/pip freeze | setup/hashes.py

reads lines `NAME==VERSION` and asks the package index that pip asks, or the one that PIP_INDEX_URL names.
"""

import json
import os
import re
import sys
import urllib.request

from pip._internal.models.index import PyPI

INDEX = os.environ.get("PIP_INDEX_URL", PyPI.simple_url).rstrip("/")


def files(name):
    request = urllib.request.Request(f"{INDEX}/{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["files"]


def main():
    for line in sys.stdin:
        pinned = re.fullmatch(r"([A-Za-z0-9._-]+)==([^\s]+)", line.split(" --hash")[0].strip())
        if not pinned:
            sys.stdout.write(line)
            continue
        name, version = pinned.groups()
        project = re.sub(r"[-_.]+", "-", name).lower()
        # A wheel is NAME-VERSION-TAGS.whl, a source NAME-VERSION.tar.gz.
        of = [f for f in files(project) if re.search(rf"-{re.escape(version)}(-|\.tar\.gz$|\.zip$)", f["filename"])]
        hashes = sorted({f["hashes"]["sha256"] for f in of if fits(f["filename"])})
        if not hashes:
            sys.exit(f"{line.strip()}: the index has no file of it")
        print(f"{name}=={version}" + "".join(f" \\\n    --hash=sha256:{value}" for value in hashes))


def fits(file):
    """Whether a file may be installed on Linux by a Python from 3.11 on."""
    if not file.endswith(".whl"):
        return True
    tags = file[:-4].split("-")[-3:]
    python = re.match(r"cp3(\d+)$", tags[0])
    new_enough = not python or int(python[1]) >= 11 or tags[1] == "abi3"
    return new_enough and ("any" in tags[2] or "manylinux" in tags[2])


if __name__ == "__main__":
    main()
