"""Forges the table that a bundle is about in every single place, and prints how many forgeries there were and which passed check.py.

    python3 forge.py CHECK.py BUNDLE.zip

The forged record stands where the honest one stood, as if it had been hashed anew: what is asked is whether scores and labels bear it out.
"""

import contextlib
import copy
import importlib.util
import io
import sys
from pathlib import Path

sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("check", sys.argv[1])
check = sys.modules["check"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


def changes(value):
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1, value * (1 + 1e-8) if value else 1e-8, None]
    if isinstance(value, str):
        return [value + "x"]
    if isinstance(value, list):
        return [value[1:], value + value[-1:], value[:-1]] if value else []
    if isinstance(value, dict):
        return [{**value, "more": 1}] + [{other: value[other] for other in value if other != key} for key in value]
    return [0.5]


def forgeries(value, place=()):
    """Place and what stands there instead; of the items of a list, the first stands for all."""
    yield from ((place, change) for change in changes(value))
    below = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else []
    for key, item in below:
        # Before Python 3.11 nothing reads the file of published numbers.
        if key != "published" or check.tomllib:
            yield from forgeries(item, (*place, key))


# Most forgeries leave alone what a bootstrap is made of.
computed, known = check.bootstrap, {}


def bootstrap(columns, labels, no_finding, recorded, paired):
    key = (*columns, *labels, no_finding, recorded["draws"], recorded["seed"])
    if key not in known:
        known[key] = computed(columns, labels, no_finding, recorded, paired)
    return known[key]


def passes(bundle, forged):
    check.complaints.clear()
    try:
        # Keys and spelling are looked at before anything is computed.
        bundle.documents[bundle.root] = check.read_record(check.spelled(forged).encode())
        if not check.same_rules(bundle, bundle.root, "table"):
            return False
        check.check_table(bundle, bundle.root)
    except Exception:
        return False
    return not check.complaints


check.bootstrap = bootstrap
bundle, tried, passed, said = check.Bundle(Path(sys.argv[2])), 0, [], io.StringIO()
with contextlib.redirect_stdout(said):
    check.check_all(bundle)
    assert not check.complaints, said.getvalue()
    honest = bundle.documents[bundle.root]
    for place, change in forgeries(honest):
        whole = {"table": copy.deepcopy(honest)}
        inside, path = whole, ("table", *place)
        for key in path[:-1]:
            inside = inside[key]
        honest_there, inside[path[-1]] = inside[path[-1]], change
        tried += 1
        if passes(bundle, whole["table"]):
            gone = sorted(honest_there.keys() - change.keys()) if isinstance(change, dict) else []
            passed.append(" ".join([*filter(None, [".".join(map(str, place))]), *(["without", ", ".join(gone)] if gone else [])]))
print(tried, *sorted(passed), sep="\n")
