"""Filling with nothing but smoothness: membranes, bent plates, and the grain that keeps them from looking painted."""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import splu

from editor.arrays import Mask
from editor.geometry import Rect
from editor.methods.quick_fill.linear import MAX_RELAXED, System, relax, sides
from editor.methods.quick_fill.pyramid import Colour, Level, to_float
from editor.requests.reports import Progress, Report, subprogress

TENSION = 0.02  # pulls the plate towards a membrane, so that it does not overshoot where the hole touches the frame
RELAX_STEPS = 24
GRAIN_RING = 12  # pixels around the hole in which the grain is measured
GRAIN_SIGMA = 1.5  # what is finer than this counts as grain
GRAIN_SAMPLE = 128
MIN_GRAINS = 32


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
    solution = values.copy()
    solution[unknown] = factor.solve(-(rows[:, fixed] @ flat[fixed]))
    return solution


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
        if level.hole.sum() <= MAX_RELAXED:
            system = _correction(level, up)
            start = np.zeros_like(system.right)
            picture[level.hole] += yield from subprogress(
                relax(system, start, RELAX_STEPS), low, low + 0.5 / len(levels)
            )
    yield Progress(0.95, "Filling smoothly")
    grain = _grain(levels[0], picture, generator)
    return np.asarray(np.clip(picture[levels[0].hole] + grain, 0.0, 1.0), np.float32)


def _correction(level: Level, guess: Colour) -> System:
    """The harmonic system for what must be added to a guess so that it meets the known border."""
    count = int(level.hole.sum())
    diagonal = np.full(count, 1e-6)  # for a part of the hole that touches nothing known
    right = np.zeros((count, 3), np.float32)
    heads, tails = [], []
    for side in sides(level.hole):
        heads.append(side.inner)
        tails.append(side.other)
        diagonal[side.inner] += 1
        held = level.known[side.rows, side.columns]
        p, rows, columns = side.outer[held], side.rows[held], side.columns[held]
        diagonal[p] += 1
        right[p] += level.colour(rows, columns) - guess[rows, columns]
    return System.of(diagonal, np.concatenate(heads), np.concatenate(tails), right)


def _grain(level: Level, picture: Colour, generator: np.random.Generator) -> Colour:
    """(n, 3) noise with the spread and the neighbour correlation of the known pixels near the hole."""
    whole = Rect(0, 0, level.shape[1], level.shape[0])
    near_hole = Rect.of_mask(level.hole).grow(GRAIN_RING + 4).intersect(whole).slices
    hole, known = level.hole[near_hole], level.known[near_hole]
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * GRAIN_RING + 1, 2 * GRAIN_RING + 1))
    near = cv2.dilate(hole.astype(np.uint8), kernel).astype(np.bool_)
    ring = near & cv2.erode(known.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.bool_)
    if ring.sum() < MIN_GRAINS:
        return np.zeros((int(hole.sum()), 3), np.float32)
    spread, likeness = _fineness(picture[near_hole], ring)
    light = generator.standard_normal((*hole.shape, 1), dtype=np.float32)
    tint = generator.standard_normal((*hole.shape, 3), dtype=np.float32)
    white = 0.8 * light + 0.6 * tint  # most of a photograph's grain is in its light, less in its colour
    # The blur that makes the noise as alike from pixel to pixel as the picture's grain; measured alike, so that what the high-pass
    # filter takes away counts on both sides.
    blurs = [np.array([side, 1, side], np.float32) for side in np.linspace(0, 0.6, 7)]
    sample = white[:GRAIN_SAMPLE, :GRAIN_SAMPLE]
    everywhere = np.ones(sample.shape[:2], np.bool_)
    measures = [
        _fineness(np.asarray(cv2.sepFilter2D(sample, -1, blur, blur), np.float32), everywhere) for blur in blurs
    ]
    best = min(range(len(blurs)), key=lambda i: abs(measures[i][1] - likeness))
    mixed = np.asarray(cv2.sepFilter2D(white, -1, blurs[best], blurs[best]), np.float32)
    return np.asarray(mixed[hole] * (spread / np.maximum(measures[best][0], 1e-6)), np.float32)


def _fineness(picture: Colour, where: Mask) -> tuple[NDArray[np.float32], float]:
    """The spread (3,) of what is finer than `GRAIN_SIGMA`, and the correlation of neighbours in it. Robust against edges."""
    fine = picture - cv2.GaussianBlur(picture, (0, 0), GRAIN_SIGMA)
    spread = np.median(np.abs(fine[where]), axis=0)
    usual = (np.abs(fine) < 4.5 * spread + 1e-4).all(axis=2) & where
    left, right = fine[:, :-1], fine[:, 1:]
    both = usual[:, :-1] & usual[:, 1:]
    power = float((left[both] ** 2).sum() + (right[both] ** 2).sum()) / 2
    likeness = float((left[both] * right[both]).sum()) / max(power, 1e-12)
    return np.asarray(spread, np.float32), likeness
