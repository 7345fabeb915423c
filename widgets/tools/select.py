"""Shapes: rectangle, ellipse, lasso and the selection brush. What they draw becomes the selection, or part of another map."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QKeyEvent, QPainter

from editor.arrays import Map
from editor.document import masks
from editor.document.brush import Paint, SetTo
from editor.document.tiles import Tiles
from editor.errors import InvalidRequest
from editor.geometry import Point, Rect
from widgets.session.commands import select_none
from widgets.session.options import Combine
from widgets.session.paint_target import PaintTarget, surface
from widgets.session.session import Session
from widgets.tools import marks
from widgets.tools.brushes import BrushTool
from widgets.tools.tool import Gesture, PointerEvent, Tool
from widgets.viewport import Viewport

CLICK = 3.0  # screen pixels: less than this is a click, not a drag
CLOSE = 8.0  # screen pixels: a polygon closes when its first point is clicked


def combine_of(session: Session, event: PointerEvent) -> Combine:
    """What the keys held at the press say, or else the option."""
    if event.shift and event.alt:
        return "intersect"
    if event.shift:
        return "add"
    if event.alt:
        return "subtract"
    return session.options.combine


def commit_shape(
    session: Session,
    paint_target: PaintTarget,
    shape: Map,
    area: Rect,
    combine: Combine,
    *,
    merge: Hashable | None = None,
) -> None:
    """Lay a shape, (h, w) float32 coverage of `area` in the surface's own pixels, into that surface: one step of the history."""
    label, tiles = with_shape(session, paint_target, shape, area, combine)
    session.commit(label, paint_target.lay(session.history.document, tiles, None), merge)


def with_shape(
    session: Session, paint_target: PaintTarget, shape: Map, area: Rect, combine: Combine
) -> tuple[str, Tiles]:
    """The words for it, and the surface's tiles with the shape."""
    if combine == "replace" and paint_target.target not in ("selection", "item", "cutout"):
        combine = "add"  # a second region of strength or protection does not do away with the first
    value = session.options.value if paint_target.graded else 1.0
    if combine == "intersect":
        tiles = masks.combined(paint_target.tiles, area, np.minimum(paint_target.tiles.read(area), shape), "replace")
    else:
        how = "set" if combine == "add" and paint_target.graded else combine
        tiles = masks.combined(paint_target.tiles, area, shape, how, 1.0 if how == "subtract" else value)
    return _label(paint_target, combine), tiles


def _label(paint_target: PaintTarget, combine: Combine) -> str:
    match combine, paint_target.target:
        case "subtract", _:
            return f"Take away from {paint_target.noun}"
        case "intersect", _:
            return f"Intersect {paint_target.noun}"
        case "replace", "selection":
            return "Select"
        case "replace", "cutout":
            return "Cut out"
        case "replace", _:
            return f"Redraw {paint_target.noun}"
        case _, "protect":
            return "Protect"
        case _, "avoid":
            return "Mark as do-not-copy"
        case _ if paint_target.graded:
            return f"Fill {paint_target.noun}"
    return f"Add to {paint_target.noun}"


class ShapeTool(Tool):
    """Drags out a closed outline. Shift at the press adds, Alt takes away, both intersect; a click without a drag deselects."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._outline: Sequence[tuple[float, float]] = ()  # in picture pixels

    def outline(self, start: Point, event: PointerEvent, *, regular: bool, centred: bool) -> list[tuple[float, float]]:
        """The corners of the shape from the press to here. `regular`: as wide as high; `centred`: about the press."""
        raise NotImplementedError

    def gesture(self, press: PointerEvent) -> Gesture | None:
        if press.button == "right":
            return None
        return self._drag(press)

    def _drag(self, press: PointerEvent) -> Gesture:
        start = Point(press.x, press.y)
        # A key held at the press says how to combine; only one pressed later shapes the outline.
        shift_free, alt_free = not press.shift, not press.alt
        event = press
        try:
            while event.kind != "release":
                event = yield
                shift_free, alt_free = shift_free or not event.shift, alt_free or not event.alt
                self._outline = self.outline(
                    start, event, regular=event.shift and shift_free, centred=event.alt and alt_free
                )
            outline = self._outline
        finally:
            self._outline = ()
        if is_click(press, event):
            if combine_of(self.session, press) == "replace" and self.session.options.shape_target == "selection":
                select_none(self.session)
            return
        self.finish(outline, combine_of(self.session, press))

    def finish(self, outline: Sequence[tuple[float, float]], combine: Combine) -> None:
        """Lay the outline into the target: one step of the history."""
        session = self.session
        try:
            paint_target = surface(session, session.options.shape_target)
        except InvalidRequest as missing:
            session.notice(missing.message, missing.advice)
            return
        points = [paint_target.own(x, y) for x, y in outline]
        area = Rect.around(points).intersect(paint_target.tiles.rect)
        shape = masks.polygon(area, points)
        commit_shape(session, paint_target, shape, area, combine)

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        if len(self._outline) > 1:
            points = marks.on_screen(viewport, self._outline)
            painter.save()
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            marks.two_tone(painter, marks.path_of(points, closed=True), dashed=True)
            painter.restore()

    def decoration(self, viewport: Viewport) -> QRect:
        return marks.around(marks.on_screen(viewport, self._outline), 3)


class RectangleTool(ShapeTool):
    """Whole pixels, so that its rim is sharp. Shift during the drag makes it square, Alt goes out from the middle."""

    def outline(self, start: Point, event: PointerEvent, *, regular: bool, centred: bool) -> list[tuple[float, float]]:
        left, top, right, bottom = _box(start, event, regular=regular, centred=centred)
        left, top, right, bottom = round(left), round(top), round(right), round(bottom)
        return [(left, top), (right, top), (right, bottom), (left, bottom)]


class EllipseTool(ShapeTool):
    """Shift during the drag makes it a circle, Alt goes out from the middle."""

    def outline(self, start: Point, event: PointerEvent, *, regular: bool, centred: bool) -> list[tuple[float, float]]:
        left, top, right, bottom = _box(start, event, regular=regular, centred=centred)
        x, y, a, b = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
        # So many corners that the chords stay within a twentieth of a pixel of the curve.
        count = max(16, math.ceil(math.pi / math.acos(1 - min(0.05 / max(a, b, 0.1), 0.5))))
        turn = 2 * math.pi / count
        return [(x + a * math.cos(i * turn), y + b * math.sin(i * turn)) for i in range(count)]


class LassoTool(ShapeTool):
    """A drag draws freehand; clicks set the corners of a polygon, which a double click, Enter or its first corner closes."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._corners: list[tuple[float, float]] = []
        self._combine: Combine = "replace"
        self._pointer: tuple[float, float] | None = None

    def gesture(self, press: PointerEvent) -> Gesture | None:
        if press.button == "right":
            return None
        return self._draw(press)

    def _draw(self, press: PointerEvent) -> Gesture:
        here = press.x, press.y
        if self._corners and (press.kind == "double" or self._near_start(press)):
            self._close()
            return
        if not self._corners:
            self._combine = combine_of(self.session, press)
        freehand = [here]
        event = press
        try:
            while event.kind != "release":
                event = yield
                last = press.viewport.to_screen(*freehand[-1])
                if marks.distance(last, press.viewport.to_screen(event.x, event.y)) >= 1:
                    freehand.append((event.x, event.y))
                self._outline = [*self._corners, *freehand]
            dragged = len(freehand) > 2 and not all(_near(press, point) for point in freehand)
        finally:
            self._outline = ()
        if not dragged:
            self._corners.append(here)
            self._pointer = here
        elif self._corners:
            self._corners += freehand
        else:
            self.finish(freehand, self._combine)

    def _close(self) -> None:
        corners, self._corners = self._corners, []
        if len(corners) > 2:
            self.finish(corners, self._combine)
        elif self._combine == "replace" and self.session.options.shape_target == "selection":
            select_none(self.session)

    def _near_start(self, event: PointerEvent) -> bool:
        start = event.viewport.to_screen(*self._corners[0])
        return len(self._corners) > 2 and marks.distance(start, event.viewport.to_screen(event.x, event.y)) < CLOSE

    def hover(self, event: PointerEvent) -> None:
        self._pointer = event.x, event.y

    def key(self, event: QKeyEvent) -> bool:
        if not self._corners:
            return False
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self._close()
            case Qt.Key.Key_Escape:
                self._corners = []
            case Qt.Key.Key_Backspace:
                self._corners.pop()
            case _:
                return False
        return True

    def _shown(self) -> list[tuple[float, float]]:
        if self._outline:
            return list(self._outline)
        if self._corners and self._pointer is not None:
            return [*self._corners, self._pointer]
        return self._corners

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        shown = marks.on_screen(viewport, self._shown())
        if not shown:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        marks.two_tone(painter, marks.path_of(shown, closed=False), dashed=True)
        if self._corners:
            marks.handle(painter, *shown[0], round_=True)
        painter.restore()

    def decoration(self, viewport: Viewport) -> QRect:
        return marks.around(marks.on_screen(viewport, self._shown()), marks.HANDLE)


class SelectBrushTool(BrushTool):
    """Paints the target of shapes: adds, or takes away with Alt, the pen's other end, or when the option says so."""

    def surface(self) -> PaintTarget:
        return surface(self.session, self.session.options.shape_target)

    def paint_for(self, press: PointerEvent, paint_target: PaintTarget, size: float) -> tuple[str, Paint]:
        if press.alt or press.eraser or self.session.options.combine == "subtract":
            return _label(paint_target, "subtract"), SetTo(0.0)
        return _label(paint_target, "add"), SetTo(self.session.options.value if paint_target.graded else 1.0)


def is_click(press: PointerEvent, release: PointerEvent) -> bool:
    """Whether the pointer has hardly moved on screen."""
    return _near(press, (release.x, release.y))


def _near(press: PointerEvent, point: tuple[float, float]) -> bool:
    return marks.distance(press.viewport.to_screen(press.x, press.y), press.viewport.to_screen(*point)) < CLICK


def _box(start: Point, event: PointerEvent, *, regular: bool, centred: bool) -> tuple[float, float, float, float]:
    dx, dy = event.x - start.x, event.y - start.y
    if regular:
        side = max(abs(dx), abs(dy))
        dx, dy = math.copysign(side, dx), math.copysign(side, dy)
    x0, y0 = (start.x - dx, start.y - dy) if centred else start
    x1, y1 = start.x + dx, start.y + dy
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
