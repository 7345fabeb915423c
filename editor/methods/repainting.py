"""Methods that repaint with a diffusion model: what they share of plans, frames and requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic

from editor.arrays import Map, Mask
from editor.document.document import Document
from editor.errors import InvalidRequest
from editor.geometry import Rect
from editor.methods.base import Method, S
from editor.planning.change_map import (
    model_of,
    repaint_change_map,
    repaint_frame,
    repaint_inputs,
    repaint_reach,
    scribble_of,
    why_nothing,
)
from editor.planning.plan import Draft, Plan, repainting_label
from editor.planning.request_builder import Inputs, build_request
from editor.requests.edit_request import EditRequest, ExemplarInput, Subject
from editor.requests.frame import Frame
from editor.requests.results import Recipe


class RepaintingMethod(Method[S], Generic[S]):
    """A method whose model sees a frame around what may change, at the size it was made for."""

    def repainting_label(self, draft: Draft, name: str = "", *, where: str = "") -> str:
        """What a planned repainting is called. `name`: of the item that it is about; `where`: what says where, if that is to be told."""
        return repainting_label(draft.prompt, name, where=where)

    def with_distinct_label(self, planned: Plan, draft: Draft) -> Plan:
        if planned.region is None or planned.exemplars or planned.scribble is not None:
            return planned
        where = "selection" if planned.region == "selection" else "painted area"
        return replace(planned, label=self.repainting_label(draft, where=where))

    def change(self, document: Document, draft: Draft, planned: Plan, rect: Rect) -> Map:
        return repaint_change_map(document, draft, rect, planned)

    def reach(self, document: Document, draft: Draft, planned: Plan) -> Rect:
        return repaint_reach(document, draft, planned)

    def frame(self, document: Document, draft: Draft, planned: Plan) -> Frame | None:
        return None if planned.action is None else repaint_frame(document, draft, planned)

    def inputs(
        self, document: Document, draft: Draft, frame: Frame, planned: Plan, transparent: Mask | None
    ) -> tuple[Map, dict[int, ExemplarInput]]:
        return repaint_inputs(document, draft, frame, planned, transparent)

    def request(self, document: Document, draft: Draft, planned: Plan) -> EditRequest:
        model, action = model_of(draft), planned.action
        if action is None:
            raise InvalidRequest("There is nothing to change yet.", planned.reason)
        frame = repaint_frame(document, draft, planned)
        if frame is None:
            raise InvalidRequest(*why_nothing(document, draft, planned))

        def inputs(transparent: Mask | None) -> Inputs:
            strength, exemplars = self.inputs(document, draft, frame, planned, transparent)
            subjects = tuple(Subject(id) for id in replace(planned, exemplars=tuple(exemplars)).subjects)
            # Where no exemplar reaches into the frame, there is nothing to blend.
            return Inputs("fill" if action == "blend" and not exemplars else action, strength, subjects, exemplars)

        scribble = None if planned.scribble is None else scribble_of(document, draft)
        return build_request(document, draft, frame, inputs, model=model, scribble=scribble)

    def label(self, recipe: Recipe, names: Sequence[str], *, scribbled: bool) -> str:
        if recipe.action == "fill":
            return repainting_label(recipe.prompt, *names[:1])
        return super().label(recipe, names, scribbled=scribbled)
