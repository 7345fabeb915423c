"""Small changes of one property of a layer, item or exemplar: each a labelled step, slider drags coalesced into one.

`widgets.session.commands` has what works on maps and whole things.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from PySide6.QtGui import QGuiApplication

from editor.document.compose import flatten
from editor.document.contents import Blend, Exemplar, Item, Layer, covered
from editor.document.tiles import Tiles
from widgets.qimage import tagged
from widgets.session.options import OF_EXEMPLAR
from widgets.session.session import Session

# The picture


def copy_picture(session: Session) -> None:
    """Put what is seen onto the clipboard: inside the selection when there is one, everything otherwise. It goes with its colour space."""
    document = session.history.document
    area = document.rect if document.selection.blank else covered(document.selection)
    if area.empty:
        session.notice("Nothing is selected.", "Select something, or nothing at all to copy the whole picture.")
        return
    pixels = flatten(document, area)
    if not document.selection.blank:
        pixels[..., 3] = np.rint(pixels[..., 3] * document.selection.read(area)).astype(np.uint8)
        pixels[pixels[..., 3] == 0] = 0  # what was not selected must not go along unseen
    QGuiApplication.clipboard().setImage(tagged(pixels, document.metadata.icc))


# Layers


def add_layer(session: Session) -> None:
    """An empty layer above the active one."""
    document = session.history.document
    layer = Layer.empty(0, numbered("Layer", (other.name for other in document.layers)), document.size)
    session.commit("Add layer", document.adding_layer(layer, above=session.active_layer))
    session.activate_layer(document.next_id)


def show_layer(session: Session, id: int, visible: bool) -> None:
    _layer(session, id, "Show" if visible else "Hide", visible=visible)


def rename_layer(session: Session, id: int, name: str) -> None:
    if name.strip():
        _layer(session, id, "Rename", name=name.strip())


def set_layer_opacity(session: Session, id: int, opacity: float) -> None:
    _layer(session, id, "Opacity of", merge=("opacity", id), opacity=opacity)


def set_layer_blend(session: Session, id: int, blend: Blend) -> None:
    _layer(session, id, "Blend mode of", blend=blend)


def reorder_layers(session: Session, ids: Sequence[int]) -> None:
    """`ids`: all layers from the bottom up."""
    document = session.history.document
    if list(ids) != [layer.id for layer in document.layers]:
        session.commit("Reorder layers", document.with_layer_order(ids))


# Items


def show_item(session: Session, id: int, visible: bool) -> None:
    _item(session, id, "Show" if visible else "Hide", visible=visible)


def rename_item(session: Session, id: int, name: str) -> None:
    if name.strip():
        _item(session, id, "Rename", name=name.strip())


def edit_outline(session: Session, id: int) -> None:
    """Take the strength brush in hand for what belongs to an item; shapes then draw it as well."""
    session.activate(item=id)
    session.set_options(tool="strength", strength_target="item", shape_target="item", mode="set")


# Exemplars


def show_exemplar(session: Session, id: int, visible: bool) -> None:
    _exemplar(session, id, "Show" if visible else "Hide", visible=visible)


def rename_exemplar(session: Session, id: int, name: str) -> None:
    if name.strip():
        _exemplar(session, id, "Rename", name=name.strip())


def set_exemplar_strength(session: Session, id: int, strength: float) -> None:
    _exemplar(session, id, "Influence of", merge=("exemplar strength", id), strength=strength)


def set_exemplar_fidelity(session: Session, id: int, fidelity: float) -> None:
    """How long a model holds on to it."""
    _exemplar(session, id, "Keep the look of", merge=("exemplar fidelity", id), fidelity=fidelity)


def set_exemplar_rim(session: Session, id: int, rim: float | None) -> None:
    """How far its surroundings may adapt, in picture pixels; None for what suits the model."""
    _exemplar(session, id, "Blend width of", merge=("exemplar rim", id), rim=rim)


def set_exemplar_weight(session: Session, id: int, weight: float) -> None:
    """Its share among the exemplars, where a model takes pictures as prompts."""
    _exemplar(session, id, "Weight of", merge=("exemplar weight", id), prompt_weight=weight)


def flip_exemplar(session: Session, id: int, *, upright: bool = False) -> None:
    """Mirror it left to right, or top to bottom when `upright`, about its own centre."""
    exemplar = session.history.document.exemplar(id)
    if exemplar is None:
        return
    at = exemplar.placement
    flipped = replace(at, scale_y=-at.scale_y) if upright else replace(at, scale_x=-at.scale_x)
    _exemplar(session, id, "Flip", placement=flipped)


def reorder_exemplars(session: Session, ids: Sequence[int]) -> None:
    """`ids`: all exemplars in the order in which they are laid, later ones on top."""
    document = session.history.document
    if list(ids) != [exemplar.id for exemplar in document.exemplars]:
        session.commit("Reorder reference pictures", document.with_exemplar_order(ids))


def paint_cutout(session: Session, id: int) -> None:
    """Take the strength brush in hand for what counts of an exemplar; shapes then draw it as well."""
    session.activate(exemplar=id)
    session.set_options(tool="strength", strength_target="cutout", shape_target="cutout", mode="set")


def draw_cutout(session: Session, id: int) -> None:
    """The same with the lasso in hand."""
    paint_cutout(session, id)
    session.set_options(tool="lasso")


def paint_exemplar_strength(session: Session, id: int) -> None:
    """Take the strength brush in hand for how much of an exemplar is let in."""
    session.activate(exemplar=id)
    session.set_options(tool="strength", strength_target="exemplar_strength", mode="set")


def paint_exemplar_fidelity(session: Session, id: int) -> None:
    """Take the strength brush in hand for how firmly a model holds on to an exemplar.

    Where nothing of it is held yet, painting starts from nothing: what is painted then counts as it is shown.
    """
    exemplar = session.history.document.exemplar(id)
    if exemplar is not None and exemplar.fidelity == 0:
        none = Tiles.filled(exemplar.fidelity_map.shape, 0, np.float32)
        _exemplar(session, id, "Paint the kept look of", fidelity=1.0, fidelity_map=none)
    session.activate(exemplar=id)
    session.set_options(tool="strength", strength_target="exemplar_fidelity", mode="set")


def edited_thing(session: Session) -> Item | Exemplar | None:
    """The item or exemplar that the tool in hand writes to."""
    target, document, draft = session.options.target, session.document, session.draft
    if target == "item":
        return None if draft.item is None else document.item(draft.item)
    of_exemplar = target in OF_EXEMPLAR or (target == "strength" and draft.exemplar is not None)
    return document.exemplar(draft.exemplar) if of_exemplar and draft.exemplar is not None else None


def finish_thing(session: Session) -> None:
    """Stop writing to an item or exemplar: it can be moved again."""
    session.set_options(tool="move")


def _layer(session: Session, id: int, verb: str, *, merge: Hashable | None = None, **changes: Any) -> None:
    document = session.history.document
    layer: Layer | None = document.layer(id)
    if layer is not None:
        session.commit(f"{verb} “{layer.name}”", document.with_layer(replace(layer, **changes)), merge)


def _item(session: Session, id: int, verb: str, **changes: Any) -> None:
    document = session.history.document
    item: Item | None = document.item(id)
    if item is not None:
        session.commit(f"{verb} “{item.name}”", document.with_item(replace(item, **changes)))


def _exemplar(session: Session, id: int, verb: str, *, merge: Hashable | None = None, **changes: Any) -> None:
    document = session.history.document
    exemplar: Exemplar | None = document.exemplar(id)
    if exemplar is not None:
        session.commit(f"{verb} “{exemplar.name}”", document.with_exemplar(replace(exemplar, **changes)), merge)


def numbered(stem: str, taken: Iterable[str]) -> str:
    """The first of "Item 1", "Item 2" … that is free."""
    names = set(taken)
    return next(name for at in count(1) if (name := f"{stem} {at}") not in names)


def unlike(name: str, taken: Iterable[str]) -> str:
    """The name itself where it is free, otherwise the first of "Picture 2", "Picture 3" … that is."""
    names = set(taken)
    if name not in names:
        return name
    return next(other for at in count(2) if (other := f"{name} {at}") not in names)
