"""Session: one open document with everything that is set, made and chosen for it; what widgets call and listen to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from editor.document.document import MAPS, Document, picture_changes
from editor.document.history import DEFAULT_BUDGET, History
from editor.edits.apply import NOTHING_ADVICE, NOTHING_CAME, apply_result, came_to_nothing, layer_of_result
from editor.errors import EditorError
from editor.io.files import FileState
from editor.io.images import Picture
from editor.methods.base import AnyMethod
from editor.methods.registry import METHODS, Methods
from editor.models.info import ModelInfo
from editor.planning.plan import Draft, Plan, touches
from editor.requests.edit_request import SegmentRequest
from editor.requests.reports import Report, ResultReady
from editor.requests.results import Assessment, EditResult, Masks
from widgets.session.document_model import DocumentModel
from widgets.session.edge_repairs import EdgeRepairs
from widgets.session.edit_job import Candidate, EditJob
from widgets.session.edit_state import EditState
from widgets.session.job import Job
from widgets.session.jobs import Jobs
from widgets.session.live import Live
from widgets.session.model_choice import ModelChoice
from widgets.session.notice import Notice
from widgets.session.options import ToolOptions, ViewOptions
from widgets.session.reruns import Preparation, Reruns
from widgets.session.scrub import Scrub
from widgets.session.worker import Worker


class Session(QObject):
    """One open document, composed of parts that have their own signals; this class has what takes more than one of them.

    model: the document, its history and what is shown.
    state: what is active, the options, and the draft of the next edit.
    jobs: what is made, what waits, and the candidates.
    model_choice: the diffusion models that can be used.
    reruns: the reopened edit.
    live: the result of what is painted just now, while the person wants it.
    scrub: results for other values of the sliders, made in idle time.
    edge_repairs: what was accepted, as far as its edges can be mended.
    methods: those that can be chosen.
    name: what its tab says.
    path: the project file that holds it, if any.
    on_disk: what that file was like when it was last read or written here.

    file_changed(): its name, its file, or what of it is saved.
    noticed(notice): with a `Notice`.

    The verbs of the parts that most widgets need stand here under the same names.
    """

    file_changed = Signal()
    noticed = Signal(object)

    def __init__(
        self,
        document: Document,
        worker: Worker,
        *,
        name: str = "Untitled",
        path: Path | None = None,
        budget: int = DEFAULT_BUDGET,
        methods: Methods = METHODS,
    ) -> None:
        super().__init__()
        self.methods = methods
        self.name = name
        self.path = path
        self.on_disk: FileState | None = None
        self._worker = worker
        self._preparation: Preparation | None = None  # of what runs now
        self._edit_of_nothing: object = None  # of which somebody was told that nothing came of it
        self.model = model = DocumentModel(document, budget)
        self.state = state = EditState(model, methods)
        self.jobs = jobs = Jobs()
        self.model_choice = ModelChoice(model, state, worker.models, worker.used_model)
        self.reruns = Reruns(model, state, self.model_choice.find)
        self.edge_repairs = edges = EdgeRepairs(model, jobs)
        self.live = live = Live(model, state)
        self.scrub = scrub = Scrub(model, state, jobs, live)
        model.changing.connect(self._set_aside)
        model.arrived.connect(self._follow_undone)
        jobs.start_requested.connect(self._make)
        jobs.stop_requested.connect(self._end)
        edges.start_requested.connect(self.start)
        live.start_requested.connect(self._make_live)
        live.stop_requested.connect(self._end_live)
        live.ready.connect(self.accept)
        scrub.start_requested.connect(self._make_scrub)
        scrub.stop_requested.connect(self._end_scrub)
        for part in (jobs, self.reruns, edges, live):
            part.noticed.connect(self.noticed)
        self.show, self.commit, self.revert = model.show, model.commit, model.revert
        self.undo, self.take_back, self.go_to = model.undo, model.take_back, model.go_to
        self.activate, self.activate_layer = state.activate, state.activate_layer
        self.set_options, self.set_brush, self.set_view = state.set_options, state.set_brush, state.set_view
        self.set_draft, self.choose_method, self.choose_model = state.set_draft, state.choose_method, state.choose_model
        self.choose_preset, self.ask_for_words, self.draft_for = (
            state.choose_preset,
            state.ask_for_words,
            state.draft_for,
        )
        self.stop, self.drop_waiting, self.more = jobs.stop, jobs.drop_waiting, jobs.more
        self.choose, self.step, self.peek, self.hold = jobs.choose, jobs.step, jobs.peek, jobs.hold
        self.can_mend, self.mend, self.job_mended = edges.can_mend, edges.mend, edges.finished
        self.follow_models, self.models = self.model_choice.follow, self.model_choice.usable
        self.follow_models()
        self.reruns.begin()

    @property
    def document(self) -> Document:
        """What is shown just now."""
        return self.model.document

    @property
    def history(self) -> History:
        return self.model.history

    @property
    def original(self) -> Document:
        """The picture before the edits."""
        return self.model.original

    @property
    def in_gesture(self) -> bool:
        return self.model.in_gesture

    @property
    def draft(self) -> Draft:
        return self.state.draft

    @property
    def options(self) -> ToolOptions:
        return self.state.options

    @property
    def view(self) -> ViewOptions:
        return self.state.view

    @property
    def active_layer(self) -> int | None:
        return self.state.active_layer

    @property
    def method(self) -> AnyMethod:
        """The method in hand."""
        return self.state.method

    @property
    def plan(self) -> Plan:
        """What the one button would do now."""
        return self.state.plan

    @property
    def other_plan(self) -> Plan | None:
        """What may be meant just as well, if anything."""
        return self.state.other_plan

    @property
    def job(self) -> Job | None:
        return self.jobs.current

    @property
    def goes_on(self) -> bool:
        """Whether it was edited before, and begins as its last edit was."""
        return self.model_choice.goes_on

    @property
    def laid(self) -> EditResult | None:
        """The result that lies over the picture just now, if any does: the candidate that is looked at, or else the live one; or a stop of it."""
        if self.scrub.shown is not None:
            return self.scrub.shown.result
        laid = None if self.job is None else self.job.laid
        return self.live.result if laid is None else laid

    # Its file

    def saved(self, path: Path, document: Document, on_disk: FileState | None = None) -> None:
        """`path` now holds `document`. `on_disk`: what the file is like by that."""
        self.path, self.on_disk = path, on_disk
        self.name = path.stem
        self.history.mark_saved(document)
        self.file_changed.emit()

    def cut_loose(self) -> None:
        """No file holds it any more: what it was opened from holds something else."""
        self.path, self.on_disk = None, None
        self.name = f"{self.name} (mine)"
        self.history.mark_unsaved()
        self.file_changed.emit()

    # What the program around it does

    def show_models(self) -> None:
        """Open the page where models are added and got."""
        self._worker.show_models()

    def use_model(self, model: ModelInfo) -> None:
        """Use it from now on, in later documents too."""
        self.model_choice.use(model)
        self._worker.use_model(model.key)

    def assess(self, done: Callable[[Assessment | None], None]) -> None:
        """Find out whether the planned edit fits into memory."""
        self._worker.assess(self, done)

    def segment(self, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
        """Find outlines in the background."""
        self._worker.segment(self, request, done)

    def read(self, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
        """Decode a picture in the background."""
        self._worker.read(self, source, name, done)

    def open_picture(self, picture: Picture) -> None:
        """Open it as a new document beside this one."""
        self._worker.open_picture(picture)

    def notice(self, message: str, advice: str = "", *, error: bool = False) -> None:
        self.noticed.emit(Notice(message, advice, error))

    # The edit and its candidates

    def redo(self) -> None:
        """A layer that comes again is the active one, as it was when it first came."""
        before = {layer.id for layer in self.history.document.layers}
        self.model.redo()
        again = [layer.id for layer in self.history.document.layers if layer.id not in before]
        if again:
            self.activate_layer(again[-1])

    def free(self) -> bool:
        """Whether an edit can start now; where another one runs, that is said."""
        if self.jobs.busy:
            self.notice("An edit is running.", "Wait until it is done, or stop it first.")
        return not self.jobs.busy

    def run(self, planned: Plan | None = None, *, before: Draft | None = None) -> None:
        """Start the edit, unless one is running; candidates that were not accepted are discarded. `before`: the draft to go back to if nothing comes
        of it; the last step of the history, which prepared the edit, is undone then.
        """
        if not self.free():
            return
        self.model.stepping.emit()  # what is being painted counts
        edit_job = self._asked(planned or self.plan)
        if edit_job is None:
            return
        if self.live.result is not None and edit_job.draft.seed is None:
            edit_job = replace(edit_job, draft=replace(edit_job.draft, seed=self.live.seed, frame=self.live.pinned))
        self.live.switch(False)
        self.start(edit_job)
        if before is not None and self.job is not None:
            self._preparation = Preparation.of_last_step(self.model, before, self.draft)

    def start(self, edit_job: EditJob) -> None:
        """Start exactly this edit in place of whatever there is."""
        if self._preparation is not None and self._preparation.step != self.history.number:
            self._preparation = None
        self.jobs.start(replace(edit_job, step=self.history.number))

    def queue(self) -> None:
        """Do the planned edit after what runs; its results join those that are there."""
        if not self.jobs.busy:
            self.run()
            return
        self.model.stepping.emit()
        edit_job = self._asked(self.plan)
        if edit_job is not None:
            self.jobs.queue(replace(edit_job, step=self.history.number))

    def finish_early(self) -> None:
        """Make what is there into the result, instead of going on."""
        if self.jobs.finish_early():
            self._worker.finish(self)

    def discard(self) -> None:
        """Drop the candidates, or the message of a failed job; the document stays as it is, or is as it was before the edit was prepared. Anything
        still running is stopped.
        """
        self.jobs.drop()
        self._undo_preparation()

    def use_seed(self, candidate: Candidate) -> None:
        """Make the next run give this candidate's picture again, and no other."""
        seed = candidate.result.recipe.seed
        self.set_draft(seed=seed, variations=1)
        self.notice(f"The next run uses the seed {seed} and makes one picture.")

    def accept(self) -> None:
        """Keep the candidate that is shown: it becomes a layer. The rest of its edit is stopped; what changes other parts of the picture stays
        to be chosen, and other edits go on. One that was set aside is shown again first.

        Of several strengths, the one that is kept is set for what comes next; so are the values of a stop that is shown in its place.
        """
        job = self.job
        if self.live.on and (job is None or job.laid is None):
            self._accept_live()
            return
        if job is None or job.candidates.current is None:
            return
        if job.laid is None:  # set aside: nobody keeps what they do not see
            self.choose(job.candidates.place)
            return
        candidate, stop = job.candidates.current, self.scrub.shown
        self._preparation = None
        self.jobs.close_edit(candidate)
        if candidate.strength is not None:
            self.set_draft(strength=candidate.strength)
        if stop is not None:
            draft = stop.edit_job.draft
            self.set_draft(strength=draft.strength, guidance_scale=draft.guidance_scale)
        self.model.stepping.emit()
        self._keep(candidate if stop is None else stop)

    def _accept_live(self) -> None:
        """Keep the live result as soon as it is one of what is painted now."""
        self.model.stepping.emit()
        if self.live.keep_when_ready() and self.live.candidate is not None:
            candidate = self.live.candidate
            self.live.accepted()
            self._keep(candidate)

    def _keep(self, candidate: Candidate) -> None:
        """A result becomes a layer."""
        edit_job = candidate.edit_job
        label, document = apply_result(
            self.history.document, candidate.result, edit_job.document, edit_job.planned, self.methods
        )
        layer = layer_of_result(document, candidate.result).id
        self.reruns.accepted(document)
        self.commit(label, document, by_hand=False)
        if candidate.result.latents is not None:
            self.edge_repairs.remember(layer, candidate)
        self.activate_layer(layer)
        active = None if self.draft.exemplar is None else document.exemplar(self.draft.exemplar)
        if active is not None and not active.visible:
            self.activate()  # it is part of the picture now, and nobody sees it: the next stroke is for the picture
        if self.draft.frame != document.rect:
            self.set_draft(frame=None)  # it was drawn for this edit; the next one is elsewhere

    def reopen(self, label: str, reopened: Document) -> None:
        """Go back to what an edit was made from, as one step, until its new result is accepted or `leave_rerun` is called. The draft follows."""
        self.discard()
        self.commit(label, reopened, by_hand=False)

    def leave_rerun(self) -> None:
        """Do not run the reopened edit again: what was put away for it comes back, and the draft is as it was."""
        self.discard()
        self.reruns.leave()

    def snapshot(self) -> None:
        """Keep what live shows as a card beside the others, to compare and to return to."""
        candidate = self.live.candidate
        if candidate is not None:
            self.jobs.put_aside(self.scrub.shown or candidate)

    def return_to(self, candidate: Candidate) -> None:
        """Go back to what a candidate was made from: its maps, exemplars and items, words and strength. The layers stay as they are."""
        then, draft = candidate.edit_job.document, candidate.edit_job.draft
        document = replace(self.history.document, exemplars=then.exemplars, items=then.items)
        for name in MAPS:
            document = document.with_map(name, then.map(name))
        kept = {name: getattr(draft, name) for name in ("prompt", "negative_prompt", "strength")}
        if type(draft.settings) is type(self.draft.settings):
            kept["settings"] = draft.settings
        self.commit("Return to a snapshot", document)
        self.set_draft(**kept)

    # Called by the program around it while a job runs

    def report(self, report: Report) -> None:
        if isinstance(report, ResultReady):
            self.job_result(report.result)
        else:
            self.jobs.report(report)

    def job_waits(self) -> None:
        """Another document's edit comes first."""
        self.jobs.waits()

    def job_result(self, result: EditResult) -> None:
        """One more candidate is finished."""
        if self.job is None or not self.job.busy:
            return
        edit_job = self.job.edit_job
        self.jobs.report(ResultReady(result))
        weak = result.recipe.strength < max(edit_job.strengths, default=0.0)  # a stronger one shows more
        if edit_job.edit is not self._edit_of_nothing and not weak and came_to_nothing(edit_job.document, result):
            self._edit_of_nothing = edit_job.edit  # once for all that are made of it
            self.notice(NOTHING_CAME, NOTHING_ADVICE)

    def job_finished(self) -> None:
        """Nothing more will come of this edit: what waits begins, or the candidates wait for a choice."""
        if not self.jobs.finished(aside=self.in_gesture):
            self._undo_preparation()

    def job_cancelled(self) -> None:
        """It was stopped. Finished candidates can still be chosen."""
        self.job_finished()

    def job_failed(self, error: EditorError) -> None:
        if not self.jobs.failed(error, aside=self.in_gesture):
            self._undo_preparation()
        self.notice(error.message, error.advice, error=True)

    # Between the parts

    def _make(self, edit_job: EditJob) -> None:
        self._worker.run(self, edit_job)

    def _end(self) -> None:
        self._worker.stop(self)

    def _make_live(self, edit_job: EditJob) -> None:
        self._worker.live(self, edit_job)

    def _end_live(self) -> None:
        self._worker.end_live(self)

    def _make_scrub(self, edit_job: EditJob) -> None:
        self._worker.scrub(self, edit_job)

    def _end_scrub(self, forget: bool) -> None:
        self._worker.end_scrub(self, forget=forget)

    def _asked(self, planned: Plan) -> EditJob | None:
        """What a press on the button means now; None, with a notice, where it can do nothing."""
        if planned.action is None:
            self.notice(planned.reason)
            return None
        return EditJob.of(planned, self.document, self.draft_for(planned), methods=self.methods)

    def _set_aside(self, document: Document) -> None:
        """Results lie over nothing that is being painted or moved."""
        if self.scrub.follows(document):
            return  # a slider is moved that the results follow
        if self.job is not None and self.job.seen and looks_different(self.document, document):
            self.jobs.set_aside()

    def _follow_undone(self) -> None:
        if self.jobs.follow_undone(self._undone):
            self._preparation = None

    def _undone(self, edit_job: EditJob) -> bool:
        """Whether what an edit was asked of has been undone; the layer whose edge is mended may also have been deleted."""
        if edit_job.snapshot:
            return False
        if edit_job.mend is not None:
            return self.history.document.layer(edit_job.mend.layer) is None
        return not self.history.holds(edit_job.step)

    def _undo_preparation(self) -> None:
        """Nothing comes of the edit."""
        preparation, self._preparation = self._preparation, None
        if preparation is not None:
            preparation.undo(self.model, self.state, self.reruns.as_it_can_be)


def looks_different(before: Document, after: Document) -> bool:
    """Whether somebody who changes one into the other would want to see it: pixels, maps, and things where they are shown."""
    maps = any(before.map(name) is not after.map(name) for name in MAPS)
    return maps or bool(touches(before, after)) or bool(picture_changes(before, after))
