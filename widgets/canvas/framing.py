"""Framing: the part of the picture that a method sees, as brackets that can be taken hold of: moved by the tag, resized by the corners."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from PySide6.QtCore import QObject, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QRegion
from PySide6.QtWidgets import QWidget

from editor.geometry import Rect, Size
from editor.requests.frame import Frame
from widgets.canvas import overlays
from widgets.canvas.gestures import GestureSource
from widgets.session.session import Session
from widgets.tools.tool import RESIZE_CURSORS, Gesture, PointerEvent
from widgets.viewport import Viewport

REACH = 12.0  # screen pixels around a corner that take hold of it: an area of 24 px
MIN_SIDE = 64  # picture pixels of a side

Corner = tuple[Literal[-1, 1], Literal[-1, 1]]
Grip = Corner | Literal["tag"]
CORNERS: tuple[Corner, ...] = ((-1, -1), (1, -1), (1, 1), (-1, 1))

TIP = "What the model sees. Drag the tag to move it, a corner to resize it."
BACK = "Double click: choose it automatically again."


class Framing(QObject, GestureSource):
    """The frame of the next edit, drawn as brackets with a tag, and dragged by them.

    frame: what a method sees, or would see; None where there is nothing to do.
    words, tag: what its tag says, and where it is on screen, in logical pixels.
    covered: whether something that lies over the frame would take a press.
    changed(area): this area, in logical pixels, must be repainted.
    dropped(): a drag under way must end, and be put back.
    """

    changed = Signal(QRect)
    dropped = Signal()

    def __init__(
        self, canvas: QWidget, session: Session, viewport: Viewport, covered: Callable[[PointerEvent], bool]
    ) -> None:
        super().__init__(canvas)
        self._canvas, self._session, self._viewport, self._covered = canvas, session, viewport, covered
        self.frame: Frame | None = None
        self._over: Grip | None = None  # the grip under the pointer
        self._dragged: Grip | None = None
        self._about: object = None  # the edit that runs, if the frame is that one's
        self._corners: list[QPointF] = []  # on screen, as in CORNERS
        self._taken = QRect()
        self.words = ""
        self.tag = QRectF()
        self._areas: list[QRect] = []  # that its parts take, in logical pixels
        self._lay()

    # What it shows

    @property
    def stale(self) -> bool:
        """Whether it should be worked out again when there is time."""
        return not self._session.in_gesture and self._dragged is None

    def settle(self) -> None:
        """Work out what the method sees; takes a while on large pictures."""
        session, draft = self._session, self._session.draft
        frame: Frame | None = None
        if session.live.pinned is not None:
            draft = replace(draft, frame=session.live.pinned)
        if session.job is not None and not session.live.on:
            edit_job = session.job.edit_job
            frame = edit_job.method.frame_bound(edit_job.document, edit_job.draft, edit_job.planned)
        elif (session.view.frame or session.draft.settings.needs_model) and session.plan.action is not None:
            frame = session.method.frame_bound(session.document, draft, session.plan)
        shown = frame is not None and session.view.frame
        if frame == self.frame and self.words == self._said(frame) and shown == bool(self._corners):
            return
        before = self._areas
        self.frame = frame
        self._lay()
        for area in (*before, *self._areas):
            self.changed.emit(area)

    def follow_job(self) -> None:
        """A run has begun, goes on or has ended: while there is one, the frame is that of its edit."""
        job = self._session.job
        about = None if job is None else job.edit_job
        if about is not None and about is not self._about:
            self.dropped.emit()
            self.settle()
        self._about = about

    def set_viewport(self, viewport: Viewport) -> None:
        """The whole canvas is repainted then, so nothing is said."""
        self._viewport = viewport
        self._lay()

    def keep_clear(self, taken: QRect) -> None:
        """The tag must not lie over these logical pixels."""
        if taken != self._taken:
            before = self._areas
            self._taken = taken
            self._lay()
            for area in (*before, *self._areas):
                self.changed.emit(area)

    def _said(self, frame: Frame | None) -> str:
        if frame is None:
            return ""
        words = overlays.size_words(frame.working)
        return f"{words} · fixed" if self._session.draft.frame is not None and self.movable else words

    # Dragging it

    @property
    def movable(self) -> bool:
        """Whether it can be dragged: the method has a model, and no run goes on or waits to be judged."""
        job = self._session.job
        return self._session.draft.settings.needs_model and (job is None or job.state == "failed")

    def gesture(self, press: PointerEvent) -> Gesture | None:
        if press.button != "left" or self._covered(press):
            return None
        grip = self._grip_at(press.place)
        if grip is None or self.frame is None:
            return None
        return self._automatic(grip) if press.kind == "double" else self._drag(grip, self.frame.rect, press)

    def _drag(self, grip: Grip, start: Rect, press: PointerEvent) -> Gesture:
        """The grip follows the pointer; with Shift the sides keep their ratio."""
        before, whole = self._session.draft.frame, self._session.document.size
        self._dragged = grip
        try:
            while (event := (yield)).kind != "release":
                own = self._viewport.to_document(event.place.x(), event.place.y())
                dx, dy = round(own.x - press.x), round(own.y - press.y)
                if grip == "tag":
                    rect = moved(start, dx, dy, whole)
                else:
                    rect = resized(start, grip, dx, dy, whole, ratio=start.size if event.shift else None)
                if rect != start or self._session.draft.frame != before:
                    self._session.set_draft(frame=rect)
                    self.settle()
        except GeneratorExit:
            self._dragged = None
            self._session.set_draft(frame=before)
            self.settle()
            raise
        finally:
            self._dragged = None

    def _automatic(self, grip: Grip) -> Gesture:
        """A double click on the tag: let it be chosen automatically again."""
        if grip == "tag":
            self._session.set_draft(frame=None)
            self.settle()
        yield from ()

    def _grip_at(self, place: QPointF) -> Grip | None:
        """What a press here, in logical pixels, would drag."""
        if self.frame is None or not self.movable or not self._corners:
            return None
        tag = self.tag
        room = max(0.0, 2 * REACH - tag.height()) / 2
        if not tag.isNull() and tag.adjusted(-room, -room, room, room).contains(place):
            return "tag"
        # Inside a small frame most of the room is for what lies in it.
        own = self._viewport.to_document(place.x(), place.y())
        inner = min(REACH, min(self.frame.rect.size) * self._viewport.scale / 4)
        reach = inner if self.frame.rect.covers(own.x, own.y) else REACH
        for corner, at in zip(CORNERS, self._corners, strict=True):
            distance = place - at
            if max(abs(distance.x()), abs(distance.y())) <= reach:
                return corner
        return None

    def hover(self, event: PointerEvent) -> bool:
        self._point_at(None if self._covered(event) else self._grip_at(event.place))
        return self._over is not None

    def leave(self) -> None:
        self._point_at(None)

    def _point_at(self, grip: Grip | None) -> None:
        if grip != self._over:
            self._over = grip
            tip = "" if grip is None else f"{TIP} {BACK}" if self._session.draft.frame is not None else TIP
            self._canvas.setToolTip(tip)
            for area in self._areas:
                self.changed.emit(area)

    def cursor(self) -> Qt.CursorShape | None:
        grip = self._dragged or self._over
        if grip is None:
            return None
        if grip == "tag":
            return Qt.CursorShape.SizeAllCursor
        transform = self._viewport.transform()
        outwards = transform.map(QPointF(*grip)) - transform.map(QPointF(0, 0))
        return RESIZE_CURSORS[round(math.degrees(math.atan2(outwards.y(), outwards.x())) / 45) % 4]

    # On screen

    def _lay(self) -> None:
        """Work out where its parts are on screen."""
        self.words = self._said(self.frame)
        self._corners, self.tag, self._areas = [], QRectF(), []
        if self.frame is None or not self._session.view.frame:
            return
        rect = self.frame.rect
        ratio = self._viewport.ratio
        transform = self._viewport.transform()
        points = [
            QPointF(x, y)
            for x, y in (
                (rect.left, rect.top),
                (rect.right, rect.top),
                (rect.right, rect.bottom),
                (rect.left, rect.bottom),
            )
        ]
        corners = [transform.map(point) for point in points]
        if self._viewport.upright:  # on whole device pixels, where lines are crisp
            corners = [QPointF(round(at.x() * ratio) / ratio, round(at.y() * ratio) / ratio) for at in corners]
        self._corners = corners
        self.tag = self._tag_place()
        half = overlays.BRACKET + 4
        boxes = [QRectF(at.x() - half, at.y() - half, 2 * half, 2 * half) for at in corners]
        if not self.tag.isNull():
            boxes.append(self.tag.adjusted(-2, -2, 2, 2))
        self._areas = [box.toAlignedRect() for box in boxes]

    def _tag_place(self) -> QRectF:
        """Above the frame, or inside it where there is no room. Nothing when the frame is off screen."""
        xs, ys = [at.x() for at in self._corners], [at.y() for at in self._corners]
        box = QRectF(QPointF(min(xs), min(ys)), QPointF(max(xs), max(ys)))
        canvas = QRectF(4, 4, self._viewport.width - 8, self._viewport.height - 8)
        seen = box.intersected(canvas)
        if seen.isEmpty():
            return QRectF()
        width, height = overlays.tag_size(self.words)
        above = box.top() - height - 6
        y = above if above >= canvas.top() else seen.top() + 8
        place = QRectF(
            round(max(seen.left() + (0 if y == above else 8), canvas.left())), round(y), round(width), height
        )
        taken = QRectF(self._taken).adjusted(-8, -8, 8, 8)
        if not self._taken.isEmpty() and place.intersects(taken):
            place.moveLeft(taken.right())
        place.moveLeft(min(place.left(), canvas.right() - place.width()))
        place.moveTop(min(max(place.top(), canvas.top()), canvas.bottom() - height))
        return place

    def draw(self, painter: QPainter, exposed: QRegion) -> None:
        """What of it lies in `exposed`, in logical pixels: during a stroke that is mostly nothing."""
        if not any(exposed.intersects(area) for area in self._areas):
            return
        grip = self._dragged or self._over
        overlays.brackets(painter, self._corners, self._viewport.ratio, strong=grip not in (None, "tag"))
        if not self.tag.isNull():
            overlays.tag(painter, self.words, self.tag.x(), self.tag.y(), strong=grip == "tag")


def moved(rect: Rect, dx: int, dy: int, whole: Size) -> Rect:
    """The rectangle moved, and kept inside a picture of size `whole`."""
    left = min(max(rect.left + dx, 0), whole.width - rect.width)
    top = min(max(rect.top + dy, 0), whole.height - rect.height)
    return Rect.at(left, top, rect.width, rect.height)


def resized(rect: Rect, corner: Corner, dx: int, dy: int, whole: Size, *, ratio: Size | None = None) -> Rect:
    """One corner moved, the opposite one staying; inside a picture of size `whole`, and no side shorter than `LEAST`.

    `ratio`: width and height are to stay in this proportion.
    """
    room = Size(
        rect.right if corner[0] < 0 else whole.width - rect.left,
        rect.bottom if corner[1] < 0 else whole.height - rect.top,
    )
    least = Size(min(MIN_SIDE, room.width), min(MIN_SIDE, room.height))
    width, height = rect.width + corner[0] * dx, rect.height + corner[1] * dy
    if ratio is not None:
        wide, high = ratio
        factor = max(width / wide, height / high, least.width / wide, least.height / high)
        factor = min(factor, room.width / wide, room.height / high)
        width, height = round(wide * factor), round(high * factor)
    width = min(max(width, least.width), room.width)
    height = min(max(height, least.height), room.height)
    left = rect.right - width if corner[0] < 0 else rect.left
    top = rect.bottom - height if corner[1] < 0 else rect.top
    return Rect.at(left, top, width, height)
