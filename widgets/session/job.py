"""Job: what the worker is doing for a document, as one value that panels and canvas show."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from editor.document.document import Document
from editor.errors import EditorError
from editor.geometry import Rect
from editor.methods.base import AnyMethod
from editor.methods.registry import METHODS, Methods
from editor.planning.draft import Draft
from editor.planning.plan import Plan
from editor.requests.edit_request import Repair
from editor.requests.method_settings import Use
from editor.requests.reports import Preview, Progress, Report, ResultReady, Scored
from editor.requests.results import EditResult, Match

SEEDS = 2**63  # as many as there are
DOUBTFUL = 0.5  # of what a method says of its result; from here on it is to be looked at closely

MENDING: dict[Repair, str] = {
    "poisson": "Even out the edge",
    "decoder": "Learn the surroundings",
    "latents": "Fit to the surroundings",
}
State = Literal["waiting", "running", "stopping", "ready", "failed"]


@dataclass(frozen=True, slots=True, eq=False)
class EditJob:
    """What a press on the button means: the plan, and the document and the draft as they were then.

    `rect`: the part of the document that may change, in pixels. `wanted`: how many results it is to make. `edit`: whose results they are; those of
    one edit are alternatives to each other, whenever they were asked for. `mend`: it is no new edit, but the edge of a finished one. `step`: the
    number of the step of the history that was the current one. `strengths`: the overall strengths of the results, where they differ in nothing else;
    otherwise they have other seeds. `methods`: those that there were.
    """

    planned: Plan
    document: Document
    draft: Draft
    rect: Rect
    wanted: int = 1
    edit: object = field(default_factory=object)
    mend: EdgeRepairJob | None = None
    step: int = 0
    strengths: tuple[float, ...] = ()
    methods: Methods = METHODS

    @classmethod
    def of(
        cls,
        planned: Plan,
        document: Document,
        draft: Draft,
        strengths: tuple[float, ...] = (),
        *,
        methods: Methods = METHODS,
    ) -> EditJob:
        method = methods.of(draft.settings)
        count, rect = len(strengths) or method.result_count(draft, planned), method.reach(document, draft, planned)
        return cls(planned, document, draft, rect, count, strengths=strengths, methods=methods)

    @property
    def method(self) -> AnyMethod:
        """What carries it out."""
        return self.methods.of(self.draft.settings)


@dataclass(frozen=True, slots=True, eq=False)
class EdgeRepairJob:
    """An accepted result is to get a better edge. `layer`: the id of the layer that it became."""

    candidate: Candidate
    layer: int
    how: Repair

    @property
    def asked(self) -> EditJob:
        """To do so, as a job."""
        of = self.candidate.asked
        return EditJob(Plan(None, MENDING[self.how]), of.document, of.draft, self.candidate.result.rect, mend=self)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A result that can be accepted, and what it is a result of. `match`: how well it fits the words; None while, or where, nobody tells.
    `outdated`: what it was made from has been undone.
    """

    result: EditResult
    asked: EditJob
    match: Match | None = None
    outdated: bool = False

    @property
    def ranks(self) -> bool:
        """Whether its method tells how well its results fit the words, given a model that can."""
        return Use.RANKING in self.asked.draft.settings.uses

    @property
    def doubtful(self) -> bool:
        """Whether it is to be looked at closely."""
        return self.result.doubt is not None and self.result.doubt >= DOUBTFUL

    @property
    def rank(self) -> tuple[bool, float]:
        """Higher is better: what is clean before what is doubtful, then what fits the words."""
        return not self.doubtful, self.similarity

    @property
    def strength(self) -> float | None:
        """The overall strength by which it differs from the others of its edit; None where it does not."""
        return self.result.recipe.strength if self.asked.strengths else None

    @property
    def similarity(self) -> float:
        """To the words; of what was not told, less than of anything that was."""
        return -math.inf if self.match is None else self.match.similarity


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """From the press of the button through the wait in the queue to the choice among the results.

    `asked`: what is being made now, `made` of its results are finished. `waiting`: what was asked for since and comes after it. `fraction`:
    0 to 1 of all of them. `candidates`: what is finished and neither accepted nor dropped; those of one edit clean ones first, the best of them
    first as far as that is known, then in the order of making; several strengths from weak to strong. `chosen`: which one is to be kept; `touched`:
    whether somebody chose it. `peeked`: the result that is looked at just now; it is shown instead. `held`: somebody's hand is over the candidates,
    so that their order stays as it is. `aside`: somebody changes the picture meanwhile, and is to see what they do: nothing that was made lies over
    it until a result is chosen or looked at, or the job is finished.
    """

    asked: EditJob
    made: int = 0
    waiting: tuple[EditJob, ...] = ()
    state: State = "waiting"
    fraction: float = 0.0
    doing: str = "Waiting"
    preview: Preview | None = None
    candidates: tuple[Candidate, ...] = ()
    chosen: int = 0
    touched: bool = False
    peeked: EditResult | None = None
    held: bool = False
    aside: bool = False
    error: EditorError | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def label(self) -> str:
        return self.asked.planned.label

    @property
    def document(self) -> Document:
        """What the edit that is being made was asked of."""
        return self.asked.document

    @property
    def rect(self) -> Rect:
        """The part of it that may change, in pixels."""
        return self.asked.rect

    @property
    def results(self) -> tuple[EditResult, ...]:
        return tuple(candidate.result for candidate in self.candidates)

    @property
    def wanted(self) -> int:
        """How many results there will be, without those of what waits."""
        return len(self.candidates) + self.asked.wanted - self.made

    @property
    def busy(self) -> bool:
        return self.state in ("waiting", "running", "stopping")

    @property
    def keepable(self) -> bool:
        """Whether what the preview shows can be made into a result now. Methods without a model cannot, and are at their end soon."""
        return self.state == "running" and self.preview is not None and self.asked.draft.settings.needs_model

    @property
    def place(self) -> int:
        """The number of the candidate that is shown: what is looked at just now, or else what was chosen."""
        return next((at for at, each in enumerate(self.results) if each is self.peeked), self.chosen)

    @property
    def candidate(self) -> Candidate | None:
        """What is shown and would be accepted, if something is finished."""
        return self.candidates[self.place] if self.candidates else None

    @property
    def strength(self) -> float | None:
        """The overall strength of the candidate that is shown, where it is one of several to choose from."""
        candidate = self.candidate
        return None if candidate is None else candidate.strength

    @property
    def more(self) -> EditJob | None:
        """As many again of the edit whose candidate is shown, with the seeds that follow its fixed one, or new ones. None while something is made,
        and where every seed gives the same."""
        candidate = self.candidate
        if self.busy or candidate is None or candidate.asked.strengths:
            return None
        asked, first = candidate.asked, candidate.asked.draft.seed
        if not asked.method.is_stochastic(asked.planned):
            return None
        if first is not None:
            made = [each.result.recipe.seed for each in self._of(asked)]
            first = (first + 1 + max((seed - first) % SEEDS for seed in made)) % SEEDS
        return replace(asked, draft=replace(asked.draft, seed=first))

    @property
    def best(self) -> Candidate | None:
        """Of the edit whose candidate is shown, the one that fits the words best, where there is more than one to compare."""
        shown = self.candidate
        told = [each for each in self._of(shown.asked) if each.match is not None] if shown is not None else []
        return max(told, key=lambda each: each.rank) if len(told) > 1 else None

    @property
    def best_first(self) -> bool:
        """Whether the one that fits best comes first: not while their order is held."""
        best = self.best
        return best is not None and self._of(best.asked)[0] is best

    @property
    def shown(self) -> EditResult | None:
        """The result that the canvas shows, if one is finished."""
        return None if self.candidate is None else self.candidate.result

    @property
    def laid(self) -> EditResult | None:
        """The result that lies over the picture just now, if any does."""
        return None if self.aside and self.peeked is None else self.shown

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
        return min(1.0, max(self.fraction, self.made / self.asked.wanted)) if self.busy else 1.0

    def seconds_left(self, now: float | None = None) -> float | None:
        """An estimate from the time it took so far; None before there is enough to go by."""
        elapsed = (time.monotonic() if now is None else now) - self.started
        if not self.busy or self.done < 0.05 or elapsed < 0.5:
            return None
        return elapsed / self.done * (1 - self.done)

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
            case Scored(seed, match):
                return self.with_match(seed, match)

    def with_result(self, result: EditResult) -> Job:
        """One more, beside what there is of the same edit."""
        candidate = Candidate(result, self.asked)
        mine = self._places(self.asked)
        at = mine[-1] + 1 if mine else len(self.candidates)
        candidates = (*self.candidates[:at], candidate, *self.candidates[at:])
        chosen = self.chosen + (at <= self.chosen and bool(self.candidates))
        job = replace(self, candidates=candidates, made=self.made + 1, preview=None, chosen=chosen)
        if not self.asked.strengths:
            return job._ranked()
        return job if self.touched else job._nearest()

    def _nearest(self) -> Job:
        """With the one chosen, of several strengths, that is nearest to what was set."""
        mine, wish = self._places(self.asked), self.asked.draft.strength
        if self.chosen not in mine:
            return self  # of another edit
        return replace(self, chosen=min(mine, key=lambda at: abs(self.results[at].recipe.strength - wish)))

    def with_match(self, seed: int, match: Match) -> Job:
        told = tuple(
            replace(each, match=match) if each.asked is self.asked and each.result.recipe.seed == seed else each
            for each in self.candidates
        )
        return replace(self, candidates=told)._ranked()

    def holding(self, held: bool) -> Job:
        """With the order kept as it is, or made good again."""
        return replace(self, held=held)._ranked()

    def with_outdated(self, outdated: Callable[[EditJob], bool]) -> Job:
        """With it said of every candidate whether what it was made from has been undone; the job itself where that is nothing new."""
        candidates = tuple(
            each if each.outdated == outdated(each.asked) else replace(each, outdated=not each.outdated)
            for each in self.candidates
        )
        same = all(one is other for one, other in zip(candidates, self.candidates, strict=True))
        return self if same else replace(self, candidates=candidates)

    def _ranked(self) -> Job:
        """Those of the edit made last with clean ones first, in order of fit, what was not told last. What somebody chose stays chosen; else it is
        the best.
        """
        mine = self._places(self.asked)
        if self.held or not mine or self.asked.strengths:
            return self
        places = list(range(len(self.candidates)))
        order = sorted(mine, key=lambda at: self.candidates[at].rank, reverse=True)
        for at, best in zip(mine, order, strict=True):
            places[at] = best
        chosen = places.index(self.chosen) if self.touched or self.chosen not in mine else mine[0]
        return replace(self, candidates=tuple(self.candidates[at] for at in places), chosen=chosen)

    def _places(self, asked: EditJob) -> list[int]:
        """Where the candidates of an edit stand."""
        return [at for at, each in enumerate(self.candidates) if each.asked.edit is asked.edit]

    def _of(self, asked: EditJob) -> list[Candidate]:
        return [self.candidates[at] for at in self._places(asked)]

    def next(self) -> Job:
        """On to what waits first, which there must be."""
        return replace(
            self,
            asked=self.waiting[0],
            waiting=self.waiting[1:],
            made=0,
            state="waiting",
            doing="Waiting",
            fraction=0.0,
            preview=None,
            aside=False,
            started=time.monotonic(),
        )

    def without(self, accepted: Candidate) -> Job:
        """Without a candidate and what it was an alternative to: the others of the same edit, and those that change any of the same pixels.

        What is being made and what waits stays as it is; with nothing going on, the edit is that of the candidate shown next.
        """

        def other(candidate: Candidate) -> bool:
            meets = not candidate.result.rect.intersect(accepted.result.rect).empty
            return candidate.asked.edit is not accepted.asked.edit and not meets

        left = tuple(filter(other, self.candidates))
        before = sum(map(other, self.candidates[: self.candidates.index(accepted)]))
        chosen = min(before, max(0, len(left) - 1))
        asked = self.asked if self.busy or not left else left[chosen].asked
        return replace(self, asked=asked, candidates=left, chosen=chosen, touched=False, peeked=None)
