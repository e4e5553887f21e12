"""Tables of typed columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from ._types import Columns

_TYPES = {"integer": np.int64, "number": np.float64, "truth": np.bool_}
_SHOWN = 10


class Frame:
    """A table: columns by name, all of the same length.

    ``frame["Patient Age"]`` is a numpy array of shape ``[rows]``: ``int64``, ``float64``, ``bool``, or ``object`` with
    texts. If values are missing, it is a :class:`numpy.ma.MaskedArray`; a missing text is None. A missing value is never a number.

    Attributes:
        name: What it shows, such as ``images`` or ``auc``.
        about: Its origin: ids, the title of a table, its notes.
        columns: Names of the columns, in order.
    """

    name: str
    about: dict[str, str]
    columns: list[str]

    def __init__(self, name: str, columns: dict[str, np.ndarray[Any, Any]], about: dict[str, str] | None = None) -> None:
        self.name = name
        self.about = about or {}
        self.columns = list(columns)
        self._columns = columns

    @classmethod
    def _of(cls, native: Columns) -> Frame:
        name, about, columns = native
        return cls(name, {column: _array(kind, values, missing) for column, kind, values, missing in columns}, about)

    def __getitem__(self, column: str) -> np.ndarray[Any, Any]:
        return self._columns[column]

    def __contains__(self, column: object) -> bool:
        return column in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(self._columns.values()))) if self._columns else 0

    def __repr__(self) -> str:
        rows = f"{len(self):,} row{'' if len(self) == 1 else 's'}"
        head = [[_text(self[name][row]) for name in self.columns] for row in range(min(len(self), _SHOWN))]
        widths = [max(map(len, column)) for column in zip(self.columns, *head)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [self.columns, *head]]
        more = ["…"] if len(self) > _SHOWN else []
        return "\n".join([f"{self.name}: {rows} of {len(self.columns)} columns", *lines, *more])

    def rows(self) -> list[dict[str, Any]]:
        """Its rows as dictionaries; a missing value is None."""
        lists = [_list(self[name]) for name in self.columns]
        return [dict(zip(self.columns, row)) for row in zip(*lists)]

    def to_pandas(self) -> pandas.DataFrame:
        """The same as a pandas DataFrame; integers and truths with missing values get pandas' nullable types."""
        import pandas

        def column(values: np.ndarray[Any, Any]) -> Any:
            if not isinstance(values, np.ma.MaskedArray):
                return values
            data, mask = np.asarray(values.data), np.ma.getmaskarray(values)
            if data.dtype == np.bool_:
                return pandas.arrays.BooleanArray(data, mask)
            if data.dtype == np.int64:
                return pandas.arrays.IntegerArray(data, mask)
            return np.where(mask, np.nan, data)

        return pandas.DataFrame({name: column(self[name]) for name in self.columns}, copy=False)

    def to_polars(self) -> polars.DataFrame:
        """The same as a polars DataFrame; missing values are null."""
        import polars

        def column(name: str) -> polars.Series:
            values = self[name]
            if values.dtype == object:
                return polars.Series(name, values.tolist(), dtype=polars.String)
            series = polars.Series(name, np.asarray(np.ma.getdata(values)))
            if not isinstance(values, np.ma.MaskedArray):
                return series
            return series.zip_with(polars.Series(~np.ma.getmaskarray(values)), series.clear(len(series)))

        return polars.DataFrame([column(name) for name in self.columns])

    def to_arrow(self) -> pyarrow.Table:
        """The same as an Arrow table; missing values are null."""
        import pyarrow

        def column(values: np.ndarray[Any, Any]) -> pyarrow.Array:
            if values.dtype == object:
                return pyarrow.array(values, type=pyarrow.string())
            mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
            return pyarrow.array(np.ma.getdata(values), mask=mask)

        columns = {name: column(self[name]) for name in self.columns}
        return pyarrow.table(columns).replace_schema_metadata(self.about)


def _array(kind: str, values: Any, missing: bytearray | None) -> np.ndarray[Any, Any]:
    if kind == "text":
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    array = np.frombuffer(values, dtype=_TYPES[kind])
    if missing is None:
        return array
    return np.ma.MaskedArray(array, np.frombuffer(missing, dtype=np.bool_))


def _list(values: np.ndarray[Any, Any]) -> list[Any]:
    """The values as Python objects; None where a value is missing."""
    listed: list[Any] = values.tolist()
    return listed


def _text(value: Any) -> str:
    if value is None or value is np.ma.masked:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
