"""Outlines: from coverage to smooth closed lines in picture coordinates."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainterPath, QPolygonF

from editor.document.tiles import Tiles
from editor.geometry import Rect
from widgets.canvas.levels import from_level, map_at, to_level

MAX_PIXELS = 1_500_000
_GRID = 256  # the part that is looked at snaps to this, so that panning a little needs nothing new
_ROUGHNESS = 0.3  # level pixels a line may stray to save corners


def part_of(tiles: Tiles, rect: Rect, visible: Rect, level: int) -> tuple[int, Rect]:
    """Which level and which level rectangle of a map to trace: all of `rect` when it is small, else what is visible of it."""
    area = rect.intersect(tiles.rect)
    if area.size.area >> (2 * level) > MAX_PIXELS:
        left, top, right, bottom = visible.grow(8)
        snapped = Rect(
            left // _GRID * _GRID, top // _GRID * _GRID, -(-right // _GRID) * _GRID, -(-bottom // _GRID) * _GRID
        )
        area = area.intersect(snapped)
    while area.size.area >> (2 * level) > MAX_PIXELS:
        level += 1
    return level, to_level(area, level)


def outline(tiles: Tiles, level: int, rect: Rect, grow: int = 0) -> QPainterPath:
    """Around everything that an (H, W) float32 map covers by half inside `rect` of a level, in picture pixels.

    `grow`: by so many picture pixels further out.
    """
    if rect.empty:
        return QPainterPath()
    step = 1 << level
    reach = -(-grow >> level) + 2
    values = cv2.copyMakeBorder(map_at(tiles, level, rect), reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    inside = np.asarray(values, np.uint8) >= 128
    if grow:
        away = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        inside = np.asarray(away <= grow / step)
    origin = from_level(rect, level)
    return trace(inside, origin.left - reach * step, origin.top - reach * step, step)


def trace(inside: NDArray[np.bool_], left: float, top: float, step: float) -> QPainterPath:
    """The rims of an (h, w) mask whose pixels are `step` wide and begin at (left, top)."""
    # Twice as fine, so that the line through the outermost pixels lies near their outer edge.
    fine = cv2.resize(inside.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    rims, _ = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    path = QPainterPath()
    for rim in rims:
        points = _smooth(np.asarray(rim, np.float32)[:, 0])
        corners = cv2.approxPolyDP(points[:, None], _ROUGHNESS, closed=True)[:, 0]
        places = (np.asarray(corners, np.float64) + 0.5) * (step / 2) + (left, top)
        path.addPolygon(QPolygonF([QPointF(x, y) for x, y in places.tolist()]))
        path.closeSubpath()
    return path


def _smooth(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The closed line without the steps of its pixels: every point the mean of its neighbours along the line."""
    if len(points) < 16:
        return points
    around = np.concatenate([points[-3:], points, points[:3]])
    sums = np.cumsum(np.vstack([np.zeros((1, 2), np.float64), around]), axis=0)
    return np.asarray((sums[7:] - sums[:-7]) / 7, np.float32)
