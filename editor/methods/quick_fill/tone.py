"""Making a thing stand in the light of its new surroundings, a little."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Mask
from editor.methods.quick_fill.pyramid import Colour

MOST_LIGHT, MOST_COLOUR = 18.0, 10.0
CONTRAST = (0.75, 1.33)
MIN_PIXELS = 30


@dataclass(frozen=True, slots=True)
class Tone:
    """What some pixels look like together: medians of L (0 to 100), a and b, and the spread of L."""

    light: float
    a: float
    b: float
    contrast: float

    @classmethod
    def of(cls, colours: Colour) -> Tone | None:
        """The tone of (n, 3) colours in [0, 1]; None for too few."""
        if colours.shape[0] < MIN_PIXELS:
            return None
        lab = _lab(colours)
        light, a, b = np.median(lab, axis=0)
        low, high = np.percentile(lab[:, 0], (20, 80))
        return cls(float(light), float(a), float(b), float(high - low))


def surroundings(mask: Mask, barred: Mask, width: int) -> Mask:
    """(h, w) bool: what lies within `width` pixels of the mask and is neither in it nor barred."""
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * width + 1, 2 * width + 1), np.uint8)).astype(np.bool_)
    result: Mask = near & ~mask & ~barred
    return result


def match_tone(colours: Colour, alpha: NDArray[np.float32], before: Tone, after: Tone, share: float) -> Colour:
    """(h, w, 3) colours of a thing taken from the surroundings `before` to those `after`, by `share` (0 to 1) of the way.

    Moves L, a and b by the difference of the medians within limits, and L's contrast by the ratio of the spreads.
    """
    inside = alpha > 0.5
    if share == 0 or not inside.any():
        return colours
    lab = _lab(colours)
    ratio = (after.contrast + 1) / (before.contrast + 1)
    stretch = float(np.clip(ratio, *CONTRAST)) ** share
    middle = float(np.median(lab[inside, 0]))
    lab[..., 0] = middle + (lab[..., 0] - middle) * stretch
    lab[..., 0] += np.clip(share * (after.light - before.light), -MOST_LIGHT, MOST_LIGHT)
    lab[..., 1] += np.clip(share * (after.a - before.a), -MOST_COLOUR, MOST_COLOUR)
    lab[..., 2] += np.clip(share * (after.b - before.b), -MOST_COLOUR, MOST_COLOUR)
    back = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)
    return np.clip(back, 0.0, 1.0).astype(np.float32)


def _lab(colours: Colour) -> NDArray[np.float32]:
    flat = np.ascontiguousarray(colours, np.float32).reshape(1, -1, 3)
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2Lab), np.float32).reshape(colours.shape)
