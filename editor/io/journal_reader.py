"""Reading of journals (`editor.io.journal`): the newest state of a document that is whole, whatever became of the file."""

from __future__ import annotations

import contextlib
import logging
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from editor.document.document import Document
from editor.errors import UnreadableFile
from editor.io.fields import Fields, Malformed
from editor.io.files import FileState
from editor.io.journal import BLOCK_KIND, EXTRA_KIND, MAX_CHAIN, PLANE_KIND, STATE_KIND, Snapshot
from editor.io.limits import MAX_COUNTS, MAX_FILES, MAX_FILES_SIZE, Mending
from editor.io.manifest import SETTINGS, SettingsClasses, rebuild
from editor.io.metadata import EXTRAS
from editor.io.planes import Planes, block_count
from editor.io.project import MAX_MANIFEST, NewerFormat, is_other_file, refuse_newer, upgraded
from editor.io.records import FIRST, NewerRecords, Record, is_torn, payload, scan
from editor.io.safe_json import MAX_DEPTH, parse_json

log = logging.getLogger(__name__)

MIN_STATE = 100  # bytes: a shorter file cannot hold one
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

        What had to be mended is added to `mending`. `settings`: as in `load_project`. Raises `UnreadableFile`.
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
            end = FIRST
            for record in scan(file):
                if record.kind == STATE_KIND:
                    return False
                end = record.offset + record.length
            return is_torn(file, end)  # else more may stand behind what is damaged
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
