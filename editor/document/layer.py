"""Layer: one sheet of pixels in the stack, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from editor.document.tiles import Tiles
from editor.geometry import Size
from editor.requests.results import Recipe

Blend = Literal["normal", "multiply", "screen", "overlay"]
BLENDS: tuple[Blend, ...] = ("normal", "multiply", "screen", "overlay")


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """`pixels`: (H, W, 4) uint8, straight alpha, of the size and in the colour space of the document. `opacity`: 0 to 1.

    `id` stays the same through every change of the layer. `recipe`: the edit that made it, or None. `doubt`: as in `EditResult`.
    `painted`: (H, W) float32 in [0, 1], the strength or the selection that this edit used up, so that it can be run again; None when it
    used none. `clip`: it shows only as far as what lies below it does, which stays as translucent as it is.
    """

    id: int
    name: str
    pixels: Tiles
    opacity: float = 1.0
    blend: Blend = "normal"
    visible: bool = True
    recipe: Recipe | None = None
    doubt: float | None = None
    painted: Tiles | None = None
    clip: bool = False

    @classmethod
    def empty(cls, id: int, name: str, size: Size) -> Layer:
        return cls(id, name, Tiles.filled((*size.shape, 4), 0, np.uint8))
