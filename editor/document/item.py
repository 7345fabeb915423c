"""Item: a region of the picture with a name, that can be moved and removed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from editor.document.tiles import Tiles
from editor.geometry import EMPTY, Placement, Rect, Size
from editor.requests.edit_request import MAX_ID
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.settings_fields import Grid, Length, Range


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
