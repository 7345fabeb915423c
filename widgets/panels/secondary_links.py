"""Secondary actions beside the one button: the other edit that may be meant, keep what is there, queue another, run smaller."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from editor.edits.warnings import beyond_toys
from editor.errors import OutOfMemory
from widgets.panels.memory import MemoryLine
from widgets.session import run_actions
from widgets.session.job import Job
from widgets.session.session import Session

MAX_WIDTH = 200  # logical pixels of the words for another edit, where it is not known yet how wide it will be


class SecondaryLinks(QWidget):
    """Quiet links in one line, each there only while it makes sense."""

    def __init__(self, session: Session, memory: MemoryLine, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("aside")
        self._session = session
        self._memory = memory
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(16)
        self._keep = self._link(
            "Keep what is there", "Take the preview as the result, without the rest", session.finish_early
        )
        self._queue = self._link(
            "Queue another", "Run this edit as well, after the one that runs (Ctrl+Enter)", session.queue
        )
        self._smaller = self._link("Run smaller", "Run it at the largest working size that fits", memory.run_smaller)
        self._other = self._link("", "", self._run_other)
        self._get = self._link("Get a real model", "Models that know photographs", session.show_models)
        self._row.addStretch(1)

    def show_job(self, job: Job | None) -> None:
        going = job is not None and job.busy and job.state != "stopping"
        self._keep.setVisible(job is not None and job.keepable)
        self._queue.setVisible(going and self._session.plan.action is not None)
        full = job is not None and job.state == "failed" and isinstance(job.error, OutOfMemory)
        self._smaller.setVisible((full or self._memory.too_large) and run_actions.can_shrink(self._session))
        session, idle = self._session, job is None or not job.busy
        self._get.setVisible(
            idle and session.draft.settings.needs_model and beyond_toys(session.document, session.draft)
        )
        other = None if job is not None and job.state != "failed" else session.other_plan
        self._other.setVisible(other is not None)
        if other is not None:
            self._name_other(other.label)
        links = (self._keep, self._queue, self._smaller, self._get, self._other)
        self.setVisible(any(not link.isHidden() for link in links))

    def _name_other(self, label: str) -> None:
        words = f"Or: {label}"
        fitted = self._other.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, max(MAX_WIDTH, self.width()))
        self._other.setText(fitted.replace("&", "&&"))
        self._other.setAccessibleName(words)
        self._other.setToolTip(f"{label}: what you touched before that")

    def _run_other(self) -> None:
        other = self._session.other_plan
        if other is not None:
            self._session.run(other)

    def _link(self, words: str, tip: str, do: Callable[[], object]) -> QPushButton:
        link = QPushButton(words)
        link.setProperty("role", "link")
        link.setToolTip(tip)
        link.setCursor(Qt.CursorShape.PointingHandCursor)
        link.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        link.clicked.connect(lambda _=False: do())
        self._row.addWidget(link)
        return link
