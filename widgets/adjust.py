"""Adjustments of a map with live numbers: shown on the canvas while the sliders move, kept with Apply, dropped with Cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from widgets.session import Session
from widgets.slider import Slider

PREVIEW_DELAY = 30  # milliseconds; a drag brings many values, the newest is enough


@dataclass(frozen=True, slots=True)
class Amount:
    """One number to set: a slider's words and limits."""

    label: str
    low: float
    high: float
    default: float
    unit: str = ""
    step: float = 0.0
    curve: float = 1.0


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`apply(session, values, preview)`: with `preview` it only shows, without it commits."""

    title: str
    amounts: tuple[Amount, ...]
    apply: Callable[[Session, tuple[float, ...], bool], object]


class AdjustBar(QFrame):
    """The sliders of one adjustment. `closed()` when it is over, one way or the other."""

    closed = Signal()

    def __init__(self, session: Session, adjustment: Adjustment, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("floating")
        self.setAccessibleName(adjustment.title)
        self._session = session
        self._adjustment = adjustment
        title = QLabel(adjustment.title)
        title.setProperty("role", "title")
        self._sliders = [
            Slider(each.label, each.low, each.high, each.default, unit=each.unit, step=each.step, curve=each.curve)
            for each in adjustment.amounts
        ]
        apply, cancel = QPushButton("Apply"), QPushButton("Cancel")
        apply.clicked.connect(self.apply)
        cancel.clicked.connect(self.cancel)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(apply)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        layout.addWidget(title)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PREVIEW_DELAY)
        self._timer.timeout.connect(self._preview)
        for slider in self._sliders:
            layout.addWidget(slider)
            slider.changed.connect(lambda _: self._timer.start())
        layout.addLayout(buttons)
        self.setFixedWidth(320)
        self._timer.start()

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(slider.value for slider in self._sliders)

    def take_keys(self) -> None:
        """Put the keyboard on the first slider."""
        self._sliders[0].setFocus(Qt.FocusReason.OtherFocusReason)

    def apply(self) -> None:
        self._timer.stop()
        self._adjustment.apply(self._session, self.values, False)
        self.closed.emit()

    def cancel(self) -> None:
        self._timer.stop()
        self._session.revert()
        self.closed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.cancel()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.apply()
        else:
            super().keyPressEvent(event)

    def _preview(self) -> None:
        self._adjustment.apply(self._session, self.values, True)
