"""Sparse symmetric systems over the pixels of a hole, solved at once or step by step."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import splu

from editor.arrays import Mask
from editor.methods.quick_fill.pyramid import Colour, Indices
from editor.requests.reports import Progress, Report

DIRECT_UNKNOWNS = 15_000  # above, a factorisation takes noticeably long
MAX_RELAXED = 1_500_000  # above, a coarse solution is only scaled up, or the memory would not do


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
