"""Resampler: how level pixels become the screen's device pixels, worked out once for a viewport."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPolygonF, QTransform

from editor.arrays import Pixels
from editor.geometry import Rect, Size
from widgets.canvas.levels import level_for, level_size
from widgets.viewport import Viewport

Gather = Callable[[int, Rect], Pixels]

NEAREST_FROM = 2.5  # from this zoom on picture pixels are shown as squares


class Resampler:
    """For a viewport on a picture of `size`. Rectangles on screen are in device pixels; a picture that lies askew has no `inside`."""

    def __init__(self, viewport: Viewport, size: Size) -> None:
        self.viewport = viewport
        self.size = size
        self.screen = Rect(0, 0, round(viewport.width * viewport.ratio), round(viewport.height * viewport.ratio))
        self.to_device = viewport.device_transform()
        self.to_document, _ = self.to_device.inverted()
        self.level = level_for(viewport.zoom)
        self.plane = Rect.of_size(level_size(size, self.level))
        self.outline = self.to_device.map(
            QPolygonF(
                [QPointF(0, 0), QPointF(size.width, 0), QPointF(size.width, size.height), QPointF(0, size.height)]
            )
        )
        bounds = self.outline.boundingRect()
        self.bounds = Rect(
            round(bounds.left()),
            round(bounds.top()),
            max(round(bounds.right()), round(bounds.left()) + 1),
            max(round(bounds.bottom()), round(bounds.top()) + 1),
        )
        if not viewport.upright:
            self.bounds = self.bounds.grow(1)
        # Device pixel indices -> level pixel indices.
        step = 1 << self.level
        inverse = self.to_document
        self._matrix = np.array(
            [
                [inverse.m11() / step, inverse.m21() / step, inverse.dx() / step],
                [inverse.m12() / step, inverse.m22() / step, inverse.dy() / step],
            ]
        )
        self._coefficients: tuple[float, ...] = tuple(self._matrix.ravel().tolist())
        centred = self._matrix.copy()
        centred[:, 2] += self._matrix[:, :2] @ (0.5, 0.5) - 0.5
        self._centred = centred
        self._nearest = viewport.zoom >= NEAREST_FROM
        whole = np.array_equal(np.rint(centred[:, :2]), centred[:, :2])
        self._one_to_one = bool(whole and self.level == 0 and viewport.zoom == 1.0)
        straight = np.array_equal(self._matrix[:, :2], np.eye(2))
        self._shift = (round(self._matrix[0, 2]), round(self._matrix[1, 2])) if self._one_to_one and straight else None

    @property
    def inside(self) -> Rect:
        """The part of the screen that the picture covers."""
        return self.bounds.intersect(self.screen)

    def device_rect(self, rect: Rect, margin: int = 0) -> Rect:
        """The device pixels that may show something of `rect` (picture pixels), cut to the screen."""
        bounds = self.to_device.mapRect(QRectF(rect.left, rect.top, rect.width, rect.height))
        if self._shift is None:
            margin += max(1, round(self.viewport.zoom))  # what interpolation spreads
        device = Rect(
            math.floor(bounds.left() + 1e-6),
            math.floor(bounds.top() + 1e-6),
            math.ceil(bounds.right() - 1e-6),
            math.ceil(bounds.bottom() - 1e-6),
        )
        return device.grow(margin).intersect(self.screen)

    def level_rect(self, area: Rect) -> Rect:
        """The level pixels needed to show `area` of the screen, cut to the picture."""
        return self._needed(area).intersect(self.plane)

    def sample(self, gather: Gather, area: Rect, *, fade: bool = False) -> Pixels:
        """What `gather(level, rect)` gives, resampled onto the device pixels of `area`, (h, w[, C]) uint8.

        Beyond the picture's edge its last pixels go on, or nothing (0) with `fade`. `area` must touch the picture. Not to be written to.
        """
        if self._shift is not None:
            source = area.moved(*self._shift)
            if self.plane.holds(source):
                return gather(0, source)
        needed = self.level_rect(area)
        if needed.empty:
            needed = self._nearest_pixel(area)
        pixels = np.ascontiguousarray(gather(self.level, needed))
        if self._nearest and self.viewport.rotation % 180 == 0:
            return self._repeated(pixels, needed, area)
        matrix = self._centred.copy()
        matrix[:, 2] += matrix[:, :2] @ (area.left, area.top) - (needed.left, needed.top)
        flags = cv2.INTER_NEAREST if self._nearest or self._one_to_one else cv2.INTER_LINEAR
        border = cv2.BORDER_CONSTANT if fade and not self.viewport.upright else cv2.BORDER_REPLICATE
        size = area.width, area.height
        return np.asarray(
            cv2.warpAffine(pixels, matrix, size, flags=flags | cv2.WARP_INVERSE_MAP, borderMode=border), np.uint8
        )

    def shift_from(self, other: Resampler) -> tuple[int, int] | None:
        """By how many device pixels the picture has moved since `other`, when nothing else differs."""
        if self.size != other.size or self.screen != other.screen:
            return None
        mine, theirs = self.to_device, other.to_device
        if not np.allclose(_linear(mine), _linear(theirs), rtol=0, atol=1e-12):
            return None
        dx, dy = mine.dx() - theirs.dx(), mine.dy() - theirs.dy()
        if abs(dx - round(dx)) > 1e-6 or abs(dy - round(dy)) > 1e-6:
            return None
        return round(dx), round(dy)

    def _needed(self, area: Rect) -> Rect:
        # Plain numbers: this is asked for every dab, and small arrays would take longer than drawing it.
        a, b, x, c, d, y = self._coefficients
        xs = (a * area.left, a * area.right), (b * area.top, b * area.bottom)
        ys = (c * area.left, c * area.right), (d * area.top, d * area.bottom)
        return Rect(
            math.floor(min(xs[0]) + min(xs[1]) + x) - 2,
            math.floor(min(ys[0]) + min(ys[1]) + y) - 2,
            math.ceil(max(xs[0]) + max(xs[1]) + x) + 2,
            math.ceil(max(ys[0]) + max(ys[1]) + y) + 2,
        )

    def _nearest_pixel(self, area: Rect) -> Rect:
        needed = self._needed(area)
        left = min(max(needed.left, 0), self.plane.right - 1)
        top = min(max(needed.top, 0), self.plane.bottom - 1)
        return Rect(left, top, left + 1, top + 1)

    def _repeated(self, pixels: Pixels, needed: Rect, area: Rect) -> Pixels:
        """Every pixel as a square with exact edges, the same however the screen is cut into areas."""
        xs = (np.arange(area.left, area.right) + 0.5) * self._matrix[0, 0] + self._matrix[0, 2]
        ys = (np.arange(area.top, area.bottom) + 0.5) * self._matrix[1, 1] + self._matrix[1, 2]
        columns = np.clip(np.floor(xs).astype(np.intp) - needed.left, 0, needed.width - 1)
        rows = np.clip(np.floor(ys).astype(np.intp) - needed.top, 0, needed.height - 1)
        if pixels.ndim == 3:
            words = pixels.view("<u4")[..., 0]
            return np.ascontiguousarray(words[rows][:, columns]).view(np.uint8).reshape(area.height, area.width, 4)
        return np.ascontiguousarray(pixels[rows][:, columns])


def _linear(transform: QTransform) -> tuple[float, float, float, float]:
    return transform.m11(), transform.m12(), transform.m21(), transform.m22()
