"""EditJob: what was asked of the worker; Candidate: a result of it that can be accepted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from editor.document.document import Document
from editor.geometry import Rect
from editor.methods.base import AnyMethod
from editor.methods.registry import METHODS, Methods
from editor.planning.plan import Draft, Plan
from editor.requests.edit_request import Repair
from editor.requests.method_settings import Use
from editor.requests.results import EditResult, Match

DOUBTFUL = 0.5  # of what a method says of its result; from here on it is to be looked at closely

MENDING: dict[Repair, str] = {
    "poisson": "Even out the edge",
    "decoder": "Learn the surroundings",
    "latents": "Fit to the surroundings",
}


@dataclass(frozen=True, slots=True, eq=False)
class EditJob:
    """One press on the button: the plan, and the document and the draft as they were then.

    rect: the part of the document that may change, in pixels.
    wanted: how many results it is to make.
    edit: whose results they are; those of one edit are alternatives to each other, whenever they were asked for.
    mend: it is no new edit, but the edge of a finished one.
    step: the number of the step of the history that was the current one.
    strengths: the overall strengths of the results, where they differ in nothing else; otherwise they have other seeds.
    methods: those that there were.
    snapshot: it is a state of the live picture, which is worth looking at also when it has been undone.
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
    snapshot: bool = False

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
    """A better edge for an accepted result.

    layer: the id of the layer that it became.
    """

    candidate: Candidate
    layer: int
    how: Repair

    @property
    def edit_job(self) -> EditJob:
        """To do so, as a job."""
        of = self.candidate.edit_job
        return EditJob(Plan(None, MENDING[self.how]), of.document, of.draft, self.candidate.result.rect, mend=self)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A result that can be accepted.

    edit_job: what it is a result of.
    match: how well it fits the words; None while, or where, nobody tells.
    outdated: whether what it was made from has been undone.
    """

    result: EditResult
    edit_job: EditJob
    match: Match | None = None
    outdated: bool = False

    @property
    def ranks(self) -> bool:
        """Whether its method tells how well its results fit the words, given a model that can."""
        return Use.RANKING in self.edit_job.draft.settings.uses

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
        return self.result.recipe.strength if self.edit_job.strengths else None

    @property
    def similarity(self) -> float:
        """To the words; of what was not told, less than of anything that was."""
        return -math.inf if self.match is None else self.match.similarity
