"""Owners of pixels after an edit: what becomes of the places that items leave (docs/methods.md, D-Edit 10). Labels are (H, W) int16."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from editor.arrays import Labels, Mask

_AROUND = np.ones((3, 3), np.bool_)


def removed(labels: Labels, gone: Collection[int], never: Collection[int] = ()) -> tuple[Labels, Mask]:
    """The labels after some items were taken out, and (H, W) bool what they leave: each of their pixels goes to the owner of the nearest that stays.

    Where nothing stays, all is the rest's. `never`: as in `given_away`.
    """
    vacated = np.isin(labels, list(gone))
    return given_away(labels, vacated, never), vacated


def given_away(labels: Labels, vacated: Mask, never: Collection[int] = ()) -> Labels:
    """The labels with each vacated pixel given to the owner of the nearest pixel that is not vacated; of equally near ones the topmost, then the
    leftmost.

    never: items that get none of them: those that were moved, and those that lie in front of what left
    """
    if not vacated.any():
        return labels
    feasible = ~vacated if not never else ~vacated & ~np.isin(labels, list(never))
    after = labels.copy()
    if not feasible.any():
        after[vacated] = 0
        return after
    from scipy import ndimage  # noqa: PLC0415  it takes a while to import, and the window is there before

    distances, nearest = ndimage.distance_transform_edt(~feasible, return_indices=True)
    after[vacated] = labels[nearest[0], nearest[1]][vacated]
    # The transform takes any of equally near ones. They have different owners only where two owners' areas meet.
    meeting = (
        ndimage.maximum_filter(after, footprint=_AROUND) != ndimage.minimum_filter(after, footprint=_AROUND)
    ) & vacated
    squared = np.rint(np.square(distances[meeting])).astype(np.int64)
    rows, columns = np.nonzero(meeting)
    for square in np.unique(squared):
        here = squared == square
        after[rows[here], columns[here]] = _first_met(labels, feasible, rows[here], columns[here], int(square))
    return after


def _first_met(
    labels: Labels, feasible: Mask, rows: NDArray[np.int64], columns: NDArray[np.int64], square: int
) -> Labels:
    """For each place the label of the first feasible pixel, from the top left on, at exactly a squared distance; there is one."""
    height, width = labels.shape
    owners = np.zeros(len(rows), np.int16)
    open_ = np.ones(len(rows), np.bool_)
    for down, across in _offsets(square):
        y, x = rows + down, columns + across
        inside = open_ & (y >= 0) & (y < height) & (x >= 0) & (x < width)
        met = np.flatnonzero(inside)[feasible[y[inside], x[inside]]]
        owners[met] = labels[y[met], x[met]]
        open_[met] = False
    return owners


def _offsets(square: int) -> Iterator[tuple[int, int]]:
    """All (rows, columns) of that squared length, the topmost first, then the leftmost."""
    reach = int(square**0.5) + 1
    for down in range(-reach, reach + 1):
        left = square - down * down
        across = round(max(left, 0) ** 0.5)
        if left >= 0 and across * across == left:
            yield down, -across
            if across:
                yield down, across
