"""Job: what the worker is doing for a document, as one value that panels and canvas show."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Literal

from editor.document import Document
from editor.edit import Draft, Plan, reach, wanted
from editor.errors import EditorError
from editor.geometry import Rect
from editor.report import EditResult, Found, Match, Preview, Progress, Report, Scored
from editor.request import PixelsSettings

State = Literal["waiting", "running", "stopping", "ready", "failed"]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a press on the button means: the plan, and the document and the draft as they were then.

    `rect`: the part of the document that may change, in pixels. `wanted`: how many results it is to make.
    """

    planned: Plan
    document: Document
    draft: Draft
    rect: Rect
    wanted: int = 1

    @classmethod
    def of(cls, planned: Plan, document: Document, draft: Draft) -> Asked:
        return cls(planned, document, draft, reach(document, draft, planned), wanted(draft, planned))


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A result that can be accepted, and what it is a result of. `match`: how well it fits the words; None while, or where, nobody tells."""

    result: EditResult
    asked: Asked
    match: Match | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """From the press of the button through the wait in the queue to the choice among the results.

    `asked`: what is being made now, `made` of its results are finished. `waiting`: what was asked for since and comes after it. `fraction`:
    0 to 1 of all of them. `candidates`: what is finished and neither accepted nor dropped; those of one edit best first as far as that is
    known, then in the order of making. `chosen`: which one is shown and would be accepted, `stripe`: which of its stripes, where it has some;
    `touched`: whether somebody chose it.
    """

    asked: Asked
    made: int = 0
    waiting: tuple[Asked, ...] = ()
    state: State = "waiting"
    fraction: float = 0.0
    doing: str = "Waiting"
    preview: Preview | None = None
    candidates: tuple[Candidate, ...] = ()
    chosen: int = 0
    stripe: int = 0
    touched: bool = False
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
    def candidate(self) -> Candidate | None:
        """What would be accepted, if something is finished."""
        return self.candidates[self.chosen] if self.candidates else None

    @property
    def choices(self) -> tuple[tuple[int, int], ...]:
        """What can be chosen among, in order: the number of a candidate, and of its stripe where it has some (0 otherwise)."""
        return tuple(
            (at, stripe) for at, result in enumerate(self.results) for stripe in range(max(1, len(result.stripes)))
        )

    @property
    def whole(self) -> Asked | None:
        """The edit that a strength fan was made for: all of it as its chosen stripe is, with the same seed. None without a fan."""
        candidate = self.candidate
        if candidate is None or not candidate.result.stripes:
            return None
        draft, settings = candidate.asked.draft, candidate.asked.draft.settings
        if isinstance(settings, PixelsSettings):
            settings = replace(settings, fan=())
        level, seed = candidate.result.stripes[self.stripe].level, candidate.result.recipe.seed
        return replace(candidate.asked, draft=replace(draft, settings=settings, strength=level, seed=seed), wanted=1)

    @property
    def shown(self) -> EditResult | None:
        """The candidate that the canvas shows, if one is finished."""
        return self.candidates[self.chosen].result if self.candidates else None

    @property
    def seen(self) -> bool:
        """Whether the canvas shows a preview or a candidate; nothing should then lie over it."""
        return self.preview is not None or bool(self.candidates)

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
            case Found():
                return self.with_result(report.result)
            case Scored(seed, match):
                return self.with_match(seed, match)

    def with_result(self, result: EditResult) -> Job:
        candidates = (*self.candidates, Candidate(result, self.asked))
        return replace(self, candidates=candidates, made=self.made + 1, preview=None)

    def with_match(self, seed: int, match: Match) -> Job:
        """Those of the edit that is being made in order of fit, what was not told last. What somebody chose stays chosen; else it is the best."""
        told = [
            replace(each, match=match) if each.asked is self.asked and each.result.recipe.seed == seed else each
            for each in self.candidates
        ]
        mine = [at for at, each in enumerate(told) if each.asked is self.asked]
        order = sorted(
            mine, key=lambda at: -math.inf if (fit := told[at].match) is None else fit.similarity, reverse=True
        )
        places = list(range(len(told)))
        for at, best in zip(mine, order, strict=True):
            places[at] = best
        chosen = places.index(self.chosen) if self.touched or self.chosen not in mine else mine[0]
        return replace(self, candidates=tuple(told[at] for at in places), chosen=chosen)

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
            started=time.monotonic(),
        )

    def without(self, accepted: Candidate) -> Job:
        """Without a candidate and what it was an alternative to: the others of the same edit, and those that change any of the same pixels.

        What is being made and what waits stays as it is; with nothing going on, the edit is that of the candidate shown next.
        """

        def other(candidate: Candidate) -> bool:
            meets = not candidate.result.rect.intersect(accepted.result.rect).empty
            return candidate is not accepted and candidate.asked is not accepted.asked and not meets

        left = tuple(filter(other, self.candidates))
        before = sum(map(other, self.candidates[: self.candidates.index(accepted)]))
        chosen = min(before, max(0, len(left) - 1))
        asked = self.asked if self.busy or not left else left[chosen].asked
        return replace(self, asked=asked, candidates=left, chosen=chosen, stripe=0)
