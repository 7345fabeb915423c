"""Document: everything that belongs to a picture, as one value. Every change makes a new document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from editor.document.contents import Exemplar, Item, Layer
from editor.document.fit_reference import FitReference
from editor.document.partition import Partition
from editor.document.tiles import Tiles, changed
from editor.geometry import Rect, Size
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.settings_fields import Grid

MapName = Literal["strength", "protect", "avoid", "selection"]
_T = TypeVar("_T", Layer, Item, Exemplar)

MAPS: tuple[MapName, ...] = ("strength", "protect", "avoid", "selection")


@dataclass(frozen=True, slots=True, eq=False)
class Rerun:
    """Part of a document from the moment when an edit is reopened until its new result is accepted, or somebody leaves.

    `layer`: the id of the layer that the edit made; the new result takes its place.
    `layers`, `exemplars`, `items`: which of them were hidden or shown for it, by id, each with whether it was visible before.
    `strength`, `selection`: (H, W) float32 in [0, 1], the maps as they were before; None where they were left alone.
    `unknown`: what another version said of it in a file.
    """

    layer: int
    layers: tuple[tuple[int, bool], ...] = ()
    exemplars: tuple[tuple[int, bool], ...] = ()
    strength: Annotated[Tiles, Grid("float32")] | None = None
    selection: Annotated[Tiles, Grid("float32")] | None = None
    items: tuple[tuple[int, bool], ...] = ()
    unknown: Opaque = NOTHING


@dataclass(frozen=True, slots=True)
class Metadata:
    """What came with the file and goes back into it. `icc`: the colour profile, `exif`: raw EXIF, both as stored; `dpi`: dots per inch.

    `xmp`: the packet, well-formed UTF-8. `iptc`: records as stored. `comment`: that of a JPEG or GIF, or a PNG's text of that name. `texts`: keyword
    and text of those that a PNG had.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: str = ""
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A picture with its layers, maps, items and exemplars.

    The four maps are (H, W) float32 in [0, 1]: `strength` (0 keep, 1 free to change), `protect` (1 is never touched and outranks
    everything), `avoid` (1: nothing may be copied from here) and `selection` (what is selected just now). Layers go from the
    bottom up. `next_id` numbers layers, items and exemplars; an id is never used twice in a document's life: `History` sees to it that it
    does not go back with undo. `rerun`: the edit that is being run again with changes, if one is (`editor.edits.rerun`).
    `partition`: which item each pixel belongs to, where that is known. `fits`: what was learned about it and is used.
    `unknown` and `files` (name and content): what another version keeps in the project, and this one cannot read.
    """

    size: Size
    layers: tuple[Layer, ...]
    strength: Tiles
    protect: Tiles
    avoid: Tiles
    selection: Tiles
    items: tuple[Item, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()
    next_id: int = 1
    metadata: Metadata = field(default_factory=Metadata)
    rerun: Rerun | None = None
    partition: Partition | None = None
    fits: tuple[FitReference, ...] = ()
    unknown: Opaque = NOTHING
    files: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of_picture(
        cls, pixels: NDArray[np.uint8], name: str = "Background", metadata: Metadata | None = None
    ) -> Document:
        """A document whose only layer is the picture, (H, W, 4) uint8 straight alpha."""
        size = Size(pixels.shape[1], pixels.shape[0])
        empty = Tiles.filled(size.shape, 0, np.float32)
        layer = Layer(1, name, Tiles.of(pixels))
        return cls(size, (layer,), empty, empty, empty, empty, next_id=2, metadata=metadata or Metadata())

    @property
    def rect(self) -> Rect:
        return Rect.of_size(self.size)

    @property
    def things(self) -> tuple[Layer | Item | Exemplar, ...]:
        """All that has an id."""
        return (*self.layers, *self.items, *self.exemplars)

    def same_as(self, other: Document) -> bool:
        """Whether it is the same picture, down to the very tiles; only the next id may differ."""
        return all(getattr(self, name) is getattr(other, name) for name in _PARTS)

    def with_next_id(self, id: int) -> Document:
        """The document itself, or one whose new things get ids from `id` on where its own would be lower."""
        return self if self.next_id >= id else replace(self, next_id=id)

    def map(self, name: MapName) -> Tiles:
        match name:
            case "strength":
                return self.strength
            case "protect":
                return self.protect
            case "avoid":
                return self.avoid
            case "selection":
                return self.selection

    def with_map(self, name: MapName, tiles: Tiles) -> Document:
        if tiles.shape != self.size.shape or tiles.dtype != np.float32:
            raise ValueError(f"a map of {self.size} cannot be {tiles.dtype} {tiles.shape}")
        match name:
            case "strength":
                return replace(self, strength=tiles)
            case "protect":
                return replace(self, protect=tiles)
            case "avoid":
                return replace(self, avoid=tiles)
            case "selection":
                return replace(self, selection=tiles)

    def with_strength(self, tiles: Tiles) -> Document:
        return self.with_map("strength", tiles)

    def empty_map(self) -> Tiles:
        return Tiles.filled(self.size.shape, 0, np.float32)

    # Layers

    def layer(self, id: int) -> Layer | None:
        return next((layer for layer in self.layers if layer.id == id), None)

    def with_layer(self, layer: Layer) -> Document:
        """The layer of the same id, replaced."""
        if layer.pixels.shape != (*self.size.shape, 4):
            raise ValueError(f"a layer of {self.size} cannot be {layer.pixels.shape}")
        return replace(self, layers=tuple(layer if sheet.id == layer.id else sheet for sheet in self.layers))

    def adding_layer(self, layer: Layer, above: int | None = None) -> Document:
        """A new layer above the one with id `above`, on top by default. It gets the document's next id."""
        layer = replace(layer, id=self.next_id)
        at = next((i + 1 for i, sheet in enumerate(self.layers) if sheet.id == above), len(self.layers))
        return replace(self, layers=(*self.layers[:at], layer, *self.layers[at:]), next_id=self.next_id + 1)

    def without_layer(self, id: int) -> Document:
        return replace(self, layers=tuple(sheet for sheet in self.layers if sheet.id != id))

    def with_layer_order(self, ids: Iterable[int]) -> Document:
        """The layers in the given order, from the bottom up; `ids` names each once."""
        return replace(self, layers=_ordered(self.layers, ids))

    # Items

    def item(self, id: int) -> Item | None:
        return next((item for item in self.items if item.id == id), None)

    def with_item(self, item: Item) -> Document:
        return replace(self, items=tuple(item if entry.id == item.id else entry for entry in self.items))

    def adding_item(self, item: Item) -> Document:
        """It gets the document's next id."""
        return replace(self, items=(*self.items, replace(item, id=self.next_id)), next_id=self.next_id + 1)

    def without_item(self, id: int) -> Document:
        """Its pixels in the partition go to the rest."""
        partition = None if self.partition is None else self.partition.without((id,))
        return replace(self, items=tuple(item for item in self.items if item.id != id), partition=partition)

    def with_partition(self, partition: Partition | None) -> Document:
        if partition is not None and partition.size != self.size:
            raise ValueError(f"a partition of {self.size} cannot be of {partition.size}")
        return replace(self, partition=partition)

    # Fits

    def with_fit(self, fit: FitReference) -> Document:
        """With one more fit, in the place of the one with its key if there is one."""
        return replace(self, fits=(*(other for other in self.fits if other.key != fit.key), fit))

    def without_fit(self, key: str) -> Document:
        return replace(self, fits=tuple(fit for fit in self.fits if fit.key != key))

    # Exemplars

    def exemplar(self, id: int) -> Exemplar | None:
        return next((exemplar for exemplar in self.exemplars if exemplar.id == id), None)

    def with_exemplar(self, exemplar: Exemplar) -> Document:
        return replace(
            self, exemplars=tuple(exemplar if other.id == exemplar.id else other for other in self.exemplars)
        )

    def adding_exemplar(self, exemplar: Exemplar) -> Document:
        """It gets the document's next id and lies on top."""
        new = replace(exemplar, id=self.next_id)
        return replace(self, exemplars=(*self.exemplars, new), next_id=self.next_id + 1)

    def without_exemplar(self, id: int) -> Document:
        return replace(self, exemplars=tuple(exemplar for exemplar in self.exemplars if exemplar.id != id))

    def with_exemplar_order(self, ids: Iterable[int]) -> Document:
        return replace(self, exemplars=_ordered(self.exemplars, ids))


_PARTS = tuple(part.name for part in fields(Document) if part.name != "next_id")


def _ordered(things: tuple[_T, ...], ids: Iterable[int]) -> tuple[_T, ...]:
    by_id = {thing.id: thing for thing in things}
    wanted = list(ids)
    if sorted(wanted) != sorted(by_id):
        raise ValueError("the order must name every one exactly once")
    return tuple(by_id[id] for id in wanted)


def _look(layer: Layer) -> tuple[object, ...]:
    return layer.opacity, layer.blend, layer.visible, layer.clip


def picture_changes(before: Document, after: Document) -> list[Rect]:
    """Where the flattened picture may look different: the blocks of layers that differ, or everything after a restack."""
    if before.layers is after.layers:
        return []
    if before.size != after.size:
        return [after.rect]
    old = {layer.id: layer for layer in before.layers}
    new = {layer.id: layer for layer in after.layers}
    kept_old = [layer.id for layer in before.layers if layer.id in new]
    kept_new = [layer.id for layer in after.layers if layer.id in old]
    if kept_old != kept_new:
        return [after.rect]
    rects: list[Rect] = []
    for layer in after.layers:
        was = old.get(layer.id)
        if was is None:
            rects.append(layer.pixels.written() if layer.visible else Rect(0, 0, 0, 0))
        elif _look(was) != _look(layer):
            rects += [layer.pixels.written(), was.pixels.written()]
        elif layer.visible:
            rects += changed(was.pixels, layer.pixels)
    rects += [layer.pixels.written() for layer in before.layers if layer.id not in new and layer.visible]
    return [rect for rect in rects if not rect.empty]
