"""The line at the bottom: the value under the cursor, the picture's size, what computes, and how far it is."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from editor.geometry import Point
from widgets.controls.elided import ElidedLabel
from widgets.job import Job
from widgets.methods import method_of
from widgets.panels.edit import progress_words
from widgets.session import Session
from widgets.surface import value_at

HEIGHT = 24
STRENGTHENING = ("strength", "gradient")  # tools


class StatusBar(QFrame):
    """`where(point)` tells it where the cursor is in the picture, None when it is elsewhere."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusBar")
        self.setFixedHeight(HEIGHT)
        self._session = session
        self._point: Point | None = None
        self._value = QLabel()
        self._value.setMinimumWidth(104)
        self._place = QLabel()
        self._place.setMinimumWidth(96)
        self._size = QLabel()
        self._doing = ElidedLabel()
        self._computes = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 0, 12, 0)
        layout.setSpacing(16)
        # What stays stands first, so that nothing moves when the cursor comes and goes.
        layout.addWidget(self._size)
        layout.addWidget(self._place)
        layout.addWidget(self._value)
        layout.addWidget(self._doing, 1)
        layout.addWidget(self._computes)
        session.document_changed.connect(self._show)
        session.active_changed.connect(self._show_method)
        session.job_changed.connect(self._show_job)
        self._show_method()
        self._show()
        self._show_job(session.job)

    def where(self, point: Point | None) -> None:
        self._point = point
        self._show()

    def _show(self) -> None:
        document = self._session.document
        self._size.setText(f"{document.size.width} × {document.size.height}\u202fpx")
        value = None if self._point is None else value_at(document.strength, *self._point)
        if self._point is None or value is None:
            self._value.setText("")
            self._place.setText("")
            return
        protected = value_at(document.protect, *self._point) or 0.0
        painted = not document.strength.blank or self._session.options.tool in STRENGTHENING
        strength = (
            f"Strength {round(value * 100)}\u202f%" if painted else ""
        )  # elsewhere it would read as "nothing happens here"
        self._value.setText("Protected" if protected >= 0.5 else strength)
        self._place.setText(f"{int(self._point.x)}, {int(self._point.y)}")

    def _show_method(self) -> None:
        draft = self._session.draft
        model = draft.model.name if draft.model is not None and draft.settings.needs_model else "no model"
        self._computes.setText(f"{method_of(draft.settings).short} · {model}")

    def _show_job(self, job: Job | None) -> None:
        self._doing.setText(progress_words(job) if job is not None and job.busy else "")
