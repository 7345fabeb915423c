"""Rectangles, sizes and placements in picture pixels. Points are (x, y), arrays (row, column)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Point(NamedTuple):
    """A place in the picture, in pixels; (0, 0) is the outer corner of the first pixel, its centre is (0.5, 0.5)."""

    x: float
    y: float


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        return self.width * self.height

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), for numpy."""
        return self.height, self.width


class Rect(NamedTuple):
    """A half-open rectangle of whole pixels: `left <= x < right`, `top <= y < bottom`."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def of_size(cls, size: Size) -> Rect:
        return cls(0, 0, size.width, size.height)

    @classmethod
    def at(cls, left: int, top: int, width: int, height: int) -> Rect:
        return cls(left, top, left + width, top + height)

    @classmethod
    def around(cls, points: Iterable[tuple[float, float]]) -> Rect:
        """The smallest whole-pixel rectangle that covers the points; empty without points."""
        entries = list(points)
        if not entries:
            return EMPTY
        xs = [x for x, _ in entries]
        ys = [y for _, y in entries]
        return cls(math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys)))

    @classmethod
    def of_mask(cls, mask: NDArray[np.generic]) -> Rect:
        """The smallest rectangle that covers every non-zero element of an (H, W) array; empty if there is none."""
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size == 0:
            return EMPTY
        columns = np.flatnonzero(mask.any(axis=0))
        return cls(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)

    @property
    def width(self) -> int:
        return max(0, self.right - self.left)

    @property
    def height(self) -> int:
        return max(0, self.bottom - self.top)

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def empty(self) -> bool:
        return self.right <= self.left or self.bottom <= self.top

    @property
    def centre(self) -> Point:
        return Point((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, for indexing an array that starts at (0, 0)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def intersect(self, other: Rect) -> Rect:
        rect = Rect(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )
        return EMPTY if rect.empty else rect

    def unite(self, other: Rect) -> Rect:
        """The smallest rectangle around both; an empty one adds nothing."""
        if self.empty:
            return other
        if other.empty:
            return self
        return Rect(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def grow(self, by: int) -> Rect:
        """Larger by `by` pixels on every side; an empty rectangle stays empty."""
        return self if self.empty else Rect(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def moved(self, dx: int, dy: int) -> Rect:
        return Rect(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)

    def within(self, outer: Rect) -> Rect:
        """The same rectangle in coordinates whose origin is `outer`'s corner."""
        return self.moved(-outer.left, -outer.top)

    def holds(self, other: Rect) -> bool:
        return other.empty or (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )

    def covers(self, x: float, y: float) -> bool:
        return self.left <= x < self.right and self.top <= y < self.bottom


EMPTY = Rect(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture of some size lies in the document: its centre, its scale and its turn.

    `x`, `y`: the centre, in document pixels. `scale_x`, `scale_y`: document pixels per picture pixel; negative mirrors.
    `rotation`: degrees, clockwise as seen on screen (y points down).
    """

    x: float
    y: float
    scale_x: float = 1.0
    scale_y: float = 1.0
    rotation: float = 0.0

    def matrix(self, size: Size) -> NDArray[np.float64]:
        """(2, 3) affine map from points in the picture (corner origin) to points in the document."""
        angle = math.radians(self.rotation)
        cos, sin = math.cos(angle), math.sin(angle)
        a, b = cos * self.scale_x, -sin * self.scale_y
        c, d = sin * self.scale_x, cos * self.scale_y
        half_width, half_height = size.width / 2, size.height / 2
        return np.array(
            [
                [a, b, self.x - a * half_width - b * half_height],
                [c, d, self.y - c * half_width - d * half_height],
            ]
        )

    def corners(self, size: Size) -> tuple[Point, Point, Point, Point]:
        """The picture's corners in the document: top left, top right, bottom right, bottom left, as the picture sees it."""
        matrix = self.matrix(size)
        w, h = size
        points = [transform_point(matrix, x, y) for x, y in ((0, 0), (w, 0), (w, h), (0, h))]
        return points[0], points[1], points[2], points[3]

    def bounds(self, size: Size) -> Rect:
        return Rect.around(self.corners(size))

    def moved(self, dx: float, dy: float) -> Placement:
        return replace(self, x=self.x + dx, y=self.y + dy)


def transform_point(matrix: NDArray[np.float64], x: float, y: float) -> Point:
    """`matrix` is a (2, 3) affine map on points."""
    return Point(
        float(matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]),
        float(matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]),
    )


def invert(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of a (2, 3) affine map. Raises `numpy.linalg.LinAlgError` when it is flat."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack([linear, -linear @ matrix[:, 2:]])


def chain(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (2, 3) affine map that applies `inner` first, then `outer`."""
    linear = outer[:, :2] @ inner[:, :2]
    return np.hstack([linear, outer[:, :2] @ inner[:, 2:] + outer[:, 2:]])


def pixel_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same map for index coordinates, where a pixel's centre is a whole number (OpenCV's convention)."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return shifted
