"""Change map of a repainting: how far every pixel may change, and which part of the picture the model sees.

Three things say how far: what is painted (or selected, or an item), each exemplar where it lies, and a rim around each exemplar in which its
surroundings may adapt (`editor.planning.exemplar_change`). The largest counts, times what the overall strength and protection allow:

    change = max(asked, rim, rim, …) x allowed

Below that: how far around a scribble an edit reaches, and what is said where little or nothing would change.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import numpy as np

from editor.arrays import Map, Mask
from editor.document import masks
from editor.document.contents import Layer
from editor.document.document import Document
from editor.document.faint_strength import drop_faint, strength_rect
from editor.document.placing import on_grid
from editor.errors import InvalidRequest, ModelUnavailable
from editor.geometry import EMPTY, Rect
from editor.models.info import ModelInfo
from editor.planning.exemplar_change import (
    FAINT_DROPS,
    by_the_map,
    covers,
    exemplar_input,
    extent,
    freeing,
    is_map_given,
    most_freed,
    planned_exemplars,
    rim_of,
)
from editor.planning.plan import Draft, Plan
from editor.requests.edit_request import Action, ExemplarInput
from editor.requests.frame import Frame, choose_frame, frame_at
from editor.requests.method_settings import Use

TRANSPARENT = (
    "The picture is transparent here.",
    "Choose a place where it shows something, or turn on “Fill transparent areas” under More.",
)
# Of the longer side of what is painted: how far around the strokes the edit may reach.
AROUND = 0.04
MIN_AROUND = 2  # picture pixels
# See docs/methods.md, PIXELS 6.
MIN_FREE_STEPS = 3
LITTLE_SEEN, LITTLE_CHANGED = 0.05, 0.1  # strength, without a model and with one
NO_PROMPT = "Say what should be there."
NO_STEP = "At this strength not one step runs. Raise the strength, or the number of steps."


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
    scale = draft.settings.working_scale
    tight = asked_rect(document, draft, planned)
    for exemplar in freeing(document, draft, planned):
        # A rim of the model's own is some share of the frame, and smaller than the frame's margin.
        tight = tight.unite(extent(exemplar, draft).grow(math.ceil(exemplar.rim or 0)))
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
    rect = asked_rect(document, draft, planned)
    for exemplar in freeing(document, draft, planned):
        rect = rect.unite(extent(exemplar, draft).grow(math.ceil(rim_of(exemplar, draft, frame))))
    return rect.intersect(frame.rect)


def repaint_change_map(document: Document, draft: Draft, rect: Rect, planned: Plan) -> Map:
    """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change."""
    frame = repaint_frame(document, draft, planned)
    part = EMPTY if frame is None else rect.intersect(frame.rect)
    if frame is None or part.empty:
        return np.zeros(rect.size.shape, np.float32)
    change, _ = repaint_change(document, draft, part, planned, frame=frame)
    return on_grid(change, part, rect)


def repaint_inputs(
    document: Document, draft: Draft, frame: Frame, planned: Plan, nothing: Mask | None
) -> tuple[Map, dict[int, ExemplarInput]]:
    """The strength of the whole frame, and by id what takes part of the exemplars, in the order in which they are laid.

    `nothing`: (h, w), where the picture is transparent: only exemplars may change that. Raises `InvalidRequest` when nothing may change.
    """
    change, exemplars = repaint_change(document, draft, frame.rect, planned, frame=frame)
    if nothing is not None:
        laid = (exemplar.alpha * exemplar.strength > 0 for exemplar in exemplars.values())
        nothing = nothing & ~reduce(np.logical_or, laid, np.zeros(frame.rect.size.shape, np.bool_))
        change = _without(change, nothing)
        exemplars = {id: replace(exemplar, rim=_without(exemplar.rim, nothing)) for id, exemplar in exemplars.items()}
    if not change.any():
        raise InvalidRequest(*why_nothing(document, draft, planned, nothing))
    return change, exemplars


def repaint_change(
    document: Document, draft: Draft, rect: Rect, planned: Plan, *, frame: Frame
) -> tuple[Map, dict[int, ExemplarInput]]:
    """How much every pixel of `rect`, inside the frame, may change, and the exemplars that have anything in it or near it."""
    tight = _asked_bound(document, draft, rect, planned)
    painted = on_grid(asked_map(document, draft, tight, planned), tight, rect)
    laid = laid_exemplars(document, draft, rect, planned, frame=frame, painted=painted)

    def settled(map: Map, area: Rect) -> Map:
        """`map`, of `rect` and 0 outside `area`, as far as it is allowed."""
        if area.empty:
            return np.zeros(rect.size.shape, np.float32)
        inner = map[area.within(rect).slices] * allowed_map(document, draft, area)
        inner = clear_frame_edges(inner, area, frame.rect, document.rect)
        return on_grid(drop_faint(inner) if draft.revision >= FAINT_DROPS else inner, area, rect)

    freed = {id: Rect.of_mask(exemplar.rim).moved(rect.left, rect.top) for id, exemplar in laid.items()}
    whole = reduce(Rect.unite, freed.values(), tight)
    change = settled(reduce(np.maximum, (exemplar.rim for exemplar in laid.values()), painted), whole)
    exemplars = {id: replace(exemplar, rim=settled(exemplar.rim, freed[id])) for id, exemplar in laid.items()}
    return change, {id: exemplar for id, exemplar in exemplars.items() if exemplar.rim.any()}


def asked_map(document: Document, draft: Draft, rect: Rect, planned: Plan) -> Map:
    """(h, w) float32 in [0, 1]: what is painted, selected, outlined or scribbled for this edit; all else, where it is about that."""
    values: Map = np.zeros(rect.size.shape, np.float32)
    if planned.region is not None:
        values = document.map(planned.region).read(rect)
    for id in planned.items:
        item = document.item(id)
        if item is not None:
            values = np.maximum(values, item.mask.read(rect))
    if draft.settings.is_outside:
        values = 1 - values
    scribble = scribble_of(document, draft)
    if scribble is not None and planned.scribble is not None:
        values = np.maximum(values, scribble_region(scribble, rect))
    return values


def allowed_map(document: Document, draft: Draft, rect: Rect) -> Map:
    """(h, w) or (1, 1) float32 in [0, 1]: what the overall strength and protection leave of any change."""
    strength: Map = np.full((1, 1), draft.strength, np.float32)
    return strength if document.protect.blank else strength * (1 - document.protect.read(rect))


def laid_exemplars(
    document: Document, draft: Draft, rect: Rect, planned: Plan, *, frame: Frame, painted: Map
) -> dict[int, ExemplarInput]:
    """By id the exemplars that are let in near `rect`, with what each frees there, not yet multiplied by what is allowed."""
    laid: dict[int, ExemplarInput] = {}
    given = is_map_given(draft, planned)
    for exemplar in planned_exemplars(document, planned):
        entry = exemplar_input(exemplar, rect, rim_of(exemplar, draft, frame), document, draft)
        if entry is not None and given and covers(exemplar, document):
            entry = by_the_map(entry, painted)
            entry = entry if (entry.alpha * entry.strength).any() else None
        if entry is not None:
            laid[exemplar.id] = entry
    return laid


def clear_frame_edges(map: Map, rect: Rect, frame: Rect, whole: Rect) -> Map:
    """The same array, which is the caller's own, with nothing on an edge of the frame that is not one of the document: a region that goes on beyond
    fades out before it.

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
    return map


def asked_rect(document: Document, draft: Draft, planned: Plan) -> Rect:
    """The tight rectangle of what `asked_map` says; the whole picture where it is about all else."""
    if draft.settings.is_outside:
        return document.rect
    scribble = scribble_of(document, draft)
    rect = EMPTY if planned.region is None else strength_rect(document.map(planned.region), draft.strength)
    for id in planned.items:
        item = document.item(id)
        rect = rect if item is None else rect.unite(item.rect)
    if scribble is not None and planned.scribble is not None:
        rect = rect.unite(scribble_reach(scribble).intersect(document.rect))
    return rect


def _asked_bound(document: Document, draft: Draft, rect: Rect, planned: Plan) -> Rect:
    """A part of `rect` outside which `asked_map` is 0, not only faint. Looks at no pixels, and at blocks inside `rect` only."""
    if draft.settings.is_outside:
        return rect
    scribble = scribble_of(document, draft)
    bound = EMPTY if planned.region is None else document.map(planned.region).written(rect)
    for id in planned.items:
        item = document.item(id)
        bound = bound if item is None else bound.unite(item.rect)
    if scribble is not None and planned.scribble is not None:
        bound = bound.unite(scribble_reach(scribble))
    return bound.intersect(rect)


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
        return "Nothing of the reference pictures comes in.", "Raise their influence, or move them onto the picture."
    if draft.settings.is_outside:
        return "Nothing is left around what should stay.", "Select less."
    return "Nothing may change yet.", "Paint where it may change, or raise the strength."


def _without(map: Map, mask: Mask) -> Map:
    return np.where(mask, np.float32(0), map)


def scribble_of(document: Document, draft: Draft) -> Layer | None:
    """The layer that the draft takes as a scribble; None where there is none, or the method takes none."""
    if draft.scribble is None or Use.SCRIBBLE not in draft.settings.uses:
        return None
    return document.layer(draft.scribble)


def painted_rect(layer: Layer) -> Rect:
    """The tight rectangle of what is painted on the layer; empty if nothing is."""
    whole = EMPTY
    for where, block in layer.pixels.blocks():
        if not layer.pixels.is_blank(block):
            rect = Rect.of_mask(block[..., 3])
            whole = whole if rect.empty else whole.unite(rect.moved(where.left, where.top))
    return whole


def scribble_reach(layer: Layer) -> Rect:
    """A bound of what an edit of the scribble may change, in picture pixels; it may go beyond the picture."""
    rect = painted_rect(layer)
    return rect if rect.empty else rect.grow(_around(rect))


def scribble_region(layer: Layer, rect: Rect) -> Map:
    """(h, w) float32 inside `rect` of the picture: 1 on the strokes and closely around them, so that none of their colour is left over."""
    painted = painted_rect(layer)
    if painted.empty:
        return np.zeros(rect.size.shape, np.float32)
    whole = painted.grow(_around(painted))
    strokes = on_grid((layer.pixels.read(painted)[..., 3] > 0).astype(np.float32), painted, whole)
    return on_grid(masks.grow(strokes, _around(painted)), whole, rect)


def _around(rect: Rect) -> int:
    return max(MIN_AROUND, round(AROUND * max(rect.size)))


def strongest(document: Document, draft: Draft, planned: Plan) -> float:
    """0 to 1: how much any pixel may change by this plan, at most. Cheap: from what is painted, not from where it lies."""
    settings, most = draft.settings, 0.0
    if planned.region is not None:
        most = document.map(planned.region).largest()
    if settings.needs_model:
        if planned.exemplars:
            most = max(most, most_freed(document, draft, planned))
        if planned.scribble is not None:
            most = 1.0  # the picture adapts to a scribble as much as the overall strength says
        if settings.is_outside:
            most = 1.0
        items = (document.item(id) for id in planned.items)
        most = max(most, *(item.mask.largest() for item in items if item is not None), 0.0)
    else:
        exemplars = (document.exemplar(id) for id in planned.exemplars)
        most = max(
            most,
            *(exemplar.strength_map.largest() * exemplar.strength for exemplar in exemplars if exemplar is not None),
            0.0,
        )
    return most * draft.strength


def few_steps(running: int | None, steps: int) -> str:
    """That few of `steps` run, or none; nothing where that is not known."""
    if running == 0:
        return NO_STEP
    if running is None or running >= MIN_FREE_STEPS or steps <= running:
        return ""
    return f"Only {running} of {steps} steps will run, so little changes. Raise the strength, or the number of steps."


def little_seen(most: float, action: Action) -> str:
    """That hardly anything shows of an edit that needs no model. `most`: how much any pixel may change, 0 to 1."""
    if most >= LITTLE_SEEN:
        return ""
    percent = f"{100 * most:.2g}\u202f%"
    if action == "blend":
        return f"At most {percent} of it comes in, so hardly anything will be seen. Raise its influence, or the overall strength."
    return (
        f"At most {percent} may change, so hardly anything will be seen. Paint stronger, or raise the overall strength."
    )
