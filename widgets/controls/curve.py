"""A small editor for a curve from one value to another, both 0 to 1."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from editor.document import masks
from widgets.guard import Guarded
from widgets.theme import colours

Points = tuple[tuple[float, float], ...]

STRAIGHT: Points = ((0.0, 0.0), (1.0, 1.0))
HEIGHT = 208
MARGIN = 8  # round the plot, so that points at its edge are whole
REACH = 12.0  # how near one must press to take hold of a point
DOT = 4.0
MIN_APART = 0.02  # along x; closer points could not be told apart
STEP, COARSE = 0.01, 0.1


class CurveEditor(Guarded, QWidget):
    """What lies at x becomes y. A press takes hold of a point or makes one, a drag moves it; a double click or Delete takes it away, and
    puts an end back where it was. Arrows move the chosen point, with Ctrl farther; Page Up and Page Down choose another.

    `changed()` after every change; `chosen_changed()` when another point is chosen or it has moved.
    """

    changed = Signal()
    chosen_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._points: Points = STRAIGHT
        self._chosen = 1
        self._held = False
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Curve")
        self._describe()

    @property
    def points(self) -> Points:
        """From the left to the right, at least two."""
        return self._points

    @property
    def words(self) -> str:
        """What the chosen point says."""
        x, y = self._points[self._chosen]
        return f"{round(x * 100)}\u202f% becomes {round(y * 100)}\u202f%"

    def sizeHint(self) -> QSize:
        return QSize(HEIGHT, HEIGHT)

    # Changes

    def _choose(self, at: int) -> None:
        self._chosen = at
        self._describe()

    def _put(self, at: int, x: float, y: float) -> None:
        """Move a point, between its neighbours."""
        points = self._points
        low = points[at - 1][0] + MIN_APART if at > 0 else 0.0
        high = points[at + 1][0] - MIN_APART if at + 1 < len(points) else 1.0
        moved = min(max(x, low), high), min(max(y, 0.0), 1.0)
        self._set((*points[:at], moved, *points[at + 1 :]), at)

    def _add(self, x: float, y: float) -> bool:
        """A point here, unless it would be too close to another."""
        if any(abs(x - other) < MIN_APART for other, _ in self._points):
            return False
        at = sum(other < x for other, _ in self._points)
        self._set((*self._points[:at], (x, y), *self._points[at:]), at)
        return True

    def _remove(self, at: int) -> None:
        if at in (0, len(self._points) - 1):
            self._put(at, *STRAIGHT[0 if at == 0 else 1])
        else:
            self._set((*self._points[:at], *self._points[at + 1 :]), at - 1)

    def _set(self, points: Points, chosen: int) -> None:
        before, self._points, self._chosen = self._points, points, chosen
        self._describe()
        if points != before:
            self.changed.emit()

    def _describe(self) -> None:
        self.setAccessibleDescription(f"Point {self._chosen + 1} of {len(self._points)}: {self.words}")
        self.chosen_changed.emit()
        self.update()

    # Where things are

    def _plot(self) -> QRectF:
        return QRectF(self.rect()).adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)

    def _place(self, x: float, y: float) -> QPointF:
        plot = self._plot()
        return QPointF(plot.left() + x * plot.width(), plot.bottom() - y * plot.height())

    def _value(self, place: QPointF) -> tuple[float, float]:
        plot = self._plot()
        width, height = max(plot.width(), 1.0), max(plot.height(), 1.0)
        x, y = (place.x() - plot.left()) / width, (plot.bottom() - place.y()) / height
        return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)

    def _near(self, place: QPointF) -> int | None:
        """The point that is meant by a press here."""

        def away(at: int) -> float:
            offset = self._place(*self._points[at]) - place
            return math.hypot(offset.x(), offset.y())

        nearest = min(range(len(self._points)), key=away)
        return nearest if away(nearest) <= REACH else None

    # Events

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        at = self._near(event.position())
        if at is not None:
            self._choose(at)
            self._held = True
        else:
            self._held = self._add(*self._value(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held:
            self._put(self._chosen, *self._value(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._held = False

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        at = self._near(event.position())
        if at is not None and event.button() == Qt.MouseButton.LeftButton:
            self._remove(at)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        x, y = self._points[self._chosen]
        step = COARSE if event.modifiers() & Qt.KeyboardModifier.ControlModifier else STEP
        match event.key():
            case Qt.Key.Key_Left:
                self._put(self._chosen, x - step, y)
            case Qt.Key.Key_Right:
                self._put(self._chosen, x + step, y)
            case Qt.Key.Key_Down:
                self._put(self._chosen, x, y - step)
            case Qt.Key.Key_Up:
                self._put(self._chosen, x, y + step)
            case Qt.Key.Key_PageUp:
                self._choose(max(self._chosen - 1, 0))
            case Qt.Key.Key_PageDown:
                self._choose(min(self._chosen + 1, len(self._points) - 1))
            case Qt.Key.Key_Insert:
                self._insert()
            case Qt.Key.Key_Delete | Qt.Key.Key_Backspace:
                self._remove(self._chosen)
            case _:
                super().keyPressEvent(event)

    def _insert(self) -> None:
        """A point on the line, half way to the next one (the one before, from the last)."""
        at = min(self._chosen, len(self._points) - 2)
        x = (self._points[at][0] + self._points[at + 1][0]) / 2
        self._add(x, float(masks.curve(np.array([[x]], np.float32), self._points)[0, 0]))

    def event(self, event: QEvent) -> bool:
        # While the keyboard is here, Delete is about the point, not about what is active on the canvas.
        own = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in own:
            event.accept()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette, plot = colours(self.palette()), self._plot()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(palette.accent if self.hasFocus() else palette.line))
        painter.setBrush(QColor(palette.field))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.setPen(QColor(palette.line))
        for quarter in (0.25, 0.5, 0.75):
            painter.drawLine(self._place(quarter, 0), self._place(quarter, 1))
            painter.drawLine(self._place(0, quarter), self._place(1, quarter))
        painter.drawLine(self._place(0, 0), self._place(1, 1))
        values = np.linspace(0, 1, round(plot.width()) + 1, dtype=np.float32)
        line = QPainterPath()
        for at, (x, y) in enumerate(zip(values, masks.curve(values[None], self._points)[0], strict=True)):
            place = self._place(float(x), float(y))
            if at:
                line.lineTo(place)
            else:
                line.moveTo(place)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(palette.text), 1.5))
        painter.drawPath(line)
        for at, point in enumerate(self._points):
            painter.setPen(QPen(QColor(palette.accent if at == self._chosen else palette.text), 1.5))
            painter.setBrush(QColor(palette.accent if at == self._chosen else palette.field))
            painter.drawEllipse(self._place(*point), DOT, DOT)
