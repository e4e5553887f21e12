"""Measures commands for scale.sh and writes its table.

measure.py run RESULTS LABEL COMMAND…      wall time and peak memory of one run
measure.py starts RESULTS LABEL COMMAND…   wall times of 20 runs
measure.py report RESULTS OBJECTS LARGE    the table; OBJECTS were verified, LARGE images copied
"""

import json
import os
import statistics
import subprocess
import sys
import time

STARTS = 20


def run(command):
    """Seconds and peak memory in MB of the largest process of a command that must succeed."""
    with open(os.devnull, "wb") as null:
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdout=null)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"measure: {' '.join(command)} ended with {child.returncode}")
    return {"seconds": seconds, "mb": used.ru_maxrss / 1024}


def note(results, label, measured):
    with open(results, "a") as file:
        print(json.dumps({"label": label, **measured}), file=file)


def report(results, objects, large):
    seconds, memory = {}, {}
    for line in open(results):
        one = json.loads(line)
        seconds.setdefault(one["label"], []).append(one["seconds"])
        memory[one["label"]] = max(memory.get(one["label"], 0), one["mb"])
    time_of = {label: statistics.median(runs) for label, runs in seconds.items()}

    def row(label, what, against=(), limit=None):
        if label not in time_of:
            return
        took = time_of[label]
        spread = f"{min(seconds[label]):.3f}-{max(seconds[label]):.3f}"
        line = f"  {what:<34} {took:9.3f} s  {spread:>17}  {memory[label]:6.0f} MB"
        for other, name in against:
            if other in time_of:
                line += f"  {took / time_of[other]:5.2f} x {name}"
        if limit is not None:
            bound, says = limit
            line += f"  target {says}: {'met' if bound(took) else 'MISSED'}"
        print(line)

    def below(part, label):
        return (lambda took: took < part * time_of[label]) if label in time_of else None

    def share(part, says, label):
        bound = below(part, label)
        return (bound, says) if bound else None

    floor = [("small/link", "links"), ("small/hash", "b3sum"), ("small/dvc", "dvc")]
    print("\nmedian, smallest to largest, and peak memory, of each step")
    print(f"on {os.cpu_count()} cores, 15-minute load {os.getloadavg()[2]:.1f}\n")
    print("ingest of small images by hard links")
    row("small/link", "cp -rl and sync")
    row("small/hash", "b3sum")
    row("small/dvc", "dvc add", floor[:2])
    row("small/reg", "reg ingest", floor, share(1 / 4, "< 1/4 of dvc", "small/dvc"))
    print(f"  {'peak memory of reg ingest':<34} {memory['small/reg']:9.0f} MB"
          f"  target < 200 MB: {'met' if memory['small/reg'] < 200 else 'MISSED'}")
    print("the same again, nothing changed")
    row("small/dvc-again", "dvc add")
    row("small/reg-again", "reg ingest", [("small/dvc-again", "dvc"), ("small/reg", "first ingest")])
    print(f"ingest of {large} images of 1024 x 1024 by copy")
    row("large/copy", "cp -r and sync")
    row("large/reg", "reg ingest", [("large/copy", "cp -r and sync")])
    print(f"start to end, of {STARTS}")
    row("start/nothing", "true")
    for label, what in [("list", "reg list"), ("show-name", "reg show NAME"), ("show-prefix", "reg show ID")]:
        row(f"start/{label}", what, limit=(lambda took: took < 0.010, "< 10 ms"))
    print("work on all images")
    row("small/split", "reg split make, 5 folds")
    row("small/train", "reg train --model mlp, 1 epoch")
    for label, what in [("up", "reg trace TABLE"), ("json", "reg trace TABLE --json"),
                        ("down", "reg trace --down IMAGE")]:
        row(f"trace/{label}", what, limit=(lambda took: took < 1, "< 1 s"))
    row("verify/hash", "b3sum of all objects")
    row("verify/reg", "reg verify", [("verify/hash", "b3sum")])
    print(f"  reg verify checks {objects / time_of['verify/reg']:,.0f} objects a second")


def main():
    what, results, *rest = sys.argv[1:]
    if what == "run":
        note(results, rest[0], run(rest[1:]))
    elif what == "starts":
        for _ in range(STARTS):
            note(results, rest[0], run(rest[1:]))
    else:
        report(results, int(rest[0]), int(rest[1]))


main()
