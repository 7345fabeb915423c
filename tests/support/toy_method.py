"""A toy method from outside the packages: it lays a colour that the words name over what is painted. All that a method must provide, and no more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np

from editor.arrays import Map
from editor.document.document import Document
from editor.document.faint_strength import strength_rect
from editor.errors import InvalidRequest
from editor.execution import EXECUTIONS, Execution, Executions
from editor.geometry import Rect
from editor.methods.base import Method, Preset
from editor.methods.registry import METHODS
from editor.planning.change_map import allowed_map, asked_map
from editor.planning.plan import Draft, Plan, Touch, plan_region
from editor.planning.request_builder import Inputs, build_request
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.method_settings import MethodSettings, Use
from editor.requests.reports import Preview, Progress, Reports
from editor.requests.results import EditResult, Recipe
from editor.requests.settings_fields import Label, Range

COLOURS = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255)}
UNKNOWN = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class TintSettings(MethodSettings):
    """Neither words without a model nor several strengths without one are what any method of the program has."""

    uses: ClassVar[frozenset[Use]] = frozenset({Use.WORDS, Use.STRENGTHS})

    amount: Annotated[float, Range(0.0, 1.0, "%", 0.05), Label("Amount", "How much of the colour.", "quality")] = 1.0


class Tint(Method[TintSettings]):
    """See the module."""

    settings = TintSettings
    id = "TintSettings"
    command = "tint"
    command_help = "the colour that the prompt names"
    verb = "Colour it"
    name = "Tint"
    explanation = "Lays a colour over it."
    presets = (Preset("Wash", 0.5, "A little of it."), Preset("Coat", 1.0, "All of it."))

    def default_touches(self, document: Document, draft: Draft) -> Iterable[Touch]:
        yield Touch("strength")

    def plan_for(self, document: Document, draft: Draft, touch: Touch) -> Plan | None:
        return plan_region(document, draft, "strength", f"Tint {draft.prompt}") if touch.what == "strength" else None

    def empty_plan(self, document: Document, draft: Draft) -> Plan:
        return Plan(None, "Tint", "Paint what is to be tinted.")

    def is_stochastic(self, planned: Plan) -> bool:
        return False

    def change(self, document: Document, draft: Draft, planned: Plan, rect: Rect) -> Map:
        return asked_map(document, draft, rect, planned) * allowed_map(document, draft, rect)

    def reach(self, document: Document, draft: Draft, planned: Plan) -> Rect:
        return strength_rect(document.strength, draft.strength).intersect(document.rect)

    def frame(self, document: Document, draft: Draft, planned: Plan) -> Frame | None:
        rect = self.reach(document, draft, planned)
        return None if rect.empty or planned.action is None else Frame.full_size(rect)

    def request(self, document: Document, draft: Draft, planned: Plan) -> EditRequest:
        frame = self.frame(document, draft, planned)
        if frame is None:
            raise InvalidRequest("There is nothing to change yet.", planned.reason)
        change = self.change(document, draft, planned, frame.rect)
        return build_request(document, draft, frame, lambda transparent: Inputs("fill", change))


def tint(request: EditRequest) -> Reports[EditResult]:
    settings = request.settings
    assert isinstance(settings, TintSettings)
    yield Progress(0.5, "Tinting")
    pixels = np.zeros((*request.strength.shape, 4), np.uint8)
    pixels[..., :3] = COLOURS.get(request.prompt, UNKNOWN)
    pixels[..., 3] = np.rint(request.strength * settings.amount * 255)
    yield Preview(request.frame.rect, pixels)
    return EditResult(request.frame.rect, pixels, Recipe.of(request))


TINT = Tint()
METHODS_WITH_TINT = METHODS.adding(TINT)
EXECUTIONS_WITH_TINT: Executions = MappingProxyType({**EXECUTIONS, TintSettings: lambda: Execution(edit=tint)})
