"""Divider: the picture as it was opened, whole or to the left of an upright line that a person drags."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QWidget

from widgets.canvas import overlays
from widgets.canvas.gestures import GestureSource
from widgets.canvas.screen_pixels import BackBuffer, Resampler
from widgets.canvas.tile_cache import CompositeCache
from widgets.session.session import Session
from widgets.tools.tool import Gesture, PointerEvent

GRIP = 14.0  # radius of the handle, logical pixels
REACH = 4.0  # how near the line it can be taken hold of
TOP = 12.0  # of the words


class Divider(QObject, GestureSource):
    """The picture before and after, on two sides of a line that can be dragged.

    original: the picture as it was opened, while it is looked at or was.
    screen: that to the left of the line, None without the line.
    profile: the ICC profile of what it is drawn on, None for sRGB.
    changed(area): this area, in logical pixels, must be repainted.
    """

    changed = Signal(QRect)

    def __init__(self, canvas: QWidget, session: Session) -> None:
        super().__init__(canvas)
        self._canvas, self._session = canvas, session
        self.original: CompositeCache | None = None
        self.screen: BackBuffer | None = None
        self.profile: bytes | None = None
        self._over = False
        self._share = 0.5  # where the line stands, 0 to 1 of the canvas's width

    def follow(self, lens: Resampler) -> None:
        """The view's options, the original or what is looked at may have changed."""
        view, original = self._session.view, self._session.original
        seen = self.original
        if seen is not None and (seen.document is not original or seen.screen != self.profile):
            self.original = self.screen = None
        if self.original is None and (view.original or view.divider) and original.size == lens.size:
            self.original = CompositeCache(original, self.profile)
        if not view.divider or self.original is None:
            self.screen = None
            self._over = False
        elif self.screen is None:
            self.screen = BackBuffer(lens, view.surround)
        else:
            self.screen.set_lens(lens)
            self.screen.set_surround(view.surround)

    @property
    def whole(self) -> CompositeCache | None:
        """The original, while nothing else is to be seen."""
        return self.original if self._session.view.original else None

    @property
    def line(self) -> bool:
        """Whether the line is there."""
        return self.screen is not None and self.whole is None

    @property
    def x(self) -> int:
        """Logical pixels from the left; whole ones, so that the line is crisp."""
        return round(self._share * self._canvas.width())

    # Dragging it

    def gesture(self, press: PointerEvent) -> Gesture | None:
        return self._drag() if press.button == "left" and self._near(press.place) else None

    def _drag(self) -> Gesture:
        while (event := (yield)).kind != "release":
            if self.line:
                self._move(event.place)

    def hover(self, event: PointerEvent) -> bool:
        self._over = self._near(event.place)
        return self._over

    def leave(self) -> None:
        self._over = False

    def cursor(self) -> Qt.CursorShape | None:
        return Qt.CursorShape.SplitHCursor if self._over else None

    def _near(self, place: QPointF) -> bool:
        """Whether a press here is meant for it."""
        if not self.line:
            return False
        handle = place - self._handle()
        return abs(place.x() - self.x) <= REACH or handle.x() ** 2 + handle.y() ** 2 <= GRIP**2

    def _move(self, place: QPointF) -> None:
        before = self.x
        self._share = min(max(place.x() / max(self._canvas.width(), 1), 0.0), 1.0)
        self.changed.emit(self._area(before).united(self._area(self.x)))

    def _handle(self) -> QPointF:
        return QPointF(self.x, self._canvas.height() / 2)

    def _area(self, x: int) -> QRect:
        """The line standing at x, its handle and its words."""
        aside = max(overlays.tag_size(words)[0] for words in ("Before", "After")) + 2 * GRIP
        return QRect(round(x - aside), 0, round(2 * aside), self._canvas.height())

    def draw(self, painter: QPainter) -> None:
        """The line with its handle, and which side is which."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x, height = self.x, self._canvas.height()
        for colour, width in ((QColor(0, 0, 0, 110), 3.0), (QColor(255, 255, 255, 235), 1.0)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(QPointF(x, 0), QPointF(x, height))
        handle = self._handle()
        overlays.plate(painter, QRectF(handle.x() - GRIP, handle.y() - GRIP, 2 * GRIP, 2 * GRIP), GRIP)
        arrows = QPainterPath()
        for side in (-1, 1):
            arrows.moveTo(handle + QPointF(side * 4, -4))
            arrows.lineTo(handle + QPointF(side * 8, 0))
            arrows.lineTo(handle + QPointF(side * 4, 4))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(255, 255, 255, 235), 1.5))
        painter.drawPath(arrows)
        overlays.tag(painter, "Before", x - overlays.tag_size("Before")[0] - 8, TOP)
        overlays.tag(painter, "After", x + 8, TOP)
