"""Regions of an edit of items: what is made anew, the band around it, and what is frozen (docs/methods.md, D-Edit 8)."""

from __future__ import annotations

import cv2
import numpy as np

from editor.arrays import Counts, Map, Mask
from editor.geometry import Rect
from editor.model_canvas.canvas import ModelCanvas


def strength_of(active: Mask, band: float, band_hold: float) -> Map:
    """(H, W) float32: 1 where the picture is made anew, 1 - `band_hold` within `band` pixels of it, 0 elsewhere.

    The three are disjoint and cover the frame.

    band: in pixels, between centres
    band_hold: for which share of the run the band is kept, 0 to 1
    """
    strength = active.astype(np.float32)
    if band <= 0 or band_hold >= 1 or not active.any():
        return strength
    height, width = active.shape
    near = Rect.of_mask(active).grow(int(band) + 1).intersect(Rect(0, 0, width, height)).slices
    away = cv2.distanceTransform((~active[near]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    strength[near][(away > 0) & (away <= band + 1e-4)] = 1 - band_hold
    return strength


def hold_counts(strength: Map, working: ModelCanvas, steps: int) -> Counts:
    """(h, w): for how many of `steps` each cell is held. A cell is as free as the freest pixel that it touches.

    strength: (H, W) of the frame
    """
    return np.asarray(steps - free_steps(working.cells(strength, thin=True), steps), np.int64)


def free_steps(strength: Map | float, steps: int) -> Counts:
    """How many of `steps` run at strengths of 0 to 1, which may come out of a float32 map; ties go up."""
    free = np.floor(np.round(np.asarray(strength, np.float64), 6) * steps + 0.5 + 1e-9)
    return np.asarray(np.clip(free, 0, steps), np.int64)
