"""From a rough mask to one whose rim follows the picture.

The guided filter (He, Sun and Tang, ECCV 2010) in its fast form: the mask as a local linear function of the colours is fitted where both
are small, and applied where the picture is large.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map

RADIUS = 3  # pixels of the small picture in which the rim may move
SMOOTHNESS = 1e-4  # squared contrast, on a scale of 0 to 1, below which an edge of the picture is not followed
SHARPEN = 1.8


def matte(mask: Map, small: NDArray[np.uint8], image: NDArray[np.uint8]) -> Map:
    """(H, W) float32 in [0, 1] for `image`, (H, W, 3) uint8, from the mask (h, w) of `small`, (h, w, 3), the same picture reduced."""
    height, width = image.shape[:2]

    def enlarged(array: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.resize(array, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

    slope, offset = _fitted(mask, small.astype(np.float32) * np.float32(1 / 255))
    total = (enlarged(slope) * (image.astype(np.float32) * np.float32(1 / 255))).sum(axis=-1) + enlarged(offset)
    total = np.clip((total - 0.5) * np.float32(SHARPEN) + 0.5, 0, 1)
    # Deep inside and far outside there is nothing to follow.
    near = enlarged(_mean(mask))
    return np.where(near <= 0.001, 0, np.where(near >= 0.999, 1, total)).astype(np.float32)


def _fitted(mask: Map, guide: NDArray[np.float32]) -> tuple[NDArray[np.float32], Map]:
    """Slope (h, w, 3) and offset (h, w) of the mask over the colours around each pixel."""
    colour, level = _mean(guide), _mean(mask)
    covariance = _mean(guide * mask[..., None]) - colour * level[..., None]
    spread = np.empty((*mask.shape, 3, 3), np.float32)
    for i in range(3):
        for j in range(i, 3):
            both = _mean(np.ascontiguousarray(guide[..., i] * guide[..., j]))
            spread[..., i, j] = spread[..., j, i] = both - colour[..., i] * colour[..., j]
        spread[..., i, i] += np.float32(SMOOTHNESS)
    slope = np.linalg.solve(spread, covariance[..., None])[..., 0].astype(np.float32)
    offset = level - (slope * colour).sum(axis=-1)
    return _mean(slope), _mean(offset)


def _mean(array: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * RADIUS + 1
    return np.asarray(cv2.blur(array, (side, side), borderType=cv2.BORDER_REFLECT_101), np.float32)
