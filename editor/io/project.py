"""Project files: a `.palimpsest` is a zip with a manifest, the blocks that hold anything, and a small preview.

| member | holds |
|---|---|
| `manifest.json` | format, version, and all of the document but its pixels (`editor.io.manifest`) |
| `blocks/0`, `blocks/1`, … | one block of pixels or of a map, as `editor.io.blocks` packs it; equal blocks are kept once |
| `icc`, `exif` | as in `Metadata`, if there |
| `thumbnail.png` | the flattened picture, at most 512 pixels |

A plane in the manifest is one `Tiles`: shape, type, and for every block its number, -1 where nothing was ever written. Members are
only read under these names, never unpacked to a path, and never further than their known size.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editor.compose import flatten
from editor.document import Document
from editor.errors import UnreadableFile
from editor.geometry import Size
from editor.io.blocks import pack, unpack
from editor.io.fields import Fields, Malformed
from editor.io.files import opened, written_beside
from editor.io.images import MOST_PIXELS, read_image
from editor.io.manifest import describe, rebuild, size_of
from editor.tiles import BLOCK, Block, Tiles

SUFFIX: Final = ".palimpsest"
FORMAT: Final = "palimpsest"
VERSION: Final = 1
# From a version to the next: takes the older manifest, gives the newer one.
MIGRATIONS: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}

THUMBNAIL = 512
DTYPES: Final[dict[str, np.dtype[Any]]] = {"uint8": np.dtype(np.uint8), "float32": np.dtype(np.float32)}
MOST_MANIFEST = 64 * 2**20
MOST_EXTRA = 64 * 2**20  # of ICC and EXIF, and of the thumbnail
MOST_UNPACKED = 16 * 2**30

# What `zipfile`, `zlib` and `json` say when the bytes make no sense; `Malformed` is a `ValueError`.
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, ValueError, OverflowError)


def save_project(path: Path, document: Document) -> None:
    """Write the document to `path`, beside and renamed. Raises `UnwritableFile`; what stood there is then unchanged."""
    shelf = _Shelf()
    manifest = {"format": FORMAT, "version": VERSION, "block": BLOCK, **describe(document, shelf.number)}
    manifest["planes"] = shelf.planes
    with (
        written_beside(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        ThreadPoolExecutor(_threads()) as pool,
    ):
        archive.writestr("manifest.json", json.dumps(manifest, allow_nan=False), zipfile.ZIP_DEFLATED)
        archive.writestr("thumbnail.png", _thumbnail(document))
        for name, extra in (("icc", document.metadata.icc), ("exif", document.metadata.exif)):
            if extra is not None:
                archive.writestr(name, extra)
        for i, packed in enumerate(pool.map(pack, shelf.blocks)):
            archive.writestr(f"blocks/{i}", packed)


def load_project(path: Path) -> Document:
    """The document of a project file, exactly as it was saved. Raises `UnreadableFile`."""
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            manifest = _manifest(archive, path)
            fields = Fields(manifest, "the project")
            size = size_of(fields)
            if min(size) < 1 or size.area > MOST_PIXELS:
                raise Malformed(f"it says it has {size.width} × {size.height} pixels")
            planes = _Planes(archive, fields)
            extras = [
                _member(archive, name, MOST_EXTRA) if name in archive.NameToInfo else None for name in ("icc", "exif")
            ]
            return rebuild(fields, planes.tiles, *extras)
    except MemoryError as error:
        raise UnreadableFile(
            f"“{path.name}” does not fit into memory.", "Close other pictures or programs, then open it again."
        ) from error
    except Malformed as error:
        raise _damaged(path, str(error)) from error
    except _DAMAGED as error:
        if not _starts_like_zip(path):
            raise UnreadableFile(
                f"“{path.name}” is not a Palimpsest project.", "Open a picture, or a file that ends in .palimpsest."
            ) from error
        raise _damaged(path, "parts of it are missing or wrong") from error


def read_thumbnail(path: Path) -> NDArray[np.uint8] | None:
    """(h, w, 4) uint8 of at most 512 pixels, or None when the file has none or cannot be read."""
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            data = _member(archive, "thumbnail.png", MOST_EXTRA)
        return read_image(data, path.name, most_pixels=THUMBNAIL * THUMBNAIL).pixels
    except (UnreadableFile, *_DAMAGED):
        return None


class _Shelf:
    """Collects the planes of a document on the way out; tiles and blocks that are the same are kept once."""

    def __init__(self) -> None:
        self.planes: list[dict[str, Any]] = []
        self.blocks: list[Block] = []
        self._tiles: dict[int, tuple[int, Tiles]] = {}  # the tiles are held so that their ids stay theirs
        self._by_id: dict[int, tuple[int, Block]] = {}
        self._by_content: dict[tuple[bytes, tuple[int, ...], str], int] = {}

    def number(self, tiles: Tiles) -> int:
        """The number of the plane that holds the tiles."""
        if id(tiles) not in self._tiles:
            blocks = [-1 if tiles.is_blank(block) else self._block(block) for row in tiles.rows for block in row]
            self._tiles[id(tiles)] = len(self.planes), tiles
            self.planes.append({"shape": list(tiles.shape), "dtype": tiles.dtype.name, "blocks": blocks})
        return self._tiles[id(tiles)][0]

    def _block(self, block: Block) -> int:
        known = self._by_id.get(id(block))
        if known is not None:
            return known[0]
        digest = hashlib.blake2b(np.ascontiguousarray(block).data, digest_size=16).digest()
        found = self._by_content.setdefault((digest, block.shape, block.dtype.name), len(self.blocks))
        if found == len(self.blocks):
            self.blocks.append(block)
        self._by_id[id(block)] = found, block
        return found


@dataclass(frozen=True, slots=True)
class _Plane:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: tuple[int, ...]

    @property
    def corners(self) -> list[tuple[int, int]]:
        """Top and left of each block, row by row."""
        height, width = self.shape[:2]
        return [(top, left) for top in range(0, height, BLOCK) for left in range(0, width, BLOCK)]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of each block, row by row."""
        height, width = self.shape[:2]
        return [(min(BLOCK, height - top), min(BLOCK, width - left), *self.shape[2:]) for top, left in self.corners]


class _Planes:
    """Reads planes from an archive; tiles and blocks that were the same when saved are the same again."""

    def __init__(self, archive: zipfile.ZipFile, fields: Fields) -> None:
        if fields.whole("block") != BLOCK:
            raise fields.wrong("block")
        self._archive = archive
        self._planes = [_plane(group) for group in fields.groups("planes")]
        self._tiles: dict[int, Tiles] = {}
        self._blocks: dict[int, Block] = {}
        kinds: dict[int, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        for plane in self._planes:
            for number, shape in zip(plane.blocks, plane.shapes, strict=True):
                if number >= 0 and kinds.setdefault(number, (shape, plane.dtype)) != (shape, plane.dtype):
                    raise Malformed(f"block {number} is used in two ways")
        unpacked = sum(math.prod(shape) * dtype.itemsize for shape, dtype in kinds.values())
        if unpacked > MOST_UNPACKED:
            raise Malformed(f"it would unpack to {unpacked / 2**30:.0f} GB")

    def tiles(self, number: int) -> Tiles:
        if not 0 <= number < len(self._planes):
            raise Malformed(f"plane {number} is missing")
        if number not in self._tiles:
            self._tiles[number] = self._read(self._planes[number])
        return self._tiles[number]

    def _read(self, plane: _Plane) -> Tiles:
        wanted = {
            number: shape
            for number, shape in zip(plane.blocks, plane.shapes, strict=True)
            if number >= 0 and number not in self._blocks
        }
        packed = [
            _member(self._archive, f"blocks/{i}", _most_packed(shape, plane.dtype)) for i, shape in wanted.items()
        ]
        # A plane of nothing but its own blocks becomes views of one array again, as `Tiles.of` makes it.
        whole = np.empty(plane.shape, plane.dtype) if len(wanted) == len(plane.blocks) else None
        if whole is None:
            blocks = [np.empty(shape, plane.dtype) for shape in wanted.values()]
        else:
            blocks = [whole[top : top + BLOCK, left : left + BLOCK] for top, left in plane.corners]
        with ThreadPoolExecutor(_threads()) as pool:
            for _ in pool.map(unpack, packed, blocks):
                pass
        if whole is not None:
            tiles = Tiles.of(whole)
            self._blocks.update(zip(wanted, (block for row in tiles.rows for block in row), strict=True))
            return tiles
        for block in blocks:
            block.setflags(write=False)
        self._blocks.update(zip(wanted, blocks, strict=True))
        columns = math.ceil(plane.shape[1] / BLOCK)
        known = {divmod(i, columns): self._blocks[each] for i, each in enumerate(plane.blocks) if each >= 0}
        if len(known) < len(plane.blocks):
            return Tiles.filled(plane.shape, 0, plane.dtype).replaced(known)
        rows = tuple(
            tuple(self._blocks[each] for each in plane.blocks[start : start + columns])
            for start in range(0, len(plane.blocks), columns)
        )
        return Tiles(rows, plane.shape, plane.dtype, ())


def _plane(group: Fields) -> _Plane:
    shape = group.wholes("shape")
    dtype: np.dtype[Any] | None = DTYPES.get(group.text("dtype"))
    if (
        dtype is None
        or len(shape) not in (2, 3)
        or min(shape) < 1
        or shape[0] * shape[1] > MOST_PIXELS
        or shape[2:] not in ((), (4,))
    ):
        raise group.wrong("shape")
    plane = _Plane(shape, dtype, group.wholes("blocks"))
    if len(plane.blocks) != math.ceil(shape[0] / BLOCK) * math.ceil(shape[1] / BLOCK) or min(plane.blocks) < -1:
        raise group.wrong("blocks")
    return plane


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """The manifest, brought up to this version."""
    if "manifest.json" not in archive.NameToInfo:
        raise UnreadableFile(f"“{path.name}” is an archive, but not a Palimpsest project.", "Choose another file.")
    try:
        manifest = json.loads(_member(archive, "manifest.json", MOST_MANIFEST))
    except RecursionError as error:
        raise Malformed("its manifest is nested too deeply") from error
    fields = Fields(manifest, "the project")
    if not fields.has("format") or fields.text("format") != FORMAT:
        raise UnreadableFile(f"“{path.name}” is an archive, but not a Palimpsest project.", "Choose another file.")
    version = fields.whole("version")
    if version > VERSION:
        raise UnreadableFile(
            f"“{path.name}” was saved by a newer version of Palimpsest (format {version}).",
            "Update Palimpsest, then open it again.",
        )
    found: dict[str, Any] = manifest
    for older in range(version, VERSION):
        if older not in MIGRATIONS:
            raise fields.wrong("version")
        found = MIGRATIONS[older](found)
    return found


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """The bytes of a member, never more than `most`; the size that the archive declares is not believed."""
    info = archive.NameToInfo.get(name)
    if info is None:
        raise Malformed(f"{name} is missing")
    if info.file_size > most or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Malformed(f"{name} is larger than it can be")
    with archive.open(info) as member:
        found = member.read(most + 1)
    if len(found) != info.file_size:
        raise Malformed(f"{name} has the wrong size")
    return found


def _most_packed(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Of one block: what cannot be packed grows by a little."""
    return math.prod(shape) * dtype.itemsize * 9 // 8 + 1024


def _thumbnail(document: Document) -> bytes:
    """A PNG of the flattened picture. Every n-th pixel is flattened first; the whole picture would take longer than saving it."""
    step = max(1, max(document.size) // (2 * THUMBNAIL))

    def thinned(tiles: Tiles) -> Tiles:
        if tiles.blank:
            return Tiles.filled((*size.shape, 4), 0, np.uint8)
        return Tiles.of(np.ascontiguousarray(tiles.read()[::step, ::step]))

    size = Size(math.ceil(document.size.width / step), math.ceil(document.size.height / step))
    layers = tuple(
        replace(layer, pixels=thinned(layer.pixels)) for layer in document.layers if layer.visible and layer.opacity > 0
    )
    empty = Tiles.filled(size.shape, 0, np.float32)
    pixels = flatten(Document(size, layers, empty, empty, empty, empty))
    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", compress_level=3)
    return encoded.getvalue()


def _threads() -> int:
    return min(4, os.cpu_count() or 1)


def _starts_like_zip(path: Path) -> bool:
    with opened(path) as file:
        return file.read(2) == b"PK"


def _damaged(path: Path, detail: str) -> UnreadableFile:
    return UnreadableFile(
        f"“{path.name}” is damaged: {detail}.", "Open an earlier copy of it, or copy it from its source again."
    )
