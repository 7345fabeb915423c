"""Canvas stack: the canvas with what floats over it: messages on top, an adjustment at the right, the contextual bar or the variations at the bottom.

They float so that the picture never jumps when one of them comes or goes.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from editor.document.document import Rerun
from editor.geometry import Rect
from widgets.canvas.view import CanvasView
from widgets.guard import Guarded
from widgets.session import run_actions
from widgets.session.session import Session
from widgets.shell.adjustment import AdjustBar, Adjustment
from widgets.shell.notices import Notices

MARGIN = 16
GAP = 8
_PLACING = (QEvent.Type.LayoutRequest, QEvent.Type.Show, QEvent.Type.ShowToParent, QEvent.Type.HideToParent)


class CanvasStack(Guarded, QWidget):
    """`bar` floats at the bottom; `strip` where it hides least of what the running job changes. Both are as wide as they want to be."""

    def __init__(
        self, session: Session, canvas: CanvasView, bar: QWidget, strip: QWidget, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._canvas = canvas
        self._bar, self._strip = bar, strip
        self._spot = 0  # which of `_spots` the strip has
        self._adjust: AdjustBar | None = None
        canvas.setParent(self)
        for widget in (strip, bar):
            hidden = widget.isHidden()
            widget.setParent(self)
            widget.setHidden(hidden)
            widget.installEventFilter(self)
        self.notices = Notices(self)
        self.notices.resized.connect(self._place)
        session.noticed.connect(self.notices.add)
        self._rerun: Rerun | None = None
        self._step = session.history.number
        session.model.settled.connect(self._document_changed)
        self._follow_rerun()
        self._runs = False
        session.jobs.progressed.connect(self._follow_job)

    def _follow_job(self) -> None:
        """Once something runs again, nobody needs to hear of what was before."""
        runs = self._session.jobs.busy
        if runs and not self._runs:
            self.notices.clear_past()
        self._runs = runs

    def _document_changed(self) -> None:
        self._follow_rerun()
        step = self._session.history.number
        if step != self._step:  # the person went on, and knows
            self._step = step
            self.notices.go_on()

    def _follow_rerun(self) -> None:
        """As long as an edit is reopened, that is said."""
        rerun = self._session.history.document.rerun
        if rerun is not self._rerun:
            self._rerun = rerun
            self.notices.pin(run_actions.rerun_notice(self._session))

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
        # At `Show` it is not seen yet: where it was laid out last, Qt might find the pointer over it, and keep its order for the hand there.
        if watched is self._strip and event.type() in (QEvent.Type.Show, QEvent.Type.ShowToParent):
            self._choose_spot()
        if event.type() in _PLACING:
            self._place()
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._canvas.setGeometry(self.rect())
        self._choose_spot()
        self._place()

    def _place(self) -> None:
        self._bar.setGeometry(self._spots(self._bar)[0])
        strip = self._spots(self._strip)[self._spot]
        self._strip.setGeometry(strip)
        self.notices.setGeometry(self._place_of_notices())
        if self._adjust is not None:
            size = _wanted(self._adjust)
            self._adjust.setGeometry(self.width() - size.width() - MARGIN, MARGIN, size.width(), size.height())
        for floating in (self._strip, self._bar, self.notices, self._adjust):
            if floating is not None:
                floating.raise_()

    def _place_of_notices(self) -> QRect:
        """On top, unless they hide less of the picture above what floats at the bottom."""
        size = self.notices.sizeHint()
        at_bottom, on_top = self._bar.geometry(), MARGIN
        if not self._strip.isHidden():
            at_bottom = self._strip.geometry()
            if at_bottom.top() == MARGIN:
                on_top, at_bottom = at_bottom.bottom() + GAP, QRect(self._spots(self._strip)[0])
        x, rows = (self.width() - size.width()) // 2, (on_top, at_bottom.top() - GAP - size.height())
        picture = self._session.document.rect
        return min((QRect(QPoint(x, row), size) for row in rows), key=lambda place: self._hidden(place, picture))

    def _hidden(self, spot: QRect, rect: Rect) -> float:
        """How much of a rectangle of the picture lies below a spot, in square pixels of the screen."""
        shown = self._canvas.viewport.transform().mapRect(QRectF(rect.left, rect.top, rect.width, rect.height))
        covered = shown.intersected(QRectF(spot))
        return covered.width() * covered.height()

    def _spots(self, widget: QWidget) -> list[QRect]:
        """Where it could float, the best first: at the bottom in the middle, to the left, to the right, and on top."""
        wanted = _wanted(widget)
        size = QSize(min(wanted.width(), self.width() - 2 * MARGIN), wanted.height())
        middle, right = (self.width() - size.width()) // 2, self.width() - size.width() - MARGIN
        bottom = self.height() - size.height() - MARGIN
        return [
            QRect(QPoint(x, y), size)
            for x, y in ((middle, bottom), (MARGIN, bottom), (right, bottom), (middle, MARGIN))
        ]

    def _choose_spot(self) -> None:
        """Once, when the strip comes or the window changes: it should not run about while somebody zooms in to judge a result."""
        job = self._session.job
        if job is None:
            return
        spots = self._spots(self._strip)
        self._spot = min(range(len(spots)), key=lambda at: self._hidden(spots[at], job.rect))


def _wanted(widget: QWidget) -> QSize:
    return widget.sizeHint().expandedTo(widget.minimumSize())
