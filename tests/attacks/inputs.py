#!/usr/bin/env python3
"""Weights, studies, statements and scores that are too deep, too long or lie about their size."""

import os
import struct

from common import ROOM, copy, end, run


def weights(name, header, body=b"", claimed=None):
    with open(os.path.join(ROOM, name), "wb") as file:
        file.write(struct.pack("<Q", len(header) if claimed is None else claimed) + header + body)


def text(name, content):
    with open(os.path.join(ROOM, name), "w") as file:
        file.write(content)


def main():
    registry = copy("registry")
    weights("w1", b'{"a":' * 100000)
    weights("w2", b"{}", claimed=2**63)
    weights("w3", b'{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}')
    weights("w4", b'{"fc.weight\n\x1b[31m":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"\0" * 4)
    weights("w5", b'{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,18446744073709551615]}}')
    weights("w6", b"", claimed=0)
    os.truncate(os.path.join(ROOM, "w6"), 1 << 42)
    weights("w7", b'{"a":{"dtype":"F32","shape":[' + b"1," * 3000000 + b'1],"data_offsets":[0,4]}}', b"\0" * 4)
    for name in ["w1", "w2", "w3", "w4", "w5", "w6", "w7", "/dev/zero"]:
        run(registry, "weights", "import", name)
    text("s1.toml", "a=" + "[" * 500000)
    text("s2.toml", "a" * 1000000)
    text("s3.toml", '[[runs]]\nmodel="\\u001b[31m"\nfolds=99999999999\n')
    for name in ["s1.toml", "s2.toml", "s3.toml", "/dev/zero"]:
        run(registry, "study", "run", name, "--plan")
    text("st.json", '{"payload":"' + "A" * 1000 + '","payloadType":"x","signatures":' + "[" * 200000)
    run(registry, "key", "new", "-o", "k")
    for name in ["st.json", "/dev/zero"]:
        run(registry, "attest", "verify", name, "--key", "k.pub")
    head = "Image Index,Atelectasis\n"
    text("p1.csv", head + "00000001_000.png,nan\n")
    text("p2.csv", head + "00000001_000.png,1e999\n")
    text("p3.csv", "Image Index,=cmd\n00000001_000.png,1\n")
    text("p4.csv", head + '"00000001_000.png\n,')
    for name in ["p1", "p2", "p3", "p4"]:
        run(registry, "predictions", "import", f"{name}.csv", "--dataset", "tiny", "--name", name)
    end()


main()
