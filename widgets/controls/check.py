"""Check: something that is on or off, with its words."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QWidget

from widgets.controls.icons import CONTROL, draw
from widgets.guard import Guarded
from widgets.theme import colours

BOX = 16


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
        found = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(0.5, (self.height() - BOX) / 2 + 0.5, BOX - 1, BOX - 1)
        rim = found.accent if self.hasFocus() or self.isChecked() else found.text if self.underMouse() else found.quiet
        painter.setPen(QColor(rim))
        painter.setBrush(QColor(found.accent if self.isChecked() else found.field))
        painter.drawRoundedRect(box, 4, 4)
        if self.isChecked():
            draw(painter, "check", found.on_accent, box.adjusted(2, 2, -2, -2))
        words = self.rect().adjusted(BOX + 8, 0, 0, 0)
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, words.width())
        painter.setPen(QColor(found.text if self.isEnabled() else found.faint))
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        if self.hasFocus() and self.isChecked():
            painter.setPen(QColor(found.text))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, 4, 4)
