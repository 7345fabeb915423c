"""The gradient: from the value in hand to 0, straight or round, drawn live into a map."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QRect
from PySide6.QtGui import QPainter

from editor.document import masks
from editor.document.tiles import BLOCK, Block, Tiles
from editor.errors import InvalidRequest
from editor.geometry import Point, Rect
from widgets.session.paint_target import PaintTarget, surface
from widgets.session.session import Session
from widgets.tools import marks
from widgets.tools.tool import Gesture, PointerEvent, Tool
from widgets.viewport import Viewport

STEP = math.radians(15)
MIN_LENGTH = (
    1e-6  # pixels that a gradient is long; a thing that is shown much reduced has more of its own pixels than that
)


class GradientTool(Tool):
    """A drag says from where (the full value) to where (0); with Shift in steps of 15°. Inside the selection when there is one."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._line: tuple[tuple[float, float], tuple[float, float]] | None = None

    def gesture(self, press: PointerEvent) -> Gesture | None:
        if press.button == "right":
            return None
        try:
            paint_target = surface(self.session, self.session.options.strength_target)
        except InvalidRequest as missing:
            self.session.notice(missing.message, missing.advice)
            return None
        return self._drag(press, paint_target)

    def _drag(self, press: PointerEvent, paint_target: PaintTarget) -> Gesture:
        session = self.session
        document, kind = session.document, session.options.gradient
        limit = None if document.selection.blank or paint_target.inverse is not None else document.selection
        if paint_target.target == "selection":
            limit = None
        value = session.options.value if paint_target.graded else 1.0
        start, event, tiles = Point(press.x, press.y), press, paint_target.tiles
        try:
            while event.kind != "release":
                event = yield
                end = _snapped(start, event) if event.shift else Point(event.x, event.y)
                self._line = start, end
                if marks.distance(start, end) * event.viewport.scale >= 1:
                    own = paint_target.own(*start), paint_target.own(*end)
                    tiles = gradient(paint_target.tiles, *own, value, limit, radial=kind == "radial")
                    session.show(paint_target.lay(document, tiles, None))
        finally:
            self._line = None
        if tiles is not paint_target.tiles:
            session.commit(f"Gradient on {paint_target.noun}", paint_target.lay(session.history.document, tiles, None))

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        if self._line is None:
            return
        start, end = marks.on_screen(viewport, self._line)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        marks.two_tone(painter, marks.path_of((start, end), closed=False))
        marks.handle(painter, *start)
        marks.handle(painter, *end, round_=True)
        painter.restore()

    def decoration(self, viewport: Viewport) -> QRect:
        return QRect() if self._line is None else marks.around(marks.on_screen(viewport, self._line), marks.HANDLE)


def gradient(
    tiles: Tiles, start: Point, end: Point, value: float, limit: Tiles | None = None, *, radial: bool = False
) -> Tiles:
    """`tiles` with `value` at `start` falling evenly to 0 at `end`: along the line between them, or from `start` to all sides.

    `limit`: a map of the same size; where it is 0 nothing changes. Blocks that are all `value` or all 0 are one shared block.
    """
    even: dict[tuple[tuple[int, ...], float], Block] = {}
    blocks: dict[tuple[int, int], Block] = {}
    for where, block in tiles.blocks(None if limit is None else limit.written()):
        low, high = _reach(where, radial, start, end)
        if high <= 0 or low >= 1:
            level = value if high <= 0 else 0.0
            key = block.shape, level
            if key not in even:
                even[key] = np.full(block.shape, level, np.float32)
            drawn = even[key]
        else:
            drawn = (
                masks.radial_gradient(where, start, math.hypot(end.x - start.x, end.y - start.y), value)
                if radial
                else masks.linear_gradient(where, start, end, value)
            )
        if limit is not None:
            drawn = block + (drawn - block) * limit.read(where)
        blocks[where.top // BLOCK, where.left // BLOCK] = drawn.astype(np.float32, copy=False)
    return tiles.replaced(blocks)


def _reach(where: Rect, radial: bool, start: Point, end: Point) -> tuple[float, float]:
    """Bounds of the shares inside a block."""
    dx, dy = end.x - start.x, end.y - start.y
    length = max(math.hypot(dx, dy), MIN_LENGTH)
    if radial:
        near = math.hypot(
            max(where.left - start.x, 0.0, start.x - where.right), max(where.top - start.y, 0.0, start.y - where.bottom)
        )
        return near / length, math.inf
    corners = [(x - start.x, y - start.y) for x in (where.left, where.right) for y in (where.top, where.bottom)]
    shares = [(x * dx + y * dy) / length**2 for x, y in corners]
    return min(shares), max(shares)


def _snapped(start: Point, event: PointerEvent) -> Point:
    length = math.hypot(event.x - start.x, event.y - start.y)
    angle = round(math.atan2(event.y - start.y, event.x - start.x) / STEP) * STEP
    return Point(start.x + length * math.cos(angle), start.y + length * math.sin(angle))
