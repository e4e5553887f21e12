#!/usr/bin/env python3
"""Pipes, devices, links, folders, sparse files and junk in each place of a registry, under each of several commands."""

import os
import shutil
import stat

from common import ROOM, copy, end, failures, run

VICTIM = os.path.join(ROOM, "victim")
PLACES = "id shared commits format lock turn reg.redb tmp cache live slurm heads objects objects/aa".split()
PLACES += ["objects/head-00000000000000000099"]
KINDS = "fifo zero device link dir sparse junk".split()
COMMANDS = [["list"], ["log"], ["verify"], ["doctor"], ["gc"], ["tag", "zz", "tiny"], ["reindex"], ["push", "elsewhere"]]


def put(kind, path):
    if os.path.islink(path) or os.path.isfile(path):
        os.remove(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        os.symlink("/dev/zero", path)
    elif kind == "device" and os.geteuid() == 0:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    elif kind == "link":
        os.symlink(VICTIM, path)
    elif kind == "dir":
        os.mkdir(path)
    elif kind == "sparse":
        with open(path, "wb") as file:
            file.truncate(1 << 40)
    elif kind == "junk":
        with open(path, "wb") as file:
            file.write(b"18446744073709551615 18446744073709551615 " + b"f" * 64 + b"\n\x1b[31m\n")


def main():
    with open(VICTIM, "w") as file:
        file.write("victim")
    for place in PLACES:
        for kind in KINDS:
            if (place, kind) == ("reg.redb", "sparse"):
                continue  # a database has no limit but the disk
            registry = copy("registry")
            shutil.rmtree(os.path.join(ROOM, "elsewhere"), ignore_errors=True)
            put(kind, os.path.join(registry, ".reg", place))
            for command in COMMANDS:
                run(registry, *command)
            if open(VICTIM).read() != "victim":
                failures.append(f"{kind} in {place}: the victim was changed")
    end()


main()
