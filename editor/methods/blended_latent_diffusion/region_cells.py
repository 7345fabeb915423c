"""Which latent cells a region takes, and how a thin one begins wider and closes in (docs/methods.md, Blended Latent Diffusion 3).

The same numbers drive the method and the view of what it will use.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from editor.arrays import Counts, Map, Mask
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas.canvas import ModelCanvas

HALF = 0.5  # of a cell must be covered, where area counts
LOST = 0.5  # of the cells may be lost so, before any touch counts
THIN = 1  # cells from the edge to the middle


def cell_mask(region: Map, working: ModelCanvas, rule: Literal["auto", "area", "any"]) -> Mask:
    """(h, w): the cells that `region`, (H, W) of the frame in [0, 1], takes. Never empty for a region that is not.

    "area": those that are half covered. "any": all that are touched. "auto": the first, unless that would lose most of what is touched.
    """
    area: Mask = working.cells(region) >= HALF
    if rule == "area" and area.any():
        return area
    touched: Mask = working.cells(region, thin=True) > 0
    if rule == "auto" and area.sum() >= LOST * touched.sum():
        return area
    return touched


def skipped_steps(strength: float, steps: int) -> int:
    """How many of `steps` are left out at the noisy end: the integer part of steps (1 - strength), but one at least runs."""
    return min(steps - 1, int(round(steps * (1 - strength), 4)))


def nearest_cells(region: Map, working: ModelCanvas) -> Map:
    """(h, w): what `region` is in the middle of each cell, as the published scripts read it; a stroke that meets no middle is lost."""
    middles = (
        np.minimum(((np.arange(cells) + 0.5) * working.cell * side / used).astype(np.int64), side - 1)
        for cells, used, side in zip(
            working.grid.shape, working.frame.working.shape, working.frame.rect.size.shape, strict=True
        )
    )
    return np.ascontiguousarray(region[np.ix_(*middles)])


def thin(region: Map, working: ModelCanvas) -> bool:
    """Whether no cell lies further than one inside the region, where area counts; also when no cell is half covered. Beyond the edge of the
    picture is outside: there is no room either."""
    area = np.pad(working.cells(region) >= HALF, 1)
    return float(cv2.distanceTransform(area.astype(np.uint8), cv2.DIST_C, 3).max()) <= THIN


def widening(settings: BlendedSettings, region: Map, working: ModelCanvas) -> int:
    """By how many cells the run begins wider than the region."""
    if settings.thin == "off" or (settings.thin == "auto" and not thin(region, working)):
        return 0
    return settings.widen


def stage_of(step: int, steps: int, stages: int) -> int:
    """Which of `stages` masks, 0 the widest, is in force for the result of a step: equal parts, the exact one for the last step at least.

    With fewer steps than stages only the narrowest take part.
    """
    used = min(stages, steps)
    return stages - used + min(used - 1, used * step // steps)


def published_stage_of(step: int, steps: int, stages: int) -> int:
    """As `stage_of`, by the rule of the published script: with few steps the exact mask never comes into force."""
    return step // (steps // stages + 1)


def widened(mask: Mask, reach: int) -> Mask:
    """`mask` and all cells within `reach` of it, diagonals included."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), square) > 0


def held_since(mask: Mask, widen: int, steps: int) -> Counts:
    """(h, w): before which of the run's `steps` each cell is first held; `steps` where it is taken back with the last result only.

    Cells of `mask` are never held; they get `steps` + 1. Those beyond the widest mask are held from the start.
    """
    counts = np.zeros(mask.shape, np.int64)
    for step in range(steps):
        # Free in the result of this step: held again at the earliest before the next but one.
        counts[widened(mask, widen - stage_of(step, steps, widen + 1))] = step + 2
    counts[mask] = steps + 1
    return counts
