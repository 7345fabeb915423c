"""Fit reference: the name of a fit (learned weights or embeddings) that a document uses, and what it was learned from. The fit is kept elsewhere."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from editor.arrays import Pixels
from editor.content_key import content_key
from editor.document.partition import Partition
from editor.geometry import Rect
from editor.requests.edit_request import MAX_ID
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.settings_fields import HomePath, Length, Range

MAX_CELLS: Final = 32
"""Most cells of a fingerprint in a row, and rows of them."""

_DIGITS = 16  # of a cell's hash
_REST = -1  # in a fingerprint of a partition


@dataclass(frozen=True, slots=True)
class FitChanges:
    """How much of what a fit was learned from has changed since.

    picture: the share of the frame's area in cells whose pixels differ, 0 to 1
    partition: the share in cells in which any pixel belongs to another item, 0 to 1; 1 where there was or is none
    model: whether it is another model
    rules: whether the rules of learning are others
    """

    picture: float
    partition: float
    model: bool
    rules: bool

    def __bool__(self) -> bool:
        return self.picture > 0 or self.partition > 0 or self.model or self.rules


@dataclass(frozen=True, slots=True)
class FitReference:
    """One fit that a document uses. Make one with `FitReference.of`.

    key: its name in the store of fits, a `content_key`
    method: the name of the settings class of the method that learned it
    frame: the part of the picture that it was learned from, in document pixels
    picture, partition: fingerprints of both inside the frame; the second empty where there was no partition
    items: ids of the items that it knows
    model: the key of the model that it was learned on
    revision: of the rules that it was learned by
    unknown: what another version said of it in a file
    """

    key: Annotated[str, Length(200)]
    method: Annotated[str, Length(200)]
    frame: Rect
    picture: Annotated[str, Length(_DIGITS * MAX_CELLS**2)]
    partition: Annotated[str, Length(_DIGITS * MAX_CELLS**2)]
    items: Annotated[tuple[Annotated[int, Range(0, MAX_ID)], ...], Length(2000)]
    model: Annotated[str, Length(4096), HomePath()]
    revision: Annotated[int, Range(1, 10_000)]
    unknown: Opaque = NOTHING

    @classmethod
    def of(
        cls,
        key: str,
        method: str,
        *,
        frame: Rect,
        pixels: Pixels,
        partition: Partition | None,
        model: str,
        revision: int,
    ) -> FitReference:
        """The reference to a fit that was learned just now. `pixels`: (h, w, 4) uint8, what the picture shows inside the frame."""
        items = () if partition is None else partition.items
        return cls(key, method, frame, fingerprint(pixels), _of_partition(partition, frame), items, model, revision)

    def changes(self, pixels: Pixels, partition: Partition | None, model: str, revision: int) -> FitChanges:
        """What is other than when it was learned. The arguments are as in `of`, of now."""
        return FitChanges(
            _share(self.picture, fingerprint(pixels), self.frame),
            _share(self.partition, _of_partition(partition, self.frame), self.frame),
            model != self.model,
            revision != self.revision,
        )


def fingerprint(array: NDArray[np.generic]) -> str:
    """Hashes of the cells of a grid over an (h, w) or (h, w, C) array, row by row, as one text."""
    down, across = _borders(array.shape[0]), _borders(array.shape[1])
    return "".join(
        content_key(array[top:bottom, left:right], digest_size=_DIGITS // 2)
        for top, bottom in itertools.pairwise(down)
        for left, right in itertools.pairwise(across)
    )


def _of_partition(partition: Partition | None, frame: Rect) -> str:
    """By ids, since labels are numbered anew when an item goes; empty without a partition."""
    if partition is None:
        return ""
    return fingerprint(np.array((_REST, *partition.items), np.int64)[partition.labels(frame)])


def _borders(length: int) -> list[int]:
    count = min(MAX_CELLS, length)
    return [length * i // count for i in range(count + 1)]


def _share(before: str, after: str, frame: Rect) -> float:
    """The share of a frame's area in which two fingerprints differ."""
    if before == after:
        return 0.0
    if len(before) != len(after) or frame.empty:
        return 1.0
    heights, widths = np.diff(_borders(frame.height)), np.diff(_borders(frame.width))
    cells = [before[at : at + _DIGITS] != after[at : at + _DIGITS] for at in range(0, len(before), _DIGITS)]
    if len(cells) != len(heights) * len(widths):  # from a file
        return 1.0
    differs = np.array(cells).reshape(len(heights), len(widths))
    return float((differs * heights[:, None] * widths).sum() / frame.size.area)
