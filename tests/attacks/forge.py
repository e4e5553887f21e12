"""Forges remotes from an honest registry: any record or manifest may be changed, and the ids of all that name it follow.

So all hashes are right, and only what the objects say is wrong. Formats as `schema/on-disk.md` has them; hashes by b3sum.
"""

import json
import os
import re
import struct
import subprocess
from decimal import Decimal

HEX = re.compile("[0-9a-f]{64}")
MAGIC = {b"regmanif": "manifest", b"regboxes": "boxes", b"regassgn": "assignment", b"regscore": "scores"}
NEVER_SENT = ["event"]


def b3(data):
    return subprocess.run(["b3sum", "--no-names"], input=data, capture_output=True, check=True).stdout.decode().strip()


def number(value):
    """A float as reg writes it: the fewest digits that give the same number, without exponent from 1e-5 to below 1e16."""
    text = repr(value)
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return format(Decimal(text), "f") if exponent == "-05" else f"{mantissa}e{int(exponent):+d}"


def canonical(value):
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(key, ensure_ascii=False) + ":" + canonical(value[key]) for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


class Manifest:
    """A packed manifest, version 2. A row is [name, image or None, the rest of its bytes]."""

    def __init__(self, data):
        self.data, self.at = data, 12
        assert data[:12] == b"regmanif\2\0\0\0"
        (self.labels,), self.rows = self.take("I"), []
        for _ in range(*self.take("Q")):
            name = self.text()
            image = self.take("32s")[0].hex() if self.take("?")[0] else None
            start = self.at
            self.take("32sQIII")
            self.text()
            if self.take("?")[0]:
                self.text()
            for _ in range(2):
                if self.take("?")[0]:
                    self.take("I")
            self.take("II")
            self.rows.append([name, image, data[start : self.at]])
        self.positive, self.missing = (list(self.take("%dQ" % self.take("Q"))) for _ in range(2))
        assert self.at == len(data) and self.packed() == data

    def take(self, form):
        self.at += struct.calcsize("<" + form)
        return struct.unpack_from("<" + form, self.data, self.at - struct.calcsize("<" + form))

    def text(self):
        return self.take("%ds" % self.take("Q"))[0].decode()

    def keep(self, rows):
        """Keeps the first rows."""
        words = -(-self.labels // 64)
        del self.rows[rows:], self.positive[rows * words :], self.missing[rows * words :]

    def packed(self):
        out = b"regmanif\2\0\0\0" + struct.pack("<IQ", self.labels, len(self.rows))
        for name, image, rest in self.rows:
            name = name.encode()
            out += struct.pack("<Q", len(name)) + name + (b"\1" + bytes.fromhex(image) if image else b"\0") + rest
        for words in (self.positive, self.missing):
            out += struct.pack("<Q%dQ" % len(words), len(words), *words)
        return out


class Forger:
    """The objects of a registry, and what becomes of them. `manifest(m)` changes a manifest in place, `scores(bytes)` and
    `record(kind, document)` return what stands in the place."""

    def __init__(self, registry):
        self.old, self.new, self.kinds, self.done = {}, {}, {}, {}
        objects = os.path.join(registry, ".reg", "objects")
        for folder in os.listdir(objects):
            for name in os.listdir(os.path.join(objects, folder)) if len(folder) == 2 else []:
                with open(os.path.join(objects, folder, name), "rb") as file:
                    self.old[folder + name] = file.read()
        self.manifest = lambda manifest: None
        self.scores = lambda data: data
        self.record = lambda kind, document: document

    @staticmethod
    def kind(data):
        if data[:8] in MAGIC:
            return MAGIC[data[:8]]
        try:
            return json.loads(data)["kind"] if data[:1] == b"{" else "blob"
        except (ValueError, KeyError, TypeError):
            return "blob"

    def put(self, data):
        id = b3(data)
        self.new[id], self.kinds[id] = data, self.kind(data)
        return id

    def forged(self, id):
        """The id that stands for an honest one."""
        if id in self.done or id not in self.old:
            return self.done.get(id, id)
        data, kind = self.old[id], self.kind(self.old[id])
        if kind == "manifest":
            manifest = Manifest(data)
            self.manifest(manifest)
            data = manifest.packed()
        elif kind == "scores":
            data = self.scores(data)
        elif kind not in ("blob", *MAGIC.values()):
            data = canonical(self.record(kind, self.renamed(json.loads(data)))).encode()
        self.done[id] = self.put(data)
        return self.done[id]

    def renamed(self, value):
        if isinstance(value, dict):
            return {key: self.renamed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.renamed(item) for item in value]
        return self.forged(value) if isinstance(value, str) and HEX.fullmatch(value) else value

    def everything(self):
        for id, data in list(self.old.items()):
            if self.kind(data) not in NEVER_SENT:
                self.forged(id)
        return self

    def of(self, kind):
        return [id for id, found in self.kinds.items() if found == kind]

    def table(self):
        return next(id for id in self.of("table") if json.loads(self.new[id])["type"] == "comparison")

    def remote(self, path, names, seq=1):
        """Writes a remote with all objects in one pack."""
        for folder in ("objects", "packs", "index", "names"):
            os.makedirs(os.path.join(path, folder))
        self.write(path, "format", b"reg-remote 5\n")
        pack = b"".join(self.new.values())
        self.write(path, f"packs/{b3(pack)}", pack)
        objects = [{"bytes": len(data), "id": id, "kind": self.kinds[id]} for id, data in self.new.items()]
        index = canonical({"kind": "pack", "objects": objects, "pack": b3(pack), "version": 1}).encode()
        self.write(path, f"index/{b3(index)}", index)
        names = {"command": "reg push", "kind": "names", "names": names, "prev": None, "seq": seq, "version": 1}
        names = canonical({**names, "time": "2026-01-01T00:00:00Z"}).encode()
        self.write(path, f"names/{seq:08d}", names + b'\n"' + b3(names).encode() + b'"\n')
        return path

    @staticmethod
    def write(path, name, data):
        with open(os.path.join(path, name), "wb") as file:
            file.write(data)
