"""Exemplars in the change map: where each lies on the grid of an edit, and how far it frees the picture below and around it.

The rule for exemplars (docs/methods.md, PIXELS 3). Of an exemplar a = coverage x painted strength is let in. The picture under
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
from editor.document.contents import Exemplar, covered
from editor.document.document import Document
from editor.document.faint_strength import DEAD_BAND, drop_faint
from editor.document.placing import Placed, exemplar_extent, on_grid, place_exemplar
from editor.geometry import Rect, invert, transform_point
from editor.planning.plan import Draft, Plan
from editor.requests.edit_request import ExemplarInput
from editor.requests.frame import Frame

PROPORTIONAL = 2  # the revision since which an exemplar frees the picture by how much of it is let in
FAINT_DROPS = 2  # the revision since which faint strength is nothing
TRUE_COLOURS = 2  # the revision since which models see sRGB, whatever space the document is in
OWNING = 2.0  # times what is let in is freed: all of it from a half on, where an exemplar owns a cell
CORE = 0.5  # of a pixel that an exemplar covers: the rim is measured from those
EDGES = 16  # a rim around many strengths is made of so many steps
FLAT = 1 / 16  # of an exemplar painted with one strength: that one is no step, but counts as it is
NEARLY_ON = 1.0  # document pixel by which an exemplar that covers the picture may miss its corners


def rim_of(exemplar: Exemplar, draft: Draft, frame: Frame) -> float:
    """How far around the exemplar the picture may adapt, in document pixels."""
    if exemplar.rim is not None:
        return exemplar.rim
    return 0.0 if draft.model is None else draft.model.own_rim / frame.mean_scale


def planned_exemplars(document: Document, planned: Plan) -> list[Exemplar]:
    """Those of the plan that the document still has, in the order in which they are laid."""
    return [exemplar for exemplar in document.exemplars if exemplar.id in planned.exemplars]


def exemplar_input(
    exemplar: Exemplar, rect: Rect, rim: float, document: Document, draft: Draft
) -> ExemplarInput | None:
    """The exemplar on the grid of `rect`, its rim not yet multiplied by anything; None where it has nothing there."""
    around = rect.grow(math.ceil(rim)).intersect(document.rect)
    near = extent(exemplar, draft).intersect(around)
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


def extent(exemplar: Exemplar, draft: Draft) -> Rect:
    """The tight rectangle of what is let in, in document pixels."""
    return exemplar_extent(exemplar, faint=draft.revision < FAINT_DROPS)


def space_of(document: Document, draft: Draft) -> bytes | None:
    """The colour space of the document, as a profile, where a model is to see its colours in sRGB; None where it sees the numbers as they are."""
    return document.metadata.icc if draft.revision >= TRUE_COLOURS else None


def is_map_given(draft: Draft, planned: Plan) -> bool:
    """Whether the person says by a map how far the picture may change, which an exemplar that covers it all does not outvote."""
    return draft.revision >= PROPORTIONAL and (planned.region is not None or bool(planned.items))


def freeing(document: Document, draft: Draft, planned: Plan) -> list[Exemplar]:
    """The exemplars that free the picture where they lie: all of the plan's, but for those that leave that to a map."""
    given = is_map_given(draft, planned)
    return [exemplar for exemplar in planned_exemplars(document, planned) if not (given and covers(exemplar, document))]


def most_freed(document: Document, draft: Draft, planned: Plan) -> float:
    """A bound of how much of what the overall strength frees is freed anywhere, 0 to 1. Cheap: no map is looked at."""
    exemplars = freeing(document, draft, planned)
    if not exemplars or planned.region is not None or planned.items or draft.revision < PROPORTIONAL:
        return 1.0
    return min(1.0, OWNING * max(exemplar.strength for exemplar in exemplars))


def led_by_map(document: Document, draft: Draft, planned: Plan) -> list[Exemplar]:
    """The exemplars that are let in only where the map `planned.region`, given for the picture, says all (see `says_all`)."""
    if planned.region is None:
        return []
    free = freeing(document, draft, planned)
    return [exemplar for exemplar in planned_exemplars(document, planned) if exemplar not in free]


def says_all(map: Map) -> Mask:
    """(h, w): where a map lets go of the picture altogether, but for the noise of its file."""
    return np.asarray(map > 1 - DEAD_BAND, np.bool_)


def kept_out(document: Document, draft: Draft, planned: Plan) -> Exemplar | None:
    """An exemplar that covers the picture, of which nothing is let in because the map given for the picture nowhere says all; None for none."""
    led = led_by_map(document, draft, planned)
    if not led or planned.region is None or planned.items:
        return None
    return None if any(says_all(block).any() for _, block in document.map(planned.region).blocks()) else led[0]


def covers(exemplar: Exemplar, document: Document) -> bool:
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


def by_the_map(exemplar: ExemplarInput, map: Map) -> ExemplarInput:
    """One that covers the picture, as a given `map` has it: let in where that says all, and freeing what it frees."""
    return replace(exemplar, alpha=np.asarray(exemplar.alpha * says_all(map), np.float32), rim=map)


def _freed(placed: Placed, slider: float, part: Rect, rim: float) -> Map:
    """(h, w) of `part`: on the exemplar min(1, 2 a) for what is let in, a; from there it falls to 0 over `rim` pixels. See the module's words.

    `slider`: 0 to 1, the exemplar's own strength, by which all that was painted on it is multiplied. The rim of several strengths is the largest of
    theirs. Where very many were painted, they are taken together in steps of the painted strength, the lowest of each: by the slider nothing jumps.
    What is flat keeps its own strength, so that a soft stroke beside or on it never takes from its rim.
    """
    whole = part.unite(placed.rect)
    painted = placed.painted
    freed = on_grid(_share(placed.alpha * painted * np.float32(slider)), placed.rect, whole)
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
                np.maximum(freed, share * _falling(off, rim), out=freed)
    return np.ascontiguousarray(freed[part.within(whole).slices])


def _share(let_in: Map) -> Map:
    """How much of what is below is freed by what is let in."""
    return np.asarray(np.minimum(OWNING * let_in, 1), np.float32)


def _freed_in_full(placed: Placed, part: Rect, rim: float) -> Map:
    """The same of revision 1: 1 on whatever is let in, half-covered pixels and all."""
    whole = part.unite(placed.rect)
    on = np.minimum(2 * placed.alpha * (placed.strength > 0), 1).astype(np.float32)
    freed = on_grid(on, placed.rect, whole)
    off = freed < 1
    if rim > 0 and not off.all():
        np.maximum(freed, _falling(off, rim), out=freed)
    return np.ascontiguousarray(freed[part.within(whole).slices])


def _falling(off: Mask, rim: float) -> Map:
    """1 where `off` is false, from there a smooth ramp to 0 over `rim` pixels."""
    share = np.clip(1 - masks.distance(off) / np.float32(rim + 1), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
