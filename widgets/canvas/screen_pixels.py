"""Screen pixels: how level pixels become the device pixels of a screen, the buffer that keeps those between repaints, and what must be repainted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import cv2
import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPainterPath, QPolygonF, QRegion, QTransform
from PySide6.QtWidgets import QWidget

from editor.arrays import Pixels
from editor.geometry import Rect, Size
from widgets.canvas.levels import level_for, level_size
from widgets.qimage import Words, opaque, wrap
from widgets.viewport import Viewport

Gather = Callable[[int, Rect], Pixels]

NEAREST_FROM = 2.5  # from this zoom on picture pixels are shown as squares
Shade = Callable[["Resampler", Rect, Words], bool]
"""Draws the overlay of a part of the screen into (h, w) words; whether there is anything, otherwise they are as before."""

_CHECK = 8  # logical pixels
_DARK, _LIGHT = 0xFF999999, 0xFFB3B3B3
# Painting through one rectangle is several times quicker than through many, so it may be this much larger than what must be painted.
MAX_EXCESS = 2.5


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


class Repaints:
    """Asks a widget to repaint, once for all that an event has changed."""

    def __init__(self, widget: QWidget) -> None:
        self.widget = widget
        self._areas: list[QRect] | None = None

    def mark(self, *areas: QRect) -> None:
        """Repaint these logical pixels; while an event is handled they are only collected."""
        shown = [area for area in areas if not area.isEmpty()]
        if self._areas is None:
            self._update(shown)
        else:
            self._areas += shown

    @contextmanager
    def collected(self) -> Iterator[None]:
        """What is marked meanwhile is asked for at the end, as one rectangle where it lies close together."""
        self._areas = []
        try:
            yield
        finally:
            areas, self._areas = self._areas or [], None
            self._update(areas)

    def _update(self, areas: Sequence[QRect]) -> None:
        whole, covered = QRect(), 0
        for area in areas:
            whole = whole.united(area)
            covered += area.width() * area.height()
        if whole.width() * whole.height() <= MAX_EXCESS * covered:
            self.widget.update(whole)
        else:
            for area in areas:
                self.widget.update(area)
