"""Busy indicator for what takes longer than a moment: one for the whole program, in the line on top."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QObject, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPaintEvent, QPen, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QWidget

from widgets.controls.elided import ElidedLabel
from widgets.guard import Guarded
from widgets.theme import colours

DELAY = 200  # milliseconds until it is said; what is quicker needs no words
TURN = 60  # milliseconds between two steps of the sign
STEP = 24  # degrees
SIDE = 14
WIDEST = 260


class Waits(QObject):
    """What is going on behind the window. `changed(words)`: this is to be said now, nothing by an empty text."""

    changed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._waits: list[_Wait] = []
        self._said = ""
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._look)

    @contextmanager
    def on(self, words: str) -> Iterator[None]:
        """Something that is being done inside the `with`; its words are said once it has taken a moment."""
        wait = _Wait(words)
        self._waits.append(wait)
        if not self._soon.isActive():
            self._soon.start(DELAY)
        try:
            yield
        finally:
            self._waits.remove(wait)
            self._tell()

    def _look(self) -> None:
        """Say what has taken a moment by now, and look again for what has not."""
        left = [DELAY / 1000 - wait.seconds for wait in self._waits if not wait.long]
        for wait in self._waits:
            wait.long = wait.long or wait.seconds >= DELAY / 1000
        if any(seconds > 0 for seconds in left):
            self._soon.start(round(1000 * min(seconds for seconds in left if seconds > 0)) + 1)
        self._tell()

    def _tell(self) -> None:
        """Of several the one that began last."""
        said = next((wait.words for wait in reversed(self._waits) if wait.long), "")
        if said != self._said:
            self._said = said
            self.changed.emit(said)


class _Wait:
    """`long`: it has taken a moment."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.long = False
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._begun


class BusySign(Guarded, QFrame):
    """A turning arc and a few words, there only while something goes on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = ElidedLabel()
        self._words.setProperty("role", "caption")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 0, 8, 0)
        layout.setSpacing(6)
        layout.addWidget(_Arc())
        layout.addWidget(self._words, 1)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.hide()

    @property
    def words(self) -> str:
        return self._words.text()

    def show_words(self, words: str) -> None:
        """Say this; nothing by an empty text."""
        self._words.setText(words)
        self.setAccessibleName(words)
        self.updateGeometry()
        self.setVisible(bool(words))

    def sizeHint(self) -> QSize:
        words = self._words.fontMetrics().horizontalAdvance(self._words.text()) + 4
        return QSize(min(SIDE + 6 + 16 + words, WIDEST), super().sizeHint().height())


class _Arc(Guarded, QWidget):
    """Turns while it is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(SIDE, SIDE)
        self._angle = 0
        self._timer = QTimer(self)
        self._timer.setInterval(TURN)
        self._timer.timeout.connect(self._turn)

    def _turn(self) -> None:
        self._angle = (self._angle + STEP) % 360
        self.update()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ring = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        for colour, start, length in ((palette.line, 0, 360), (palette.accent, -self._angle, 100)):
            pen = QPen(QColor(colour), 2)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawArc(ring, start * 16, length * 16)
