"""Cached sprite: something that is laid over the picture at a place, a scale and a turn, drawn quickly while it only moves."""

from __future__ import annotations

import math

import cv2
import numpy as np
from PySide6.QtCore import QPoint, QRectF
from PySide6.QtGui import QImage, QPainter, QTransform

from editor.arrays import Pixels
from widgets.qimage import wrap

_MAX_PIXELS = 12_000_000  # on screen; larger ones are drawn straight from their pixels


class Sprite:
    """`pixels`: (h, w, 4) uint8 BGRA premultiplied, not changed any more."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = np.ascontiguousarray(pixels)
        self._image = wrap(self._pixels)
        self._linear: tuple[float, float, float, float] | None = None
        self._placed: QImage | None = None
        self._kept: Pixels | None = None  # the memory under `_placed`
        self._offset = 0.0, 0.0

    def draw(self, painter: QPainter, transform: QTransform, opacity: float = 1.0) -> None:
        """`transform`: from these pixels to device pixels, which the painter must draw in."""
        linear = transform.m11(), transform.m12(), transform.m21(), transform.m22()
        if linear != self._linear:
            self._place(transform)
        painter.setOpacity(opacity)
        if self._placed is None:
            painter.save()
            painter.setTransform(transform, True)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(0, 0, self._image)
            painter.restore()
        else:
            x, y = self._offset[0] + transform.dx(), self._offset[1] + transform.dy()
            painter.drawImage(QPoint(round(x), round(y)), self._placed)
        painter.setOpacity(1.0)

    def _place(self, transform: QTransform) -> None:
        """Resample to device pixels, once for as long as scale and turn stay."""
        self._linear = transform.m11(), transform.m12(), transform.m21(), transform.m22()
        self._placed = self._kept = None
        height, width = self._pixels.shape[:2]
        bounds = transform.mapRect(QRectF(0, 0, width, height))
        # The whole part of the place is left to drawing; what is resampled starts at a whole pixel.
        left, top = math.floor(bounds.left() - transform.dx()) - 1, math.floor(bounds.top() - transform.dy()) - 1
        size = math.ceil(bounds.width()) + 3, math.ceil(bounds.height()) + 3
        if size[0] * size[1] > _MAX_PIXELS or max(size) > 16384 or max(width, height) > 32000:
            return
        a, b, c, d = transform.m11(), transform.m21(), transform.m12(), transform.m22()
        matrix = np.array([[a, b, (a + b) / 2 - 0.5 - left], [c, d, (c + d) / 2 - 0.5 - top]])
        self._kept = np.asarray(cv2.warpAffine(self._pixels, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)
        self._placed = wrap(self._kept)
        self._offset = float(left), float(top)
