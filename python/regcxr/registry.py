"""Opens a registry and finds what is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from . import _native
from .errors import UsageError
from .frame import Frame
from .records import KINDS, Dataset, Predictions, Record, Run, Split, Table


class Registry:
    """An open registry. Every call sees the registry as it is then; nothing stays locked between calls."""

    def __init__(self, native: _native.Registry) -> None:
        self._native = native

    def __repr__(self) -> str:
        return f"<registry {self.root}>"

    @property
    def root(self) -> Path:
        """The registry's folder."""
        return Path(self._native.root)

    def find(self, name: str) -> Record:
        """The record with a name, an id, or the first six or more digits of one."""
        kind, id, name_of = self._native.resolve(name)
        found = KINDS.get(kind, Record)(self, id, name_of)
        if type(found) is Record:
            found.kind = kind  # type: ignore[misc]
        return found

    def dataset(self, name: str) -> Dataset:
        """The data set with a name or id."""
        _, id, name_of = self._native.resolve(name, "dataset")
        return Dataset(self, id, name_of)

    def split(self, name: str) -> Split:
        """The split with a name or id."""
        _, id, name_of = self._native.resolve(name, "split")
        return Split(self, id, name_of)

    def run(self, name: str) -> Run:
        """The run with a name or id."""
        _, id, name_of = self._native.resolve(name, "run")
        return Run(self, id, name_of)

    def predictions(self, name: str) -> Predictions:
        """The predictions with a name or id; of a run, the newest ones of its test images."""
        id = self._native.scored(name)
        return Predictions(self, id, self._name_of(id))

    def table(self, name: str) -> Table:
        """The table with a name or id."""
        _, id, name_of = self._native.resolve(name, "table")
        return Table(self, id, name_of)

    def datasets(self) -> list[Dataset]:
        """All data sets, oldest first."""
        return [Dataset(self, id, name) for id, name in self._native.of_kind("dataset")]

    def splits(self) -> list[Split]:
        """All splits, oldest first."""
        return [Split(self, id, name) for id, name in self._native.of_kind("split")]

    def tables(self) -> list[Table]:
        """All tables, oldest first."""
        return [Table(self, id, name) for id, name in self._native.of_kind("table")]

    def runs(self, where: str | None = None, sort: str | None = None, limit: int | None = None) -> list[Run]:
        """The recorded runs, oldest first.

        Args:
            where: An expression, as of ``reg list run --where``: ``"model=tiny and lr<0.01"``.
            sort: A value or setting; AUCs start with the largest, everything else with the smallest; ``"lr:desc"`` chooses.
            limit: Maximum number of runs.
        """
        documents, _ = self._native.runs(where, sort, limit)
        listed = json.loads(documents)
        return [Run(self, run["id"], run["name"]) for run in listed if run["id"] is not None]

    def run_frame(
        self,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """One row for each run, including running, interrupted and failed trainings.

        Args:
            where: As in :meth:`runs`.
            sort: As in :meth:`runs`.
            limit: Maximum number of runs.
            columns: Values and settings by name; by default the informative ones: name, network, data, the settings in
                which the runs differ, validation and test results.
        """
        _, frame = self._native.runs(where, sort, limit, None if columns is None else list(columns))
        return Frame._of(frame)

    def compare(
        self,
        *models: Run | Predictions | str,
        name: str | None = None,
        move_name: bool = False,
        by: str = "model",
        groups: Sequence[str] = (),
        labels: Sequence[str] | str | None = None,
        images: str = "all",
        pool: str = "label",
        variance: str = "clustered",
        primary: tuple[str, str] | None = None,
        margin: float | None = None,
        bootstrap: int | None = None,
        seed: int = 1,
        metrics: bool = False,
        prevalence: float | None = None,
        published: str | os.PathLike[str] | None = None,
        allow_different_images: bool = False,
    ) -> Table:
        """Compares models on the same images and records the comparison, as ``reg compare`` does.

        Args:
            models: Runs or predictions, or their names or ids.
            name: Name of the table. A name in use is an error, unless ``move_name`` is true.
            by: One column for each ``model`` (all its folds or re-samplings) or each ``run``.
            groups: AUCs by patient group: ``gender``, ``view``, ``age``.
            labels: Labels to compare, or ``"shared"`` for the labels that all models score; by default all, which
                must be the same for all models.
            images: ``all``, which must be the same for all models, or ``shared`` for the images that all models scored.
            pool: One rank correlation for each ``label``, then the mean, or one over ``all`` scores.
            variance: ``clustered`` by patient, or ``delong``, which treats images as independent.
            primary: The two columns whose difference of mean AUCs was named in advance.
            margin: Margin of non-inferiority and equivalence, a difference of AUCs such as 0.01.
            bootstrap: Number of bootstrap resamples by patient, 100 or more.
            seed: Seed of the bootstrap.
            metrics: Also average precision, calibration, sensitivity and specificity.
            prevalence: Prevalence for which predictive values are given besides that of the images.
            published: Published numbers to show beside ours: a TOML file, ``paper``, ``paper-table4`` or ``literature``.
            allow_different_images: Compares non-comparable inputs; the table is flagged.

        Returns:
            The recorded table. ``table.frame("auc")`` has the AUCs, ``table.frames()`` all of its tables.

        Raises:
            RefusedError: The models are not comparable: different images or labels, or test patients that a
                model was trained on.
        """
        names = [model if isinstance(model, str) else model.id for model in models]
        options: dict[str, object] = {
            "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "command": f"regcxr.compare({', '.join(map(repr, names))})",
            "name": name,
            "move_name": move_name,
            "by": by,
            "groups": [groups] if isinstance(groups, str) else list(groups),
            "labels": None if labels is None or isinstance(labels, str) else list(labels),
            "shared_labels": labels == "shared",
            "shared_images": images == "shared",
            "pool": pool,
            "variance": variance,
            "primary": primary,
            "margin": margin,
            "bootstrap": bootstrap,
            "seed": seed,
            "metrics": metrics,
            "prevalence": prevalence,
            "published": published,
            "allow_different_images": allow_different_images,
        }
        if images not in ("all", "shared"):
            raise UsageError(f"images is `{images}`", "there is all, shared")
        if isinstance(labels, str) and labels != "shared":
            options["labels"] = [labels]
        return Table(self, self._native.compare(names, options), name)

    def _name_of(self, id: str) -> str | None:
        return self._native.resolve(id)[2]


def open(path: str | os.PathLike[str] | None = None) -> Registry:
    """Opens a registry.

    Args:
        path: Its folder, or the folder that has its ``.reg``; by default the path in REG_REGISTRY, else the nearest ``.reg`` in
            this folder or a parent folder.
    """
    return Registry(_native.Registry.open(path))


def compare(*models: Run | Predictions | str, registry: Registry | None = None, **options: object) -> Table:
    """Compares models on the same images and records the comparison; see :meth:`Registry.compare` for the options.

    Args:
        models: Runs or predictions, or their names or ids.
        registry: The registry; by default that of the first run or predictions, else the one that :func:`open` finds.
    """
    if registry is None:
        registry = next((model.registry for model in models if not isinstance(model, str)), None) or open()
    return registry.compare(*models, **options)  # type: ignore[arg-type]
