"""Run again with changes: from a layer back to the document and the draft that it was made from, and out of that again.

While an edit is reopened the document says so (`Document.rerun`), in every step of the history, in what is saved and in what is recovered: so
whatever was put away for it comes back, whichever way it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document, MapName, Rerun
from editor.document.tiles import Tiles
from editor.errors import InvalidRequest
from editor.methods.registry import METHODS, Methods
from editor.planning.plan import Draft, Touch
from editor.requests.results import Recipe

NOT_UNDERSTOOD: Final = "It was made by a method or with settings that this version of Palimpsest does not have."


@dataclass(frozen=True, slots=True)
class Reopened:
    """`draft` says all that the recipe does, but for the model: it has none. `model`: the key of the one that the caller is to find."""

    document: Document
    draft: Draft
    model: str


def can_reopen(document: Document, layer: Layer, methods: Methods = METHODS) -> str:
    """Why the layer's edit cannot be run again, as a sentence; empty when it can."""
    recipe = layer.recipe
    if recipe is None:
        return "No edit made this layer."
    method = methods.find(recipe.settings)
    if method is None or not recipe.understood:
        return NOT_UNDERSTOOD
    document = restored(document)
    layer = document.layer(layer.id) or layer
    gone = [subject.id for subject in recipe.subjects if not _there(document, recipe, subject.id, layer.id)]
    match recipe.action:
        case "remove" if gone:
            return "The item it removed is gone."
        case "move":
            return "What it moved has been set down."
        case "blend" if gone:
            return "A reference picture it blended is gone."
        case "fill" if gone:
            return "What it was made from is gone."
        case "fill" if layer.painted is None and not recipe.subjects:
            return "The strength it was painted with was not kept."
        case _:
            pass
    planned = method.possible_plans(*_as_it_was(document, layer, recipe))[0]
    # Where only too little is let in by now, the reopened edit says so itself, and that can be mended there.
    if planned.action not in (recipe.action, None) or set(planned.subjects) != {
        subject.id for subject in recipe.subjects
    }:
        return "Moved items are in its way; put them back first."
    return ""


def _there(document: Document, recipe: Recipe, id: int, first_made: int) -> bool:
    """Whether what an edit was about is there, as a thing of the kind that such an edit is about. `first_made`: the layer that the edit made."""
    match recipe.action:
        case "remove" | "move":
            return document.item(id) is not None
        case "blend":
            return document.exemplar(id) is not None
        case "fill":
            return document.item(id) is not None or (id != first_made and document.layer(id) is not None)


def reopen(document: Document, layer_id: int, methods: Methods = METHODS) -> Reopened:
    """The document and the draft with which the layer's edit is run again. Raises `InvalidRequest` when `can_reopen` says why not.

    The layer and everything above it are hidden, but for a scribble, so that the model sees what it saw. The strength that was used is painted
    again (also where it was a selection, which is then let go), and of the exemplars exactly those that took part are shown. They are as they
    are now: whoever has moved one since, runs with the moved one. The frame is the one of the recipe. As long as nothing is changed, the request
    is the same.

    The document says what was put away, for `restored` and for the result. One that was reopened already is restored first.
    """
    document = restored(document)
    layer = document.layer(layer_id)
    if layer is None or layer.recipe is None:
        raise InvalidRequest("No edit made this layer.", "Choose a layer that an edit made.")
    reason = can_reopen(document, layer, methods)
    if reason:
        raise InvalidRequest("This edit cannot be run again.", reason)
    opened, draft = _as_it_was(document, layer, layer.recipe)
    rerun = Rerun(
        layer.id,
        _shown_otherwise(document.layers, opened.layers),
        _shown_otherwise(document.exemplars, opened.exemplars),
        None if opened.strength is document.strength else document.strength,
        None if opened.selection is document.selection else document.selection,
        _shown_otherwise(document.items, opened.items),
    )
    return Reopened(replace(opened, rerun=rerun), draft, layer.recipe.model)


def restored(document: Document) -> Document:
    """The document with all that was put away for a rerun as it was before; anything else that was changed meanwhile stays so."""
    rerun = document.rerun
    if rerun is None:
        return document
    layers, exemplars, items = dict(rerun.layers), dict(rerun.exemplars), dict(rerun.items)
    return replace(
        document,
        layers=tuple(replace(layer, visible=layers.get(layer.id, layer.visible)) for layer in document.layers),
        exemplars=tuple(
            replace(exemplar, visible=exemplars.get(exemplar.id, exemplar.visible)) for exemplar in document.exemplars
        ),
        items=tuple(replace(item, visible=items.get(item.id, item.visible)) for item in document.items),
        strength=document.strength if rerun.strength is None else rerun.strength,
        selection=document.selection if rerun.selection is None else rerun.selection,
        rerun=None,
    )


def opened_map(document: Document, name: MapName) -> Tiles:
    """How a map was when the edit was reopened; the document's own where reopening left it alone."""
    rerun = document.rerun
    if name == "strength" and rerun is not None and rerun.strength is not None:
        layer = document.layer(rerun.layer)
        return document.empty_map() if layer is None or layer.painted is None else layer.painted
    if name == "selection" and rerun is not None and rerun.selection is not None:
        return document.empty_map()
    return document.map(name)


def _shown_otherwise(
    before: Sequence[Layer] | Sequence[Exemplar] | Sequence[Item],
    after: Sequence[Layer] | Sequence[Exemplar] | Sequence[Item],
) -> tuple[tuple[int, bool], ...]:
    """The ids of those whose visibility differs, with what it was."""
    shown = {entry.id: entry.visible for entry in after}
    return tuple((entry.id, entry.visible) for entry in before if entry.visible != shown[entry.id])


def _as_it_was(document: Document, layer: Layer, recipe: Recipe) -> tuple[Document, Draft]:
    subjects = {subject.id for subject in recipe.subjects} - {layer.id}
    at = next(i for i, sheet in enumerate(document.layers) if sheet.id == layer.id)
    below = (replace(sheet, visible=sheet.visible or sheet.id in subjects) for sheet in document.layers[:at])
    layers = (*below, *(replace(sheet, visible=sheet.id in subjects) for sheet in document.layers[at:]))
    earlier = replace(document, layers=layers)
    if recipe.action in ("fill", "blend"):
        earlier = earlier.with_map("selection", document.empty_map())
        earlier = earlier.with_strength(document.empty_map() if layer.painted is None else layer.painted)
    if recipe.action == "blend" or recipe.settings.needs_model:
        exemplars = tuple(replace(exemplar, visible=exemplar.id in subjects) for exemplar in document.exemplars)
        earlier = replace(earlier, exemplars=exemplars)
    if any(not item.visible and item.id in subjects for item in earlier.items):
        items = (replace(item, visible=item.visible or item.id in subjects) for item in earlier.items)
        earlier = replace(earlier, items=tuple(items))
    return earlier, _draft(document, layer, recipe)


def draft_again(document: Document) -> tuple[Draft, str]:
    """The draft of the edit that is being run again, without its model, and the model's key."""
    rerun = document.rerun
    layer = None if rerun is None else document.layer(rerun.layer)
    if layer is None or layer.recipe is None:
        raise InvalidRequest("No edit is being run again.", "Choose a layer that an edit made.")
    if not layer.recipe.understood:
        raise InvalidRequest("This edit cannot be run again.", NOT_UNDERSTOOD)
    return _draft(document, layer, layer.recipe), layer.recipe.model


def _draft(document: Document, layer: Layer, recipe: Recipe) -> Draft:
    subjects = [subject.id for subject in recipe.subjects if subject.id != layer.id]
    active = subjects[0] if len(subjects) == 1 else None
    own = recipe.settings.needs_model
    scribble = next((subject for subject in subjects if document.layer(subject) is not None), None)
    return Draft(
        settings=recipe.settings,
        item=active if active is not None and document.item(active) else None,
        exemplar=active if active is not None and document.exemplar(active) else None,
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        strength=recipe.strength,
        seed=recipe.seed,
        variations=1,
        steps=recipe.steps if own else None,
        guidance_scale=recipe.guidance_scale if own else None,
        sampler=recipe.sampler,
        frame=recipe.rect if own else None,
        scribble=scribble,
        touched=_touched(document, subjects),
        revision=recipe.revision,
    )


def _touched(document: Document, subjects: Sequence[int]) -> tuple[Touch, ...]:
    """What the edit was about, as what a hand was on last; without any things of its own it was about what is painted."""
    touches = [Touch("strength")]
    touches += [Touch("item", id) for id in subjects if document.item(id) is not None]
    touches += [Touch("exemplar", id) for id in subjects if document.exemplar(id) is not None]
    touches += [Touch("scribble", id) for id in subjects if document.layer(id) is not None]
    return tuple(touches)
