"""Change map and requests of quick fill: holes behind items, items set down, exemplars let in, and how much around all that is looked at."""

from __future__ import annotations

import math

import numpy as np

from editor.arrays import Map, Mask
from editor.document import masks
from editor.document.document import Document
from editor.document.exemplar import Exemplar
from editor.document.faint_strength import drop_faint, strength_rect
from editor.document.item import Item
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
from editor.planning.change_map import TRANSPARENT
from editor.planning.draft import Draft
from editor.planning.exemplar_change import FAINT_DROPS
from editor.planning.plan import Plan
from editor.planning.request_builder import Inputs, build_request
from editor.requests.edit_request import EditRequest, ExemplarInput, ItemInput, Subject
from editor.requests.frame import Frame

# Around what changes it sees at least so many pixels, and at most this multiple of the longer side.
MIN_CONTEXT = 192
CONTEXT = 1.0


def reach(document: Document, draft: Draft, planned: Plan) -> Rect:
    """A bound, in document pixels, of everything the planned edit may change."""
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


def change(document: Document, draft: Draft, planned: Plan, rect: Rect) -> Map:
    """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change."""
    return change_map(document, draft, rect, planned, _place_exemplars(document, rect, planned))


def frame(document: Document, draft: Draft, planned: Plan) -> Frame | None:
    """What it sees; None where nothing may change. It looks at everything that may change."""
    outer = reach(document, draft, planned)
    return _frame_around(document, outer, change(document, draft, planned, outer))


def frame_bound(document: Document, draft: Draft, planned: Plan) -> Frame | None:
    """A quick bound of the frame."""
    tight = reach(document, draft, planned)
    if planned.region is not None:
        tight = strength_rect(document.map(planned.region), draft.strength)
    return None if tight.empty else _frame_of(document, tight)


def request(document: Document, draft: Draft, planned: Plan) -> EditRequest:
    """The planned edit as a request. Raises `InvalidRequest` when there is nothing to do, or nothing it may change."""
    action, moved = planned.action, planned.action == "move"
    if action is None:
        raise InvalidRequest("There is nothing to change yet.", planned.reason)
    outer = reach(document, draft, planned)
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
    """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change. `placed`: the exemplars of `place_exemplars`."""
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
