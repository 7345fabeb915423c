"""A scrolling column whose scroll bar lies over its right margin, so that nothing inside moves when it comes and goes."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QScrollBar, QWidget
from shiboken6 import isValid

from widgets.guard import Guarded

BAR = 8


class ColumnScroll(Guarded, QScrollArea):
    """Scrolls `body` up and down only. `body` keeps a right margin of at least `BAR` pixels free; where it has none, `gutter` is what it
    is narrowed by while there is something to scroll.
    """

    def __init__(self, body: QWidget, parent: QWidget | None = None, *, gutter: int = 0) -> None:
        super().__init__(parent)
        self._body = body
        self._gutter = gutter
        body.setMinimumWidth(1)  # what is too wide gives way; nothing can be scrolled sideways
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
        self._wanted: QWidget | None = None  # stays in sight when the height changes
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._show_wanted)
        self._follow()

    def follow(self, widget: QWidget) -> None:
        """Scroll a widget of the body into sight, once it has its place."""
        self._wanted = widget
        self._soon.start()

    def sizeHint(self) -> QSize:
        """As high as all that is inside."""
        return QSize(super().sizeHint().width(), self._body.sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """None: what does not fit is scrolled to."""
        return QSize(super().minimumSizeHint().width(), 0)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:  # of the body, which may be higher now
            self.updateGeometry()
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._follow()
        if event.size().height() != event.oldSize().height():
            self._soon.start()

    def _show_wanted(self) -> None:
        widget = self._wanted
        if widget is not None and isValid(widget) and self._body.isAncestorOf(widget):
            self.ensureWidgetVisible(widget, 0, 0)
        else:
            self._wanted = None

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
