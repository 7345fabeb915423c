"""AutomaticSlider: a number that is chosen automatically until somebody touches it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent

from widgets.controls.slider import Slider

AUTOMATIC = "Automatic"


class AutomaticSlider(Slider):
    """As a slider, but a double click or Delete makes it automatic again: `released()`. It then says so in place of a value."""

    released = Signal()

    automatic = False

    @property
    def text(self) -> str:
        return AUTOMATIC if self.automatic else super().text

    def _widest(self) -> str:
        return max(super()._widest(), AUTOMATIC, key=len)

    def show_value(self, value: float | None) -> None:
        """Show a value that came from elsewhere, None for automatic; no signal."""
        automatic = value is None
        if automatic != self.automatic:
            self.automatic = automatic
            self.update()
        self.set_value(0.0 if value is None else value)
        self._describe()

    def _set(self, value: float, *, fine: bool = False) -> None:
        before, automatic, self.automatic = self._value, self.automatic, False
        super()._set(value, fine=fine)
        if automatic and self._value == before:  # the same number, but now it was chosen
            self._describe()
            self.update()
            self.changed.emit(self._value)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.released.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.released.emit()
        else:
            super().keyPressEvent(event)
