"""Job: how far the worker is with what was asked of it, as one value that panels and canvas show."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from editor.errors import EditorError
from editor.geometry import Rect
from editor.requests.reports import Preview, Progress, Report, ResultReady, Scored
from editor.requests.results import EditResult
from widgets.session.candidates import Candidates
from widgets.session.edit_job import Candidate, EditJob

SEEDS = 2**63  # as many as there are
State = Literal["waiting", "running", "stopping", "ready", "failed"]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Progress from the press of the button, through the wait in the queue, to the choice among the results.

    edit_job: what is being made now.
    finished: how many of its results are finished.
    waiting: what was asked for since and comes after it.
    fraction: 0 to 1 of all its results.
    doing: what is being done, for people.
    candidates: the finished results to choose from.
    aside: somebody changes the picture meanwhile, and is to see what they do: nothing that was made lies over it until a result is chosen or
        looked at, or the job is finished.
    started: when, in seconds of `time.monotonic`.
    """

    edit_job: EditJob
    finished: int = 0
    waiting: tuple[EditJob, ...] = ()
    state: State = "waiting"
    fraction: float = 0.0
    doing: str = "Waiting"
    preview: Preview | None = None
    candidates: Candidates = field(default_factory=Candidates)
    aside: bool = False
    error: EditorError | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def label(self) -> str:
        return self.edit_job.planned.label

    @property
    def rect(self) -> Rect:
        """The part of the document that may change, in pixels."""
        return self.edit_job.rect

    @property
    def wanted(self) -> int:
        """How many results there will be, without those of what waits."""
        return len(self.candidates) + self.edit_job.wanted - self.finished

    @property
    def busy(self) -> bool:
        return self.state in ("waiting", "running", "stopping")

    @property
    def keepable(self) -> bool:
        """Whether what the preview shows can be made into a result now. Methods without a model cannot, and are at their end soon."""
        return self.state == "running" and self.preview is not None and self.edit_job.draft.settings.needs_model

    @property
    def more(self) -> EditJob | None:
        """As many again of the edit whose candidate is shown, with the seeds that follow its fixed one, or new ones. None while something is made,
        and where every seed gives the same."""
        candidate = self.candidates.current
        if self.busy or candidate is None or candidate.edit_job.strengths:
            return None
        edit_job, first = candidate.edit_job, candidate.edit_job.draft.seed
        if not edit_job.method.is_stochastic(edit_job.planned):
            return None
        if first is not None:
            seeds = [one.result.recipe.seed for one in self.candidates.of(edit_job)]
            first = (first + 1 + max((seed - first) % SEEDS for seed in seeds)) % SEEDS
        return replace(edit_job, draft=replace(edit_job.draft, seed=first))

    @property
    def laid(self) -> EditResult | None:
        """The result that lies over the picture just now, if any does."""
        return None if self.aside and self.candidates.peeked is None else self.candidates.shown

    @property
    def seen(self) -> bool:
        """Whether the canvas shows a preview or a candidate; nothing should then lie over it."""
        return self.laid is not None or (self.preview is not None and not self.aside)

    @property
    def offers(self) -> bool:
        """Whether there is something to choose from, or will be."""
        return bool(self.candidates) or (self.busy and self.wanted > 1)

    @property
    def done(self) -> float:
        """0 to 1 of all the results of what is being made now."""
        return min(1.0, max(self.fraction, self.finished / self.edit_job.wanted)) if self.busy else 1.0

    def seconds_left(self, now: float | None = None) -> float | None:
        """An estimate from the time it took so far; None before there is enough to go by."""
        elapsed = (time.monotonic() if now is None else now) - self.started
        if not self.busy or self.done < 0.05 or elapsed < 0.5:
            return None
        return elapsed / self.done * (1 - self.done)

    # Changes

    def reported(self, report: Report) -> Job:
        match report:
            case Progress(fraction, doing):
                if self.state == "stopping":
                    return replace(self, fraction=fraction)  # it says that it stops until it has
                return replace(self, fraction=fraction, doing=doing, state="running")
            case Preview():
                return replace(self, preview=report)
            case ResultReady():
                return self.with_result(report.result)
            case Scored(variant, match):
                return replace(self, candidates=self.candidates.with_match(self.edit_job, variant, match))

    def with_result(self, result: EditResult, edit_job: EditJob | None = None) -> Job:
        """One more is finished. edit_job: what it is of; None for what is being made."""
        candidates = self.candidates.with_result(result, edit_job or self.edit_job)
        return replace(self, candidates=candidates, finished=self.finished + 1, preview=None)

    def with_outdated(self, outdated: Callable[[EditJob], bool]) -> Job:
        """Without what waits for something that has been undone, and with it said of every candidate; the same object where that is nothing new."""
        candidates = self.candidates.with_outdated(outdated)
        waiting = tuple(edit_job for edit_job in self.waiting if not outdated(edit_job))
        same = candidates is self.candidates and waiting == self.waiting
        return self if same else replace(self, candidates=candidates, waiting=waiting)

    def next(self) -> Job:
        """On to what waits first, which there must be."""
        return replace(
            self,
            edit_job=self.waiting[0],
            waiting=self.waiting[1:],
            finished=0,
            state="waiting",
            doing="Waiting",
            fraction=0.0,
            preview=None,
            aside=False,
            started=time.monotonic(),
        )

    def ready(self) -> Job | None:
        """Nothing more is made: the candidates wait for a choice. None where there are none."""
        return replace(self, state="ready", preview=None) if self.candidates else None

    def without(self, accepted: Candidate) -> Job:
        """Without a candidate and its alternatives.

        What is being made and what waits stays as it is; with nothing going on, the edit is that of the candidate shown next.
        """
        candidates = self.candidates.without(accepted)
        edit_job = self.edit_job if self.busy or not candidates else candidates[candidates.chosen].edit_job
        return replace(self, edit_job=edit_job, candidates=candidates)
