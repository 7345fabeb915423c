"""Faint strength: what is so weak that it rounds to nothing, and so is nothing, wherever strength counts.

A soft brush, a feathered selection and a gradient end in values far below what 8 bits can hold. Nobody sees them, so nobody could clear them: were
they strength, a frame and a button would stay for something that nothing comes of. What counts is the painted value times the overall strength.
"""

from __future__ import annotations

import numpy as np

from editor.arrays import Map
from editor.document.contents import Exemplar, covered
from editor.document.tiles import Tiles
from editor.geometry import Rect

FAINTEST = 0.5 / 255
"""Strength up to which a pixel is kept as it is: half of the smallest step of 8 bits."""

DEAD_BAND = 4 / 255
"""Maps of 8 bits have noise near their ends, above all as JPEG: closer than this counts as the end."""


def threshold(overall: float = 1.0) -> float:
    """The painted value up to which nothing is left at an overall strength of 0 to 1; above 1 where that leaves nothing of anything."""
    if overall <= FAINTEST:
        return 1.0
    return FAINTEST / overall if overall > FAINTEST else FAINTEST  # what is no number is refused with the request


def is_strength(map: Tiles, overall: float = 1.0) -> bool:
    """Whether anything of a map, (H, W) float32 in [0, 1], counts at an overall strength of 0 to 1."""
    return map.any(threshold(overall))


def lies_open(map: Tiles, protect: Tiles, overall: float = 1.0) -> bool:
    """Whether anything of a map counts at an overall strength of 0 to 1 where `protect`, (H, W) float32 in [0, 1], lets it."""
    if protect.blank or not is_strength(map, overall):
        return is_strength(map, overall)
    for where, block in map.blocks(map.written()):
        if map.is_blank(block):
            continue
        if bool((block * np.float32(overall) * (1 - protect.read(where)) > FAINTEST).any()):
            return True
    return False


def strength_rect(map: Tiles, overall: float = 1.0) -> Rect:
    """The tight rectangle of what counts of a map at an overall strength of 0 to 1; empty if nothing does."""
    return covered(map, threshold(overall))


def lets_in(exemplar: Exemplar, overall: float = 1.0) -> bool:
    """Whether an exemplar's own strength lets anything of it in, at an overall strength of 0 to 1 where that counts."""
    return is_strength(exemplar.strength_map, exemplar.strength * overall)


def drop_faint(strength: Map) -> Map:
    """The same array, with 0 where the strength, in [0, 1] and multiplied by all that counts, is faint."""
    strength[strength <= FAINTEST] = 0
    return strength
