"""Memory line: whether the next edit fits into memory, said before it runs."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from editor.errors import OutOfMemory
from editor.requests.results import Assessment
from widgets.panels.status_lines import Remark
from widgets.session import run_actions
from widgets.session.session import Session

DELAY = 300  # milliseconds; a drag of a slider is one question


class MemoryLine(Remark):
    """Asks when something that matters has changed; silent while there is nothing to say."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._subject: tuple[object, ...] | None = None  # what was asked about, or will be
        self._held: tuple[object, ...] = ()  # what its ids stand for, so that no other thing gets them
        self._found: Assessment | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY)
        self._timer.timeout.connect(self._ask)

    @property
    def too_large(self) -> bool:
        """Whether it says that the edit does not fit."""
        return bool(self.text()) and self._found is not None and not self._found.fits

    def follow(self) -> None:
        """Look whether there is something new to ask."""
        session = self._session
        draft, document = session.draft, session.document
        job = session.job
        if job is not None and job.busy:
            if self._timer.isActive():
                self._timer.stop()
                self._subject = None  # nobody was asked
            self.say("")
            return
        if draft.model is None or not draft.settings.needs_model or session.plan.action is None:
            self._timer.stop()
            self._subject = self._found = None
            self.say("")
            return
        things = (document.strength, document.selection, document.items, document.exemplars)
        subject = (
            *map(id, things), draft.model.key, draft.settings, draft.guidance_scale, draft.frame, session.plan
        )  # fmt: skip
        if subject != self._subject:
            self._subject = subject
            self._held = things
            self._timer.start()
        refused = job is not None and isinstance(job.error, OutOfMemory)  # that says it already
        if self._found is None or refused:
            self.say("")
        else:
            self.say(self._found.words, doubt=not self._found.fits)

    def _ask(self) -> None:
        if self._subject is not None:
            self._session.assess(partial(self._answered, self._subject))

    def _answered(self, subject: tuple[object, ...], assessment: Assessment | None) -> None:
        if subject != self._subject:
            return  # something has changed since; another question is on its way
        self._found = assessment
        self.follow()

    def run_smaller(self) -> None:
        """Run it at the largest working size that fits, as far as that is known."""
        assessment = None if self._timer.isActive() else self._found
        run_actions.run_smaller(self._session, None if assessment is None else assessment.smaller)
