"""Writes what one keeps of runs without reg, for history.sh: lists.py REG RUNS FOLDER NAMES

For each run a folder with train.txt, val.txt and test.txt, the names of its images, taken from the packed
assignment of its split as schema/on-disk.md describes it.
"""

import json
import os
import struct
import subprocess
import sys


def main():
    reg, runs, folder, names = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    names = sorted(line.strip() for line in open(names))

    def cat(what):
        return subprocess.run([reg, "cat", what], check=True, stdout=subprocess.PIPE).stdout

    def folds(split):
        packed, at = cat(json.loads(cat(split))["assignment"]), 12
        (count,) = struct.unpack_from("<Q", packed, at)
        at += 8
        for _ in range(count):
            (length,) = struct.unpack_from("<Q", packed, at)
            yield packed[at + 8 : at + 8 + length]
            at += 8 + length

    by_split = {split: list(folds(split)) for split in ("folds", "few")}
    for run in range(runs):
        codes = by_split["folds"][run % 5] if run % 4 < 3 else by_split["few"][0]
        place = f"{folder}/{run:03}"
        os.makedirs(place)
        for code, subset in enumerate(("train", "val", "test")):
            with open(f"{place}/{subset}.txt", "w") as out:
                out.writelines(f"{name}\n" for name, at in zip(names, codes) if at == code)


main()
