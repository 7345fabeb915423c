"""What is to be known about the region of the next edit: that it is thin, or that nothing of it is left."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel, QWidget

from editor.edit import frame_for
from editor.errors import EditorError
from editor.request import BlendedSettings
from widgets.canvas.cells import closing_cells
from widgets.session import Session

DELAY = 200  # milliseconds after the last change
THIN = "Thin region: it begins wider and closes in."


class RegionLine(QLabel):
    """Looks once the hand rests, since that takes a moment; there only while it has something to say."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._subject: tuple[object, ...] = ()  # what was looked at, or will be
        self.setWordWrap(True)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY)
        self._timer.timeout.connect(self._look)
        self.hide()

    def follow(self) -> None:
        """Look whether there is something new to look at."""
        session = self._session
        draft, document, job = session.draft, session.document, session.job
        busy = job is not None and job.busy
        asked = not busy and isinstance(draft.settings, BlendedSettings) and session.plan.action is not None
        if not asked:
            self._timer.stop()
            self._subject = ()
            self.hide()
            return
        hint = None if draft.scribble is None else document.layer(draft.scribble)
        maps = document.strength, document.selection, document.protect
        subject = (*maps, document.items, hint, draft.model, draft.settings, draft.frame, draft.item, draft.strength)
        if subject != self._subject:
            self._subject = subject
            self._timer.start()

    def _look(self) -> None:
        session = self._session
        if session.in_gesture:
            self._timer.start()
            return
        document, draft, plan = session.document, session.draft, session.plan
        words, role = "", "caption"
        try:
            cells = closing_cells(document, draft, plan, frame_for(document, draft, plan))
        except EditorError as error:
            words, role = str(error), "doubt"  # amber
        else:
            if cells is not None and cells.begins_wider:
                words = THIN
        if self.property("role") != role:
            self.setProperty("role", role)
            self.style().polish(self)
        self.setText(words)
        self.setVisible(bool(words))
