"""Scrub: results for other values of an edit's sliders, made in idle time, and shown while such a slider is moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal

from editor.document.document import Document
from editor.edits.scrubbing import Knob, Parameter, knobs, stops
from editor.errors import EditorError, InvalidRequest
from editor.planning.plan import Draft
from editor.requests.results import EditResult
from widgets.session.document_model import DocumentModel
from widgets.session.edit_job import Candidate, EditJob
from widgets.session.edit_state import EditState
from widgets.session.jobs import Jobs
from widgets.session.live import Live

REST = 500  # milliseconds without a change before the first stop is asked for
MAX_BYTES: Final = 192 * 2**20  # of all stops of a document
SAME = 1e-6  # closer than this is the same value

State = tuple[Document, Draft]


class Scrub(QObject):
    """The stops of one document: what its present result would be with one parameter at another value.

    The *base* is the result that the canvas shows, of the strip or of live. A *stop* is the base's edit with one parameter at another value. What was
    a base and differs from the present one in such a parameter stays as a stop.

    shown: the stop that the canvas shows in place of the base; None where it shows the base.

    shown_changed(): another stop is to be seen, or none.
    changed(): there is another stop, or `words` are others.
    start_requested(edit_job): the worker is to make this, when it has nothing else to do.
    stop_requested(forget): the worker is to make none; `forget`: and to keep nothing that it kept for the next.
    """

    shown_changed = Signal()
    changed = Signal()
    start_requested = Signal(object)
    stop_requested = Signal(bool)

    def __init__(self, model: DocumentModel, state: EditState, jobs: Jobs, live: Live) -> None:
        super().__init__()
        self._model, self._edit_state, self._jobs, self._live = model, state, jobs, live
        self.shown: Candidate | None = None
        self._base: Candidate | None = None
        self._stops: list[Candidate] = []
        self._knob: Knob | None = None  # the one that is at another value than that of the base
        self._home: State | None = (
            None  # the sliders as they were when somebody chose the base; None once they were moved
        )
        self._asked: EditJob | None = None
        self._refused: set[tuple[Knob, float]] = set()  # what came to nothing, by the grade of its value
        self._used = self._ended = self._gave_up = False
        self._heard: object = ("", None, ())  # what `changed` told last
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._ask)
        for signal in (
            jobs.shown_changed,
            jobs.candidates_changed,
            jobs.progressed,
            live.shown_changed,
            live.changed,
            model.shown,
            state.draft_changed,
        ):
            signal.connect(self._follow)

    # What there is to see

    @property
    def pending(self) -> EditJob | None:
        """What the worker makes, or will when it has nothing else to do."""
        return self._asked

    def marks(self, parameter: Parameter) -> tuple[float, ...]:
        """The values of a parameter that results are ready for; none but that of the base is as good as none."""
        base = self._base
        if base is None:
            return ()
        knob = next((one for one in self._knobs(base) if one.parameter == parameter), None)
        line = [] if knob is None else self._line(knob, base)
        return tuple(sorted(_value(knob, one) for one in line)) if knob is not None and len(line) > 1 else ()

    @property
    def exact(self) -> bool:
        """Whether what is shown is of the value that is set."""
        return self._knob is None or self._base is None or abs(self._wish(self._knob) - self._seen(self._knob)) < SAME

    @property
    def seen(self) -> str:
        """The parameter that was moved and the value that is shown, for people; nothing where none was moved, or there is nothing but the base."""
        knob, base = self._knob, self._base
        if knob is None or base is None or len(self._line(knob, base)) < 2:
            return ""
        return knob.words(self._seen(knob))

    @property
    def words(self) -> str:
        """What is shown and what Enter keeps, where a slider has been moved."""
        if not self.seen:
            return ""
        if self.exact:
            return f"Shown: {self.seen}. Enter keeps it."
        return f"Shown: {self.seen}, the nearest that is ready. Enter keeps that one."

    def _seen(self, knob: Knob) -> float:
        assert self._base is not None
        return _value(knob, self.shown or self._base)

    def _wish(self, knob: Knob) -> float:
        base = self._base
        state = None if base is None else self._present(base, self._model.document)
        assert base is not None
        return _value(knob, base) if state is None else knob.value(*state)

    def follows(self, document: Document) -> bool:
        """Whether the present result, or a stop of it, shows also what comes of this document."""
        base = self._base
        if base is None or self._covered:
            return False
        state = self._present(base, document)
        return state is not None and any(knob.joins(state, _state(base)) for knob in self._knobs(base))

    # What is based on what

    @property
    def _covered(self) -> bool:
        """Whether another candidate is looked at than the one that is chosen."""
        job = self._jobs.current
        return job is not None and job.candidates.peeked is not None

    def _present_base(self) -> Candidate | None:
        """The result that the canvas shows, with its seed and frame."""
        job = self._jobs.current
        if job is not None and job.candidates and not job.aside:
            return _pinned(job.candidates[job.candidates.chosen])
        candidate = self._live.candidate if self._live.on else None
        return None if candidate is None else _pinned(candidate)

    def _of_live(self, base: Candidate) -> bool:
        return self._live.on and base.result is self._live.result

    def _present(self, base: Candidate, document: Document) -> State | None:
        """The edit that the sliders mean now, with the seed and the frame of the base; None where it is about something else."""
        of, state = base.edit_job, self._edit_state
        if not replace(document, exemplars=of.document.exemplars).same_as(of.document):
            return None  # first: to plan takes long for every dab
        draft = state.draft_for(of.planned)
        if draft.seed not in (None, of.draft.seed) or draft.frame not in (None, of.draft.frame):
            return None
        draft = replace(draft, seed=of.draft.seed, frame=of.draft.frame, variations=1, touched=())
        if state.plan.about == of.planned.about:  # whatever is active, it is about the same things
            active = {name: getattr(of.draft, name) for name in ("item", "exemplar", "scribble")}
            draft = replace(draft, **active)
        return document, draft

    def _knobs(self, base: Candidate) -> tuple[Knob, ...]:
        return knobs(*_state(base), base.edit_job.planned)

    def _line(self, knob: Knob, base: Candidate) -> list[Candidate]:
        """The base, and all that differs from it in nothing but this parameter."""
        job = self._jobs.current
        others = [] if job is None else [_pinned(one) for one in job.candidates]
        state = _state(base)
        line = [base]
        for one in (*self._stops, *others):
            known = any(one.result is other.result for other in line)
            if not known and knob.joins(_state(one), state):
                line.append(one)
        return line

    # What happens

    def _follow(self, *_: object) -> None:
        """Something has changed: find out what is to be shown, and whether what is made is still wanted."""
        base, before = self._present_base(), self._base
        if base is None or before is None or base.result is not before.result:
            self._take(base)
        shown = self._nearest()
        different = (None if shown is None else shown.result) is not (None if self.shown is None else self.shown.result)
        self.shown = shown
        if self._asked is not None and not self._wanted:
            self._end(forget=False)
        if self._wanted and self._asked is None:
            self._timer.start(REST)
        elif not self._wanted:
            self._timer.stop()
        if different:
            self.shown_changed.emit()
        self._tell()

    def _take(self, base: Candidate | None) -> None:
        """Another base; what was made for the one before stays where it is of use."""
        before, self._base, self._gave_up = self._base, base, False
        self._refused.clear()
        if base is None:
            self._stops = []
            if before is not None:
                self._end(forget=True)
            return
        # Of live the sliders are always meant; a card that was made at another value is shown until one of them is moved.
        self._home = None if self._of_live(base) else self._present(base, self._model.document)
        known = [*self._stops, *([] if before is None else [before])]
        state = _state(base)
        turned = self._knobs(base)
        self._stops = [
            one
            for one in known
            if one.result is not base.result and any(knob.joins(_state(one), state) for knob in turned)
        ]
        if self._asked is not None and not any(knob.joins(_job_state(self._asked), state) for knob in turned):
            self._end(forget=False)

    def _nearest(self) -> Candidate | None:
        """The stop that is to be shown."""
        base, self._knob = self._base, None
        state = None if base is None or self._covered else self._present(base, self._model.document)
        if base is None or state is None:
            return None
        if self._home is not None:
            if self._home[0].same_as(state[0]) and self._home[1] == state[1]:
                return None
            self._home = None
        for knob in self._knobs(base):
            wish = knob.value(*state)
            if abs(wish - _value(knob, base)) >= SAME and knob.joins(state, _state(base)):
                self._knob = knob
                line = self._line(knob, base)
                best = min(line, key=lambda one: abs(_value(knob, one) - wish))  # the base is the first of equals
                return None if best is base else best
        return None

    @property
    def _wanted(self) -> bool:
        """Whether there is something to make stops of, and nothing else to do."""
        live = self._live
        if self._base is None or self._ended or self._gave_up or self._jobs.busy or self._model.in_gesture:
            return False
        if live.on and live.state == "computing":
            return False
        return self.follows(self._model.document) and sum(_bytes(one) for one in self._stops) < MAX_BYTES

    def _ask(self) -> None:
        """Have the next stop made: of the parameter that was moved first, the nearest value first."""
        base = self._base
        if base is None or self._asked is not None or not self._wanted:
            return
        knob, value = next(self._missing(base), (None, 0.0))
        if knob is None:
            return
        of = base.edit_job
        document, draft = knob.at(*_state(base), value)
        reach = of.method.reach(document, draft, of.planned)
        self._asked = replace(of, document=document, draft=draft, rect=reach)
        self._used = True
        self.start_requested.emit(self._asked)

    def _missing(self, base: Candidate) -> Iterator[tuple[Knob, float]]:
        """All stops that are still to be made."""
        turned = sorted(self._knobs(base), key=lambda knob: knob != self._knob)
        for knob in turned:
            draft = base.edit_job.draft
            ready = [_value(knob, one) for one in self._line(knob, base)]
            for value in stops(knob, draft, self._wish(knob), ready):
                if (knob, knob.grade(draft, value)) not in self._refused:
                    yield knob, value

    def _tell(self) -> None:
        heard = self.words, self._base, tuple(self._stops)  # by identity, as results are
        if heard != self._heard:
            self._heard = heard
            self.changed.emit()

    def _end(self, *, forget: bool) -> None:
        self._timer.stop()
        self._asked = None
        if self._used:
            self._used = not forget
            self.stop_requested.emit(forget)

    # Called by the program around it

    def finished(self, edit_job: EditJob, result: EditResult) -> None:
        """A stop is made."""
        if edit_job is not self._asked:
            return
        self._asked = None
        self._stops.append(Candidate(result, edit_job))
        self._follow()
        if self._wanted:
            self._timer.start(0)

    def failed(self, edit_job: EditJob, error: EditorError) -> None:
        """Nothing came of a stop, which nobody had asked for. Where the value is to blame the others are made, else none."""
        base = self._base
        if edit_job is not self._asked or base is None:
            return
        self._asked = None
        self._gave_up = not isinstance(error, InvalidRequest)
        for knob in self._knobs(base):
            value = knob.value(*_job_state(edit_job))
            if abs(value - _value(knob, base)) >= SAME:
                self._refused.add((knob, knob.grade(edit_job.draft, value)))
        self._follow()

    def interrupted(self, *, again: bool) -> None:
        """What was asked for is not made: something else came first. `again`: it may be asked for again when there is time."""
        if self._asked is not None:
            self._asked = None
            self._timer.stop()
            if again and self._wanted:
                self._timer.start(REST)

    def begin_again(self) -> None:
        """Whether stops are made at all may be another matter now."""
        self._end(forget=True)
        self._stops, self._gave_up = [], False
        self._follow()

    def end(self) -> None:
        """The document is closed: nothing is asked for any more, and nothing is kept."""
        self._ended = True
        self._end(forget=True)


def _pinned(candidate: Candidate) -> Candidate:
    """With an edit that makes exactly this result again, and only this."""
    of, recipe = candidate.edit_job, candidate.result.recipe
    frame = recipe.rect if of.draft.settings.needs_model else of.draft.frame
    strength = of.draft.strength if candidate.strength is None else candidate.strength
    draft = replace(of.draft, seed=recipe.seed, frame=frame, strength=strength, variations=1, touched=())
    return replace(candidate, edit_job=replace(of, draft=draft, wanted=1, strengths=()))


def _state(candidate: Candidate) -> State:
    return _job_state(candidate.edit_job)


def _job_state(edit_job: EditJob) -> State:
    return edit_job.document, edit_job.draft


def _value(knob: Knob, candidate: Candidate) -> float:
    return knob.value(*_state(candidate))


def _bytes(candidate: Candidate) -> int:
    latents = candidate.result.latents
    return candidate.result.pixels.nbytes + (0 if latents is None else latents.nbytes)
