"""Manifest of a project file: what it says about a document, apart from its pixels: plain JSON values, and the document again.

Its parts are written and read as their classes declare them (`editor.io.codec`); here stands what only the document as a whole knows. Pixels and maps
appear as the numbers of planes (`editor.io.planes`). What another version wrote and this one does not know is kept (`editor.requests.opaque`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import MAPS, Document, Rerun
from editor.document.fit_reference import FitReference
from editor.document.partition import Partition
from editor.document.placing import reachable
from editor.document.tiles import Tiles
from editor.geometry import Rect, Size
from editor.io.codec import Reading, codec_of, read_opaque, write_opaque
from editor.io.fields import Fields
from editor.io.limits import MAX_COUNTS, MAX_DPI, MAX_NEXT_ID, MIN_DPI, Mending, numbered, placed
from editor.io.metadata import unpack_extras
from editor.io.planes import Planes, TileStore
from editor.methods.registry import METHODS
from editor.requests.method_settings import MethodSettings
from editor.requests.results import Recipe

SettingsClasses = Mapping[str, type[MethodSettings]]

SETTINGS: Final[SettingsClasses] = METHODS.settings_by_id
"""Settings classes by the names that recipes have for them."""

# What stands in a manifest: of the file, and of the document.
FILE_FIELDS: Final = frozenset(("format", "version", "needs", "block", "planes", "extras", "files"))
DOCUMENT_FIELDS: Final = frozenset(
    ("size", "next_id", "dpi", "layers", "maps", "items", "exemplars", "rerun", "partition", "fits")
)


def describe(document: Document, store: TileStore) -> dict[str, Any]:
    """The document as JSON values; its tiles go into the store."""
    unknown = write_opaque(document.unknown, store)
    layers, items, exemplars = codec_of(Layer), codec_of(Item), codec_of(Exemplar)
    return {
        **unknown,
        "size": list(document.size),
        "next_id": document.next_id,
        "dpi": None if document.metadata.dpi is None else [float(value) for value in document.metadata.dpi],
        "layers": [layers.write(layer, store) for layer in document.layers],
        "maps": {**unknown.get("maps", {}), **{name: store.number(document.map(name)) for name in MAPS}},
        "items": [items.write(item, store) for item in document.items],
        "exemplars": [exemplars.write(exemplar, store) for exemplar in document.exemplars],
        "rerun": None if document.rerun is None else codec_of(Rerun).write(document.rerun, store),
        "partition": None if document.partition is None else codec_of(Partition).write(document.partition, store),
        "fits": [codec_of(FitReference).write(fit, store) for fit in document.fits],
    }


def size_of(fields: Fields) -> Size:
    width, height = fields.wholes("size", 2)
    return Size(width, height)


def rebuild(
    fields: Fields,
    planes: Planes,
    extras: Mapping[str, bytes | None],
    mending: Mending | None = None,
    *,
    files: tuple[tuple[str, bytes], ...] = (),
    settings: SettingsClasses = SETTINGS,
) -> Document:
    """The document of a manifest. Raises `Malformed`.

    extras: as `pack_extras` names them
    mending: what had to be mended is added to it
    files: as in `Document`
    settings: settings classes by the names that recipes have for them
    """
    size = size_of(fields)
    mending = Mending() if mending is None else mending
    reading = Reading(planes, size.shape, settings, mending)
    maps = fields.group("maps")
    dpi = None
    if fields.has("dpi"):
        pair = Fields(dict(zip("xy", fields.values("dpi", 2), strict=False)), "the resolution")
        dpi = pair.number("x", MIN_DPI, MAX_DPI), pair.number("y", MIN_DPI, MAX_DPI)
    metadata, lost = unpack_extras(extras, dpi)
    mending.lost += lost

    def map_of(name: str) -> Tiles:
        tiles = planes.tiles(maps.whole(name))
        if tiles.shape != size.shape or tiles.dtype != np.float32:
            raise maps.wrong(name)
        return tiles

    unknown = dict(fields.others(FILE_FIELDS | DOCUMENT_FIELDS))
    unknown_maps = maps.others(MAPS)
    if unknown_maps:
        unknown["maps"] = unknown_maps
    strength, protect, avoid, selection = (map_of(name) for name in MAPS)
    document = Document(
        size,
        tuple(_layer(group, reading) for group in fields.groups("layers", MAX_COUNTS["layers"])),
        strength,
        protect,
        avoid,
        selection,
        tuple(_item(group, reading) for group in fields.groups("items", MAX_COUNTS["items"])),
        tuple(_exemplar(group, reading) for group in fields.groups("exemplars", MAX_COUNTS["exemplars"])),
        fields.whole("next_id", 0, MAX_NEXT_ID),
        metadata,
        codec_of(Rerun).read(fields.group("rerun"), reading) if fields.has("rerun") else None,
        _partition(fields.group("partition"), reading) if fields.has("partition") else None,
        tuple(codec_of(FitReference).read(group, reading) for group in fields.groups("fits", MAX_COUNTS["fits"]))
        if fields.has("fits")
        else (),
        unknown=read_opaque(unknown, reading),
        files=files,
    )
    mending.maps += planes.brought_back
    mending.kept = bool(document.unknown or document.files)
    return numbered(document, mending)


def _layer(group: Fields, reading: Reading) -> Layer:
    layer = codec_of(Layer).read(group, reading)
    return layer if layer.recipe is None else replace(layer, recipe=_reachable(layer.recipe))


def _reachable(recipe: Recipe) -> Recipe:
    """With things where they can be; how large they were when the edit was made is not known any more."""
    subjects = tuple(
        subject if subject.placement is None else replace(subject, placement=reachable(subject.placement, Size(1, 1)))
        for subject in recipe.subjects
    )
    return replace(recipe, subjects=subjects)


def _item(group: Fields, reading: Reading) -> Item:
    item = codec_of(Item).read(group, reading)
    document = Size(reading.shape[1], reading.shape[0])
    if not Rect.of_size(document).holds(item.rect):
        raise group.wrong("rect")
    if item.placement is None:
        return item
    return replace(item, placement=placed(item.placement, item.size, document, item.name, reading.mending))


def _partition(group: Fields, reading: Reading) -> Partition:
    partition = codec_of(Partition).read(group, reading)
    highest = len(partition.items)
    if any(block.min() < 0 or block.max() > highest for _, block in partition.tiles.blocks()):
        raise group.wrong("tiles")
    return partition


def _exemplar(group: Fields, reading: Reading) -> Exemplar:
    if not group.has("fidelity_map"):  # projects from before there was one
        pixels = reading.planes.tiles(group.whole("pixels"))
        number = reading.planes.add(Tiles.filled(pixels.shape[:2], 1, np.float32))
        group = group.replaced("fidelity_map", number)
    exemplar = codec_of(Exemplar).read(group, reading)
    document = Size(reading.shape[1], reading.shape[0])
    return replace(
        exemplar, placement=placed(exemplar.placement, exemplar.size, document, exemplar.name, reading.mending)
    )
