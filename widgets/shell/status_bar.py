"""Status bar: the value under the cursor, the picture's size, what computes, and how far it is."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from editor.document.faint_strength import is_strength
from editor.errors import InvalidRequest
from editor.geometry import Point
from widgets.controls.elided import ElidedLabel
from widgets.panels.edit import progress_words
from widgets.session.paint_target import surface, value_at
from widgets.session.session import Session

HEIGHT = 24
STRENGTHENING = ("strength", "gradient")  # tools
# What the value under the cursor is called where the tool in hand writes to a part of something.
WORDS: dict[str, str] = {
    "exemplar_strength": "Influence",
    "exemplar_fidelity": "Keep as it is",
    "cutout": "Cut-out",
    "item": "Outline",
}


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
        session.model.shown.connect(self._show)
        session.state.draft_changed.connect(self._show_method)
        for signal in (session.state.draft_changed, session.state.options_changed):
            signal.connect(self._show)
        session.jobs.progressed.connect(self._show_job)
        self._show_method()
        self._show()
        self._show_job()

    def where(self, point: Point | None) -> None:
        self._point = point
        self._show()

    def _show(self) -> None:
        document = self._session.document
        self._size.setText(f"{document.size.width} × {document.size.height}\u202fpx")
        inside = self._point is not None and document.rect.covers(*self._point)
        self._value.setText("" if self._point is None else self._words(self._point))
        self._place.setText(f"{int(self._point.x)}, {int(self._point.y)}" if self._point is not None and inside else "")

    def _words(self, point: Point) -> str:
        """What the tool in hand would change there; with any other tool, how much the picture may change."""
        session, document, target = self._session, self._session.document, self._session.options.target
        try:
            paint_target = None if target is None else surface(session, target)
        except InvalidRequest:
            return ""  # that it is missing, or hidden, is said to whoever paints
        if paint_target is not None and paint_target.target in WORDS:
            value = paint_target.value(*point)
            return "" if value is None else f"{WORDS[paint_target.target]} {round(value * 100)}\u202f%"
        value = value_at(document.strength, *point)
        if value is None:
            return ""
        if (value_at(document.protect, *point) or 0.0) >= 0.5:
            return "Protected"
        painted = is_strength(document.strength) or session.options.tool in STRENGTHENING
        # Elsewhere it would read as "nothing happens here".
        return f"Strength {round(value * 100)}\u202f%{self._steps(value)}" if painted else ""

    def _steps(self, value: float) -> str:
        """What a strength amounts to in steps of the model, where it has some: " · 3 of 8 steps"."""
        session, draft = self._session, self._session.draft
        if draft.model is None or not draft.settings.needs_model:
            return ""
        steps = draft.steps_on(draft.model)
        run = session.method.running_steps(draft.settings, value * draft.strength, steps)
        return "" if run is None else f" · {run} of {session.method.all_steps(draft.settings, steps)} steps"

    def _show_method(self) -> None:
        draft = self._session.draft
        model = draft.model.name if draft.model is not None and draft.settings.needs_model else "no model"
        method = self._session.method
        self._computes.setText(f"{method.verb} · {model}")
        self._computes.setToolTip(method.paper)

    def _show_job(self) -> None:
        job = self._session.job
        self._doing.setText(progress_words(job) if job is not None and job.busy else "")
