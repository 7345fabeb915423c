"""Shrinking: pictures made smaller by the mean over each pixel's area, from rows that are computed when they are looked at."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from editor.arrays import Image, strips
from editor.geometry import Size

Rows = Callable[[slice], Image]
"""Some rows of an (H, W, 3) picture, in [0, 1]."""


def shrunk(rows_of: Rows, picture: Size, size: Size) -> Image:
    """The picture at a smaller size: to the bit what OpenCV makes of all of it, while only a strip of it is in memory."""
    if size == picture:
        return rows_of(slice(0, picture.height))
    # Means along rows and then along columns are those of one go, but where a side is divided evenly, or is not smaller.
    if not (_uneven(picture.width, size.width) and _uneven(picture.height, size.height)):
        return _mean(rows_of(slice(0, picture.height)), size)
    means = np.empty((picture.height, size.width, 3), np.float32)
    for rows in strips(means, picture.width):
        image = rows_of(rows)
        means[rows] = _mean(image, Size(size.width, len(image))) if image.any() else 0
    return _mean(means, size)


def _uneven(side: int, shorter: int) -> bool:
    return shorter < side and side % shorter != 0


def _mean(image: Image, size: Size) -> Image:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
