"""Journals: the newest state of an open document on disk, brought up to date with every step, so that a program that dies loses nothing.

A journal is a record file (`editor.io.records`) that grows with what changed:

| record | holds |
|---|---|
| `BLCK` | one block of pixels or of a map, as `editor.io.blocks` packs it; blocks are numbered in the order of writing |
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
import logging
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from editor.document.document import Document
from editor.document.tiles import Block, Tiles
from editor.errors import UnreadableFile
from editor.io.blocks import pack
from editor.io.fields import Fields, Malformed
from editor.io.files import FileState
from editor.io.limits import MAX_COUNTS, MAX_FILES, MAX_FILES_SIZE, Mending
from editor.io.manifest import SETTINGS, SettingsClasses, describe, rebuild
from editor.io.metadata import EXTRAS, pack_extras
from editor.io.planes import Planes, block_count
from editor.io.project import HEAD, MAX_MANIFEST, NewerFormat, is_other_file, refuse_newer, upgraded
from editor.io.records import NewerRecords, Record, RecordWriter, payload, scan
from editor.io.safe_json import MAX_DEPTH, parse_json

log = logging.getLogger(__name__)

SUFFIX: Final = ".journal"
BLOCK_KIND, PLANE_KIND, EXTRA_KIND, STATE_KIND = b"BLCK", b"PLAN", b"XTRA", b"STAT"
# A journal is rewritten when it is larger than this many times its first state, and at least this large.
MAX_GROWTH = 3
MIN_REWRITE = 64 * 2**20  # bytes
MAX_TORN = 2**20  # bytes of one record that was not finished; before the first state there are blocks and planes
MIN_STATE = 100  # bytes: a shorter file cannot hold one
MIN_PURGE = 10_000  # known blocks, before those that are gone are looked for
# Differences in a row that lead to a plane. Reading goes through all of them for every state it looks at, which are many where one is damaged.
MAX_CHAIN: Final = 32
MAX_RECORDS: Final = 4_000_000  # in one file, read; later ones are left out
MAX_SHOWN_LENGTH: Final = 1000  # characters of a name or a step
LATEST: Final = 2.0**36  # seconds since 1970 that a date is made of: the year 4147

_DAMAGED = (
    ValueError,
    zlib.error,
    struct.error,
    OverflowError,
    RecursionError,
    LookupError,
    TypeError,
    AttributeError,
)


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


# Reading


class BegunOnly(UnreadableFile):
    """The program ended before the first state of a journal was whole."""


class DamagedJournal(UnreadableFile):
    """Something was kept in a journal, and none of it can be read."""


@dataclass(frozen=True, slots=True, eq=False)
class _Changes:
    """A `PLAN` record. `base`: the number of the plane that it differs from, negative where there is none; `places`, `values`: which blocks, by
    their place in the plane, and their numbers.
    """

    base: int
    shape: tuple[int, ...]
    dtype: str
    places: NDArray[np.int32]
    values: NDArray[np.int32]


class JournalReader:
    """The newest state in a journal file that is whole. A file that is cut off or damaged gives an earlier state.

    `snapshot`: that state, without its document. Raises `UnreadableFile` when there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._sentences(), path.open("rb") as file:
            self._records: dict[bytes, list[Record]] = {}
            for record in islice(scan(file), MAX_RECORDS):
                self._records.setdefault(record.kind, []).append(record)
            self._intact: dict[tuple[bytes, int], bool] = {}
            self._changes: dict[int, _Changes] = {}
            self._place, self._step = len(self._records.get(STATE_KIND, [])), 0
            self._stepping = threading.Lock()
            self._state, self.snapshot = self._newest(file)
            self._changes.clear()

    @property
    def holds_document(self) -> bool:
        """Whether the document stands in the journal; where not, `snapshot.source` is what holds it."""
        return self._state["document"] is not None

    def load(self, mending: Mending | None = None, settings: SettingsClasses = SETTINGS) -> Document:
        """The document of that state, or of an earlier one where that is whole but makes no sense; `snapshot` then is of the earlier one.

        What had to be mended is added to `mending`. `settings`: as in `rebuild`. Raises `UnreadableFile`.
        """
        with self._sentences(), self.path.open("rb") as file:
            while True:
                state = self._state
                try:
                    return self._rebuild(file, state, mending, settings)
                except _DAMAGED as error:
                    log.warning("A state in %s makes no sense: %s", self.path, error)
                    with self._stepping:  # it may be loaded in two threads, one of which wants its picture only
                        if state is self._state:
                            self._step_back(file)

    def _step_back(self, file: BinaryIO) -> None:
        """Go to an earlier state, in ever larger steps: what makes no sense may be in very many of them. The first is not passed over."""
        if self._place > 0:
            self._place = max(self._place - self._step, 1)
        self._step = 2 * self._step or 1
        self._state, self.snapshot = self._newest(file)

    def _rebuild(
        self, file: BinaryIO, state: dict[str, Any], mending: Mending | None, settings: SettingsClasses
    ) -> Document:
        manifest = self._manifest(file, state)
        extras = {name: self._extra(file, manifest["extras"].get(name)) for name in EXTRAS}
        fields = Fields(upgraded(Fields(manifest, "the journal"), manifest), "the journal")
        planes = Planes(fields, lambda number, most: self._block(file, number, most))
        return rebuild(fields, planes, extras, mending, files=self._files(file, manifest), settings=settings)

    def _files(self, file: BinaryIO, manifest: dict[str, Any]) -> tuple[tuple[str, bytes], ...]:
        """Those that another version put into the project; journals of old have none."""
        numbers = manifest.get("files", {})
        if len(numbers) > MAX_FILES or not all(map(is_other_file, numbers)):
            raise Malformed("it holds files that it cannot hold")
        files = tuple(
            (name, payload(file, self._record(EXTRA_KIND, number))) for name, number in sorted(numbers.items())
        )
        if sum(len(data) for _, data in files) > MAX_FILES_SIZE:
            raise Malformed("its files are too large")
        return files

    @contextlib.contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except (NewerRecords, NewerFormat) as error:
            raise UnreadableFile(
                "A document was kept by a newer version of Palimpsest.", "Open that version to get it back."
            ) from error
        except MemoryError as error:
            raise UnreadableFile(
                "The document that was kept does not fit into memory.", "Close other programs, then try again."
            ) from error
        except OSError as error:
            raise UnreadableFile(
                f"What was kept of a document cannot be read ({error.strerror or error}).", "Check the disk."
            ) from error
        except _DAMAGED as error:
            if was_begun_only(self.path):
                raise BegunOnly("Nothing was kept of a document yet.", "There is nothing to open.") from error
            raise DamagedJournal("What was kept of a document is damaged.", "Nothing of it can be opened.") from error

    def _newest(self, file: BinaryIO) -> tuple[dict[str, Any], Snapshot]:
        """The newest state before `_place`, which then is its place."""
        states = self._records.get(STATE_KIND, [])
        while self._place > 0:
            self._place -= 1
            record = states[self._place]
            try:
                state = self._read_state(file, record)
                snapshot = _snapshot(Fields(state, "the journal"))
                if state["document"] is not None:
                    refuse_newer(Fields(state["document"], "the journal"))
                    if not self._whole(file, self._manifest(file, state)):
                        continue
            except _DAMAGED:
                continue
            return state, snapshot
        raise Malformed("there is no state in it")

    def _read_state(self, file: BinaryIO, record: Record) -> dict[str, Any]:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(payload(file, record), MAX_MANIFEST)
        state = parse_json(text, MAX_MANIFEST, names=True, depth=MAX_DEPTH + 1)  # a manifest within a state
        if not unpacker.eof or not isinstance(state, dict):
            raise Malformed("a state is damaged")
        return state

    def _manifest(self, file: BinaryIO, state: dict[str, Any]) -> dict[str, Any]:
        """As it would stand in a project file, with all planes written out."""
        fields = Fields(state["document"], "the journal")
        fields.values("planes", MAX_COUNTS["planes"])  # no more than there can be
        planes = [self._plane(file, number) for number in fields.wholes("planes")]
        return {**state["document"], "planes": planes}

    def _plane(self, file: BinaryIO, number: int) -> dict[str, Any]:
        """A plane, from the differences that lead to it."""
        chain = [self._read_changes(file, number)]
        while chain[-1].base >= 0:
            if len(chain) > MAX_CHAIN:
                raise Malformed("a plane is damaged")
            chain.append(self._read_changes(file, chain[-1].base))
        shape, dtype = chain[-1].shape, chain[-1].dtype
        numbers = np.full(block_count(shape), -1, np.int32)
        for part in reversed(chain):
            if part.places.size and (part.places.min() < 0 or part.places.max() >= len(numbers)):
                raise Malformed("a plane is damaged")
            numbers[part.places] = part.values
        return {"shape": list(shape), "dtype": dtype, "blocks": numbers.tolist()}

    def _read_changes(self, file: BinaryIO, number: int) -> _Changes:
        if number not in self._changes:
            data = payload(file, self._record(PLANE_KIND, number))
            (length,) = struct.unpack_from("<I", data)
            head = Fields(parse_json(data[4 : 4 + length]), "a plane")
            places, values = np.frombuffer(data, "<i4", offset=4 + length).reshape(2, -1)
            base, shape, dtype = head.whole("base"), head.wholes("shape"), head.text("dtype")
            self._changes[number] = _Changes(base, shape, dtype, places, values)
        return self._changes[number]

    def _whole(self, file: BinaryIO, manifest: dict[str, Any]) -> bool:
        """Whether every block and extra that the state needs is there and intact."""
        numbers = {number for plane in manifest["planes"] for number in plane["blocks"] if number >= 0}
        extras = {number for number in manifest["extras"].values() if number is not None}
        extras |= set(manifest.get("files", {}).values())
        needed = [(BLOCK_KIND, number) for number in sorted(numbers)] + [(EXTRA_KIND, number) for number in extras]
        return all(self._is_intact(file, kind, number) for kind, number in needed)

    def _is_intact(self, file: BinaryIO, kind: bytes, number: int) -> bool:
        if (kind, number) not in self._intact:
            try:
                payload(file, self._record(kind, number))
            except Malformed:
                self._intact[kind, number] = False
            else:
                self._intact[kind, number] = True
        return self._intact[kind, number]

    def _extra(self, file: BinaryIO, number: int | None) -> bytes | None:
        return None if number is None else payload(file, self._record(EXTRA_KIND, number))

    def _block(self, file: BinaryIO, number: int, most: int) -> bytes:
        record = self._record(BLOCK_KIND, number)
        if record.length > most:
            raise Malformed(f"block {number} is larger than it can be")
        return payload(file, record)

    def _record(self, kind: bytes, number: int) -> Record:
        records = self._records.get(kind, [])
        if not 0 <= number < len(records):
            raise Malformed("a record is missing")
        return records[number]


def was_begun_only(path: Path) -> bool:
    """Whether the file never got as far as a state, so that nothing was ever kept in it. Not known is no."""
    try:
        with path.open("rb") as file:
            end = file.tell()
            for record in scan(file):
                if record.kind == STATE_KIND:
                    return False
                end = record.offset + record.length
            # What was being written when the program ended is one record; more is what stands behind a damaged one.
            return file.seek(0, os.SEEK_END) - end <= MAX_TORN
    except (OSError, NewerRecords):
        return False
    except Malformed:
        return path.stat().st_size < MIN_STATE


def _snapshot(fields: Fields) -> Snapshot:
    return Snapshot(
        None,
        fields.text("key"),
        fields.text("name")[:MAX_SHOWN_LENGTH],
        Path(fields.text("project")) if fields.has("project") else None,
        Path(fields.text("source")) if fields.has("source") else None,
        _file_state(fields, "stamp"),
        fields.text("step")[:MAX_SHOWN_LENGTH],
        min(max(fields.number("time"), 0.0), LATEST),
        fields.text("prompt"),
        fields.text("negative_prompt"),
        _file_state(fields, "on_disk"),
    )


def _file_state(fields: Fields, name: str) -> FileState | None:
    """What a file was like, where it was noted."""
    if not fields.has(name):
        return None
    state = fields.group(name)
    return FileState(state.whole("modified"), state.whole("size"), state.whole("inode"), state.text("digest"))
