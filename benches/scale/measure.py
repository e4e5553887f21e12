"""Measures commands for scale.sh and history.sh and writes their table.

measure.py run RESULTS LABEL COMMAND…      wall time and peak memory of one run
measure.py starts RESULTS LABEL COMMAND…   wall times of 20 runs
measure.py report RESULTS                  the table
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


def report(results):
    seconds, memory = {}, {}
    for line in open(results):
        one = json.loads(line)
        seconds.setdefault(one["label"], []).append(one["seconds"])
        memory[one["label"]] = max(memory.get(one["label"], 0), one["mb"])
    time_of = {label: statistics.median(runs) for label, runs in seconds.items()}

    def row(label, what, limit=None):
        if label not in time_of:
            return
        spread = f"{min(seconds[label]):.3f}-{max(seconds[label]):.3f}"
        line = f"  {what:<34} {time_of[label]:9.3f} s  {spread:>17}  {memory[label]:6.0f} MB"
        if limit is not None:
            line += f"  target < {limit} s: {'met' if time_of[label] < limit else 'MISSED'}"
        print(line)

    print("\nmedian, smallest to largest, and peak memory, of each step")
    print(f"on {os.cpu_count()} cores, 15-minute load {os.getloadavg()[2]:.1f}\n")
    row("small/reg", "reg ingest --link hardlink")
    row("start/nothing", "true")
    row("start/list", "reg list", 0.01)
    row("start/show-name", "reg show NAME", 0.01)
    row("start/show-prefix", "reg show ID", 0.01)
    row("small/split", "reg split make, 5 folds")
    row("small/train", "reg train --model mlp, 1 epoch")
    row("trace/up", "reg trace TABLE", 1)
    row("trace/json", "reg trace TABLE --json", 1)
    row("trace/down", "reg trace --down IMAGE", 1)
    row("history/patient", "reg trace --down patient:13", 1)
    row("history/json", "the same --json", 1)
    row("history/image", "reg trace --down IMAGE", 1)
    row("history/row", "reg trace --down DATASET:ROW", 1)
    row("history/list", "reg list, behind a withdrawal")
    row("history/grep", "grep over the lists of all runs")
    row("history/cat", "cat of all records and arrays")
    for peer in ("history/grep", "history/cat"):
        if peer in time_of:
            print(f"  trace --down patient:13 / {peer[8:]}: {time_of['history/patient'] / time_of[peer]:.2f}")


def main():
    what, results, *rest = sys.argv[1:]
    if what == "run":
        note(results, rest[0], run(rest[1:]))
    elif what == "starts":
        for _ in range(STARTS):
            note(results, rest[0], run(rest[1:]))
    else:
        report(results)


main()
