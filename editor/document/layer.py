"""Layer: one sheet of pixels in the stack, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from editor.document.tiles import Tiles
from editor.geometry import Size
from editor.requests.edit_request import MAX_ID
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.results import Recipe
from editor.requests.settings_fields import Grid, Length, Range

Blend = Literal["normal", "multiply", "screen", "overlay"]
BLENDS: tuple[Blend, ...] = ("normal", "multiply", "screen", "overlay")


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """`pixels`: (H, W, 4) uint8, straight alpha, of the size and in the colour space of the document. `opacity`: 0 to 1.

    `id` stays the same through every change of the layer. `recipe`: the edit that made it, or None. `doubt`: as in `EditResult`.
    `painted`: (H, W) float32 in [0, 1], the strength or the selection that this edit used up, so that it can be run again; None when it
    used none. `clip`: it shows only as far as what lies below it does, which stays as translucent as it is.
    `unknown`: what another version said of it in a file.
    """

    id: Annotated[int, Range(0, MAX_ID)]
    name: Annotated[str, Length(200)]
    pixels: Annotated[Tiles, Grid("uint8", 4)]
    opacity: Annotated[float, Range(0, 1)] = 1.0
    blend: Blend = "normal"
    visible: bool = True
    recipe: Recipe | None = None
    doubt: Annotated[float, Range(-1e9, 1e9)] | None = None
    painted: Annotated[Tiles, Grid("float32")] | None = None
    clip: bool = False
    unknown: Opaque = NOTHING

    @classmethod
    def empty(cls, id: int, name: str, size: Size) -> Layer:
        return cls(id, name, Tiles.filled((*size.shape, 4), 0, np.uint8))
