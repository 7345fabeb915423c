"""Whether the next edit fits into memory, said before it runs."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from editor.errors import OutOfMemory
from editor.report import Assessment
from widgets import running
from widgets.session import Session

DELAY = 300  # milliseconds; a drag of a slider is one question


class MemoryLine(QWidget):
    """Asks when something that matters has changed; there only while it has something to say."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._subject: tuple[object, ...] | None = None  # what was asked about, or will be
        self._held: tuple[object, ...] = ()  # what its ids stand for, so that no other thing gets them
        self._found: Assessment | None = None
        self._words = QLabel()
        self._words.setWordWrap(True)
        self._smaller = QPushButton("Run smaller")
        self._smaller.setProperty("role", "link")
        self._smaller.setToolTip("Run it at the largest working size that fits")
        self._smaller.setCursor(Qt.CursorShape.PointingHandCursor)
        self._smaller.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._words)
        layout.addWidget(self._smaller, 0, Qt.AlignmentFlag.AlignLeft)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY)
        self._timer.timeout.connect(self._ask)
        self._smaller.clicked.connect(self.run_smaller)
        self.hide()

    def follow(self) -> None:
        """Look whether there is something new to ask."""
        session = self._session
        draft, document = session.draft, session.document
        job = session.job
        if job is not None and job.busy:
            if self._timer.isActive():
                self._timer.stop()
                self._subject = None  # nobody was asked
            self.hide()
            return
        if draft.model is None or not draft.settings.needs_model or session.plan.action is None:
            self._timer.stop()
            self._subject = self._found = None
            self.hide()
            return
        things = (document.strength, document.selection, document.items, document.exemplars)
        subject = (
            *map(id, things), draft.model.key, draft.settings, draft.guidance_scale, draft.frame, draft.item, draft.exemplar
        )  # fmt: skip
        if subject != self._subject:
            self._subject = subject
            self._held = things
            self._timer.start()
        refused = job is not None and isinstance(job.error, OutOfMemory)  # that says it already
        self.setVisible(self._found is not None and not refused)

    def _ask(self) -> None:
        if self._subject is not None:
            self._session.assess(partial(self._answered, self._subject))

    def _answered(self, subject: tuple[object, ...], found: Assessment | None) -> None:
        if subject != self._subject:
            return  # something has changed since; another question is on its way
        self._found = found
        if found is not None:
            self._words.setText(found.words)
            role = "caption" if found.fits else "doubt"  # amber
            if self._words.property("role") != role:
                self._words.setProperty("role", role)
                self._words.style().polish(self._words)
            self._smaller.setVisible(not found.fits and running.can_shrink(self._session))
        self.follow()

    def run_smaller(self) -> None:
        """Run it at the largest working size that fits, as far as that is known."""
        found = None if self._timer.isActive() else self._found
        running.run_smaller(self._session, None if found is None else found.smaller)
