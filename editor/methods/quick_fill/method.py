"""Quick fill as a method: fills, removes, moves and blends from the picture itself, without a model."""

from __future__ import annotations

from collections.abc import Iterable

from editor.arrays import Map
from editor.document.document import Document
from editor.geometry import Rect
from editor.methods.base import Method
from editor.methods.quick_fill import plan, request
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.draft import Draft, Touch
from editor.planning.plan import Plan
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame

# Margin around an item that suits a picture: so many pixels at that long side.
MARGIN, SIDE = 7, 512
MIN_MARGIN, MAX_MARGIN = 2, 60  # pixels


class QuickFillMethod(Method[QuickFillSettings]):
    """Copies what fits from the picture (shift-map editing; Pritch, Kav-Venaki and Peleg, 2009)."""

    settings = QuickFillSettings
    id = "QuickFillSettings"
    verb = "Fill from the picture"
    name = "Quick fill"
    explanation = "Copies what fits from the picture; no model."
    paper = "Shift-map editing (Pritch, Kav-Venaki and Peleg, 2009) with Poisson fusion."

    def first_settings(self, document: Document) -> QuickFillSettings:
        grow = round(MARGIN * max(document.size) / SIDE)
        return QuickFillSettings(grow=min(max(grow, MIN_MARGIN), MAX_MARGIN))

    def usual(self, document: Document, draft: Draft) -> Iterable[Touch]:
        return plan.usual(document, draft)

    def reading(self, document: Document, draft: Draft, touch: Touch) -> Plan | None:
        return plan.reading(document, draft, touch)

    def nothing(self, document: Document, draft: Draft) -> Plan:
        return plan.nothing()

    def is_stochastic(self, planned: Plan) -> bool:
        return planned.action != "blend"

    def change(self, document: Document, draft: Draft, planned: Plan, rect: Rect) -> Map:
        return request.change(document, draft, planned, rect)

    def reach(self, document: Document, draft: Draft, planned: Plan) -> Rect:
        return request.reach(document, draft, planned)

    def frame(self, document: Document, draft: Draft, planned: Plan) -> Frame | None:
        return None if planned.action is None else request.frame(document, draft, planned)

    def frame_bound(self, document: Document, draft: Draft, planned: Plan) -> Frame | None:
        return request.frame_bound(document, draft, planned)

    def request(self, document: Document, draft: Draft, planned: Plan) -> EditRequest:
        return request.request(document, draft, planned)


QUICK_FILL = QuickFillMethod()
