"""Quick fill as a method: fills, removes, moves and blends from the picture itself, without a model."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from editor.arrays import Map, Mask
from editor.document import masks
from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.document.faint_strength import drop_faint, strength_rect
from editor.document.placing import (
    Placed,
    exemplar_reach,
    hole,
    item_matrix,
    on_grid,
    place_exemplar,
    place_mask,
    within,
)
from editor.errors import InvalidRequest
from editor.geometry import EMPTY, Rect
from editor.methods.base import Method
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.change_map import TRANSPARENT
from editor.planning.exemplar_change import FAINT_DROPS
from editor.planning.plan import (
    MOVING,
    REGION_MAPS,
    Draft,
    Plan,
    Touch,
    blending_label,
    moved_items,
    plan_blend,
    plan_region,
    removal,
    shown_exemplars,
    shown_item,
)
from editor.planning.request_builder import Inputs, build_request
from editor.requests.edit_request import EditRequest, ExemplarInput, ItemInput, Subject
from editor.requests.frame import Frame

# Around what changes it sees at least so many pixels, and at most this multiple of the longer side.
MIN_CONTEXT = 192
CONTEXT = 1.0
# Margin around an item that suits a picture: so many pixels at that long side.
MARGIN, SIDE = 7, 512
MIN_MARGIN, MAX_MARGIN = 2, 60  # pixels


class QuickFillMethod(Method[QuickFillSettings]):
    """Copies what fits from the picture (shift-map editing; Pritch, Kav-Venaki and Peleg, 2009).

    Every wish is an edit of its own. An active exemplar is blended alone, otherwise all that are shown.
    """

    settings = QuickFillSettings
    id = "QuickFillSettings"
    verb = "Fill from the picture"
    name = "Quick fill"
    explanation = "Copies what fits from the picture; no model."
    paper = "Shift-map editing (Pritch, Kav-Venaki and Peleg, 2009) with Poisson fusion."

    def first_settings(self, document: Document) -> QuickFillSettings:
        grow = round(MARGIN * max(document.size) / SIDE)
        return QuickFillSettings(grow=min(max(grow, MIN_MARGIN), MAX_MARGIN))

    def default_touches(self, document: Document, draft: Draft) -> Iterable[Touch]:
        """The active exemplar, the active and moved items, a map, all exemplars."""
        moved = moved_items(document)
        if draft.exemplar is not None:
            yield Touch("exemplar", draft.exemplar)
        if draft.item is not None and draft.item not in moved:
            yield Touch("item", draft.item)
        yield from (Touch("item", id) for id in moved[:1])
        yield from (Touch(name) for name in REGION_MAPS)
        yield from (Touch("exemplar", exemplar.id) for exemplar in shown_exemplars(document))

    def plan_for(self, document: Document, draft: Draft, touch: Touch) -> Plan | None:
        match touch.what:
            case "strength" | "selection":
                label = "Fill" if touch.what == "strength" else "Fill selection"
                return plan_region(document, draft, touch.what, label)
            case "item":
                item = None if touch.id is None else shown_item(document, touch.id)
                moved = moved_items(document)
                if item is None or item.id in moved:
                    return None if item is None else Plan("move", MOVING, items=moved)
                return removal(item) if item.id == draft.item else None
            case "exemplar":
                shown = {exemplar.id: exemplar for exemplar in shown_exemplars(document)}
                if touch.id not in shown:
                    return None
                if touch.id == draft.exemplar:
                    return plan_blend([shown[touch.id]], f"Blend “{shown[touch.id].name}”", draft.strength)
                label = blending_label([]) if len(shown) > 1 else "Blend reference picture"
                return plan_blend(shown.values(), label, draft.strength)
            case "scribble":
                return None

    def empty_plan(self, document: Document, draft: Draft) -> Plan:
        return Plan(None, "Fill", "Paint where it may change, or select an item.")

    def is_stochastic(self, planned: Plan) -> bool:
        return planned.action != "blend"

    def change(self, document: Document, draft: Draft, planned: Plan, rect: Rect) -> Map:
        return change_map(document, draft, rect, planned, _place_exemplars(document, rect, planned))

    def reach(self, document: Document, draft: Draft, planned: Plan) -> Rect:
        rect = EMPTY
        for item in _items(document, planned):
            rect = rect.unite(item.rect.grow(draft.settings.margin))
            if planned.action == "move":
                rect = rect.unite(_set_down(item))
        for id in planned.exemplars:
            exemplar = document.exemplar(id)
            if exemplar is not None:
                rect = rect.unite(exemplar_reach(exemplar))
        if planned.region is not None:
            rect = document.map(planned.region).written()
        return rect.intersect(document.rect)

    def frame(self, document: Document, draft: Draft, planned: Plan) -> Frame | None:
        """It looks at everything that may change."""
        if planned.action is None:
            return None
        outer = self.reach(document, draft, planned)
        return _frame_around(document, outer, self.change(document, draft, planned, outer))

    def frame_bound(self, document: Document, draft: Draft, planned: Plan) -> Frame | None:
        tight = self.reach(document, draft, planned)
        if planned.region is not None:
            tight = strength_rect(document.map(planned.region), draft.strength)
        return None if tight.empty else _frame_of(document, tight)

    def request(self, document: Document, draft: Draft, planned: Plan) -> EditRequest:
        action, moved = planned.action, planned.action == "move"
        if action is None:
            raise InvalidRequest("There is nothing to change yet.", planned.reason)
        outer = self.reach(document, draft, planned)
        placed = _place_exemplars(document, outer, planned)
        full = change_map(document, draft, outer, planned, placed)
        frame = _frame_around(document, outer, full)
        if frame is None:
            raise InvalidRequest(*_why_nothing(document, planned))
        rect, items = frame.rect, _items(document, planned)

        def inputs(transparent: Mask | None) -> Inputs:
            strength = on_grid(full, outer, rect)
            if transparent is not None and action in ("fill", "remove"):
                strength[transparent] = 0  # what is transparent has nothing to fill, and stays so
                if not strength.any():
                    raise InvalidRequest(*TRANSPARENT)
            subjects = [Subject(item.id, item.placement) for item in items] + [Subject(id) for id in planned.exemplars]
            exemplars = {
                exemplar.id: _exemplar_input(exemplar, placed[exemplar.id], rect, draft, document)
                for exemplar in document.exemplars
                if exemplar.id in placed
            }
            grow = draft.settings.margin
            holes = tuple(_item_input(item, rect, grow, document, transparent, moved=moved) for item in items)
            return Inputs(action, strength, tuple(subjects), exemplars, holes)

        return build_request(document, draft, frame, inputs)


def change_map(document: Document, draft: Draft, rect: Rect, planned: Plan, placed: dict[int, Placed]) -> Map:
    """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change. `placed`: the exemplars of `_place_exemplars`."""
    change: Map = np.zeros(rect.size.shape, np.float32)
    if planned.region is not None:
        change = document.map(planned.region).read(rect) * np.float32(draft.strength)
    for item in _items(document, planned):
        _add_item(change, rect, item, draft.settings.margin, moved=planned.action == "move")
    for placement in placed.values():
        view = change[placement.rect.within(rect).slices]
        np.maximum(view, placement.alpha * placement.strength * np.float32(draft.strength), out=view)
    if not document.protect.blank:
        change *= 1 - document.protect.read(rect)
    return drop_faint(change) if draft.revision >= FAINT_DROPS else change


def _frame_around(document: Document, outer: Rect, change: Map) -> Frame | None:
    """What it sees to change `change`, the effect inside `outer`; None when that is nothing."""
    tight = Rect.of_mask(change)
    return None if tight.empty else _frame_of(document, tight.moved(outer.left, outer.top))


def _frame_of(document: Document, tight: Rect) -> Frame:
    margin = max(MIN_CONTEXT, math.ceil(CONTEXT * max(tight.size)))
    return Frame.full_size(tight.grow(margin).intersect(document.rect))


def _why_nothing(document: Document, planned: Plan) -> tuple[str, str]:
    if not document.protect.blank:
        return "Everything this would change is protected.", "Unprotect some of it, or choose another region."
    if planned.exemplars:
        return "Nothing of the reference picture comes in.", "Raise its influence, or move it onto the picture."
    if planned.items:
        return "The item lies outside the picture.", "Move it back, or remove it from the list."
    return "Nothing may change yet.", "Paint where it may change, or raise the strength."


def _items(document: Document, planned: Plan) -> list[Item]:
    """Those of the plan that the document still has."""
    return [item for id in planned.items if (item := document.item(id)) is not None]


def _place_exemplars(document: Document, rect: Rect, planned: Plan) -> dict[int, Placed]:
    """The plan's exemplars by id, in the order in which they are laid."""
    return {
        exemplar.id: place_exemplar(exemplar, rect)
        for exemplar in document.exemplars
        if exemplar.id in planned.exemplars
    }


def _add_item(change: Map, rect: Rect, item: Item, grow: int, *, moved: bool) -> None:
    """Free, in the map of `rect`, what an item leaves and where it goes."""
    part = item.rect.grow(grow).intersect(rect)
    if not part.empty:
        change[part.within(rect).slices][hole(item, part, grow)] = 1
    part = _set_down(item).intersect(rect)
    if moved and item.placement is not None and not part.empty:
        change[part.within(rect).slices][masks.grow(place_mask(item, part), _rim(item)) > 0] = 1


def _set_down(item: Item) -> Rect:
    """A bound of a placed item and its matte."""
    return item.bounds.grow(2 * _rim(item))


def _rim(item: Item) -> int:
    """How far, in document pixels, a placed item's matte may reach past its mask: two of its own pixels, for a soft rim."""
    placed = item.placed
    return math.ceil(2 * max(1.0, abs(placed.scale_x), abs(placed.scale_y)))


def _item_input(
    item: Item, rect: Rect, grow: int, document: Document, nothing: Mask | None, *, moved: bool
) -> ItemInput:
    behind = hole(item, rect, grow)
    if nothing is not None:
        behind &= ~nothing
    if not document.protect.blank:
        behind &= document.protect.read(rect) < 1
    matrix = None
    if moved and item.placement is not None:
        matrix = within(item_matrix(item), rect, rect)
    mask = on_grid(item.mask.read(item.rect), item.rect, rect)
    return ItemInput(item.name, mask, behind, matrix, item.prompt)


def _exemplar_input(exemplar: Exemplar, placed: Placed, rect: Rect, draft: Draft, document: Document) -> ExemplarInput:
    strength = on_grid(placed.strength * np.float32(draft.strength), placed.rect, rect)
    if not document.protect.blank:
        strength *= 1 - document.protect.read(rect)
    if draft.revision >= FAINT_DROPS:
        drop_faint(strength)
    pixels, alpha = on_grid(placed.pixels, placed.rect, rect), on_grid(placed.alpha, placed.rect, rect)
    return ExemplarInput(exemplar.name, pixels, alpha, strength, np.zeros_like(alpha), alpha * strength)


QUICK_FILL = QuickFillMethod()
