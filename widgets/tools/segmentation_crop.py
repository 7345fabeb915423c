"""What a segmenter is shown of a picture, and its masks brought back to full size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map, Pixels
from editor.document import masks
from editor.document.colour import to_srgb
from editor.document.compose import on_white, thinned
from editor.document.document import Document
from editor.document.tiles import middle_of
from editor.geometry import Rect, Size, invert, pixel_matrix, transform_point
from widgets.viewport import Viewport

Click = tuple[float, float, bool]  # x, y, positive

# A segmenter works on fewer pixels than this anyway; more would only cost time on the way.
MAX_PIXELS = 1_500_000
MARGIN = 0.25  # what is looked at beyond the screen, or beyond the box, in parts of its longer side
FAINT = 0.02  # coverage below which a pixel does not count as covered


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationCrop:
    """What is looked at: `image`, (h, w, 3) uint8, stretched over `rect`; the clicks and the box in the same pixels as that."""

    image: Pixels
    rect: Rect
    clicks: tuple[Click, ...]
    box: Rect | None

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(2, 3): points of the image to points of what it shows."""
        return matrix_of(self.image.shape, self.rect)

    def same_colour(self, tolerance: int) -> Map | None:
        """(h, w): what looks like the place of the first click and hangs together with it; None when that is outside."""
        x, y, _ = self.clicks[0]
        if not self.rect.covers(x, y):
            return None
        own = transform_point(invert(self.matrix), x, y)
        return masks.fill_region(self.image, int(own.x), int(own.y), tolerance)


def nearby(whole: Rect, clicks: tuple[Click, ...], box: Rect | None, viewport: Viewport) -> Rect:
    """What is on screen, or lies around the box, and a margin: people point at things that they see whole."""
    near = viewport.visible() if box is None or box.empty else box
    near = near.unite(Rect.around((x, y) for x, y, _ in clicks).grow(1))
    return near.grow(math.ceil(max(near.size) * MARGIN)).intersect(whole)


def reduced_picture(document: Document, rect: Rect) -> Pixels:
    """(h, w, 3) uint8 sRGB: what the document shows inside `rect`, on white, in at most `MOST_PIXELS`."""
    if rect.empty:
        return np.zeros((0, 0, 3), np.uint8)
    factor = _factor(rect.size)
    # Half of the reduction leaves pixels out, which is quick; the other half averages, so that grain is not taken for detail.
    step = math.ceil(factor / 2)
    return to_srgb(reduced(on_white(thinned(document, rect, step, middle_of(rect, step)))), document.metadata.icc)


def reduced(pixels: Pixels) -> Pixels:
    """(h, w, 3) uint8 averaged down to at most `MOST_PIXELS`."""
    height, width = pixels.shape[:2]
    scale = math.sqrt(MAX_PIXELS / max(width * height, 1))
    if scale >= 1:
        return pixels
    size = max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def matrix_of(shape: tuple[int, ...], rect: Rect) -> NDArray[np.float64]:
    """(2, 3): points of an array of that shape to points of the rectangle that it is stretched over."""
    return np.array([[rect.width / shape[1], 0.0, rect.left], [0.0, rect.height / shape[0], rect.top]])


def placed(mask: Map, matrix: NDArray[np.float64], whole: Rect) -> tuple[Rect, Map]:
    """A mask through `matrix`, (2, 3) on points: the part of `whole` that it covers there, and its values in it."""
    left, top, right, bottom = Rect.of_mask(mask > FAINT).grow(1)
    corners = (transform_point(matrix, x, y) for x in (left, right) for y in (top, bottom))
    area = Rect.around(corners).intersect(whole)
    if area.empty:
        return area, np.zeros(area.size.shape, np.float32)
    local = matrix.copy()
    local[:, 2] -= (area.left, area.top)
    coverage = cv2.warpAffine(mask, pixel_matrix(local), (area.width, area.height), flags=cv2.INTER_LINEAR)
    # An enlarged rim would be as many pixels wide as it was enlarged; keep it about one and a half.
    steeper = max(1.0, math.sqrt(abs(float(np.linalg.det(matrix[:, :2])))) / 1.5)
    return area, np.clip((coverage - 0.5) * np.float32(steeper) + 0.5, 0, 1).astype(np.float32)


def _factor(size: Size) -> float:
    """How much the sides must shrink."""
    return max(1.0, math.sqrt(size.area / MAX_PIXELS))
