"""Adjustments of a map with live numbers: shown on the canvas while the sliders move, kept with Apply, dropped with Cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from widgets.controls.curve import CurveEditor, Points
from widgets.controls.slider import Slider
from widgets.guard import Guarded
from widgets.session.session import Session

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
class Amounts:
    """Numbers to set. `apply(session, values, preview)`: with `preview` it only shows, without it commits."""

    title: str
    amounts: tuple[Amount, ...]
    apply: Callable[[Session, tuple[float, ...], bool], object]


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve to bend. `apply(session, points, preview)`: as of `Amounts`."""

    title: str
    apply: Callable[[Session, Points, bool], object]


Adjustment = Amounts | Curve


class AdjustBar(Guarded, QFrame):
    """The controls of one adjustment. `closed()` when it is over, one way or the other."""

    closed = Signal()

    def __init__(self, session: Session, adjustment: Adjustment, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("floating")
        self.setAccessibleName(adjustment.title)
        self._session = session
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PREVIEW_DELAY)
        self._timer.timeout.connect(lambda: self._act(True))
        title = QLabel(adjustment.title)
        title.setProperty("role", "title")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        layout.addWidget(title)
        self._first: QWidget
        self._act: Callable[[bool], object]
        match adjustment:
            case Amounts():
                self._add_sliders(adjustment, layout)
            case Curve():
                self._add_curve(adjustment, layout)
        apply, cancel = QPushButton("Apply"), QPushButton("Cancel")
        apply.setProperty("role", "accept")
        apply.clicked.connect(self.apply)
        cancel.clicked.connect(self.cancel)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(apply)
        layout.addLayout(buttons)
        self.setFixedWidth(320)
        self._timer.start()

    def _add_sliders(self, adjustment: Amounts, layout: QVBoxLayout) -> None:
        sliders = [
            Slider(
                amount.label,
                amount.low,
                amount.high,
                amount.default,
                unit=amount.unit,
                step=amount.step,
                curve=amount.curve,
            )
            for amount in adjustment.amounts
        ]
        for slider in sliders:
            layout.addWidget(slider)
            slider.changed.connect(self._changed)
        self._first = sliders[0]
        self._act = lambda preview: adjustment.apply(
            self._session, tuple(control.value for control in sliders), preview
        )

    def _add_curve(self, adjustment: Curve, layout: QVBoxLayout) -> None:
        editor, words = CurveEditor(), QLabel()
        words.setProperty("role", "caption")
        editor.setToolTip("Press to add a point, drag it, double-click to take it away")
        editor.changed.connect(self._changed)
        editor.chosen_changed.connect(lambda: words.setText(editor.words))
        words.setText(editor.words)
        layout.addWidget(editor)
        layout.addWidget(words)
        self._first = editor
        self._act = lambda preview: adjustment.apply(self._session, editor.points, preview)

    def take_keys(self) -> None:
        """Put the keyboard on the first control."""
        self._first.setFocus(Qt.FocusReason.OtherFocusReason)

    def apply(self) -> None:
        self._timer.stop()
        self._act(False)
        self.closed.emit()

    def cancel(self) -> None:
        self._timer.stop()
        self._session.revert()
        self.closed.emit()

    def event(self, event: QEvent) -> bool:
        # While the keyboard is here, these two are about the adjustment, not about commands on the same keys.
        own = (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in own:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.cancel()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.apply()
        else:
            super().keyPressEvent(event)

    def _changed(self) -> None:
        if not self._timer.isActive():  # started anew with every value, it would wait until the hand rests
            self._timer.start()
