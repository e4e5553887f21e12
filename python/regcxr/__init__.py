"""The registry of chest X-ray data sets, splits, models and results, from scripts and notebooks.

>>> import regcxr
>>> registry = regcxr.open("study")                      # doctest: +SKIP
>>> registry.runs(sort="test_auc")                       # doctest: +SKIP
>>> registry.dataset("nih96").frame().to_pandas()        # doctest: +SKIP
>>> regcxr.compare("mlp-s5-f0", "theirs", registry=registry).frame("auc")   # doctest: +SKIP

Records are objects with typed attributes, tables are :class:`Frame`. Everything is read through the library of the
program `reg`, with the same checks: damaged bytes raise an error and are never returned. Long calls release the
interpreter lock. In a script that `reg run` starts, :func:`job` gives access to the inputs and writes the results.

numpy is the only dependency. pandas, polars, pyarrow and torch are imported only when they are needed.
"""

from __future__ import annotations

from ._native import __version__
from .errors import Error, InterruptedError, RefusedError, UsageError
from .frame import Frame
from .job import Job, job
from .records import Dataset, FoldSizes, Predictions, Record, Run, Scores, Split, SubsetSize, Table
from .registry import Registry, compare, open

__all__ = [
    "Dataset",
    "Error",
    "FoldSizes",
    "Frame",
    "InterruptedError",
    "Job",
    "Predictions",
    "Record",
    "RefusedError",
    "Registry",
    "Run",
    "Scores",
    "Split",
    "SubsetSize",
    "Table",
    "UsageError",
    "__version__",
    "compare",
    "job",
    "open",
]
