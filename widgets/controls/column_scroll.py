"""A scrolling column whose scroll bar lies over its right margin, so that nothing inside moves when it comes and goes."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QScrollBar, QWidget

BAR = 8


class ColumnScroll(QScrollArea):
    """Scrolls `body` up and down only. `body` keeps a right margin of at least `BAR` pixels free; where it has none, `gutter` is what it
    is narrowed by while there is something to scroll.
    """

    def __init__(self, body: QWidget, parent: QWidget | None = None, *, gutter: int = 0) -> None:
        super().__init__(parent)
        self._body = body
        self._gutter = gutter
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

    def sizeHint(self) -> QSize:
        """As high as all that is inside."""
        return QSize(super().sizeHint().width(), self._body.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._follow()

    def _follow(self) -> None:
        inner = self.verticalScrollBar()
        self._bar.setPageStep(inner.pageStep())
        self._bar.setSingleStep(inner.singleStep())
        self._bar.setRange(inner.minimum(), inner.maximum())
        self._bar.setValue(inner.value())
        scrolls = inner.maximum() > 0
        self._bar.setVisible(scrolls)
        self.setViewportMargins(0, 0, self._gutter if scrolls else 0, 0)
        self._bar.setGeometry(self.width() - BAR, 0, BAR, self.height())
        self._bar.raise_()
