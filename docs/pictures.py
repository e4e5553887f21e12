#!/usr/bin/env python3
"""Draws terminals as SVG, from what commands really print.

    make demo
    docs/pictures.py                # writes docs/src/pictures/, and docs/src/report.png if Chromium is installed
    docs/pictures.py DEMO FOLDER    # of another demo, in another folder, without the report

Each picture is a command, run in the registry of `reg demo` in a terminal of 100 columns, and its output: bold where it is
bold. `tests/docs.rs` compares the text of the pictures with what the commands print. Python's standard library only.
"""

import html
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REG = ROOT / "target/debug/reg"
DEMO = Path(sys.argv[1]) if len(sys.argv) == 3 else ROOT / "target/demo"
OUT = Path(sys.argv[2]) if len(sys.argv) == 3 else ROOT / "docs/src/pictures"
COLUMNS, ROWS = 100, 60
WIDTH, HEIGHT, PAD = 8.4, 19, 16
# Width and height of the picture of the report, in pixels.
REPORT = 1000, 1380

# Name, what is typed, and how many lines of its output are shown.
PICTURES = [
    ("compare", "reg compare tiny-demo-split-f{0,1,2} tiny-meta-demo-split-f{0,1,2} mlp-demo-split-f{0,1,2}", 21),
    # Without the executions, which have times and the name of the machine.
    ("trace", "reg trace demo-table", 21),
]


def output(command):
    """What a command prints into a terminal."""
    leader, follower = pty.openpty()
    subprocess.run(["stty", "cols", str(COLUMNS), "rows", str(ROWS)], stdin=follower, check=True)
    path = os.environ["PATH"] if len(sys.argv) == 3 else f"{REG.parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "TERM": "xterm-256color"}
    child = subprocess.Popen(["bash", "-c", command], cwd=DEMO, env=env, stdin=follower, stdout=follower, stderr=subprocess.DEVNULL)
    os.close(follower)
    data = b""
    while True:
        try:
            part = os.read(leader, 1 << 16)
        except OSError:
            break
        if not part:
            break
        data += part
    if child.wait() != 0:
        sys.exit(f"pictures: `{command}` failed")
    return data.decode().replace("\r\n", "\n")


def line(text, row):
    """One line; bold where the terminal was told so."""
    spans, bold = [], False
    for part in re.split(r"(\x1b\[[0-9;]*m)", text):
        if part.startswith("\x1b["):
            bold = part == "\x1b[1m" if part in ("\x1b[1m", "\x1b[0m") else bold
        elif part:
            spans.append(f'<tspan class="b">{html.escape(part)}</tspan>' if bold else html.escape(part))
    return f'<text x="{PAD}" y="{PAD + HEIGHT * (row + 1) - 5}" xml:space="preserve">{"".join(spans)}</text>'


def picture(command, text):
    lines = [f"$ {command}", *text]
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", each) for each in lines]
    width, height = PAD * 2 + WIDTH * max(map(len, plain)), PAD * 2 + HEIGHT * len(lines)
    body = "\n".join(line(each, row) for row, each in enumerate(lines))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{html.escape(command)}">
<style>
rect {{ fill: #fbfbfa; stroke: #d5d5d0 }} text {{ font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1f2328 }} .b {{ font-weight: bold }}
@media (prefers-color-scheme: dark) {{ rect {{ fill: #16181c; stroke: #3a3d44 }} text {{ fill: #e6e6e3 }} }}
</style>
<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="6"/>
{body}
</svg>
"""


def report():
    """The AUC table of the demo's report, as a browser shows it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print("pictures: no chromium, so docs/src/report.png stays as it is")
        return
    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder) / "whole.html", Path(folder) / "part.html"
        subprocess.run([REG, "--quiet", "report", "demo-table", "-o", whole], cwd=DEMO, check=True, stdout=subprocess.DEVNULL)
        text = whole.read_text()
        head, rest = text[: text.index("<body")], text[text.index('<h2 id="results">') :]
        end = rest.index("</figure>") + len("</figure>")
        part.write_text(f"{head}<body><main>{rest[:end]}</main></body></html>")
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={REPORT[0]},{REPORT[1]}"]
        picture = ROOT / "docs/src/report.png"
        subprocess.run([browser, *options, f"--screenshot={picture}", part.as_uri()], check=True, stderr=subprocess.DEVNULL)
        print(picture)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, command, shown in PICTURES:
        lines = output(command).rstrip("\n").split("\n")
        if len(lines) > shown:
            lines = [*lines[:shown], "…"]
        (OUT / f"{name}.svg").write_text(picture(command, lines))
        print(OUT / f"{name}.svg")
    if len(sys.argv) != 3:
        report()


if __name__ == "__main__":
    main()
