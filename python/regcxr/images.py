"""Decoded images as a torch ``Dataset``; the only module that needs torch when it is imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from . import _native
from .errors import UsageError

if TYPE_CHECKING:
    from .job import Subset


class Images(torch.utils.data.Dataset):  # type: ignore[misc,type-arg,unused-ignore]
    """Images with labels and meta features; :meth:`regcxr.Job.images` says what an item is."""

    def __init__(
        self,
        subset: Subset,
        age_range: tuple[float, float] | None,
        size: int,
        transform: Callable[[Any], Any] | None,
    ) -> None:
        self.subset = subset
        self.size = size
        self.transform = transform
        self.labels = torch.from_numpy(subset.labels)
        self.meta = torch.from_numpy(subset.meta(age_range))

    def __len__(self) -> int:
        return len(self.subset)

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        return self.__getitems__([range(len(self))[index]])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any, Any]]:
        """The items of a batch, decoded together; a ``DataLoader`` calls this."""
        if not all(self.subset.paths[index] for index in indices):
            raise UsageError("the data set of the job has metadata only, and no image files", "job.subset(NAME) has its rows")
        paths = [str(self.subset.paths[index]) for index in indices]
        pixels = torch.frombuffer(_native.decode_all(paths, self.size), dtype=torch.uint8)
        images = pixels.view(len(paths), 1, self.size, self.size).float() / 255
        changed = images if self.transform is None else [self.transform(image) for image in images]
        return [(image, self.labels[index], self.meta[index]) for image, index in zip(changed, indices)]
