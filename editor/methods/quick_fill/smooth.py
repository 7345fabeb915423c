"""Filling with nothing but smoothness: membranes, bent plates, and the grain that keeps them from looking painted."""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import splu

from editor.geometry import Rect
from editor.methods.quick_fill.linear import MOST_RELAXED, System, relax
from editor.methods.quick_fill.progress import part
from editor.methods.quick_fill.pyramid import Colour, Level, Mask, to_float
from editor.report import Progress, Report

TENSION = 0.02  # pulls the plate towards a membrane, so that it does not overshoot where the hole touches the frame
RELAX_STEPS = 24
GRAIN_RING = 12  # pixels around the hole in which the grain is measured


def laplacian(unknown: Mask) -> tuple[csr_array, NDArray[np.intp]]:
    """The graph Laplacian over the unknown pixels and everything within two pixels of them, and the (h, w) index map (-1 outside).

    The borders of the picture are natural: nothing is assumed beyond them.
    """
    near = cv2.dilate(unknown.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.bool_)
    index = np.full(unknown.shape, -1, np.intp)
    index[near] = np.arange(np.count_nonzero(near))
    across = np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()])
    down = np.stack([index[:-1].ravel(), index[1:].ravel()])
    p, q = np.concatenate([across, down], axis=1)
    both = (p >= 0) & (q >= 0)
    p, q = p[both], q[both]
    size = int(near.sum())
    ends, others = np.concatenate([p, q]), np.concatenate([q, p])
    links = csr_array((np.ones(ends.size), (ends, others)), shape=(size, size))
    return csr_array(diags_array(np.bincount(ends, minlength=size).astype(np.float64)) - links), index


def membrane(values: Colour, unknown: Mask) -> Colour:
    """(h, w, c) values continued harmonically through the unknown pixels; unchanged where nothing is known."""
    if not unknown.any() or unknown.all():
        return values
    return _solve(values, unknown, bend=0.0, stretch=1.0)


def plate(values: Colour, unknown: Mask) -> Colour:
    """(h, w, c) values continued as a thin plate under slight tension: biharmonic, so gradients run on through the hole."""
    if not unknown.any() or unknown.all():
        return values
    return _solve(values, unknown, bend=1.0, stretch=TENSION)


def _solve(values: Colour, unknown: Mask, bend: float, stretch: float) -> Colour:
    matrix, index = laplacian(unknown)
    operator = csr_array(bend * (matrix @ matrix) + stretch * matrix)
    inside = unknown[index >= 0]
    free, fixed = np.flatnonzero(inside), np.flatnonzero(~inside)
    flat = values[index >= 0].astype(np.float64)
    rows = csr_array(operator[free])
    factor = splu(rows[:, free].tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    found = values.copy()
    found[unknown] = factor.solve(-(rows[:, fixed] @ flat[fixed]))
    return found


def smooth_fill(levels: list[Level], generator: np.random.Generator) -> Generator[Report, None, Colour]:
    """The finest level's hole filled smoothly: (n, 3) float32 for its pixels in the order of `np.nonzero(hole)`.

    A plate at the coarsest level, carried up with a harmonic correction at every finer one, then grain like that around the hole.
    """
    coarsest = levels[-1]
    picture = plate(to_float(coarsest.pixels), ~coarsest.known)
    yield Progress(0.4, "Filling smoothly")
    for step, level in enumerate(reversed(levels[:-1])):
        low = 0.4 + 0.5 * step / len(levels)
        up = np.asarray(cv2.resize(picture, level.shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
        picture = np.where(level.known[..., None], to_float(level.pixels), up)
        yield Progress(low, "Filling smoothly")
        if level.hole.sum() <= MOST_RELAXED:
            system = _correction(level, up)
            start = np.zeros_like(system.right)
            picture[level.hole] += yield from part(relax(system, start, RELAX_STEPS), low, low + 0.5 / len(levels))
    yield Progress(0.95, "Filling smoothly")
    grain = _grain(levels[0], picture, generator)
    return np.asarray(np.clip(picture[levels[0].hole] + grain, 0.0, 1.0), np.float32)


def _correction(level: Level, guess: Colour) -> System:
    """The harmonic system for what must be added to a guess so that it meets the known border."""
    rows, columns = np.nonzero(level.hole)
    index = np.full(level.shape, -1, np.intp)
    index[level.hole] = np.arange(rows.size)
    height, width = level.shape
    heads, tails = [], []
    diagonal = np.full(rows.size, 1e-6)
    right = np.zeros((rows.size, 3), np.float32)
    every = np.arange(rows.size)
    for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        r, c = rows + down, columns + across
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        r, c = np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)
        free = inside & level.hole[r, c]
        heads.append(every[free])
        tails.append(index[r[free], c[free]])
        held = inside & level.known[r, c]
        right[held] += level.colour(r[held], c[held]) - guess[r[held], c[held]]
        diagonal += free | held
    return System.of(diagonal, np.concatenate(heads), np.concatenate(tails), right)


def _grain(level: Level, picture: Colour, generator: np.random.Generator) -> Colour:
    """(n, 3) noise with the spread and the neighbour correlation of the known pixels near the hole."""
    near_hole = (
        Rect.of_mask(level.hole).grow(GRAIN_RING + 4).intersect(Rect(0, 0, level.shape[1], level.shape[0])).slices
    )
    hole, known, picture = level.hole[near_hole], level.known[near_hole], picture[near_hole]
    count = int(hole.sum())
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * GRAIN_RING + 1, 2 * GRAIN_RING + 1))
    near = cv2.dilate(hole.astype(np.uint8), kernel).astype(np.bool_)
    inner = cv2.erode(known.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.bool_)
    ring = near & inner
    if ring.sum() < 32:
        return np.zeros((count, 3), np.float32)
    fine = picture - cv2.GaussianBlur(picture, (0, 0), 1.5)
    beside = ring & np.roll(ring, 1, axis=1)
    beside[:, 0] = False
    # Medians, because the ring may cross edges that are not grain.
    spread = np.median(np.abs(fine[ring]), axis=0) * 1.48
    typical = (np.abs(fine) < 3 * spread + 1e-4).all(axis=2)
    pair = beside & typical & np.roll(typical, 1, axis=1)
    here, left = fine[pair], fine[np.roll(pair, -1, axis=1)]
    likeness = float((here * left).sum() / max(float((here * here).sum()), 1e-9)) if pair.any() else 0.0
    # The high-pass filter itself takes about 0.1 of correlation away.
    blur = float(np.clip(likeness + 0.1, 0.0, 0.49))
    side = (1 - np.sqrt(max(0.0, 1 - 8 * blur * blur))) / (4 * blur) if blur > 1e-3 else 0.0
    tap = np.array([side, 1.0, side], np.float32)
    tap /= np.linalg.norm(tap)
    height, width = hole.shape
    noise = generator.standard_normal((height, width, 1), dtype=np.float32)
    tint = generator.standard_normal((height, width, 3), dtype=np.float32)
    # Most of a photograph's grain is in its light, less in its colour.
    mixed = cv2.sepFilter2D(0.8 * noise + 0.6 * tint, -1, tap, tap)
    found: Colour = (mixed[hole] * spread).astype(np.float32)
    return found
