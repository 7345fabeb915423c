"""Slider: a number in one line, with its name, value and unit inside the track."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDoubleValidator,
    QFontMetrics,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QWidget

from widgets.controls.icons import CONTROL
from widgets.guard import Guarded
from widgets.theme import colours

FINE = 0.1
HOT = 44  # logical pixels at the right end that are the number's, however short it is; a third of a narrow slider
COARSE_STEPS = 10
"""Ctrl snaps to this many steps over the whole track."""
MIN_LETTERS = 2  # of a label that is cut, with its dots


class Slider(Guarded, QWidget):
    """A number between `low` and `high`, moving by `step` (0: freely).

    Press and drag sets it; Shift is fine, Ctrl coarse. Typing a figure, or a click on the value, opens a field. Arrows step, Home and
    End go to the ends, a double click or Delete goes back to `default`. `unit` "%" shows the value times 100. `curve` above 1 gives
    small values more room. Signals: `changed(value)` on every step, `finished(value)` when the hand lets go.
    """

    changed = Signal(float)
    finished = Signal(float)

    def __init__(
        self,
        label: str,
        low: float,
        high: float,
        default: float,
        *,
        unit: str = "",
        step: float = 0.0,
        curve: float = 1.0,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._label, self._low, self._high, self._default = label, low, high, default
        self._unit, self._step, self._curve = unit, step, curve
        self._value = default
        self._marks: tuple[float, ...] = ()
        self._pressed: float | None = None  # where the hand pressed, x
        self._fine_from = (0.0, 0.0)  # where a fine drag counts from: x, and the position on the track there
        self._editor: QLineEdit | None = None
        self.setFixedHeight(CONTROL)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # The mouse must not take the keys from the canvas; the field that typing opens does, until Enter or Escape.
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setAccessibleName(label)
        self._describe()

    @property
    def value(self) -> float:
        return self._value

    @property
    def text(self) -> str:
        """The value as shown, with its unit."""
        return f"{self._number()}{_spaced(self._unit)}"

    def set_value(self, value: float) -> None:
        """Show a value that came from elsewhere; no signal."""
        value = self._clamped(value)
        if value != self._value:
            self._value = value
            self._describe()
            self.update()

    def set_label(self, label: str) -> None:
        """Another name for it."""
        if label != self._label:
            self._label = label
            self.setAccessibleName(label)
            self.update()

    def set_marks(self, values: tuple[float, ...]) -> None:
        """Mark these values on the track."""
        if values != self._marks:
            self._marks = values
            self.update()

    def set_default(self, value: float) -> None:
        """Another value to go back to."""
        self._default = value

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(self.font())
        return QSize(metrics.horizontalAdvance(self._label + self._widest()) + 40, CONTROL)

    def minimumSizeHint(self) -> QSize:
        return QSize(QFontMetrics(self.font()).horizontalAdvance(self._widest()) + 40, CONTROL)

    # Value and words

    def _set(self, value: float, *, fine: bool = False) -> None:
        before, value = self._value, self._clamped(value)  # first: what is typed may be 1e308
        self.set_value(value if fine and not self._whole else self._tidy(value))
        if self._value != before:
            self.changed.emit(self._value)

    def _settle(self, value: float, *, fine: bool = False) -> None:
        self._set(value, fine=fine)
        self.finished.emit(self._value)

    def _clamped(self, value: float) -> float:
        return self._value if math.isnan(value) else min(max(value, self._low), self._high)

    def _tidy(self, value: float) -> float:
        # Rounded so that steps of 0.05 do not collect errors in the fifteenth place.
        return round(round(value / self._step) * self._step, 9) if self._step else value

    def _shown(self, value: float) -> float:
        return value * 100 if self._unit == "%" else value

    def _number(self, value: float | None = None) -> str:
        shown = self._shown(self._value if value is None else value)
        step = self._shown(self._step)
        decimals = 0 if (step >= 1 and step == round(step)) or abs(shown) >= 100 or self._unit == "%" else 1
        if 0 < step < 0.1:
            decimals = 2
        return f"{shown:.{decimals}f}".replace("-", "−")

    def _widest(self) -> str:
        return max((self._number(self._low), self._number(self._high)), key=len) + _spaced(self._unit)

    def _describe(self) -> None:
        self.setAccessibleDescription(self.text)

    # Position on the track, 0 to 1

    def _position(self, value: float | None = None) -> float:
        at = self._value if value is None else value
        share = (at - self._low) / (self._high - self._low) if self._high > self._low else 0.0
        return math.pow(min(max(share, 0.0), 1.0), 1 / self._curve)

    def _at(self, position: float) -> float:
        return self._low + (self._high - self._low) * math.pow(min(max(position, 0.0), 1.0), self._curve)

    # Events

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed = event.position().x()
        self._fine_from = self._pressed, self._position()
        if not event.modifiers() & Qt.KeyboardModifier.ShiftModifier and not self._over_value(event.position()):
            self._follow(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is not None and abs(event.position().x() - self._pressed) > 2:
            self._follow(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None or event.button() != Qt.MouseButton.LeftButton:
            return
        moved = abs(event.position().x() - self._pressed) > 2
        self._pressed = None
        if not moved and self._over_value(event.position()):
            self.edit()
        else:
            self.finished.emit(self._value)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self._pressed is not None:  # nobody will end this drag
            self._pressed = None
            self.finished.emit(self._value)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._settle(self._default)

    def wheelEvent(self, event: QWheelEvent) -> None:
        # Only when focused: a wheel that scrolls the panel must not change what it passes over.
        if self.hasFocus() and event.angleDelta().y():
            self._nudge(math.copysign(1, event.angleDelta().y()), event.modifiers())
        else:
            event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Left | Qt.Key.Key_Down:
                self._nudge(-1, event.modifiers())
            case Qt.Key.Key_Right | Qt.Key.Key_Up:
                self._nudge(1, event.modifiers())
            case Qt.Key.Key_PageDown:
                self._nudge(-1, Qt.KeyboardModifier.ControlModifier)
            case Qt.Key.Key_PageUp:
                self._nudge(1, Qt.KeyboardModifier.ControlModifier)
            case Qt.Key.Key_Home:
                self._settle(self._low)
            case Qt.Key.Key_End:
                self._settle(self._high)
            case Qt.Key.Key_Delete | Qt.Key.Key_Backspace:
                self._settle(self._default)
            case Qt.Key.Key_F2 | Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self.edit()
            case _ if _is_figure(event):
                self.edit(event.text())
            case _:
                super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        # Figures type a value here while the slider has the focus; elsewhere they are shortcuts.
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _takes(event):
            event.accept()
            return True
        return super().event(event)

    def edit(self, text: str = "") -> None:
        """Open the field for typing; `text` replaces what stands there."""
        if self._editor is not None:
            return
        editor = QLineEdit(self)
        editor.setProperty("role", "inline")
        editor.setAccessibleName(self._label)
        validator = QDoubleValidator(editor)
        editor.setValidator(validator)
        editor.setText(text or _written(validator, self._shown(self._value)))
        if not text:
            editor.selectAll()
        width = max(72, self.width() // 3)
        editor.setGeometry(self.width() - width - 4, 3, width, CONTROL - 6)
        editor.editingFinished.connect(self._typed)
        editor.installEventFilter(self)
        self._editor = editor
        editor.show()
        editor.setFocus(Qt.FocusReason.MouseFocusReason)

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        if watched is self._editor and event.type() in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            assert isinstance(event, QKeyEvent)
            # These two must not go on to commands, nor come back here as "open the field"; with Ctrl they are commands, about the new value.
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not _plain(event):
                self._typed()
                return False
            if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter):
                if event.type() == QEvent.Type.ShortcutOverride:
                    event.accept()
                elif event.key() == Qt.Key.Key_Escape:
                    self._close_editor()
                else:
                    self._typed()
                return True
        return False

    def _typed(self) -> None:
        if self._editor is None:
            return
        value, understood = self._editor.locale().toDouble(self._editor.text())
        self._close_editor()
        if understood:
            self._settle(value / 100 if self._unit == "%" else value, fine=True)

    def _close_editor(self) -> None:
        editor, self._editor = self._editor, None
        if editor is not None:
            editor.hide()
            editor.deleteLater()
            self.setFocus(Qt.FocusReason.OtherFocusReason)

    def _follow(self, event: QMouseEvent) -> None:
        x, width = event.position().x(), max(1, self.width())
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            begun, position = self._fine_from
            self._set(self._at(position + (x - begun) / width * FINE), fine=True)
            return
        position = x / width
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            position = round(position * COARSE_STEPS) / COARSE_STEPS
        self._set(self._at(position))
        self._fine_from = x, self._position()

    def _nudge(self, sign: float, modifiers: Qt.KeyboardModifier) -> None:
        reach = self._high - self._low
        step = self._step or reach / 100
        fine = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            step = max(step, reach / COARSE_STEPS)
        elif fine and not self._whole:
            step *= FINE
        elif self._curve > 1:
            # On a curved track one key press moves by what one sees, not by a crumb.
            step = max(step, abs(self._at(self._position() + 0.01) - self._value))
        self._settle(self._value + sign * step, fine=fine)

    @property
    def _whole(self) -> bool:
        return self._step >= 1

    def _over_value(self, point: QPointF) -> bool:
        advance = QFontMetrics(self.font()).horizontalAdvance(self.text)
        return point.x() >= self.width() - max(8 + advance + 4, min(HOT, self.width() // 3))

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        shape = QPainterPath()
        shape.addRoundedRect(frame, 6, 6)
        painter.fillPath(shape, QColor(palette.hover if self.underMouse() and self.isEnabled() else palette.raised))
        painter.save()
        painter.setClipPath(shape)
        x = self._position() * self.width()
        if self.isEnabled():
            painter.fillRect(QRectF(0, 0, x, self.height()), QColor(palette.fill))
            # The line makes the end of the track readable where the two greys alone would not.
            painter.fillRect(
                QRectF(0, self.height() - 2, x, 2), QColor(palette.accent if self.hasFocus() else palette.quiet)
            )
            for mark in self._marks:
                at = self._position(mark) * self.width()
                painter.fillRect(QRectF(at - 0.5, self.height() - 6, 1, 4), QColor(palette.quiet))
        painter.restore()
        painter.setPen(QPen(QColor(palette.accent if self.hasFocus() else palette.line), 1))
        painter.drawPath(shape)
        metrics = QFontMetrics(self.font())
        inner = self.rect().adjusted(8, 0, -8, 0)
        value = self.text
        if self._editor is None:
            painter.setPen(QColor(palette.text if self.isEnabled() else palette.faint))
            painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, value)
        room = inner.width() - metrics.horizontalAdvance(value) - 8
        label = metrics.elidedText(self._label, Qt.TextElideMode.ElideRight, room)
        if label != self._label and len(label) <= MIN_LETTERS:
            label = ""  # that little says nothing
        painter.setPen(QColor(palette.quiet if self.isEnabled() else palette.faint))
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, label)


def _spaced(unit: str) -> str:
    return f"\u202f{unit}" if unit else ""


def _written(validator: QDoubleValidator, value: float) -> str:
    # Always a float: for a whole number Qt has another function of this name, which takes no format.
    return validator.locale().toString(float(round(value, 4)), "g", 6)


def _plain(event: QKeyEvent) -> bool:
    return not event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)


def _is_figure(event: QKeyEvent) -> bool:
    return _plain(event) and event.text() in tuple("0123456789.,-")


def _takes(event: QKeyEvent) -> bool:
    keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
    return _is_figure(event) or (_plain(event) and event.key() in keys)
