"""Method of editing as a value: its words and presets, what its button would do, its requests, and what the canvas shows before a run.

Free of torch. How the model half carries a method out stands in `editor.execution`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from editor.arrays import Counts, Map, Mask
from editor.document.document import Document
from editor.errors import InvalidRequest
from editor.geometry import Rect
from editor.model_canvas.canvas import ModelCanvas
from editor.models.info import ModelInfo
from editor.planning.plan import MOVING, Draft, Plan, Touch, blending_label, is_without_model, moved_items
from editor.requests.edit_request import EditRequest, ExemplarInput
from editor.requests.frame import Frame
from editor.requests.method_settings import MethodSettings, Use
from editor.requests.results import Recipe
from editor.requests.samplers import OFFERED, Sampler

S = TypeVar("S", bound=MethodSettings)

WITHOUT_A_MODEL = 0.5  # first strength of methods that go by what suits the model, before there is one
CLOSE = 0.005  # half of what the slider of the strength shows


@dataclass(frozen=True, slots=True)
class Preset:
    """A ready-made overall strength and what goes with it.

    strength: 0 to 1
    settings: a model of those that it sets, where it sets any (`Method.preset_fields`)
    asks: what stands in the empty field for words
    ends: what no strength and all of it mean, in words
    scribble: it begins from colours that are painted on a layer of their own
    """

    name: str
    strength: float
    about: str
    settings: MethodSettings | None = None
    asks: str = "What should appear?"
    ends: tuple[str, str] = ("", "")
    scribble: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class HoldPreview:
    """For how long each cell of a run is held, as it can be told before the run.

    held: (h, w) whole numbers, for how many steps each cell is held, 0 to `steps`
    by_index: exact; otherwise the method counts noise, and these are its counts by index
    closing: cells are held at the end instead, and those that are held only then are a wider region that it begins with
    """

    held: Counts
    steps: int
    by_index: bool = True
    closing: bool = False


class Method(ABC, Generic[S]):
    """A way to make the change. It holds no state: everything is in the document, the draft and the request.

    settings: its settings class, by which it is found; its fields feed form, command line, checks and project
    id: stable name in projects and preferences
    command: its name on the command line; empty for one that is not chosen there
    command_help: what it works with, in a few words
    verb: what it does, for people
    name: what its paper calls it
    explanation: one line about it
    paper: where it comes from, for the tool tip
    presets: ready-made strengths, what to begin with first
    preset_fields: the settings that belong to presets; choosing one leaves the others as they are
    samplers: what people can choose from
    """

    settings: type[S]
    id: ClassVar[str]
    command: ClassVar[str] = ""
    command_help: ClassVar[str] = ""
    verb: ClassVar[str]
    name: ClassVar[str]
    explanation: ClassVar[str]
    paper: ClassVar[str] = ""
    presets: ClassVar[tuple[Preset, ...]] = ()
    preset_fields: ClassVar[tuple[str, ...]] = ()
    samplers: ClassVar[tuple[Sampler, ...]] = OFFERED

    # What it is

    @property
    def uses(self) -> frozenset[Use]:
        """What it takes and offers."""
        return self.settings.uses

    @property
    def title(self) -> str:
        """Its name in a list."""
        return f"{self.verb} · {self.name}"

    def own(self, settings: MethodSettings) -> S:
        """The settings as its own. Raises `TypeError` for those of another method."""
        if not isinstance(settings, self.settings):
            raise TypeError(f"{self.name} was given {type(settings).__name__}")
        return settings

    def first_settings(self, document: Document) -> S:
        """Its settings as they suit a document that was just opened."""
        return self.settings()

    def first_strength(self, model: ModelInfo | None, settings: MethodSettings | None = None) -> float:
        """The overall strength, 0 to 1, that an edit begins with where nobody chose one: all of it where nothing is
        invented, else what suits the model.

        settings: those of the edit; None for the method as it comes
        """
        if Use.MODEL not in self.uses:
            return 1.0
        return WITHOUT_A_MODEL if model is None else model.traits.strength

    # Presets

    def preset_of(self, draft: Draft) -> Preset | None:
        """The preset that the draft is, in strength and settings; None when it is none exactly."""
        preset = self.nearest_preset(draft)
        return preset if preset is not None and self._distance(preset, draft) < (False, 0, CLOSE) else None

    def nearest_preset(self, draft: Draft) -> Preset | None:
        """The preset that the draft comes closest to; None for methods without any."""
        return min(self.presets, key=lambda preset: self._distance(preset, draft), default=None)

    def with_preset(self, settings: MethodSettings, preset: Preset) -> S:
        """The settings with those that belong to presets as this one has them."""
        own = self.own(settings)
        if preset.settings is None:
            return own
        return own.with_values(**{name: getattr(preset.settings, name) for name in self.preset_fields})

    def _distance(self, preset: Preset, draft: Draft) -> tuple[bool, int, float]:
        """How far the draft is from a preset, the weightiest first."""
        changed = 0
        if preset.settings is not None:
            changed = sum(
                getattr(preset.settings, name) != getattr(draft.settings, name) for name in self.preset_fields
            )
        return preset.scribble != (draft.scribble is not None), changed, abs(preset.strength - draft.strength)

    # What the button would do

    def possible_plans(self, document: Document, draft: Draft) -> tuple[Plan, ...]:
        """All the edits that could be meant, the likeliest first, whatever model there is. Where there is nothing to do, one without an action.

        A document can hold several wishes at once: painted strength, a selection, an active or moved item, exemplars, a scribble. What a hand was on
        last leads. The button names it, and where the next newest wish would be another edit, that is offered beside it.

        - Newest is what was last painted, selected, activated, moved, laid, shown or scribbled. Activating the same thing again counts again.
        - What is not there any more (a map that is empty, a thing that is gone or hidden) is no wish, and neither is an item that is neither active
          nor moved. So undo needs no rule of its own: the next newest leads.
        - What a result uses up or puts away was touched by no hand.
        - What a touched thing means is the method's to say, in its `plan_for`.
        - Moved items are moved without a model. With a method that has one, that is offered after whatever the method itself could do.

        A document that was just opened has been touched by nobody: then there is a usual order, from what takes most deliberation to what takes
        least.
        """
        plans: list[Plan] = []
        for touch in (*reversed(draft.touched), *self.default_touches(document, draft)):
            reading = self.plan_for(document, draft, touch)
            if reading is not None and all(reading.about != plan.about for plan in plans):
                plans.append(reading)
        if len({plan.label for plan in plans}) < len(plans):
            plans = [self.with_distinct_label(plan, draft) for plan in plans]
        if not plans:
            plans = [self.empty_plan(document, draft)]
        moved = moved_items(document) if draft.settings.needs_model else ()
        if moved:
            plans.append(Plan("move", MOVING, items=moved))
        return tuple(plans)

    def plans(self, document: Document, draft: Draft) -> tuple[Plan, Plan | None]:
        """The edit that the person most likely means, without an action where the model is missing, and what they may mean just as well."""
        first, *others = (_with_model(plan, draft) for plan in self.possible_plans(document, draft))
        return first, next((other for other in others if other.action is not None), None)

    @abstractmethod
    def default_touches(self, document: Document, draft: Draft) -> Iterable[Touch]:
        """What would be meant if nobody had touched anything yet, the likeliest first."""

    @abstractmethod
    def plan_for(self, document: Document, draft: Draft, touch: Touch) -> Plan | None:
        """The edit that somebody means who has just touched this; None where it is not there (any more), or no reason for an edit."""

    @abstractmethod
    def empty_plan(self, document: Document, draft: Draft) -> Plan:
        """A plan without an action, which says what is missing, where nothing has been said yet."""

    def with_distinct_label(self, planned: Plan, draft: Draft) -> Plan:
        """The plan with a label that says what says where, to stand beside another of the same label."""
        return planned

    def is_stochastic(self, planned: Plan) -> bool:
        """Whether another seed gives another result."""
        return True

    def result_count(self, draft: Draft, planned: Plan) -> int:
        """How many results to make: one where the seed changes nothing, since all would be the same."""
        return draft.variations if self.is_stochastic(planned) else 1

    # Requests

    @abstractmethod
    def change(self, document: Document, draft: Draft, planned: Plan, rect: Rect) -> Map:
        """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change if the edit ran now."""

    @abstractmethod
    def reach(self, document: Document, draft: Draft, planned: Plan) -> Rect:
        """A bound, in document pixels, of everything that may change."""

    @abstractmethod
    def frame(self, document: Document, draft: Draft, planned: Plan) -> Frame | None:
        """The frame of the request; None when there would be none for want of anything that may change."""

    def inputs(
        self, document: Document, draft: Draft, frame: Frame, planned: Plan, transparent: Mask | None
    ) -> tuple[Map, dict[int, ExemplarInput]]:
        """What a run in the frame is given: (H, W) float32 in [0, 1], how much every pixel may change, and by id what takes part of the exemplars.

        transparent: (H, W), where the picture is transparent and only exemplars may change that; None for nowhere

        Raises `InvalidRequest` when nothing may change.
        """
        change = self.change(document, draft, planned, frame.rect)
        if transparent is not None:
            change = np.where(transparent, np.float32(0), change)
        if not change.any():
            raise InvalidRequest("Nothing may change yet.", "Paint where it may change, or raise the strength.")
        return change, {}

    def frame_bound(self, document: Document, draft: Draft, planned: Plan) -> Frame | None:
        """The frame, or where that takes long on a large picture a quick bound of it."""
        return self.frame(document, draft, planned)

    @abstractmethod
    def request(self, document: Document, draft: Draft, planned: Plan) -> EditRequest:
        """The planned edit as a request.

        Raises `InvalidRequest` when there is nothing to do, or nothing it may change, and `ModelUnavailable` without a model that can be used
        where one is needed.
        """

    # What is said and shown

    def preview_holds(
        self,
        draft: Draft,
        exemplars: Sequence[ExemplarInput],
        strength: Map,
        canvas: ModelCanvas,
        steps: int,
    ) -> HoldPreview | None:
        """For how long the draft's run of `steps` would hold each cell of the canvas; None for methods that hold none.

        strength: (H, W) of the frame
        """
        return None

    def running_steps(self, settings: MethodSettings, strength: float, steps: int) -> int | None:
        """How many of `steps` run where the strongest pixel has this strength; None for methods without steps."""
        return None

    def warning(self, document: Document, draft: Draft, planned: Plan, model: ModelInfo) -> str:
        """What the planned edit would do less well than the person may expect, in a sentence or two; empty when there is nothing to say."""
        return ""

    def label(self, recipe: Recipe, names: Sequence[str], *, scribbled: bool) -> str:
        """What a finished edit is called. `names`: of the things that it was about; `scribbled`: one of them was a scribble."""
        what = f"“{names[0]}”" if len(names) == 1 else f"{len(names)} things"
        match recipe.action:
            case "fill":
                return "Fill"
            case "remove":
                return f"Remove {what}"
            case "move":
                return f"Move {what}"
            case "blend":
                return blending_label(list(names))


def _with_model(planned: Plan, draft: Draft) -> Plan:
    if not draft.settings.needs_model or is_without_model(planned.action, draft):
        return planned
    if draft.model is not None and draft.model.usable:
        return planned
    reason = "Get a model first." if draft.model is None else f"{draft.model.problem} Choose another model."
    return replace(planned, action=None, reason=reason, needs_model=True)


AnyMethod = Method[Any]
