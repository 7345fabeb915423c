"""Choice of one among several; and a check, which is on or off."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QColor, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from widgets.controls.icons import CONTROL, draw
from widgets.guard import Guarded
from widgets.theme import colours

MAX_SEGMENTS = 4
CHEVRON = 12

Options = Sequence[tuple[str, str, str]]
BOX = 16


class Choice(QWidget):
    """`options`: (value, words, tool tip) of each. `changed(value)` when the person chose another.

    Up to `MOST_SEGMENTS` stand side by side, more become a list.
    """

    changed = Signal(str)

    def __init__(self, label: str, options: Options, parent: QWidget | None = None, *, as_list: bool = False) -> None:
        super().__init__(parent)
        self._values = [value for value, _, _ in options]
        self._control: _Segments | _List
        if as_list or len(options) > MAX_SEGMENTS:
            self._control = _List(label, options)
        else:
            self._control = _Segments(label, options)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._control)
        self._control.chosen.connect(lambda at: self.changed.emit(self._values[at]))

    @property
    def value(self) -> str:
        """The chosen one; empty when none is."""
        return self._values[self._control.at] if self._control.at >= 0 else ""

    def set_value(self, value: str) -> None:
        """Show a choice that was made elsewhere; no signal."""
        self._control.show_choice(self._values.index(value) if value in self._values else -1)


class _Segments(QWidget):
    chosen = Signal(int)

    def __init__(self, label: str, options: Options) -> None:
        super().__init__()
        self.setObjectName("segments")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(CONTROL)
        self.setAccessibleName(label)
        row = QHBoxLayout(self)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(0)
        self._group = QButtonGroup(self)
        for at, (_, words, tip) in enumerate(options):
            button = QToolButton(self)
            button.setProperty("role", "segment")
            button.setText(words)
            button.setToolTip(tip or words)
            button.setAccessibleName(f"{label}: {words}")
            button.setCheckable(True)
            button.setFixedHeight(CONTROL - 2)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
            self._group.addButton(button, at)
            row.addWidget(button, 1)
        self._group.idClicked.connect(self.chosen)

    @property
    def at(self) -> int:
        return self._group.checkedId()

    def show_choice(self, at: int) -> None:
        self._group.setExclusive(at >= 0)  # an exclusive group cannot have nothing checked
        for button in self._group.buttons():
            button.setChecked(self._group.id(button) == at)


class _List(Guarded, QToolButton):
    chosen = Signal(int)

    def __init__(self, label: str, options: Options) -> None:
        super().__init__()
        self.at = -1
        self._label = label
        self._words = [words for _, words, _ in options]
        self._actions: list[QAction] = []
        self.setFixedHeight(CONTROL)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu, group = QMenu(self), QActionGroup(self)
        menu.setToolTipsVisible(True)
        for at, (_, words, tip) in enumerate(options):
            action = QAction(words, group)
            action.setCheckable(True)
            action.setToolTip(tip)
            action.triggered.connect(lambda _=False, at=at: self._choose(at))
            menu.addAction(action)
            self._actions.append(action)
        self.setMenu(menu)
        self.show_choice(-1)

    def sizeHint(self) -> QSize:
        widest = max(self.fontMetrics().horizontalAdvance(words) for words in self._words)
        return QSize(widest + CHEVRON + 24, CONTROL)

    def minimumSizeHint(self) -> QSize:
        return QSize(48 + CHEVRON, CONTROL)

    def show_choice(self, at: int) -> None:
        self.at = at
        words = self._words[at] if at >= 0 else ""
        for i, action in enumerate(self._actions):
            action.setChecked(i == at)
        self.setAccessibleName(f"{self._label}: {words}")
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        elif 0 <= self.at + step < len(self._words):
            self._choose(self.at + step)

    def _choose(self, at: int) -> None:
        self.show_choice(at)
        self.chosen.emit(at)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(palette.accent if self.hasFocus() else palette.line))
        painter.setBrush(QColor(palette.hover if self.underMouse() and self.isEnabled() else palette.raised))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        words = self.rect().adjusted(8, 0, -CHEVRON - 10, 0)
        shown = self._words[self.at] if self.at >= 0 else ""
        if self.fontMetrics().horizontalAdvance(shown) > words.width():
            shown = shown.split(" · ")[0]  # what matters comes first; the list has it all
        shown = self.fontMetrics().elidedText(shown, Qt.TextElideMode.ElideRight, words.width())
        painter.setPen(QColor(palette.text if self.isEnabled() else palette.faint))
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        sign = QRectF(self.width() - CHEVRON - 6, (self.height() - CHEVRON) / 2, CHEVRON, CHEVRON)
        draw(painter, "chevron-down", palette.quiet, sign)


class Check(Guarded, QCheckBox):
    """A check box in the colours of the theme. Words that do not fit end in dots."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setFixedHeight(CONTROL)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def sizeHint(self) -> QSize:
        return QSize(BOX + 8 + self.fontMetrics().horizontalAdvance(self.text()) + 2, CONTROL)

    def minimumSizeHint(self) -> QSize:
        return QSize(BOX + 48, CONTROL)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(0.5, (self.height() - BOX) / 2 + 0.5, BOX - 1, BOX - 1)
        rim = (
            palette.accent
            if self.hasFocus() or self.isChecked()
            else palette.text
            if self.underMouse()
            else palette.quiet
        )
        painter.setPen(QColor(rim))
        painter.setBrush(QColor(palette.accent if self.isChecked() else palette.field))
        painter.drawRoundedRect(box, 4, 4)
        if self.isChecked():
            draw(painter, "check", palette.on_accent, box.adjusted(2, 2, -2, -2))
        words = self.rect().adjusted(BOX + 8, 0, 0, 0)
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, words.width())
        painter.setPen(QColor(palette.text if self.isEnabled() else palette.faint))
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        if self.hasFocus() and self.isChecked():
            painter.setPen(QColor(palette.text))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, 4, 4)
