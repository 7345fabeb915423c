"""Repainting: requests to methods with a model. How far every pixel may change, and which part of the picture the model sees.

Three things say how far: what is painted (or selected, or an item), each exemplar where it lies, and a rim around each exemplar in which its
surroundings may adapt.

The rule for exemplars (PIXELS specification, section 5.2, 6a and 6b). Of an exemplar a = coverage x painted strength is let in. The picture under
it is freed for min(1, 2 a) of what the overall strength frees: not at all at 0, next to nothing at 2 %, and in full from a half on, since there
the exemplar takes over a cell of the model, and a cell that shows it is free but for its fidelity. From there on a only says how much of the
exemplar the run begins with. So nothing jumps, and more strength never changes less. Around it the picture may adapt by the same share, which
falls to 0 over the rim. What is painted on the picture itself frees it for just as much as it says; of the two the larger counts.

An exemplar that covers the whole picture would free all of it, so that a map painted for the picture said nothing. There the map alone counts: it
says how far each pixel may change, and the exemplar is let in where it says all (a pair of the published scripts: source, exemplar and map).

Recipes of revision 1 were made by another rule: every exemplar that let anything in freed all under and around it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from editor.arrays import Map, Mask
from editor.document import masks
from editor.document.colour import to_srgb
from editor.document.document import Document
from editor.document.exemplar import Exemplar
from editor.document.faint_strength import drop_faint, strength_rect
from editor.document.item import covered
from editor.document.placing import Placed, exemplar_extent, on_grid, place_exemplar
from editor.errors import InvalidRequest, ModelUnavailable
from editor.geometry import EMPTY, Rect, invert, transform_point
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.hold_counts import DEAD_BAND
from editor.methods.pixels.settings import PixelsSettings
from editor.models.info import ModelInfo
from editor.planning.draft import Draft
from editor.planning.plan import Plan
from editor.planning.scribble import scribble_of, scribble_reach, scribble_region
from editor.requests.edit_request import ExemplarInput
from editor.requests.frame import Frame, choose_frame, frame_at

PROPORTIONAL = 2  # the revision since which an exemplar frees the picture by how much of it is let in
FAINT_DROPS = 2  # the revision since which faint strength is nothing
TRUE_COLOURS = 2  # the revision since which models see sRGB, whatever space the document is in
OWNING = 2.0  # times what is let in is freed: all of it from a half on, where an exemplar owns a cell
CORE = 0.5  # of a pixel that an exemplar covers: the rim is measured from those
EDGES = 16  # a rim around many strengths is made of so many steps
FLAT = 1 / 16  # of an exemplar painted with one strength: that one is no step, but counts as it is
NEARLY_ON = 1.0  # document pixel by which an exemplar that covers the picture may miss its corners


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
    for exemplar in _freeing(document, draft, planned):
        # A rim of the model's own is some share of the frame, and smaller than the frame's margin.
        tight = tight.unite(_extent(exemplar, draft).grow(math.ceil(exemplar.rim or 0)))
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
    for exemplar in _freeing(document, draft, planned):
        found = found.unite(_extent(exemplar, draft).grow(math.ceil(rim_of(exemplar, draft, frame))))
    return found.intersect(frame.rect)


def rim_of(exemplar: Exemplar, draft: Draft, frame: Frame) -> float:
    """How far around the exemplar the picture may adapt, in document pixels."""
    if exemplar.rim is not None:
        return exemplar.rim
    return 0.0 if draft.model is None else draft.model.own_rim / frame.mean_scale


def repaint_change_map(document: Document, draft: Draft, rect: Rect, planned: Plan) -> Map:
    """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change."""
    frame = repaint_frame(document, draft, planned)
    if frame is None:
        return np.zeros(rect.size.shape, np.float32)
    part = rect.intersect(frame.rect)
    if part.empty:
        return np.zeros(rect.size.shape, np.float32)
    found, _ = _change_map(document, draft, part, planned, frame)
    return on_grid(found, part, rect)


def repaint_inputs(
    document: Document, draft: Draft, frame: Frame, planned: Plan, nothing: Mask | None
) -> tuple[Map, dict[int, ExemplarInput]]:
    """The strength of the whole frame, and by id what takes part of the exemplars, in the order in which they are laid.

    `nothing`: (h, w), where the picture is transparent: only exemplars may change that. Raises `InvalidRequest` when nothing may change.
    """
    rect = frame.rect
    found, exemplars = _change_map(document, draft, rect, planned, frame)
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


def _change_map(
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
    given = found.copy() if _map_given(draft, planned) else None
    exemplars = {}
    for exemplar in _exemplars(document, planned):
        made = _place_exemplar(exemplar, rect, rim_of(exemplar, draft, frame), document, draft)
        if made is None:
            continue
        if given is not None and _covers(exemplar, document):
            made = _by_the_map(made, given, draft)
            if not (made.alpha * made.strength).any():
                continue
        np.maximum(found, made.rim, out=found)
        np.multiply(made.rim, free, out=made.rim)
        _clear_frame_edges(made.rim, rect, frame.rect, document.rect)
        if draft.revision >= FAINT_DROPS:
            drop_faint(made.rim)
        if made.rim.any():
            exemplars[exemplar.id] = made
    found *= free
    _clear_frame_edges(found, rect, frame.rect, document.rect)
    return drop_faint(found) if draft.revision >= FAINT_DROPS else found, exemplars


def _place_exemplar(
    exemplar: Exemplar, rect: Rect, rim: float, document: Document, draft: Draft
) -> ExemplarInput | None:
    """The exemplar on the grid of `rect`, its rim not yet multiplied by anything; None where it has nothing there."""
    around = rect.grow(math.ceil(rim)).intersect(document.rect)
    near = _extent(exemplar, draft).intersect(around)
    if near.empty:
        return None
    placed = place_exemplar(exemplar, near)
    if draft.revision >= FAINT_DROPS:
        drop_faint(placed.strength)
    if not (placed.alpha * placed.strength).any():
        return None
    part = placed.rect.grow(math.ceil(rim)).intersect(rect)
    if part.empty:
        return None
    strength = on_grid(placed.strength, placed.rect, rect)
    if not document.protect.blank:
        strength *= 1 - document.protect.read(rect)
    freed = (
        _freed(placed, exemplar.strength, part, rim)
        if draft.revision >= PROPORTIONAL
        else _freed_in_full(placed, part, rim)
    )
    return ExemplarInput(
        exemplar.name,
        to_srgb(on_grid(placed.pixels, placed.rect, rect), space_of(document, draft)),
        on_grid(placed.alpha, placed.rect, rect),
        strength,
        on_grid(placed.fidelity, placed.rect, rect),
        on_grid(freed, part, rect),
        exemplar.prompt_weight,
    )


def _extent(exemplar: Exemplar, draft: Draft) -> Rect:
    return exemplar_extent(exemplar, faint=draft.revision < FAINT_DROPS)


def space_of(document: Document, draft: Draft) -> bytes | None:
    """The colour space of the document, as a profile, where a model is to see its colours in sRGB; None where it sees the numbers as they are."""
    return document.metadata.icc if draft.revision >= TRUE_COLOURS else None


def _map_given(draft: Draft, planned: Plan) -> bool:
    """Whether the person says by a map how far the picture may change, which an exemplar that covers it all does not outvote."""
    return draft.revision >= PROPORTIONAL and (planned.region is not None or bool(planned.items))


def _freeing(document: Document, draft: Draft, planned: Plan) -> list[Exemplar]:
    """The exemplars that free the picture where they lie: all of the plan's, but for those that leave that to a map."""
    given = _map_given(draft, planned)
    return [each for each in _exemplars(document, planned) if not (given and _covers(each, document))]


def most_freed(document: Document, draft: Draft, planned: Plan) -> float:
    """A bound of how much of what the overall strength frees is freed anywhere, 0 to 1. Cheap: no map is looked at."""
    freeing = _freeing(document, draft, planned)
    if not freeing or planned.region is not None or planned.items or draft.revision < PROPORTIONAL:
        return 1.0
    return min(1.0, OWNING * max(each.strength for each in freeing))


def led_by_map(document: Document, draft: Draft, planned: Plan) -> list[Exemplar]:
    """The exemplars that are let in only where the map `planned.region`, given for the picture, says all (see `says_all`)."""
    if planned.region is None or not isinstance(draft.settings, PixelsSettings) or draft.settings.rule != "hold":
        return []
    freeing = _freeing(document, draft, planned)
    return [each for each in _exemplars(document, planned) if each not in freeing]


def says_all(map: Map) -> Mask:
    """(h, w): where a map lets go of the picture altogether, but for the noise of its file."""
    return np.asarray(map > 1 - DEAD_BAND, np.bool_)


def kept_out(document: Document, draft: Draft, planned: Plan) -> Exemplar | None:
    """An exemplar that covers the picture, of which nothing is let in because the map given for the picture nowhere says all; None for none."""
    led = led_by_map(document, draft, planned)
    if not led or planned.region is None or planned.items:
        return None
    return None if any(says_all(block).any() for _, block in document.map(planned.region).blocks()) else led[0]


def _covers(exemplar: Exemplar, document: Document) -> bool:
    """Whether the exemplar lies over the whole picture, is let in everywhere, and hides all that is below it. Seldom dear: it mostly shows at the
    corners whether it does.
    """
    at = exemplar.placement
    if not exemplar.strength or not at.scale_x * at.scale_y:
        return False
    own = covered(exemplar.cutout).intersect(covered(exemplar.strength_map))
    back = invert(at.matrix(exemplar.size))
    left, top, right, bottom = document.rect
    near = NEARLY_ON / abs(at.scale_x), NEARLY_ON / abs(at.scale_y)
    for x, y in ((left, top), (right, top), (left, bottom), (right, bottom)):
        u, v = transform_point(back, x, y)
        if not (own.left - near[0] <= u <= own.right + near[0] and own.top - near[1] <= v <= own.bottom + near[1]):
            return False
    blocks = {id(block): block for _, block in exemplar.cutout.blocks()}.values()  # most are one and the same
    if not all(float(block.min()) >= CORE for block in blocks):
        return False
    alpha = cv2.extractChannel(exemplar.pixels, 3)  # four times as fast as looking at every fourth byte
    return int(alpha.min()) >= CORE * 255


def _by_the_map(exemplar: ExemplarInput, map: Map, draft: Draft) -> ExemplarInput:
    """One that covers the picture, as a given `map` has it: let in where that says all, and freeing what it frees.

    The published scripts lay in all of it, and use it where nothing holds the picture, by a rule of their own.
    """
    own = not isinstance(draft.settings, PixelsSettings) or draft.settings.rule == "hold"
    alpha = exemplar.alpha * says_all(map) if own else exemplar.alpha
    return replace(exemplar, alpha=np.asarray(alpha, np.float32), rim=map.copy())


def _clear_frame_edges(map: Map, rect: Rect, frame: Rect, whole: Rect) -> None:
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


def _freed(placed: Placed, slider: float, part: Rect, rim: float) -> Map:
    """(h, w) of `part`: on the exemplar min(1, 2 a) for what is let in, a; from there it falls to 0 over `rim` pixels. See the module's words.

    `slider`: 0 to 1, the exemplar's own strength, by which all that was painted on it is multiplied. The rim of several strengths is the largest of
    theirs. Where very many were painted, they are taken together in steps of the painted strength, the lowest of each: by the slider nothing jumps.
    What is flat keeps its own strength, so that a soft stroke beside or on it never takes from its rim.
    """
    whole = part.unite(placed.rect)
    painted = placed.painted
    found = on_grid(_share(placed.alpha * painted * np.float32(slider)), placed.rect, whole)
    core = placed.alpha >= CORE
    if rim > 0 and core.any():
        values: Map = painted[core]
        levels: Map = values[:1]
        if values.min() < values.max():
            levels, counts = np.unique(values, return_counts=True)
            if len(levels) > EDGES:
                steps = np.asarray(np.arange(1, EDGES + 1) / EDGES, np.float32)
                levels = np.union1d(steps, levels[counts >= FLAT * values.size])
        shares = _share(levels * np.float32(slider))
        saturated = False
        for level, share in zip(levels, shares, strict=True):  # rising: each is a part of the one before
            on = core & (painted >= level)
            if share <= 0 or saturated or not on.any():
                continue
            saturated = bool(share >= 1)
            off = ~on_grid(on, placed.rect, whole)
            if off.any():
                np.maximum(found, share * _falling(off, rim), out=found)
    return np.ascontiguousarray(found[part.within(whole).slices])


def _share(let_in: Map) -> Map:
    """How much of what is below is freed by what is let in."""
    return np.asarray(np.minimum(OWNING * let_in, 1), np.float32)


def _freed_in_full(placed: Placed, part: Rect, rim: float) -> Map:
    """The same of revision 1: 1 on whatever is let in, half-covered pixels and all."""
    whole = part.unite(placed.rect)
    on = np.minimum(2 * placed.alpha * (placed.strength > 0), 1).astype(np.float32)
    found = on_grid(on, placed.rect, whole)
    off = found < 1
    if rim > 0 and not off.all():
        np.maximum(found, _falling(off, rim), out=found)
    return np.ascontiguousarray(found[part.within(whole).slices])


def _falling(off: Mask, rim: float) -> Map:
    """1 where `off` is false, from there a smooth ramp to 0 over `rim` pixels."""
    share = np.clip(1 - masks.distance(off) / np.float32(rim + 1), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _outside(draft: Draft) -> bool:
    return isinstance(draft.settings, BlendedSettings) and draft.settings.region == "outside"


def _asked(document: Document, draft: Draft, planned: Plan) -> Rect:
    """The tight rectangle of what is painted, selected, outlined or scribbled for this edit; the whole picture where it is about all else."""
    if _outside(draft):
        return document.rect
    scribble = scribble_of(document, draft)
    found = EMPTY if planned.region is None else strength_rect(document.map(planned.region), draft.strength)
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
        return "Nothing of the reference pictures comes in.", "Raise their influence, or move them onto the picture."
    if _outside(draft):
        return "Nothing is left around what should stay.", "Select less."
    return "Nothing may change yet.", "Paint where it may change, or raise the strength."
