"""Joining copied pieces: a screened Poisson equation with a robust border (after Perez, Gangnet, Blake 2003)."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from editor.methods.quick_fill.linear import System
from editor.methods.quick_fill.pyramid import Colour, Indices, Level, Mask
from editor.report import Progress, Report

SCREENING = 0.002  # how strongly the raw copy holds
ROBUSTNESS = 0.08  # colour misfit at which a link to the border counts half


def fusion_system(level: Level, offsets: Indices, valid: Mask, copy: Colour) -> Generator[Report, None, System]:
    """The system whose solution is the correction to add to `copy` (n, 3) so that its pieces and the border meet.

    Minimises the sum over neighbours of (x_p - x_q - g_pq)^2, plus w_q (x_p - I(q) - g_pq)^2 at the border and
    `SCREENING` (x_p - copy_p)^2. The gradient g comes from each pixel's own shift (`offsets`, (n, 2)), the mean of both sides where
    the shifts differ, 0 where it cannot be read. Solving for the correction instead of the colour makes the right-hand side
    vanish inside the pieces, so a coarse solution can be carried up to a finer scale.
    """
    rows, columns = np.nonzero(level.hole)
    count = rows.size
    index = np.full(level.shape, -1, np.intp)
    index[level.hole] = np.arange(count)
    height, width = level.shape
    every = np.arange(count)
    diagonal = np.full(count, SCREENING)
    right = np.zeros((count, 3), np.float32)
    heads, tails = [], []
    for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        yield Progress(0.0, "Joining")
        r, c = rows + down, columns + across
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        r, c = np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)

        free = np.flatnonzero(inside & level.hole[r, c])
        other = index[r[free], c[free]]
        heads.append(every[free])
        tails.append(other)
        diagonal[free] += 1
        # Where both ends are copied alike, the copy's own difference is the gradient and nothing is to be corrected.
        alike = (offsets[free] == offsets[other]).all(axis=1) & valid[free] & valid[other]
        p, q = free[~alike], other[~alike]
        from_p = _gradient(level, copy, p, q, offsets=offsets, valid=valid, at=(rows, columns))
        from_q = -_gradient(level, copy, q, p, offsets=offsets, valid=valid, at=(rows, columns))
        right[p] += (from_p + from_q) / 2 - (copy[p] - copy[q])

        held = np.flatnonzero(inside & level.known[r, c])
        target = level.colour(r[held], c[held])
        from_r, from_c = r[held] + offsets[held, 0], c[held] + offsets[held, 1]
        readable = valid[held] & level.may_copy(from_r, from_c)
        seen = np.where(readable[:, None], level.colour(from_r, from_c), copy[held])
        misfit = np.linalg.norm(seen - target, axis=1)
        weight = 1 / (1 + (misfit / ROBUSTNESS) ** 2)
        diagonal[held] += weight
        right[held] += weight[:, None] * (target - seen)
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
    at: tuple[Indices, Indices],
) -> Colour:
    """I(p+a) - I(q+a) with p's own shift a, for pixels p in `ends` and q in `others`; `at` says where every hole pixel is."""
    rows, columns = at[0][others] + offsets[ends, 0], at[1][others] + offsets[ends, 1]
    readable = valid[ends] & level.may_copy(rows, columns)
    found = np.where(readable[:, None], copy[ends] - level.colour(rows, columns), np.float32(0))
    # Pixels without a shift come from the coarser result as a whole, whose gradients are as good as any.
    loose = ~valid[ends] | ~valid[others]
    found[loose] = copy[ends[loose]] - copy[others[loose]]
    return found
