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
