"""Framing: the part of the picture that a method sees, as brackets that can be taken hold of: moved by the tag, resized by the corners."""

from __future__ import annotations

import math
from typing import Literal

from PySide6.QtCore import QObject, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QRegion
from PySide6.QtWidgets import QWidget

from editor.geometry import Rect, Size
from editor.requests.frame import Frame
from widgets.canvas import overlays
from widgets.cursors import RESIZE_CURSORS
from widgets.session.session import Session
from widgets.viewport import Viewport

REACH = 12.0  # screen pixels around a corner that take hold of it: an area of 24 px
MIN_SIDE = 64  # picture pixels of a side

Corner = tuple[Literal[-1, 1], Literal[-1, 1]]
Grip = Corner | Literal["tag"]
CORNERS: tuple[Corner, ...] = ((-1, -1), (1, -1), (1, 1), (-1, 1))

TIP = "What the model sees. Drag the tag to move it, a corner to resize it."
BACK = "Double click: choose it automatically again."


class Framing(QObject):
    """`frame`: what a method sees, or would see; None where there is nothing to do. `words`, `tag`: what its tag says, and where it is on
    screen. `over`: the grip under the pointer.

    `changed(area)`: this area, in logical pixels, must be repainted.
    """

    changed = Signal(QRect)

    def __init__(self, canvas: QWidget, session: Session, viewport: Viewport) -> None:
        super().__init__(canvas)
        self._canvas, self._session, self._viewport = canvas, session, viewport
        self.frame: Frame | None = None
        self.over: Grip | None = None
        self._held: Grip | None = None
        self._from = Rect(0, 0, 0, 0), QPointF()  # where a drag began: the frame, and the pointer in picture pixels
        self._before: Rect | None = None  # the draft's frame then
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
        return not self._session.in_gesture and self._held is None

    def settle(self) -> None:
        """Work out what the method sees; takes a while on large pictures."""
        self._set(self._wanted())

    def follow_job(self) -> None:
        """A run has begun, goes on or has ended: while there is one, the frame is that of its edit."""
        job = self._session.job
        about = None if job is None else job.asked
        if about is not None and about is not self._about:
            self.cancel()
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

    def _wanted(self) -> Frame | None:
        session = self._session
        if session.job is not None:
            asked = session.job.asked
            return asked.method.frame_bound(asked.document, asked.draft, asked.planned)
        plan = session.plan
        needed = session.view.frame or session.draft.settings.needs_model
        return (
            session.method.frame_bound(session.document, session.draft, plan)
            if needed and plan.action is not None
            else None
        )

    def _set(self, frame: Frame | None) -> None:
        shown = frame is not None and self._session.view.frame
        if frame == self.frame and self.words == self._said(frame) and shown == bool(self._corners):
            return
        before = self._areas
        self.frame = frame
        self._lay()
        for area in (*before, *self._areas):
            self.changed.emit(area)

    def _said(self, frame: Frame | None) -> str:
        if frame is None:
            return ""
        words = overlays.size_words(frame.working)
        return f"{words} · fixed" if self._session.draft.frame is not None and self.movable else words

    # Taking hold of it

    @property
    def movable(self) -> bool:
        """Whether it can be dragged: the method has a model, and no run goes on or waits to be judged."""
        job = self._session.job
        return self._session.draft.settings.needs_model and (job is None or job.state == "failed")

    @property
    def held(self) -> bool:
        return self._held is not None

    def grip_at(self, place: QPointF) -> Grip | None:
        """What a press here, in logical pixels, takes hold of."""
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
            away = place - at
            if max(abs(away.x()), abs(away.y())) <= reach:
                return corner
        return None

    def point_at(self, place: QPointF | None) -> bool:
        """The pointer is here, or elsewhere; whether that is a grip."""
        over = None if place is None else self.grip_at(place)
        if over != self.over:
            self.over = over
            tip = "" if over is None else f"{TIP} {BACK}" if self._session.draft.frame is not None else TIP
            self._canvas.setToolTip(tip)
            for area in self._areas:
                self.changed.emit(area)
        return over is not None

    def press(self, place: QPointF) -> bool:
        """Whether something was taken hold of."""
        grip = self.grip_at(place)
        if grip is None or self.frame is None:
            return False
        own = self._viewport.to_document(place.x(), place.y())
        self._held, self._from = grip, (self.frame.rect, QPointF(*own))
        self._before = self._session.draft.frame
        return True

    def drag(self, place: QPointF, *, keep_ratio: bool = False) -> None:
        """The held grip follows the pointer."""
        if self._held is None:
            return
        start, pressed = self._from
        own = self._viewport.to_document(place.x(), place.y())
        dx, dy = round(own.x - pressed.x()), round(own.y - pressed.y())
        whole = self._session.document.size
        if self._held == "tag":
            rect = moved(start, dx, dy, whole)
        else:
            ratio = start.size if keep_ratio else None
            rect = resized(start, self._held, dx, dy, whole, ratio=ratio)
        if rect != start or self._session.draft.frame != self._before:
            self._session.set_draft(frame=rect)
            self.settle()

    def let_go(self) -> None:
        self._held = None

    def cancel(self) -> bool:
        """Put it back to where the drag began; whether there was one."""
        if self._held is None:
            return False
        self._held = None
        self._session.set_draft(frame=self._before)
        self.settle()
        return True

    def double(self, place: QPointF) -> bool:
        """A double click on the tag: let it be chosen automatically again. Whether it was meant for the frame."""
        grip = self.grip_at(place)
        if grip == "tag":
            self._session.set_draft(frame=None)
            self.settle()
        return grip is not None

    def cursor(self) -> Qt.CursorShape:
        grip = self._held or self.over
        if grip is None or grip == "tag":
            return Qt.CursorShape.SizeAllCursor
        transform = self._viewport.transform()
        away = transform.map(QPointF(*grip)) - transform.map(QPointF(0, 0))
        return RESIZE_CURSORS[round(math.degrees(math.atan2(away.y(), away.x())) / 45) % 4]

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
        found = [
            QPointF(x, y)
            for x, y in (
                (rect.left, rect.top),
                (rect.right, rect.top),
                (rect.right, rect.bottom),
                (rect.left, rect.bottom),
            )
        ]
        corners = [transform.map(point) for point in found]
        if self._viewport.upright:  # on whole device pixels, where lines are crisp
            corners = [QPointF(round(each.x() * ratio) / ratio, round(each.y() * ratio) / ratio) for each in corners]
        self._corners = corners
        self.tag = self._tag_place()
        self._areas = self._reach()

    def _tag_place(self) -> QRectF:
        """Above the frame, or inside it where there is no room. Nothing when the frame is off screen."""
        xs, ys = [each.x() for each in self._corners], [each.y() for each in self._corners]
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

    def _reach(self) -> list[QRect]:
        """The logical pixels that its parts take."""
        half = overlays.BRACKET + 4
        found = [QRectF(at.x() - half, at.y() - half, 2 * half, 2 * half) for at in self._corners]
        if not self.tag.isNull():
            found.append(self.tag.adjusted(-2, -2, 2, 2))
        return [each.toAlignedRect() for each in found]

    def draw(self, painter: QPainter, exposed: QRegion) -> None:
        """What of it lies in `exposed`, in logical pixels: during a stroke that is mostly nothing."""
        if not any(exposed.intersects(area) for area in self._areas):
            return
        grip = self._held or self.over
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
