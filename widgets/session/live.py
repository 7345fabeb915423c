"""Live: the result for what is painted just now, renewed as soon as something changes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

from PySide6.QtCore import QObject, QTimer, Signal

from editor.document.document import MAPS, Document
from editor.document.tiles import changed
from editor.errors import EditorError, InvalidRequest
from editor.geometry import EMPTY, Rect
from editor.planning.plan import Draft, Plan, draw_seed
from editor.requests.reports import Preview, Progress, Report
from editor.requests.results import EditResult, LiveResult
from widgets.session.document_model import DocumentModel
from widgets.session.edit_job import Candidate, EditJob
from widgets.session.edit_state import EditState
from widgets.session.notice import Notice

REST = 300  # milliseconds that a slider or the typing rests before it counts
MAX_ROUND = 30.0  # seconds; where a round takes longer, nobody waits for the next

LiveState = Literal["idle", "computing", "current", "failed"]


class Live(QObject):
    """The live picture of one document: while it is on, the worker makes the planned edit again after every change, with one seed and one frame.

    on: whether the person wants it.
    state: "idle" where there is nothing to make; "current" where the result is of what is painted now.
    job: what is made, or was made last; None before the first.
    result: the newest result, of `job` where it is current; None before the first, and where there is nothing to make.
    preview: of the round that is computed.
    fresh: document pixels that the round may change, where the preview is to be seen; None for all of it.
    outcome: of the last round.
    seconds: that the last round took which the network was asked in.
    doing: what is computed, for people.
    outside: whether something is painted beyond the pinned frame.
    grows: whether the frame takes that in by itself.

    changed(): it was switched on or off, or its state is another one.
    shown_changed(): another result or preview is to be seen.
    start_requested(edit_job): the worker is to make this.
    stop_requested(): the worker is to make nothing any more, and to keep nothing.
    ready(): the result is current, and the person has asked before to keep it then.
    grows_wished(): from now on `grows` is to be set everywhere.
    noticed(notice): something is to be said.
    """

    changed = Signal()
    shown_changed = Signal()
    start_requested = Signal(object)
    stop_requested = Signal()
    ready = Signal()
    grows_wished = Signal()
    noticed = Signal(object)

    def __init__(self, model: DocumentModel, state: EditState) -> None:
        super().__init__()
        self._model, self._edit_state = model, state
        self.on = False
        self.state: LiveState = "idle"
        self.job: EditJob | None = None
        self.result: EditResult | None = None
        self.preview: Preview | None = None
        self.fresh: Rect | None = None
        self.outcome: LiveResult | None = None
        self.seconds: float | None = None
        self.doing = ""
        self.outside = False
        self.grows = False
        self._of_result: EditJob | None = None  # what `result` was made from
        self._frame: Rect | None = None
        self._seed = 0
        self._edit: object = None
        self._keep = False
        self._begun = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._follow)
        model.settled.connect(self._document_settled)
        state.draft_changed.connect(self._draft_changed)

    # Switching

    def switch(self, on: bool) -> None:
        """Begin, or end and leave everything as it was."""
        if on == self.on:
            return
        self.on = on
        self._timer.stop()
        self._drop()
        if on:
            self._begin()
            self._follow()
        else:
            self.stop_requested.emit()
        self.changed.emit()
        self.shown_changed.emit()

    def _begin(self) -> None:
        """A new live picture: its seed, and a frame that is pinned with the first stroke."""
        seed = self._edit_state.draft.seed
        self._seed, self._frame, self._edit = draw_seed() if seed is None else seed, None, object()
        self.outside = False

    def _drop(self) -> None:
        self.job = self._of_result = self.result = self.preview = self.fresh = self.outcome = None
        self.state, self.doing, self._keep = "idle", "", False

    @property
    def pinned(self) -> Rect | None:
        """The part of the document that the model sees, in pixels, where that is pinned."""
        return self._frame if self.on else None

    @property
    def seed(self) -> int:
        """Of every round."""
        return self._seed

    @property
    def candidate(self) -> Candidate | None:
        """The newest result as what can be accepted."""
        return None if self.result is None or self._of_result is None else Candidate(self.result, self._of_result)

    def shows(self, document: Document) -> bool:
        """Whether the result is on the canvas with the things of this document in it, so that they need not be drawn over it."""
        of = self._of_result
        return of is not None and of.document.exemplars == document.exemplars and of.document.items == document.items

    def enlarge(self) -> None:
        """Let the frame take in what is painted now. That starts anew."""
        if self.on:
            self._frame, self.outside = None, False
            self._follow()

    def grow_always(self) -> None:
        """Do so from now on without being asked."""
        self.grows = True
        self.enlarge()
        self.grows_wished.emit()

    # What happens to the document

    def _document_settled(self) -> None:
        if self.on:
            self._timer.start(0)

    def _draft_changed(self) -> None:
        if self.on and not (self._timer.isActive() and self._timer.interval() == 0):
            self._timer.start(REST)

    def _follow(self) -> None:
        """Have the present state made, unless it is what is being made."""
        if not self.on or self._model.in_gesture:
            return
        plan = self._edit_state.plan
        if plan.action is None:
            self._have_nothing()
            return
        edit_job = self._asked(plan)
        if self.job is not None and _same(edit_job, self.job) and self.state in ("computing", "current"):
            return
        shown = self.preview, self.result
        if self._of_result is not None and self._of_result.planned.about != plan.about:
            self.result = self._of_result = None  # it is about something else
        self.fresh = self._fresh(edit_job)
        self.job, self.preview, self.doing = edit_job, None, "Computing"
        self.state, self._begun = "computing", time.monotonic()
        self.changed.emit()
        if shown != (None, self.result):
            self.shown_changed.emit()
        self.start_requested.emit(edit_job)

    def _have_nothing(self) -> None:
        """There is nothing to make from: the picture is as it is."""
        nothing = self.job is None
        self._drop()
        self._frame, self.outside = None, False
        if not nothing:
            self.stop_requested.emit()
            self.changed.emit()
            self.shown_changed.emit()

    def _asked(self, plan: Plan) -> EditJob:
        """The planned edit with the seed and the frame that are pinned."""
        document, methods = self._model.document, self._edit_state.methods
        draft = replace(self._edit_state.draft_for(plan), seed=self._seed, variations=1)
        method = methods.of(draft.settings)
        if draft.settings.needs_model and draft.frame is None:
            draft = self._pinned(draft, plan)
        reach = method.reach(document, draft, plan)
        return EditJob(plan, document, draft, reach, edit=self._edit, methods=methods, snapshot=True)

    def _pinned(self, draft: Draft, plan: Plan) -> Draft:
        """With the frame of the first stroke. What is painted beyond it is said once."""
        document, method = self._model.document, self._edit_state.methods.of(draft.settings)
        frame = method.frame(document, draft, plan)
        beyond = (
            self._frame is not None and frame is not None and not self._frame.holds(method.reach(document, draft, plan))
        )
        # Another thing lies elsewhere by right; it is what is painted on that keeps its frame.
        another = self.job is not None and self.job.planned.about != plan.about
        if frame is not None and (self._frame is None or (beyond and (self.grows or another))):
            self._frame, beyond = frame.rect, False
        if beyond and not self.outside:
            self.noticed.emit(
                Notice(
                    "You painted outside the part of the picture that the model sees.",
                    "A larger part starts anew.",
                    offers=(("See it too", self.enlarge), ("Always", self.grow_always)),
                )
            )
        self.outside = beyond
        return replace(draft, frame=self._frame)

    def _fresh(self, edit_job: EditJob) -> Rect | None:
        """Where the strength differs from what the result shows; None where all of it may look different."""
        before = self._of_result
        if before is None or replace(before.draft, touched=()) != replace(edit_job.draft, touched=()):
            return None
        if before.document.layers is not edit_job.document.layers:
            return None
        if before.document.exemplars != edit_job.document.exemplars:
            return None
        rect = EMPTY
        for name in MAPS:
            for part in changed(before.document.map(name), edit_job.document.map(name)):
                rect = rect.unite(part)
        return rect

    # Called by the worker's side

    def report(self, edit_job: EditJob, report: Report) -> None:
        """How far it is with what it was asked."""
        if edit_job is not self.job or self.state != "computing":
            return
        match report:
            case Progress(doing=doing):
                self.doing = doing
                self.changed.emit()
            case Preview():
                self.preview = report
                self.shown_changed.emit()

    def finished(self, edit_job: EditJob, outcome: LiveResult) -> None:
        """It is made. One that is not the newest any more is shown nevertheless while nothing newer is there."""
        if not self.on or edit_job is not self.job:
            return
        seconds = time.monotonic() - self._begun
        self.result, self._of_result, self.outcome = outcome.result, edit_job, outcome
        self.preview = self.fresh = None
        self.state, self.doing = "current", ""
        if outcome.evaluations != 0:
            self.seconds = seconds
        self.changed.emit()
        self.shown_changed.emit()
        if self._keep:
            self._keep = False
            self.ready.emit()
        elif seconds > MAX_ROUND:
            self.switch(False)
            self.noticed.emit(
                Notice(
                    f"Live is off: a round takes {round(seconds)} s here.",
                    "Fewer steps, a smaller working size or a model made for few steps make it quicker.",
                )
            )

    def failed(self, edit_job: EditJob, error: EditorError) -> None:
        """It came to nothing. The result before it stays to be seen; the next change tries again."""
        if not self.on or edit_job is not self.job:
            return
        self.preview, self.fresh, self._keep = None, None, False
        if isinstance(error, InvalidRequest):  # there is less painted than it seemed
            self._of_result = self.result = None
            self.state, self.doing = "idle", error.message
            self.changed.emit()
            self.shown_changed.emit()
            return
        self.state, self.doing = "failed", ""
        self.changed.emit()
        self.shown_changed.emit()
        self.noticed.emit(Notice(error.message, error.advice, error=True))

    # Keeping

    def keep_when_ready(self) -> bool:
        """Whether the result is current and can be kept at once; otherwise `ready` is heard of when it is."""
        self._timer.stop()
        self._follow()  # what has just been painted or typed counts
        self._keep = self.state == "computing"
        if self._keep:
            self.changed.emit()
        return self.state == "current"

    @property
    def keeps(self) -> bool:
        """Whether the result becomes a layer as soon as it is ready."""
        return self._keep

    def accepted(self) -> None:
        """The result is a layer now: what comes is a new live picture on top of it."""
        self._drop()
        self.stop_requested.emit()
        self._begin()
        self.changed.emit()
        self.shown_changed.emit()


def _same(one: EditJob, other: EditJob) -> bool:
    """Whether two states ask for the same picture, as far as can be told quickly."""
    first, second = (replace(job.draft, touched=()) for job in (one, other))
    return one.document is other.document and first == second and one.planned == other.planned
