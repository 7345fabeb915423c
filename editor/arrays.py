"""Array types: what numpy arrays mean here, by element type and shape; bytes as floats, and large arrays in strips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeGuard

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(H, W, 3) or (H, W, 4), 0 to 255, in the colour space that goes with it; (H, W) where it is an alpha channel alone."""

Image = NDArray[np.float32]
"""(H, W, 3), 0 to 1, the same numbers as `Pixels` divided by 255."""

Map = NDArray[np.float32]
"""(H, W), 0 to 1: one amount for each pixel."""

Mask = NDArray[np.bool_]
"""(H, W): yes or no for each pixel."""

Counts = NDArray[np.int64]
"""(h, w): one whole number for each latent cell."""

Labels = NDArray[np.int16]
"""(H, W): the number of the item that each pixel belongs to, 0 for the rest."""

STRIP: Final = 1 << 16
"""Pixels of a strip: with a few floats for each, what is computed on the way stays in the processor's cache."""

_SHARES: Final = np.arange(256, dtype=np.float32) / np.float32(255)


def is_bytes(pixels: Pixels | Image) -> TypeGuard[Pixels]:
    """Whether a picture is in uint8, not in floats."""
    return pixels.dtype == np.uint8


def to_image(pixels: Pixels) -> Image:
    """(H, W, 3) uint8 as floats in [0, 1]; a table is quicker than to convert and to divide."""
    return np.asarray(cv2.LUT(pixels, _SHARES), np.float32)


def strips(array: NDArray[np.generic], width: int | None = None) -> Iterator[slice]:
    """The rows of an (H, W, ...) array in runs of about `STRIP` pixels, for work in several passes on each pixel by itself.

    width: of what the rows come from, where that is another
    """
    height = array.shape[0]
    rows = max(STRIP // max(array.shape[1] if width is None else width, 1), 1)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
