"""Run again with changes: from a layer back to the document and the draft that it was made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from editor.document import Document
from editor.errors import InvalidRequest
from editor.layer import Layer
from editor.planning import Draft, meant
from editor.report import Recipe


@dataclass(frozen=True, slots=True)
class Reopened:
    """`draft` says all that the recipe does, but for the model: it has none. `model`: the key of the one that the caller is to find."""

    document: Document
    draft: Draft
    model: str


def can_reopen(document: Document, layer: Layer) -> str:
    """Why the layer's edit cannot be run again, as a sentence; empty when it can."""
    recipe = layer.recipe
    if recipe is None:
        return "No edit made this layer."
    gone = [each.id for each in recipe.subjects if not _there(document, each.id)]
    match recipe.action:
        case "remove" if gone:
            return "The item it removed is gone."
        case "move":
            return "What it moved has been set down."
        case "blend" if gone:
            return "An exemplar it blended is gone."
        case "fill" if gone:
            return "What it was made from is gone."
        case "fill" if layer.painted is None and not recipe.subjects:
            return "The strength it was painted with was not kept."
        case _:
            pass
    planned = meant(*_as_it_was(document, layer, recipe))
    if planned.action != recipe.action or set(planned.subjects) != {each.id for each in recipe.subjects}:
        return "Moved items are in its way; put them back first."
    return ""


def _there(document: Document, id: int) -> bool:
    return any(found is not None for found in (document.item(id), document.exemplar(id), document.layer(id)))


def reopen(document: Document, layer_id: int) -> Reopened:
    """The document and the draft with which the layer's edit is run again. Raises `InvalidRequest` when `can_reopen` says why not.

    The layer and everything above it are hidden, but for a scribble, so that the model sees what it saw. The strength that was used is painted
    again (also where it was a selection, which is then let go), and of the exemplars exactly those that took part are shown. They are as they
    are now: whoever has moved one since, runs with the moved one. The frame is the one of the recipe. As long as nothing is changed, the request
    is the same.
    """
    layer = document.layer(layer_id)
    if layer is None or layer.recipe is None:
        raise InvalidRequest("No edit made this layer.", "Choose a layer that an edit made.")
    reason = can_reopen(document, layer)
    if reason:
        raise InvalidRequest("This edit cannot be run again.", reason)
    found, draft = _as_it_was(document, layer, layer.recipe)
    return Reopened(found, draft, layer.recipe.model)


def _as_it_was(document: Document, layer: Layer, recipe: Recipe) -> tuple[Document, Draft]:
    subjects = {each.id for each in recipe.subjects}
    at = next(i for i, each in enumerate(document.layers) if each.id == layer.id)
    below = (replace(each, visible=each.visible or each.id in subjects) for each in document.layers[:at])
    layers = (*below, *(replace(each, visible=each.id in subjects) for each in document.layers[at:]))
    found = replace(document, layers=layers)
    if recipe.action in ("fill", "blend"):
        found = found.with_map("selection", document.empty_map())
        found = found.with_strength(document.empty_map() if layer.painted is None else layer.painted)
    if recipe.action == "blend" or recipe.settings.needs_model:
        exemplars = tuple(replace(each, visible=each.id in subjects) for each in document.exemplars)
        found = replace(found, exemplars=exemplars)
    active = next(iter(subjects)) if len(subjects) == 1 else None
    own = recipe.settings.needs_model
    scribble = next((each for each in subjects if document.layer(each) is not None), None)
    draft = Draft(
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
    )
    return found, draft
