"""Poisson blending: a pasted picture keeps its gradients, and takes its colours at the edge from the picture below (docs/methods.md).

It is solved for the correction that must be added, which is harmonic: known at the pixels around the region, smooth inside. So there is no shift,
no rounding on the way, and nothing to solve where both pictures agree.

The whole region takes the colours at its edge that way: where something stands at a part of the edge that was not there before, its colour runs
far into the region. So evening out an edge ends the correction within a band along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np

from editor.arrays import Image, Map, Mask
from editor.document import masks
from editor.geometry import Rect
from editor.requests.reports import FinishEarly, Progress, Reports, subprogress

PHASE = "Evening out colours"
MAX_ITERATIONS = 40
TOLERANCE = 1 / 255 / 10  # of a change in one iteration: each leaves a fraction of the error
SMALL = 64  # pixels a side: above, it begins from the solution at half the size, which takes this share of the time
SMALLER = 0.2
SMOOTHINGS = 2  # before and after each coarse correction
DAMPING = 0.8  # of a Jacobi step
COARSEST, COARSEST_STEPS = 4, 24  # cells along the longer side of the last grid, and Jacobi steps there
# A link between blocks of 2 x 2 pixels stands for a slope over two pixels, in two rows: half as stiff as the links it is the sum of.
SMOOTHING = np.float32(0.5)


def poisson(generated: Image, source: Image, region: Mask) -> Reports[Image]:
    """(H, W, 3): `generated` with its gradients inside `region` (H, W), continuing the colours of `source` across its edge; `generated` outside.

    At the picture's own border nothing is assumed (zero flux). A region that covers the whole picture comes back as it is.
    """
    if region.all() or not region.any():
        return generated
    return (yield from _corrected(generated, source, region, region))


def evened(generated: Image, source: Image, region: Mask, band: float) -> Reports[Image]:
    """(H, W, 3): the same near the edge of `region` only. The correction has ended `band` pixels from it; further inside it is
    `generated`, bit for bit.

    Where the region is nowhere as deep as that, it is all of `poisson`.
    """
    if region.all() or not region.any():
        return generated
    return (yield from _corrected(generated, source, region, region & (masks.distance(region) <= band)))


def _corrected(generated: Image, source: Image, region: Mask, unknown: Mask) -> Reports[Image]:
    """With the correction that is known around the region, and 0 in what of the region is not `unknown`."""
    if not unknown.any():
        return generated
    height, width = region.shape
    near = Rect.of_mask(region).grow(1).intersect(Rect(0, 0, width, height)).slices
    solved = unknown[near]
    difference = np.where(region[near][..., None], np.float32(0), source[near] - generated[near])
    correction = yield from harmonic(np.asarray(difference, np.float32), solved)
    corrected = generated.copy()
    corrected[near][solved] += correction[solved]
    return corrected


def harmonic(values: Image, unknown: Mask) -> Reports[Image]:
    """(h, w, c) `values` continued through the pixels of `unknown` (h, w) so that each is the mean of its neighbours; needs one known neighbour.

    By conjugate gradients, preconditioned by a multigrid cycle, to a tenth of a level of 255; begun from the same at half the size.
    """
    whole = np.where(unknown[..., None], np.float32(0), values)
    if max(unknown.shape) > SMALL:
        start = yield from subprogress(_begun(whole, unknown), 0, SMALLER)
    else:
        known = (_neighbours(unknown.astype(np.float32)) > 0) & ~unknown
        start = np.broadcast_to(whole[known].mean(0), values.shape)  # a constant is found exactly
    grids = _grids(unknown)
    solution = values.copy()
    channels = values.shape[2]
    for channel in range(channels):
        guess = np.where(unknown, start[..., channel], whole[..., channel])
        # What is left of the mean of the neighbours that there are, at each unknown pixel.
        right = np.where(unknown, _neighbours(guess) - grids[0].diagonal * guess, 0)
        solving = _conjugate(grids, np.asarray(right, np.float32))
        low, high = (SMALLER + (1 - SMALLER) * count / channels for count in (channel, channel + 1))
        more = yield from subprogress(solving, low, high)
        solution[..., channel][unknown] = (guess + more)[unknown]
    return solution


def _begun(whole: Image, unknown: Mask) -> Reports[Image]:
    """About the solution: at half the size, where a block is unknown when all of it is, scaled up."""
    height, width = unknown.shape
    even = tuple(-(-side // 2) * 2 for side in unknown.shape)
    known = _enlarged((~unknown).astype(np.float32), *even)
    count = _summed(known)
    colours = np.stack([_summed(_enlarged(whole[..., index], *even)) for index in range(whole.shape[2])], axis=2)
    small = np.asarray(colours / np.maximum(count, 1)[..., None], np.float32)
    coarse = count == 0
    solved = (yield from harmonic(small, coarse)) if coarse.any() else small
    resized = cv2.resize(solved, even[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized[:height, :width], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """The system on one grid. `diagonal`: (h, w), 0 where nothing is unknown; `free`: 1 where it is not 0; `step`: of Jacobi, 0 elsewhere. `right`,
    `down`: the links to the next column and row, (h, w - 1) and (h - 1, w); None on the finest grid, where unknown neighbours have a link of 1."""

    diagonal: Map
    free: Map
    step: Map
    right: Map | None
    down: Map | None

    @classmethod
    def of(cls, diagonal: Map, right: Map | None = None, down: Map | None = None) -> _Grid:
        free = (diagonal > 0).astype(np.float32)
        step = DAMPING * free / np.where(diagonal > 0, diagonal, np.float32(1))
        return cls(diagonal, free, np.asarray(step, np.float32), right, down)

    def left(self, right: Map, x: Map) -> Map:
        """`right` minus the matrix times x, for an x that is 0 where nothing is unknown; there it means nothing."""
        remainder = self.diagonal * x
        np.subtract(right, remainder, out=remainder)
        if self.right is None or self.down is None:
            remainder += _neighbours(x)
            return remainder
        remainder[:, :-1] += self.right * x[:, 1:]
        remainder[:, 1:] += self.right * x[:, :-1]
        remainder[:-1] += self.down * x[1:]
        remainder[1:] += self.down * x[:-1]
        return remainder

    def smoothed(self, x: Map, right: Map, steps: int) -> Map:
        """Closer to the solution for `right`, in what is fine."""
        for _ in range(steps):
            more = self.left(right, x)
            more *= self.step
            more += x
            x = more
        return x


def _grids(unknown: Mask) -> list[_Grid]:
    """The picture's own grid, then each made of blocks of 2 x 2 of the one before."""
    free = unknown.astype(np.float32)
    diagonal = _neighbours(np.ones_like(free)) * free
    grids = [_Grid.of(np.asarray(diagonal, np.float32))]
    right, down = free[:, :-1] * free[:, 1:], free[:-1] * free[1:]
    while max(diagonal.shape) > COARSEST:
        height, width = (-(-side // 2) * 2 for side in diagonal.shape)
        diagonal = _enlarged(diagonal, height, width)
        right, down = _enlarged(right, height, width), _enlarged(down, height, width)
        diagonal = SMOOTHING * (_summed(diagonal) - 2 * _summed(right[:, ::2], 1) - 2 * _summed(down[::2], 0))
        right, down = SMOOTHING * _summed(right[:, 1::2], 1)[:, :-1], SMOOTHING * _summed(down[1::2], 0)[:-1]
        grids.append(_Grid.of(np.asarray(diagonal, np.float32), right, down))
    return grids


def _cycle(grids: Sequence[_Grid], right: Map) -> Map:
    """About the solution for `right`: symmetric, so that it can precondition."""
    grid, coarser = grids[0], grids[1:]
    values = grid.smoothed(grid.step * right, right, (SMOOTHINGS if coarser else COARSEST_STEPS) - 1)
    if not coarser:
        return values
    height, width = right.shape
    left = grid.left(right, values)
    left *= grid.free
    more = _cycle(coarser, _summed(_enlarged(left, height + height % 2, width + width % 2)))
    enlarged = cv2.resize(more, (2 * more.shape[1], 2 * more.shape[0]), interpolation=cv2.INTER_NEAREST)
    values += grid.free * enlarged[:height, :width]
    return grid.smoothed(values, right, SMOOTHINGS)


def _conjugate(grids: Sequence[_Grid], right: Map) -> Reports[Map]:
    """The solution for `right`."""
    grid, nothing = grids[0], np.zeros_like(right)
    solution, residual = nothing.copy(), right.copy()
    direction = _cycle(grids, residual)
    fit = _dot(residual, direction)
    for iteration in range(MAX_ITERATIONS):
        moved = grid.left(nothing, direction)  # the matrix times the direction, negative
        moved *= grid.free
        along = -_dot(direction, moved)
        if fit <= 0 or along <= 0:  # nothing is left
            break
        length = np.float32(fit / along)
        solution += length * direction
        if length * np.abs(direction).max() < TOLERANCE:
            break
        residual += length * moved
        scaled = _cycle(grids, residual)
        before, fit = fit, _dot(residual, scaled)
        direction *= np.float32(fit / before)
        direction += scaled
        with suppress(FinishEarly):  # that is about to happen anyway
            yield Progress((iteration + 1) / (iteration + 5), PHASE)  # how many it takes is not known
    return solution


def _neighbours(plane: Map) -> Map:
    """The sum of the four neighbours; beyond the border there is nothing."""
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
    return np.asarray(cv2.filter2D(plane, cv2.CV_32F, cross, borderType=cv2.BORDER_CONSTANT), np.float32)


def _enlarged(array: Map, height: int, width: int) -> Map:
    if array.shape == (height, width):
        return array
    return np.pad(array, ((0, height - array.shape[0]), (0, width - array.shape[1])))


def _summed(array: Map, axis: int | None = None) -> Map:
    """Pairs added along both axes, or those along the other than `axis`, which was thinned out already."""
    if axis != 0:
        array = array[::2] + array[1::2]
    if axis != 1:
        array = array[:, ::2] + array[:, 1::2]
    return array


def _dot(one: Map, other: Map) -> float:
    return float(np.vdot(one, other))
