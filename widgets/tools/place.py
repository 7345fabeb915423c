"""The move tool: take hold of items and exemplars, move, resize and turn them."""

from __future__ import annotations

import math

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPainterPath

from widgets.session.commands import delete_touched
from widgets.session.session import Session
from widgets.tools import grips, marks
from widgets.tools.grips import Hold, Thing
from widgets.tools.tool import RESIZE_CURSORS, Gesture, PointerEvent, Tool
from widgets.viewport import Viewport

START = 3.0  # screen pixels before a press becomes a drag
NUDGE, NUDGE_FAR = 1.0, 10.0


class PlaceTool(Tool):
    """A click picks what lies on top, a drag moves it. Corners keep the ratio unless Shift is held, Alt resizes about the centre; the round
    handle above the box turns it, as does a drag outside a corner, with Shift in steps of 15°. Arrows nudge by 1 px, with Shift by 10. Delete
    removes an item from the picture and takes an exemplar away, unless something was selected since.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._pointer: PointerEvent | None = None
        self._hold: Hold | None = None  # what the pointer would take hold of
        self._over: Thing | None = None  # what a click would pick

    # Gestures

    def gesture(self, press: PointerEvent) -> Gesture | None:
        if press.button == "right":
            return None
        self.hover(press)
        session, hold = self.session, self._hold
        thing, under = grips.active(session), self._over
        if thing is not None and hold is not None:
            # What lies over a hollow of the active thing's box is picked at once; over the thing itself only by a click.
            aside = hold.kind == "inside" and under is not None and not grips.covers(thing, press.x, press.y)
            if not aside:
                return self._drag(press, thing, hold, under)
        if under is None:
            session.activate()
            return None
        grips.activate(session, under)
        self._hold = Hold("inside")
        return self._drag(press, under, self._hold, None)

    def _drag(self, press: PointerEvent, thing: Thing, hold: Hold, under: Thing | None) -> Gesture:
        """`under`: what a click without a drag picks instead."""
        session = self.session
        document, placement = session.document, grips.placement_of(thing)
        event, label = press, ""
        while event.kind != "release":
            event = yield
            self._pointer = event
            start, here = (press.viewport.to_screen(pointer.x, pointer.y) for pointer in (press, event))
            if not label and marks.distance(start, here) < START:
                continue
            match hold.kind:
                case "inside":
                    verb, placement = "Move", grips.moved(thing, press, event)
                case "grip":
                    verb, placement = "Resize", grips.resized(thing, hold.grip, press, event)
                case "turn":
                    verb, placement = "Turn", grips.turned(thing, press, event)
            label = f"{verb} “{thing.name}”"
            session.show(grips.with_placement(document, thing, placement))
        if not label:
            if under is not None and hold.kind == "inside":
                grips.activate(session, under)
        elif grips.placement_of(thing) != placement:
            session.commit(label, grips.with_placement(session.history.document, thing, placement))
        else:
            session.revert()

    # Keys

    def key(self, event: QKeyEvent) -> bool:
        thing = grips.active(self.session)
        if thing is None:
            return False
        step = NUDGE_FAR if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else NUDGE
        match event.key():
            case Qt.Key.Key_Left:
                self._nudge(thing, -step, 0)
            case Qt.Key.Key_Right:
                self._nudge(thing, step, 0)
            case Qt.Key.Key_Up:
                self._nudge(thing, 0, -step)
            case Qt.Key.Key_Down:
                self._nudge(thing, 0, step)
            case Qt.Key.Key_Delete | Qt.Key.Key_Backspace:
                delete_touched(self.session)
            # Otherwise it is about the candidates, or leaves the edit that is reopened, as is said on top.
            case Qt.Key.Key_Escape if self.session.job is None and self.session.history.document.rerun is None:
                self.session.activate()
            case _:
                return False
        return True

    def _nudge(self, thing: Thing, dx: float, dy: float) -> None:
        placement = grips.placement_of(thing).moved(dx, dy)
        document = grips.with_placement(self.session.document, thing, placement)
        self.session.commit(f"Move “{thing.name}”", document, merge=("nudge", thing.id))

    # Pointer

    def hover(self, event: PointerEvent) -> None:
        self._pointer = event
        thing = grips.active(self.session)
        self._hold = None if thing is None else grips.hold_at(thing, event)
        self._over = grips.thing_at(self.session.document, event.x, event.y)

    def holds(self, event: PointerEvent) -> bool:
        thing = self._shown()
        hold = None if thing is None else grips.hold_at(thing, event)
        return hold is not None and (hold.kind == "grip" or hold.grip == grips.HANDLE)

    def leave(self) -> None:
        self._pointer = self._hold = self._over = None

    def cursor(self) -> Qt.CursorShape:
        thing, hold, event = grips.active(self.session), self._hold, self._pointer
        if thing is None or hold is None or event is None:
            return Qt.CursorShape.ArrowCursor if self._over is None else Qt.CursorShape.PointingHandCursor
        match hold.kind:
            case "inside":
                return Qt.CursorShape.SizeAllCursor
            case "turn":
                return Qt.CursorShape.BlankCursor
            case "grip":
                corners = self._corners(thing, event.viewport)
                (x0, y0), (x1, y1) = corners[0], corners[2]
                x, y = grips.grips(corners).get(hold.grip, corners[0])
                angle = math.atan2(y - (y0 + y1) / 2, x - (x0 + x1) / 2)
                return RESIZE_CURSORS[round(math.degrees(angle) / 45) % 4]

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        thing = self._shown()
        if thing is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        corners = self._corners(thing, viewport)
        side, handle = grips.turning_handle(corners, viewport)
        marks.two_tone(painter, marks.path_of([side, handle], closed=False))
        marks.two_tone(painter, marks.path_of(corners, closed=True))
        marks.handle(painter, *handle, round_=True)
        for x, y in grips.grips(corners).values():
            marks.handle(painter, x, y)
        turning = self._turning(thing, viewport)
        if turning is not None:
            marks.two_tone(painter, _turn_arrow(*turning), width=1.6)
        painter.restore()

    def decoration(self, viewport: Viewport) -> QRect:
        thing = self._shown()
        if thing is None:
            return QRect()
        corners = self._corners(thing, viewport)
        rect = marks.around([*corners, grips.turning_handle(corners, viewport)[1]], marks.HANDLE)
        turning = self._turning(thing, viewport)
        return rect if turning is None else rect.united(marks.around([turning[:2]], 20))

    def _shown(self) -> Thing | None:
        """The thing that has handles just now: none while a result is looked at."""
        job = self.session.job
        return None if job is not None and job.seen else grips.active(self.session)

    def _corners(self, thing: Thing, viewport: Viewport) -> list[tuple[float, float]]:
        return marks.on_screen(viewport, grips.placement_of(thing).corners(thing.size))

    def _turning(self, thing: Thing, viewport: Viewport) -> tuple[float, float, float] | None:
        """Where the turning cursor is drawn, and the direction in which it looks away from the thing (radians)."""
        if self._hold is None or self._hold.kind != "turn" or self._pointer is None:
            return None
        placement = grips.placement_of(thing)
        x, y = viewport.to_screen(self._pointer.x, self._pointer.y)
        middle = viewport.to_screen(placement.x, placement.y)
        return x, y, math.atan2(y - middle.y, x - middle.x)


def _turn_arrow(x: float, y: float, direction: float) -> QPainterPath:
    """A short arc with a head at both ends, bulging in that direction."""
    radius, spread = 14.0, math.radians(42)
    centre_x, centre_y = x - radius * math.cos(direction), y - radius * math.sin(direction)
    path = QPainterPath()
    steps = 12
    arc = [direction - spread + 2 * spread * i / steps for i in range(steps + 1)]
    points = [(centre_x + radius * math.cos(a), centre_y + radius * math.sin(a)) for a in arc]
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    for (tip_x, tip_y), along in ((points[0], arc[0] - math.pi / 2), (points[-1], arc[-1] + math.pi / 2)):
        for side in (-1, 1):
            back = along + math.pi + side * math.radians(40)
            path.moveTo(tip_x, tip_y)
            path.lineTo(tip_x + 6 * math.cos(back), tip_y + 6 * math.sin(back))
    return path
