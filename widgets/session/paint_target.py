"""Paint target: what a brush, a gradient or a shape writes to, whichever thing of the document holds it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from editor.document.contents import Exemplar, Item, covered
from editor.document.document import Document
from editor.document.placing import item_matrix
from editor.document.tiles import Tiles
from editor.errors import InvalidRequest
from editor.geometry import Point, Rect, invert, transform_point
from widgets.session.options import Target
from widgets.session.session import Session

NOUNS: dict[Target, str] = {
    "strength": "strength",
    "protect": "protection",
    "avoid": "do-not-copy area",
    "selection": "selection",
    "item": "item",
    "cutout": "cut-out",
    "exemplar_strength": "influence",
    "exemplar_fidelity": "kept look",
}


@dataclass(frozen=True, slots=True, eq=False)
class PaintTarget:
    """`tiles` as they are now; `lay(document, tiles, touched)` puts others in their place, `touched` bounding what was written (in
    their own pixels; None when anything may have been).

    `inverse`: (2, 3) affine map from document points to the tiles' own, None when they are the same. `scale`: own pixels per document
    pixel. `part_of`: the name of the reference picture that it belongs to, empty for anything else.
    """

    target: Target | Literal["pixels"]
    tiles: Tiles
    lay: Callable[[Document, Tiles, Rect | None], Document]
    inverse: NDArray[np.float64] | None = None
    scale: float = 1.0
    part_of: str = ""

    @property
    def noun(self) -> str:
        return "pixels" if self.target == "pixels" else NOUNS[self.target]

    @property
    def graded(self) -> bool:
        """Whether values between 0 and 1 mean something of their own; elsewhere a place is in or out, but for a soft rim."""
        return self.target in ("strength", "exemplar_strength", "exemplar_fidelity")

    def own(self, x: float, y: float) -> Point:
        """A document point in the tiles' own pixels."""
        return Point(x, y) if self.inverse is None else transform_point(self.inverse, x, y)

    def value(self, x: float, y: float) -> float | None:
        """What a map holds under a document point; None outside it."""
        return value_at(self.tiles, *self.own(x, y))


def surface(session: Session, target: Target, document: Document | None = None) -> PaintTarget:
    """What `target` means just now in `document` (the one shown, by default). With an exemplar active, "strength" is the exemplar's own.

    Raises `InvalidRequest` when the active thing that it needs is missing, or hidden: nobody would see what is painted on it.
    """
    document = document or session.document
    draft = session.draft
    exemplar = None if draft.exemplar is None else document.exemplar(draft.exemplar)
    if target == "strength" and exemplar is not None:
        target = "exemplar_strength"
    match target:
        case "strength" | "protect" | "avoid" | "selection":
            return PaintTarget(
                target, document.map(target), lambda document, tiles, touched: document.with_map(target, tiles)
            )
        case "item":
            item = None if draft.item is None else document.item(draft.item)
            if item is None:
                raise InvalidRequest("No item is active.", "Click on an item first, or make one from a selection.")
            _check_seen(item)
            return _of_item(item)
        case "cutout" | "exemplar_strength" | "exemplar_fidelity":
            if exemplar is None:
                raise InvalidRequest("No reference picture is active.", "Click on one first, or drop a picture.")
            _check_seen(exemplar)
            return _of_exemplar(exemplar, target)


def pixels(session: Session) -> PaintTarget:
    """The pixels of the active layer. Raises `InvalidRequest` when there is none to be seen."""
    id = session.active_layer
    layer = None if id is None else session.document.layer(id)
    if layer is None:
        raise InvalidRequest("There is no layer to paint on.", "Add a layer first.")
    if not layer.visible:
        raise InvalidRequest(f"The layer “{layer.name}” is hidden.", "Show it, or choose another layer.")

    def lay(document: Document, tiles: Tiles, touched: Rect | None) -> Document:
        return document.with_layer(replace(layer, pixels=tiles))

    return PaintTarget("pixels", layer.pixels, lay)


def value_at(tiles: Tiles, x: float, y: float) -> float | None:
    """The element of an (H, W) map under a point; None outside."""
    column, row = math.floor(x), math.floor(y)
    if not tiles.rect.covers(column, row):
        return None
    where, block = next(tiles.blocks(Rect.at(column, row, 1, 1)))
    return float(block[row - where.top, column - where.left])


def with_mask(item: Item, mask: Tiles, rect: Rect) -> Item:
    """The item over another region that `rect` bounds. Where it was moved to, it stays: every pixel of it keeps its new place."""
    if item.placement is None or rect.empty or item.empty:
        return replace(item, mask=mask, rect=rect, placement=None)
    centre = transform_point(item_matrix(item), *rect.centre)
    return replace(item, mask=mask, rect=rect, placement=replace(item.placement, x=centre.x, y=centre.y))


def _check_seen(thing: Item | Exemplar) -> None:
    if not thing.visible:
        advice = "Show it to paint on it, or choose something else."
        raise InvalidRequest(f"“{thing.name}” is hidden.", advice)


def _of_item(item: Item) -> PaintTarget:
    def lay(document: Document, tiles: Tiles, touched: Rect | None) -> Document:
        rect = covered(tiles) if touched is None else item.rect.unite(touched.intersect(tiles.rect))
        return document.with_item(with_mask(item, tiles, rect))

    if item.placement is None:
        return PaintTarget("item", item.mask, lay)
    return _placed(PaintTarget("item", item.mask, lay), item_matrix(item))


def _of_exemplar(
    exemplar: Exemplar, target: Literal["cutout", "exemplar_strength", "exemplar_fidelity"]
) -> PaintTarget:
    def lay(document: Document, tiles: Tiles, touched: Rect | None) -> Document:
        match target:
            case "cutout":
                return document.with_exemplar(replace(exemplar, cutout=tiles))
            case "exemplar_strength":
                return document.with_exemplar(replace(exemplar, strength_map=tiles))
            case "exemplar_fidelity":
                return document.with_exemplar(replace(exemplar, fidelity_map=tiles))

    tiles = {
        "cutout": exemplar.cutout,
        "exemplar_strength": exemplar.strength_map,
        "exemplar_fidelity": exemplar.fidelity_map,
    }[target]
    return _placed(PaintTarget(target, tiles, lay, part_of=exemplar.name), exemplar.placement.matrix(exemplar.size))


def _placed(paint_target: PaintTarget, matrix: NDArray[np.float64]) -> PaintTarget:
    inverse = invert(matrix)
    return replace(paint_target, inverse=inverse, scale=math.sqrt(abs(float(np.linalg.det(inverse[:, :2])))))
