"""Makes a data set of 1024 x 1024 X-rays as large as one wants: xrays.py FOLDER COUNT [XRAYS]

The PNGs in XRAYS, or a few drawn ones, are repeated under new names in FOLDER, each of a patient of its own and in
bytes of its own (by a comment), with metadata in FOLDER.csv in its form of 2020. Labels, ages and views are drawn.
"""

import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib

FINDINGS = ("No Finding", "Infiltration", "Effusion|Mass", "Atelectasis", "Nodule|Pneumothorax", "Cardiomegaly")
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
DRAWN = 12


def pngs(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(".png"))


def images(xrays):
    """The bytes of the images in a folder, or of drawn ones."""
    with tempfile.TemporaryDirectory(prefix="reg-drawn.") as work:
        if xrays is None:
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scale/images.py")
            xrays = os.path.join(work, "drawn")
            subprocess.run([sys.executable, script, xrays, "0", str(DRAWN)], check=True)
        found = []
        for path in pngs(xrays):
            with open(path, "rb") as file:
                found.append(file.read())
        return found or sys.exit(f"xrays: there is no PNG in {xrays}")


def commented(png, number):
    """The same image in other bytes: with a comment in front of its end, which takes twelve bytes."""
    data = b"tEXtComment\0%d" % number
    return png[:-12] + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)) + png[-12:]


def make(folder, count, sources):
    draw = random.Random(1)
    os.makedirs(folder)
    with open(folder + ".csv", "w") as table:
        print(HEADER, file=table)
        for number in range(count):
            name = f"{number + 1:08}_000.png"
            with open(os.path.join(folder, name), "wb") as file:
                file.write(commented(sources[number % len(sources)], number))
            who = f"{number + 1},{draw.randint(1, 95)},{draw.choice('MF')},{draw.choice(('PA', 'AP'))}"
            print(f"{name},{draw.choice(FINDINGS)},0,{who},2048,2500,0.168,0.168", file=table)


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]), images(sys.argv[3] if len(sys.argv) > 3 else None))
