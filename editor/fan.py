"""A strength fan: one picture in stripes of rising strength, to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from editor.geometry import Rect
from editor.report import Stripe

Map = NDArray[np.float32]

FAN = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
# Pixels of a latent cell: stripes that begin on whole cells do not mix two strengths in one, where a document pixel is a working pixel.
_GRID = 8


def stripes(strength: Map, rect: Rect, levels: Sequence[float]) -> tuple[Stripe, ...]:
    """What may change, cut along its longer side into one stripe for each of `levels`, in this order from the left or the top.

    `strength`: (H, W) in [0, 1], of `rect` of the document, in whose pixels the stripes are. Together they cover the tight rectangle
    of what is above 0. Where that has fewer pixels than there are levels, some levels have no stripe.
    """
    tight = Rect.of_mask(strength)
    if tight.empty or not levels:
        return ()
    across = tight.width >= tight.height
    start, stop = (tight.left, tight.right) if across else (tight.top, tight.bottom)
    grid = _GRID if stop - start >= 2 * _GRID * len(levels) else 1
    inner = [start + round((stop - start) * i / len(levels)) for i in range(1, len(levels))]
    cuts = [start, *(round(cut / grid) * grid for cut in inner), stop]
    found = []
    for (begin, end), level in zip(pairwise(cuts), levels, strict=True):
        if begin < end:
            part = tight._replace(left=begin, right=end) if across else tight._replace(top=begin, bottom=end)
            found.append(Stripe(part.moved(rect.left, rect.top), level))
    return tuple(found)


def fanned(strength: Map, rect: Rect, cut: Sequence[Stripe], overall: float = 1.0) -> Map:
    """(H, W): `strength` of `rect`, which was made with `overall`, in every stripe as it would be with the stripe's level; 0 between them."""
    found = np.zeros_like(strength)
    for stripe in cut:
        part = stripe.rect.intersect(rect)
        where = part.within(rect).slices
        found[where] = strength[where] * np.float32(stripe.level / overall)
    return np.minimum(found, 1, out=found)
