"""Published rules of PIXELS and Differential Diffusion, for comparison: their settings, and for how long they hold each cell.

Reached by tests and benchmarks only; `model.reference` runs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np

from editor.arrays import Counts, Map
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.settings_fields import Label

TIE = 1e-6  # closer than this to a threshold counts as on it


@dataclass(frozen=True, slots=True)
class ReferencePixelsSettings(PixelsSettings):
    """Settings with one of the published algorithms.

    rule: "reference" is the authors' PIXELS, "differential" what it is built on, which compares strength with i / T, of the T steps that run; the
        published file for SDXL does so with i / N, of all N steps
    """

    rule: Annotated[Literal["reference", "differential"], Label("Rule", "The published algorithms.", "expert")] = (
        "reference"
    )


def published_run_length(strength: Map, steps: int) -> int:
    """How many of `steps` a run has in which `strength` may change: the scripts cut off where we round."""
    return int(round(float(strength.max(initial=0)), 6) * steps)


def published_map_counts(strength: Map, working: ModelCanvas, steps: int) -> Counts:
    """(h, w): how many of the run's `steps` each cell is held. The scripts pick from the map instead of averaging it, so that thin lines may vanish.

    strength: (H, W) of the frame
    """
    change = strength / np.float32(max(strength.max(initial=0), 1e-6))
    keep = cv2.resize(working.map(1 - change), working.grid, interpolation=cv2.INTER_LINEAR)
    return published_counts(np.asarray(keep, np.float32), steps)


def published_counts(keep: Map, steps: int) -> Counts:
    """The published rule: held before step i where keep > i / steps, strictly; that is min(steps, ceil(keep * steps)) times.

    A strength that was painted as i / steps reaches this turned round twice, and must not fall behind by a rounding. `steps`: of the run. The
    published file of Differential Diffusion for SDXL divides by the steps of the whole schedule instead, which a run that begins late never
    reaches; the other published files, and this, by those that run.
    """
    thresholds = np.arange(steps, dtype=np.float32) / np.float32(max(steps, 1)) + np.float32(TIE)
    return np.asarray((np.asarray(keep, np.float32)[..., None] > thresholds).sum(-1), np.int64)
