"""Repainting: requests to methods with a model. How far every pixel may change, and which part of the picture the model sees.

Three things say how far: what is painted (or selected, or an item), each exemplar where it lies, and a rim around each exemplar in which its
surroundings may adapt.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from editor import masks
from editor.colour import to_srgb
from editor.document import Document
from editor.errors import InvalidRequest, ModelUnavailable
from editor.frame import Frame, choose_frame, frame_at
from editor.geometry import EMPTY, Rect
from editor.item import Exemplar, covered
from editor.models.info import ModelInfo
from editor.placing import Placed, exemplar_extent, on_grid, place_exemplar
from editor.planning import Draft, Plan
from editor.request import BlendedSettings, ExemplarInput, PixelsSettings
from editor.scribble import scribble_of, scribble_reach, scribble_region

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


TRANSPARENT = (
    "The picture is transparent here.",
    "Choose a place where it shows something, or turn on “Fill transparent areas” under More.",
)


def model_of(draft: Draft) -> ModelInfo:
    """The draft's model. Raises `ModelUnavailable`."""
    if draft.model is None:
        raise ModelUnavailable("No model is chosen.", "Choose one under Models, or use Quick fill, which needs none.")
    if not draft.model.usable:
        raise ModelUnavailable(
            f"“{draft.model.name}” cannot be used. {draft.model.problem}", draft.model.advice or "Choose another model."
        )
    return draft.model


def repaint_frame(document: Document, draft: Draft, planned: Plan) -> Frame | None:
    """What the model will see; None without a model, or when nothing may change. Cheap: nothing is flattened or placed."""
    model = draft.model
    if model is None:
        return None
    scale = draft.settings.scale if isinstance(draft.settings, PixelsSettings | BlendedSettings) else 1.0
    tight = _asked(document, draft, planned)
    for exemplar in _exemplars(document, planned):
        # A rim of the model's own is some share of the frame, and smaller than the frame's margin.
        tight = tight.unite(exemplar_extent(exemplar).grow(math.ceil(exemplar.rim or 0)))
    tight = tight.intersect(document.rect)
    chosen = None if draft.frame is None else draft.frame.intersect(document.rect)
    if tight.empty or (chosen is not None and chosen.empty):
        return None
    if chosen is not None:
        return frame_at(chosen, model.native, model.multiple, scale)
    return choose_frame(tight, document.size, model.native, model.multiple, scale)


def repaint_reach(document: Document, draft: Draft, planned: Plan) -> Rect:
    """A bound, in document pixels, of everything that may change."""
    frame = repaint_frame(document, draft, planned)
    if frame is None:
        return EMPTY
    found = _asked(document, draft, planned)
    for exemplar in _exemplars(document, planned):
        found = found.unite(exemplar_extent(exemplar).grow(math.ceil(rim_of(exemplar, draft, frame))))
    return found.intersect(frame.rect)


def rim_of(exemplar: Exemplar, draft: Draft, frame: Frame) -> float:
    """How far around the exemplar the picture may adapt, in document pixels."""
    if exemplar.rim is not None:
        return exemplar.rim
    return 0.0 if draft.model is None else draft.model.own_rim / frame.mean_scale


def repaint_effect(document: Document, draft: Draft, rect: Rect, planned: Plan) -> Map:
    """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change."""
    frame = repaint_frame(document, draft, planned)
    if frame is None:
        return np.zeros(rect.size.shape, np.float32)
    part = rect.intersect(frame.rect)
    if part.empty:
        return np.zeros(rect.size.shape, np.float32)
    found, _ = _change(document, draft, part, planned, frame)
    return on_grid(found, part, rect)


def repaint_inputs(
    document: Document, draft: Draft, frame: Frame, planned: Plan, nothing: Mask | None
) -> tuple[Map, dict[int, ExemplarInput]]:
    """The strength of the whole frame, and by id what takes part of the exemplars, in the order in which they are laid.

    `nothing`: (h, w), where the picture is transparent: only exemplars may change that. Raises `InvalidRequest` when nothing may change.
    """
    rect = frame.rect
    found, exemplars = _change(document, draft, rect, planned, frame)
    if nothing is not None:
        laid = np.zeros(rect.size.shape, np.bool_)
        for each in exemplars.values():
            laid |= each.alpha * each.strength > 0
        nothing = nothing & ~laid
        found[nothing] = 0
        for each in exemplars.values():
            each.rim[nothing] = 0
    if not found.any():
        raise InvalidRequest(*why_nothing(document, draft, planned, nothing))
    return found, exemplars


def _change(
    document: Document, draft: Draft, rect: Rect, planned: Plan, frame: Frame
) -> tuple[Map, dict[int, ExemplarInput]]:
    """How much every pixel of `rect`, inside the frame, may change, and the exemplars that have anything in it or near it."""
    found = np.zeros(rect.size.shape, np.float32)
    if planned.region is not None:
        found = document.map(planned.region).read(rect)
    for id in planned.items:
        item = document.item(id)
        if item is not None:
            np.maximum(found, item.mask.read(rect), out=found)
    if _outside(draft):
        np.subtract(1, found, out=found)
    scribble = scribble_of(document, draft)
    if scribble is not None and planned.scribble is not None:
        np.maximum(found, scribble_region(scribble, rect), out=found)
    free: Map = np.full((1, 1), draft.strength, np.float32)
    if not document.protect.blank:
        free = free * (1 - document.protect.read(rect))
    exemplars = {}
    for exemplar in _exemplars(document, planned):
        made = _laid(exemplar, rect, rim_of(exemplar, draft, frame), document)
        if made is None:
            continue
        np.maximum(found, made.rim, out=found)
        np.multiply(made.rim, free, out=made.rim)
        _close(made.rim, rect, frame.rect, document.rect)
        if made.rim.any():
            exemplars[exemplar.id] = made
    found *= free
    _close(found, rect, frame.rect, document.rect)
    return found, exemplars


def _laid(exemplar: Exemplar, rect: Rect, rim: float, document: Document) -> ExemplarInput | None:
    """The exemplar on the grid of `rect`, its rim not yet multiplied by anything; None where it has nothing there."""
    around = rect.grow(math.ceil(rim)).intersect(document.rect)
    near = exemplar_extent(exemplar).intersect(around)
    if near.empty:
        return None
    placed = place_exemplar(exemplar, near)
    if not (placed.alpha * placed.strength).any():
        return None
    part = placed.rect.grow(math.ceil(rim)).intersect(rect)
    if part.empty:
        return None
    strength = on_grid(placed.strength, placed.rect, rect)
    if not document.protect.blank:
        strength *= 1 - document.protect.read(rect)
    return ExemplarInput(
        exemplar.name,
        to_srgb(on_grid(placed.pixels, placed.rect, rect), document.metadata.icc),
        on_grid(placed.alpha, placed.rect, rect),
        strength,
        on_grid(placed.fidelity, placed.rect, rect),
        on_grid(_rim(placed, part, rim), part, rect),
        exemplar.prompt_weight,
    )


def _close(map: Map, rect: Rect, frame: Rect, whole: Rect) -> None:
    """Nothing changes on an edge of the frame that is not one of the document: a region that goes on beyond fades out before it.

    `map`: of `rect`, a part of the frame.
    """
    if rect.left == frame.left > whole.left:
        map[:, 0] = 0
    if rect.top == frame.top > whole.top:
        map[0] = 0
    if rect.right == frame.right < whole.right:
        map[:, -1] = 0
    if rect.bottom == frame.bottom < whole.bottom:
        map[-1] = 0


def _rim(placed: Placed, part: Rect, rim: float) -> Map:
    """(h, w) of `part`: 1 on the exemplar, half-covered pixels and all, from there a smooth ramp to 0 over `rim` pixels."""
    whole = part.unite(placed.rect)
    on = np.minimum(2 * placed.alpha * (placed.strength > 0), 1).astype(np.float32)
    found = on_grid(on, placed.rect, whole)
    off = found < 1
    if rim > 0 and not off.all():
        away = masks.distance(off)
        share = np.clip(1 - away / np.float32(rim + 1), 0, 1)
        np.maximum(found, share * share * (3 - 2 * share), out=found)
    return np.ascontiguousarray(found[part.within(whole).slices])


def _outside(draft: Draft) -> bool:
    return isinstance(draft.settings, BlendedSettings) and draft.settings.region == "outside"


def _asked(document: Document, draft: Draft, planned: Plan) -> Rect:
    """The tight rectangle of what is painted, selected, outlined or scribbled for this edit; the whole picture where it is about all else."""
    if _outside(draft):
        return document.rect
    scribble = scribble_of(document, draft)
    found = EMPTY if planned.region is None else covered(document.map(planned.region))
    for id in planned.items:
        item = document.item(id)
        found = found if item is None else found.unite(item.rect)
    if scribble is not None and planned.scribble is not None:
        found = found.unite(scribble_reach(scribble).intersect(document.rect))
    return found


def _exemplars(document: Document, planned: Plan) -> list[Exemplar]:
    return [each for each in document.exemplars if each.id in planned.exemplars]


def why_nothing(document: Document, draft: Draft, planned: Plan, nothing: Mask | None = None) -> tuple[str, str]:
    """Why nothing may change, and what to do about it."""
    if draft.strength == 0:
        return "Nothing may change yet.", "Raise the strength."
    if draft.frame is not None:
        return "Nothing inside the frame may change.", "Move the frame over what should change, or let it go."
    if nothing is not None and nothing.any():
        return TRANSPARENT
    if not document.protect.blank:
        return "Everything this would change is protected.", "Unprotect some of it, or choose another region."
    if planned.exemplars:
        return "The exemplars let nothing in.", "Raise their strength, or move them onto the picture."
    if _outside(draft):
        return "Nothing is left around what should stay.", "Select less."
    return "Nothing may change yet.", "Paint where it may change, or raise the strength."
