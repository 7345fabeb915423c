"""Frame: which rectangle of the document a model sees, and at what working size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editor.geometry import Point, Rect, Size

# Around what may change a model sees this share of its longer side, and no picture narrower than this, as far as the document allows.
_CONTEXT = 0.25
_ASPECT = 2.0
# Enlarging further shows the model nothing but interpolation.
_MAX_ENLARGED = 4.0
_MIN_SIDE = 8
# How much more one side may be scaled than the other to end on a whole multiple.
_MAX_SKEW = 0.01
# By how much the shorter side is lengthened in search of a shape that fits.
_STRETCHES = (1.0, 1.06, 1.12, 1.25)


@dataclass(frozen=True, slots=True)
class Frame:
    """`rect`: in document pixels. `working`: the size in which the method computes; equal to the rectangle's for quick fill."""

    rect: Rect
    working: Size

    def __post_init__(self) -> None:
        if self.rect.empty or self.working.width < 1 or self.working.height < 1:
            raise ValueError("a frame needs at least one pixel")

    @classmethod
    def full_size(cls, rect: Rect) -> Frame:
        return cls(rect, rect.size)

    @property
    def scale(self) -> tuple[float, float]:
        """Working pixels per document pixel, along x and y."""
        return self.working.width / self.rect.width, self.working.height / self.rect.height

    @property
    def mean_scale(self) -> float:
        """Working pixels per document pixel, one number for both axes: they differ by rounding only."""
        return math.sqrt(self.working.area / self.rect.size.area)

    def to_working(self, x: float, y: float) -> Point:
        sx, sy = self.scale
        return Point((x - self.rect.left) * sx, (y - self.rect.top) * sy)

    def to_document(self, x: float, y: float) -> Point:
        sx, sy = self.scale
        return Point(x / sx + self.rect.left, y / sy + self.rect.top)

    def matrix(self) -> NDArray[np.float64]:
        """(2, 3) affine map from document points to working points."""
        sx, sy = self.scale
        return np.array([[sx, 0.0, -self.rect.left * sx], [0.0, sy, -self.rect.top * sy]])


def choose_frame(tight: Rect, document: Size, native: int, multiple: int, scale: float = 1.0) -> Frame:
    """What a model made for squares of `native` pixels should see of a document to change `tight`, which must not be empty.

    At least a quarter of its longer side of context on every side, sides of at least half of `native`, not narrower than 2:1, all as far
    as the document allows. Where there is room, the sides are such that the working size is a multiple of `multiple`. `scale`: working
    pixels per side beyond what the model was made for.
    """
    context = math.ceil(_CONTEXT * max(tight.size))
    least = math.ceil(native / 2)
    width, height = (max(side + 2 * context, least) for side in tight.size)
    width, height = max(width, math.ceil(height / _ASPECT)), max(height, math.ceil(width / _ASPECT))
    width, height = min(width, document.width), min(height, document.height)
    width, height = _fitting(Size(width, height), document, native, multiple, scale)
    left = _slid(tight.left, tight.right, width, document.width)
    top = _slid(tight.top, tight.bottom, height, document.height)
    return frame_at(Rect.at(left, top, width, height), native, multiple, scale)


def frame_at(rect: Rect, native: int, multiple: int, scale: float = 1.0) -> Frame:
    """The frame over a given rectangle: its working size has about the area of a square of `native` times `scale`, enlarging at most four
    times, and the shape of the rectangle, to within a pixel of it.
    """
    width, height = rect.size
    share = min(_MAX_ENLARGED, native * scale / math.sqrt(rect.size.area))
    exact = _multiples(rect.size, native, multiple, scale)
    skew = abs(width * exact.height / (height * exact.width) - 1)
    if share < _MAX_ENLARGED and skew < min(_MAX_SKEW, 1 / min(width, height)):
        return Frame(rect, exact)
    return Frame(rect, Size(max(_MIN_SIDE, round(width * share)), max(_MIN_SIDE, round(height * share))))


def _multiples(size: Size, native: int, multiple: int, scale: float) -> Size:
    """The working size nearest to the shape of `size` whose sides are whole multiples."""
    side = native * scale / multiple
    across = max(1, round(side * math.sqrt(size.width / size.height)))
    down = max(1, round(side * side / across))
    return Size(across * multiple, down * multiple)


def _fitting(size: Size, most: Size, native: int, multiple: int, scale: float) -> Size:
    """`size` lengthened to the shape of a working size of whole multiples; as it is where that would be larger than `most`, or narrow."""
    wide = size.width > size.height
    for more in _STRETCHES:
        width, height = size.width * (1 if wide else more), size.height * (more if wide else 1)
        exact = _multiples(Size(math.ceil(width), math.ceil(height)), native, multiple, scale)
        width = max(size.width, math.ceil(height * exact.width / exact.height))
        height = max(size.height, math.ceil(width * exact.height / exact.width))
        if width <= most.width and height <= most.height and max(width, height) <= _ASPECT * min(width, height) + 1:
            return Size(width, height)
    return size


def _slid(start: int, stop: int, length: int, limit: int) -> int:
    """Where `length` pixels begin that have `start` to `stop` in their middle, or as nearly as they stay between 0 and `limit`."""
    return min(max((start + stop - length) // 2, 0), limit - length)
