"""Applying a result: what it does to the document as it is by then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from editor.arrays import Map
from editor.document.compose import flatten, lay
from editor.document.contents import Item, Layer
from editor.document.document import Document, MapName
from editor.document.faint_strength import FAINTEST, is_strength
from editor.document.placing import item_matrix, moved_mask
from editor.document.tiles import Tiles
from editor.edits.rerun import opened_map, restored
from editor.geometry import Placement, Rect, chain, invert, transform_point
from editor.methods.registry import METHODS, Methods
from editor.planning.plan import Plan, named_by
from editor.requests.edit_request import Subject
from editor.requests.results import EditResult, Recipe

NOTHING_CAME = "The result looks just like the picture."
NOTHING_ADVICE = "Raise the strength, or change more of it."
_ROWS = 256  # that are compared at a time
# Share of an item from which on nothing of it is left to be seen.
_WHOLLY = 0.95
# As the faintest strength, with room for what multiplying rounds.
_ROUNDED = FAINTEST * (1 + 1e-5)


def apply_result(
    document: Document,
    result: EditResult,
    planned_on: Document,
    planned: Plan | None = None,
    methods: Methods = METHODS,
) -> tuple[str, Document]:
    """The document with the result as a new layer on top, and the words for the history.

    `planned_on` is the document that the request was made from, `planned` what was planned of it (the usual, by default). Whatever was painted or
    moved since stays so, and whatever is gone by now stays gone. What the edit used up is put away: a removed item leaves the list, a moved one rests
    at its new place (or leaves, with the picture), a blended exemplar is hidden, a scribble too, and the map that said where is cleared as far as it
    took part (the layer's alpha still has it, and the whole of it as `painted`).

    Where an edit was run again, what had been put away for it comes back, and the result takes the place of the layer that it had made, if that is
    still there.
    """
    recipe = result.recipe
    scribbled = any(planned_on.layer(subject.id) is not None for subject in recipe.subjects)
    name = methods.of(recipe.settings).label(recipe, _names(document, planned_on, recipe), scribbled=scribbled)
    region = _used(planned_on, recipe, scribbled=scribbled) if planned is None else planned.region
    painted = None if region is None else planned_on.map(region)
    again = planned_on.rerun
    earlier = None if again is None else document.layer(again.layer)
    is_own = earlier is not None and _has_own_name(earlier, document, planned_on, methods)
    unclear = region
    if again is not None and document.rerun is not None and document.rerun.layer == again.layer:
        document, kept = _out_of_rerun(document, planned_on, region)
        unclear = region if region in kept else None
    for subject in recipe.subjects:
        document = _with_subject_used(document, planned_on, recipe, subject)
    if unclear is not None:
        document = document.with_map(unclear, _without_used(document.map(unclear), planned_on, unclear, result))
    document = _with_items_renewed(document, planned_on, result)
    pixels = Layer.empty(0, name, document.size).pixels.write(result.rect.left, result.rect.top, result.pixels)
    layer = Layer(0, name, pixels, recipe=recipe, doubt=result.doubt, painted=painted, clip=result.clip)
    if earlier is None:
        return name, document.adding_layer(layer)
    layer = replace(
        layer,
        id=earlier.id,
        name=name if is_own else earlier.name,
        opacity=earlier.opacity or 1.0,
        blend=earlier.blend,
    )
    return f"Run again: {layer.name}", document.with_layer(layer)


def layer_of_result(document: Document, result: EditResult) -> Layer:
    """The layer that a result became, in the document that `apply_result` returned."""
    return next(layer for layer in reversed(document.layers) if layer.recipe is result.recipe)


def came_to_nothing(document: Document, result: EditResult) -> bool:
    """Whether the document looks the same with the result as without. Quick where it does not."""
    rect = result.rect.intersect(document.rect)
    for top in range(rect.top, rect.bottom, _ROWS):
        part = Rect(rect.left, top, rect.right, min(top + _ROWS, rect.bottom))
        over = np.ascontiguousarray(result.pixels[part.within(result.rect).slices])
        if over[..., 3].any():
            before = flatten(document, part)
            after = before.copy()
            lay(after, over, 1.0, "normal", clip=result.clip)
            if not np.array_equal(before, after):
                return False
    return True


def _names(document: Document, planned_on: Document, recipe: Recipe) -> list[str]:
    """What the items and exemplars that the edit is about are called, or were when it was asked for."""
    ids = [subject.id for subject in recipe.subjects]
    items = [document.item(id) or planned_on.item(id) for id in ids if planned_on.item(id) is not None]
    exemplars = [document.exemplar(id) or planned_on.exemplar(id) for id in ids if planned_on.exemplar(id) is not None]
    return [thing.name for thing in (*items, *exemplars) if thing is not None]


def _has_own_name(layer: Layer, document: Document, planned_on: Document, methods: Methods) -> bool:
    """Whether a layer is called what its edit called it: nobody has renamed it, though what it is about may have another name since."""
    method = None if layer.recipe is None else methods.find(layer.recipe.settings)
    if layer.recipe is None or method is None:
        return False
    scribbled = any(planned_on.layer(subject.id) is not None for subject in layer.recipe.subjects)
    names = _names(document, planned_on, layer.recipe)
    before, _, after = method.label(layer.recipe, ["\0"] * len(names), scribbled=scribbled).partition("\0")
    if not after:
        return layer.name == before
    return layer.name.startswith(before) and layer.name.endswith(after)


def _with_items_renewed(document: Document, planned_on: Document, result: EditResult) -> Document:
    """The document whose items are what they became by the edit.

    An item that was repainted by words is called by them; its outline still says where it is. One that lay wholly under what was filled from its
    surroundings, or under a picture that was let in, is not there any more and leaves the list, as if it had been removed. Anything less leaves an
    item what it is: a mended scratch does not change what it is on, and without words nobody knows what became of it.
    """
    recipe = result.recipe
    subjects = {subject.id for subject in recipe.subjects}
    words = named_by(recipe.prompt) if recipe.action == "fill" and recipe.settings.reads_prompt else ""
    inside = not recipe.settings.is_outside
    covering = not recipe.settings.needs_model and recipe.action in ("fill", "blend")
    for item in document.items:
        was = planned_on.item(item.id)
        if was is None or was.mask is not item.mask or item.placement is not None:
            continue
        if words and inside and (item.id in subjects or (not subjects and _covered_share(item, result) >= _WHOLLY)):
            document = document.with_item(replace(item, name=words))
        elif covering and item.id not in subjects and _covered_share(item, result) >= _WHOLLY:
            document = document.without_item(item.id)
    return document


def _covered_share(item: Item, result: EditResult) -> float:
    """0 to 1: how much of an item lies under what the result shows at least half of."""
    part = item.rect.intersect(result.rect)
    if part.empty:
        return 0.0
    whole = item.mask.read(item.rect)
    over = result.pixels[part.within(result.rect).slices][..., 3] >= 128
    return float(whole[part.within(item.rect).slices][over].sum() / max(whole.sum(), 1e-6))


def _with_subject_used(document: Document, planned_on: Document, recipe: Recipe, subject: Subject) -> Document:
    """The document with one thing that the edit is about put away, if it is still there. An id means the same thing for ever; that what is found
    was there when the edit was asked for is looked at all the same, for documents from before that was so.
    """
    item = None if planned_on.item(subject.id) is None else document.item(subject.id)
    if item is not None and recipe.action == "remove":
        return document.without_item(item.id)
    if item is not None and recipe.action == "move" and subject.placement is not None:
        set_down = _set_down_item(item, subject.placement)
        return document.without_item(item.id) if set_down.empty else document.with_item(set_down)
    exemplar = None if planned_on.exemplar(subject.id) is None else document.exemplar(subject.id)
    if exemplar is not None:
        return document.with_exemplar(replace(exemplar, visible=False))
    hint = None if planned_on.layer(subject.id) is None else document.layer(subject.id)
    return document if hint is None else document.with_layer(replace(hint, visible=False))


def _out_of_rerun(document: Document, planned_on: Document, region: MapName | None) -> tuple[Document, set[MapName]]:
    """The document with what had been put away for the rerun back, and the maps that somebody changed meanwhile: they stay as they are.
    `region`: the map that the edit uses up; it is the one that was asked with, unless somebody went on painting.
    """
    names: tuple[MapName, ...] = ("strength", "selection")
    kept: set[MapName] = set()
    back = restored(document)
    for name in names:
        untouched = planned_on.map(name) if name == region else opened_map(document, name)
        if not document.map(name).same_as(untouched):
            kept.add(name)
            back = back.with_map(name, document.map(name))
    return back, kept


def with_repaired(document: Document, layer: Layer, result: EditResult) -> Document:
    """The document with the layer's pixels made anew; all else about the layer stays."""
    pixels = Layer.empty(0, "", document.size).pixels.write(result.rect.left, result.rect.top, result.pixels)
    return document.with_layer(
        replace(layer, pixels=pixels, recipe=result.recipe, doubt=result.doubt, clip=result.clip)
    )


def _used(planned_on: Document, recipe: Recipe, *, scribbled: bool) -> MapName | None:
    """The map that said where, of the document that was asked; None where something else did."""
    painted = is_strength(planned_on.strength)
    if recipe.action == "fill" and (scribbled or not recipe.subjects):
        if painted:
            return "strength"
        return None if scribbled else "selection"
    if recipe.action == "blend" and recipe.settings.needs_model and painted:
        return "strength"
    return None


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


def _without_used(now: Tiles, planned_on: Document, region: MapName, result: EditResult) -> Tiles:
    """The map with 0 wherever it took part and nobody painted since."""
    then, recipe = planned_on.map(region), result.recipe

    def clear_faint(part: Rect, view: Map) -> None:
        # What was so little, at the overall strength, that nothing is seen of it; only what is wholly protected stays for later.
        protected = planned_on.protect.read(part)
        used = (view * np.float32(recipe.strength) * (1 - protected) <= _ROUNDED) & (protected < 1)
        view[used & (view == then.read(part))] = 0

    def clear_used(part: Rect, view: Map) -> None:
        used = planned_on.protect.read(part) < 1
        view[used & (view == then.read(part))] = 0

    # Also where nothing is seen of it: a model's change fades in from the edge of what is painted, and what is transparent stays so. Without a model
    # all that is painted took part.
    area = now.written()
    if recipe.settings.needs_model:
        area = area.intersect(_inner(recipe.rect, planned_on.rect))
    cleared = now.apply(area, clear_used)
    cleared = cleared.apply(cleared.written(), clear_faint)
    return cleared if is_strength(cleared) else Tiles.filled(now.shape, 0, np.float32)


def _inner(frame: Rect, whole: Rect) -> Rect:
    """Without the edges of a frame that are none of the document: nothing changes there, and what is painted goes on beyond."""
    return Rect(
        frame.left + (frame.left > whole.left),
        frame.top + (frame.top > whole.top),
        frame.right - (frame.right < whole.right),
        frame.bottom - (frame.bottom < whole.bottom),
    )
