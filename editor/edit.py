"""The way in and the way out: from a document to a request, and from a result back to a document.

`plan` says what a press on the one button would do, and why it cannot when it cannot; `make_request` builds it; `apply_result` lays
the outcome onto the document as it is by then.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from editor import masks
from editor.compose import flatten, on_white
from editor.document import Document, MapName
from editor.errors import InvalidRequest
from editor.frame import Frame
from editor.geometry import EMPTY, Placement, Rect, chain, invert, transform_point
from editor.item import Exemplar, Item
from editor.layer import Layer
from editor.placing import (
    Placed,
    exemplar_reach,
    hole,
    item_matrix,
    moved_mask,
    place_exemplar,
    place_mask,
    within,
)
from editor.report import EditResult
from editor.request import (
    Action,
    EditRequest,
    ExemplarInput,
    ItemInput,
    MethodSettings,
    QuickFillSettings,
    Subject,
)
from editor.tiles import Tiles

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
_T = TypeVar("_T", bound=np.generic)

# Around what changes, a method sees at least this much, and at most this multiple of the longer side.
LEAST_CONTEXT = 192
CONTEXT = 1.0


@dataclass(frozen=True, slots=True)
class Draft:
    """The next edit, as far as it has been said. `item`, `exemplar`: ids of what is active, at most one of the two.

    `strength`: 0 to 1, multiplies what is painted. `seed`: None draws a new one for every run. `variations`: how many results to make.
    """

    settings: MethodSettings = field(default_factory=QuickFillSettings)
    item: int | None = None
    exemplar: int | None = None
    prompt: str = ""
    negative_prompt: str = ""
    strength: float = 1.0
    seed: int | None = None
    variations: int = 3

    @classmethod
    def for_document(cls, document: Document) -> Draft:
        """A first draft whose growth of items fits the picture: 7 px at a long side of 512."""
        grow = round(7 * max(document.size) / 512)
        return cls(QuickFillSettings(grow=min(max(grow, 2), 60)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What the button would do. `action` is None when it can do nothing; then `reason` says what is missing."""

    action: Action | None
    label: str
    reason: str = ""
    items: tuple[int, ...] = ()
    exemplars: tuple[int, ...] = ()


def plan(document: Document, draft: Draft) -> Plan:
    """The edit that the person most likely means, from what is active, moved, painted, selected and laid on, in this order."""
    moved = tuple(item.id for item in document.items if item.placement is not None and not item.empty)
    exemplar = None if draft.exemplar is None else document.exemplar(draft.exemplar)
    if exemplar is not None and exemplar.visible:
        return Plan("blend", f"Blend “{exemplar.name}”", exemplars=(exemplar.id,))
    item = None if draft.item is None else document.item(draft.item)
    if moved and (item is None or item.id in moved):
        return Plan("move", "Move and heal", items=moved)
    if item is not None and not item.empty:
        return Plan("remove", f"Remove “{item.name}”", items=(item.id,))
    if document.strength.any():
        return Plan("fill", "Fill")
    if document.selection.any():
        return Plan("fill", "Fill selection")
    shown = tuple(exemplar.id for exemplar in document.exemplars if exemplar.visible)
    if shown:
        return Plan("blend", "Blend exemplars" if len(shown) > 1 else "Blend exemplar", exemplars=shown)
    return Plan(None, "Fill", "Paint where it may change, or select an item.")


def removal(item: Item) -> Plan:
    """What the Delete key does."""
    return Plan("remove", f"Remove “{item.name}”", items=(item.id,))


def effect(document: Document, draft: Draft, rect: Rect, planned: Plan | None = None) -> Map:
    """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change if the edit ran now."""
    planned = planned or plan(document, draft)
    return _effect(document, draft, rect, planned, _place_exemplars(document, rect, planned))


def _effect(document: Document, draft: Draft, rect: Rect, planned: Plan, placed: dict[int, Placed]) -> Map:
    if planned.action == "fill":
        source = document.selection if _fills_selection(document) else document.strength
        found: Map = source.read(rect) * np.float32(draft.strength)
    else:
        found = np.zeros(rect.size.shape, np.float32)
    for item in _items(document, planned):
        _add_item(found, rect, item, draft.settings.grow, moved=planned.action == "move")
    for each in placed.values():
        view = found[each.rect.within(rect).slices]
        np.maximum(view, each.alpha * each.strength * np.float32(draft.strength), out=view)
    if not document.protect.blank:
        found *= 1 - document.protect.read(rect)
    return found


def reach(document: Document, draft: Draft, planned: Plan) -> Rect:
    """A bound, in document pixels, of everything the planned edit may change."""
    found = EMPTY
    for item in _items(document, planned):
        found = found.unite(item.rect.grow(draft.settings.grow))
        if planned.action == "move":
            found = found.unite(_set_down(item))
    for id in planned.exemplars:
        exemplar = document.exemplar(id)
        if exemplar is not None:
            found = found.unite(exemplar_reach(exemplar))
    if planned.action == "fill":
        found = (document.selection if _fills_selection(document) else document.strength).written()
    return found.intersect(document.rect)


def make_request(document: Document, draft: Draft, planned: Plan | None = None) -> EditRequest:
    """The planned edit as a request; draws the seed when the draft has none.

    Raises `InvalidRequest` when there is nothing to do, or nothing it may change.
    """
    planned = planned or plan(document, draft)
    if planned.action is None:
        raise InvalidRequest("There is nothing to change yet.", planned.reason)
    outer = reach(document, draft, planned)
    placed = _place_exemplars(document, outer, planned)
    found = _effect(document, draft, outer, planned, placed)
    tight = Rect.of_mask(found)
    if tight.empty:
        raise InvalidRequest(*_why_nothing(document, planned))
    frame = Frame.full_size(_with_context(tight.moved(outer.left, outer.top), document.rect))
    rect = frame.rect
    strength = _on_grid(found, outer, rect)
    seen = flatten(document, rect)
    nothing = seen[..., 3] == 0 if seen[..., 3].min() == 0 else None
    if nothing is not None and planned.action in ("fill", "remove"):
        strength[nothing] = 0  # what is transparent has nothing to fill, and stays so
        if not strength.any():
            raise InvalidRequest("The picture is transparent here.", "Choose a place where it shows something.")
    items = tuple(
        _item_input(item, rect, draft.settings.grow, document, nothing, moved=planned.action == "move")
        for item in _items(document, planned)
    )
    exemplars = tuple(
        _exemplar_input(exemplar, placed[exemplar.id], rect, draft.strength, document)
        for exemplar in document.exemplars
        if exemplar.id in placed
    )
    subjects = [Subject(item.id, item.placement) for item in _items(document, planned)]
    subjects += [Subject(id) for id in planned.exemplars]
    return EditRequest(
        image=on_white(seen),
        strength=strength,
        frame=frame,
        settings=draft.settings,
        seed=draw_seed() if draft.seed is None else draft.seed,
        action=planned.action,
        subjects=tuple(subjects),
        items=items,
        exemplars=exemplars,
        avoid=_avoided(document, rect, nothing),
        prompt=draft.prompt,
        negative_prompt=draft.negative_prompt,
    )


def _avoided(document: Document, rect: Rect, nothing: Mask | None) -> Mask | None:
    """Where nothing may be copied from: what was marked, and what is so transparent that only the white below it shows."""
    if document.avoid.blank:
        return nothing
    marked: Mask = document.avoid.read(rect) >= 0.5
    return marked if nothing is None else marked | nothing


def variations(request: EditRequest, count: int) -> tuple[EditRequest, ...]:
    """The same request with `count` seeds in a row, its own first."""
    return tuple(replace(request, seed=(request.seed + i) % 2**63) for i in range(count))


def wanted(draft: Draft, planned: Plan) -> int:
    """How many results to make: one where the seed changes nothing, since all would be the same."""
    return 1 if planned.action == "blend" else draft.variations


def draw_seed() -> int:
    """A seed nobody chose; small enough to read out to someone."""
    return secrets.randbelow(2**31)


def apply_result(document: Document, result: EditResult, asked: Document) -> tuple[str, Document]:
    """The document with the result as a new layer on top, and the words for the history.

    `asked` is the document that the request was made from. Whatever was painted or moved since stays so. What the edit used up is put
    away: a removed item leaves the list, a moved one rests at its new place (or leaves, with the picture), a blended exemplar is
    hidden, and the strength that was filled is cleared (the layer's alpha still has it).
    """
    recipe = result.recipe
    items = {each.id: document.item(each.id) for each in recipe.subjects}
    names = [item.name for item in items.values() if item is not None]
    names += [found.name for each in recipe.subjects if (found := document.exemplar(each.id)) is not None]
    label = _label(recipe.action, names)
    layer = Layer.empty(0, label, document.size)
    pixels = layer.pixels.write(result.rect.left, result.rect.top, result.pixels)
    document = document.adding_layer(replace(layer, pixels=pixels, recipe=recipe, doubt=result.doubt))
    for subject in recipe.subjects:
        item = document.item(subject.id)
        exemplar = document.exemplar(subject.id)
        if item is not None and recipe.action == "remove":
            document = document.without_item(item.id)
        elif item is not None and subject.placement is not None:
            set_down = _set_down_item(item, subject.placement)
            document = document.without_item(item.id) if set_down.empty else document.with_item(set_down)
        elif exemplar is not None:
            document = document.with_exemplar(replace(exemplar, visible=False))
    if recipe.action == "fill":
        name: MapName = "selection" if _fills_selection(asked) else "strength"
        used_up = _without_used(document.map(name), asked.map(name), result)
        document = document.with_map(name, used_up)
    return label, document


def _set_down_item(item: Item, placement: Placement) -> Item:
    """The item resting at `placement`. Where it was taken somewhere else since, it is on its way there from its new place."""
    there = replace(item, placement=placement)
    rest = replace(Item.of(item.name, moved_mask(there), item.id), prompt=item.prompt, visible=item.visible)
    if item.placement in (None, placement) or rest.empty or not placement.scale_x * placement.scale_y:
        return rest
    on = chain(item_matrix(item), invert(item_matrix(there)))
    return replace(
        rest,
        placement=Placement(
            *transform_point(on, *rest.rect.centre),
            item.placed.scale_x / placement.scale_x,
            item.placed.scale_y / placement.scale_y,
            item.placed.rotation - placement.rotation,
        ),
    )


def _without_used(now: Tiles, then: Tiles, result: EditResult) -> Tiles:
    """The map with 0 wherever the result changed something and nobody painted since."""

    def clear(part: Rect, view: Map) -> None:
        changed = result.pixels[part.within(result.rect).slices][..., 3] > 0
        view[changed & (view == then.read(part))] = 0

    cleared = now.apply(result.rect, clear)
    return cleared if cleared.any() else Tiles.filled(now.shape, 0, np.float32)


def _label(action: Action, names: list[str]) -> str:
    what = f"“{names[0]}”" if len(names) == 1 else f"{len(names)} things"
    match action:
        case "fill":
            return "Fill"
        case "remove":
            return f"Remove {what}"
        case "move":
            return f"Move {what}"
        case "blend":
            return f"Blend {what}"


def _why_nothing(document: Document, planned: Plan) -> tuple[str, str]:
    if not document.protect.blank:
        return "Everything this would change is protected.", "Unprotect some of it, or choose another region."
    if planned.exemplars:
        return "The exemplar lets nothing in.", "Raise its strength, or move it onto the picture."
    if planned.items:
        return "The item lies outside the picture.", "Move it back, or remove it from the list."
    return "Nothing may change yet.", "Paint where it may change, or raise the strength."


def _fills_selection(document: Document) -> bool:
    return not document.strength.any()


def _with_context(tight: Rect, outer: Rect) -> Rect:
    margin = max(LEAST_CONTEXT, math.ceil(CONTEXT * max(tight.size)))
    return tight.grow(margin).intersect(outer)


def _items(document: Document, planned: Plan) -> list[Item]:
    """Those of the plan that the document still has."""
    return [item for id in planned.items if (item := document.item(id)) is not None]


def _place_exemplars(document: Document, rect: Rect, planned: Plan) -> dict[int, Placed]:
    """The plan's exemplars by id, in the order in which they are laid."""
    return {each.id: place_exemplar(each, rect) for each in document.exemplars if each.id in planned.exemplars}


def _add_item(found: Map, rect: Rect, item: Item, grow: int, *, moved: bool) -> None:
    """Free, in the map of `rect`, what an item leaves and where it goes."""
    part = item.rect.grow(grow).intersect(rect)
    if not part.empty:
        found[part.within(rect).slices][hole(item, part, grow)] = 1
    part = _set_down(item).intersect(rect)
    if moved and item.placement is not None and not part.empty:
        found[part.within(rect).slices][masks.grow(place_mask(item, part), _rim(item)) > 0] = 1


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
    mask = _on_grid(item.mask.read(item.rect), item.rect, rect)
    return ItemInput(item.name, mask, behind, matrix, item.prompt)


def _exemplar_input(
    exemplar: Exemplar, placed: Placed, rect: Rect, overall: float, document: Document
) -> ExemplarInput:
    strength = _on_grid(placed.strength * np.float32(overall), placed.rect, rect)
    if not document.protect.blank:
        strength *= 1 - document.protect.read(rect)
    pixels, alpha = _on_grid(placed.pixels, placed.rect, rect), _on_grid(placed.alpha, placed.rect, rect)
    return ExemplarInput(exemplar.name, pixels, alpha, strength)


def _on_grid(array: NDArray[_T], area: Rect, rect: Rect) -> NDArray[_T]:
    """An array that covers `area` as one that covers `rect`: cropped, and 0 where there is nothing of it."""
    part = area.intersect(rect)
    found = np.zeros((*rect.size.shape, *array.shape[2:]), array.dtype)
    if not part.empty:
        found[part.within(rect).slices] = array[part.within(area).slices]
    return found
