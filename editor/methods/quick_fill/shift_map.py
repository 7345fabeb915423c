"""Shift maps: every hole pixel is copied from somewhere else in the picture, and a graph cut says from where."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from editor.arrays import Mask
from editor.geometry import Rect
from editor.methods.quick_fill.graph_cut import Labels, alpha_expansion
from editor.methods.quick_fill.labelling import Offsets, cover, find_offsets, patch_centres, pose
from editor.methods.quick_fill.linear import DIRECT_UNKNOWNS, MAX_RELAXED, fusion_system, relax, solve
from editor.methods.quick_fill.pyramid import Colour, Indices, Level, to_bytes, to_float
from editor.methods.quick_fill.smooth import plate
from editor.requests.reports import Preview, Progress, Report, subprogress

T = TypeVar("T")

LABELS = 100
MIN_PATCHES = 50  # below, there is no texture to speak of
BAND = 2  # known pixels this near to the hole judge a finer shift
MIN_JUDGES = 6
RELAX_STEPS = 16


@dataclass(frozen=True, slots=True, eq=False)
class ShiftMap:
    """`labels`: (n,) for the hole pixels in the order of `np.nonzero(hole)`; `shifts`: (K, 2) rows and columns, one a label."""

    labels: Labels
    shifts: Offsets

    @property
    def offsets(self) -> Indices:
        """(n, 2), the shift of every pixel."""
        return self.shifts[self.labels]


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """`colours`: (n, 3) float32 in [0, 1] for the finest hole's pixels. `energy`: what the cut cost per border pixel."""

    colours: Colour
    energy: float


def shift_fill(
    levels: list[Level], picture: tuple[int, int], generator: np.random.Generator
) -> Generator[Report, None, Filled | None]:
    """Fill the hole of `levels[0]` by a shift map cut at the coarsest level, refined upwards and fused.

    `picture`: (height, width) of the whole picture, for the height prior. Previews lie on the finest level's grid. Returns None
    when there is too little to copy from.
    """
    coarsest = levels[-1]
    search = find_offsets(coarsest, generator, LABELS)
    shifts = yield from _reported(search, 0.0, 0.3, "Looking for what repeats")
    if len(shifts) == 0 or patch_centres(coarsest).sum() < MIN_PATCHES:
        return None
    shifts = cover(coarsest, shifts)
    yield Progress(0.3, "Cutting")
    scale = 1 << (len(levels) - 1)
    problem = pose(coarsest, shifts, (picture[0] / scale, picture[1] / scale))
    cut = alpha_expansion(problem.unary, problem.pair, problem.edges, generator)
    labels, energy = yield from _reported(cut, 0.32, 0.7, "Cutting")
    shift_map = ShiftMap(labels, shifts)

    fallback = plate(to_float(coarsest.pixels), ~coarsest.known)
    fused = np.zeros((0, 3), np.float32)
    correction: Colour | None = None
    for at in range(len(levels) - 1, -1, -1):
        low, high = 1 - 0.3 * (at + 1) / len(levels), 1 - 0.3 * at / len(levels)
        yield Progress(low, "Joining")
        level = levels[at]
        if level is not coarsest:
            shift_map = climb(levels[at + 1], shift_map, level)
            yield Progress(low, "Joining")
        copy, valid = copy_pixels(level, shift_map, fallback)
        start = np.zeros_like(copy) if correction is None else carry_up(levels[at + 1], correction, level)
        join = join_pieces(level, shift_map, copy, valid, start)
        correction = yield from subprogress(join, low, high)
        fused = copy + correction
        if at > 0:
            yield _preview(level, fused, 1 << at)
            fallback = to_float(level.pixels).copy()
            fallback[level.hole] = fused
    return Filled(np.asarray(np.clip(fused, 0.0, 1.0)), energy / max(problem.border, 1))


def join_pieces(
    level: Level, shift_map: ShiftMap, copy: Colour, valid: Mask, start: Colour
) -> Generator[Report, None, Colour]:
    """What to add to the raw copy (n, 3) so that its pieces meet: exact for a small hole, else `start` made to fit finer detail."""
    if copy.shape[0] > MAX_RELAXED:
        return start
    system = yield from subprogress(fusion_system(level, shift_map.offsets, valid, copy), 0.0, 0.2)
    if copy.shape[0] <= DIRECT_UNKNOWNS:
        return solve(system)
    return (yield from subprogress(relax(system, start, RELAX_STEPS), 0.2, 1.0))


def copy_pixels(level: Level, shift_map: ShiftMap, fallback: Colour) -> tuple[Colour, Mask]:
    """The raw copy, (n, 3), and where it could be made, (n,) bool; the rest is read from `fallback`, the whole level or half its size."""
    rows, columns = np.nonzero(level.hole)
    offsets = shift_map.offsets
    from_rows, from_columns = rows + offsets[:, 0], columns + offsets[:, 1]
    valid = level.may_copy(from_rows, from_columns)
    copy = level.colour(from_rows, from_columns)
    if not valid.all():
        copy[~valid] = _sample(fallback, rows[~valid], columns[~valid], level.shape)
    return copy, valid


def climb(coarse: Level, shift_map: ShiftMap, fine: Level) -> ShiftMap:
    """The shift map at twice the scale: labels of the nearest coarse pixel, shifts doubled and set right by up to one pixel.

    A shift moves only if at least `FEWEST_JUDGES` known pixels near its part of the border, half of them with a usable source,
    say that they would be continued better.
    """
    box = Rect.of_mask(coarse.hole).grow(2).intersect(Rect(0, 0, coarse.shape[1], coarse.shape[0]))
    inside = coarse.hole[box.slices]
    spread = np.zeros(inside.shape, np.intp)
    spread[inside] = shift_map.labels
    nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    spread = spread[nearest[0], nearest[1]]
    rows, columns = np.nonzero(fine.hole)
    at = (np.clip(rows // 2 - box.top, 0, box.height - 1), np.clip(columns // 2 - box.left, 0, box.width - 1))
    labels = spread[at]
    return ShiftMap(labels, _settle(fine, labels, 2 * shift_map.shifts))


def _settle(level: Level, labels: Labels, shifts: Offsets) -> Offsets:
    """Each shift moved by up to one pixel to where it best continues the known pixels beside its part of the hole."""
    side = 2 * BAND + 1
    band = cv2.dilate(level.hole.astype(np.uint8), np.ones((side, side), np.uint8)).astype(np.bool_) & level.known
    rows, columns = np.nonzero(band)
    owners = _nearest_label(level, labels, rows, columns)
    target = _looks(level, rows, columns)
    # Gradients that reach into the hole say nothing.
    whole = cv2.erode(level.known.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)[rows, columns]
    count = len(shifts)
    judges = np.bincount(owners, minlength=count)
    best = np.full(count, np.inf)
    chosen = shifts.copy()
    for step in sorted(np.ndindex(3, 3), key=lambda step: (step[0] - 1) ** 2 + (step[1] - 1) ** 2):
        tried = shifts + np.array(step) - 1
        from_rows, from_columns = rows + tried[owners, 0], columns + tried[owners, 1]
        usable = level.may_copy(from_rows, from_columns)
        apart = _looks(level, from_rows, from_columns) - target
        apart[~whole, 3:] = 0
        misfit = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        seen = np.bincount(owners, usable, count)
        mean = np.bincount(owners, misfit * usable, count) / np.maximum(seen, 1)
        better = (judges >= MIN_JUDGES) & (2 * seen >= judges) & (mean < best - 1e-6)
        best[better], chosen[better] = mean[better], tried[better]
    return chosen


def _nearest_label(level: Level, labels: Labels, rows: Indices, columns: Indices) -> Labels:
    """The label of the hole pixel nearest to each of these known places, all within `BAND` of the hole."""
    index = np.full(level.shape, -1, np.intp)
    index[level.hole] = labels
    owners = np.full(rows.size, -1, np.intp)
    height, width = level.shape
    reach = range(-BAND, BAND + 1)
    for down, across in sorted(((d, a) for d in reach for a in reach), key=lambda step: step[0] ** 2 + step[1] ** 2):
        left = np.flatnonzero(owners < 0)
        r, c = rows[left] + down, columns[left] + across
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        owners[left[inside]] = index[r[inside], c[inside]]
    return owners


def _looks(level: Level, rows: Indices, columns: Indices) -> NDArray[np.float32]:
    """(n, 5) colour and a quarter of the Sobel gradients of the grey, read only where they are asked for."""
    grey = np.empty((3, 3, rows.size), np.float32)
    for down, across in np.ndindex(3, 3):
        colour = level.colour(rows + down - 1, columns + across - 1)
        grey[down, across] = colour.mean(axis=1)
        if (down, across) == (1, 1):
            centre = colour
    weights = np.array([1, 2, 1], np.float32) / 4
    along = np.tensordot(weights, grey[:, 2] - grey[:, 0], axes=(0, 0))
    down_the = np.tensordot(weights, grey[2] - grey[0], axes=(0, 0))
    return np.concatenate([centre, along[:, None], down_the[:, None]], axis=1, dtype=np.float32)


def carry_up(coarse: Level, correction: Colour, fine: Level) -> Colour:
    """A coarse correction at twice the scale, bicubic, for the fine hole's pixels."""
    box = Rect.of_mask(coarse.hole).grow(4).intersect(Rect(0, 0, coarse.shape[1], coarse.shape[0]))
    inside = coarse.hole[box.slices]
    spread = np.zeros((*inside.shape, 3), np.float32)
    spread[inside] = correction
    nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    spread = spread[nearest[0], nearest[1]]
    up = cv2.resize(spread, (2 * box.width, 2 * box.height), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.nonzero(fine.hole)
    colour: Colour = up[
        np.clip(rows - 2 * box.top, 0, 2 * box.height - 1), np.clip(columns - 2 * box.left, 0, 2 * box.width - 1)
    ]
    return colour


def _sample(picture: Colour, rows: Indices, columns: Indices, shape: tuple[int, int]) -> Colour:
    """(n, 3) bilinear colours of `picture` at places of a grid of `shape`, which is the picture's or twice its size."""
    scale = picture.shape[0] / shape[0]
    x, y = (columns + 0.5) * scale - 0.5, (rows + 0.5) * scale - 0.5
    height, width = picture.shape[:2]
    left, top = np.clip(np.floor(x), 0, width - 1).astype(np.intp), np.clip(np.floor(y), 0, height - 1).astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = np.clip(x - left, 0, 1)[:, None], np.clip(y - top, 0, 1)[:, None]
    upper = picture[top, left] * (1 - fx) + picture[top, right] * fx
    lower = picture[bottom, left] * (1 - fx) + picture[bottom, right] * fx
    return np.asarray(upper * (1 - fy) + lower * fy, np.float32)


def _preview(level: Level, colours: Colour, scale: int) -> Preview:
    box = Rect.of_mask(level.hole)
    pixels = np.zeros((*level.shape, 4), np.uint8)
    pixels[level.hole, :3] = to_bytes(colours)
    pixels[level.hole, 3] = 255
    return Preview(
        Rect(box.left * scale, box.top * scale, box.right * scale, box.bottom * scale), pixels[box.slices].copy()
    )


def _reported(shares: Generator[float, None, T], low: float, high: float, doing: str) -> Generator[Report, None, T]:
    """A search that yields how far it is, as reports from `low` to `high`."""
    try:
        while True:
            yield Progress(low + (high - low) * next(shares), doing)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        shares.close()
