"""The canvas with what floats over it: messages on top, an adjustment at the right, variations and the contextual bar at the bottom.

They float so that the picture never jumps when one of them comes or goes.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from widgets.adjust import AdjustBar, Adjustment
from widgets.notices import Notices
from widgets.session import Session

MARGIN = 16
GAP = 8


class Stage(QWidget):
    """`strip` and, above it, `bar` float at the bottom, as wide as they want to be."""

    def __init__(
        self, session: Session, canvas: QWidget, bar: QWidget, strip: QWidget, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._canvas = canvas
        self._floating = (strip, bar)  # from the bottom up
        self._adjust: AdjustBar | None = None
        canvas.setParent(self)
        for each in self._floating:
            hidden = each.isHidden()
            each.setParent(self)
            each.setHidden(hidden)
            each.installEventFilter(self)
        self.notices = Notices(self)
        self.notices.resized.connect(self._place)
        session.noticed.connect(self.notices.add)

    def adjust(self, adjustment: Adjustment) -> None:
        """Open an adjustment; one that is open is dropped."""
        if self._adjust is not None:
            self._adjust.cancel()
        self._adjust = AdjustBar(self._session, adjustment, self)
        self._adjust.closed.connect(self._close_adjust)
        self._adjust.show()
        self._adjust.take_keys()
        self._place()

    @property
    def adjusting(self) -> AdjustBar | None:
        return self._adjust

    def _close_adjust(self) -> None:
        if self._adjust is not None:
            self._adjust.hide()
            self._adjust.deleteLater()
            self._adjust = None
            self._canvas.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        moves = (QEvent.Type.LayoutRequest, QEvent.Type.ShowToParent, QEvent.Type.HideToParent)
        if event.type() in moves and watched in self._floating:
            self._place()
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        self._canvas.setGeometry(self.rect())
        bottom = self.height() - MARGIN
        for each in self._floating:
            if not each.isHidden():
                wanted = each.sizeHint().expandedTo(each.minimumSize())
                width = min(wanted.width(), self.width() - 2 * MARGIN)
                bottom -= wanted.height()
                each.setGeometry((self.width() - width) // 2, bottom, width, wanted.height())
                bottom -= GAP
        size = self.notices.sizeHint()
        self.notices.setGeometry((self.width() - size.width()) // 2, MARGIN, size.width(), size.height())
        if self._adjust is not None:
            size = self._adjust.sizeHint().expandedTo(self._adjust.minimumSize())
            self._adjust.setGeometry(self.width() - size.width() - MARGIN, MARGIN, size.width(), size.height())
        for floating in (*self._floating, self.notices, self._adjust):
            if floating is not None:
                floating.raise_()
