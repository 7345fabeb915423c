"""Seam: how visible the edge of what was pasted into a picture is.

Looked at are steps of colour across the edge: the mean of what lies just outside against the mean of what lies just inside, as far as neither
the texture around nor an edge that was there before explains it. A large step is an object's own edge, the sooner so where what was made has it
by itself.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Image, Map, Mask
from editor.geometry import Rect, Size
from editor.model_canvas.shrinking import Rows, shrunk

MAX_SIDE = 640  # pixels of what is looked at; more is looked at smaller, as people do
BAND = 5  # pixels on either side of the edge whose means are compared
SEEN = 3 / 255  # the least step that is seen on an even ground
SOFT = 24.0  # pixels over which a step must be spread to need twice as much
TEXTURE = 0.2  # of the deviation around: a step that goes under in it
OBJECT = 48 / 255  # a step beyond this is an object's own edge
OWN_OBJECT = 16 / 255  # or beyond this, where most of it is in what was made, too
MAX_SHARE = 0.6
SHARE = 75.0  # per cent of the edge may be worse than nothing and it is still not visible
LAID = 0.7  # of the alpha: from there on what is pasted counts as itself
MIN_BAND_SHARE = 0.2  # of a window must lie in a band for its mean to count


def visibility(source: Image, generated: Image, result: Image, alpha: Map) -> float:
    """0 = not visible, from 1 on it is. All (H, W, 3) in [0, 1]: the picture before, what was made of all of it, the picture after; `alpha`: (H, W),
    how the made one was laid over the one before, 0 outside the region.

    Only what lies around the region is looked at.
    """
    height, width = alpha.shape
    part = surroundings(Rect.of_mask(alpha)).intersect(Rect(0, 0, width, height)).slices
    before, whole, after = source[part], generated[part], result[part]
    return visibility_around(before.__getitem__, whole.__getitem__, after.__getitem__, alpha[part])


def visibility_around(source: Rows, generated: Rows, result: Rows, alpha: Map) -> float:
    """The same of no more than the surroundings of the region."""
    if not alpha.any() or alpha.all():
        return 0.0
    height, width = alpha.shape
    size = picture = Size(width, height)
    share = MAX_SIDE / max(picture)
    if share < 1:
        size = Size(*(max(8, round(side * share)) for side in picture))
        alpha = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)
    before, whole, after = (shrunk(plane, picture, size) for plane in (source, generated, result))
    return _visibility(before, whole, after, alpha)


def surroundings(region: Rect) -> Rect:
    """All that is looked at of a picture for a region, given by its tight rectangle; it may reach beyond the picture."""
    return region.grow(6 * BAND * max(1, round(max(region.size) / MAX_SIDE)))


def _visibility(source: Image, generated: Image, result: Image, alpha: Map) -> float:
    free, laid = alpha > 1e-3, alpha >= LAID
    if free.all() or not laid.any():
        return 0.0
    inwards = _distance(free)
    outwards = _distance(~free)
    rim = laid & (cv2.erode(laid.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    fade = float(np.median(inwards[rim])) if rim.any() else 1.0  # pixels over which it fades in
    reach = fade + BAND
    inner = laid & (inwards <= fade + BAND)
    outer = ~free & (outwards <= BAND)
    further = ~free & (outwards > reach) & (outwards <= reach + BAND)
    deeper = laid & (inwards > fade + reach) & (inwards <= fade + reach + BAND)
    edge = free & (inwards < 2)
    window = 2 * round(reach + BAND) + 1
    outside = _mean(source, outer, window)
    here = edge & _counts(inner, window, BAND) & _counts(outer, window, BAND)
    if not here.any():
        return 0.0
    wide = 2 * window + 1
    step = _length(_mean(result, inner, window) - outside)
    known = _length(_mean(source, inner, window) - outside)  # what was there before
    own = _length(_mean(generated, inner, window) - _mean(generated, outer, window)) > MAX_SHARE * step
    # What lies as far apart, but all on one side, differs so much by nature.
    usual = _length(_mean(source, further, wide) - _mean(source, outer, wide)) * _counts(further, wide, BAND)
    usual = np.maximum(
        usual, _length(_mean(result, deeper, wide) - _mean(result, inner, wide)) * _counts(deeper, wide, BAND)
    )
    rough = np.minimum(_deviation(source, outer, window), _deviation(result, inner, window))
    excess = step - np.maximum(known, usual)
    seen = SEEN * (1 + fade / SOFT) + TEXTURE * rough
    object_edge = excess > np.where(own, OWN_OBJECT, OBJECT)
    ratios = np.where(object_edge, 0, np.maximum(excess, 0) / seen)[here]
    return float(np.percentile(ratios, SHARE))


def _distance(mask: Mask) -> Map:
    """Pixels to the nearest one outside the mask; the first ones inside are 1."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def _box(values: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    return np.asarray(
        cv2.boxFilter(values, -1, (window, window), normalize=False, borderType=cv2.BORDER_CONSTANT), np.float32
    )


def _counts(band: Mask, window: int, across: int) -> Mask:
    """Where enough of a band lies in the window around a pixel."""
    mask: Mask = _box(band.astype(np.float32), window) >= MIN_BAND_SHARE * window * across
    return mask


def _mean(image: Image, band: Mask, window: int) -> Image:
    """Of the pixels of `band` around each pixel."""
    weight = band.astype(np.float32)
    count = np.maximum(_box(weight, window), np.float32(1))
    return np.asarray(_box(np.ascontiguousarray(image * weight[..., None]), window) / count[..., None], np.float32)


def _deviation(image: Image, band: Mask, window: int) -> Map:
    mean = _mean(image, band, window)
    return np.asarray(np.sqrt(np.maximum(_mean(image * image, band, window) - mean * mean, 0)).max(axis=2), np.float32)


def _length(difference: Image) -> Map:
    """The largest of the channels' differences and of their mean, which is what brightness does."""
    size = np.abs(difference)
    return np.asarray(np.maximum(size.max(axis=2) * 0.7, size.mean(axis=2)), np.float32)
