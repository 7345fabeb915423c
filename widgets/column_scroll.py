"""A scrolling column whose scroll bar lies over its right margin, so that nothing inside moves when it comes and goes."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QScrollBar, QWidget

BAR = 8


class ColumnScroll(QScrollArea):
    """Scrolls `body` up and down only; `body` keeps a right margin of at least `BAR` pixels free."""

    def __init__(self, body: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidget(body)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inner = self.verticalScrollBar()
        self._bar = QScrollBar(Qt.Orientation.Vertical, self)
        inner.rangeChanged.connect(self._follow)
        inner.valueChanged.connect(self._bar.setValue)
        self._bar.valueChanged.connect(inner.setValue)
        self._follow()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._follow()

    def _follow(self) -> None:
        inner = self.verticalScrollBar()
        self._bar.setPageStep(inner.pageStep())
        self._bar.setSingleStep(inner.singleStep())
        self._bar.setRange(inner.minimum(), inner.maximum())
        self._bar.setValue(inner.value())
        self._bar.setVisible(inner.maximum() > 0)
        self._bar.setGeometry(self.width() - BAR, 0, BAR, self.height())
        self._bar.raise_()
