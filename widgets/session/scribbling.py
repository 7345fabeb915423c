"""Scribbling: the layer on which rough colours are painted as a hint of what an edit is to make there."""

from __future__ import annotations

from editor.document.document import Document
from editor.document.layer import Layer

NAME = "Scribble"


def layer_to_scribble_on(document: Document, active: int | None) -> int | None:
    """The active layer, if it is a plain one with that name that nothing else was done with."""
    layer = None if active is None else document.layer(active)
    if layer is None or layer is document.layers[0] or layer.name != NAME or layer.recipe is not None:
        return None
    return layer.id if layer.visible and layer.opacity == 1 and layer.blend == "normal" else None


def with_scribble(document: Document) -> tuple[Document, int]:
    """The document with an empty layer to scribble on, on top, and its id."""
    made = document.adding_layer(Layer.empty(0, NAME, document.size))
    return made, made.layers[-1].id


def only_just_begun(document: Document, id: int | None) -> bool:
    """Whether there is such a layer, and nothing has been painted on it."""
    layer = None if id is None else document.layer(id)
    return layer is not None and not layer.pixels.any()
