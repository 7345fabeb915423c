"""Cutting a thing out: a soft edge for a rough mask, and the thing's own colours under that edge."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map, Mask
from editor.methods.quick_fill.pyramid import Colour

RADIUS = 5.0  # of the guided filter, and the other lengths below, in pixels of a picture of 512
EPSILON = 1e-4
CERTAIN = 2.0
MAX_REACH = 2  # whoever frees pixels for the edge counts on no more than this
SOFT_WIDTH = 4.0  # a mask whose edge is wider than this on the mean was made soft on purpose


def matte(picture: Colour, mask: Map, scale: float) -> Map:
    """The soft cut-out, (h, w) in [0, 1], for a rough mask of the same size: a guided filter (He, Sun, Tang 2010) on the grey.

    Sure inside an erosion of the mask by `CERTAIN` and outside a dilation by at most `MOST_REACH`. `scale`: picture size over 512.
    A mask with a soft edge of its own comes back unchanged.
    """
    if is_soft(mask, scale):
        return mask
    inside = mask > 0.5
    alpha = guided_filter(picture.mean(axis=2), mask, max(1, round(RADIUS * scale)))
    reach = max(1, round(CERTAIN * scale))
    alpha[shrink(inside, reach)] = 1.0
    alpha[~spread(inside, min(reach, MAX_REACH))] = 0.0
    return np.asarray(np.clip((alpha - 0.1) / 0.8, 0.0, 1.0), np.float32)


def is_soft(mask: Map, scale: float) -> bool:
    """Whether the mask's edge was made soft on purpose."""
    inside = mask > 0.5
    edge = int((inside & ~shrink(inside, 1)).sum())
    between = int(((mask > 0.05) & (mask < 0.95)).sum())
    return between > SOFT_WIDTH * max(1.0, scale) * max(edge, 1)


def guided_filter(guide: Map, values: Map, radius: int, epsilon: float = EPSILON) -> Map:
    """`values` (h, w) smoothed so that they follow the edges of `guide` (h, w) in [0, 1]."""

    def mean(of: Map) -> Map:
        side = 2 * radius + 1
        return np.asarray(cv2.boxFilter(of, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)

    guide_mean, value_mean = mean(guide), mean(values)
    slope = (mean(guide * values) - guide_mean * value_mean) / (mean(guide * guide) - guide_mean**2 + epsilon)
    result: Map = mean(slope) * guide + mean(value_mean - slope * guide_mean)
    return result


def own_colours(picture: Colour, mask: Map, scale: float) -> Colour:
    """The picture with the colours of the thing carried out over its edge: nearest colour of its core, slightly blurred.

    So a soft edge does not bring a fringe of the old background along.
    """
    inside = mask > 0.5
    core = shrink(inside, max(1, round(CERTAIN * scale)))
    if not core.any():
        core = inside
    if not core.any():
        return picture
    _, nearest = cv2.distanceTransformWithLabels(
        (~core).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), np.float32)
    colours[nearest[core]] = picture[core]
    carried = cv2.GaussianBlur(colours[nearest], (0, 0), max(1.0, scale))
    return np.where(core[..., None], picture, carried).astype(np.float32)


def shrink(mask: Mask, by: int) -> Mask:
    """The mask eroded by a disc of that radius; the frame of the picture does not erode it."""
    return cv2.erode(mask.astype(np.uint8), _disc(by), borderType=cv2.BORDER_REPLICATE).astype(np.bool_)


def spread(mask: Mask, by: int) -> Mask:
    """The mask dilated by a disc of that radius."""
    return cv2.dilate(mask.astype(np.uint8), _disc(by)).astype(np.bool_)


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)
