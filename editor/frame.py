"""Frame: which rectangle of the document a model sees, and at what working size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editor.geometry import Point, Rect, Size


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
