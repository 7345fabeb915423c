"""Session: the thin controller between one document and the widgets that show it.

To the document, its history and the draft of the next edit it adds the job that runs. Widgets call its methods and listen to its signals;
they never reach for one another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath

from PySide6.QtCore import Signal

from editor.document.document import MAPS, Document, picture_changes
from editor.document.history import DEFAULT_BUDGET
from editor.document.rerun import Rerun
from editor.edits.apply import apply_result, layer_of_result, with_repaired
from editor.edits.rerun import draft_again, restored
from editor.edits.warnings import NOTHING_ADVICE, NOTHING_CAME, beyond_toys, came_to_nothing
from editor.errors import EditorError, InvalidRequest
from editor.io.files import FileState
from editor.io.images import Picture
from editor.methods.registry import METHODS, Methods
from editor.models.device import installed
from editor.models.info import ModelInfo
from editor.planning.draft import Draft
from editor.planning.plan import Plan, touches
from editor.requests.edit_request import Repair, SegmentRequest
from editor.requests.reports import Report, ResultReady
from editor.requests.results import Assessment, EditResult, Masks, Recipe
from widgets.session.edit_state import EditState
from widgets.session.job import MENDING, Candidate, EdgeRepairJob, EditJob, Job
from widgets.session.worker import Worker

SEEN = 1.0  # a seam is visible from here on
OFFERED: tuple[Repair, ...] = ("poisson", "decoder")
OUTDATED = "You have undone what this was made from."
ASIDE = "Set aside while you work.\nPoint at one to see it."


@dataclass(frozen=True, slots=True)
class Notice:
    """A passing message. `error`: it went wrong (shown until the person goes on to something else); `lasts`: what it says goes on, so it is shown
    until it is closed or withdrawn; `advice`: what to do about it; `offers`: what a click does, in words, with what does it.
    """

    message: str
    advice: str = ""
    error: bool = False
    offers: tuple[tuple[str, Callable[[], None]], ...] = ()
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class _Back:
    """What is undone where nothing comes of an edit. `step`: the number of the step of the history that prepared it; `document` and `draft`: as they
    were before that, `prepared` and `ready`: the draft and the document as they were after it.
    """

    step: int
    draft: Draft
    prepared: Draft
    document: Document
    ready: Document


class Session(EditState):
    """One open document. `name`: what its tab says; `path`: the project file that holds it, if any; `on_disk`: what that was like when it was last
    read or written here. `goes_on`: it was edited before, and begins with
    the method and the model of its last edit, as far as they are here.

    Signals beside `document_changed` and `active_changed`: `job_changed(job)` with a `Job` or None; `models_changed()`;
    `noticed(notice)` with a `Notice`.
    """

    job_changed = Signal(object)
    models_changed = Signal()
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
        super().__init__(document, budget, methods)
        self.name = name
        self.path = path
        self.on_disk: FileState | None = None
        self.job: Job | None = None
        self._worker = worker
        self._accepted: dict[int, Candidate] = {}  # by the layer that each became
        self._back: _Back | None = None  # how it was before what runs now was asked for
        self._told_of: object = None  # the edit of which somebody was told that nothing came of it
        self._used = ""  # the key of the model in use when this document looked last
        self._outside: Draft | None = None  # as it was before an edit was reopened
        self._left: tuple[Rerun, Draft] | None = None  # how an edit was reopened, and the draft when that was left
        self._rerun = document.rerun
        self._first = self.draft
        self._last = last_edit(document)  # until it is known which models there are
        self.goes_on = self._last is not None
        self.follow_models()
        if document.rerun is not None:
            self._enter_rerun()

    def saved(self, path: Path, document: Document, on_disk: FileState | None = None) -> None:
        """`path` now holds `document`. `on_disk`: what the file is like by that."""
        self.path, self.on_disk = path, on_disk
        self.name = path.stem
        self.history.mark_saved(document)
        self.active_changed.emit()

    def cut_loose(self) -> None:
        """No file holds it any more: what it was opened from holds something else."""
        self.path, self.on_disk = None, None
        self.name = f"{self.name} (mine)"
        self.history.mark_unsaved()
        self.active_changed.emit()

    # Models

    def models(self) -> Sequence[ModelInfo]:
        """Those that can be used."""
        return [model for model in self._worker.models() if model.usable]

    def show_models(self) -> None:
        """Open the page where models are added and got."""
        self._worker.show_models()

    def use_model(self, model: ModelInfo) -> None:
        """Use it from now on, in later documents too."""
        self._used = model.key
        self.choose_model(model)
        self._worker.use_model(model.key)

    def follow_models(self) -> None:
        """Called when models came or went, or another is in use: this document goes on with its own as long as it can."""
        models, held, used = self.models(), self.draft.model, self._worker.used_model()
        by_key = {model.key: model for model in models}
        keys = [used, held.key if held is not None else ""]
        if held is not None and used == self._used:
            keys.reverse()
        self._used = used
        found = (by_key[key] for key in keys if key in by_key)
        self.choose_model(next(found, next(iter(models), None)))
        if models:
            self._go_on()
        self.models_changed.emit()

    def model_of(self, key: str) -> ModelInfo | None:
        """The model of a key; on another machine the one whose folder or file is called the same."""
        models = self.models()
        same = (each for each in models if each.key == key)
        alike = (each for each in models if key and each.path.name == PurePath(key).name)
        return next(same, None) or next(alike, None)

    def _go_on(self) -> None:
        """Begin where the last edit ended. Not where somebody chose otherwise while the models were looked for, and not with a method that has
        nothing but toys for this picture.
        """
        last, self._last = self._last, None
        untouched = replace(self._first, model=self.draft.model, touched=self.draft.touched) == self.draft
        if last is None or self.methods.find(last.settings) is None or not last.settings.needs_model:
            return
        if not untouched or not installed():
            return
        own = self.model_of(last.model)
        if own is not None:
            self.choose_model(own)
        if own is not None or not beyond_toys(self.document, self.draft):
            self.choose_method(type(last.settings))

    # The edit and its job

    def run(self, planned: Plan | None = None, *, before: Draft | None = None) -> None:
        """Start the edit, unless one is running; candidates that were not accepted are discarded. `before`: the draft to go back to if nothing comes
        of it; the last step of the history, which prepared the edit, is undone then.
        """
        if not self.free():
            return
        self.stepping.emit()  # what is being painted counts
        asked = self._asked(planned or self.plan)
        if asked is not None:
            self.start(asked)
            if before is not None and self.job is not None:
                at = max(0, self.history.index - 1)
                document = self.history.entries[at].document
                self._back = _Back(self.history.number, before, self.draft, document, self.history.document)

    def free(self) -> bool:
        """Whether an edit can start now; where another one runs, that is said."""
        busy = self.job is not None and self.job.busy
        if busy:
            self.notice("An edit is running.", "Wait until it is done, or stop it first.")
        return not busy

    def start(self, asked: EditJob) -> None:
        """Start exactly this edit in place of whatever there is."""
        asked = self._from_here(asked)
        self._drop_job()
        if self._back is not None and self._back.step != self.history.number:
            self._back = None
        self._set_job(Job(asked))
        self._worker.run(self, asked)

    def queue(self) -> None:
        """Do the planned edit after what runs; its results join those that are there."""
        if self.job is None or not self.job.busy:
            self.run()
            return
        self.stepping.emit()
        asked = self._asked(self.plan)
        if asked is not None and self.job.state != "stopping":
            self._set_job(replace(self.job, waiting=(*self.job.waiting, self._from_here(asked))))

    def drop_waiting(self) -> None:
        """Forget what was queued last."""
        if self.job is not None and self.job.waiting:
            self._set_job(replace(self.job, waiting=self.job.waiting[:-1]))

    def stop(self) -> None:
        """End what runs, and what waits with it."""
        if self.job is not None and self.job.busy:
            self._set_job(replace(self.job, state="stopping", doing="Stopping", waiting=()))
            self._worker.stop(self)

    def finish_early(self) -> None:
        """Make what is there into the result, instead of going on."""
        if self.job is not None and self.job.state == "running" and self.job.preview is not None:
            self._set_job(replace(self.job, state="stopping", doing="Keeping what is there"))
            self._worker.finish(self)

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

    def choose(self, index: int) -> None:
        """Show another of the job's candidates."""
        if self.job is not None and 0 <= index < len(self.job.candidates):
            self._set_job(replace(self.job, chosen=index, touched=True, peeked=None, aside=False))

    def step(self, by: int) -> None:
        """Choose the one that many places on from what is shown, round and round."""
        if self.job is not None and self.job.candidates:
            self.choose((self.job.place + by) % len(self.job.candidates))

    def peek(self, index: int | None) -> None:
        """Show one of the job's candidates for a moment, without choosing it; None shows the chosen one again."""
        if self.job is None:
            return
        peeked = None
        if index is not None and 0 <= index < len(self.job.candidates):
            peeked = self.job.results[index]
        if peeked is not self.job.peeked:
            self._set_job(replace(self.job, peeked=peeked))

    def show(self, document: Document) -> None:
        """As of any open document; results lie over nothing that is being painted or moved."""
        if document is not self.history.document:
            self._step_aside(document)
        super().show(document)

    def commit(self, label: str, document: Document, merge: Hashable | None = None, *, by_hand: bool = True) -> None:
        if by_hand:
            self._step_aside(document)
        super().commit(label, document, merge, by_hand=by_hand)

    def _step_aside(self, document: Document) -> None:
        job, before = self.job, self.document
        if job is None or not job.seen or not looks_different(before, document):
            return
        if not job.candidates:
            self.notice(
                "The preview is out of sight while you change the picture.", "You see the result when it is done."
            )
        self._set_job(replace(job, aside=True, peeked=None))

    def hold(self, held: bool) -> None:
        """While a hand is over the candidates, they stay where they are."""
        if self.job is not None and self.job.held != held:
            self._set_job(self.job.holding(held))

    def more(self) -> None:
        """Make as many variations again of the edit whose candidate is shown; they join what is there."""
        if self.job is not None and self.job.more is not None:
            self._begin_next(replace(self.job, waiting=(self.job.more,)))

    def use_seed(self, candidate: Candidate) -> None:
        """Make the next run give this candidate's picture again, and no other."""
        seed = candidate.result.recipe.seed
        self.set_draft(seed=seed, variations=1)
        self.notice(f"The next run uses the seed {seed} and makes one picture.")

    def accept(self) -> None:
        """Keep the candidate that is shown: it becomes a layer. The rest of its edit is stopped; what changes other parts of the picture stays
        to be chosen, and other edits go on. One that was set aside is shown again first.

        Of several strengths, the one that is kept is set for what comes next.
        """
        if self.job is None or self.job.candidate is None:
            return
        if self.job.laid is None:  # set aside: nobody keeps what they do not see
            self.choose(self.job.place)
            return
        candidate = self.job.candidate
        self._back = None
        self._let_go(candidate)
        if candidate.strength is not None:
            self.set_draft(strength=candidate.strength)
        self.stepping.emit()
        asked = candidate.asked
        label, document = apply_result(
            self.history.document, candidate.result, asked.document, asked.planned, self.methods
        )
        layer = layer_of_result(document, candidate.result).id
        if self._outside is not None and document.rerun is None:
            # What was chosen for this edit stays chosen, as after any other, but for the seed, with which the next would come out the same, and the
            # rules that it was made by, which may be older ones.
            self._outside = replace(self.draft, seed=self._outside.seed, revision=self._outside.revision)
        self.commit(label, document, by_hand=False)
        self._remember(layer, candidate)
        self.activate_layer(layer)
        active = None if self.draft.exemplar is None else document.exemplar(self.draft.exemplar)
        if active is not None and not active.visible:
            self.activate()  # it is part of the picture now, and nobody sees it: the next stroke is for the picture
        if self.draft.frame != document.rect:
            self.set_draft(frame=None)  # it was drawn for this edit; the next one is elsewhere

    def can_mend(self, layer: int) -> bool:
        """Whether the edge of this layer could be mended now: an edit of this sitting made it, and nothing is going on."""
        found, candidate = self.history.document.layer(layer), self._accepted.get(layer)
        return self.job is None and found is not None and found.recipe is not None and candidate is not None

    def mend(self, layer: int, how: Repair) -> None:
        """Make the edge of an accepted result better, in the background; the layer then changes in one step."""
        if self.can_mend(layer):
            self.start(EdgeRepairJob(self._accepted[layer], layer, how).asked)

    # Running again

    def reopen(self, label: str, reopened: Document) -> None:
        """Go back to what an edit was made from, as one step, until its new result is accepted or `leave_rerun` is called. The draft follows."""
        self.discard()
        self.commit(label, reopened, by_hand=False)

    def leave_rerun(self) -> None:
        """Do not run the reopened edit again: what was put away for it comes back, and the draft is as it was."""
        self.discard()
        entries, index, rerun = self.history.entries, self.history.index, self.history.document.rerun
        if rerun is None:
            return
        if index > 0 and entries[index - 1].document.rerun is None:  # nothing has been changed since
            self.undo()
        else:
            self.commit("Leave “Run again”", restored(self.history.document), by_hand=False)

    def _arrive(self) -> None:
        super()._arrive()
        self._follow_rerun()
        self._follow_undone()

    def _follow_rerun(self) -> None:
        """The draft goes with the document, into a rerun and out of it, also by undo and redo."""
        before, now = self._rerun, self.history.document.rerun
        self._rerun = now
        if before is not None and now is not None:
            if before.layer != now.layer:  # from one to another; what was chosen outside of both stays noted
                self._take_reopened()
        elif now is None and before is not None:
            self._left = before, self.draft
            outside, self._outside = self._outside, None
            if outside is not None:
                self.take_draft(self._as_it_can_be(outside))
        elif now is not None and self._outside is None:  # by redo
            self._enter_rerun()

    def _enter_rerun(self) -> None:
        """The document says that an edit is being run again: the draft is that of the edit."""
        self._outside = self.draft
        self._take_reopened()

    def _take_reopened(self) -> None:
        if (
            self._left is not None and self._left[0] is self.history.document.rerun
        ):  # what was changed before leaving is not lost
            self.take_draft(self._as_it_can_be(self._left[1]))
            return
        with contextlib.suppress(InvalidRequest):  # its layer has been deleted
            self._take_recipe(*draft_again(self.history.document))

    def _take_recipe(self, draft: Draft, model: str) -> None:
        held = self.draft.model
        here = self.model_of(model)
        if model and here is None:
            with_what = "Choose or get one." if held is None else f"It will run with {held.name}, and look different."
            self.notice("The model that made it is not here.", with_what)
        self.take_draft(replace(draft, model=here or held, variations=self.draft.variations))

    def _as_it_can_be(self, draft: Draft) -> Draft:
        """An earlier draft, as far as what it names is still there."""
        document = self.history.document
        hint = None if draft.scribble is None else document.layer(draft.scribble)
        return replace(
            draft,
            item=draft.item if draft.item is not None and document.item(draft.item) else None,
            exemplar=draft.exemplar if draft.exemplar is not None and document.exemplar(draft.exemplar) else None,
            scribble=draft.scribble if hint is not None and hint.visible else None,
            model=draft.model if draft.model in self.models() else self.draft.model,
            variations=self.draft.variations,
        )

    # What was undone

    def _from_here(self, asked: EditJob) -> EditJob:
        return replace(asked, step=self.history.number)

    def _undone(self, asked: EditJob) -> bool:
        """Whether what an edit was asked of has been undone; the layer whose edge is mended may also have been deleted."""
        if asked.mend is not None:
            return self.history.document.layer(asked.mend.layer) is None
        return not self.history.holds(asked.step)

    def _follow_undone(self) -> None:
        """End what is being made, and what waits, from a state that has been undone. Finished candidates of such a state say so, and stay: they
        took their time, and can be accepted all the same.
        """
        job = self.job
        if job is None:
            return
        after = job.with_outdated(self._undone)
        waiting = tuple(each for each in job.waiting if not self._undone(each))
        after = after if waiting == job.waiting else replace(after, waiting=waiting)
        ends = job.state in ("waiting", "running") and self._undone(job.asked)
        if ends:
            self._worker.stop(self)
            self.notice("The edit was stopped: what it was made from has been undone.", "Run it again from here.")
        elif any(each.outdated for each in after.candidates) and after.candidates != job.candidates:
            self.notice(OUTDATED, "Accept what is shown all the same, or discard it.")
        if ends:
            self._back = None
        if ends and after.waiting:
            self._begin_next(after)
        elif ends:
            self._set_job(replace(after, state="ready", preview=None) if after.candidates else None)
        elif after is not job:
            self._set_job(after)

    def _let_go(self, candidate: Candidate) -> None:
        """Go on without a candidate and its alternatives."""
        if self.job is None:
            return
        job = self.job.without(candidate)
        ended = job.asked.edit is candidate.asked.edit or not job.busy
        if ended and job.busy:
            self._worker.stop(self)
        if ended and job.waiting:
            self._begin_next(job)
        elif ended:
            self._set_job(replace(job, state="ready", preview=None) if job.candidates else None)
        else:
            self._set_job(job)

    def discard(self) -> None:
        """Drop the candidates, or the message of a failed job; the document stays as it is, or is as it was before the edit was prepared. Anything
        still running is stopped.
        """
        self._drop_job()
        self._go_back()

    def _drop_job(self) -> None:
        if self.job is not None:
            if self.job.busy:
                self._worker.stop(self)
            self._set_job(None)

    def _go_back(self) -> None:
        """Nothing comes of the edit: undo what only prepared it. What was done since stays."""
        back, self._back = self._back, None
        if back is None:
            return
        untouched = self.draft.item == back.prepared.item and self.draft.exemplar == back.prepared.exemplar
        last, touched = back.prepared.touched[-1:], self.draft.touched
        newer = touched[touched.index(last[0]) + 1 :] if last and last[0] in touched else ()
        if self.history.number == back.step and self.history.can_undo and not self.in_gesture:
            self.take_back()
        elif self.history.holds(back.step):
            self._put_back(back)
        if untouched:
            before = self._as_it_can_be(back.draft)
            touched = before.touching(*newer).touched
            self.set_draft(item=before.item, exemplar=before.exemplar, touched=touched)

    def _put_back(self, back: _Back) -> None:
        """What was selected is selected again, and what it had become leaves, unless somebody has changed either."""
        self.stepping.emit()
        now = self.history.document
        if now.selection is not back.ready.selection:
            return
        made = [item for item in back.ready.items if back.document.item(item.id) is None]
        if any(now.item(item.id) is not item for item in made):
            return
        for item in made:
            now = now.without_item(item.id)
        self.commit("Select again", now.with_map("selection", back.document.selection), by_hand=False)

    def _remember(self, layer: int, candidate: Candidate) -> None:
        """What a layer was made from, as long as it could be mended; where its edge shows, that is offered."""
        if candidate.result.latents is None:
            return
        self._accepted[layer] = candidate
        if candidate.result.seam is not None and candidate.result.seam >= SEEN:
            offers = tuple((MENDING[how], partial(self.mend, layer, how)) for how in OFFERED)
            self.noticed.emit(Notice("Its edge may show.", "Look at it closely; one of these may help.", offers=offers))

    def notice(self, message: str, advice: str = "", *, error: bool = False) -> None:
        self.noticed.emit(Notice(message, advice, error))

    # Called by the program around it while a job runs

    def report(self, report: Report) -> None:
        if isinstance(report, ResultReady):
            self.job_result(report.result)
        elif self.job is not None and self.job.busy:
            self._set_job(self.job.reported(report))

    def job_waits(self) -> None:
        """Another document's edit comes first."""
        if self.job is not None and self.job.state == "waiting":
            self._set_job(replace(self.job, doing="Waiting for another edit"))

    def job_result(self, result: EditResult) -> None:
        """One more candidate is finished."""
        if self.job is not None and self.job.busy:
            asked = self.job.asked
            self._set_job(self.job.with_result(result))
            weak = result.recipe.strength < max(asked.strengths, default=0.0)  # a stronger one shows more
            if asked.edit is not self._told_of and not weak and came_to_nothing(asked.document, result):
                self._told_of = asked.edit  # once for all that are made of it
                self.notice(NOTHING_CAME, NOTHING_ADVICE)

    def job_mended(self, result: EditResult) -> None:
        """The edge is mended: the layer takes the result, wherever it stands by now."""
        mend = None if self.job is None else self.job.asked.mend
        if mend is None:
            return
        self._set_job(None)
        before = self.history.document
        layer = before.layer(mend.layer)
        if layer is not None:
            self.commit(f"{MENDING[mend.how]}: {layer.name}", with_repaired(before, layer, result), by_hand=False)

    def job_finished(self) -> None:
        """Nothing more will come of this edit: what waits begins, or the candidates wait for a choice."""
        if self.job is None or not self.job.busy:
            return
        if self.job.waiting:
            self._begin_next(self.job)
        elif self.job.candidates:
            aside = self.job.aside and self.in_gesture
            self._set_job(replace(self.job, state="ready", preview=None, aside=aside))
        else:
            self._set_job(None)
            self._go_back()

    def job_cancelled(self) -> None:
        """It was stopped. Finished candidates can still be chosen."""
        self.job_finished()

    def job_failed(self, error: EditorError) -> None:
        if self.job is not None and self.job.busy:
            if self.job.candidates or self.job.waiting:
                self.job_finished()
            else:
                self._set_job(replace(self.job, state="failed", error=error, preview=None))
                self._go_back()
        self.notice(error.message, error.advice, error=True)

    def _asked(self, planned: Plan) -> EditJob | None:
        """What a press on the button means now; None, with a notice, where it can do nothing."""
        if planned.action is None:
            self.notice(planned.reason)
            return None
        return EditJob.of(planned, self.document, self.draft_for(planned), methods=self.methods)

    def _begin_next(self, job: Job) -> None:
        job = job.next()
        self._set_job(job)
        self._worker.run(self, job.asked)

    def _set_job(self, job: Job | None) -> None:
        self.job = job
        self.job_changed.emit(job)


def looks_different(before: Document, after: Document) -> bool:
    """Whether somebody who changes one into the other would want to see it: pixels, maps, and things where they are shown."""
    maps = any(before.map(name) is not after.map(name) for name in MAPS)
    return maps or bool(touches(before, after)) or bool(picture_changes(before, after))


def last_edit(document: Document) -> Recipe | None:
    """How the newest edit was made, of those whose method somebody chose: removing and moving have one of their own."""
    recipes = [(layer.id, layer.recipe) for layer in document.layers if layer.recipe is not None]
    chosen = {id: recipe for id, recipe in recipes if recipe.understood and recipe.action in ("fill", "blend")}
    return chosen[max(chosen)] if chosen else None
