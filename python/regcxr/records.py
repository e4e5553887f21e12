"""Records of a registry as objects."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .errors import UsageError
from .frame import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .registry import Registry

SUBSETS = ("train", "val", "test")


class Record:
    """A record: an immutable JSON document, identified by the BLAKE3 hash of its bytes.

    Attributes:
        registry: Where it is.
        id: Its id, 64 hex digits.
        name: Its name, or None.
    """

    kind: ClassVar[str] = "record"
    registry: Registry
    id: str
    name: str | None

    def __init__(self, registry: Registry, id: str, name: str | None) -> None:
        self.registry = registry
        self.id = id
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.kind} {self.called}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def called(self) -> str:
        """Its name, or the first digits of its id."""
        return self.name or self.id[:12]

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        """All fields as the record has them; ``schema/*.schema.json`` describes each kind."""
        document: dict[str, Any] = json.loads(self.registry._native.record(self.id))
        return document

    @functools.cached_property
    def _frames(self) -> dict[str, Frame]:
        return {sheet[0]: Frame._of(sheet) for sheet in self.registry._native.sheets(self.id)}

    def trace(self, *, down: bool = False) -> dict[str, Any]:
        """Its lineage: ``nodes`` and ``edges`` up to all its inputs, or down to all results that depend on it."""
        graph: dict[str, Any] = json.loads(self.registry._native.trace(self.id, down))
        return graph

    def _related(self, kind: type[Any], id: str) -> Any:
        return kind(self.registry, id, self.registry._name_of(id))


class Dataset(Record):
    """A version of a data set: its images with labels and patients."""

    kind = "dataset"

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.document["images"])

    @property
    def patients(self) -> int:
        """Number of patients."""
        return int(self.document["patients"])

    @property
    def labels(self) -> list[str]:
        """Names of the labels, in the order of their columns."""
        return list(self.document["labels"])

    @property
    def metadata_only(self) -> bool:
        """Whether it has only rows of metadata and no image files."""
        return bool(self.document["metadata_only"])

    def frame(self, split: Split | str | None = None) -> Frame:
        """The images, one row each, sorted by name: ``Image Index``, ``Patient ID``, ``Patient Age`` and the other columns of the
        published file, one column of truths for each label, size and hashes of the file.

        With a split, a column ``fold K`` for each fold has ``train``, ``val``, ``test``, or None for an unused image.
        """
        return self._sheets(split)["images"]

    def boxes(self) -> Frame | None:
        """The annotated boxes in pixels of the image: ``Image Index``, ``Finding Label``, ``x``, ``y``, ``w``, ``h``; None without any."""
        return self._sheets(None).get("boxes")

    def _sheets(self, split: Split | str | None) -> dict[str, Frame]:
        if split is None:
            return self._frames
        found = self.registry.split(split) if isinstance(split, str) else split
        return {sheet[0]: Frame._of(sheet) for sheet in self.registry._native.images(self.id, found.id)}

    @functools.cached_property
    def _objects(self) -> dict[str, str]:
        frame = self.frame()
        return dict(zip(frame["Image Index"], frame["blake3"]))

    def image(self, name: str, size: int | None = None) -> NDArray[np.uint8]:
        """Gray values of an image, ``[height, width]``, from its ``Image Index``.

        With a size, ``[size, size]``: the whole image, resized by antialiased bilinear interpolation. Bytes that do not
        hash to the recorded id raise an error.
        """
        if name not in self._objects:
            raise UsageError(f"{self.called} has no image {name}", "frame()['Image Index'] has the names")
        object = self._objects[name]
        if object is None:
            raise UsageError(f"{self.called} has metadata only, and no image files")
        height, width, data = self.registry._native.pixels(object, size)
        return np.frombuffer(data, dtype=np.uint8).reshape(height, width)


@dataclass(frozen=True)
class SubsetSize:
    """Size of a subset."""

    images: int
    patients: int


@dataclass(frozen=True)
class FoldSizes:
    """Sizes of the subsets of one fold or re-sampling."""

    train: SubsetSize
    val: SubsetSize
    test: SubsetSize


class Split(Record):
    """A division of a data set by patient into training, validation and test images, one or more times."""

    kind = "split"

    @property
    def dataset(self) -> Dataset:
        """The divided data set."""
        dataset: Dataset = self._related(Dataset, self.document["dataset"])
        return dataset

    @property
    def method(self) -> dict[str, Any]:
        """How it was divided: ``type``, seed, ratios."""
        method: dict[str, Any] = self.document["method"]
        return method

    @property
    def folds(self) -> list[FoldSizes]:
        """Sizes, one for each fold or re-sampling."""
        return [FoldSizes(**{name: SubsetSize(**size) for name, size in fold.items()}) for fold in self.document["folds"]]

    def frame(self) -> Frame:
        """One row for each image of the data set: ``Image Index``, ``Patient ID``, and a column ``fold K`` for each fold with
        ``train``, ``val``, ``test``, or None for an unused image."""
        return self._frames["folds"]

    def images(self, fold: int, subset: str) -> NDArray[np.object_]:
        """Names of the images of a subset of a fold, ``[images]``."""
        if subset not in SUBSETS:
            raise UsageError(f"there is no subset `{subset}`", f"there are {', '.join(SUBSETS)}")
        if not 0 <= fold < len(self.folds):
            raise UsageError(f"{self.called} has no fold {fold}", f"its folds are 0 to {len(self.folds) - 1}")
        frame = self.frame()
        names: NDArray[np.object_] = frame["Image Index"][frame[f"fold {fold}"] == subset]
        return names


class Run(Record):
    """A trained model: a function of its spec, which names data, split, fold, network, settings and seed."""

    kind = "run"

    @functools.cached_property
    def spec(self) -> dict[str, Any]:
        """The document of its spec: everything that determines the result."""
        spec: dict[str, Any] = json.loads(self.registry._native.record(self.document["spec"]))
        return spec

    @functools.cached_property
    def _listed(self) -> dict[str, Any]:
        """What lists say of it."""
        documents, _ = self.registry._native.runs(where=f"id={self.id}")
        listed: dict[str, Any] = json.loads(documents)[0]
        return listed

    @property
    def model(self) -> str:
        """Name of the network."""
        return str(self._listed["model"])

    @property
    def settings(self) -> dict[str, Any]:
        """All settings by name, defaults included."""
        return dict(self._listed["settings"])

    @property
    def dataset(self) -> Dataset:
        """The images and labels."""
        dataset: Dataset = self._related(Dataset, self.spec["dataset"])
        return dataset

    @property
    def split(self) -> Split:
        """The split."""
        split: Split = self._related(Split, self.spec["split"])
        return split

    @property
    def fold(self) -> int:
        """Its fold, from 0."""
        return int(self.spec["fold"])

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return int(self.spec["seed"])

    @property
    def test_auc(self) -> float | None:
        """Mean AUC of the test images over the :attr:`test_auc_labels` labels where it is defined; None if there is none."""
        auc: float | None = self._listed["test_auc"]
        return auc

    @property
    def test_auc_labels(self) -> int | None:
        """Number of labels that :attr:`test_auc` covers."""
        labels: int | None = self._listed["test_auc_labels"]
        return labels

    @property
    def note(self) -> str | None:
        """The newest note about it."""
        note: str | None = self._listed["note"]
        return note

    def log(self) -> Frame:
        """One row for each epoch: ``epoch`` from 1, ``train_loss``, ``val_loss``, ``val_auc`` and what else the run logged."""
        return Frame._of(self.registry._native.log(self.document["log"]))

    def predictions(self, subset: str = "test") -> Predictions:
        """The newest scores of a subset: ``train``, ``val`` or ``test``."""
        found = [Predictions(self.registry, id, None) for id in self.registry._native.predictions_of(self.id)]
        of_subset = [predictions for predictions in found if predictions.subset == subset]
        if not of_subset:
            hint = f"`reg eval {self.called} --subset {subset}`" if subset in SUBSETS else f"there are {', '.join(SUBSETS)}"
            raise UsageError(f"{self.called} has no scores of the subset `{subset}`", hint)
        newest = of_subset[-1]
        newest.name = self.registry._name_of(newest.id)
        return newest


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of images beside their labels, in the order of the data set.

    Attributes:
        images: ``Image Index`` of each row, ``[images]``.
        patients: ``Patient ID`` of each row, ``[images]``.
        labels: Names of the columns.
        probabilities: ``float64 [images, labels]``.
        truth: Whether an image has a label, ``bool [images, labels]``, masked where that is unknown.
    """

    images: NDArray[np.object_]
    patients: NDArray[np.object_]
    labels: list[str]
    probabilities: NDArray[np.float64]
    truth: np.ma.MaskedArray[Any, np.dtype[np.bool_]]

    def of(self, label: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Probabilities and truth of one label, without the images for which its truth is unknown."""
        if label not in self.labels:
            raise UsageError(f"`{label}` was not scored", f"there are {', '.join(self.labels)}")
        column = self.labels.index(label)
        known = ~np.ma.getmaskarray(self.truth)[:, column]
        return self.probabilities[known, column], np.asarray(self.truth.data)[known, column]


class Predictions(Record):
    """Scores of a model for images: those of a run, or another tool's."""

    kind = "predictions"

    @property
    def model(self) -> str:
        """Name of the model in tables."""
        return str(self.document["model"])

    @property
    def dataset(self) -> Dataset:
        """The images."""
        dataset: Dataset = self._related(Dataset, self.document["dataset"])
        return dataset

    @property
    def subset(self) -> str | None:
        """``train``, ``val`` or ``test``; None for scores that belong to no split."""
        subset: str | None = self.document["subset"]
        return subset

    @property
    def fold(self) -> int | None:
        """The fold of the split."""
        fold: int | None = self.document["fold"]
        return fold

    @property
    def labels(self) -> list[str]:
        """Labels of the columns."""
        return list(self.document["labels"])

    @property
    def scale(self) -> str:
        """``logit`` or ``probability``."""
        return str(self.document["scale"])

    def frame(self) -> Frame:
        """One row for each image: ``Image Index``, ``Patient ID``, a column of scores for each label, on the recorded scale."""
        return next(iter(self._frames.values()))

    def scores(self) -> Scores:
        """Probabilities beside the labels of the images."""
        images, patients, labels, probabilities, truth = self.registry._native.scores(self.id)
        shape = (len(images), len(labels))
        codes = np.frombuffer(truth, dtype=np.uint8).reshape(shape)
        return Scores(
            images=np.array(images, dtype=object),
            patients=np.array(patients, dtype=object),
            labels=labels,
            probabilities=np.frombuffer(probabilities, dtype=np.float64).reshape(shape),
            truth=np.ma.MaskedArray(codes == 1, codes == 2),
        )


class Table(Record):
    """Recorded numbers: AUCs of a model, counts of a data set, a comparison, a probe, a heat map."""

    kind = "table"

    @property
    def type(self) -> str:
        """``auc``, ``dataset``, ``comparison``, ``probe``, ``heat`` or ``pointing``."""
        return str(self.document["type"])

    def frames(self) -> dict[str, Frame]:
        """Its tables by name, with all digits; a mean with a deviation or an interval is several columns."""
        return dict(self._frames)

    def frame(self, name: str | None = None) -> Frame:
        """One of its tables; by default the first."""
        if name is None:
            return next(iter(self._frames.values()))
        if name not in self._frames:
            raise UsageError(f"{self.called} has no table `{name}`", f"there are {', '.join(self._frames)}")
        return self._frames[name]

    def values(self) -> Frame:
        """Every value of the record as a row of its own: its subject (``table``, ``model``, ``against``, ``label``, ``mean_over``,
        ``by``, ``group``, ``fold``, ``seed``, ``item``, ``statistic``), the value (``value`` if it is a number, otherwise ``text``), and
        the counts beside it. No two rows have the same subject, so the values of two tables can be joined.
        """
        return Frame._of(self.registry._native.values(self.id))


KINDS: dict[str, type[Record]] = {kind.kind: kind for kind in (Dataset, Split, Run, Predictions, Table)}
