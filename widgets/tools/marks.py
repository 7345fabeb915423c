"""Marks on the canvas that read on any picture: a dark line under a light one, in screen coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from widgets.viewport import Viewport

LIGHT = QColor(255, 255, 255)
DARK = QColor(0, 0, 0, 150)
ACCENT = QColor(76, 154, 255)
HANDLE = 9.0
MAX_COORDINATE = 2.0**28  # logical pixels: whole numbers of Qt hold twice as much with room to spare


def on_screen(viewport: Viewport, points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Picture points as screen points, many at once."""
    transform = viewport.transform()
    screen_points = (transform.map(QPointF(x, y)) for x, y in points)
    return [(point.x(), point.y()) for point in screen_points]


def path_of(points: Iterable[tuple[float, float]], *, closed: bool) -> QPainterPath:
    polygon = QPolygonF([QPointF(x, y) for x, y in points])
    path = QPainterPath()
    path.addPolygon(polygon)
    if closed:
        path.closeSubpath()
    return path


def two_tone(painter: QPainter, path: QPainterPath, *, dashed: bool = False, width: float = 1.0) -> None:
    """The path as a line of that width with a dark edge; `dashed` lets the dark show in between."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    dark = QPen(QColor(0, 0, 0, 200) if dashed else DARK, width if dashed else width + 2)
    painter.setPen(dark)
    painter.drawPath(path)
    pen = QPen(LIGHT, width)
    if dashed:
        pen.setDashPattern([4, 4])
    painter.setPen(pen)
    painter.drawPath(path)


def handle(painter: QPainter, x: float, y: float, *, round_: bool = False) -> None:
    """A place to take hold of: a white square (or disc) with a dark edge."""
    box = QRectF(x - HANDLE / 2, y - HANDLE / 2, HANDLE, HANDLE)
    painter.setPen(QPen(QColor(0, 0, 0, 190), 1.0))
    painter.setBrush(LIGHT)
    if round_:
        painter.drawEllipse(box)
    else:
        painter.drawRect(box)


def point(painter: QPainter, x: float, y: float, *, positive: bool) -> None:
    """A click that says "this" (a plus on blue) or "not this" (a minus on dark)."""
    painter.setPen(QPen(DARK, 3.5))
    painter.setBrush(ACCENT if positive else QColor(40, 40, 40))
    painter.drawEllipse(QPointF(x, y), 6.0, 6.0)
    painter.setPen(QPen(LIGHT, 1.5))
    painter.drawEllipse(QPointF(x, y), 6.0, 6.0)
    painter.drawLine(QPointF(x - 3, y), QPointF(x + 3, y))
    if positive:
        painter.drawLine(QPointF(x, y - 3), QPointF(x, y + 3))


def around(points: Iterable[tuple[float, float]], margin: float) -> QRect:
    """The whole-pixel rectangle around screen points; empty without points."""
    places = list(points)
    if not places:
        return QRect()
    left, top = min(x for x, _ in places) - margin, min(y for _, y in places) - margin
    right, bottom = max(x for x, _ in places) + margin, max(y for _, y in places) + margin
    left, top, right, bottom = (min(max(side, -MAX_COORDINATE), MAX_COORDINATE) for side in (left, top, right, bottom))
    return QRectF(left, top, right - left, bottom - top).toAlignedRect()


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.hypot(a[0] - b[0], a[1] - b[1])
