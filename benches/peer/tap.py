#!/usr/bin/env python3
"""Stands where reg expects its worker: passes everything through and notes when each event came.

REG_TORCH names this file, TAP_WORKER the real reg-torch, TAP_LOG the file that gets a line an event: seconds of
the monotonic clock, a space, the event.
"""

import os
import signal
import subprocess
import sys
import time

worker = [os.environ["TAP_WORKER"], *sys.argv[1:]]
if len(sys.argv) > 1:
    os.execv(worker[0], worker)
child = subprocess.Popen(worker, stdout=subprocess.PIPE)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: child.send_signal(number))
with open(os.environ["TAP_LOG"], "ab", buffering=0) as log:
    for line in child.stdout:
        log.write(b"%.6f " % time.monotonic() + line)
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
code = child.wait()
sys.exit(code if code >= 0 else 128 - code)
