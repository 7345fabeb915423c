"""Partitions of a picture on token grids: one item a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer]
Rule = Literal["majority", "nearest"]


def labels_on_grid(labels: Labels, grid: tuple[int, int], rule: Rule = "majority", order: Sequence[int] = ()) -> Labels:
    """Item labels of a picture brought to a grid of any size; every cell keeps exactly one label.

    labels: (H, W) integers, one item a pixel.
    grid: (h, w) cells; pixels that straddle cells count with their share of each.
    rule: "majority": the label with the largest area in the cell. "nearest": that of the cell's top left pixel, as published code takes it.
    order: labels from back to front; of two with the same area the one further in front wins. Labels that it does not name stand in front
        of it, the highest foremost.

    Returns (h, w), of the type of `labels`.
    """
    (height, width), (rows, columns) = labels.shape, grid
    if rule == "nearest":
        down, across = np.arange(rows) * height // rows, np.arange(columns) * width // columns
        return labels[np.ix_(down, across)]
    kinds = np.array([*order, *(label for label in np.unique(labels) if label not in order)], labels.dtype)
    down, across = _overlaps(height, rows), _overlaps(width, columns)
    areas = np.stack([down @ (labels == label) @ across.T for label in kinds])
    # argmax takes the first of equal areas: from the front then.
    winners: Labels = kinds[::-1][np.argmax(areas[::-1], axis=0)]
    return winners


def _overlaps(pixels: int, cells: int) -> NDArray[np.float64]:
    """(cells, pixels): how much of each pixel lies in each cell, in units of 1 / (pixels cells) of the side: whole numbers, so sums are exact."""
    starts, ends = np.arange(cells) * pixels, (np.arange(cells) + 1) * pixels
    left, right = np.arange(pixels) * cells, (np.arange(pixels) + 1) * cells
    shared = np.minimum(ends[:, None], right[None]) - np.maximum(starts[:, None], left[None])
    lengths: NDArray[np.float64] = np.maximum(shared, 0).astype(np.float64)
    return lengths
