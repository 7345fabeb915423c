"""Sparse symmetric systems over the pixels of a hole, solved at once or step by step; and the one that joins copied pieces.

That is a screened Poisson equation with a robust border (after Perez, Gangnet, Blake 2003).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import splu

from editor.arrays import Mask
from editor.methods.quick_fill.pyramid import Colour, Indices, Level
from editor.requests.reports import Progress, Report

DIRECT_UNKNOWNS = 15_000  # above, a factorisation takes noticeably long
MAX_RELAXED = 1_500_000  # above, a coarse solution is only scaled up, or the memory would not do
SCREENING = 0.002  # how strongly the raw copy holds
ROBUSTNESS = 0.08  # colour misfit at which a link to the border counts half


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """`matrix` x = `right`, the matrix (n, n) symmetric and positive definite, `right` (n, c), `diagonal` the matrix's."""

    matrix: csr_array
    right: Colour
    diagonal: NDArray[np.float32]

    @classmethod
    def of(cls, diagonal: NDArray[np.floating], heads: Indices, tails: Indices, right: Colour) -> System:
        """A system with -1 at every (head, tail); links go in both ways."""
        size = diagonal.size
        links = csr_array((np.ones(heads.size, np.float32), (heads, tails)), shape=(size, size))
        return cls(csr_array(diags_array(diagonal.astype(np.float32)) - links), right, diagonal.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The neighbours in one direction of the pixels of a region, which are numbered in the order of `np.nonzero(region)`.

    `inner`: pixels whose neighbour is in the region as well, `other`: the neighbours' numbers. `outer`: pixels whose neighbour is in
    the picture but not in the region, `rows`, `columns`: where those neighbours are.
    """

    inner: Indices
    other: Indices
    outer: Indices
    rows: Indices
    columns: Indices


def sides(region: Mask) -> Iterator[Side]:
    """The four sides of a region (h, w), right, below, left, above."""
    rows, columns = np.nonzero(region)
    number = np.full(region.shape, -1, np.intp)
    number[region] = np.arange(rows.size)
    height, width = region.shape
    for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        r, c = rows + down, columns + across
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        beside = np.where(inside, number[np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)], -1)
        inner, outer = np.flatnonzero(beside >= 0), np.flatnonzero(inside & (beside < 0))
        yield Side(inner, beside[inner], outer, r[outer], c[outer])


def solve(system: System) -> Colour:
    """The exact solution, (n, c) float32, by sparse factorisation; meant for up to `DIRECT_UNKNOWNS`."""
    factor = splu(system.matrix.astype(np.float64).tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return factor.solve(system.right.astype(np.float64)).astype(np.float32)


def relax(system: System, start: Colour, steps: int) -> Generator[Report, None, Colour]:
    """`steps` conjugate gradient steps from `start` (n, c), preconditioned by the diagonal; what is fine settles first."""
    solution = start.astype(np.float32)
    inverse = (1 / system.diagonal)[:, None]
    residual = system.right - system.matrix @ solution
    scaled = inverse * residual
    direction = scaled.copy()
    fit = (residual * scaled).sum(axis=0)
    for step in range(steps):
        if not (fit > 1e-12).any():
            break
        moved = system.matrix @ direction
        length = fit / np.maximum((direction * moved).sum(axis=0), 1e-20)
        solution += length * direction
        residual -= length * moved
        scaled = inverse * residual
        before, fit = fit, (residual * scaled).sum(axis=0)
        direction = scaled + fit / np.maximum(before, 1e-20) * direction
        yield Progress(step / steps, "Joining")
    return solution


def fusion_system(level: Level, offsets: Indices, valid: Mask, copy: Colour) -> Generator[Report, None, System]:
    """The system whose solution is the correction to add to `copy` (n, 3) so that its pieces and the border meet.

    Minimises the sum over neighbours of (x_p - x_q - g_pq)^2, plus w_q (x_p - I(q) - g_pq)^2 at the border and
    `SCREENING` (x_p - copy_p)^2. The gradient g comes from each pixel's own shift (`offsets`, (n, 2)), the mean of both sides where
    the shifts differ, 0 where it cannot be read. Solving for the correction instead of the colour makes the right-hand side
    vanish inside the pieces, so a coarse solution can be carried up to a finer scale.
    """
    places = np.nonzero(level.hole)
    diagonal = np.full(copy.shape[0], SCREENING)
    right = np.zeros_like(copy)
    heads, tails = [], []
    for side in sides(level.hole):
        yield Progress(0.0, "Joining")
        heads.append(side.inner)
        tails.append(side.other)
        diagonal[side.inner] += 1
        # Where both ends are copied alike, the copy's own difference is the gradient and nothing is to be corrected.
        alike = (offsets[side.inner] == offsets[side.other]).all(axis=1) & valid[side.inner] & valid[side.other]
        p, q = side.inner[~alike], side.other[~alike]
        from_p = _gradient(level, copy, p, q, offsets=offsets, valid=valid, places=places)
        from_q = -_gradient(level, copy, q, p, offsets=offsets, valid=valid, places=places)
        right[p] += (from_p + from_q) / 2 - (copy[p] - copy[q])

        held = level.known[side.rows, side.columns]
        p, rows, columns = side.outer[held], side.rows[held], side.columns[held]
        target = level.colour(rows, columns)
        from_rows, from_columns = rows + offsets[p, 0], columns + offsets[p, 1]
        readable = valid[p] & level.may_copy(from_rows, from_columns)
        seen = np.where(readable[:, None], level.colour(from_rows, from_columns), copy[p])
        misfit = np.linalg.norm(seen - target, axis=1)
        weight = 1 / (1 + (misfit / ROBUSTNESS) ** 2)
        diagonal[p] += weight
        right[p] += weight[:, None] * (target - seen)
    yield Progress(0.0, "Joining")
    return System.of(diagonal, np.concatenate(heads), np.concatenate(tails), right)


def _gradient(
    level: Level,
    copy: Colour,
    ends: Indices,
    others: Indices,
    *,
    offsets: Indices,
    valid: Mask,
    places: tuple[Indices, ...],
) -> Colour:
    """I(p+a) - I(q+a) with p's own shift a, for pixels p in `ends` and q in `others`; `places`: rows and columns of the hole's pixels."""
    rows, columns = places[0][others] + offsets[ends, 0], places[1][others] + offsets[ends, 1]
    readable = valid[ends] & level.may_copy(rows, columns)
    gradient = np.where(readable[:, None], copy[ends] - level.colour(rows, columns), np.float32(0))
    # Pixels without a shift come from the coarser result as a whole, whose gradients are as good as any.
    loose = ~valid[ends] | ~valid[others]
    gradient[loose] = copy[ends[loose]] - copy[others[loose]]
    return gradient
