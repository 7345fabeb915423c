"""Letting exemplars in by strength, with a soft seam that follows the strength or a hard one that hides itself."""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map, Mask
from editor.geometry import EMPTY, Rect
from editor.methods.quick_fill.graph_cut import CutGraph
from editor.methods.quick_fill.labelling import hole_edges
from editor.methods.quick_fill.linear import DIRECT_UNKNOWNS, System, relax, sides, solve
from editor.methods.quick_fill.moving import Tone, lengths_scale, match_tone, matte, own_colours, surroundings
from editor.methods.quick_fill.pyramid import Colour, to_bytes, to_float
from editor.requests.edit_request import ExemplarInput
from editor.requests.reports import Progress, Report, subprogress

FORBIDDEN, LEAST_STRENGTH = 50.0, 0.02
PREFERENCE = 0.6
ROBUSTNESS = 0.15
CUT_PIXELS = 30_000
RELAX_STEPS = 16
RING = 12  # pixels around an exemplar, in a picture of 512, in which its tone is compared
REAL_SHARE = 0.5


def blend_exemplar(
    canvas: NDArray[np.uint8], exemplar: ExemplarInput, seam: Literal["soft", "hard"], share: float
) -> Generator[Report, None, tuple[Rect, Mask]]:
    """Let one exemplar into `canvas` (H, W, 3) uint8, in place.

    `share`: how far its tone follows the canvas, 0 to 1. Returns the rectangle written to and, for it, where anything changed.
    """
    let_in = (exemplar.alpha > 0) & (exemplar.strength > 0)
    whole = Rect(0, 0, canvas.shape[1], canvas.shape[0])
    scale = lengths_scale(canvas, exemplar.alpha)
    ring = max(2, round(RING * scale))
    box = Rect.of_mask(let_in)
    if box.empty:
        return EMPTY, np.zeros((0, 0), np.bool_)
    box = box.grow(2 * ring).intersect(whole)
    yield Progress(0.05, "Blending")
    under = to_float(canvas[box.slices])
    colours, alpha = _cut_out(exemplar, under, box, scale=scale, ring=ring, share=share)
    amount = alpha * exemplar.strength[box.slices]
    yield Progress(0.3, "Blending")
    if seam == "hard":
        chosen = _best_seam(colours, under, amount)
        yield Progress(0.6, "Blending")
        screening = (0.02 * (0.2 + 3 * amount**2)).astype(np.float32)
        correction = yield from _fuse(colours, under, chosen, screening)
        blended = colours + correction
        changed = chosen
    else:
        blended = under + amount[..., None] * (colours - under)
        changed = amount > 0
    yield Progress(0.9, "Blending")
    canvas[box.slices][changed] = to_bytes(blended[changed])
    return box, changed


def _cut_out(
    exemplar: ExemplarInput, under: Colour, box: Rect, *, scale: float, ring: int, share: float
) -> tuple[Colour, Map]:
    """The exemplar's colours, in the tone of the canvas `under` it, and its matte, for `box`.

    Matte, colours and tone need the exemplar's own surroundings. A picture cut out beforehand is black around its cut-out; it is
    taken as it is.
    """
    colours, alpha = to_float(exemplar.pixels[box.slices]), exemplar.alpha[box.slices]
    inside = alpha > 0
    around = surroundings(inside, np.zeros_like(inside), ring)
    real = around & colours.any(axis=2)
    if real.sum() <= REAL_SHARE * around.sum() or not around.any():
        return colours, alpha
    soft = np.where(inside, matte(colours, alpha, scale), np.float32(0))
    before, after = Tone.of(colours[real]), Tone.of(under[around])
    colours = own_colours(colours, alpha, scale)
    if before is not None and after is not None:
        colours = match_tone(colours, alpha, before, after, share)
    return colours, soft


def _best_seam(colours: Colour, under: Colour, amount: Map) -> Mask:
    """(h, w) bool: where the exemplar is shown, cut along the line where it differs least from the canvas.

    Cut at a scale of at most about `CUT_PIXELS` pixels.
    """
    height, width = amount.shape
    small = max(1, int(np.ceil((height * width / CUT_PIXELS) ** 0.5)))
    size = (max(1, width // small), max(1, height // small))
    coarse, below, weight = (
        np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
        for plane in (colours, under, amount)
    )
    apart = np.linalg.norm(coarse - below, axis=2)
    grey = [
        np.asarray(cv2.Sobel(plane.mean(axis=2), cv2.CV_32F, *way, scale=0.25))
        for plane in (coarse, below)
        for way in ((1, 0), (0, 1))
    ]
    busy = np.hypot(grey[0], grey[1]) + np.hypot(grey[2], grey[3])
    edges = hole_edges(np.ones(weight.shape, np.bool_))
    p, q = edges.T
    cost, lively, wanted = apart.ravel(), busy.ravel(), weight.ravel() - 0.5
    between = (cost[p] + cost[q]) / (1 + lively[p] + lively[q])
    show = np.where(weight.ravel() < LEAST_STRENGTH, FORBIDDEN, PREFERENCE * np.maximum(-wanted, 0)).astype(np.float32)
    hide = (PREFERENCE * np.maximum(wanted, 0)).astype(np.float32)
    taken = CutGraph.of(weight.size, edges).cut(between, between, show, hide)
    shown = cv2.resize(taken.reshape(weight.shape).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return (shown > 0.5) & (amount >= LEAST_STRENGTH)


def _fuse(colours: Colour, under: Colour, chosen: Mask, screening: Map) -> Generator[Report, None, Colour]:
    """(h, w, 3), what to add to the chosen part of the exemplar so that it meets the canvas around it; 0 elsewhere.

    A screened Poisson equation for the correction, solved at the first halving with few enough unknowns and carried up.
    """
    correction = np.zeros_like(colours)
    if not chosen.any():
        return correction
    system = _seam_system(colours, under, chosen, screening)
    if system.diagonal.size <= DIRECT_UNKNOWNS:
        correction[chosen] = solve(system)
        yield Progress(0.7, "Blending")
        return correction
    height, width = chosen.shape
    size = (max(1, width // 2), max(1, height // 2))
    half = [
        np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
        for plane in (colours, under, chosen.astype(np.float32))
    ]
    weaker = np.asarray(cv2.resize(4 * screening, size, interpolation=cv2.INTER_AREA), np.float32)
    below = yield from _fuse(half[0], half[1], half[2] > 0.5, weaker)
    start = np.asarray(cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)[chosen]
    correction[chosen] = yield from subprogress(relax(system, start, RELAX_STEPS), 0.7, 0.9)
    return correction


def _seam_system(colours: Colour, under: Colour, chosen: Mask, screening: Map) -> System:
    diagonal = screening[chosen].astype(np.float64)
    right = np.zeros((diagonal.size, 3), np.float32)
    heads, tails = [], []
    misfit = under - colours
    weight = 1 / (1 + (np.linalg.norm(misfit, axis=2) / ROBUSTNESS) ** 2)
    for side in sides(chosen):
        heads.append(side.inner)
        tails.append(side.other)
        diagonal[side.inner] += 1
        link = weight[side.rows, side.columns]
        diagonal[side.outer] += link
        right[side.outer] += link[:, None] * misfit[side.rows, side.columns]
    return System.of(diagonal, np.concatenate(heads), np.concatenate(tails), right)
