#!/usr/bin/env python3
"""Checks an audit bundle with nothing but Python's standard library.

    python3 check.py [FOLDER | BUNDLE.zip]     # the folder of this script, if none is given

It hashes every object again, follows the lineage from the result to the metadata, holds the labels, patients and ages of every image against the
original CSV, looks for patients in two parts of a split, and computes every AUC again, to the last digit. Exit code 3 if anything is wrong.
"""

import csv
import gzip
import hashlib
import io
import json
import math
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

MASK = 0xFFFFFFFF
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTED = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8


# BLAKE3 as its specification states it (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020).


def compress(value, words, counter, length, flags):
    """Sixteen words of output."""
    v = [*value, *IV[:4], counter & MASK, counter >> 32, length, flags]
    m = words
    for turn in range(7):
        for a, b, c, d, x, y in (
            (0, 4, 8, 12, m[0], m[1]), (1, 5, 9, 13, m[2], m[3]), (2, 6, 10, 14, m[4], m[5]), (3, 7, 11, 15, m[6], m[7]),
            (0, 5, 10, 15, m[8], m[9]), (1, 6, 11, 12, m[10], m[11]), (2, 7, 8, 13, m[12], m[13]), (3, 4, 9, 14, m[14], m[15]),
        ):
            p, q, r, s = v[a], v[b], v[c], v[d]
            p = (p + q + x) & MASK
            s ^= p
            s = (s >> 16 | s << 16) & MASK
            r = (r + s) & MASK
            q ^= r
            q = (q >> 12 | q << 20) & MASK
            p = (p + q + y) & MASK
            s ^= p
            s = (s >> 8 | s << 24) & MASK
            r = (r + s) & MASK
            q ^= r
            v[a], v[b], v[c], v[d] = p, (q >> 7 | q << 25) & MASK, r, s
        m = [m[place] for place in PERMUTED]
    return [v[i] ^ v[i + 8] for i in range(8)] + [v[i + 8] ^ value[i] for i in range(8)]


def chunk(data, counter, last_flags=0):
    """What a chunk of at most 1,024 bytes gives its parent."""
    value = list(IV)
    blocks = max(1, -(-len(data) // 64))
    for block in range(blocks):
        part = data[block * 64 : block * 64 + 64]
        flags = (CHUNK_START if block == 0 else 0) | ((CHUNK_END | last_flags) if block == blocks - 1 else 0)
        words = struct.unpack("<16I", part + bytes(64 - len(part)))
        value = compress(value, words, counter, len(part), flags)[:8]
    return value


def chunks(job):
    data, first = job
    return [chunk(data[at : at + 1024], first + at // 1024) for at in range(0, len(data), 1024)]


def blake3_here(data):
    if len(data) <= 1024:
        return struct.pack("<8I", *chunk(data, 0, ROOT)).hex()
    if len(data) > 1 << 20:
        size = 1 << 18
        jobs = [(data[at : at + size], at // 1024) for at in range(0, len(data), size)]
        with ProcessPoolExecutor() as pool:
            level = [value for part in pool.map(chunks, jobs) for value in part]
    else:
        level = chunks((data, 0))
    # Neighbours become one, level by level; who has no neighbour waits: that is the tree of the specification.
    while len(level) > 2:
        level = [
            compress(IV, level[i] + level[i + 1], 0, 64, PARENT)[:8] if i + 1 < len(level) else level[i]
            for i in range(0, len(level), 2)
        ]
    return struct.pack("<8I", *compress(IV, level[0] + level[1], 0, 64, PARENT | ROOT)[:8]).hex()


def blake3(data):
    try:
        from blake3 import blake3 as quick  # not needed, only faster

        return quick(data).hexdigest()
    except ImportError:
        pass
    if len(data) > 1 << 16 and shutil.which("b3sum"):
        return subprocess.run(["b3sum", "--no-names"], input=data, capture_output=True, check=True).stdout.decode().strip()
    return blake3_here(data)


# Packed arrays: eight letters, a version, then little-endian numbers.


class Reader:
    def __init__(self, data, kind):
        assert data[:12] == kind + b"\1\0\0\0", f"not a packed {kind.decode()}"
        self.data, self.at = data, 12

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def done(self):
        assert self.at == len(self.data), "bytes are left over"


def read_manifest(data):
    """A row an image, sorted by name."""
    reader, rows = Reader(data, b"regmanif"), []
    for _ in range(*reader.take("Q")):
        name = reader.take("%ds" % reader.take("Q"))[0].decode()
        image = reader.take("32s")[0].hex() if reader.take("?")[0] else None
        sha256, size, width, height, row, patient, follow_up = reader.take("32sQIIIII")
        age = reader.take("i")[0] if reader.take("?")[0] else None
        gender, view, labels = reader.take("III")
        rows.append(dict(name=name, image=image, sha256=sha256.hex(), size=size, width=width, height=height, row=row,
                         patient=patient, follow_up=follow_up, age=age, gender=gender, view=view, labels=labels))
    reader.done()
    return rows


def read_assignment(data):
    """A list of codes an image for each fold: 0 train, 1 validation, 2 test."""
    reader = Reader(data, b"regassgn")
    folds = [reader.take("%dB" % reader.take("Q")) for _ in range(*reader.take("Q"))]
    reader.done()
    return folds


def read_scores(data):
    """Rows of the manifest, and a list of columns."""
    reader = Reader(data, b"regscore")
    rows = reader.take("%dI" % reader.take("Q"))
    columns, count = reader.take("IQ")
    assert count == len(rows) * columns, "the number of scores is wrong"
    scores = reader.take("%dd" % count)
    reader.done()
    return rows, [scores[column::columns] for column in range(columns)]


# Statistics.


def auc(scores, positive):
    """The share of pairs that the scores put into the right order, ties counting half: exact, as integers."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    halves = positives = negatives = at = 0
    while at < len(order):
        end = at
        while end < len(order) and scores[order[end]] == scores[order[at]]:
            end += 1
        tied_positives = sum(positive[i] for i in order[at:end])
        tied_negatives = end - at - tied_positives
        halves += tied_positives * (2 * negatives + tied_negatives)
        positives += tied_positives
        negatives += tied_negatives
        at = end
    pairs = positives * negatives
    return float(halves) / float(2 * pairs) if pairs else None


def mean_std(values):
    """Of those that are defined; sums in ascending order, divisor n - 1."""
    values = sorted(value for value in values if value is not None)
    if not values:
        return None, None
    total = 0.0
    for value in values:
        total += value
    mean = min(max(total / len(values), values[0]), values[-1])
    squares = 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    return mean, math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None


# The bundle.


class Bundle:
    def __init__(self, path):
        self.zip = zipfile.ZipFile(path) if path.is_file() else None
        self.folder = path
        self.listing = json.loads(self.member("bundle.json"))
        self.objects = {entry["id"]: entry for entry in self.listing["objects"]}
        self.wrong, self.kept, self.uncomputed = [], {}, set()

    def member(self, name):
        return self.zip.read(name) if self.zip else (self.folder / name).read_bytes()

    def complain(self, text):
        print("WRONG:", text)
        self.wrong.append(text)

    def bytes(self, id):
        entry = self.objects.get(id)
        return self.member(f"objects/{id[:2]}/{id[2:]}") if entry and entry["file"] else None

    def record(self, id):
        if id not in self.kept:
            data = self.bytes(id)
            self.kept[id] = json.loads(data) if data is not None else None
        return self.kept[id]

    def cached(self, id, read):
        if id not in self.kept:
            self.kept[id] = read(self.bytes(id))
        return self.kept[id]


def links(value):
    """Every string of 64 hex digits."""
    if isinstance(value, str):
        return [value] if re.fullmatch("[0-9a-f]{64}", value) else []
    if isinstance(value, dict):
        value = list(value.values())
    return [link for item in value for link in links(item)] if isinstance(value, list) else []


PACKED = {"manifest", "boxes", "assignment", "scores", "file"}


def check_hashes(bundle):
    total = 0
    for id, entry in bundle.objects.items():
        if not entry["file"]:
            continue
        if entry["file"] != f"objects/{id[:2]}/{id[2:]}":
            bundle.complain(f"{id} is said to lie in {entry['file']}")
        try:
            data = bundle.bytes(id)
        except (KeyError, OSError) as e:
            bundle.complain(f"{id} cannot be read: {e}")
            continue
        total += len(data)
        if blake3(data) != id:
            bundle.complain(f"{id} ({entry['kind']}) does not have the bytes that it is named by")
        if "sha256:" + hashlib.sha256(data).hexdigest() != entry["sha256"] or len(data) != entry["bytes"]:
            bundle.complain(f"{id}: SHA-256 or size is not the listed one")
    print(f"hashes: {len(bundle.objects)} objects, {total:,} bytes")


def check_lineage(bundle):
    """Whatever the result names, directly or not, is listed; and nothing else is."""
    seen, queue = set(), [bundle.listing["root"]]
    executions = [id for id, entry in bundle.objects.items() if entry["kind"] == "execution"]
    while queue:
        id = queue.pop()
        if id in seen:
            continue
        seen.add(id)
        entry = bundle.objects.get(id)
        if entry is None:
            bundle.complain(f"{id} is named and not listed")
        elif entry["file"] and entry["kind"] not in PACKED:
            record = bundle.record(id)
            if record["kind"] != entry["kind"]:
                bundle.complain(f"{id} is listed as {entry['kind']} and is {record['kind']}")
            queue.extend(links(record))
        elif entry["file"] is None and bundle.listing["weights"]:
            bundle.complain(f"{id} ({entry['role']}) is not there")
    for id in executions:
        if bundle.record(id)["made"] in seen:
            seen.add(id)
    for id in bundle.objects.keys() - seen:
        bundle.complain(f"{id} is listed, and the result does not depend on it")
    for id, entry in bundle.objects.items():
        # What came from outside is named by both hashes.
        record = bundle.record(id) if entry["file"] and entry["kind"] not in PACKED else {}
        for file in files(record):
            listed = bundle.objects[file["object"]]
            if listed["file"] and (listed["sha256"], listed["bytes"]) != (file["sha256"], file["bytes"]):
                bundle.complain(f"{id}: a file's SHA-256 or size is wrong")
    print(f"lineage: {len(seen)} objects from the result to its inputs")


def files(value):
    if isinstance(value, dict):
        found = [value] if value.keys() == {"object", "sha256", "bytes"} else []
        return found + [file for item in value.values() for file in files(item)]
    return [file for item in value for file in files(item)] if isinstance(value, list) else []


def check_readable(bundle, id, kind):
    """What is there for reading says what the objects say."""
    short = id[:12]

    def same(name, expected):
        try:
            found = bundle.member(f"readable/{name}").decode()
            found = json.loads(found) if name.endswith(".json") else found
        except (KeyError, OSError, ValueError, zipfile.BadZipFile):
            found = None
        if found != expected:
            bundle.complain(f"readable/{name} is not what the objects give")

    record = bundle.record(id)
    same(f"{kind}-{short}.json", record)
    if kind == "dataset":
        lines = ["name,blake3,sha256,bytes,width,height,metadata_row,patient,follow_up,age,gender,view,labels"]
        for row in bundle.cached(record["manifest"], read_manifest):
            hashes = [row["image"], row["sha256"]] if row["image"] else ["", ""]
            sizes = [row[key] for key in ("size", "width", "height", "row", "patient", "follow_up")]
            age = "" if row["age"] is None else row["age"]
            labels = "|".join(name for bit, name in enumerate(record["labels"]) if row["labels"] >> bit & 1)
            fields = [row["name"], *hashes, *sizes, age, "MF "[row["gender"]].strip(), ["PA", "AP", ""][row["view"]], labels]
            lines.append(",".join(map(str, fields)))
        same(f"images-{short}.csv", "\n".join(lines) + "\n")
    if kind == "split":
        rows = bundle.cached(bundle.record(record["dataset"])["manifest"], read_manifest)
        folds = bundle.cached(record["assignment"], read_assignment)
        lines = [",".join(["name", *(f"fold{number}" for number in range(len(folds)))])]
        for place, row in enumerate(rows):
            lines.append(",".join([row["name"], *(["train", "val", "test", ""][codes[place]] for codes in folds)]))
        same(f"split-{short}.csv", "\n".join(lines) + "\n")


# Figures of a comparison besides its AUCs.
UNCOMPUTED = ("spearman", "delong", "resampled", "bootstrap", "metrics", "groups")
RENAMED = {"Infiltrate": "Infiltration"}


def check_dataset(bundle, id):
    """The manifest says of every image what the metadata CSV says."""
    dataset = bundle.record(id)
    rows = bundle.cached(dataset["manifest"], read_manifest)
    data = bundle.bytes(dataset["metadata"]["object"])
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    # An empty line is no row.
    table = [line for line in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")) if line]
    head = {name.strip(): place for place, name in reversed(list(enumerate(table[0])))}
    names = dataset["labels"]
    for row in rows:
        line = table[row["row"]]
        given = {label.strip() for label in line[head["Finding Labels"]].split("|")} - {""}
        given = {RENAMED.get(label, label) for label in given}
        ours = {names[bit] for bit in range(len(names)) if row["labels"] >> bit & 1}
        gender = {"M": 0, "F": 1}.get(line[head["Patient Gender"]].strip().upper(), 2)
        view = {"PA": 0, "AP": 1}.get(line[head["View Position"]].strip().upper(), 2)
        age = line[head["Patient Age"]].strip()
        # The files of 2017 write 058Y; ages under two are in months or days there.
        same_age = not age.isdigit() and True or age.isdigit() and row["age"] == int(age)
        found = (line[head["Image Index"]].strip(), int(line[head["Patient ID"]]), gender, view)
        if found != (row["name"], row["patient"], row["gender"], row["view"]) or given != ours or not same_age:
            bundle.complain(f"{row['name']}: the manifest and row {row['row']} of the metadata differ")
    patients = len({row["patient"] for row in rows})
    if (len(rows), patients) != (dataset["images"], dataset["patients"]):
        bundle.complain(f"data set {id}: {len(rows)} images of {patients} patients, and it says otherwise")
    print(f"data set {id[:12]}: {len(rows):,} images as in the metadata, {patients:,} patients")


def check_split(bundle, id):
    """No patient is in two parts of a fold."""
    split = bundle.record(id)
    rows = bundle.cached(bundle.record(split["dataset"])["manifest"], read_manifest)
    for number, codes in enumerate(bundle.cached(split["assignment"], read_assignment)):
        if len(codes) != len(rows):
            bundle.complain(f"split {id}: fold {number} is of {len(codes)} images")
        part = {}
        for row, code in zip(rows, codes):
            if code < 3 and part.setdefault(row["patient"], code) != code:
                bundle.complain(f"split {id}, fold {number}: patient {row['patient']} is in two parts")
    print(f"split {id[:12]}: no patient is in two parts of a fold")


def judged(bundle, id):
    """The AUC of each label of predictions; undefined where a class is missing."""
    predictions = bundle.record(id)
    dataset = bundle.record(predictions["dataset"])
    manifest = bundle.cached(dataset["manifest"], read_manifest)
    rows, columns = bundle.cached(predictions["scores"], read_scores)
    if predictions["source"].get("run"):
        spec = bundle.record(bundle.record(predictions["source"]["run"])["spec"])
        for what in ("dataset", "split", "fold"):
            if predictions[what] != spec[what]:
                bundle.complain(f"predictions {id}: {what} is {predictions[what]}, and that of its run is {spec[what]}")
    if predictions["source"].get("run") and predictions["subset"]:
        codes = bundle.cached(bundle.record(predictions["split"])["assignment"], read_assignment)[predictions["fold"]]
        wanted = {"train": 0, "val": 1, "test": 2}[predictions["subset"]]
        if [row for row, code in enumerate(codes) if code == wanted] != list(rows):
            bundle.complain(f"predictions {id}: they are not of the {predictions['subset']} images")
    found = {}
    for label, scores in zip(predictions["labels"], columns):
        bit = dataset["labels"].index(label) if label in dataset["labels"] else 32
        found[label] = auc(scores, [manifest[row]["labels"] >> bit & 1 for row in rows])
    return found


def check_table(bundle, id):
    table = bundle.record(id)
    count = 0

    def same(what, recorded, computed):
        if recorded != computed:
            bundle.complain(f"table {id}: {what} is {recorded}, and scores and labels give {computed}")

    if table["type"] == "auc":
        found = judged(bundle, table["predictions"])
        for row in table["labels"]:
            same(row["label"], row["auc"], found[row["label"]])
            print(f"    {row['label']:<20} {row['auc']}")
        count = len(table["labels"])
        same("the mean", table["mean"], mean_std([found[row["label"]] for row in table["labels"]])[0])
        print(f"    {'Mean':<20} {table['mean']}")
    elif table["type"] == "comparison" and not table.get("shared_images"):
        for model in table["models"]:
            cells = [(bundle.record(one)["fold"], judged(bundle, one)) for one in model["predictions"]]
            by_fold = dict(cells)
            columns = [by_fold.get(fold) for fold in table["folds"]] or [cell for _, cell in cells]
            means = [[] for _ in columns]
            for row in model["labels"]:
                now = [cell and cell[row["label"]] for cell in columns]
                count += len(now)
                same(f"{row['label']} of {model['name']}", row["auc"]["folds"], now)
                same(f"{row['label']} of {model['name']}", [row["auc"]["mean"], row["auc"]["std"]], list(mean_std(now)))
                for fold, value in zip(means, now):
                    fold.append(value)
            means = [mean_std(fold)[0] for fold in means]
            same(f"the mean of {model['name']}", model["mean"]["folds"], means)
            same(f"the mean of {model['name']}", [model["mean"]["mean"], model["mean"]["std"]], list(mean_std(means)))
            bundle.uncomputed |= {key for key in UNCOMPUTED if table.get(key)}
            print(f"    {model['name']:<20} mean AUC {model['mean']['mean']} ± {model['mean']['std']}")
    else:
        bundle.uncomputed.add(f"table {id[:12]}")
        print(f"table {id[:12]}: of type {table['type']}; its hash and inputs were checked, its numbers are not computed here")
        return
    print(f"table {id[:12]}: {count} AUCs computed again, the same to the last digit" if not bundle.wrong else f"table {id[:12]}")


def check_all(bundle):
    check_hashes(bundle)
    if not bundle.wrong:
        check_lineage(bundle)
    for kind, check in {"dataset": check_dataset, "split": check_split, "table": check_table}.items():
        for id, entry in bundle.objects.items():
            if not bundle.wrong and entry["kind"] == kind and entry["file"]:
                check(bundle, id)
    for id, entry in bundle.objects.items():
        if not bundle.wrong and entry["file"] and entry["kind"] not in PACKED:
            check_readable(bundle, id, entry["kind"])


def main():
    here = Path(__file__).resolve().parent
    bundle = Bundle(Path(sys.argv[1]) if len(sys.argv) > 1 else here)
    try:
        check_all(bundle)
    except (AssertionError, ArithmeticError, LookupError, TypeError, ValueError, struct.error, zipfile.BadZipFile) as e:
        # Whatever does not have the form that it should have is wrong, too.
        bundle.complain(f"{type(e).__name__}: {e}")
    left_out = [entry for entry in bundle.objects.values() if not entry["file"]]
    for entry in left_out:
        if entry["kind"] != "file" or entry["role"] not in ("checkpoint", "file"):
            bundle.complain(f"{entry['role']} {entry['id'][:12]} is left out, and only weights may be")
    if left_out:
        print(f"not included and so not checked: {', '.join(entry['role'] + ' ' + entry['id'][:12] for entry in left_out)}")
    if bundle.uncomputed:
        print(f"hashed, but not computed again here (`reg reproduce` does): {', '.join(sorted(bundle.uncomputed))}")
    print("WRONG" if bundle.wrong else "all that was checked is as it says")
    return 3 if bundle.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
