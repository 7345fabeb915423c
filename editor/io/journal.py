"""Journals: the newest state of an open document on disk, brought up to date with every step, so that a program that dies loses nothing.

A journal is a record file (`editor.io.records`) that grows with what changed:

| record | holds |
|---|---|
| `BLCK` | one block of pixels or of a map, as `editor.io.planes` packs it; blocks are numbered in the order of writing |
| `PLAN` | one `Tiles` as block numbers, written as the difference to an earlier plane where there is one; numbered likewise |
| `XTRA` | what came with the picture's file as bytes (colour profile, EXIF); numbered likewise |
| `STAT` | a state: name, file and time, and the manifest of the document as in a project file, its planes by their numbers here |

Everything that a state needs stands before it, so the last whole `STAT` is what was there. The manifest has the version of the project
format and is brought up to date by the same migrations. When a journal has grown to several times what its newest state needs, a new
file with nothing but that state takes its place.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from editor.document.document import Document
from editor.document.tiles import Block, Tiles
from editor.io.files import FileState
from editor.io.manifest import describe
from editor.io.metadata import EXTRAS, pack_extras
from editor.io.planes import pack
from editor.io.project import HEAD
from editor.io.records import RecordWriter

SUFFIX: Final = ".journal"
BLOCK_KIND, PLANE_KIND, EXTRA_KIND, STATE_KIND = b"BLCK", b"PLAN", b"XTRA", b"STAT"
# A journal is rewritten when it is larger than this many times its first state, and at least this large.
MAX_GROWTH = 3
MIN_REWRITE = 64 * 2**20  # bytes
MIN_PURGE = 10_000  # known blocks, before those that are gone are looked for
# Differences in a row that lead to a plane. Reading goes through all of them for every state it looks at, which are many where one is damaged.
MAX_CHAIN: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One state of an open document.

    `document`: None where it is no more than what `source` holds, so that the file is enough.
    `key`: names the document's life, also across programs that take it over from one another.
    `name`: what its tab says.
    `project`: the project file that belongs to it, None while it has none.
    `source`: the picture or project file that holds this very state, None once it was changed.
    `stamp`: what that file was like then; not looked into.
    `step`: the label of its newest step.
    `time`: when it was so, in seconds since 1970.
    `prompt`, `negative_prompt`: the words typed for the next edit.
    `on_disk`: what `project` was like when the document was opened from it or saved to it, None where that is not known.
    """

    document: Document | None
    key: str
    name: str
    project: Path | None
    source: Path | None
    stamp: FileState | None
    step: str
    time: float
    prompt: str = ""
    negative_prompt: str = ""
    on_disk: FileState | None = None


class Journal:
    """Writes the states of one document below `folder`, in files called after `name`. Use it from one thread at a time.

    `write` either writes a whole state or leaves the journal as it was. Raises `OSError`. `pause`: called after every block of a large state, with
    the number of blocks written so far; it may wait, so that whoever uses the machine just now comes first.
    """

    def __init__(self, folder: Path, name: str, pause: Callable[[int], None] = lambda count: None) -> None:
        self._folder, self._name, self._pause = folder, name, pause
        self._generation = 0
        self._file: _JournalFile | None = None

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return 0 if self._file is None else self._file.size

    @property
    def compact(self) -> bool:
        """Whether it holds no more than one state, so that `rewrite` would not make it smaller."""
        return self._file is None or self._file.states <= 1

    def write(self, snapshot: Snapshot) -> None:
        if self._file is None or self._file.overgrown or not self._file.sound:
            self.rewrite(snapshot)
        else:
            self._file.write(snapshot)

    def rewrite(self, snapshot: Snapshot) -> None:
        """Begin a new file with this state, and remove the earlier one once it is on the disk."""
        path = self._folder / f"{self._name}-{self._generation:06d}{SUFFIX}"
        self._generation += 1
        fresh = _JournalFile(path, self._pause)
        try:
            fresh.write(snapshot)
            if self._file is not None:
                fresh.sync()
        except BaseException:  # not handled, only tidied up after
            fresh.remove()
            raise
        earlier, self._file = self._file, fresh
        if earlier is not None:
            earlier.remove()

    def sync(self) -> None:
        """Make sure that what was written survives a power failure."""
        if self._file is not None:
            self._file.sync()

    def remove(self) -> None:
        """Delete it: the document is safe elsewhere, or not wanted any more."""
        if self._file is not None:
            self._file.remove()
            self._file = None


@dataclass(frozen=True, slots=True, eq=False)
class _WrittenPlane:
    """A plane that is in the file.

    `numbers`: of its blocks, (count,) int32, -1 where nothing was ever written.
    `depth`: how many planes lead to it, 0 where it is written out.
    """

    tiles: ref[Tiles]
    number: int
    numbers: NDArray[np.int32]
    depth: int


class _JournalFile:
    """One file of a journal, and the `TileStore` that knows what stands in it.

    Tiles and blocks are known by identity, as long as they live; what is not known any more is written again.
    """

    def __init__(self, path: Path, pause: Callable[[int], None]) -> None:
        self._writer = RecordWriter(path)
        self._pause = pause
        self._blocks_of_state = 0  # that is being written
        self._first_size = 0
        self._planes: dict[int, _WrittenPlane] = {}
        self._blocks: dict[int, tuple[ref[Block], int]] = {}
        self._arrays: dict[
            int, tuple[Block, Tiles]
        ] = {}  # of the state before: an array is cut into other blocks every time
        self._extras: dict[bytes, int] = {}
        self._counts = {PLANE_KIND: 0, BLOCK_KIND: 0, EXTRA_KIND: 0}
        self._state: dict[
            int, int
        ] = {}  # of the state that is being written: plane number -> place in its list of planes
        self._state_arrays: dict[int, tuple[Block, Tiles]] = {}
        self._previous: list[_WrittenPlane] = []  # of the state before
        self._known_blocks = 0  # when they were last looked through

    @property
    def size(self) -> int:
        return self._writer.size

    @property
    def overgrown(self) -> bool:
        return self.size > max(MIN_REWRITE, MAX_GROWTH * self._first_size)

    @property
    def sound(self) -> bool:
        return self._writer.sound

    @property
    def states(self) -> int:
        """How many stand in it."""
        return self._counts.get(STATE_KIND, 0)

    def write(self, snapshot: Snapshot) -> None:
        counts = dict(self._counts)
        self._state, self._state_arrays = {}, {}
        self._blocks_of_state = 0
        try:
            self._append(STATE_KIND, self._packed_state(snapshot))
            self._writer.commit()
        except BaseException:  # not handled: what did not get there must not be taken for known
            self._forget_from(counts)
            with contextlib.suppress(OSError):
                self._writer.rollback()
            raise
        self._arrays = self._state_arrays
        by_number = {plane.number: plane for plane in self._planes.values()}
        self._previous = [by_number[number] for number in self._state if number in by_number]
        self._first_size = self._first_size or (self.size if snapshot.document is not None else 0)
        self._purge()

    def sync(self) -> None:
        self._writer.sync()

    def remove(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            self._writer.path.unlink(missing_ok=True)

    # The tile store

    def number(self, tiles: Tiles) -> int:
        known = self._planes.get(id(tiles))
        if known is None or known.tiles() is not tiles:
            known = self._write_plane(tiles)
        return self._state.setdefault(known.number, len(self._state))

    def number_of_array(self, array: NDArray[Any]) -> int:
        known = self._arrays.get(id(array)) or (array, Tiles.of(array))
        self._state_arrays[id(array)] = known
        return self.number(known[1])

    def _write_plane(self, tiles: Tiles) -> _WrittenPlane:
        base, base_rows = self._nearest(tiles)
        columns = len(tiles.rows[0]) if tiles.rows else 0
        numbers = np.full(len(tiles.rows) * columns, -1, np.int32) if base is None else base.numbers.copy()
        changed: list[int] = []
        for i, row in enumerate(tiles.rows):
            base_row = base_rows[i] if base_rows else None
            if row is base_row:
                continue
            for j, block in enumerate(row):
                if base_row is not None and block is base_row[j]:
                    continue
                at = i * columns + j
                numbers[at] = -1 if tiles.is_blank(block) else self._write_block(block)
                changed.append(at)
        places = np.array(changed, "<i4")
        if base is not None and base.depth >= MAX_CHAIN:  # written out, though what is in it is known from the base
            base, places = None, np.flatnonzero(numbers >= 0).astype("<i4")
        head = {"base": -1 if base is None else base.number, "shape": list(tiles.shape), "dtype": tiles.dtype.name}
        text = json.dumps(head).encode()
        values = numbers[places].astype("<i4")
        number = self._append(PLANE_KIND, struct.pack("<I", len(text)) + text + places.tobytes() + values.tobytes())
        plane = _WrittenPlane(ref(tiles), number, numbers, 0 if base is None else base.depth + 1)
        self._planes[id(tiles)] = plane
        return plane

    def _nearest(self, tiles: Tiles) -> tuple[_WrittenPlane | None, tuple[tuple[Block, ...], ...]]:
        """The plane of the state before that shares most rows with these tiles, and its rows; none where none shares any."""
        best: _WrittenPlane | None = None
        best_rows: tuple[tuple[Block, ...], ...] = ()
        most = 0
        for plane in self._previous:
            candidate = plane.tiles()
            if candidate is None or candidate.shape != tiles.shape or candidate.dtype != tiles.dtype:
                continue
            shared = sum(mine is theirs for mine, theirs in zip(tiles.rows, candidate.rows, strict=True))
            if shared > most:
                best, best_rows, most = plane, candidate.rows, shared
        return best, best_rows

    def _write_block(self, block: Block) -> int:
        known = self._blocks.get(id(block))
        if known is not None and known[0]() is block:
            return known[1]
        number = self._append(BLOCK_KIND, pack(block))
        self._blocks[id(block)] = ref(block), number
        self._blocks_of_state += 1
        self._pause(self._blocks_of_state)
        return number

    def _write_extra(self, data: bytes | None) -> int | None:
        if data is None:
            return None
        if data not in self._extras:
            self._extras[data] = self._append(EXTRA_KIND, data)
        return self._extras[data]

    def _packed_state(self, snapshot: Snapshot) -> bytes:
        manifest: dict[str, Any] | None = None
        document = snapshot.document
        if document is not None:
            manifest = {**HEAD, **describe(document, self)}
            manifest["planes"] = list(self._state)
            blocks = pack_extras(document.metadata)
            manifest["extras"] = {name: self._write_extra(blocks.get(name)) for name in EXTRAS}
            manifest["files"] = {name: self._write_extra(data) for name, data in document.files}
        stamp, on_disk = snapshot.stamp, snapshot.on_disk
        state = {
            "key": snapshot.key,
            "name": snapshot.name,
            "project": None if snapshot.project is None else os.fspath(snapshot.project),
            "source": None if snapshot.source is None else os.fspath(snapshot.source),
            "stamp": None if stamp is None else asdict(stamp),
            "step": snapshot.step,
            "time": snapshot.time,
            "prompt": snapshot.prompt,
            "negative_prompt": snapshot.negative_prompt,
            "on_disk": None if on_disk is None else asdict(on_disk),
            "document": manifest,
        }
        return zlib.compress(json.dumps(state, allow_nan=False).encode(), 1)

    def _append(self, kind: bytes, data: bytes) -> int:
        """The number of the record among those of its kind."""
        self._writer.append(kind, data)
        number = self._counts.get(kind, 0)
        self._counts[kind] = number + 1
        return number

    def _forget_from(self, counts: dict[bytes, int]) -> None:
        """Nothing numbered from here on was written after all."""
        self._counts = counts
        self._planes = {key: plane for key, plane in self._planes.items() if plane.number < counts[PLANE_KIND]}
        self._blocks = {key: entry for key, entry in self._blocks.items() if entry[1] < counts[BLOCK_KIND]}
        self._extras = {data: number for data, number in self._extras.items() if number < counts[EXTRA_KIND]}

    def _purge(self) -> None:
        """Forget blocks and planes that are gone, now and then."""
        if len(self._blocks) + len(self._planes) < 2 * self._known_blocks + MIN_PURGE:
            return
        self._planes = {key: plane for key, plane in self._planes.items() if plane.tiles() is not None}
        self._blocks = {key: entry for key, entry in self._blocks.items() if entry[0]() is not None}
        self._known_blocks = len(self._blocks) + len(self._planes)
