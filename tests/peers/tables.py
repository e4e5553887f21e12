"""Reads tables with pandas, polars and DuckDB, sees that they agree, and prints values and types as JSON."""

import json
import math
import pathlib
import sys

import duckdb
import pandas
import polars
import pyarrow.parquet

KINDS = {"String": "text", "Int64": "integer", "Float64": "number", "Boolean": "truth"}
DUCKDB = {"VARCHAR": "text", "BIGINT": "integer", "DOUBLE": "number", "BOOLEAN": "truth"}


def plain(value):
    """What is not there is None, whatever a reader puts in its place."""
    if value is None or value is pandas.NA or isinstance(value, float) and math.isnan(value):
        return None
    return value.item() if hasattr(value, "item") else value


def of_pandas(frame):
    return {str(name): [plain(value) for value in frame[name]] for name in frame.columns}


def read(path):
    text = str(path)
    if path.suffix == ".parquet":
        one, two = pandas.read_parquet(path), polars.read_parquet(path)
        three = duckdb.sql(f"select * from '{text}'")
    else:
        one, two = pandas.read_csv(path, float_precision="round_trip"), polars.read_csv(path, infer_schema_length=None)
        three = duckdb.sql(f"select * from read_csv('{text}', sample_size = -1)")
    values = two.to_dict(as_series=False)
    assert not any(isinstance(v, float) and math.isnan(v) for column in values.values() for v in column), path
    assert of_pandas(one) == values, path
    rows = three.fetchall()
    assert {name: [row[i] for row in rows] for i, name in enumerate(three.columns)} == values, path
    kinds = {name: KINDS[str(kind)] for name, kind in two.schema.items()}
    if path.suffix == ".parquet":
        assert {name: DUCKDB[str(kind)] for name, kind in zip(three.columns, three.types)} == kinds, path
    return values, kinds


found = {}
parquet, csv, gaps, gaps_csv = map(pathlib.Path, sys.argv[1:])
pairs = [(path, csv / f"{path.stem}.csv") for path in sorted(parquet.iterdir())]
for path, as_csv in pairs:
    values, kinds = read(path)
    from_csv, csv_kinds = read(as_csv)
    assert from_csv == values, path
    # A column without a value has no type as text.
    empty = {name for name, column in values.items() if all(value is None for value in column)}
    differ = {name for name in kinds if csv_kinds[name] != kinds[name]} - empty
    assert not differ, (path, differ)
    metadata = pyarrow.parquet.read_metadata(path).metadata
    about = {key.decode(): value.decode() for key, value in metadata.items()}
    found[path.stem] = {"columns": values, "types": kinds, "about": about}
values, kinds = read(gaps)
assert read(gaps_csv) == (values, kinds)
found["gaps-images"] = {"columns": values, "types": kinds}
print(json.dumps(found))
