"""The job of a script that `reg run` started: its inputs and its results."""

from __future__ import annotations

import csv
import functools
import io
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import Error, UsageError
from .files import reading, replacing, writing

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .images import Images

# What the files of a subset have before the labels.
IMAGE, PATH = "Image Index", "path"
META = ("Patient ID", "Patient Age", "Patient Gender", "View Position")
SUBSETS = ("train", "val", "test")
# What a run has scores of.
SCORED = ("test", "val")
# Ages beyond are mistakes of the source, as in the network features of reg.
MAX_AGE = 120
# Side of a network's input where nothing else is asked for, in pixels.
SIZE = 224


class Subset:
    """The images of a subset: training, validation or test.

    Attributes:
        name: ``train``, ``val`` or ``test``.
        images: ``Image Index`` of each image, ``[images]``.
        paths: Their files: PNG or JPEG, read-only, ``[images]``; empty for a data set of metadata only.
        patients: ``Patient ID`` of each, ``[images]``.
        ages: ``Patient Age`` in years, ``float64 [images]``, masked where it is unknown or impossible.
        genders: ``M``, ``F`` or empty, ``[images]``.
        views: ``PA``, ``AP`` or empty, ``[images]``.
        labels: ``float32 [images, labels]``: 1 or 0, NaN where a label is unknown; of the test images, all are NaN.
    """

    def __init__(self, name: str, path: Path, labels: Sequence[str]) -> None:
        self.name = name
        with reading(path), path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        places = {column: place for place, column in enumerate(header)}
        lacking = [column for column in (IMAGE, PATH, *META) if column not in places]
        if lacking:
            raise Error(f"{path} has no column `{lacking[0]}`")
        texts = {column: np.array([row[place] for row in rows], dtype=object) for column, place in places.items()}
        self.images: NDArray[np.object_] = texts[IMAGE]
        self.paths: NDArray[np.object_] = np.array([file and path.parent / file for file in texts[PATH]], dtype=object)
        self.patients, ages, self.genders, self.views = (texts[column] for column in META)
        years = np.array([float(age or "nan") for age in ages], dtype=np.float64)
        self.ages = np.ma.MaskedArray(years, ~((years >= 0) & (years <= MAX_AGE)))
        missing = np.full(len(rows), np.nan, dtype=np.float32)
        columns = [_truths(texts[label]) if label in texts else missing for label in labels]
        self.labels: NDArray[np.float32] = np.stack(columns, axis=1) if columns else np.empty((len(rows), 0), np.float32)

    def __len__(self) -> int:
        return len(self.images)

    def meta(self, age_range: tuple[float, float] | None) -> NDArray[np.float32]:
        """Meta features ``float32 [images, 3]``: age scaled by ``age_range`` to 0..1, gender (male 0, female 1), view position (PA 0,
        AP 1); 0.5 where unknown. The networks of reg with ``-meta`` have the same, scaled by the ages of the data set."""
        unknown = 0.5
        ages = np.full(len(self), unknown)
        if age_range is not None and age_range[1] > age_range[0]:
            low, high = age_range
            scaled = (np.asarray(self.ages.data) - low) / (high - low)
            ages = np.where(np.ma.getmaskarray(self.ages), unknown, np.clip(scaled, 0, 1))
        codes = [_codes(self.genders, {"M": 0.0, "F": 1.0}, unknown), _codes(self.views, {"PA": 0.0, "AP": 1.0}, unknown)]
        return np.stack([ages, *codes], axis=1).astype(np.float32)


class Job:
    """The task of a script of ``reg run``, and the place of its results.

    Attributes:
        document: The whole ``job.json``.
        out: The folder for results.
        labels: Names of the labels, in the order of all columns.
        seed: The seed of the run.
        fold: The fold of the split, from 0.
        dataset: The data set.
        split: The split.
    """

    def __init__(self, path: Path, out: Path) -> None:
        with reading(path):
            self.document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.out = out
        try:
            self.labels: list[str] = list(self.document["labels"])
            self.seed = int(self.document["seed"])
            self.fold = int(self.document["fold"])
            self.dataset: str = self.document["dataset"]
            self.split: str = self.document["split"]
            self._files = {subset: path.parent / self.document[subset] for subset in SUBSETS}
        except KeyError as lacking:
            raise Error(f"{path} has no {lacking}", "`reg run` writes the job that this version of regcxr reads") from None
        self._scores: dict[str, list[float]] = {}
        self._logits: bool | None = None
        self._epoch = 0

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(self.subset(name)):,} {name}" for name in SUBSETS)
        return f"<job: {sizes} images, {len(self.labels)} labels, seed {self.seed}>"

    @functools.cache
    def subset(self, name: str) -> Subset:
        """The images of a subset with patients, ages and labels; it needs no torch."""
        if name not in SUBSETS:
            raise UsageError(f"there is no subset `{name}`", f"there are {', '.join(SUBSETS)}")
        return Subset(name, self._files[name], self.labels)

    @functools.cached_property
    def age_range(self) -> tuple[float, float] | None:
        """Smallest and largest age of the training images, by which the age is scaled; None without ages."""
        ages = self.subset("train").ages.compressed()
        return (float(ages.min()), float(ages.max())) if len(ages) else None

    def images(self, subset: str, size: int = SIZE, transform: Callable[[Any], Any] | None = None) -> Images:
        """A torch ``Dataset`` of decoded images.

        An item is ``(image, labels, meta)``: ``float32 [1, size, size]`` in 0..1, the whole image resized by antialiased bilinear
        interpolation; ``float32 [labels]`` with 1, 0, or NaN where unknown; ``float32 [3]`` as :meth:`Subset.meta` says. A
        ``DataLoader`` decodes the images of a batch on all cores at once, without workers.

        Args:
            subset: ``train``, ``val`` or ``test``; the labels of the test images are unknown.
            size: Side of the images in pixels.
            transform: Called with each image; returns the replacement of the image.
        """
        from .images import Images

        return Images(self.subset(subset), self.age_range, size, transform)

    @property
    def train(self) -> Images:
        """The training images as a torch ``Dataset``; :meth:`images` has other sizes, and transforms."""
        return self.images("train")

    @property
    def val(self) -> Images:
        """The validation images, on which a model is selected."""
        return self.images("val")

    @property
    def test(self) -> Images:
        """The test images, which are to be scored; their labels are unknown."""
        return self.images("test")

    def log(
        self,
        epoch: int,
        train_loss: float | None = None,
        val_loss: float | None = None,
        val_auc: float | None = None,
        **more: float | None,
    ) -> None:
        """Appends an epoch to the log of the run, ``epochs.jsonl``.

        Args:
            epoch: From 1, ascending.
            train_loss: Mean loss over the training images.
            val_loss: Mean loss over the validation images.
            val_auc: Mean AUC over the labels where it is defined.
            more: Other finite numbers.
        """
        if not isinstance(epoch, int) or epoch <= self._epoch:
            raise UsageError(f"epoch is {epoch!r}, but the last one was {self._epoch}", "epochs are counted from 1, ascending")
        values = {"train_loss": train_loss, "val_loss": val_loss, "val_auc": val_auc, **more}
        numbers = {name: float(value) for name, value in values.items() if value is not None}
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise UsageError(f"{name} of epoch {epoch} is {value}, which is no number", f"leave {name} out where it is undefined")
        line = json.dumps({"epoch": epoch, **numbers}, allow_nan=False)
        path = self.out / "epochs.jsonl"
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._epoch = epoch

    def save_scores(
        self,
        scores: ArrayLike,
        subset: str = "test",
        images: Sequence[str] | None = None,
        logits: bool = False,
    ) -> Path:
        """Writes the scores of all test images, or of all validation images, to ``scores.csv``; another call adds the other subset.

        Args:
            scores: ``[images, labels]``, a torch tensor or anything that numpy takes: probabilities, or logits.
            subset: The subset of the rows: ``test``, which a run needs, or ``val``.
            images: Their names, if the order is not that of the subset.
            logits: Whether the scores are logits, which keep their ranks near 0 and 1.

        Returns:
            The file.
        """
        if subset not in SCORED:
            raise UsageError(f"there are no scores of the subset `{subset}`", f"there are {', '.join(SCORED)}")
        known = list(self.subset(subset).images)
        names = known if images is None else [str(name) for name in images]
        array = np.asarray(_numpy(scores), dtype=np.float64)
        if array.shape != (len(names), len(self.labels)):
            wanted = f"[{len(names)}, {len(self.labels)}], {len(names):,} images and {len(self.labels)} labels"
            raise UsageError(f"scores have the shape {list(array.shape)} instead of {wanted}")
        wrong = sorted(set(names) - set(known))
        if wrong:
            raise UsageError(f"{wrong[0]} is no {subset} image of the job", f"job.subset('{subset}').images has the names")
        for name, row in zip(names, array):
            for label, score in zip(self.labels, row):
                if not math.isfinite(score):
                    raise UsageError(f"the score of {name} for {label} is {score}, which is no number")
                if not logits and not 0 <= score <= 1:
                    hint = "give logits=True for the network's output before the sigmoid"
                    raise UsageError(f"the score of {name} for {label} is {score}, and no probability", hint)
        if len(set(names)) != len(names):
            raise UsageError("an image stands twice among the scores")
        if self._logits not in (None, logits):
            raise UsageError("some scores are logits and others probabilities", "save all of them on one scale")
        self._logits = logits
        self._scores.update(zip(names, array.tolist()))
        prefix = "logit_" if logits else ""
        path = self.out / "scores.csv"
        with replacing(path) as file:
            writer = csv.writer(text := io.StringIO(), lineterminator="\n")
            writer.writerow([IMAGE, *(prefix + label for label in self.labels)])
            writer.writerows([name, *map(repr, row)] for name, row in self._scores.items())
            file.write(text.getvalue().encode())
        return path

    def save_checkpoint(self, state: Any) -> Path:
        """Keeps the weights of the run.

        Args:
            state: A ``state_dict``, or any mapping of names to tensors or arrays, which becomes ``checkpoint.safetensors``; anything
                else becomes ``checkpoint.pt`` by ``torch.save``, which nobody but its author should load.

        Returns:
            The file.
        """
        if isinstance(state, Mapping) and all(hasattr(value, "shape") for value in state.values()):
            path = self.out / "checkpoint.safetensors"
            from .safetensors import write

            write(path, state)
            return path
        import torch

        path = self.out / "checkpoint.pt"
        with replacing(path) as file:
            torch.save(state, file)
        return path


def job() -> Job:
    """The job of this script, which ``reg run`` has started.

    Raises:
        Error: The script was not started by ``reg run``.
    """
    found = [os.environ.get(variable) for variable in ("REG_JOB", "REG_OUT")]
    if not all(found):
        hint = "`reg run --dataset D --split S --fold K --name N -- python SCRIPT` starts it"
        raise Error("this script was not started by `reg run`: REG_JOB and REG_OUT are not set", hint)
    path, out = (Path(str(text)) for text in found)
    return Job(path, out)


def _truths(texts: NDArray[np.object_]) -> NDArray[np.float32]:
    return np.array([float(text) if text else math.nan for text in texts], dtype=np.float32)


def _codes(texts: NDArray[np.object_], codes: Mapping[str, float], unknown: float) -> NDArray[np.float64]:
    return np.array([codes.get(text, unknown) for text in texts], dtype=np.float64)


def _numpy(values: Any) -> Any:
    """A tensor of torch as an array, wherever it lies; anything else unchanged."""
    return values.detach().cpu().double().numpy() if hasattr(values, "detach") else values
