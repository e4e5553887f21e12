"""Makes images and metadata for scale.sh: images.py FOLDER SMALL LARGE

SMALL distinct PNGs of 8 x 8 grey pixels and LARGE of 1024 x 1024 (some 400 KB each, as the real ones
are), in folders images_001/images … of 10,000, and for each the metadata CSV in its form of 2020.
Everything is drawn from a fixed seed.
"""

import os
import random
import struct
import sys
import zlib

LABELS = (
    "Atelectasis Cardiomegaly Consolidation Edema Effusion Emphysema Fibrosis Hernia Infiltration Mass "
    "Nodule Pleural_Thickening Pneumonia Pneumothorax"
).split()
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
# Bases that large images are told apart from by a text chunk alone: random pixels take long to pack.
BASES = 12


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pixels(draw, size):
    """The header and data chunks of a square grey image whose pixels take three bits each."""
    few_bits = bytes(value & 7 for value in range(256))
    noise = draw.randbytes(size * size).translate(few_bits)
    rows = b"".join(b"\0" + noise[y * size : (y + 1) * size] for y in range(size))
    pack = zlib.compressobj(6, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
    return header, chunk(b"IDAT", pack.compress(rows) + pack.flush())


def png(number, header, data):
    text = chunk(b"tEXt", b"Comment\0%d" % number)
    return b"\x89PNG\r\n\x1a\n" + header + text + data + chunk(b"IEND", b"")


def make(folder, count, bases, draw):
    with open(folder + ".csv", "w") as table:
        print(HEADER, file=table)
        patient, follow_up = 0, 0
        for number in range(count):
            if number % 10_000 == 0:
                images = f"{folder}/images_{number // 10_000 + 1:03}/images"
                os.makedirs(images)
            if number == 0 or draw.random() < 30_805 / 112_120:
                patient, follow_up = patient + 1, 0
                who = f"{patient},{draw.randint(1, 95)},{draw.choice('MF')}"
            name = f"{patient:08}_{follow_up:03}.png"
            found = draw.sample(LABELS, draw.choice((0, 0, 1, 1, 2)))
            labels = "|".join(found) or "No Finding"
            print(f"{name},{labels},{follow_up},{who},{draw.choice(('PA', 'AP'))},2048,2500,0.168,0.168", file=table)
            with open(f"{images}/{name}", "wb") as file:
                file.write(png(number, *bases[number % len(bases)]))
            follow_up += 1


def main():
    folder, small, large = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(1)
    os.makedirs(folder)
    make(folder + "/small", small, [pixels(draw, 8) for _ in range(BASES)], draw)
    make(folder + "/large", large, [pixels(draw, 1024) for _ in range(BASES)], draw)


main()
