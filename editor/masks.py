"""Functions on strength maps. A map is (H, W) float32 in [0, 1]; a mask is a map of 0 and 1."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]


def grow(map: Map, radius: int) -> Map:
    """The largest value within `radius` pixels (a disc); a negative radius shrinks. (H, W) float32, a new array."""
    if radius == 0:
        return map.copy()
    reach = abs(radius)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    change = cv2.dilate if radius > 0 else cv2.erode
    return np.asarray(change(map, disc), np.float32)


def blur_reach(radius: float) -> int:
    """How many pixels around an element count for its `blur`."""
    return math.ceil(3 * radius)


def blur(map: Map, radius: float) -> Map:
    """The Gaussian mean; `radius` is its standard deviation in pixels. Beyond the edge the map goes on as it ends. A new array."""
    if radius <= 0:
        return map.copy()
    side = 2 * blur_reach(radius) + 1
    return np.asarray(cv2.GaussianBlur(map, (side, side), radius, borderType=cv2.BORDER_REPLICATE), np.float32)
