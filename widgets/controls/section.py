"""Section: a titled part of the right column that folds away."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from widgets.controls.icons import CONTROL, ICON, draw
from widgets.guard import Guarded
from widgets.theme import colours

HEADER = 32


class FoldButton(Guarded, QToolButton):
    """A title with a sign that shows whether what belongs to it is open. `checked` means open."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(title)
        self.setCheckable(True)
        self.setFixedHeight(CONTROL)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.toggled.connect(self._describe)
        self._describe()

    def _describe(self) -> None:
        self.setAccessibleName(f"{self.text()}, {'open' if self.isChecked() else 'folded'}")

    def paintEvent(self, event: QPaintEvent) -> None:
        found = colours(self.palette())
        painter = QPainter(self)
        sign = QRectF(0, (self.height() - ICON) / 2, ICON, ICON)
        ink = found.text if self.underMouse() else found.quiet
        draw(painter, "chevron-down" if self.isChecked() else "chevron-right", ink, sign)
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(found.text))
        words = self.rect().adjusted(ICON + 4, 0, 0, 0)
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.text())
        if self.hasFocus():
            painter.setPen(QColor(found.accent))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)


class Section(QFrame):
    """A header with `title` over `body`; a click on the header folds it. `folded(bool)` when the person did.

    `buttons` stand at the right end of the header.
    """

    folded = Signal(bool)

    def __init__(self, title: str, body: QWidget, *buttons: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("section")
        self._body = body
        self._buttons = buttons
        self._header = FoldButton(title)
        self._header.setFixedHeight(HEADER)
        top = QHBoxLayout()
        top.setContentsMargins(10, 0, 6, 0)
        top.setSpacing(0)
        top.addWidget(self._header, 1)
        for button in buttons:
            top.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(body)
        self._header.clicked.connect(self._toggled)
        self.set_open(True)

    @property
    def is_open(self) -> bool:
        return self._header.isChecked()

    def set_open(self, open: bool) -> None:
        self._header.setChecked(open)
        self._body.setVisible(open)
        for button in self._buttons:
            button.setVisible(open)

    def _toggled(self, open: bool) -> None:
        self.set_open(open)
        self.folded.emit(not open)
