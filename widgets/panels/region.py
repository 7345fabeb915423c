"""What is to be known about the region of the next edit: that it is thin, or that nothing of it is left."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from editor.errors import EditorError
from editor.requests.method_settings import Use
from widgets.canvas.hold_overlay import checked_cells
from widgets.panels.status_lines import Remark
from widgets.session.session import Session

DELAY = 200  # milliseconds after the last change
THIN = "Thin region: it begins wider and closes in."


class RegionLine(Remark):
    """Looks once the hand rests, since that takes a moment; silent while there is nothing to say."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._subject: tuple[object, ...] = ()  # what was looked at, or will be
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY)
        self._timer.timeout.connect(self._look)

    def follow(self) -> None:
        """Look whether there is something new to look at."""
        session = self._session
        draft, document, job = session.draft, session.document, session.job
        busy = job is not None and job.busy
        applies = not busy and Use.THIN_REGIONS in draft.settings.uses and session.plan.action is not None
        if not applies:
            self._timer.stop()
            self._subject = ()
            self.say("")
            return
        hint = None if draft.scribble is None else document.layer(draft.scribble)
        maps = document.strength, document.selection, document.protect
        subject = (*maps, document.items, hint, draft.model, draft.settings, draft.frame, session.plan, draft.strength)
        if subject != self._subject:
            self._subject = subject
            self._timer.start()

    def _look(self) -> None:
        session = self._session
        if session.in_gesture:
            self._timer.start()
            return
        document, draft, plan = session.document, session.draft, session.plan
        try:
            frame = session.method.frame(document, draft, plan)
            cells = checked_cells(document, draft, plan, frame, methods=session.methods)
        except EditorError as error:
            self.say(str(error), doubt=True)
        else:
            self.say(THIN if cells is not None and cells.begins_wider else "")
