"""Exemplar: a reference picture laid onto the canvas, with its cut-out and its own painted strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from editor.document.tiles import Tiles, freeze
from editor.geometry import Placement, Rect, Size
from editor.requests.edit_request import MAX_ID
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.settings_fields import Grid, Length, Range


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """A picture laid onto the canvas, to be let in by strength. Make one with `Exemplar.of`.

    `pixels`: (h, w, 4) uint8, straight alpha, read-only, in the document's colour space. `cutout`: (h, w) float32 in [0, 1], the part that counts.
    `strength_map`: (h, w) float32 in [0, 1], painted, in the exemplar's own pixels so that it moves along; `strength` in [0, 1]
    multiplies it. `fidelity_map`, `fidelity`: likewise, how long a diffusion model holds it: 0 = it only starts from it, 1 = it comes
    out unchanged. `rim`: how far its surroundings may adapt, in document pixels; None for what suits the model. `prompt_weight`: its
    share among the exemplars where a model takes pictures as prompts, not negative. The order in the document is the order in which they
    are laid, later ones on top. `unknown`: what another version said of it in a file.
    """

    id: Annotated[int, Range(0, MAX_ID)]
    name: Annotated[str, Length(200)]
    pixels: Annotated[NDArray[np.uint8], Grid("uint8", 4, own_size=True)]
    cutout: Annotated[Tiles, Grid("float32", own_size=True)]
    strength_map: Annotated[Tiles, Grid("float32", own_size=True)]
    fidelity_map: Annotated[Tiles, Grid("float32", own_size=True)]
    placement: Placement
    strength: Annotated[float, Range(0, 1)] = 1.0
    visible: bool = True
    fidelity: Annotated[float, Range(0, 1)] = 0.0
    rim: Annotated[float, Range(0, 2**20, "px")] | None = None
    prompt_weight: Annotated[float, Range(0, 1000)] = 1.0
    unknown: Opaque = NOTHING

    def __post_init__(self) -> None:
        shape = self.pixels.shape[:2]
        if self.pixels.shape != (*shape, 4) or self.pixels.dtype != np.uint8:
            raise ValueError(f"pixels {self.pixels.dtype} {self.pixels.shape} are not (h, w, 4) uint8")
        maps = (("cut-out", self.cutout), ("influence", self.strength_map), ("kept look", self.fidelity_map))
        for name, tiles in maps:
            if tiles.shape != shape or tiles.dtype != np.float32:
                raise ValueError(f"{name} {tiles.dtype} {tiles.shape} does not fit {shape}")
        freeze(self.pixels)

    @classmethod
    def of(cls, name: str, pixels: NDArray[np.uint8], placement: Placement, id: int = 0) -> Exemplar:
        """The whole picture, at full strength."""
        full = Tiles.filled(pixels.shape[:2], 1, np.float32)
        return cls(id, name, pixels, full, full, full, placement)

    @property
    def size(self) -> Size:
        return Size(self.pixels.shape[1], self.pixels.shape[0])

    @property
    def bounds(self) -> Rect:
        return self.placement.bounds(self.size)

    def coverage(self, rect: Rect | None = None) -> NDArray[np.float32]:
        """(h, w) float32: the picture's own alpha times the cut-out, inside `rect` of the picture (all of it by default)."""
        own = self.pixels[..., 3] if rect is None else self.pixels[rect.slices][..., 3]
        array: NDArray[np.float32] = self.cutout.read(rect)
        array *= own * np.float32(1 / 255)
        return array
