"""The way in and the way out: from a document to a request, and from a result back to a document.

`plan` says what a press on the one button would do, and why it cannot when it cannot; `make_request` builds it; `apply_result` lays
the outcome onto the document as it is by then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map, Mask
from editor.document import masks
from editor.document.colour import to_srgb
from editor.document.compose import flatten, on_white
from editor.document.document import Document
from editor.document.exemplar import Exemplar
from editor.document.faint_strength import drop_faint
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
from editor.geometry import EMPTY, Rect, pixel_matrix
from editor.planning.change_map import (
    FAINT_DROPS,
    TRANSPARENT,
    model_of,
    repaint_change_map,
    repaint_frame,
    repaint_inputs,
    repaint_reach,
    space_of,
    why_nothing,
)
from editor.planning.draft import Draft, draw_seed
from editor.planning.plan import Plan, plan
from editor.planning.scribble import scribble_of, without_scribble
from editor.requests.edit_request import (
    CandidatesRequest,
    EditRequest,
    ExemplarInput,
    ItemInput,
    Repair,
    RepairRequest,
    StrengthsRequest,
    Subject,
)
from editor.requests.frame import Frame
from editor.requests.results import EditResult

# Around what changes, a method without a model sees at least this much, and at most this multiple of the longer side.
MIN_CONTEXT = 192
CONTEXT = 1.0
STAYS_TRANSLUCENT = 2  # the revision of the rules since which a translucent picture stays so


def change_map(document: Document, draft: Draft, rect: Rect, planned: Plan | None = None) -> Map:
    """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change if the edit ran now."""
    planned = planned or plan(document, draft)
    if draft.settings.needs_model:
        return repaint_change_map(document, draft, rect, planned)
    return _plain_change_map(document, draft, rect, planned, _place_exemplars(document, rect, planned))


def reach(document: Document, draft: Draft, planned: Plan) -> Rect:
    """A bound, in document pixels, of everything the planned edit may change."""
    if draft.settings.needs_model:
        return repaint_reach(document, draft, planned)
    found = EMPTY
    for item in _items(document, planned):
        found = found.unite(item.rect.grow(draft.grow))
        if planned.action == "move":
            found = found.unite(_set_down(item))
    for id in planned.exemplars:
        exemplar = document.exemplar(id)
        if exemplar is not None:
            found = found.unite(exemplar_reach(exemplar))
    if planned.region is not None:
        found = document.map(planned.region).written()
    return found.intersect(document.rect)


def frame_for(document: Document, draft: Draft, planned: Plan | None = None) -> Frame | None:
    """The frame of the request that `make_request` would make; None when it would make none for want of anything that may change.

    Quick for methods with a model. Without one it looks at everything that may change.
    """
    planned = planned or plan(document, draft)
    if planned.action is None:
        return None
    if draft.settings.needs_model:
        return repaint_frame(document, draft, planned)
    outer = reach(document, draft, planned)
    return _full_frame(
        document, outer, _plain_change_map(document, draft, outer, planned, _place_exemplars(document, outer, planned))
    )


def make_request(document: Document, draft: Draft, planned: Plan | None = None) -> EditRequest:
    """The planned edit as a request; draws the seed when the draft has none.

    Raises `InvalidRequest` when there is nothing to do, or nothing it may change, and `ModelUnavailable` without a model that can be used
    where one is needed.
    """
    planned = planned or plan(document, draft)
    if draft.settings.needs_model:
        return _repaint_request(document, draft, planned)
    if planned.action is None:
        raise InvalidRequest("There is nothing to change yet.", planned.reason)
    outer = reach(document, draft, planned)
    placed = _place_exemplars(document, outer, planned)
    found = _plain_change_map(document, draft, outer, planned, placed)
    frame = _full_frame(document, outer, found)
    if frame is None:
        raise InvalidRequest(*_why_nothing(document, planned))
    rect = frame.rect
    strength = on_grid(found, outer, rect)
    seen = flatten(document, rect)
    nothing = seen[..., 3] == 0 if seen[..., 3].min() == 0 else None
    kept = None if draft.settings.fill_transparent else nothing
    if kept is not None and planned.action in ("fill", "remove"):
        strength[kept] = 0  # what is transparent has nothing to fill, and stays so
        if not strength.any():
            raise InvalidRequest(*TRANSPARENT)
    items = tuple(
        _item_input(item, rect, draft.grow, document, kept, moved=planned.action == "move")
        for item in _items(document, planned)
    )
    exemplars = tuple(
        _exemplar_input(exemplar, placed[exemplar.id], rect, draft, document)
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
        overall=draft.strength,
        revision=draft.revision,
        alpha=_kept_alpha(seen, draft, strength, [each.alpha * each.strength > 0 for each in exemplars] + _set(items)),
    )


def repair(request: EditRequest, result: EditResult, how: Repair) -> RepairRequest:
    """For the result of a request, or of one with another seed. Raises `InvalidRequest` where it left nothing to begin from."""
    if result.latents is None:
        raise InvalidRequest("This edit leaves nothing that could be repaired.", "Run it again another way.")
    return RepairRequest(replace(request, seed=result.recipe.seed), result.latents, how)


def candidates(request: EditRequest, count: int) -> CandidatesRequest:
    """The same request with `count` seeds in a row, its own first."""
    return CandidatesRequest(request, tuple((request.seed + i) % 2**63 for i in range(count)))


def at_strengths(
    document: Document, draft: Draft, levels: Sequence[float], planned: Plan | None = None
) -> StrengthsRequest:
    """The planned edit at several overall strengths, each just as `make_request` makes it; all have one seed, drawn when the draft has none.

    Those that leave nothing of what is painted are not among them. Raises what `make_request` raises where that is all of them.
    """
    seed = draw_seed() if draft.seed is None else draft.seed
    requests: list[EditRequest] = []
    refused: InvalidRequest | None = None
    for level in levels:
        try:
            requests.append(make_request(document, replace(draft, strength=level, seed=seed), planned))
        except InvalidRequest as error:
            refused = error
    if refused is not None and not requests:
        raise refused
    return StrengthsRequest(tuple(requests))


def _repaint_request(document: Document, draft: Draft, planned: Plan) -> EditRequest:
    model = model_of(draft)
    if planned.action is None:
        raise InvalidRequest("There is nothing to change yet.", planned.reason)
    frame = repaint_frame(document, draft, planned)
    if frame is None:
        raise InvalidRequest(*why_nothing(document, draft, planned))
    scribble = scribble_of(document, draft)
    if scribble is None or planned.scribble is None:
        plain, hint = document, None
    else:
        plain, hint = without_scribble(document, scribble), on_white(flatten(document, frame.rect))
    seen = flatten(plain, frame.rect)
    icc = space_of(document, draft)
    nothing = seen[..., 3] == 0 if seen[..., 3].min() == 0 else None
    kept = None if draft.settings.fill_transparent else nothing
    strength, exemplars = repaint_inputs(document, draft, frame, planned, kept)
    # Where no exemplar reaches into the frame, there is nothing to blend.
    action = "fill" if planned.action == "blend" and not exemplars else planned.action
    return EditRequest(
        image=to_srgb(on_white(seen), icc),
        strength=strength,
        frame=frame,
        settings=draft.settings,
        seed=draw_seed() if draft.seed is None else draft.seed,
        action=action,
        subjects=tuple(Subject(id) for id in replace(planned, exemplars=tuple(exemplars)).subjects),
        exemplars=tuple(exemplars.values()),
        prompt=draft.prompt,
        negative_prompt=draft.negative_prompt,
        model=model.key,
        steps=draft.steps_on(model),
        guidance_scale=draft.guidance_on(model),
        sampler=draft.sampler,
        overall=draft.strength,
        scribble=None if hint is None else to_srgb(hint, icc),
        icc=icc,
        revision=draft.revision,
        alpha=_kept_alpha(seen, draft, strength, [each.alpha * each.strength > 0 for each in exemplars.values()]),
    )


def _plain_change_map(document: Document, draft: Draft, rect: Rect, planned: Plan, placed: dict[int, Placed]) -> Map:
    found: Map = np.zeros(rect.size.shape, np.float32)
    if planned.region is not None:
        found = document.map(planned.region).read(rect) * np.float32(draft.strength)
    for item in _items(document, planned):
        _add_item(found, rect, item, draft.grow, moved=planned.action == "move")
    for each in placed.values():
        view = found[each.rect.within(rect).slices]
        np.maximum(view, each.alpha * each.strength * np.float32(draft.strength), out=view)
    if not document.protect.blank:
        found *= 1 - document.protect.read(rect)
    return drop_faint(found) if draft.revision >= FAINT_DROPS else found


def _full_frame(document: Document, outer: Rect, found: Map) -> Frame | None:
    """What a method without a model sees to change `found`, the effect inside `outer`; None when that is nothing."""
    tight = Rect.of_mask(found)
    if tight.empty:
        return None
    tight = tight.moved(outer.left, outer.top)
    margin = max(MIN_CONTEXT, math.ceil(CONTEXT * max(tight.size)))
    return Frame.full_size(tight.grow(margin).intersect(document.rect))


def _kept_alpha(seen: NDArray[np.uint8], draft: Draft, strength: Map, laid: list[Mask]) -> NDArray[np.uint8] | None:
    """How translucent the picture is, where the result must be so too; None where all that changes is opaque, or shall become so.

    laid: where exemplars and moved items come to lie; when that is where the picture is not opaque, they lie over it, and are not cut to it
    """
    alpha = seen[..., 3]
    if draft.settings.fill_transparent or draft.revision < STAYS_TRANSLUCENT:
        return None
    if not ((alpha < 255) & (strength > 0)).any():
        return None
    if any(((alpha < 255) & each).any() for each in laid):
        return None
    return np.ascontiguousarray(alpha)


def _set(items: tuple[ItemInput, ...]) -> list[Mask]:
    """Where moved items are set down."""
    return [
        np.asarray(cv2.warpAffine(item.mask, pixel_matrix(item.matrix), item.mask.shape[::-1]) > 0)
        for item in items
        if item.matrix is not None
    ]


def _avoided(document: Document, rect: Rect, nothing: Mask | None) -> Mask | None:
    """Where nothing may be copied from: what was marked, and what is so transparent that only the white below it shows."""
    if document.avoid.blank:
        return nothing
    marked: Mask = document.avoid.read(rect) >= 0.5
    return marked if nothing is None else marked | nothing


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
