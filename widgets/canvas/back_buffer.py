"""Back buffer: the picture and the overlay as device pixels, kept between repaints, so that a repaint copies and only changes are computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import cast

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPainterPath, QRegion

from editor.arrays import Pixels
from editor.geometry import Rect
from widgets.canvas.colour_map import Words
from widgets.canvas.resampler import Resampler
from widgets.qimage import opaque, wrap

Gather = Callable[[int, Rect], Pixels]
Shade = Callable[[Resampler, Rect, Words], bool]
"""Draws the overlay of a part of the screen into (h, w) words; whether there is anything, otherwise they are as before."""

_CHECK = 8  # logical pixels
_DARK, _LIGHT = 0xFF999999, 0xFFB3B3B3


class BackBuffer:
    """`picture` and `overlay` have the size of the widget in device pixels; `refresh` brings them up to date."""

    def __init__(self, lens: Resampler, surround: int) -> None:
        self._surround = surround
        self._reset(lens)

    def _reset(self, lens: Resampler) -> None:
        self.lens = lens
        shape = max(lens.screen.height, 1), max(lens.screen.width, 1)
        self._picture: Pixels = np.empty((*shape, 4), np.uint8)
        self._overlay: Words = np.zeros(shape, np.uint32)
        self.picture = wrap(self._picture, alpha=False)
        self.overlay = wrap(self._overlay.view(np.uint8).reshape(*shape, 4))
        # Whether anything was drawn into the overlay: an empty one need not be looked at.
        self.shaded = False
        self._picture_stale = QRegion(QRect(0, 0, shape[1], shape[0]))
        self._overlay_stale = QRegion(self._picture_stale)
        self._checks = _checkerboard(max(1, round(_CHECK * lens.viewport.ratio)))

    def set_lens(self, lens: Resampler) -> None:
        """Another view: what was drawn is shifted when that is enough."""
        shift = lens.shift_from(self.lens)
        if shift is None:
            if lens.screen != self.lens.screen:
                self._reset(lens)
            self.lens = lens
            self.picture_changed()
            self.overlay_changed()
            return
        self.lens = lens
        if shift == (0, 0):
            return
        dx, dy = shift
        whole = lens.screen
        target = whole.moved(dx, dy).intersect(whole)
        if target.empty:
            self.picture_changed()
            self.overlay_changed()
            return
        source = target.moved(-dx, -dy)
        for array in (self._picture, self._overlay):
            array[target.slices] = array[source.slices].copy()
        fresh = QRegion(_qrect(whole)) - QRegion(_qrect(target))
        self._picture_stale = _shifted(self._picture_stale, dx, dy, whole) + fresh
        self._overlay_stale = _shifted(self._overlay_stale, dx, dy, whole) + fresh

    def set_surround(self, grey: int) -> None:
        if grey != self._surround:
            self._surround = grey
            self.picture_changed()

    def picture_changed(self, areas: Iterable[Rect] | None = None) -> None:
        """These areas (device pixels), or all, no longer show the picture as it is."""
        for area in [self.lens.screen] if areas is None else areas:
            self._picture_stale += _qrect(area)

    def overlay_changed(self, areas: Iterable[Rect] | None = None) -> None:
        for area in [self.lens.screen] if areas is None else areas:
            self._overlay_stale += _qrect(area)

    def refresh(self, gather: Gather, shade: Shade) -> None:
        """Compute what is stale: the picture from `gather(level, rect)`, the overlay by `shade`."""
        if not self._picture_stale.isEmpty():
            stale, self._picture_stale = self._picture_stale, QRegion()
            for area in _rects(stale):
                self._draw_picture(gather, area)
        if not self._overlay_stale.isEmpty():
            stale, self._overlay_stale = self._overlay_stale, QRegion()
            for area in _rects(stale):
                self._draw_overlay(shade, area)

    def _draw_picture(self, gather: Gather, area: Rect) -> None:
        lens = self.lens
        inner = area.intersect(lens.inside)
        if inner != area:
            self._picture[area.slices] = (self._surround, self._surround, self._surround, 255)
        if inner.empty:
            return
        pixels = lens.sample(gather, inner)
        plain = opaque(np.ascontiguousarray(pixels))
        if plain:
            self._picture[inner.slices] = pixels
        if plain and lens.viewport.upright:
            return
        painter = QPainter(self.picture)
        where = _qrect(inner)
        if not plain:
            painter.setBrushOrigin(lens.to_device.map(QPointF(0, 0)).toPoint())
            painter.fillRect(where, QBrush(self._checks))
            painter.drawImage(where.topLeft(), wrap(np.ascontiguousarray(pixels)))
        if not lens.viewport.upright:
            outside = QPainterPath()
            outside.addRect(where)
            inside = QPainterPath()
            inside.addPolygon(lens.outline)
            painter.setClipRect(where)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            grey = QColor(self._surround, self._surround, self._surround)
            painter.fillPath(outside.subtracted(inside), grey)
        painter.end()

    def _draw_overlay(self, shade: Shade, area: Rect) -> None:
        inner = area.intersect(self.lens.inside)
        if self.shaded and inner != area:
            self._overlay[area.slices] = 0
        if not inner.empty and shade(self.lens, inner, self._overlay[inner.slices]):
            self.shaded = True
        elif self.shaded:
            self._overlay[area.slices] = 0


def _checkerboard(side: int) -> QImage:
    image = QImage(2 * side, 2 * side, QImage.Format.Format_RGB32)
    image.fill(_LIGHT)
    painter = QPainter(image)
    for x, y in ((0, 0), (side, side)):
        painter.fillRect(x, y, side, side, QColor.fromRgba(_DARK))
    painter.end()
    return image


def _shifted(region: QRegion, dx: int, dy: int, whole: Rect) -> QRegion:
    return region.translated(QPoint(dx, dy)) & QRegion(_qrect(whole))


def _qrect(rect: Rect) -> QRect:
    return QRect(rect.left, rect.top, rect.width, rect.height)


def _rects(region: QRegion) -> list[Rect]:
    return [Rect.at(part.x(), part.y(), part.width(), part.height()) for part in parts(region)]


def parts(region: QRegion) -> Iterable[QRect]:
    """The region's rectangles; the binding's type hints leave out that it can be iterated."""
    return cast("Iterable[QRect]", region)


def worth(region: QRegion) -> Iterable[QRect]:
    """The region's rectangles, or the one around them where they are many and leave out little: every copy has its price."""
    whole = region.boundingRect()
    if region.rectCount() > 2:
        covered = sum(part.width() * part.height() for part in parts(region))
        if whole.width() * whole.height() < 1.5 * covered:
            return (whole,)
    return parts(region)


def to_logical(area: Rect, ratio: float) -> QRect:
    """The logical pixels around device pixels."""
    left, top = math.floor(area.left / ratio), math.floor(area.top / ratio)
    return QRect(left, top, math.ceil(area.right / ratio) - left, math.ceil(area.bottom / ratio) - top)


def to_device(logical: QRect, ratio: float) -> QRect:
    """The device pixels of a rectangle of logical ones."""
    left, top = math.floor(logical.left() * ratio), math.floor(logical.top() * ratio)
    right = math.ceil((logical.left() + logical.width()) * ratio)
    bottom = math.ceil((logical.top() + logical.height()) * ratio)
    return QRect(left, top, right - left, bottom - top)
