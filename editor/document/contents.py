"""Contents of a document: layers, the sheets of pixels in the stack; items, regions of the picture with a name; exemplars, reference pictures laid
onto it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from editor.document.tiles import Tiles, freeze
from editor.geometry import EMPTY, Placement, Rect, Size
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


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A named region of the picture. Make one with `Item.of`.

    `mask`: (H, W) float32 coverage in [0, 1], of the document's size. `rect`: the tight rectangle of what it covers. `placement` is
    where it is to go (the new centre, scale and turn of `rect`), None while it stays where it is. `prompt`: what it is, for text
    edits. `unknown`: what another version said of it in a file.
    """

    id: Annotated[int, Range(0, MAX_ID)]
    name: Annotated[str, Length(200)]
    mask: Annotated[Tiles, Grid("float32")]
    rect: Rect
    placement: Placement | None = None
    prompt: Annotated[str, Length(10_000)] = ""
    visible: bool = True
    unknown: Opaque = NOTHING

    @classmethod
    def of(cls, name: str, mask: Tiles, id: int = 0) -> Item:
        """An item that stays where it is, with its rectangle measured."""
        return cls(id, name, mask, covered(mask))

    def with_mask(self, mask: Tiles) -> Item:
        """The same item over another region; a place it was moved to is forgotten, since it was measured from the old one."""
        return replace(self, mask=mask, rect=covered(mask), placement=None)

    @property
    def empty(self) -> bool:
        return self.rect.empty

    @property
    def size(self) -> Size:
        return self.rect.size

    @property
    def placed(self) -> Placement:
        """Where it is shown: its new place, or where it rests."""
        return self.placement or Placement(*self.rect.centre)

    @property
    def bounds(self) -> Rect:
        """What it covers where it is shown."""
        return self.rect if self.placement is None else self.placement.bounds(self.size)


def covered(mask: Tiles, above: float = 0.0) -> Rect:
    """The tight rectangle of the elements larger than `above`; empty if there is none. Looks only at blocks that could enlarge it."""
    union = EMPTY
    for where, block in mask.blocks():
        if not mask.is_blank(block) and not (union.holds(where) and not union.empty):
            rect = Rect.of_mask(block > above if above else block)
            union = union if rect.empty else union.unite(rect.moved(where.left, where.top))
    return union


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
