"""The planes of a project file: tiles as lists of numbered blocks, each kept once, collected for writing and read back with suspicion."""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from editor.document.tiles import BLOCK, Block, Tiles
from editor.io.fields import Fields, Malformed
from editor.io.images import MAX_PIXELS, MAX_SIDE
from editor.io.limits import MAX_COUNTS, bring_back

# Also those that only what is kept unread may have.
DTYPES: Final[dict[str, np.dtype[Any]]] = {
    name: np.dtype(name) for name in ("uint8", "int16", "uint16", "int32", "float16", "float32")
}
MAX_UNPACKED = 16 * 2**30
MAX_CHANNELS = 8


class TileStore(Protocol):
    """Where a document's tiles go while the rest of it is described."""

    def number(self, tiles: Tiles) -> int:
        """The number of the plane that holds the tiles."""

    def number_of_array(self, array: NDArray[Any]) -> int:
        """The number of the plane that holds a whole read-only array."""


class Shelf:
    """Collects a document's tiles on the way out; tiles and blocks that are the same are kept once.

    `planes`: JSON values; `blocks`: the arrays that these number.
    """

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

    def number_of_array(self, array: NDArray[Any]) -> int:
        return self.number(Tiles.of(array))

    @property
    def size(self) -> int:
        """Bytes of all blocks together, before packing."""
        return sum(block.nbytes for block in self.blocks)

    def _block(self, block: Block) -> int:
        known = self._by_id.get(id(block))
        if known is not None:
            return known[0]
        digest = hashlib.blake2b(np.ascontiguousarray(block).data, digest_size=16).digest()
        number = self._by_content.setdefault((digest, block.shape, block.dtype.name), len(self.blocks))
        if number == len(self.blocks):
            self.blocks.append(block)
        self._by_id[id(block)] = number, block
        return number


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


class Planes:
    """Reads the planes of a manifest; tiles and blocks that were the same when saved are the same again.

    `packed(number, most)` gives the packed bytes of a block, never more than `most`. Raises `Malformed` for what does not fit.
    """

    def __init__(self, fields: Fields, packed: Callable[[int, int], bytes]) -> None:
        if fields.whole("block") != BLOCK:
            raise fields.wrong("block")
        self._packed = packed
        self._planes = [_plane(group) for group in fields.groups("planes", MAX_COUNTS["planes"])]
        self._tiles: dict[tuple[int, bool], Tiles] = {}
        self._blocks: dict[tuple[int, bool], Block] = {}
        kinds: dict[int, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        for plane in self._planes:
            for number, shape in zip(plane.blocks, plane.shapes, strict=True):
                if number >= 0 and kinds.setdefault(number, (shape, plane.dtype)) != (shape, plane.dtype):
                    raise Malformed(f"block {number} is used in two ways")
        self.brought_back = 0  # blocks of maps that held values outside 0 to 1
        self._unpacked = 0
        self._added = 0
        self._reserve(sum(math.prod(shape) * dtype.itemsize for shape, dtype in kinds.values()))

    def tiles(self, number: int) -> Tiles:
        """A plane; where its elements are fractions they are brought between 0 and 1, since all maps are."""
        return self._known(number, raw=False)

    def raw_tiles(self, number: int) -> Tiles:
        """A plane of which nobody knows what its elements mean, as it is."""
        return self._known(number, raw=True)

    def add(self, tiles: Tiles) -> int:
        """The number of a plane that does not stand in the file."""
        number = len(self._planes) + self._added
        self._added += 1
        self._tiles[number, False] = tiles
        return number

    def _known(self, number: int, *, raw: bool) -> Tiles:
        if (number, raw) not in self._tiles:
            if not 0 <= number < len(self._planes):
                raise Malformed("a plane that it names is missing")
            raw = raw and self._planes[number].dtype == np.float32  # otherwise both are the same
            if (number, raw) not in self._tiles:
                self._tiles[number, raw] = self._read(self._planes[number], raw=raw)
        return self._tiles[number, raw]

    def array(self, number: int) -> NDArray[Any]:
        """The whole plane as one array, to read. This is where blocks that are used many times would become large."""
        tiles = self.tiles(number)
        self._reserve(math.prod(tiles.shape) * tiles.dtype.itemsize)
        view = tiles.view(tiles.rect)
        return tiles.read() if view is None else view

    def _reserve(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > MAX_UNPACKED:
            raise Malformed(f"it would unpack to more than {MAX_UNPACKED // 2**30} GB")

    def _read(self, plane: _Plane, *, raw: bool) -> Tiles:
        wanted = {
            number: shape
            for number, shape in zip(plane.blocks, plane.shapes, strict=True)
            if number >= 0 and (number, raw) not in self._blocks
        }
        packed = [self._packed(i, _most_packed(shape, plane.dtype)) for i, shape in wanted.items()]
        # A plane of nothing but its own blocks becomes views of one array again, as `Tiles.of` makes it.
        whole = np.empty(plane.shape, plane.dtype) if len(wanted) == len(plane.blocks) else None
        if whole is None:
            blocks = [np.empty(shape, plane.dtype) for shape in wanted.values()]
        else:
            blocks = [whole[top : top + BLOCK, left : left + BLOCK] for top, left in plane.corners]
        with ThreadPoolExecutor(threads()) as pool:
            for _ in pool.map(unpack, packed, blocks):
                pass
            if plane.dtype == np.float32 and not raw:
                self.brought_back += sum(pool.map(bring_back, blocks))
        if whole is not None:
            tiles = Tiles.of(whole)
            self._remember(wanted, (block for row in tiles.rows for block in row), raw=raw)
            return tiles
        for block in blocks:
            block.setflags(write=False)
        self._remember(wanted, blocks, raw=raw)
        columns = math.ceil(plane.shape[1] / BLOCK)
        known = {divmod(i, columns): self._blocks[number, raw] for i, number in enumerate(plane.blocks) if number >= 0}
        if len(known) < len(plane.blocks):
            return Tiles.filled(plane.shape, 0, plane.dtype).replaced(known)
        rows = tuple(
            tuple(self._blocks[number, raw] for number in plane.blocks[start : start + columns])
            for start in range(0, len(plane.blocks), columns)
        )
        return Tiles(rows, plane.shape, plane.dtype, ())

    def _remember(self, numbers: Iterable[int], blocks: Iterable[Block], *, raw: bool) -> None:
        self._blocks.update(((number, raw), block) for number, block in zip(numbers, blocks, strict=True))


def _plane(group: Fields) -> _Plane:
    shape = group.wholes("shape")
    dtype: np.dtype[Any] | None = DTYPES.get(group.text("dtype"))
    if dtype is None:
        raise group.wrong("dtype")
    plane = _Plane(shape, dtype, group.wholes("blocks"))
    if len(plane.blocks) != block_count(shape) or min(plane.blocks) < -1:
        raise group.wrong("blocks")
    return plane


def block_count(shape: tuple[int, ...]) -> int:
    """How many blocks a plane of this shape has. Raises `Malformed` for a shape that none has."""
    if len(shape) not in (2, 3) or min(shape) < 1 or max(shape[2:], default=1) > MAX_CHANNELS:
        raise Malformed("a plane has a shape that it cannot have")
    if shape[0] * shape[1] > MAX_PIXELS or max(shape) > MAX_SIDE:
        raise Malformed("a plane has a shape that it cannot have")
    return math.ceil(shape[0] / BLOCK) * math.ceil(shape[1] / BLOCK)


def member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """The bytes of a member, never more than `most`; the size that the archive declares is not believed."""
    info = archive.NameToInfo.get(name)
    if info is None:
        raise Malformed(f"{name} is missing")
    if info.file_size > most or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Malformed(f"{name} is larger than it can be")
    with archive.open(info) as opened:
        data = opened.read(most + 1)
    if len(data) != info.file_size:
        raise Malformed(f"{name} has the wrong size")
    return data


def _most_packed(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Of one block: what cannot be packed grows by a little."""
    return math.prod(shape) * dtype.itemsize * 9 // 8 + 1024


def threads() -> int:
    """How many blocks to pack or unpack at a time."""
    return min(4, os.cpu_count() or 1)


# One block of tiles as bytes, and back, exactly.
#
# The block is taken apart into byte planes (red, green, …; or the four bytes of the floats), each row becomes its difference to the row
# above, and that goes through zlib looking for runs only. On photographs this is half the size of plain zlib in less than half the time.


def pack(block: NDArray[Any]) -> bytes:
    """(h, w) or (h, w, C) of any plain number type as bytes."""
    little = np.ascontiguousarray(block, block.dtype.newbyteorder("<"))
    height, width = block.shape[:2]
    planes = np.moveaxis(little.view(np.uint8).reshape(height, width, -1), 2, 0)
    rows = planes.copy()
    rows[:, 1:] -= planes[:, :-1]
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    return packer.compress(rows.data) + packer.flush()


def unpack(data: bytes, into: NDArray[Any]) -> None:
    """Fill a block with what was packed. Never unpacks more than it holds; raises `ValueError` when the bytes do not fit it."""
    height, width = into.shape[:2]
    depth = into.nbytes // (height * width)
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, into.nbytes + 1)
    except zlib.error as error:
        raise ValueError("a block cannot be unpacked") from error
    if len(unpacked) != into.nbytes or not unpacker.eof:
        raise ValueError("a block has the wrong size")
    rows = np.frombuffer(unpacked, np.uint8).reshape(depth, height, width)
    planes = np.add.accumulate(rows, axis=1, dtype=np.uint8)
    little = np.ascontiguousarray(np.moveaxis(planes, 0, 2)).view(into.dtype.newbyteorder("<"))
    into[...] = little.reshape(into.shape)
