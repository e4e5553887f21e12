#!/usr/bin/env python3
"""Checks an audit bundle with Python's standard library alone (3.9 or newer).

    python3 -I check.py [--slow] [BUNDLE.zip | FOLDER]     # default: the folder of this script

It trusts only the bytes of the bundle's objects, and first prints the id to which they belong. Then it checks

 1. the archive against its format, byte by byte: no member is duplicated, compressed, encrypted or hidden;
 2. every object against its hash, every record against its kind and its canonical form;
 3. the listing, the sums and the readable files against the objects, byte by byte;
 4. data sets against the original metadata, splits against their patients and their seed;
 5. predictions against their runs, and runs against their logs;
 6. every number of a table against scores and labels.

Counts, sums and quotients must agree to the last bit. Results of exp, erfc or lgamma, which differ between machines, must agree to one part in a billion (NEAR). The end of the output lists what could not be computed.

Exit code 0 if everything is correct, 3 if anything is wrong, 1 if there is no bundle to check, 2 for wrong usage.

Start reading at check_all, at the end: it lists the checks in order. Formulas cite their sources. The sections:
 1. BLAKE3
 2. random streams
 3. records
 4. packed arrays
 5. statistics
 6. the bundle
 7. data sets and splits
 8. recorded and recomputed values
 9. runs and predictions
10. tables
11. comparisons
12. what makes models incomparable
13. all checks in order
"""

import sys

# Files of a bundle are not trusted, so none of them must be loaded as a module. `-I` also prevents this.
if not sys.flags.isolated:
    sys.path[:] = [folder for folder in sys.path[1:] if folder not in ("", ".", __file__.rpartition("/")[0])]

import bisect
import copy
import csv
import gzip
import hashlib
import io
import json
import math
import multiprocessing
import os
import re
import shutil
import struct
import subprocess
import unicodedata
import zipfile
from collections import Counter, deque, namedtuple
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from itertools import accumulate, chain, groupby
from operator import mul, sub
from pathlib import Path

try:
    import tomllib  # from Python 3.11 on
except ImportError:
    tomllib = None

# Tolerated relative difference for results of exp, erfc or lgamma.
NEAR = 1e-9
# Steps of a bootstrap that are computed without --slow: about a minute.
PATIENCE = 1_000_000_000
# Maximum number of listed differences.
MAX_REPORTED = 10

complaints, uncomputed = [], set()


def say(text):
    """Prints; text from the bundle must not send control sequences to the terminal."""
    print("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text), flush=True)


def complain(text):
    complaints.append(text)
    say(f"WRONG: {text}")


def complain_of(texts):
    """The first few of many."""
    for text in texts[:MAX_REPORTED]:
        complain(text)
    if len(texts) > MAX_REPORTED:
        complain(f"… and {len(texts) - MAX_REPORTED} more like this")


def need(condition, otherwise):
    """Not `assert`, which Python can skip."""
    if not condition:
        raise ValueError(otherwise)


def reason(error):
    return f"{type(error).__name__}: {error}" if str(error) else f"{type(error).__name__}, without a message"


def strict(data):
    """JSON without NaN and without duplicate keys, of which Python would silently keep the last."""

    def once(pairs):
        need(len(dict(pairs)) == len(pairs), "a key is duplicated")
        return dict(pairs)

    def never(word):
        raise ValueError(f"{word} is not a number")

    return json.loads(data.decode(), object_pairs_hook=once, parse_constant=never)


# ----------------------------------------------------------------------------------------------------------------------
# 1. BLAKE3 as its specification states it (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020).
# ----------------------------------------------------------------------------------------------------------------------

MASK = 0xFFFFFFFF
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTED = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT, DERIVE_CONTEXT, DERIVE_MATERIAL = 1, 2, 4, 8, 32, 64


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


def chunk(data, counter, key=IV, flags=0, last_flags=0):
    """The output of a chunk of at most 1,024 bytes for its parent."""
    value = list(key)
    blocks = max(1, -(-len(data) // 64))
    for block in range(blocks):
        part = data[block * 64 : block * 64 + 64]
        ends = (CHUNK_START if block == 0 else 0) | (CHUNK_END | last_flags if block == blocks - 1 else 0)
        words = struct.unpack("<16I", part + bytes(64 - len(part)))
        value = compress(value, words, counter, len(part), flags | ends)[:8]
    return value


def chunks(job):
    data, first = job
    return [chunk(data[at : at + 1024], first + at // 1024) for at in range(0, len(data), 1024)]


def blake3_here(data):
    if len(data) <= 1024:
        return struct.pack("<8I", *chunk(data, 0, last_flags=ROOT)).hex()
    # Other ways to start a process look for modules in the current folder.
    if len(data) > 1 << 20 and "fork" in multiprocessing.get_all_start_methods():
        size = 1 << 18
        jobs = [(data[at : at + size], at // 1024) for at in range(0, len(data), size)]
        with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
            level = [value for part in pool.map(chunks, jobs) for value in part]
    else:
        level = chunks((data, 0))
    # Neighbours are merged, level by level; a node without a neighbour waits: this gives the tree of the specification.
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


# ----------------------------------------------------------------------------------------------------------------------
# 2. Random streams: ChaCha with 8 rounds (Bernstein, 2008), keyed by BLAKE3's key derivation of a purpose and numbers.
# ----------------------------------------------------------------------------------------------------------------------


def stream(purpose, *numbers):
    """An endless sequence of 64-bit numbers."""
    context = chunk(purpose.encode(), 0, flags=DERIVE_CONTEXT, last_flags=ROOT)
    material = struct.pack(f"<{len(numbers)}Q", *numbers)
    key = chunk(material, 0, key=context, flags=DERIVE_MATERIAL, last_flags=ROOT)
    counter = 0
    while True:
        start = [*struct.unpack("<4I", b"expand 32-byte k"), *key, counter & MASK, counter >> 32, 0, 0]
        v = list(start)
        for double_round in range(4):
            for a, b, c, d in (
                (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
            ):
                p, q, r, s = v[a], v[b], v[c], v[d]
                for left, right in ((16, 12), (8, 7)):
                    p = (p + q) & MASK
                    s ^= p
                    s = (s << left | s >> 32 - left) & MASK
                    r = (r + s) & MASK
                    q ^= r
                    q = (q << right | q >> 32 - right) & MASK
                v[a], v[b], v[c], v[d] = p, q, r, s
        words = [(x + y) & MASK for x, y in zip(v, start)]
        yield from (words[i] | words[i + 1] << 32 for i in range(0, 16, 2))
        counter += 1


def below(bits, n):
    """Uniform from 0 to n - 1 without bias (Lemire, ACM TOMACS 29, 2019, section 4)."""
    while True:
        high, low = divmod(next(bits) * n, 1 << 64)
        if low >= n or low >= (1 << 64) % n:
            return high


# ----------------------------------------------------------------------------------------------------------------------
# 3. Records: JSON in canonical form. Whole numbers have no point, other numbers always have one or an exponent.
# ----------------------------------------------------------------------------------------------------------------------

# The keys of each kind, followed by those that may be absent; a table's keys depend on its type.
KINDS = {
    "dataset": "age boxes boxes_file bytes images impossible_ages labels manifest metadata metadata_only missing no_finding patients rules source"
    " | box_size withdrawn",
    "pixel-hashes": "dataset known pixels rules |",
    "split": "assignment dataset folds method rules |",
    "weights": "file parameters tensors | runs trained_on",
    "software": "crates numerics sources tch worker |",
    "spec": "dataset device fold init model numerics seed split threads training weights |",
    "run": "spec | best_epoch checkpoint epochs files log parameters val_loss",
    "predictions": "dataset fold images labels model scale scores source split subset |",
    "table": "|",
    "study": "dataset file name probes rules runs sections |",
    "execution": "command cores cpu git gpu host made reg resumed seconds started | cpu_capability deterministic program software",
    "withdrawal": "command host images number pictures purge reason subject time | revokes",
    "note": "about text time | prev",
    "removal": "command number records time | revokes",
    "event": "command names prev seq time |",
}
# The version of each kind that is read; version 1 for the others.
VERSIONS = dict.fromkeys("dataset split software spec predictions table study execution withdrawal".split(), 2)
# The versions of the rules that this program implements, numbered as in `src/records/rules.rs`.
RULES = {"dataset": 3, "split": 2, "import": 3, "program": 1, "mean": 1, "pixel-hashes": 1}
RULES.update({"auc table": 2, "dataset table": 1, "comparison table": 5, "probe table": 1, "heat table": 1, "pointing table": 1})
INSIDE = {
    ("split", "method"): "seed type | ratios test train_val val_fraction",
    ("spec", "model"): "architecture name |",
    ("spec", "training"): "augmentation batch beta1 beta2 epochs eps loss lr lr_factor patience | early_stop layout pixels precision",
    ("spec", "numerics"): "libtorch target version |",
    ("spec", "program"): "command files interpreter name | inputs network variables",
    ("execution", "program"): "executable gpus isolation packages source stderr stdout |",
    ("software", "numerics"): "libtorch target version |",
    ("predictions", "source"): "type | columns device file flipped numerics predictions rules run threads",
    ("withdrawal", "subject"): "type | name patient",
}
# The keys of a spec of a program of the user's own.
PROGRAM = "dataset fold program seed split |"
TABLES = {
    "auc": "dataset images labels mean mean_over patients predictions rules | of_images operating_point",
    "dataset": "age_max age_mean age_min age_std ages dataset findings_per_image gender images impossible_ages labels missing_ages patients rules"
    " view |",
    "comparison": "dataset delong folds models rules spearman subset variance | bootstrap constant division group_tests groups leak_check margin metrics"
    " no_finding operating_point pooling prevalence primary published ranking resampled shared_images unfair",
    "probe": "dataset folds model result rules split target |",
    "heat": "boxes computed image label logit map object over picture rules run size | meta",
    "pointing": "all boxes computed dataset labels rows rules run subset |",
}


def number(x):
    """The fewest digits that give the same number, as in Python; without exponent from 1e-5 to below 1e16."""
    text = repr(x)
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return format(Decimal(text), "f") if exponent == "-05" else f"{mantissa}e{int(exponent):+d}"


def spelled(value, line=""):
    """A value in canonical form; with `line`, with line breaks, as in the readable copies."""
    if isinstance(value, float):
        return number(value)
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    below, colon = (line + "  ", ": ") if line else ("", ":")
    if isinstance(value, dict):
        items, (first, last) = [spelled(key) + colon + spelled(value[key], below) for key in sorted(value)], "{}"
    else:
        items, (first, last) = [spelled(item, below) for item in value], "[]"
    return first + below + ("," + below).join(items) + line + last


def read_record(data):
    """The record in these bytes, or None; complains about a record not in canonical form."""
    try:
        document = json.loads(data.decode())
    except (ValueError, RecursionError):
        return None
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        return None
    # This also detects NaN and duplicate keys, of which Python keeps the last.
    need(spelled(document).encode("utf-8", "replace") == data, f"a {kind} record that is not in canonical form")
    version, known = document.get("version"), VERSIONS.get(kind, 1)
    need(type(version) is int and version > 0, f"a {kind} record without a version")
    need(version >= known, f"a {kind} record of an older format, version {version} instead of {known}")
    need(version == known, f"a {kind} record of an unknown version")
    parts = [(document.keys() - {"kind", "version"}, KINDS[kind])]
    if kind == "spec" and "program" in document:
        parts = [(document.keys() - {"kind", "version"}, PROGRAM)]
    if kind == "table":
        parts = [(document.keys() - {"kind", "version", "type"}, TABLES[document["type"]])]
    parts += [(document[key].keys(), keys) for (own, key), keys in INSIDE.items() if own == kind and key in document]
    for keys, known in parts:
        required, optional = (set(part.split()) for part in known.split("|"))
        need(required <= keys <= required | optional, f"a {kind} record with wrong keys")
    return document


# ----------------------------------------------------------------------------------------------------------------------
# 4. Packed arrays: eight letters, a version, then little-endian numbers, and no further byte.
# ----------------------------------------------------------------------------------------------------------------------

# `positive` and `missing` are bits by label; label 0 is the lowest bit.
Image = namedtuple("Image", "name image sha256 bytes width height row patient study follow_up age gender view positive missing")


class Manifest(list):
    """Rows, and the number of labels of each row."""


def is_plain(text, most):
    """Whether a text has at most this many bytes, only visible characters and no white space at either end, and is not a hash."""
    fits = 1 <= len(text.encode()) <= most and text.strip(BLANKS) == text and not HASH.fullmatch(text)
    return fits and not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", text)


def is_number(text):
    return re.fullmatch("[0-9]+", text) is not None


def patient_order(patient):
    """Sorts numbers by size, before everything else."""
    return (0, len(patient), patient) if is_number(patient) else (1, 0, patient)


def value_of(image, label):
    """1 or 0; None where the label is missing."""
    return None if image.missing >> label & 1 else image.positive >> label & 1


class Reader:
    def __init__(self, data, kind, version=1):
        need(data[:8] == kind and len(data) >= 12, f"not a packed {kind.decode()}")
        (found,) = struct.unpack("<I", data[8:12])
        need(found >= version, f"a packed {kind.decode()} of an older format, version {found} instead of {version}")
        need(found == version, f"a packed {kind.decode()} of an unknown version")
        self.data, self.at = data, 12

    def text(self):
        return self.take("%ds" % self.take("Q"))[0].decode()

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def option(self, form):
        (there,) = self.take("B")
        need(there <= 1, "an option is neither 0 nor 1")
        return (self.take(form) or (b"",))[0] if there else None

    def done(self):
        need(self.at == len(self.data), "bytes are left over")


def read_manifest(data):
    """The images, one row each, sorted by name."""
    reader, heads, rows = Reader(data, b"regmanif", 2), [], Manifest()
    (rows.labels,) = reader.take("I")
    need(1 <= rows.labels <= 512, "a manifest has 1 to 512 labels")
    for _ in range(*reader.take("Q")):
        name, image = reader.text(), reader.option("32s")
        sha256, size, width, height, row = reader.take("32sQIII")
        patient, study = reader.text(), reader.text() if reader.option("") is not None else None
        need(is_plain(patient, 64) and not re.fullmatch("0[0-9]+", patient), f"{name} has an invalid patient")
        need(study is None or is_plain(study, 64), f"{name} has an invalid study")
        follow_up, age = reader.option("I"), reader.option("i")
        gender, view = reader.take("II")
        need(gender <= 2 and view <= 2, f"{name} has an unknown gender or view")
        need(image or not (any(sha256) or size or width or height), f"{name} has no file but has a hash or a size")
        heads.append((name, image and image.hex(), sha256.hex(), size, width, height, row, patient, study, follow_up, age, gender, view))
    # The bits of all rows: positive labels, then missing ones, which are absent if no label is missing.
    words, bits = (rows.labels + 63) // 64, []
    for _ in range(2):
        (count,) = reader.take("Q")
        need(count == len(heads) * words or count == 0 and bits, "the number of label words is wrong")
        packed = reader.take("%ds" % (8 * count))[0]
        bits.append([int.from_bytes(packed[at : at + 8 * words], "little") for at in range(0, 8 * count, 8 * words)])
    positive, missing = bits
    need(not missing or any(missing), "a manifest has words of missing labels, but no label is missing")
    for head, own, lacking in zip(heads, positive, missing or [0] * len(heads)):
        need((own | lacking) >> rows.labels == 0, f"{head[0]} has a label beyond the last")
        need(own & lacking == 0, f"{head[0]} has a label both as positive and as missing")
        rows.append(Image(*head, own, lacking))
    reader.done()
    need(all(a.name < b.name for a, b in zip(rows, rows[1:])), "the images of a manifest are not in order")
    return rows


def read_assignment(data):
    """For each fold a list with one code per image: 0 train, 1 validation, 2 test, 3 unused."""
    reader = Reader(data, b"regassgn")
    folds = [list(reader.take("%dB" % reader.take("Q"))) for _ in range(*reader.take("Q"))]
    reader.done()
    need(all(code <= 3 for codes in folds for code in codes), "unknown subset code")
    return folds


def read_scores(data):
    """Rows of the manifest, and a list of columns."""
    reader = Reader(data, b"regscore")
    rows = reader.take("%dI" % reader.take("Q"))
    columns, count = reader.take("IQ")
    need(columns and count == len(rows) * columns, "the number of scores is wrong")
    scores = reader.take("%dd" % count)
    reader.done()
    need(all(a < b for a, b in zip(rows, rows[1:])), "the rows of scores are not in order")
    need(all(map(math.isfinite, scores)), "a score is not a number")
    return list(rows), [scores[column::columns] for column in range(columns)]


def read_pixels(data):
    """For each row of a manifest the hash of its pixels, or None."""
    reader = Reader(data, b"regpixel")
    pixels = [reader.option("32s") for _ in range(*reader.take("Q"))]
    reader.done()
    return [digest and digest.hex() for digest in pixels]


def read_boxes(data):
    """Manifest row, label, left and upper edge, width and height of each box."""
    reader = Reader(data, b"regboxes")
    boxes = [reader.take("IIdddd") for _ in range(*reader.take("Q"))]
    reader.done()
    return boxes


READERS = {"manifest": read_manifest, "boxes": read_boxes, "assignment": read_assignment, "scores": read_scores, "pixels": read_pixels}
MAGIC = {b"regmanif": "manifest", b"regboxes": "boxes", b"regassgn": "assignment", b"regscore": "scores", b"regpixel": "pixels"}


# ----------------------------------------------------------------------------------------------------------------------
# 5. Statistics.
# ----------------------------------------------------------------------------------------------------------------------


class About(float):
    """A number that other machines may round differently."""


def tied(scores):
    """Positions in ascending order of their scores, with positions of equal scores grouped."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    return [list(group) for _, group in groupby(order, key=scores.__getitem__)]


def placements(scores, positive):
    """For each positive, twice the number of negatives below it plus the number tied with it; for each negative the same with the positives above."""
    placed = [0] * len(scores)
    total, positives, negatives = sum(positive), 0, 0
    for group in tied(scores):
        hits = sum(positive[i] for i in group)
        misses = len(group) - hits
        for i in group:
            placed[i] = 2 * negatives + misses if positive[i] else 2 * (total - positives - hits) + hits
        positives += hits
        negatives += misses
    return placed


def share(halves, positives, negatives):
    return float(halves) / float(2 * positives * negatives)


class Placed:
    """The placements of a model's scores, summed by cluster: by patient, or by image where images are taken as independent."""

    def __init__(self, scores, positive, clusters):
        self.sums = {}
        for placed, yes, cluster in zip(placements(scores, positive), positive, clusters):
            own = self.sums.setdefault(cluster, [0, 0, 0, 0])
            own[0] += yes
            own[1] += not yes
            own[2 if yes else 3] += placed
        # Number of scores of each image, of several seeds, whose placements are added up.
        self.scores = 1
        self.complete()

    def complete(self):
        self.sums = dict(sorted(self.sums.items()))
        self.positives, self.negatives, self.wins, _ = [sum(own) for own in zip(*self.sums.values())] or [0] * 4

    def apart(self, other):
        """The placements of a difference are the differences of the placements."""
        return self.combined(other, other.scores, -self.scores, self.scores * other.scores)

    def combined(self, other, x, y, scores):
        """x times these placements plus y times the others."""
        result = copy.copy(self)
        result.sums = {key: [*own[:2], *(x * own[i] + y * other.sums[key][i] for i in (2, 3))] for key, own in self.sums.items()}
        result.scores = scores
        result.complete()
        return result

    @staticmethod
    def mean(seeds):
        """The mean over seeds: its AUC is the mean of theirs."""
        first, *others = seeds
        for other in others:
            first = first.combined(other, 1, 1, first.scores + other.scores)
        return first

    def auc(self):
        """The share of pairs that the scores put into the right order; a tie counts half (Mann and Whitney). None if a class is missing."""
        return share(self.wins, self.positives, self.negatives * self.scores) if self.positives and self.negatives else None

    def distances(self):
        return [(own[2] * self.positives - own[0] * self.wins, own[3] * self.negatives - own[1] * self.wins) for own in self.sums.values()]

    def spread(self):
        """Variance (Obuchowski, Biometrics 53, 1997), degrees of freedom (Welch, Satterthwaite, with those that the kurtosis of each class leaves), and what the influences leave out; None if a class is of one cluster.

        With an image a cluster it is the variance of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988).
        """
        own = self.sums.values()
        counts = [float(sum(map(bool, of))) for of in ((a + b for a, b, *_ in own), (a for a, *_ in own), (b for _, b, *_ in own))]
        if min(counts[1:]) < 2:
            return None
        x, y = zip(*self.distances())
        squares = [sum(map(mul, a, b)) for a, b in ((x, x), (y, y), (x, y))]
        m, n, scale = float(self.positives), float(self.negatives), float(2 * self.positives * self.negatives * self.scores)
        classes = [self.df_of_class(float(square), own, n) for square, own, n in zip(squares, (x, y), counts[1:])]
        first, second, both = (float(square) / (scale * scale) for square in squares)
        first, second, both = first / (m * m), second / (n * n), 2.0 * (both / (m * n))
        of_all, of_positives, of_negatives = (count / (count - 1.0) for count in counts)
        one, other = of_positives * first, of_negatives * second
        total = max(one + other + of_all * both, 0.0)
        own = one + other
        df = own * own / (one * one / classes[0] + other * other / classes[1]) if own > 0 else min(counts[1:]) - 1.0
        return total, df, (of_positives - of_all) * first + (of_negatives - of_all) * second

    @staticmethod
    def df_of_class(squares, distances, n):
        """What the kurtosis leaves (Pan and Wall, Statistics in Medicine 21, 2002), no more than n - 1."""
        fourth = in_turn(float(d) * float(d) * (float(d) * float(d)) for d in distances)
        excess = n * fourth / (squares * squares) - 1.0 if squares else 0.0
        return 2.0 * n / excess if excess * (n - 1.0) > 2.0 * n else n - 1.0

    def influence(self):
        m, n, scale = float(self.positives), float(self.negatives), float(2 * self.positives * self.negatives * self.scores)
        return {key: float(x) / scale / m + float(y) / scale / n for key, (x, y) in zip(self.sums, self.distances())}


def mean_spread(labels):
    """Variance and degrees of freedom of a mean over labels, whose covariance is a sum over clusters."""
    spreads = [label.spread() for label in labels]
    if not labels or None in spreads:
        return None
    together, beyond, variances, uncertain = {}, 0.0, 0.0, 0.0
    for label, (variance, df, more) in zip(labels, spreads):
        beyond, variances, uncertain = beyond + more, variances + variance, uncertain + variance * variance / df
        for key, own in label.influence().items():
            together[key] = together.get(key, 0.0) + own
    squares = in_turn(own * own for _, own in sorted(together.items()))
    count, n = float(len(together)), float(len(labels))
    variance = (count / (count - 1.0) * squares + beyond) / (n * n)
    return variance, variances * variances / uncertain if uncertain > 0 else min(df for _, df, _ in spreads)


def std_error(spread, variance):
    """A standard error with its degrees of freedom, as it is recorded."""
    df = spread[1] if spread and variance == "clustered" else None
    return {"value": math.sqrt(spread[0]) if spread else None, "df": df}


# The fewest patients of either class for an interval or a test, and for percentiles of resamples.
FEWEST_PATIENTS, FEWEST_RESAMPLED = 5, 20


def summary(values):
    """Number, mean, sample standard deviation, minimum and maximum of the defined values, summed in ascending order."""
    values = sorted(value for value in values if value is not None)
    if not values:
        return 0, None, None, None, None
    n, low, high = len(values), values[0], values[-1]
    mean = min(max(in_turn(values) / n, low), high)
    squares = in_turn((value - mean) * (value - mean) for value in values)
    return n, mean, math.sqrt(squares / (n - 1)) if n > 1 else None, low, high


def in_turn(values):
    """A sum with plain rounding; Python's own sum is more exact from version 3.12 on."""
    total = 0.0
    for value in values:
        total += value
    return total


def spread(values):
    return dict(zip(("n", "mean", "std", "min", "max"), summary(values)), folds=values)


def spread_of_seeds(seeds):
    """Over folds whose values are means over seeds, with the deviation over seeds within a fold, pooled over folds."""
    found, pooled = spread([mean(own) for own in seeds]), [(summary(own)[2], len(own) - 1) for own in seeds if len(own) > 1]
    if not pooled:
        return found
    return {**found, "seeds": seeds, "seed_std": math.sqrt(in_turn(std * std * n for std, n in pooled) / sum(n for _, n in pooled))}


def mean(values):
    return summary(values)[1]


def centred_ranks(scores):
    """Twice the average rank of each score minus twice their mean."""
    ranks, lower = [0] * len(scores), 0
    for group in tied(scores):
        for i in group:
            ranks[i] = 2 * lower + len(group) - len(scores)
        lower += len(group)
    return ranks


def spearman(a, b):
    """Pearson's correlation of ranks; None if one side is constant."""
    ab, aa, bb = (float(sum(map(mul, x, y))) for x, y in ((a, b), (a, a), (b, b)))
    return min(max(ab / math.sqrt(aa * bb), -1.0), 1.0) if aa > 0 and bb > 0 else None


def holm(p_values):
    """Holm, Scandinavian Journal of Statistics 6, 1979; undefined p-values do not count as tests."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted, largest = [None] * len(p_values), 0.0
    for rank, (p, i) in enumerate(order):
        largest = min(max(largest, p * (len(order) - rank)), 1.0)
        adjusted[i] = About(largest)
    return adjusted


def benjamini_hochberg(p_values):
    """Journal of the Royal Statistical Society B 57, 1995."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted, smallest = [None] * len(p_values), 1.0
    for rank, (p, i) in reversed(list(enumerate(order, 1))):
        smallest = min(smallest, p * len(order) / rank)
        adjusted[i] = About(smallest)
    return adjusted


def normal_p(z):
    """Two-sided."""
    return About(math.erfc(abs(z) / math.sqrt(2.0)))


def student_p(t, df):
    """Two-sided: I_x(df / 2, 1 / 2) at x = df / (df + t²)."""
    return About(incomplete_beta(df / 2, 0.5, df / (df + t * t), t * t / (df + t * t)))


def incomplete_beta(a, b, x, y):
    """I_x(a, b) with y = 1 - x, by its continued fraction (Abramowitz and Stegun, 26.5.8), evaluated as Lentz does."""
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, y, x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)) / a
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = fraction
        for coefficient in (even, odd):
            d = 1.0 / (1.0 + coefficient * d)
            c = 1.0 + coefficient / c
            fraction *= c * d
        if fraction == before:
            break
    return front * fraction


def thresholds(scores, positive):
    """For each distinct score, descending: the score, and how many positives and negatives have at least this score."""
    found, hits, misses = [], 0, 0
    for group in reversed(tied(scores)):
        more = sum(positive[i] for i in group)
        hits, misses = hits + more, misses + len(group) - more
        found.append((scores[group[0]] + 0.0, hits, misses))
    return found


def youden(scores, positive):
    """The score with the largest Youden index (Cancer 3, 1950); the highest of several."""
    points = thresholds(scores, positive)
    if not points or not points[-1][1] or not points[-1][2]:
        return None
    _, positives, negatives = points[-1]
    return max(points, key=lambda point: point[1] * negatives - point[2] * positives)[0]


def chosen(point, scores, positive):
    """The threshold of an operating point: of Youden's index, or the first that reaches a sensitivity or a specificity; None if there is none."""
    if point == "youden":
        return youden(scores, positive)
    points = thresholds(scores, positive)
    if not points or not points[-1][1] or not points[-1][2]:
        return None
    (kind, least), (_, positives, negatives) = *point.items(), points[-1]
    if kind == "sensitivity":
        return next((score for score, hits, _ in points if hits / positives >= least), None)
    return next((score for score, _, misses in reversed(points) if (negatives - misses) / negatives >= least), None)


def is_point(point):
    """Whether this is an operating point."""
    share = list(point.items())[0] if isinstance(point, dict) and len(point) == 1 else (None, None)
    return point == "youden" or share[0] in ("sensitivity", "specificity") and type(share[1]) is float and 0 < share[1] <= 1


def at_threshold(scores, positive, threshold):
    """Sensitivity and specificity."""
    hits = [score >= threshold for score, yes in zip(scores, positive) if yes]
    rejected = [score < threshold for score, yes in zip(scores, positive) if not yes]
    return [sum(right) / len(right) if right else None for right in (hits, rejected)]


def average_precision(scores, positive):
    """The mean of the precision over the steps of the recall, with one step for tied scores; None if a class is missing."""
    points, before, total = thresholds(scores, positive), 0, 0.0
    if not points or not points[-1][1] or not points[-1][2]:
        return None
    for _, hits, misses in points:
        total += float(hits - before) * (hits / (hits + misses))
        before = hits
    return total / points[-1][1]


BINS = 10
EDGES = [k / BINS for k in range(1, BINS + 1)]


def calibration(probabilities, positive):
    """Expected calibration error (Guo et al., ICML 2017, section 2) and its bins; an edge belongs to the bin below."""
    bins = [[0, 0, 0.0] for _ in EDGES]
    for p, yes in zip(probabilities, positive):
        own = bins[min(bisect.bisect_left(EDGES, p), BINS - 1)]
        own[0], own[1], own[2] = own[0] + 1, own[1] + yes, own[2] + p
    error = in_turn(abs(total - hits) for _, hits, total in bins) / len(positive)
    return error, [{"images": n, "positives": hits, "mean": About(total / n) if n else None} for n, hits, total in bins]


def quantile(ascending, p):
    """Quantiles with linear interpolation (definition 7 of Hyndman and Fan, The American Statistician 50, 1996)."""
    place = p * (len(ascending) - 1)
    low = ascending[math.floor(place)]
    return low + (place - math.floor(place)) * (ascending[min(math.floor(place) + 1, len(ascending) - 1)] - low)


class InOrder:
    """Scores whose AUC is computed with many sets of weights, for a bootstrap."""

    def __init__(self, scores, positive):
        self.negatives, self.positives, self.starts, self.ends = [], [], [], []
        for group in tied(scores):
            start = len(self.negatives)
            self.negatives += [i for i in group if not positive[i]]
            for i in (i for i in group if positive[i]):
                self.positives.append(i)
                self.starts.append(start)
                self.ends.append(len(self.negatives))

    def auc(self, weights):
        """The AUC with each image counted this many times; None if a class has no weight."""
        below = list(accumulate((weights[i] for i in self.negatives), initial=0))
        own = [weights[i] for i in self.positives]
        halves = sum(w * (below[start] + below[end]) for w, start, end in zip(own, self.starts, self.ends))
        return share(halves, sum(own), below[-1]) if sum(own) and below[-1] else None


# ----------------------------------------------------------------------------------------------------------------------
# 6. The bundle: the members of the archive, the objects among them, and the lineage of the result.
# ----------------------------------------------------------------------------------------------------------------------

HASH = re.compile("[0-9a-f]{64}")
# What check.py cannot recompute: it is only checked against the sums.
GIVEN = {"README.md", "check.py"}
TEXTS = {"readable/table.txt", "readable/table.csv"}
SUMS = {"b3sums.txt": 0, "sha256sums.txt": 1}

Member = namedtuple("Member", "kind role kept")


def path_of(id):
    return f"objects/{id[:2]}/{id[2:]}"


class NotAsWritten(Exception):
    """An archive or a folder that was not written by reg: it is not read any further."""


def must(condition, otherwise):
    if not condition:
        raise NotAsWritten(otherwise)


def check_archive(path, archive):
    """Recomputes every byte of the archive outside the members' contents, as reg writes it. Returns the members' names in order."""
    infos, whole = archive.infolist(), os.path.getsize(path)
    for info in infos:
        plain = info.compress_type == info.flag_bits == 0 and info.compress_size == info.file_size
        must(plain and info.filename == info.orig_filename and info.filename.isascii(), f"{info.orig_filename} is compressed, encrypted or has an invalid name")
    names = [info.filename for info in infos]
    must(len(set(names)) == len(names), "a member is in the archive twice")
    must(sum(info.file_size for info in infos) <= whole, "members of the archive overlap")
    if whole >= 1 << 32 or len(infos) >= 0xFFFF or any(info.file_size > 1 << 31 for info in infos):
        uncomputed.add("the archive's bytes outside its members: for an archive of this size, only `reg audit verify` checks them")
        return names
    place, listed = 0, []
    with open(path, "rb") as file:
        for info in infos:
            # Version 1.0, stored, 1 January 1980; no flags, no further fields.
            name = info.filename.encode()
            common = struct.pack("<HHHHHIIIHH", 10, 0, 0, 0, 33, info.CRC, info.file_size, info.file_size, len(name), 0)
            head = b"PK\3\4" + common + name
            file.seek(place)
            must(file.read(len(head)) == head, f"the archive differs from reg's own packing at byte {place}: {info.filename}")
            # Written on Unix, readable to all; no comment.
            listed.append(b"PK\1\2" + struct.pack("<H", 3 << 8 | 10) + common + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, place) + name)
            place += len(head) + info.file_size
        end = b"".join(listed)
        end += b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(infos), len(infos), len(end), place, 0)
        file.seek(place)
        must(file.read(len(end) + 1) == end, "the list of members differs from reg's own, or has bytes after it")
    return names


def check_folder(path):
    """Names of the files in an unpacked bundle, which contains only plain files and non-empty folders."""
    names = []
    for folder, folders, files in os.walk(path):
        must(folders or files, f"{folder} is empty")
        for name in folders + files:
            one = Path(folder) / name
            must(not one.is_symlink() and (one.is_dir() or one.is_file()), f"{one} is a link or not a file")
        names += [(Path(folder) / name).relative_to(path).as_posix() for name in files]
    return sorted(names, key=written)


def written(name):
    """Sorts objects after everything else."""
    return name.startswith("objects/"), name


class Bundle:
    """A bundle; `kinds`, `documents` and `sums` are filled by check_objects, `parts` by check_lineage."""

    def __init__(self, path):
        self.path = path
        self.zip = zipfile.ZipFile(path) if path.is_file() else None
        self.order = check_archive(path, self.zip) if self.zip else check_folder(path)
        self.names = set(self.order)
        listing = strict(self.member("bundle.json"))
        known = isinstance(listing, dict) and listing.get("format") == "reg audit 1"
        need(known, "bundle.json has a format that this program does not read")
        self.root, self.weights = listing["root"], listing["weights"]
        need(isinstance(self.root, str) and HASH.fullmatch(self.root), "the result in bundle.json is not an id")
        need(self.weights is True or self.weights is False, "bundle.json does not say whether weights are included")
        self.kinds, self.documents, self.sums, self.parts, self.read, self.cells = {}, {}, {}, {}, {}, {}

    def member(self, name):
        return self.zip.read(name) if self.zip else (self.path / name).read_bytes()

    def object(self, id):
        return self.member(path_of(id))

    def record(self, id, kind):
        need(self.kinds.get(id) == kind, f"{id} is not a {kind}")
        return self.documents[id]

    def packed(self, id, kind):
        need(self.kinds.get(id) == kind, f"{id} is not a {kind}")
        if id not in self.read:
            self.read[id] = READERS[kind](self.object(id))
        return self.read[id]

    def manifest(self, dataset):
        record = self.record(dataset, "dataset")
        manifest = self.packed(record["manifest"], "manifest")
        need(manifest.labels == len(record["labels"]), "a manifest does not have a value for each label of its data set")
        return manifest

    def subset(self, split, fold, subset):
        """Rows of the manifest in a subset of a division of a split."""
        folds = self.packed(self.record(split, "split")["assignment"], "assignment")
        need(type(fold) is int and 0 <= fold < len(folds), f"split {split[:12]} has no {self.division(split)} {fold}")
        code = ["train", "val", "test"].index(subset)
        return [row for row, own in enumerate(folds[fold]) if own == code]

    def division(self, split):
        """What one division of a split is called: `re-sampling`, `fold` or `division`."""
        return DIVISIONS.get(self.record(split, "split")["method"]["type"], "division")

    def origins(self, file):
        """The known origin of a file of weights: the runs that left it, the imported weights, and their training data."""
        if file == blake3(b""):
            return [], [], []
        weights = sorted(id for id, own in self.documents.items() if own["kind"] == "weights" and own["file"]["object"] == file)
        records = [self.record(id, "weights") for id in weights]
        runs = {id for id, own in self.documents.items() if file in left_by(own)}
        runs.update(run for record in records for run in record.get("runs", []))
        # Whoever leaves what it was given has not made it.
        runs = {run for run in runs if file not in self.starts_from(self.record(self.record(run, "run")["spec"], "spec"))}
        return sorted(runs), weights, [data for record in records for data in record.get("trained_on", [])]

    def starts_from(self, spec):
        """The files from which a training starts: its initial weights, or the inputs and files of a program."""
        weights = [self.record(spec["weights"], "weights")["file"]["object"]] if spec.get("weights") else []
        return weights + handed_to(spec)

    def learnt_before(self, spec):
        """The training data of the files from which a training starts: data sets, and divisions of splits."""
        learnt, known, files = [], set(), self.starts_from(spec)
        while files:
            file = files.pop()
            if file in known:
                continue
            known.add(file)
            runs, _, declared = self.origins(file)
            learnt += [data for data in declared if data["type"] != "external"]
            for before in (self.record(self.record(run, "run")["spec"], "spec") for run in runs):
                if before != spec:
                    learnt.append({"type": "division", **{key: before[key] for key in ("dataset", "split", "fold")}})
                    files += self.starts_from(before)
        return learnt

    def rows_of(self, data, subsets):
        """Rows of the manifest in some subsets of a division, or all rows of a data set."""
        if data["type"] == "dataset":
            return list(range(len(self.manifest(data["dataset"]))))
        need(self.record(data["split"], "split")["dataset"] == data["dataset"], f"split {data['split'][:12]} is of another data set")
        return [row for subset in subsets for row in self.subset(data["split"], data["fold"], subset)]

    def of_kind(self, *kinds):
        return [id for id, part in sorted(self.parts.items()) if part.kind in kinds]


def check_objects(bundle):
    """Every object has its hash as its name; every record is in canonical form."""
    total = 0
    for name in sorted(bundle.names):
        if name in SUMS:
            continue
        try:
            data = bundle.member(name)
        except Exception as e:
            complain(f"{name} cannot be read: {reason(e)}")
            continue
        bundle.sums[name] = (blake3(data), hashlib.sha256(data).hexdigest(), len(data))
        id = name[8:].replace("/", "", 1)
        if not name.startswith("objects/") or not HASH.fullmatch(id) or path_of(id) != name:
            continue
        total += len(data)
        if bundle.sums[name][0] != id:
            complain(f"{id} does not have its hash")
            continue
        bundle.kinds[id] = MAGIC.get(data[:8], "file")
        if data[:1] == b"{":
            try:
                document = read_record(data)
            except (AttributeError, LookupError, TypeError, ValueError) as e:
                complain(f"{id}: {e}")
                continue
            if document is not None:
                bundle.kinds[id], bundle.documents[id] = document["kind"], document
    say(f"hashes: {len(bundle.kinds)} objects, {total:,} bytes")


def links(document):
    """Every string of 64 hex digits with its key; for an imported file, with the key of that file."""

    def within(value, role):
        if isinstance(value, str) and HASH.fullmatch(value):
            yield role, value
        elif isinstance(value, list):
            for item in value:
                yield from within(item, role)
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from within(item, role if key == "object" else key)

    return [link for key, value in document.items() for link in within(value, key)]


def files(value):
    """Every reference to an imported file, which has two hashes."""
    if isinstance(value, dict) and "object" in value and "kind" not in value:
        # What a program consists of, and what it left, has one hash.
        own = [{"path", "object"}, {"path", "object", "executable"}, {"name", "object"}]
        named = {"object", "sha256", "bytes"}
        need(value.keys() in [named, named | {"name", "file_name"}, *own], "an imported file has wrong keys")
        return [value] if named <= value.keys() else []
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [file for item in below for file in files(item)]


# The kind of each link, and whether it may be null or absent: `place=kind?`; the default kind is the last word of the place.
NAMED = {
    "dataset": "manifest metadata=file boxes? boxes_file=file?",
    "pixel-hashes": "dataset pixels",
    "split": "dataset assignment method.train_val=file? method.test=file?",
    "weights": "file runs=run? trained_on.dataset=dataset? trained_on.split=split?",
    "software": "sources=file",
    "spec": "dataset split weights? program.files=file? program.inputs=file?",
    "execution": "software? program.packages=file? program.stdout=file? program.stderr=file?",
    "run": "spec checkpoint=file? log=file? files=file?",
    "predictions": "dataset scores split? source.run? source.file? source.predictions?",
    "withdrawal": "revokes=withdrawal?",
    "removal": "revokes=removal?",
    "dataset table": "dataset",
    "auc table": "dataset predictions",
    "comparison table": "dataset models.predictions models.validation=predictions? published.file? leak_check.pixel_hashes=pixel-hashes?",
    "probe table": "dataset split folds.run folds.validation=scores folds.test=scores",
    "heat table": "run object=file picture=file",
    "pointing table": "run dataset boxes",
}
SOURCES = {"run": "device numerics run threads type", "program": "rules run type", "import": "file rules type", "mean": "predictions rules type"}


def at(value, place):
    """The value at a place, in each item of a list; for an imported file, its object."""
    if isinstance(value, list):
        return [found for item in value for found in at(item, place)]
    if place:
        return at(value.get(place[0]), place[1:]) if isinstance(value, dict) else [None]
    return [value["object"] if isinstance(value, dict) else value]


def check_links(bundle, id):
    """Every link of a record leads to an object of the kind that its role requires."""
    document = bundle.documents[id]
    kind = document["type"] + " table" if document["kind"] == "table" else document["kind"]
    for named in NAMED.get(kind, "").split():
        place, _, wanted = named.rstrip("?").partition("=")
        wanted = wanted or place.rpartition(".")[2]
        for link in at(document, place.split(".")):
            own = bundle.parts[link].kind if isinstance(link, str) and link in bundle.parts else None
            if own != wanted and not (link is None and named.endswith("?")):
                complain(f"{document['kind']} {id[:12]}: {place} is not a {wanted}")
    if document["kind"] == "predictions" and sorted(document["source"].keys() - {"columns", "flipped"}) != SOURCES[document["source"]["type"]].split():
        complain(f"predictions {id[:12]}: their source is neither a run, a mean nor a file")


def left_by(document):
    """The files of a run from which another run may start: its checkpoint, and other files that a program left."""
    if document["kind"] != "run":
        return []
    return [own["object"] for own in document.get("files", [])] + ([document["checkpoint"]] if document.get("checkpoint") else [])


def begun_with(document):
    """Files of a record that may be checkpoints from which it starts."""
    if document.get("kind") == "weights":
        return [document["file"]["object"]]
    return handed_to(document) if document.get("kind") == "spec" else []


def handed_to(spec):
    """The files that a program was given: its inputs, and its own files."""
    program = spec.get("program", {})
    return [own["object"] for key in ("inputs", "files") for own in program.get(key, [])]


def check_ancestry(bundle):
    """Prints the files of unknown origin from which the models of the result started."""
    for id, spec in sorted(bundle.documents.items()):
        if spec["kind"] != "spec":
            continue
        imported = [bundle.record(spec["weights"], "weights")["file"]["object"]] if spec.get("weights") else []
        for file in imported:
            runs, _, declared = bundle.origins(file)
            if not runs and not declared:
                say(f"unknown ancestry: spec {id[:12]} starts from weights {spec['weights'][:12]}, whose training data is unknown")
        for own in spec.get("program", {}).get("inputs", []):
            runs, _, declared = bundle.origins(own["object"])
            if not runs and not declared:
                say(f"unknown ancestry: spec {id[:12]} has the input {own['file_name']!r}; if this file holds weights, their training data is unknown")


def check_lineage(bundle):
    """All dependencies of the result are present; besides these there are only its executions and withdrawals."""
    made = {}
    for id, document in sorted(bundle.documents.items()):
        if document["kind"] == "execution":
            made.setdefault(document["made"], []).append(id)
    seen, queue = {bundle.root}, deque([(bundle.root, "result", True)])

    def follow(id, role, kept):
        if id not in seen:
            seen.add(id)
            queue.append((id, role, kept))

    while queue:
        id, role, kept = queue.popleft()
        bundle.parts[id] = Member(bundle.kinds.get(id, "missing") if kept else "file", role, kept)
        if not kept:
            continue
        kind = bundle.parts[id].kind
        if kind == "missing":
            complain(f"{role} {id} is referenced but missing")
        for key, link in links(bundle.documents.get(id, {})):
            # An execution is reached from its result, so only its links to what it ran with and said are followed.
            if kind != "execution" or id == bundle.root or key in ("software", "packages", "stdout", "stderr"):
                weights = key == "checkpoint" or kind == "weights" and key == "file"
                # The X-ray of a heat map and the picture; bundles of older versions contained them.
                picture = kind == "table" and bundle.documents[id]["type"] == "heat" and key in ("object", "picture")
                follow(link, key, path_of(link) in bundle.names if picture else bundle.weights or not weights)
        for file in begun_with(bundle.documents.get(id, {})):
            runs = sorted(run for run, own in bundle.documents.items() if file != blake3(b"") and file in left_by(own))
            weights = sorted(own for own, record in bundle.documents.items() if record["kind"] == "weights" and record["file"]["object"] == file)
            for known, what in [(run, "runs") for run in runs] + [(own, "weights") for own in weights if own != id]:
                follow(known, what, True)
        for execution in made.get(id, []):
            follow(execution, "made", True)
    check_withdrawals(bundle)
    check_ancestry(bundle)
    for id in bundle.kinds.keys() - bundle.parts.keys():
        complain(f"{id} does not belong to the bundle: the result does not depend on it")
    for id in sorted(bundle.parts.keys() & bundle.documents.keys()):
        check_links(bundle, id)
        for file in files(bundle.documents[id]):
            own = bundle.sums.get(path_of(file["object"]))
            if own and ("sha256:" + own[1], own[2]) != (file["sha256"], file["bytes"]):
                complain(f"{id}: SHA-256 or size of an imported file is wrong")
    say(f"lineage: {len(bundle.parts)} objects from the result to its inputs")


def covered(withdrawal, images):
    """The images that a withdrawal covers: by patient or name, and by the files that it lists."""
    subject = withdrawal["subject"]
    objects = {image["blake3"] for image in withdrawal["images"]} - {None}

    def covers(image):
        named = image.patient == subject["patient"] if subject["type"] == "patient" else image.name == subject["name"]
        return named or image.image is not None and f"blake3:{image.image}" in objects

    return [image for image in images if covers(image)]


def check_withdrawals(bundle):
    """A withdrawal belongs in a bundle if it covers an image in it, and no other withdrawal revokes it."""
    withdrawals = {id: document for id, document in bundle.documents.items() if document["kind"] == "withdrawal"}
    revoked = {document.get("revokes") for document in withdrawals.values()}
    for id, document in sorted(withdrawals.items(), key=lambda item: item[1]["number"]):
        if id in revoked or "revokes" in document:
            continue
        of = " ".join(str(value) for _, value in sorted(document["subject"].items(), reverse=True))
        for dataset in bundle.of_kind("dataset"):
            images = covered(document, bundle.manifest(dataset))
            if images:
                bundle.parts.setdefault(id, Member("withdrawal", "withdraws", True))
                say(f"withdrawn: {len(images)} images of {of} in data set {dataset[:12]} ({document['reason']}, {document['time']})")


def listing(bundle):
    """bundle.json, computed from the objects."""
    entries = []
    for id, part in sorted(bundle.parts.items()):
        entry = {"id": id, "kind": part.kind, "role": part.role, "file": path_of(id) if part.kept else None}
        if path_of(id) in bundle.sums and part.kept:
            _, sha256, size = bundle.sums[path_of(id)]
            entry.update(bytes=size, sha256=f"sha256:{sha256}")
        entries.append(entry)
    return spelled({"format": "reg audit 1", "root": bundle.root, "weights": bundle.weights, "objects": entries}, "\n")


def csv_line(values):
    """Fields of a CSV, quoted if they contain a delimiter."""
    fields = map(str, values)
    return ",".join('"' + text.replace('"', '""') + '"' if re.search('[,"\n\r]', text) else text for text in fields)


def images_csv(bundle, dataset):
    head = "name blake3 sha256 bytes width height metadata_row patient follow_up age gender view labels".split()
    manifest, names = bundle.manifest(dataset), bundle.documents[dataset]["labels"]
    lacking, studied = any(image.missing for image in manifest), any(image.study is not None for image in manifest)
    lines = [csv_line(head + ["missing"] * lacking + ["study"] * studied)]

    def named(bits):
        return "|".join(name for bit, name in enumerate(names) if bits >> bit & 1)

    for image in manifest:
        hashes = [image.image, image.sha256] if image.image else ["", ""]
        sizes = [image.bytes, image.width, image.height, image.row, image.patient]
        follow_up, age, study = ("" if value is None else value for value in (image.follow_up, image.age, image.study))
        who = [follow_up, age, ("M", "F", "")[image.gender], ("PA", "AP", "")[image.view]]
        fields = [image.name, *hashes, *sizes, *who, named(image.positive)]
        lines.append(csv_line(fields + [named(image.missing)] * lacking + [study] * studied))
    return "\n".join(lines) + "\n"


def split_csv(bundle, split):
    record = bundle.record(split, "split")
    folds = bundle.packed(record["assignment"], "assignment")
    lines = [",".join(["name", *(f"fold{number}" for number in range(len(folds)))])]
    for place, image in enumerate(bundle.manifest(record["dataset"])):
        lines.append(csv_line([image.name, *(("train", "val", "test", "")[codes[place]] for codes in folds)]))
    return "\n".join(lines) + "\n"


def check_derived(bundle):
    """Listing, sums and readable copies follow from the objects, byte by byte; and there are no other files."""
    derived = {"bundle.json": listing(bundle)}
    for id, part in bundle.parts.items():
        if id in bundle.documents and part.kept:
            derived[f"readable/{part.kind}-{id[:12]}.json"] = spelled(bundle.documents[id], "\n")
            if part.kind == "dataset":
                derived[f"readable/images-{id[:12]}.csv"] = images_csv(bundle, id)
            if part.kind == "split":
                derived[f"readable/split-{id[:12]}.csv"] = split_csv(bundle, id)
    for name, place in SUMS.items():
        derived[name] = "".join(f"{sums[place]}  {member}\n" for member, sums in sorted(bundle.sums.items()))
    for name, text in derived.items():
        if name not in bundle.names:
            complain(f"{name} is missing")
        elif bundle.member(name) != text.encode():
            complain(f"{name} does not match the objects")
    expected = GIVEN | derived.keys() | {path_of(id) for id, part in bundle.parts.items() if part.kept}
    expected |= TEXTS if bundle.parts[bundle.root].kind == "table" else set()
    for name in sorted(expected - bundle.names - derived.keys()):
        complain(f"{name} is missing")
    for name in sorted(bundle.names - expected):
        complain(f"{name} does not belong to the bundle")
    if bundle.order != sorted(bundle.order, key=written):
        complain("the members of the archive are not in reg's order")
    if "check.py" in bundle.names and bundle.member("check.py") != Path(__file__).read_bytes():
        say("note: the running check.py differs from the one in the bundle")


# ----------------------------------------------------------------------------------------------------------------------
# 7. Data sets and splits.
# ----------------------------------------------------------------------------------------------------------------------

# The format of metadata that this program reads, and its labels.
SOURCE = "ChestX-ray14"
LABELS = (
    "Atelectasis Cardiomegaly Consolidation Edema Effusion Emphysema Fibrosis Hernia Infiltration Mass Nodule"
    " Pleural_Thickening Pneumonia Pneumothorax"
).split() + ["No Finding"]
RENAMED = {"Infiltrate": "Infiltration"}
COLUMNS = ("Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender", "View Position")
# A year has 365.2425 days; an age in whole years is rounded towards zero.
AGE_UNITS = {"Y": (1, 1), "M": (1, 12), "W": (70_000, 3_652_425), "D": (10_000, 3_652_425)}


# A small gzip file can unpack to any size.
MAX_TEXT = 128 << 20


def text_of(data):
    if data[:2] == b"\x1f\x8b":
        data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_TEXT + 1)
    need(len(data) <= MAX_TEXT, "a text is longer than reg's limit")
    return data.decode("utf-8-sig")


# How pandas, numpy, R and databases write that there is no value.
MISSING = ("", "nan", "na", "n/a", "<na>", "#n/a", "null", "none", "nil", "-nan", "nat", ".")


def whole(text):
    """A whole number, which may be a float of at most 15 digits, such as 58.0."""
    digits = re.fullmatch("([0-9]+)([.]0*)?", text)
    need(digits and (digits[2] is None or len(digits[1].lstrip("0")) <= 15), f"{text} is not a whole number")
    return int(digits[1])


def age_of(text):
    """Years: a plain number, also as a float, or 058Y, 010M, 003W, 003D as in the file of 2017 (DICOM PS3.5, section 6.2, AS)."""
    if text.lower() in MISSING:
        return None
    units, year = AGE_UNITS.get(text[-1].upper(), (None, 1))
    digits = re.fullmatch("([+-]?)(.+)", text[:-1] if units else text)
    need(digits and (not units or digits[2].isdecimal()), f"{text} is not an age")
    years = whole(digits[2]) * (units or 1) // year
    return -years if digits[1] == "-" else years


# The white space of Rust and Unicode; Python adds four separators.
BLANKS = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and not "\x1c" <= c <= "\x1f")
NUMBER = re.compile("[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?")


def read_csv(data):
    """Column names and rows, with fields stripped of white space; fields after the last column name are empty."""
    text = text_of(data)
    # The sign that the header has most of; the published one has commas within names.
    parts = re.split("[\r\n]", text, maxsplit=1)[0].split('"')[::2]
    comma, semicolon, tab = (sum(part.count(sign) for part in parts) for sign in ",;\t")
    sign = "," if comma >= max(semicolon, tab) else ";" if semicolon >= tab else "\t"
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    head, *rows = ([field.strip(BLANKS) for field in line] for line in lines if line)
    while head and not head[-1]:
        head.pop()
    for number, row in enumerate(rows, 1):
        need(len(row) >= len(head) and not any(row[len(head) :]), f"row {number} of a CSV does not have the length of its header")
        need(not any("\n" in field or "\r" in field for field in row), f"row {number} of a CSV has an unclosed quotation")
    return head, rows


def only(head, name):
    need(head.count(name) == 1, f"a CSV does not have one column {name}")
    return head.index(name)


def finite(text):
    need(NUMBER.fullmatch(text) and math.isfinite(float(text)), f"{text} is not a finite number")
    return float(text)


def read_metadata(data):
    """The data of each image in the CSV, by its row: the first row of a name counts, and others must agree with it."""
    head, rows = read_csv(data)
    places = [only(head, name) for name in COLUMNS]
    found, first = {}, {}
    for row, line in enumerate(rows, 1):
        name, labels, *numbers, age, gender, view = (line[place] for place in places)
        labels = [RENAMED.get(label.strip(BLANKS), label.strip(BLANKS)) for label in labels.split("|")]
        need(set(labels) <= set(LABELS), f"row {row} of the metadata has an unknown label")
        follow_up, patient = (None if number.lower() in MISSING else whole(number.removeprefix("+")) for number in numbers)
        need(patient is not None, f"row {row} of the metadata has no patient")
        gender, view = ("" if text.lower() in MISSING else text.upper() for text in (gender, view))
        gender = {"M": 0, "MALE": 0, "F": 1, "FEMALE": 1, "": 2}[gender]
        view = {"PA": 0, "AP": 1, "": 2}[view]
        bits = sum(1 << LABELS.index(label) for label in set(labels))
        said = (name, str(patient), None, follow_up, age_of(age), gender, view, bits, 0)
        if first.setdefault(name, said) is said:
            found[row] = said
        need(first[name] == said, f"row {row} of the metadata contradicts an earlier row about {name}")
    return found


def image_names(manifest):
    """The row of each image by the name in a list: its own, or else the only one that differs in folder, case or Unicode form, or else in the ending."""
    own, alike = {image.name: row for row, image in enumerate(manifest)}, ({}, {})

    def keys(name):
        composed = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
        folded = unicodedata.normalize("NFC", "".join(letter.lower() for letter in composed))
        stem, dot, ending = folded.rpartition(".")
        return folded, stem if dot and ending in ("png", "jpg", "jpeg") else folded

    for name, row in own.items():
        for rows, key in zip(alike, keys(name)):
            rows.setdefault(key, []).append(row)

    def find(name):
        if name in own:
            return own[name]
        found = next((rows[key] for rows, key in zip(alike, keys(name)) if key in rows), None)
        need(found is None or len(found) == 1, f"{name} can be two images")
        return found and found[0]

    return find


def read_boxes_csv(data, manifest, size):
    """Boxes whose images are in the manifest, in the form and order of the packed list, in pixels of the images. `size` is that of the images that the
    list refers to; None if they are the same."""
    named = image_names(manifest)
    head, rows = read_csv(data)
    image, label, *edges = (only(head, name) for name in ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"))
    boxes = []
    for row in rows:
        x, y, w, h = (finite(row[place]) for place in edges)
        need(min(x, y) >= 0 and min(w, h) > 0, "a box has no valid position or size")
        of = LABELS.index(RENAMED.get(row[label], row[label]))
        place = named(row[image])
        if place is None:
            continue
        own = manifest[place]
        if size is not None and (own.width, own.height) != (0, 0):
            x, w = (value if own.width == size[0] else value * own.width / size[0] for value in (x, w))
            y, h = (value if own.height == size[1] else value * own.height / size[1] for value in (y, h))
        boxes.append((place, of, x, y, w, h))
    return sorted(boxes)


def plausible(image):
    return image.age is not None and 0 <= image.age <= 120


def check_dataset(bundle, id):
    """The manifest agrees with the metadata for every image, and the record's counts are right."""
    dataset, manifest = bundle.record(id, "dataset"), bundle.manifest(id)
    labels, none = dataset["labels"], dataset["no_finding"]
    odd = [name for name in labels if not is_plain(name, 128) or "|" in name]
    need(not odd and 1 <= len(set(labels)) == len(labels), "a label of a data set has an invalid or duplicate name")
    need(none is None or none in labels, "the label for no finding is not a label of its data set")
    known = dataset["source"] == SOURCE
    if known:
        said = read_metadata(bundle.object(dataset["metadata"]["object"]))
        need((labels, none) == (LABELS, LABELS[-1]), "the labels of a data set are not those of its format")
        # Name, patient, study, follow-up, age, gender, view, positive and missing labels.
        different = [image for image in manifest if said.get(image.row) != (image.name, *image[7:])]
        complain_of([f"data set {id[:12]}: {image.name} differs from row {image.row} of the metadata" for image in different])
    else:
        uncomputed.add(f"data set {id[:12]} against its metadata, whose format this program does not read: {dataset['source']}")
    ages = [image.age for image in manifest if plausible(image)]
    counted = {
        "images": len(manifest),
        "patients": len({image.patient for image in manifest}),
        "bytes": sum(image.bytes for image in manifest),
        "age": {"min": min(ages), "max": max(ages)} if ages else None,
        "impossible_ages": sum(image.age is not None and not plausible(image) for image in manifest),
        "metadata_only": not any(image.image for image in manifest),
    }
    if known:
        counted["missing"] = len(said) - len(manifest) - dataset.get("withdrawn", 0)
    verify(f"data set {id[:12]}", {key: dataset[key] for key in counted}, counted, "images and metadata give")
    need((dataset["boxes"] is None) == (dataset["boxes_file"] is None), "boxes without a file, or a file without boxes")
    if known and dataset["boxes"] is not None:
        boxes = read_boxes_csv(bundle.object(dataset["boxes_file"]["object"]), manifest, dataset.get("box_size"))
        if boxes != bundle.packed(dataset["boxes"], "boxes"):
            complain(f"data set {id[:12]}: its boxes do not match the list of boxes")
    how = "as in the metadata" if known else f"of {dataset['source']}"
    say(f"data set {id[:12]}: {len(manifest):,} images {how}, {counted['patients']:,} patients")


def check_pixels(bundle, id):
    """A hash for each image of the data set, as many as the record says. Images are not in the bundle, so they are not decoded."""
    record = bundle.record(id, "pixel-hashes")
    pixels, manifest = bundle.packed(record["pixels"], "pixels"), bundle.manifest(record["dataset"])
    need(len(pixels) == len(manifest), "hashes of pixels of another number of images")
    verify(f"pixel hashes {id[:12]}", {"known": record["known"]}, {"known": sum(digest is not None for digest in pixels)}, "they give")
    uncomputed.add(f"the hashes of pixels {id[:12]}, which follow from the images")


def fill(patients, quotas):
    """Assigns patients, each a list of rows, to subsets: the first with room for all images of the patient; the others train.

    Where a quota is not met, the smallest patient that trains moves if that comes closer.
    """
    room, parts = dict(quotas), []
    for rows in patients:
        part = next((part for part in room if len(rows) <= room[part]), 0)
        parts.append(part)
        if part:
            room[part] -= len(rows)
    for part, lacking in room.items():
        training = [i for i in range(len(patients)) if parts[i] == 0]
        smallest = min(training, key=lambda i: len(patients[i]), default=None)
        if smallest is not None and len(patients[smallest]) < 2 * lacking:
            parts[smallest] = part
    return parts


def shuffled(manifest, codes, bits):
    """The rows with code 0 of each patient, the patients ordered by id and then shuffled."""
    patients = {}
    for row in (row for row, code in enumerate(codes) if code == 0):
        patients.setdefault(manifest[row].patient, []).append(row)
    patients = [patients[patient] for patient in sorted(patients, key=patient_order)]
    for i in range(len(patients) - 1, 0, -1):
        j = below(bits, i + 1)
        patients[i], patients[j] = patients[j], patients[i]
    return patients


def k_fold(manifest, ratios, folds, seed):
    """Cross-validation: from the largest patient on, each is tested in the fold with the fewest test images so far."""
    train, val = ratios
    need(train > 0 and val > 0 and train + val <= 100 and folds >= 2, "a k-fold split of impossible ratios or folds")
    tests = [[] for _ in range(folds)]
    for rows in sorted(shuffled(manifest, [0] * len(manifest), stream("reg split k-fold", seed)), key=len, reverse=True):
        min(tests, key=len).extend(rows)
    divided = []
    for fold, rows in enumerate(tests):
        codes = [0] * len(manifest)
        for row in rows:
            codes[row] = 2
        left = len(manifest) - len(rows)
        quota = (2 * left * val + train + val) // (2 * (train + val))
        divided.append(draw(manifest, codes, [(1, quota)], stream("reg split k-fold", seed, fold)))
    return divided


def draw(manifest, codes, quotas, bits):
    """Shuffles the patients of the training rows and fills the quotas, as when a split is drawn."""
    patients = shuffled(manifest, codes, bits)
    for rows, part in zip(patients, fill(patients, quotas)):
        for row in rows:
            codes[row] = part
    return codes


def drawn(bundle, split, manifest):
    """The folds recomputed from a split's seed or lists."""
    method, images = split["method"], len(manifest)
    if method["type"] == "resample":
        ratios = method["ratios"]
        need(len(ratios) == 3 and all(type(share) is int and share > 0 for share in ratios) and sum(ratios) == 100, f"ratios of {ratios}, which are not three shares of 100 %")
        quotas = [(part, (images * method["ratios"][part] + 50) // 100) for part in (2, 1)]
        return [draw(manifest, [0] * images, quotas, stream("reg split", method["seed"], fold)) for fold in range(len(split["folds"]))]
    if method["type"] == "k-fold":
        return k_fold(manifest, method["ratios"], len(split["folds"]), method["seed"])
    lists = [text_of(bundle.object(method[key]["object"])).split("\n") for key in ("train_val", "test")]
    named, codes = image_names(manifest), [3] * images
    for code, lines in zip((0, 2), lists):
        for row in (named(line.strip(BLANKS)) for line in lines if line.strip(BLANKS)):
            need(row is None or codes[row] == 3, "an image is twice on the lists of a split")
            if row is not None:
                codes[row] = code
    quota = math.floor(codes.count(0) * method["val_fraction"] + 0.5)
    return [draw(manifest, codes, [(1, quota)], stream("reg split official", method["seed"]))]


# What one division of a split is called: only those of k-fold are folds.
DIVISIONS = {"resample": "re-sampling", "k-fold": "fold", "official": "division"}


def check_split(bundle, id):
    """No patient is in two subsets of a division, the subsets are those recomputed, and the record's counts are right."""
    split = bundle.record(id, "split")
    manifest, folds = bundle.manifest(split["dataset"]), bundle.packed(split["assignment"], "assignment")
    torn, counted, word = [], [], bundle.division(id)
    for fold, codes in enumerate(folds):
        need(len(codes) == len(manifest), f"split {id[:12]}: {word} {fold} has {len(codes)} images, the data set {len(manifest)}")
        patients = [{image.patient for image, code in zip(manifest, codes) if code == part} for part in range(3)]
        both = sorted(patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2], key=patient_order)
        torn += [f"split {id[:12]}, {word} {fold}: patient {patient} is in two subsets" for patient in both]
        holders = {}
        for image, code in zip(manifest, codes):
            if image.image is not None and code < 3:
                holders.setdefault(image.image, []).append((image, code))
        for same in holders.values():
            if len({code for _, code in same}) > 1 and len({image.patient for image, _ in same}) > 1:
                names = " = ".join(image.name for image, _ in same)
                torn.append(f"split {id[:12]}, {word} {fold}: one file, {names}, is in two subsets")
        sizes = [{"images": codes.count(part), "patients": len(patients[part])} for part in range(3)]
        counted.append(dict(zip(("train", "val", "test"), sizes)))
    complain_of(torn)
    verify(f"split {id[:12]}", {"folds": split["folds"]}, {"folds": counted}, "patients and subsets give")
    if folds != drawn(bundle, split, manifest):
        complain(f"split {id[:12]}: its {word}s do not follow from its seed or lists")
    say(f"split {id[:12]}: no patient is in two subsets at once; the {word}s are those of seed {split['method']['seed']}")


# ----------------------------------------------------------------------------------------------------------------------
# 8. Recorded values compared with recomputed ones.
# ----------------------------------------------------------------------------------------------------------------------

NOTHING = object()


def differences(recorded, now, place=""):
    """Where two documents differ: place, recorded value, recomputed value."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        keys = sorted(recorded.keys() | now.keys())
        parts = [(recorded.get(key, NOTHING), now.get(key, NOTHING), f"{place}.{key}".lstrip(".")) for key in keys]
        return chain.from_iterable(differences(*part) for part in parts)
    if isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        parts = [(a, b, f"{place}.{i}") for i, (a, b) in enumerate(zip(recorded, now))]
        return chain.from_iterable(differences(*part) for part in parts)
    return [] if alike(recorded, now) else [(place, recorded, now)]


def alike(recorded, now):
    if isinstance(recorded, float) and isinstance(now, float):
        return recorded == now or isinstance(now, About) and math.isclose(recorded, now, rel_tol=NEAR, abs_tol=1e-300)
    return type(recorded) is type(now) and recorded == now


def verify(what, recorded, now, source):
    """Reports every difference."""

    def shown(value):
        return "missing" if value is NOTHING else f"{len(value)} entries" if isinstance(value, list) else str(value)

    found = differences(recorded, now)
    complain_of([f"{what}: {place} is {shown(a)}, but {source} {shown(b)}" for place, a, b in found])


# ----------------------------------------------------------------------------------------------------------------------
# 9. Runs and predictions.
# ----------------------------------------------------------------------------------------------------------------------


# Bits per number in a safetensors file.
BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16}
BITS.update({"BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64})


def tensors(data):
    """Number of values of each tensor of a safetensors file; the tensors are contiguous and fill the file."""
    (length,) = struct.unpack_from("<Q", data)
    need(length <= len(data) - 8, "a safetensors file ends in its header")
    header = strict(data[8 : 8 + length])
    found = sorted((*tensor["data_offsets"], name) for name, tensor in header.items() if name != "__metadata__")
    place = 0
    for start, end, name in found:
        shape = header[name]["shape"]
        need(all(type(side) is int and side >= 0 for side in shape), f"tensor {name} has no shape")
        bits = math.prod(shape) * BITS[header[name]["dtype"]]
        need(start == place and (end - start) * 8 == bits, f"tensor {name} does not have the bytes of its shape")
        place = end
    need(place == len(data) - 8 - length, "a safetensors file does not have the bytes of its tensors")
    return {name: math.prod(header[name]["shape"]) for _, _, name in found}


def parameters(held):
    """Number of values in tensors, without running statistics, counters of batches and thresholds of scores."""
    return sum(n for name, n in held.items() if name.rpartition(".")[2] not in ("running_mean", "running_var", "num_batches_tracked", "op_threshs"))


def check_weights(bundle, id):
    """Imported weights have as many tensors and values as recorded, and were left by the recorded runs."""
    weights = bundle.record(id, "weights")
    if "runs" in weights:
        theirs = {run for run in weights["runs"] if weights["file"]["object"] in left_by(bundle.record(run, "run"))}
        need(weights["runs"] and weights["runs"] == sorted(theirs), "the runs that it lists did not leave it")
    forms = {"dataset": ["dataset", "type"], "division": ["dataset", "fold", "split", "type"], "external": ["name", "type"]}
    declared = weights.get("trained_on", [])
    need(all(sorted(data) == forms.get(data["type"]) for data in declared), "its list of training data has wrong keys")
    order = [(list(forms).index(data["type"]), *(data.get(key, "") for key in ("dataset", "split", "fold", "name"))) for data in declared]
    need(order == sorted(set(order)) and ("trained_on" not in weights or declared), "its list of training data is not sorted")
    for data in declared:
        bundle.rows_of(data, ("train", "val")) if data["type"] != "external" else []
    if bundle.parts[weights["file"]["object"]].kept:
        check_origin(bundle, weights)
        held = tensors(bundle.object(weights["file"]["object"]))
        now = {"tensors": len(held), "parameters": parameters(held)}
        verify(f"weights {id[:12]}", {key: weights[key] for key in now}, now, "their file has")


def contents(data):
    """Hashes of the tensors that a network uses, but for those of a few bytes, which can be equal by chance."""
    (length,) = struct.unpack_from("<Q", data)
    header = strict(data[8 : 8 + length])
    unused = ("num_batches_tracked", "op_threshs")
    places = [own["data_offsets"] for name, own in header.items() if name != "__metadata__" and name.rpartition(".")[2] not in unused]
    return {hashlib.sha256(data[8 + length + start : 8 + length + end]).digest() for start, end in places if end - start > 64}


def check_origin(bundle, weights):
    """A file with all tensors of a run's checkpoint is that checkpoint, whatever else its bytes are."""
    file, declared, held = weights["file"]["object"], weights.get("trained_on", []), None
    for run_id in bundle.of_kind("run"):
        run = bundle.record(run_id, "run")
        spec = bundle.record(run["spec"], "spec")
        if "program" in spec or run["checkpoint"] == file or not bundle.parts[run["checkpoint"]].kept or run_id in weights.get("runs", []):
            continue
        named = any(data.get("dataset") == spec["dataset"] if data["type"] == "dataset" else (data.get("split"), data.get("fold")) == (spec["split"], spec["fold"]) for data in declared)
        held = contents(bundle.object(file)) if held is None else held
        own = contents(bundle.object(run["checkpoint"]))
        need(named or not own or not own <= held, f"their file has all tensors of the checkpoint of run {run_id[:12]}, which they do not name")


def check_software(bundle, id):
    """The sources are lines in the format of b3sum."""
    lines = bundle.object(bundle.record(id, "software")["sources"]).decode()
    need(re.fullmatch("([0-9a-f]{64}  [!-~][ -~]*\n)+", lines), "its sources are not lines of hash and path")


EPOCH = {"epoch": (int,), "lr": (float, int), "train_loss": (float, int, None), "val_loss": (float, int, None)}
EPOCH.update({"val_auc": (float, int, None), "val_auc_labels": (int,), "improved": (bool,)})


def read_log(data, training):
    """The validation losses of a run by epoch; a diverged epoch has none. The end of the training and the learning rates must follow from them."""
    *lines, rest = data.decode().split("\n")
    need(lines and not rest, "the last line of a log is incomplete")
    losses, lowest, rate, stalled, since_best = [], None, training["lr"], 0, 0
    stop = training.get("early_stop", "never")
    stop = math.inf if stop == "never" else stop
    for number, line in enumerate(lines, 1):
        need(number <= training["epochs"] and since_best < stop, "a log has more epochs than its spec")
        epoch = strict(line.encode())
        need(epoch.keys() == EPOCH.keys(), f"line {number} of a log has wrong keys")
        for key, kinds in EPOCH.items():
            value = epoch[key]
            known = None in kinds if value is None else type(value) in kinds and math.isfinite(value)
            need(known, f"line {number} of a log: {key} is {value}")
        need(epoch["epoch"] == number, f"line {number} of a log has epoch {epoch['epoch']}")
        losses.append(math.inf if epoch["val_loss"] is None else epoch["val_loss"])
        need(epoch["improved"] == (lowest is None or losses[-1] < lowest), f"line {number} of a log: improved does not follow from the losses")
        need(epoch["lr"] == rate, f"line {number} of a log: lr is {epoch['lr']}, but {rate} by its spec")
        lowest = losses[-1] if epoch["improved"] else lowest
        stalled, since_best = (0, 0) if epoch["improved"] else (stalled + 1, since_best + 1)
        if stalled > training["patience"]:
            rate, stalled = rate * training["lr_factor"], 0
    need(len(lines) == training["epochs"] or since_best >= stop, "a log has fewer epochs than its spec")
    return losses


def check_spec(bundle, id):
    """A run has initial weights exactly if its initialisation needs them, and its split has its division."""
    spec = bundle.record(id, "spec")
    need(spec["dataset"] == bundle.record(spec["split"], "split")["dataset"], "its split belongs to another data set")
    bundle.subset(spec["split"], spec["fold"], "train")
    if "program" in spec:
        paths = [file["path"] for file in spec["program"]["files"]]
        need(paths == sorted(set(paths), key=str.encode), "the program's files are not sorted by path")
        need(not any(part in ("", ".", "..") for path in paths for part in path.split("/")), "a file of the program lies outside of its folder")
        check_command(spec["program"])
        return
    need(spec["init"] in ("scratch", "fine-tune", "off-the-shelf") and spec["device"] in ("cpu", "cuda"), "an unknown `init` or `device`")
    need((spec["init"] == "scratch") == (spec["weights"] is None), f"`init` is {spec['init']}, but its weights are missing or not expected")


INTERPRETERS = ("python", "pypy", "Rscript", "julia", "bash", "zsh", "perl", "ruby", "node")


def check_command(program):
    """The script that the command names is among the program's files, or an input."""
    command, paths = program["command"], {file["path"] for file in program["files"]}
    inputs = {word for own in program.get("inputs", []) for word in ("{" + own["name"] + "}", own["file_name"])}
    first = command[0]
    need(not first.startswith("./") or first[2:] in paths, f"its command starts {first}, which is not among its files")
    if first.rstrip("0123456789.") in INTERPRETERS and len(command) > 1 and not command[1].startswith(("-", "/")):
        script = command[1][2:] if command[1].startswith("./") else command[1]
        need(script in paths or command[1] in inputs, f"its command runs {command[1]}, which is not among its files")


def check_execution(bundle, id):
    """The inputs that the command line of a program's run gave are in its spec."""
    execution = bundle.record(id, "execution")
    made = bundle.documents.get(execution["made"])
    if not made or made["kind"] != "run":
        return
    program = bundle.record(made["spec"], "spec").get("program")
    if program is not None:
        own = re.split(r" -- ", execution["command"])[0]
        words = [word for word in re.split("[ ='\"]", own) if word]
        given = [after for word, after in zip(words, words[1:]) if word == "--input"]
        names = {own["name"] for own in program.get("inputs", [])}
        for key in given:
            need(key in names, f"the spec has no input {key}, which its command gave")


def check_run(bundle, id):
    """A run's split belongs to its data set, and its record agrees with its log and its checkpoint."""
    run = bundle.record(id, "run")
    spec = bundle.record(run["spec"], "spec")
    if "program" in spec:
        return check_program_run(bundle, id, run, spec)
    need({"checkpoint", "log", "parameters"} <= run.keys() and "files" not in run, "a trained network without checkpoint or log")
    losses = read_log(bundle.object(run["log"]), spec["training"])
    best = losses.index(min(losses))
    now = {"epochs": len(losses), "best_epoch": best + 1, "val_loss": losses[best]}
    verify(f"run {id[:12]}", {key: run[key] for key in now}, now, "its log says")
    if bundle.parts[run["checkpoint"]].kept:
        verify(f"run {id[:12]}", {"parameters": run["parameters"]}, {"parameters": parameters(tensors(bundle.object(run["checkpoint"])))}, "its checkpoint has")
    say(f"run {id[:12]}: {spec['model']['name']}, {bundle.division(spec['split'])} {spec['fold']}; epoch {best + 1} of {len(losses)} as in its log")


# Words around a label in the name of a column of scores, and in that of a column of labels.
def check_program_run(bundle, id, run, spec):
    """The epochs in the record of a program's run follow from its log; the program itself decided which weights to keep."""
    known = {"epochs", "best_epoch", "val_loss"} & run.keys()
    need("parameters" not in run and ("log" in run) == ("epochs" in run), "a program's run has a log or a number of epochs, but not both")
    epochs, best, before = [], None, 0
    for line in bundle.object(run["log"]).decode().split("\n")[:-1] if "log" in run else []:
        epoch = strict(line.encode())
        need(epoch.keys() == EPOCH.keys() and epoch["epoch"] > before, "a line of a program's log is not an epoch")
        lower = epoch["val_loss"] is not None and (best is None or epoch["val_loss"] < best["val_loss"])
        need(epoch["improved"] == lower, "improved does not follow from the losses of a program's log")
        before, best = epoch["epoch"], epoch if lower else best
        epochs.append(epoch)
    now = {"epochs": len(epochs)} if "log" in run else {}
    now.update({"best_epoch": best["epoch"], "val_loss": best["val_loss"]} if best else {})
    verify(f"run {id[:12]}", {key: run[key] for key in known}, now, "its log says")
    name, files, left = spec["program"]["name"], len(spec["program"]["files"]), len(run.get("files", []))
    say(f"run {id[:12]}: {name}, {bundle.division(spec['split'])} {spec['fold']}; a program of {files} file{'s' * (files != 1)} that left {left} besides checkpoint and log")


SCORE_FILES = ("scores.csv", "scores.npy")


def read_program_scores(data, name, labels):
    """The scores that a program left, by the exact name of each image, and their scale; None for a file that is not CSV."""
    if not name.endswith(".csv"):
        return None, None
    head, rows = read_csv(data)
    image = only(head, "Image Index")
    forms = [("", "probability"), ("prob_", "probability"), ("logit_", "logit")]
    columns = {place: [(own, scale) for start, scale in forms for own in labels if text == start + own] for place, text in enumerate(head) if place != image}
    need(all(columns.values()), "the file of scores has a column that is not named after a label")
    columns = {place: found[0] for place, found in columns.items()}
    scales = {scale for _, scale in columns.values()}
    need(sorted(own for own, _ in columns.values()) == sorted(labels) and len(scales) == 1, "the file of scores does not have each label once")
    found = {row[image]: {own: finite(row[place]) for place, (own, _) in columns.items()} for row in rows}
    need(len(found) == len(rows), "the file of scores has an image twice")
    return found, scales.pop()


SCORE_WORDS = set("conf confidence logit logits output outputs pred predicted prediction predictions preds prob proba probabilities probability probas probs score scores sigmoid yhat".split())
TRUTH_WORDS = set("actual binary class gt groundtruth label labels target targets true truth".split())


class ScoreColumns:
    """Which columns of a table are the scores of a label; `pattern` says it, or the words around the labels."""

    def __init__(self, labels, pattern):
        self.labels, self.pattern, self.alike = labels, pattern, {}
        for own in labels:
            self.alike.setdefault(own.replace("_", " ").lower(), []).append(own)

    def label(self, name):
        """The exact name; otherwise the only one that differs just in spaces and case; otherwise the older name."""
        name = name.strip(BLANKS)
        alike = self.alike.get(name.replace("_", " ").lower(), [])
        if name in self.labels or not alike:
            return next((own for own in (name, RENAMED.get(name)) if own in self.labels), None)
        return alike[0] if len(alike) == 1 else None

    def parse(self, name):
        """The words around the label and the label, the longest one that the name begins or ends with, or None."""
        if self.pattern is not None:
            before, behind = self.pattern.split("{label}")
            ends = (len(before), len(name) - len(behind))
            fits = ends[0] <= ends[1] and (name[: ends[0]] + name[ends[1] :]).lower() == (before + behind).lower()
            label = self.label(name[ends[0] : ends[1]]) if fits else None
            return ((), label) if label else None
        cuts = [at for at, letter in enumerate(name) if letter in "_ -.:/()[]"]
        spans = [(0, len(name)), *((0, at) for at in cuts), *((at + 1, len(name)) for at in cuts)]
        if name[-1:] in (")", "]"):
            start = max(name.rfind("(", 0, -1), name.rfind("[", 0, -1))
            spans += [(start + 1, len(name) - 1)] if start >= 0 else []
        found = [(len(name[start:end].encode()), start, end) for start, end in spans if self.label(name[start:end])]
        if not found:
            return None
        # The last of the longest.
        _, start, end = max(reversed(found), key=lambda span: span[0])
        around = (name[:start], name[end:])
        words = tuple("".join(c if c.isalnum() else " " for c in text).lower() for text in around)
        return tuple(" ".join(text.split()) for text in words), self.label(name[start:end])

    @staticmethod
    def meaning(affix):
        words = " ".join(affix).split()
        if not words:
            return "plain"
        if words in (["y"], ["p"]):
            return {"y": "truth", "p": "scores"}[words[0]]
        scores, truth = SCORE_WORDS & set(words), TRUTH_WORDS & set(words)
        return "unclear" if bool(scores) == bool(truth) else "scores" if scores else "truth"

    def choose(self, head, image):
        """Label and place of each column of scores."""
        groups = {}
        for place, name in enumerate(head):
            affix, label = (place != image and self.parse(name)) or (None, None)
            if label:
                groups.setdefault(affix, []).append((label, place))
        of = {meaning: [affix for affix in groups if self.meaning(affix) == meaning] for meaning in ("scores", "plain", "unclear")}
        fitting = of["scores"] or of["plain"] and of["plain"] + of["unclear"]
        need(len(fitting) == 1, "the file of scores does not tell which columns are the scores")
        columns = groups[fitting[0]]
        need(len(dict(columns)) == len(columns), "the file of scores has a label twice")
        return columns




def read_scores_csv(data, labels, pattern, named):
    """Another tool's scores: those of each image by label of the data set."""
    head, rows = read_csv(data)
    image = only(head, "Image Index")
    columns = ScoreColumns(labels, pattern).choose(head, image)
    found = {}
    for row in rows:
        scores, place = {own: finite(row[place]) for own, place in columns}, named(row[image])
        name = row[image] if place is None else place
        need(found.setdefault(name, scores) == scores, f"the file of scores contradicts itself about {name}")
    return found


def check_mean(bundle, id):
    """Predictions that are a mean have the images and labels of their members, and the mean of their scores: of logits if all are."""
    cell, (first, *others) = Cell.of(bundle, id), (Cell.of(bundle, member) for member in bundle.record(id, "predictions")["source"]["predictions"])
    ids = [first.id, *(other.id for other in others)]
    need(others and ids == sorted(set(ids)), "a mean of fewer than two predictions, or its members are not sorted")
    for key in ("dataset", "split", "fold", "subset", "labels"):
        need(all(own.predictions[key] == first.predictions[key] for own in (cell, *others)), f"the members of a mean differ in {key}")
    need(all(own.rows == first.rows for own in (cell, *others)), "the members of a mean score different images")
    scales = {own.predictions["scale"] for own in (first, *others)}
    scale = scales.pop() if len(scales) == 1 else "probability"

    def on_scale(own, score):
        return score if own.predictions["scale"] == scale else sigmoid(score)

    kind = float if scale == first.predictions["scale"] and all(own.predictions["scale"] == scale for own in others) else About
    for label in cell.labels:
        for place, score in enumerate(cell.scores[label]):
            given_ = [on_scale(own, own.scores[label][place]) for own in (first, *others)]
            now = kind(min(max(in_turn(given_) / len(given_), min(given_)), max(given_)))
            if not alike(score, now):
                complain(f"predictions {id[:12]}: a score is not the mean of those of the members")
                return
    own = {key: cell.predictions[key] for key in ("images", "scale")}
    verify(f"predictions {id[:12]}", own, {"images": len(first.rows), "scale": scale}, "its members give")


def check_predictions(bundle, id):
    """Predictions have the images, labels and model of their run, are the mean of their members, or agree with the file from which they were imported."""
    predictions = bundle.record(id, "predictions")
    cell = Cell.of(bundle, id)
    if predictions["source"]["type"] == "mean":
        check_mean(bundle, id)
        return
    need(predictions["source"].get("flipped", True) is True, "predictions of mirrored images that do not say so")
    fitting = {"dataset": predictions["dataset"], "images": len(cell.rows), "scores": len(predictions["labels"])}
    known = cell.dataset["labels"]
    fitting["labels"] = [label for label in known if label in predictions["labels"]]
    own = {**{key: predictions[key] for key in fitting}, "scores": cell.columns}
    wanted = None
    where = [predictions[key] is None for key in ("split", "fold", "subset")]
    need(all(where) or not any(where), "predictions name a split without fold and subset, or these without a split")
    if predictions["split"] is not None:
        fitting["dataset"] = bundle.record(predictions["split"], "split")["dataset"]
        wanted = bundle.subset(predictions["split"], predictions["fold"], predictions["subset"])
    if predictions["source"]["type"] in ("run", "program"):
        run = bundle.record(predictions["source"]["run"], "run")
        spec = bundle.record(run["spec"], "spec")
        need(("program" in spec) == (predictions["source"]["type"] == "program"), "a program and a network are confused")
        fitting.update({key: spec[key] for key in ("dataset", "split", "fold")})
        fitting.update(labels=known)
        if "program" in spec:
            fitting.update(model=spec["program"]["name"])
            left = [file for file in run.get("files", []) if file["name"] in SCORE_FILES]
            need(len(left) == 1, "a program without scores")
            given, scale = read_program_scores(bundle.object(left[0]["object"]), left[0]["name"], known)
            if given is None:
                uncomputed.add(f"predictions {id[:12]} beside {left[0]['name']}, a format that this program does not read")
            else:
                fitting.update(scale=scale)
                names = [image.name for image in cell.manifest]
                wrong = any(given.get(names[row], {}).get(label) != score for label in cell.labels for row, score in zip(cell.rows, cell.scores[label]))
                if wrong:
                    complain(f"predictions {id[:12]}: a score differs from the file that the program left")
        else:
            fitting.update(model=spec["model"]["name"], scale="logit")
        own.update({key: predictions[key] for key in fitting if key != "scores"})
        if wanted != cell.rows:
            complain(f"predictions {id[:12]}: their images are not the {predictions['subset']} images")
    else:
        source = predictions["source"]
        given = read_scores_csv(bundle.object(source["file"]["object"]), known, source.get("columns"), image_names(cell.manifest))
        need(given, "the file of scores is empty")
        fitting["labels"] = [label for label in known if label in next(iter(given.values()))]
        need(predictions["scale"] in ("probability", "logit"), "scores of an unknown scale")
        if predictions["scale"] == "probability" and not all(0 <= score <= 1 for scores in given.values() for score in scores.values()):
            complain(f"predictions {id[:12]}: a value in their file is not a probability")
        scored = [row for row in range(len(cell.manifest)) if row in given]
        if cell.rows != (scored if wanted is None else sorted(set(scored) & set(wanted))):
            complain(f"predictions {id[:12]}: their images are not those of the imported file")
        elif any(given[row][label] != score for label in cell.labels for row, score in zip(cell.rows, cell.scores[label])):
            complain(f"predictions {id[:12]}: a score differs from the imported file")
    verify(f"predictions {id[:12]}", own, fitting, "that of its run is" if "model" in fitting else "its scores and split give")


class Cell:
    """A model's scores of one fold, with the true labels."""

    def __init__(self, bundle, id):
        self.id, self.predictions = id, bundle.record(id, "predictions")
        self.dataset, self.manifest = bundle.record(self.predictions["dataset"], "dataset"), bundle.manifest(self.predictions["dataset"])
        self.rows, scores = bundle.packed(self.predictions["scores"], "scores")
        self.labels, self.columns = self.predictions["labels"], len(scores)
        self.fold = self.predictions["fold"]
        self.scores = dict(zip(self.labels, scores))
        self.complete()

    @staticmethod
    def of(bundle, id):
        if id not in bundle.cells:
            bundle.cells[id] = Cell(bundle, id)
        return bundle.cells[id]

    def complete(self):
        places = {label: place for place, label in enumerate(self.dataset["labels"])}
        self.images = [self.manifest[row] for row in self.rows]
        # Without images whose label is missing; a label that the data set does not have is false.
        self.known = {}
        for label in self.labels:
            truth = [value_of(image, places[label]) if label in places else 0 for image in self.images]
            there = [place for place, value in enumerate(truth) if value is not None]
            self.known[label] = there, [self.scores[label][place] for place in there], [truth[place] for place in there]
        # Patients are numbered as they first appear.
        numbers = {}
        self.patients = [numbers.setdefault(image.patient, len(numbers)) for image in self.images]
        self.placed = {}

    def positives(self, label):
        return sum(self.known[label][2])

    def negatives(self, label):
        return len(self.known[label][2]) - self.positives(label)

    def patients_with(self, label, wanted):
        """Number of patients with an image that has the label, or that does not have it."""
        there, _, truth = self.known[label]
        return len({self.patients[place] for place, yes in zip(there, truth) if bool(yes) is wanted})

    def missing(self, label):
        return len(self.rows) - len(self.known[label][0])

    def is_constant(self, label):
        scores = self.known[label][1]
        return len(scores) > 1 and all(score == scores[0] for score in scores)

    def rows_in(self, other):
        """For each image, its row in the data set of another cell, with the same source, name, file, patient and labels; None if there is none."""
        if self.predictions["dataset"] == other.predictions["dataset"]:
            return self.rows
        if any(self.dataset[key] != other.dataset[key] for key in ("source", "labels")):
            return [None] * len(self.rows)

        def identity(image):
            return image.name, image.image, image.patient, image.positive, image.missing

        theirs = {identity(image): row for row, image in enumerate(other.manifest)}
        return [theirs.get(identity(image)) for image in self.images]

    def within(self, rows, other):
        """The cell restricted to those of its images that are among these of another cell's data set."""
        there = self.rows_in(other)
        kept = [place for place, row in enumerate(there) if row in rows]
        if len(kept) == len(there):
            return self
        cell = copy.copy(self)
        cell.rows = [self.rows[place] for place in kept]
        cell.scores = {label: [scores[place] for place in kept] for label, scores in self.scores.items()}
        cell.complete()
        return cell

    def placements(self, label, variance):
        """None if a class is missing."""
        if (label, variance) not in self.placed:
            there, scores, truth = self.known[label]
            clusters = [self.patients[place] for place in there] if variance == "clustered" else there
            both = 0 < sum(truth) < len(truth)
            self.placed[label, variance] = Placed(scores, truth, clusters) if both else None
        return self.placed[label, variance]

    def placements_by_patient(self, label):
        """By the numbers in `patients`."""
        there, scores, truth = self.known[label]
        return Placed(scores, truth, [self.patients[place] for place in there]) if 0 < sum(truth) < len(truth) else None

    def auc(self, label):
        placed = self.placements(label, "clustered")
        return placed and placed.auc()

    def of_seeds(self):
        """The scores of each seed."""
        return [self]

    def place(self, bundle):
        """What the images are of a split: `re-sampling 0`, `fold 0`, `division 0`."""
        split = self.predictions["split"]
        return "no division" if self.fold is None else f"{bundle.division(split) if split else 'division'} {self.fold}"

    def sources(self, bundle):
        """The sources of the scores: for a mean, the sources of its members, each once."""
        found, seen, queue = [], {self.id}, [self.predictions["source"]]
        while queue:
            source = queue.pop()
            if source["type"] != "mean":
                found.append(source)
                continue
            for id in source["predictions"]:
                if id not in seen:
                    seen.add(id)
                    queue.append(bundle.record(id, "predictions")["source"])
        return found

    def scorers(self, bundle):
        """The runs behind the scores, sorted."""
        return sorted({source["run"] for source in self.sources(bundle) if "run" in source})

    def specs(self, bundle):
        """The specs of the runs behind the scores; none for another tool's scores."""
        return [bundle.record(bundle.record(run, "run")["spec"], "spec") for run in self.scorers(bundle)]

    def seed(self, bundle):
        """The seed of the run; None for a mean and for another tool's scores."""
        return self.specs(bundle)[0]["seed"] if "run" in self.predictions["source"] else None


class Seeds(Cell):
    """The scores of one fold with several seeds: AUCs and placements are means over them, the rest is what they share."""

    def __init__(self, seeds):
        self.__dict__.update(seeds[0].__dict__)
        self.seeds, self.placed = seeds, {}

    def of_seeds(self):
        return self.seeds

    def within(self, rows, other):
        return Seeds([seed.within(rows, other) for seed in self.seeds])

    def placements(self, label, variance):
        if (label, variance) not in self.placed:
            own = [seed.placements(label, variance) for seed in self.seeds]
            self.placed[label, variance] = None if None in own else Placed.mean(own)
        return self.placed[label, variance]

    def placements_by_patient(self, label):
        there, _, truth = self.known[label]
        own = [seed.known[label][1] for seed in self.seeds]
        clusters = [self.patients[place] for place in there]
        return Placed.mean([Placed(scores, truth, clusters) for scores in own]) if 0 < sum(truth) < len(truth) else None


# ----------------------------------------------------------------------------------------------------------------------
# 10. Tables: every field is recomputed.
# ----------------------------------------------------------------------------------------------------------------------


def lacking(missing):
    """The number of images whose label is missing; absent if there are none."""
    return {"missing": missing} if missing else {}


def threshold_of(cell, label, point):
    """The threshold of a label, with its sensitivity and specificity on these images; None if there is none."""
    _, scores, truth = cell.known[label]
    score = chosen(point, scores, truth)
    if score is None:
        return None
    sensitivity, specificity = at_threshold(scores, truth, score)
    return {"score": score, "probability": probability(cell, score), "sensitivity": sensitivity, "specificity": specificity}


def probability(cell, score):
    return About(sigmoid(score)) if cell.predictions["scale"] == "logit" else score


def auc_table(bundle, table):
    cell, point = Cell.of(bundle, table["predictions"]), table.get("operating_point")
    need(point is None or is_point(point), "an operating point that is none")
    labels = []
    for label in cell.labels:
        positives, missing = cell.positives(label), cell.missing(label)
        counts = {"positives": positives, "negatives": len(cell.rows) - missing - positives, "positive_patients": cell.patients_with(label, True)}
        same = {"constant": True} if cell.is_constant(label) else {}
        threshold = given({"threshold": point and threshold_of(cell, label, point)}, "threshold")
        labels.append({"label": label, "auc": cell.auc(label), **counts, **lacking(missing), **same, **threshold})
    count, average = summary([label["auc"] for label in labels])[:2]
    images, of_images = len(cell.rows), images_of_subset(bundle, cell)
    now = {"predictions": cell.id, "dataset": cell.predictions["dataset"], "labels": labels, "mean": average, "mean_over": count}
    now.update(images=images, patients=len(set(cell.patients)), of_images=of_images if of_images > images else None)
    return given({**now, "operating_point": point}, "of_images", "operating_point")


def dataset_table(bundle, table):
    dataset, images = bundle.record(table["dataset"], "dataset"), bundle.manifest(table["dataset"])

    def part(count, of):
        return count / of if of else None

    ages = [image.age for image in images if plausible(image)]
    n, by_age = len(ages), Counter(age // 2 * 2 for age in ages)
    squares = n * sum(age * age for age in ages) - sum(ages) ** 2
    places = range(len(dataset["labels"]))
    positives = [sum(image.positive >> place & 1 for image in images) for place in places]
    missing = [sum(image.missing >> place & 1 for image in images) for place in places]
    labels = [
        {"label": label, "positives": count, "prevalence": part(count, len(images) - without), **lacking(without)}
        for label, count, without in zip(dataset["labels"], positives, missing)
    ]
    findings = sum(count for label, count in zip(dataset["labels"], positives) if label != dataset["no_finding"])
    return {
        "dataset": table["dataset"],
        "images": len(images),
        "patients": len({image.patient for image in images}),
        "gender": [sum(image.gender == gender for image in images) for gender in range(3)],
        "view": [sum(image.view == view for image in images) for view in range(3)],
        "age_mean": part(sum(ages), n),
        "age_std": math.sqrt(float(squares) / n / (n - 1)) if n > 1 else None,
        "age_min": min(ages, default=None),
        "age_max": max(ages, default=None),
        "ages": [{"from": age, "to": age + 2, "images": by_age[age]} for age in range(min(by_age), max(by_age) + 1, 2)] if ages else [],
        "impossible_ages": sum(image.age is not None and not plausible(image) for image in images),
        "missing_ages": sum(image.age is None for image in images),
        "labels": labels,
        "findings_per_image": part(findings, len(images)),
    }


# ----------------------------------------------------------------------------------------------------------------------
# 11. Comparisons. A column is a model: its cells by ascending fold, after the cell without a fold.
# ----------------------------------------------------------------------------------------------------------------------


def in_order(fold):
    return -1 if fold is None else fold


def same_images(a, b):
    return b.rows_in(a) == a.rows


def seeds_of(bundle, name, cells):
    """Cells of one fold whose runs differ in their seed only."""
    numbers = [cell.seed(bundle) for cell in cells]
    first = cells[0]
    alike_ = None not in numbers and len(set(numbers)) == len(numbers)
    alike_ = alike_ and all(cell.labels == first.labels and same_images(first, cell) for cell in cells)
    alike_ = alike_ and all(cell.predictions[key] == first.predictions[key] for cell in cells for key in ("subset", "scale"))
    alike_ = alike_ and not any(different_settings(first.specs(bundle)[0], cell.specs(bundle)[0]) for cell in cells)
    need(alike_, f"column {name} has two predictions of one fold, which are not those of different seeds")
    return Seeds([cell for _, cell in sorted(zip(numbers, cells), key=lambda pair: pair[0])])


def columns_of(bundle, table):
    columns = {}
    for model in table["models"]:
        need(model["name"] not in columns and model["predictions"], f"column {model['name']} is duplicated or empty")
        columns[model["name"]], by_fold = {}, {}
        for id in model["predictions"]:
            by_fold.setdefault(Cell.of(bundle, id).fold, []).append(Cell.of(bundle, id))
        for fold, cells in sorted(by_fold.items(), key=lambda item: in_order(item[0])):
            columns[model["name"]][fold] = cells[0] if len(cells) == 1 else seeds_of(bundle, model["name"], cells)
    need(columns, "a comparison without models")
    # A column has the name of its model, or a name given to its run; but never the name of another column's model.
    models = {name: {cell.predictions["model"] for cell in cells.values()} for name, cells in columns.items()}
    for name, own in models.items():
        if name not in own and any(name in other for other in models.values()):
            complain(f"column {name} holds predictions of {', '.join(sorted(own))}")
        elif own != {name}:
            uncomputed.add(f"the name of column {name}, which somebody typed: the column holds predictions of {', '.join(sorted(own))}")
    return columns


def common(columns):
    """The columns restricted to the folds and images that all of them scored."""
    first, *others = columns.values()
    shared = [fold for fold in first if all(fold in cells for cells in others)]
    result = {name: {} for name in columns}
    for fold in shared:
        cells = [cells[fold] for cells in columns.values()]
        rows = set(cells[0].rows)
        for cell in cells:
            rows &= set(cell.rows_in(cells[0]))
        for name in columns:
            result[name][fold] = columns[name][fold].within(rows, cells[0])
    return result


def compared(bundle, table):
    """Recomputes a comparison from its predictions and the requested options."""
    columns = columns_of(bundle, table)
    if table.get("shared_images"):
        columns = common(columns)
        need(any(cell.rows for cells in columns.values() for cell in cells.values()), "no image was scored by all models")
    published = published_models(bundle, table)
    reasons, leak_check = fairness(bundle, columns, table)
    scored = [set(cell.labels) for cells in columns.values() for cell in cells.values()]
    different = any(reason["kind"] == "different-labels" for reason in table.get("unfair", []))
    first = next(iter(next(iter(columns.values())).values()))
    # If labels were chosen, the table has those; otherwise all columns must have the same, or the table must flag it.
    labels = [label["label"] for label in table["models"][0]["labels"]]
    if different:
        reasons += different_labels(columns)
        labels = [label for label in first.labels if all(label in own for own in scored)]
    need(labels and len(set(labels)) == len(labels), "a comparison without labels, or with a duplicate label")
    need(all(set(labels) <= own for own in scored), "a label that not every model has scored")
    reasons += published_incomparable(bundle, columns, (published or {}).get("models", []))
    folds = sorted({fold for cells in columns.values() for fold in cells}, key=in_order)
    shared = common(columns)
    paired = all(
        len(columns[name]) == len(shared[name]) and all(same_images(cell, shared[name][fold]) for fold, cell in columns[name].items())
        for name in columns
    )
    variance, primary, margin = table["variance"], table.get("primary"), table.get("margin")
    need(variance in ("clustered", "delong"), "an unknown variance")
    need(margin is None or type(margin) is float and 0 < margin < 1, "a margin that is none")
    need(primary is None or primary["a"] in columns and primary["b"] in columns, "a primary comparison of a model that is not in the table")
    no_finding = first.dataset["no_finding"] if first.dataset["no_finding"] in labels else None
    left_out = no_finding if len(labels) > 1 else None
    models = [evaluate(bundle, name, cells, folds, labels, left_out, variance) for name, cells in columns.items()]
    mixed = any(reason["kind"] == "mixed-folds" for reason in reasons)
    allowed = [id for model in table["models"] for id in model.get("validation", [])]
    metrics = []
    point = table.get("operating_point", "youden")
    need(is_point(point) and ("operating_point" not in table or point != "youden"), "an operating point that is none")
    for model, cells in zip(models, columns.values()):
        for fold in cells.values():
            for cell in fold.of_seeds() if table.get("metrics") or table.get("ranking") else ():
                validation = validation_of(bundle, cell, allowed)
                model["validation"] += [validation.id] if validation else []
                if table.get("metrics"):
                    seed = {"seed": cell.seed(bundle)} if len(fold.of_seeds()) > 1 else {}
                    own = [row for row in table["metrics"] if (row["model"], row["fold"], row.get("seed")) == (model["name"], cell.fold, seed.get("seed"))]
                    metrics += [{**metric_row(model["name"], cell, (validation, point), label, own), **seed} for label in labels]
    ranking = ranked(bundle, columns, labels, allowed) if table.get("ranking") else []
    datasets = [(cell.predictions["dataset"], cell.predictions["subset"]) for cell in next(iter(columns.values())).values()]
    own = (table["dataset"], table["subset"])
    # With mixed folds, data set and subset are those of the first input, which is unknown.
    dataset, subset = own if mixed and own in datasets else datasets[0]
    by = list(dict.fromkeys(row["by"] for row in table.get("groups", [])))
    prevalence = table.get("prevalence")
    need(prevalence is None or type(prevalence) is float and 0 < prevalence < 1 and metrics, "a prevalence that is none")
    correlated, constant = correlations(shared, labels, table.get("pooling"))
    now = {
        "dataset": dataset,
        "subset": subset,
        "folds": [fold for fold in folds if fold is not None],
        "shared_images": table.get("shared_images"),
        "division": division(bundle, columns),
        "variance": variance,
        "no_finding": no_finding,
        "primary": primary,
        "margin": margin,
        "models": [given(model, "imported", "program", "seeds", "validation", "images", "of_images", "pathology_errors") for model in models],
        "spearman": correlated,
        "constant": constant,
        "pooling": table.get("pooling"),
        "delong": paired_tests(shared, labels, variance, left_out, primary),
        "resampled": resampled(bundle, shared, models, left_out, primary) if paired and not mixed else [],
        "bootstrap": bootstrap(columns, labels, left_out, table["bootstrap"], paired) if "bootstrap" in table else None,
        "operating_point": table.get("operating_point"),
        "prevalence": prevalence,
        "ranking": ranking,
        "metrics": metrics,
        "groups": [row for group in by for row in groups(columns, labels, group, variance)],
        "group_tests": adjust([row for group in by for row in group_tests(columns, labels, group, variance)], None),
        "published": published,
        "unfair": reasons,
        "leak_check": leak_check,
    }
    need(table.get("pooling") in (None, "all-scores") and table.get("shared_images") in (None, True), "an unknown option")
    return given(now, "shared_images", "division", "no_finding", "primary", "margin", "constant", "pooling", "resampled", "bootstrap", "operating_point", "prevalence", "ranking", "metrics", "groups", "group_tests", "published", "unfair", "leak_check")


def ranked(bundle, columns, labels, allowed):
    """The columns by descending mean AUC over the labels on validation images; those without such scores last."""
    found = []
    for name, folds in columns.items():
        means, covered = [], []
        for fold in folds.values():
            means.append([])
            covered.append(0)
            for validation in filter(None, (validation_of(bundle, cell, allowed) for cell in fold.of_seeds())):
                n, average = summary([validation.auc(label) if label in validation.labels else None for label in labels])[:2]
                covered[-1] = n
                means[-1] += [] if average is None else [average]
        found.append({"model": name, "validation": spread_of_seeds(means), "labels": covered})
    return sorted(found, key=lambda row: -math.inf if row["validation"]["mean"] is None else row["validation"]["mean"], reverse=True)


def division(bundle, columns):
    """`fold` where every split of the scores is one of k-fold, `division` where some are, else nothing."""
    splits = [cell.predictions["split"] for cells in columns.values() for cell in cells.values()]
    folds = [split is not None and bundle.record(split, "split")["method"]["type"] == "k-fold" for split in splits]
    return "fold" if folds and all(folds) else "division" if any(folds) else None


def given(document, *optional):
    """Without keys whose value is empty."""
    return {key: value for key, value in document.items() if value or key not in optional}


def evaluate(bundle, name, cells, folds, labels, no_finding, variance):
    """A model of a comparison; folds that only other models have are undefined."""
    own = [cells.get(fold) for fold in folds]

    def count(of):
        return [of(cell) if cell else 0 for cell in own]

    def of_seeds(cell, of):
        """What is defined of each seed."""
        return [value for value in map(of, cell.of_seeds() if cell else ()) if value is not None]

    rows, errors = [], {}
    for label in labels:
        placed = [cell and cell.placements(label, variance) for cell in own]
        missing = count(lambda cell: cell.missing(label))
        rows.append({
            "label": label,
            "positives": count(lambda cell: cell.positives(label)),
            "negatives": count(lambda cell: cell.negatives(label)),
            "positive_patients": count(lambda cell: cell.patients_with(label, True)),
            "negative_patients": count(lambda cell: cell.patients_with(label, False)),
            **lacking(missing if any(missing) else None),
            "auc": spread_of_seeds([of_seeds(cell, lambda seed: seed.auc(label)) for cell in own]),
            "std_errors": [std_error(of_fold and of_fold.spread(), variance) for of_fold in placed],
        })
        errors[label] = placed
    seeds = [of_seeds(cell, lambda seed: seed.seed(bundle)) for cell in own]
    of_images = count(lambda cell: images_of_subset(bundle, cell))
    complete = all(cell is None or cell.predictions["images"] >= all_images for cell, all_images in zip(own, of_images))
    return {
        "name": name,
        "imported": any(source["type"] == "import" for cell in cells.values() for seed in cell.of_seeds() for source in seed.sources(bundle)),
        "program": any(source["type"] == "program" for cell in cells.values() for seed in cell.of_seeds() for source in seed.sources(bundle)),
        "predictions": [seed.id for cell in cells.values() for seed in cell.of_seeds()],
        "seeds": seeds if any(len(numbers) > 1 for numbers in seeds) else [],
        "validation": [],
        "images": count(lambda cell: len(cell.rows)),
        "of_images": [] if complete else of_images,
        "patients": count(lambda cell: len(set(cell.patients))),
        "labels": rows,
        "mean": spread_of_seeds([of_seeds(cell, lambda seed: mean([seed.auc(label) for label in labels])) for cell in own]),
        "mean_errors": mean_errors(errors, None, variance),
        "pathology_errors": mean_errors(errors, no_finding, variance) if no_finding else [],
    }


def mean_errors(placed, left_out, variance):
    """The standard error of the mean over the labels for each fold, without one label if `left_out` names it."""
    own = [of_label for label, of_label in placed.items() if label != left_out]
    return [std_error(mean_spread([of_fold for of_fold in labels if of_fold]), variance) for labels in zip(*own)]


def images_of_subset(bundle, cell):
    """The number of images that the scores should have; of scores outside of a split, the number that they have."""
    own = cell.predictions
    if None in (own["split"], own["fold"], own["subset"]):
        return len(cell.rows)
    return len(bundle.subset(own["split"], own["fold"], own["subset"]))


def correlations(columns, labels, pooling):
    """Spearman's rank correlation of every pair: for each label over the images of a fold, or for all scores of a fold, then averaged.

    Also the cells that are left out, because a model gives all images the same score.
    """
    names, matrices, constant = list(columns), [], []
    for fold in columns[names[0]]:
        for pooled in [labels] if pooling == "all-scores" else [[label] for label in labels]:
            ranks = [
                [centred_ranks([score for label in pooled for score in seed.scores[label]]) for seed in columns[name][fold].of_seeds()]
                for name in names
            ]
            matrices.append([[correlation(a, b) for b in ranks] for a in ranks])
            label = None if pooling == "all-scores" else pooled[0]
            same = [name for i, name in enumerate(names) if matrices[-1][i][i] is None]
            constant += [{"model": name, "label": label, "fold": fold} for name in same]
    return [[mean([matrix[i][j] for matrix in matrices]) for j in range(len(names))] for i in range(len(names))], constant


def correlation(a, b):
    """Of two columns, over all pairs of a seed of each; of a column with itself, over its seeds. None if a seed is constant."""
    found = [spearman(x, y) for x in a for y in b if a is not b or x is y]
    return None if None in found else mean(found)


def adjust(rows, primary):
    """Adds adjusted p-values; the primary comparison belongs to no family."""
    family = [row for row in rows if row["label"] is not None or row.get("pathologies") or primary is None or {row["a"], row["b"]} != {primary["a"], primary["b"]}]
    p_values = [row["p"] for row in family]
    for row, row["p_holm"], row["p_bh"] in zip(family, holm(p_values), benjamini_hochberg(p_values)):
        pass
    return rows


def paired_tests(columns, labels, variance, no_finding, primary):
    """Every pair of models on the same images: by label and fold, then by fold the means over labels. All are one family."""
    names, rows = list(columns), []
    folds = list(columns[names[0]])
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    cells = {(label, fold): [columns[name][fold].placements(label, variance) for name in names] for label in labels for fold in folds}
    cells = {key: dict(zip(names, placed)) for key, placed in cells.items() if None not in placed}

    def counts(keys):
        return [min(columns[names[0]][fold].patients_with(label, wanted) for label, fold in keys) for wanted in (True, False)]

    def test(a, b, label, over, fold, keys, difference, found):
        positive, negative = counts(keys)
        error, df = (math.sqrt(found[0]), found[1]) if found else (None, None)
        p = None
        if error and min(positive, negative) >= FEWEST_PATIENTS:
            p = student_p(difference / error, df) if variance == "clustered" else normal_p(difference / error)
        row = {"a": a, "b": b, "label": label, "over": over, "fold": fold, "positive_patients": positive, "negative_patients": negative}
        rows.append({**row, "difference": difference, "std_error": std_error(found, variance), "p": p, "p_holm": None, "p_bh": None})

    for (label, fold), placed in cells.items():
        for a, b in pairs:
            apart = placed[a].apart(placed[b])
            found = apart.spread()
            difference = apart.auc() if found else placed[a].auc() - placed[b].auc()
            test(a, b, label, None, fold, [(label, fold)], difference, found)
    for fold, left_out in [(fold, left_out) for fold in folds for left_out in [None, no_finding][: 2 if no_finding else 1]]:
        own = {key: placed for key, placed in cells.items() if key[1] == fold and (left_out is None or key[0] != left_out)}
        for a, b in pairs if own else ():
            difference = mean([placed[a].auc() for placed in own.values()]) - mean([placed[b].auc() for placed in own.values()])
            found = mean_spread([placed[a].apart(placed[b]) for placed in own.values()])
            test(a, b, None, len(own), fold, own, difference, found)
            rows[-1].update({"pathologies": True} if left_out else {})
    # Over several folds the test over folds is the one that was named.
    adjust(rows, primary if len(folds) == 1 else None)
    return [given(row, *(key for key in ("p_holm", "p_bh") if row[key] is None)) for row in rows]


def resampled(bundle, columns, models, no_finding, primary):
    """The t-test over folds whose training images overlap (Nadeau and Bengio, Machine Learning 52, 2003, equation 9)."""
    cells = list(next(iter(columns.values())).values())
    if len(cells) < 2 or any(cell.predictions["split"] is None or cell.fold is None for cell in cells):
        return []
    train = sum(len(bundle.subset(cell.predictions["split"], cell.fold, "train")) for cell in cells)
    if not train:
        return []
    widened, rows = sum(len(cell.rows) for cell in cells) / train, []
    for i, a in enumerate(models):
        for b in models[i + 1 :]:
            pairs = [(x["label"], {}, x["auc"]["folds"], y["auc"]["folds"]) for x, y in zip(a["labels"], b["labels"])]
            pairs.append((None, {}, a["mean"]["folds"], b["mean"]["folds"]))
            if no_finding:
                names = [row["label"] for row in a["labels"] if row["label"] != no_finding]
                pairs.append((None, {"pathologies": True}, *(pathologies(model, names)["folds"] for model in (a, b))))
            for label, kind, x, y in pairs:
                apart = [one - other for one, other in zip(x, y) if one is not None and other is not None]
                n, difference, std = summary(apart)[:3]
                if n < 2:
                    continue
                error = math.sqrt(1.0 / n + widened) * std
                p = student_p(difference / error, n - 1.0) if error > 0 else None
                row = {"a": a["name"], "b": b["name"], "label": label, **kind, "n": n, "test_to_train": widened}
                rows.append({**row, "difference": difference, "std_error": error, "p": p, "p_holm": None, "p_bh": None})
    return adjust(rows, primary)


LEVEL = 0.95


def bootstrap(columns, labels, no_finding, recorded, paired):
    """Bootstrap intervals: patients are drawn with replacement, with all their images, in the same way for all models.

    For a label, patients with a positive image are drawn apart from the others; for the means over labels, all together.
    """
    cells = [cell for folds in columns.values() for cell in folds.values()]
    patients = sorted({image.patient for cell in cells for image in cell.images}, key=patient_order)
    place = {patient: i for i, patient in enumerate(patients)}

    def sample(cell):
        orders = [(cell.known[label][0], InOrder(*cell.known[label][1:])) for label in labels]
        return [place[image.patient] for image in cell.images], orders

    samples = [[[sample(seed) for seed in cell.of_seeds()] for cell in folds.values()] for folds in columns.values()]

    def aucs(fold, times, wanted):
        own, orders = fold
        weights = [times[patient] for patient in own]
        return [order.auc([weights[i] for i in there]) for there, order in map(orders.__getitem__, wanted)]

    # The places of the labels of each value: single labels, then the means.
    every = range(len(labels))
    quantities = [*([at] for at in every), list(every)]
    if no_finding:
        quantities.append([at for at in every if labels[at] != no_finding])
    once = [1] * len(patients)
    covered = [[[value is not None for value in aucs(seeds[0], once, every)] for seeds in folds] for folds in samples]

    def value(folds, covers, quantity, times):
        """None if an AUC is undefined that the original images have."""
        of_folds = []
        for seeds, cover in zip(folds, covers):
            wanted = [at for at in quantities[quantity] if cover[at]]
            of_seeds = []
            for fold in seeds:
                values = aucs(fold, times, wanted)
                if None in values:
                    return None
                of_seeds.append(mean(values))
            of_folds.append(mean(of_seeds))
        return mean(of_folds)

    def of_draw(quantity, times):
        return [value(folds, covers, quantity, times) for folds, covers in zip(samples, covered)]

    strata, fewest = [], []
    for label in labels:
        known = [(cell, place[cell.images[i].patient], yes) for cell in cells for i, yes in zip(cell.known[label][0], cell.known[label][2])]
        positive = {patient for _, patient, yes in known if yes}
        strata.append([sorted(positive), [patient for patient in range(len(patients)) if patient not in positive]])
    strata += [[list(range(len(patients)))] for _ in quantities[len(labels) :]]
    for wanted_labels in quantities:
        asked = [
            (cell, label)
            for folds, covers in zip(columns.values(), covered)
            for cell, cover in zip(folds.values(), covers)
            for at, label in enumerate(labels)
            if cover[at] and at in wanted_labels
        ]
        fewest.append(min((cell.patients_with(label, wanted) for cell, label in asked for wanted in (True, False)), default=FEWEST_RESAMPLED))
    draws, seed = recorded["draws"], recorded["seed"]
    ranked = sum(map(len, quantities))
    steps = draws * sum(len(cell.rows) * ranked + 50 * len(patients) * len(quantities) for cell in cells for _ in cell.of_seeds())
    patient = steps <= PATIENCE or "--slow" in sys.argv
    names, rows = list(columns), []
    drawn = [[] for _ in strata]
    for number in range(draws if patient else 0):
        for quantity, own in enumerate(strata):
            word = [int(blake3(label.encode())[:16], 16) for label in labels[quantity : quantity + 1]]
            bits, times = stream("reg bootstrap of patients", seed, number, *word), [0] * len(patients)
            for stratum in own:
                for _ in stratum:
                    times[stratum[below(bits, len(stratum))]] += 1
            drawn[quantity].append(of_draw(quantity, times))
    as_is = [of_draw(quantity, once) for quantity in range(len(strata))]
    pairs = [(a, None) for a in range(len(names))]
    pairs += [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))] if paired else []
    for a, b in pairs:
        for quantity in range(len(quantities)):
            own, *values = (of[a] if b is None else apart(of[a], of[b]) for of in [as_is[quantity], *drawn[quantity]])
            values = sorted(value for value in values if value is not None)
            if own is None:
                continue
            row = {"model": names[a], "less": None if b is None else names[b], "value": own, "low": None, "high": None}
            row["label"] = labels[quantity] if quantity < len(labels) else None
            row.update({"pathologies": True} if quantity > len(labels) else {})
            tail = (1.0 - LEVEL) / 2.0
            if patient:
                ends = (quantile(values, tail), quantile(values, 1.0 - tail)) if values else (0.0, 0.0)
                if fewest[quantity] >= FEWEST_RESAMPLED and ends[0] < ends[1]:
                    row["low"], row["high"] = ends
                row["draws"] = len(values)
            else:
                row.update({key: recorded["rows"][len(rows)][key] for key in ("low", "high", "draws")})
            rows.append(row)
    if not patient:
        uncomputed.add(f"low, high and draws of the bootstrap ({draws} draws; --slow computes them)")
    return {"draws": draws, "seed": seed, "level": LEVEL, "patients": len(patients), "rows": rows}


def apart(a, b):
    return None if a is None or b is None else a - b


def validation_of(bundle, cell, allowed):
    """The predictions of the same model for the validation images of the fold, among those linked in the table; those by the same code if there are several."""
    own = cell.predictions

    def of(predictions):
        source = predictions.predictions["source"]
        whose = predictions.predictions["split"] if source["type"] == "import" else predictions.scorers(bundle)
        return [source["type"], source.get("flipped"), whose, *(predictions.predictions[name] for name in ("dataset", "fold", "model"))]

    if own["subset"] == "val" or own["source"]["type"] == "import" and own["split"] is None:
        return None
    found = [Cell.of(bundle, id) for id in allowed]
    found = [other for other in found if other.predictions["subset"] == "val" and of(other) == of(cell)]
    found = [other for other in found if other.predictions["source"] == own["source"]] or found
    # A threshold is only valid on the scale of its scores.
    return found[-1] if found and found[-1].predictions["scale"] == own["scale"] else None


def sigmoid(score):
    return 1.0 / (1.0 + math.exp(-score)) if score > -700 else 0.0


def metric_row(model, cell, validation_and_point, label, recorded):
    """Metrics besides the AUC; the threshold is chosen on validation images, never on the evaluated ones."""
    validation, point = validation_and_point
    _, scores, truth = cell.known[label]
    logit = cell.predictions["scale"] == "logit"
    probabilities = [sigmoid(score) for score in scores] if logit else scores
    threshold = chosen(point, *validation.known[label][1:]) if validation and label in validation.labels else None
    sensitivity, specificity = (None, None) if threshold is None else at_threshold(scores, truth, threshold)
    brier = [(p - yes) * (p - yes) for p, yes in zip(probabilities, truth)]
    error, bins = calibration(probabilities, truth) if truth else (None, [])
    counts = [[sum(1 for score, yes in zip(scores, truth) if bool(yes) is of and (score >= threshold) is above) for above in (True, False)]
              for of in (True, False)] if threshold is not None else [[0, 0], [0, 0]]
    (hits, misses), (false_hits, rejected) = counts
    # The line of a logistic regression, and percentiles of resamples, are not computed here.
    own = next((row for row in recorded if row["label"] == label), {})
    given_here = {key: own[key] for key in ("line", "intervals") if key in own}
    if own.get("line") or own.get("intervals"):
        uncomputed.add("lines of calibration, and bootstrap intervals of metrics")
    return {
        **given_here,
        "positives": sum(truth),
        "negatives": len(truth) - sum(truth),
        "positive_patients": cell.patients_with(label, True),
        "ppv": hits / (hits + false_hits) if hits + false_hits else None,
        "npv": rejected / (rejected + misses) if rejected + misses else None,
        "model": model,
        "label": label,
        "fold": cell.fold,
        "prevalence": sum(truth) / len(truth) if truth else None,
        "average_precision": average_precision(scores, truth),
        "threshold": threshold,
        **({} if threshold is None else {"threshold_probability": probability(cell, threshold)}),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "brier": About(in_turn(brier) / len(truth)) if truth else None,
        "ece": About(error) if truth else None,
        "bins": bins,
    }


def group_of(by, image):
    """The index of an image's group among the groups, and its name."""
    unknown = (1000, "unknown")
    if by == "age":
        return (image.age // 10, f"{image.age // 10 * 10}-{image.age // 10 * 10 + 9}") if plausible(image) else unknown
    if by == "gender":
        return ((1, "M"), (0, "F"), unknown)[image.gender]
    return ((0, "PA"), (1, "AP"), unknown)[image.view]


def groups(columns, labels, by, variance):
    rows = []
    for name, cells in columns.items():
        for fold, cell in cells.items():
            members = {}
            for row, image in zip(cell.rows, cell.images):
                members.setdefault(group_of(by, image), set()).add(row)
            for (_, group), own in sorted(members.items()):
                part = cell.within(own, cell)
                for label in labels:
                    placed = part.placements(label, variance)
                    row = {"by": by, "group": group, "model": name, "label": label, "fold": fold, "images": len(own)}
                    row.update(lacking(part.missing(label)))
                    with_, without = (part.patients_with(label, wanted) for wanted in (True, False))
                    row.update(patients=len(set(part.patients)), positive_patients=with_, negative_patients=without)
                    error = std_error(placed and placed.spread(), variance)
                    rows.append({**row, "positives": part.positives(label), "auc": part.auc(label), "std_error": error})
    return rows


def group_tests(columns, labels, by, variance):
    """Each group against the largest one that is not unknown; patients with images in both count in both."""
    rows = []
    for name, cells in columns.items():
        for fold, cell in cells.items():
            members = {}
            for row, image in zip(cell.rows, cell.images):
                members.setdefault(group_of(by, image), set()).add(row)
            known = sorted(key for key in members if key[1] != "unknown")
            if not known:
                continue
            largest = max(known, key=lambda key: len(members[key]))
            numbers = dict(zip(cell.rows, cell.patients))
            parts = {}
            for key, own in members.items():
                # Numbered as in all images of the cell; images as clusters are those of the cell, too.
                part = parts[key] = copy.copy(cell.within(own, cell))
                part.patients = [numbers[row] for row in part.rows] if variance == "clustered" else part.rows
                part.placed = {}
            for key in sorted(members):
                for label in labels if key != largest else ():
                    one, other = parts[key], parts[largest]
                    a, b = (part.placements_by_patient(label) for part in (one, other))
                    if a is None or b is None:
                        continue
                    apart = less_other_images(a, b)
                    originals = [cell.within(members[of], cell) for of in (key, largest)]
                    positive, negative = (min(part.patients_with(label, wanted) for part in originals) for wanted in (True, False))
                    difference, p = a.auc() - b.auc(), None
                    if apart and apart[0] > 0 and min(positive, negative) >= FEWEST_PATIENTS:
                        error = math.sqrt(apart[0])
                        p = student_p(difference / error, apart[1]) if variance == "clustered" else normal_p(difference / error)
                    row = {"by": by, "group": key[1], "reference": largest[1], "model": name, "label": label, "fold": fold}
                    row.update(positive_patients=positive, negative_patients=negative, difference=difference, p=p, p_holm=None, p_bh=None)
                    rows.append({**row, "std_error": std_error(apart, variance)})
    return rows


def less_other_images(a, b):
    """Variance and degrees of freedom of the difference of two AUCs of other images, which may be of the same patients."""
    one, other = a.spread(), b.spread()
    if not one or not other:
        return None
    x, y = a.influence(), b.influence()
    count = float(len({*x, *y}))
    products = in_turn(x[key] * y[key] for key in sorted(x) if key in y)
    variance = max(one[0] + other[0] - 2.0 * (count / (count - 1.0) * products), 0.0)
    total, uncertain = one[0] + other[0], one[0] * one[0] / one[1] + other[0] * other[0] / other[1]
    return variance, total * total / uncertain if uncertain > 0 else min(one[1], other[1])


def published_models(bundle, table):
    """Published numbers, recomputed from the included file."""
    if "published" not in table:
        return None
    id, models = table["published"]["file"]["object"], []
    if tomllib is None:
        uncomputed.add("published numbers (Python reads their file from version 3.11 on)")
        return table["published"]
    for entry in tomllib.loads(bundle.object(id).decode())["model"]:
        deviations = {label: float(value) for label, value in entry.get("std", {}).items()}
        aucs = [{"label": label, "auc": float(value), "std": deviations.get(label)} for label, value in sorted(entry.get("auc", {}).items())]
        average, deviation = (None if entry.get(key) is None else float(entry[key]) for key in ("mean", "mean_std"))
        model = {key: entry.get(key) for key in ("name", "source", "split", "images", "mean_over")}
        models.append({**model, "mean": average, "mean_std": deviation, "auc": aucs})
    _, sha256, size = bundle.sums[path_of(id)]
    return {"file": {"object": id, "sha256": f"sha256:{sha256}", "bytes": size}, "models": models}


# ----------------------------------------------------------------------------------------------------------------------
# 12. Reasons why models are not comparable. A table must contain all of them, in these words.
# ----------------------------------------------------------------------------------------------------------------------


def incomparable(kind, why):
    return {"kind": kind, "why": why}


def fairness(bundle, columns, table):
    """Folds that do not belong to one experiment, different folds, different images, patients that a model has seen in training."""
    found = []
    for name, cells in columns.items():
        difference = mixed_folds(bundle, cells)
        if difference:
            found.append(incomparable("mixed-folds", f"the runs of {name} do not belong to one experiment: {difference}"))
    (a, first), *others = columns.items()
    for b, cells in others:
        if list(first) != list(cells):
            had = [", ".join(cell.place(bundle) for cell in both.values()) for both in (first, cells)]
            found.append(incomparable("different-folds", f"{a} has {had[0]}, and {b} has {had[1]}"))
        for fold, cell in cells.items():
            difference = different_images(first[fold], cell) if fold in first else None
            if difference:
                found.append(incomparable("different-images", f"{a} and {b} scored different images on {cell.place(bundle)}: {difference}"))
    leaking, compared = leaks(bundle, columns, table)
    return found + leaking, compared


def mixed_folds(bundle, cells):
    """Why folds are not of one data set, split and subset, scored by one kind of tool, trained with the same settings."""
    a, *others = cells.values()
    for b in others:
        found = None
        for what, key in (("data set", "dataset"), ("split", "split"), ("subset", "subset")):
            x, y = a.predictions[key], b.predictions[key]
            if x != y and not found:
                nothing = "no subset" if key == "subset" else "none"
                found = (what, *(nothing if value is None else value if key == "subset" else value[:12] for value in (x, y)))
        sources = [source_in_words(cell.predictions["source"]) for cell in (a, b)]
        if not found and sources[0] != sources[1]:
            found = ("source", *sources)
        found = found or different_members(a.specs(bundle), b.specs(bundle))
        if found:
            return f"{found[0]} {found[1]} on {a.place(bundle)}, and {found[2]} on {b.place(bundle)}"
    return None


def different_programs(a, b):
    """The first difference between two programs, apart from fold, seed and interpreter."""
    if ("program" in a) != ("program" in b):
        return ("kind of run", *("a program" if "program" in spec else "a network" for spec in (a, b)))
    a, b = a["program"], b["program"]
    paths = sorted({file["path"] for own in (a, b) for file in own["files"]})
    hashes = lambda own: {file["path"]: file["object"][:12] for file in own["files"]}
    files = [(path, *(hashes(own).get(path, "none") for own in (a, b))) for path in paths]
    inputs = lambda own: " ".join(f"{file['name']}={file['object'][:12]}" for file in own.get("inputs", []))
    found = [("command", *(" ".join(own["command"]) for own in (a, b))), *files, ("inputs", inputs(a), inputs(b))]
    found.append(("variables", *(" ".join(own.get("variables", [])) for own in (a, b))))
    found.append(("network", *("allowed" if own.get("network") else "none" for own in (a, b))))
    return next((own for own in found if own[1] != own[2]), None)


def source_in_words(source):
    words = {"mean": "an ensemble", "import": "another tool", "program": "a run"}
    return words.get(source["type"], "a run on mirrored images" if source.get("flipped") else "a run")


def different_members(expected, own):
    """How the trainings behind two scores differ; an ensemble has one for each member, in any order."""
    if len(expected) != len(own):
        return "number of runs", str(len(expected)), str(len(own))
    left = list(own)
    for spec in expected:
        match = next((i for i, other in enumerate(left) if not different_settings(spec, other)), None)
        if match is None:
            return different_settings(spec, left[0])
        left[match] = left[-1]
        left.pop()
    return None


def different_settings(a, b):
    """The first setting in which trainings differ, apart from fold, seed, threads, device and program."""
    if "program" in a or "program" in b:
        return different_programs(a, b)
    b = {**b, **{key: a[key] for key in ("fold", "seed", "threads", "device", "numerics")}}

    def first(x, y, place):
        if spelled(x) == spelled(y):
            return None
        if not isinstance(x, dict) or not isinstance(y, dict):
            return (place, *(value if isinstance(value, str) else spelled(value) for value in (x, y)))
        below = (first(x.get(key), y.get(key), f"{place}.{key}".lstrip(".")) for key in sorted(x.keys() | y.keys()))
        return next((found for found in below if found), None)

    return first(a, b, "")


def different_images(a, b):
    x, y = a.predictions, b.predictions
    if x["subset"] and y["subset"] and x["subset"] != y["subset"]:
        return f"{x['subset']} and {y['subset']}"
    if same_images(a, b):
        return None
    images = "image" if len(b.rows) == 1 else "images"
    return f"{len(a.rows):,} and {len(b.rows):,} {images}, {len(set(a.rows) & set(b.rows_in(a))):,} of them the same"


def different_labels(columns):
    cells = [(name, set(cell.labels)) for name, cells in columns.items() for cell in cells.values()]
    a, first = cells[0]
    for b, other in cells:
        if other != first:
            sides = [(a, first - other), (b, other - first)]
            sides = "; ".join(f"only {name} has {', '.join(sorted(only))}" for name, only in sides if only)
            return [incomparable("different-labels", f"{a} and {b} score different labels: {sides}")]
    return []


def leaks(bundle, columns, table):
    """Models that were trained or selected on patients or images that another one is tested on, and how far images could be compared.

    Fold by fold or, if folds differ, each with each. Images of other patients are compared by their bytes and by their pixels, as far as these are known.
    """
    same_folds = all(list(cells) == list(next(iter(columns.values()))) for cells in columns.values())
    known = {}
    for id in (table.get("leak_check") or {}).get("pixel_hashes", []):
        hashes = bundle.record(id, "pixel-hashes")
        known[hashes["dataset"]] = id, bundle.packed(hashes["pixels"], "pixels")
    compared, used = {}, set()

    def looked_at(dataset, row):
        """Source and patient of an image, its bytes and its pixels."""
        image, (id, pixels) = bundle.manifest(dataset)[row], known.get(dataset, (None, None))
        if id:
            used.add(id)
        digest = pixels[row] if pixels else None
        compared[dataset, row] = image.image is not None, digest is not None
        return (bundle.record(dataset, "dataset")["source"], image.patient), image.image, digest

    found = []
    for a, learners in columns.items():
        for fold_a, learner in learners.items():
            specs = [spec for seed in learner.of_seeds() for spec in seed.specs(bundle)]
            if not specs:
                continue
            # Validation images do not count as seen if they are themselves evaluated.
            subsets = ("train",) if learner.predictions["subset"] == "val" else ("train", "val")
            patients, files, pictures = set(), set(), set()
            learnt = [({"type": "division", **spec}, subsets) for spec in specs]
            # What the runs began with has seen patients, too.
            learnt += [(data, ("train", "val")) for spec in specs for data in bundle.learnt_before(spec)]
            for data, subsets in learnt:
                for row in bundle.rows_of(data, subsets):
                    patient, file, digest = looked_at(data["dataset"], row)
                    patients.add(patient)
                    files.add(file)
                    pictures.add(digest)
            who = f"{a} ({learner.place(bundle)}) was trained or selected on"
            for b, cells in columns.items():
                for fold_b, cell in cells.items():
                    if fold_a != fold_b and (same_folds or a == b):
                        continue
                    tested = [looked_at(cell.predictions["dataset"], row) for row in cell.rows]
                    whose, all_patients = "it" if a == b else b, {patient for patient, _, _ in tested}
                    seen = len(all_patients & patients)
                    if seen:
                        found.append(incomparable("leak", f"{who} {seen:,} of the {len(all_patients):,} patients that {whose} is tested on"))
                    others = [(file, digest) for patient, file, digest in tested if patient not in patients]
                    same = sum(file is not None and file in files for file, _ in others)
                    again = sum(digest is not None and digest in pictures and file not in files for file, digest in others)
                    if same + again:
                        how = f"(identical files: {same:,}, identical pixels in another file: {again:,})"
                        what = f"{same + again:,} of the {len(tested):,} images that {whose} is tested on, where they belong to other patients {how}"
                        found.append(incomparable("leak", f"{who} {what}"))
    if not compared:
        return found, None
    counts = {key: sum(known[place] for known in compared.values()) for place, key in enumerate(("bytes", "pixels"))}
    return found, {"images": len(compared), **counts, **given({"pixel_hashes": sorted(used)}, "pixel_hashes")}


# BLAKE3 of the sorted names of the published lists, each with a newline: 86,524 and 25,596 names.
OFFICIAL = {
    "train_val": "0f758131e546c5000db24988232b31be861393e03d3f156ad52b8fe6c6a9797d",
    "test": "d6988970dfa9a182582510b30e2fa2c5839298115df7bdd5970a2abacebcc34a",
}


def names_hash(images):
    return blake3("".join(f"{name}\n" for name in sorted({image.name for image in images})).encode())


def not_official(bundle, cell):
    if names_hash(cell.images) != OFFICIAL["test"]:
        return "for the official test images, but other images are scored here"
    own = cell.predictions
    if None in (own["split"], own["fold"]):
        return None
    rows = [row for subset in ("train", "val") for row in bundle.subset(own["split"], own["fold"], subset)]
    if names_hash(cell.manifest[row] for row in rows) != OFFICIAL["train_val"]:
        return "for models trained on the official list, but the models here were trained on other images"
    return None


def published_incomparable(bundle, columns, models):
    """Published numbers on other images than the columns."""
    found, cells = [], [cell for own in columns.values() for cell in own.values()]
    different = {cell.id: not_official(bundle, cell) for cell in cells} if any(model["split"] == "official" for model in models) else {}
    for model in models:
        reasons = []
        for cell in cells:
            if model["split"] != "official":
                reasons.append(f"for other images ({model['split']})")
            elif model["images"] not in (None, len(cell.rows)):
                reasons.append(f"for {model['images']:,} test images, but {len(cell.rows):,} are scored here")
            elif different[cell.id]:
                reasons.append(different[cell.id])
        if reasons:
            found.append(incomparable("published", f"{model['name']} was published {reasons[0]}"))
    return found


# What this program leaves to another one.
NETWORKS = "Whether a checkpoint has the tensors of the spec's network, `reg audit verify` checks"

# ----------------------------------------------------------------------------------------------------------------------
# 13. All of it.
# ----------------------------------------------------------------------------------------------------------------------


def check_table(bundle, id):
    table = bundle.record(id, "table")
    make = {"auc": auc_table, "dataset": dataset_table, "comparison": compared}.get(table["type"])
    say(f"table {id[:12]}: {table['type']}")
    if make is None:
        uncomputed.add(f"table {id[:12]} ({table['type']}), which comes from a network")
        return
    now = {**make(bundle, table), **{key: table[key] for key in ("kind", "version", "type", "rules")}}
    before = len(complaints)
    verify(f"table {id[:12]}", table, now, "scores and labels give")
    if len(complaints) == before:
        say(f"    {shown_counts(table)} recomputed, equal to the last digit; p-values and calibration to {NEAR}")
        for line in shown(table):
            say(f"    {line}")
        if id == bundle.root and table["type"] in ("auc", "comparison"):
            check_text(bundle, table)


def shown_counts(table):
    if table["type"] == "comparison":
        return f"{sum(len(label['auc']['folds']) for model in table['models'] for label in model['labels'])} AUCs"
    return f"{len(table['labels'])} AUCs" if table["type"] == "auc" else "all numbers"


def shown(table):
    """The AUCs of a table, for reading."""
    if table["type"] == "auc":
        return [f"{row['label']:<20} {number_of(row['auc'])}" for row in [*table["labels"], {"label": f"Mean of {table['mean_over']}", "auc": table["mean"]}]]
    if table["type"] != "comparison":
        return []
    spreads = [[*(row["auc"] for row in model["labels"]), model["mean"]] for model in table["models"]]
    labels = [*(row["label"] for row in table["models"][0]["labels"]), "Mean"]
    lines = [f"NOT COMPARABLE: {reason['why']}" for reason in table.get("unfair", [])]
    lines.append(f"{'Label':<20}" + " ".join(f"{model['name']:>17}" for model in table["models"]))
    return lines + [f"{label:<20}" + " ".join(f"{plus_minus(own[place]):>17}" for own in spreads) for place, label in enumerate(labels)]


def check_text(bundle, table):
    """readable/table.txt begins with the AUCs of the table, line by line, below a note if its columns are not comparable, and hides nothing."""
    text = bundle.member("readable/table.txt").decode()
    kinds = {letter: unicodedata.category(letter) for letter in set(text) - {"\n"}}
    # A model may be called by a letter that is not seen.
    if any(kind == "Cc" or kind == "Cf" and letter not in spelled(table) for letter, kind in kinds.items()):
        complain("readable/table.txt contains invisible characters")
    found = text.split("\n")
    for place, ours in enumerate(auc_lines(table)):
        theirs = found[place] if place < len(found) else ""
        # How wide a column is says nothing.
        if " ".join(theirs.split()) != ours and not (ours == RULE and theirs.strip() and not theirs.strip("─ ")):
            complain(f"readable/table.txt says “{theirs.strip()}” where the table has “{ours}”")


RULE = "─"


def auc_lines(table):
    """The first lines of a table for reading, without the blanks between columns."""
    is_unfair = bool(table.get("unfair"))
    if table["type"] == "auc":
        head = ["Label", "AUC", "Positives", "Negatives", "Positive patients"]
        counts = ("positives", "negatives", "positive_patients")
        if any("missing" in row for row in table["labels"]):
            head, counts = [*head, "Missing"], (*counts, "missing")
        rows = [[row["label"], number_of(row["auc"]), *(f"{row.get(count, 0):,}" for count in counts)] for row in table["labels"]]
        if "operating_point" in table:
            head += ["Threshold", "Sensitivity", "Specificity"]
            for shown_row, row in zip(rows, table["labels"]):
                shown_row += [number_of(row.get("threshold", {}).get(key)) for key in ("probability", "sensitivity", "specificity")]
        lines = ["AUC", head, RULE, *rows, ["Mean", number_of(table["mean"])]]
    else:
        ours, theirs = table["models"], table.get("published", {}).get("models", [])
        names = [model["name"] for model in ours]
        head = ["Label", *names, *(f"{model['name']} (published)" if model["name"] in names else model["name"] for model in theirs)]
        counted = [[(row["positives"], row["negatives"], row["positive_patients"]) for row in model["labels"]] for model in ours]
        beside = counted[0] if all(own == counted[0] for own in counted) else None
        few = "" if len(ours[0]["mean"]["folds"]) < 2 else "Fewest "
        columns = [few + name if few else name.capitalize() for name in ("positives", "negatives", "positive patients")]
        head += columns if beside else []
        rows = []
        for place, label in enumerate(row["label"] for row in ours[0]["labels"]):
            own = [plus_minus(model["labels"][place]["auc"]) for model in ours]
            own += [published_number(row["auc"], row["std"]) for model in theirs for row in model["auc"] if row["label"] == label]
            rows.append([label, *own, *(f"{min(count):,}" for count in (beside[place] if beside else ()))])
        title = {None: "AUC", "test": "AUC", "val": "AUC on validation images", "train": "AUC on training images"}[table["subset"]]
        lines = [title, head, RULE, *rows]
        labels = [row["label"] for row in ours[0]["labels"]]
        means = [("Mean", labels)]
        if table.get("no_finding") and len(labels) > 1:
            means.append(("Mean over pathologies", [label for label in labels if label != table["no_finding"]]))
        covers = [len(own) for _, own in means]
        for place, (name, own) in enumerate(means):
            spreads = [model["mean"] if place == 0 else pathologies(model, own) for model in ours]
            row_of = [covers.index(model["mean_over"]) if model["mean_over"] in covers else 0 for model in theirs]
            shown = [published_number(model["mean"], model["mean_std"]) for model, row in zip(theirs, row_of) if row == place and model["mean"] is not None]
            lines.append([name, *map(plus_minus, spreads), *shown])
        if table.get("unfair"):
            why, more = [row["why"] for row in table["unfair"][:3]], len(table["unfair"]) - 3
            why += [] if more < 1 else ["and one more reason"] if more == 1 else [f"and {more} more reasons"]
            lines.insert(0, f"NOT COMPARABLE: {'; '.join(why)}")
    lines[is_unfair:is_unfair] = cautions(table)
    lines = [line if isinstance(line, str) else " ".join(line) for line in lines]
    # Names may hold what would steer a terminal; there it is not shown.
    shown = ["".join(" " if c in "\n\r\t" else "\ufffd" if unicodedata.category(c) == "Cc" else c for c in line) for line in lines]
    return [" ".join(line.split()) for line in shown]


def cautions(table):
    """The warning above a table with labels for which all images have the same score."""
    if table["type"] == "auc":
        same = [("", [row["label"] for row in table["labels"] if row.get("constant")])]
    else:
        same = []
        for model in table["models"]:
            labels = set()
            for cell in table.get("constant", []):
                place = 0 if cell["fold"] is None else table["folds"].index(cell["fold"])
                # Undefined where no image was scored by all models, too; only equal scores make exactly 0.5.
                own = [row for row in model["labels"] if cell["label"] in (None, row["label"])]
                aucs = [row["auc"]["folds"][place] for row in own]
                aucs = [auc for auc in aucs if auc is not None]
                if cell["model"] == model["name"] and aucs and all(auc == 0.5 for auc in aucs):
                    labels.add(cell["label"] or "all labels")
            same.append((f" of {model['name']}", sorted(labels)))
    said = [f"all images have the same score for {', '.join(labels)}{of}; such an AUC of 0.5 says nothing about the model." for of, labels in same if labels]
    return [f"WARNING: {' '.join(said)}"] if said else []


def number_of(value, decimals=4):
    if value is None:
        return "n/a"
    text = f"{value:.{decimals}f}"
    # What is below 1 is not shown as 1.
    return f">0.{'9' * decimals}" if value < 1 and text.startswith("1") else text


def plus_minus(spread, decimals=4):
    return number_of(spread["mean"], decimals) + ("" if spread["std"] is None else f" ± {number_of(spread['std'], decimals)}")


def published_number(value, std):
    return plus_minus({"mean": value, "std": std}, 4 if len(number(value)) > len("0.123") else 3)


def pathologies(model, labels):
    """The mean over some labels of each fold, then over the folds."""
    rows = [row["auc"]["folds"] for row in model["labels"] if row["label"] in labels]
    return spread([mean(list(fold)) for fold in zip(*rows)])


def same_rules(bundle, id, kind):
    """Whether a record was made by the rules of this program; a record of older rules cannot be checked."""
    document = bundle.documents[id]
    type_ = {"table": lambda: document["type"] + " table", "predictions": lambda: document["source"]["type"]}.get(kind, lambda: kind)()
    if type_ not in RULES:
        return True
    rules = document["source"]["rules"] if type_ in ("import", "mean", "program") else document["rules"]
    need(type(rules) is int and 0 < rules <= RULES[type_], f"made by rules {rules}, which this program does not know")
    if rules < RULES[type_]:
        uncomputed.add(f"{kind} {id[:12]}, made by rules {rules}, where this program has rules {RULES[type_]}")
    return rules == RULES[type_]


def check_all(bundle):
    check_objects(bundle)
    if complaints:
        return
    check_lineage(bundle)
    if complaints:
        return
    check_derived(bundle)
    checks = {"dataset": check_dataset, "pixel-hashes": check_pixels, "split": check_split, "weights": check_weights, "software": check_software, "spec": check_spec}
    checks.update(execution=check_execution, run=check_run, predictions=check_predictions, table=check_table)
    for kind, check in checks.items():
        for id in bundle.of_kind(kind):
            try:
                if same_rules(bundle, id, kind):
                    check(bundle, id)
            except Exception as e:
                # Whatever does not have the form that it should have is wrong, too.
                complain(f"{kind} {id[:12]}: {reason(e)}")


def main():
    sys.stdout.reconfigure(errors="backslashreplace")
    options = {word for word in sys.argv[1:] if word.startswith("-")}
    named = [word for word in sys.argv[1:] if word not in options]
    if options - {"--slow"} or len(named) > 1:
        say("usage: python3 -I check.py [--slow] [BUNDLE.zip | FOLDER]")
        return 2
    try:
        bundle = Bundle(Path(named[0]) if named else Path(__file__).resolve().parent)
    except NotAsWritten as e:
        complain(str(e))
        say("WRONG: nothing else was checked")
        return 3
    except Exception as e:
        say(f"not an audit bundle: {reason(e)}")
        return 1
    say(f"checking {bundle.root}")
    say("compare this full id with the one that you were given through another channel: all checks are about this id")
    try:
        check_all(bundle)
    except Exception as e:
        complain(reason(e))
    left_out = [f"{part.role} {id[:12]}" for id, part in sorted(bundle.parts.items()) if not part.kept]
    if left_out:
        say(f"not included, so not checked: {', '.join(left_out)}")
    if bundle.of_kind("run"):
        say(f"not checked: that a run is what its spec says; `reg reproduce` runs it again. {NETWORKS}")
    if uncomputed:
        say(f"hashed, but not recomputed: {'; '.join(sorted(uncomputed))}")
    say("checked only against their sums, which a forger can change too: README.md, check.py, table.csv, and table.txt except its AUCs")
    say("WRONG" if complaints else "everything checked is correct")
    return 3 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
