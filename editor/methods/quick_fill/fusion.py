"""Joining copied pieces: a screened Poisson equation with a robust border (after Perez, Gangnet, Blake 2003)."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from editor.arrays import Mask
from editor.methods.quick_fill.linear import System, sides
from editor.methods.quick_fill.pyramid import Colour, Indices, Level
from editor.requests.reports import Progress, Report

SCREENING = 0.002  # how strongly the raw copy holds
ROBUSTNESS = 0.08  # colour misfit at which a link to the border counts half


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
