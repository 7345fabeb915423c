"""Session: the thin controller between one document and the widgets that show it.

It holds the history, what is active, the tools' options, the draft of the next edit and the running job. Widgets call its methods and
listen to its signals; they never reach for one another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from PySide6.QtCore import Signal

from editor.document import Document
from editor.edit import Draft, Plan, apply_result, plan, reach, wanted
from editor.errors import EditorError
from editor.history import DEFAULT_BUDGET
from editor.io.images import Picture
from editor.report import EditResult, Masks, Report
from editor.request import SegmentRequest
from widgets.job import Job
from widgets.open_document import OpenDocument
from widgets.options import ToolOptions, ViewOptions


class Worker(Protocol):
    """What a session asks of the program around it: work in the background. Implemented in `app`."""

    def run(self, session: Session, planned: Plan) -> None:
        """Start the planned edit; the outcome comes through the session's `job_…` methods."""

    def stop(self, session: Session) -> None:
        """Ask the running job to end; it does at its next report."""

    def segment(self, session: Session, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
        """Find outlines; `done` is called in the GUI thread. A failure becomes a notice."""

    def read(self, session: Session, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
        """Decode a dropped or pasted picture; `done` is called in the GUI thread. A failure becomes a notice."""

    def open_picture(self, picture: Picture) -> None:
        """Open it as a new document."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A passing message. `error`: it went wrong (shown until it is closed); `advice`: what to do about it."""

    message: str
    advice: str = ""
    error: bool = False


class Session(OpenDocument):
    """One open document. `name`: what its tab says; `path`: the project file that holds it, if any.

    Signals beside `document_changed`: `active_changed()` when what is active, an option, the draft or the name changed;
    `job_changed(job)` with a `Job` or None; `noticed(notice)` with a `Notice`.
    """

    active_changed = Signal()
    job_changed = Signal(object)
    noticed = Signal(object)

    def __init__(
        self,
        document: Document,
        worker: Worker,
        *,
        name: str = "Untitled",
        path: Path | None = None,
        budget: int = DEFAULT_BUDGET,
    ) -> None:
        super().__init__(document, budget)
        self.name = name
        self.path = path
        self.job: Job | None = None
        self.draft = Draft.for_document(document)
        self.options = ToolOptions()
        self.view = ViewOptions()
        self.active_layer: int | None = document.layers[-1].id if document.layers else None
        self._worker = worker

    def saved(self, path: Path, document: Document) -> None:
        """`path` now holds `document`."""
        self.path = path
        self.name = path.stem
        self.history.mark_saved(document)
        self.active_changed.emit()

    def _follow(self) -> None:
        """Forget active things that the document no longer has."""
        document, draft = self._shown, self.draft
        item = draft.item if draft.item is not None and document.item(draft.item) else None
        exemplar = draft.exemplar if draft.exemplar is not None and document.exemplar(draft.exemplar) else None
        layer = self.active_layer
        if layer is None or document.layer(layer) is None:
            layer = document.layers[-1].id if document.layers else None
        if (item, exemplar, layer) != (draft.item, draft.exemplar, self.active_layer):
            if (item, exemplar) != (draft.item, draft.exemplar):
                self.options = self.options.let_go
            self.draft = replace(draft, item=item, exemplar=exemplar)
            self.active_layer = layer
            self.active_changed.emit()

    # What is active, and options

    def activate(self, *, item: int | None = None, exemplar: int | None = None) -> None:
        """Make one item or one exemplar the active thing; neither, to have none."""
        self.set_draft(item=item, exemplar=None if item is not None else exemplar)

    def activate_layer(self, layer: int) -> None:
        if layer != self.active_layer:
            self.active_layer = layer
            self.active_changed.emit()

    def set_draft(self, **changes: Any) -> None:
        """Replace fields of the draft of the next edit. When another thing becomes active, tools let go of the earlier one."""
        before = self.draft
        after = replace(before, **changes)
        if (after.item, after.exemplar) != (before.item, before.exemplar):
            self.options = self.options.let_go
        self._set("draft", changes)

    def set_options(self, **changes: Any) -> None:
        """Replace fields of the tools' options. With the move tool in hand, an item or exemplar is no longer written to."""
        if changes.get("tool") == "move":
            free = self.options.let_go
            changes = {"strength_target": free.strength_target, "shape_target": free.shape_target, **changes}
        self._set("options", changes)

    def set_brush(self, **changes: Any) -> None:
        """Replace fields of the brush of the tool in hand."""
        name = "paint_brush" if self.options.tool in ("paint", "erase") else "strength_brush"
        self.set_options(**{name: replace(self.options.brush, **changes)})

    def set_view(self, **changes: Any) -> None:
        """Replace fields of the view's options."""
        self._set("view", changes)

    def _set(self, name: str, changes: dict[str, Any]) -> None:
        before = getattr(self, name)
        after = replace(before, **changes)
        if after != before:
            setattr(self, name, after)
            self.active_changed.emit()

    # The edit and its job

    @property
    def plan(self) -> Plan:
        """What the one button would do now."""
        return plan(self.document, self.draft)

    def run(self, planned: Plan | None = None) -> None:
        """Start the edit, unless one is running; candidates that were not accepted are discarded."""
        planned = planned or self.plan
        if self.job is not None and self.job.busy:
            return
        if planned.action is None:
            self.notice(planned.reason)
            return
        self.discard()
        rect = reach(self.document, self.draft, planned)
        self._set_job(Job(planned.label, self.document, rect, wanted(self.draft, planned)))
        self._worker.run(self, planned)

    def stop(self) -> None:
        if self.job is not None and self.job.busy:
            self._set_job(replace(self.job, state="stopping", doing="Stopping"))
            self._worker.stop(self)

    def segment(self, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
        """Find outlines in the background."""
        self._worker.segment(self, request, done)

    def read(self, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
        """Decode a picture in the background."""
        self._worker.read(self, source, name, done)

    def open_picture(self, picture: Picture) -> None:
        """Open it as a new document beside this one."""
        self._worker.open_picture(picture)

    def choose(self, index: int) -> None:
        """Show another candidate."""
        if self.job is not None and 0 <= index < len(self.job.results):
            self._set_job(replace(self.job, chosen=index))

    def accept(self) -> None:
        """Keep the candidate that is shown: it becomes a layer. Anything still running is stopped."""
        if self.job is None or self.job.shown is None:
            return
        result, asked = self.job.shown, self.job.document
        if self.job.busy:
            self._worker.stop(self)
        self._set_job(None)
        label, document = apply_result(self.history.document, result, asked)
        self.commit(label, document)
        self.activate_layer(document.layers[-1].id)

    def discard(self) -> None:
        """Drop the candidates, or the message of a failed job; the document stays as it is. Anything still running is stopped."""
        if self.job is not None:
            if self.job.busy:
                self._worker.stop(self)
            self._set_job(None)

    def notice(self, message: str, advice: str = "", *, error: bool = False) -> None:
        self.noticed.emit(Notice(message, advice, error))

    # Called by the program around it while a job runs

    def report(self, report: Report) -> None:
        if self.job is not None and self.job.busy:
            self._set_job(self.job.reported(report))

    def job_result(self, result: EditResult) -> None:
        """One more candidate is finished."""
        if self.job is not None and self.job.busy:
            self._set_job(self.job.with_result(result))

    def job_finished(self) -> None:
        """Nothing more will come; the candidates wait for a choice."""
        if self.job is not None and self.job.busy:
            self._set_job(replace(self.job, state="ready") if self.job.results else None)

    def job_cancelled(self) -> None:
        """It was stopped. Finished candidates can still be chosen."""
        self.job_finished()

    def job_failed(self, error: EditorError) -> None:
        if self.job is not None and self.job.busy:
            self._set_job(replace(self.job, state="ready" if self.job.results else "failed", error=error))
        self.notice(error.message, error.advice, error=True)

    def _set_job(self, job: Job | None) -> None:
        self.job = job
        self.job_changed.emit(job)
