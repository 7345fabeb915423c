"""History: labelled documents, one after the other. Undo is a step back in the list, so no inverse can be wrong.

Ids do not go back with it: whatever step is the current one, its next id is above all that any step ever had, also one that cannot be redone any
more. So an id means the same thing wherever it was noted: in a result, a recipe, or a draft.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from editor.document.document import MAPS, Document
from editor.document.tiles import Block, Tiles
from editor.requests.method_settings import UnknownSettings
from editor.requests.opaque import Opaque

DEFAULT_BUDGET = 2 * 1024**3


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One step: what it did, and the document after it. `merge`: equal keys in a row become one step. `number`: a later step has a higher one; what
    becomes one step has one number.
    """

    label: str
    document: Document
    merge: Hashable | None = None
    number: int = 0


class History:
    """The documents of one picture's life. The first entry is how it was opened.

    `budget`: bytes of pixels and maps that may be held; past it the oldest steps are forgotten, never the current one.
    """

    def __init__(self, document: Document, label: str = "Open", *, budget: int = DEFAULT_BUDGET) -> None:
        self._entries = [Entry(label, document)]
        self._index = 0
        self._budget = budget
        self._saved: Document | None = document
        self._next_id = document.next_id
        self._numbers = count(1)
        self._held = _Held()
        self._held.count(document, 1)

    @property
    def document(self) -> Document:
        return self._entries[self._index].document

    @property
    def entries(self) -> tuple[Entry, ...]:
        """From the oldest step still known to the newest that can be redone."""
        return tuple(self._entries)

    @property
    def index(self) -> int:
        """Which entry is the current one."""
        return self._index

    @property
    def number(self) -> int:
        """That of the current step, for `holds`."""
        return self._entries[self._index].number

    def holds(self, number: int) -> bool:
        """Whether what the step of this number did is still done: it was not undone, though the budget may have forgotten it since."""
        done = self._entries[: self._index + 1]
        return number < done[0].number or any(entry.number == number for entry in done)

    @property
    def can_undo(self) -> bool:
        return self._index > 0

    @property
    def can_redo(self) -> bool:
        return self._index < len(self._entries) - 1

    @property
    def unsaved(self) -> bool:
        return self._saved is None or not self.document.same_as(self._saved)

    def mark_saved(self, document: Document | None = None) -> None:
        """`document` (the current one by default) is what the file holds now."""
        self._saved = document or self.document

    def mark_unsaved(self) -> None:
        """No file holds any of these documents (a new or recovered picture)."""
        self._saved = None

    def commit(self, label: str, document: Document, merge: Hashable | None = None) -> None:
        """Add a step. What could be redone is gone. An equal, not-None `merge` key replaces the last step."""
        if document.same_as(self.document):
            self.reserve(document)
            return
        self._next_id = max(self._next_id, document.next_id)
        document = document.with_next_id(self._next_id)
        current = self._entries[self._index]
        merged = merge is not None and merge == current.merge and self._index > 0
        self._held.count(document, 1)  # before anything is dropped, so that what both share is not walked twice
        self._drop(self._index + (0 if merged else 1), len(self._entries))
        self._entries.append(Entry(label, document, merge, current.number if merged else next(self._numbers)))
        self._index = len(self._entries) - 1
        while self._held.nbytes > self._budget and self._index > 0:
            self._drop(0, 1)
            self._index -= 1

    def reserve(self, document: Document) -> None:
        """The ids of this document are taken, though it may never become a step (what a gesture shows)."""
        if document.next_id > self._next_id:
            self._next_id = document.next_id
            self._raise_ids()

    def undo(self) -> Document:
        return self.go_to(max(0, self._index - 1))

    def take_back(self) -> Document:
        """Undo the current step for good: neither it nor what came after it can be done again."""
        document = self.undo()
        self._drop(self._index + 1, len(self._entries))
        return document

    def redo(self) -> Document:
        return self.go_to(min(len(self._entries) - 1, self._index + 1))

    def go_to(self, index: int) -> Document:
        """The document of another step: the one that it was, or the same one with a higher next id."""
        if not 0 <= index < len(self._entries):
            raise IndexError(index)
        self._index = index
        self._raise_ids()
        return self.document

    def nbytes(self) -> int:
        """Bytes of distinct blocks held by all entries together."""
        return self._held.nbytes

    def _raise_ids(self) -> None:
        """Let new things of the current step get ids that nothing has had. All its tiles stay, so their memory is counted already."""
        entry = self._entries[self._index]
        document = entry.document.with_next_id(self._next_id)
        if document is not entry.document:
            self._entries[self._index] = replace(entry, document=document)

    def _drop(self, start: int, stop: int) -> None:
        for entry in self._entries[start:stop]:
            self._held.count(entry.document, -1)
            if self._saved is not None and entry.document.same_as(self._saved):
                self._saved = None  # it cannot come back, and its memory is not counted any more
        del self._entries[start:stop]


class _Held:
    """Counts the memory behind documents, each array once, as documents come and go.

    Everything is counted by its id, which stays its own while a document that was added holds it. What documents share as a whole is
    not walked again, so that a step costs what it changed.
    """

    def __init__(self) -> None:
        self.nbytes = 0
        self._times: dict[int, int] = {}

    def count(self, document: Document, by: int) -> None:
        """by: 1 for one that comes, -1 for one that was counted and goes; that must still be alive"""
        for value in _opaque_values(document):
            for tiles in value.planes:
                self._tiles(tiles, by)
        for layer in document.layers:
            self._tiles(layer.pixels, by)
            if layer.painted is not None:
                self._tiles(layer.painted, by)
        for name in MAPS:
            self._tiles(document.map(name), by)
        if document.rerun is not None:
            for kept in (document.rerun.strength, document.rerun.selection):
                if kept is not None:
                    self._tiles(kept, by)
        if document.partition is not None:
            self._tiles(document.partition.tiles, by)
        for item in document.items:
            self._tiles(item.mask, by)
        for exemplar in document.exemplars:
            self._array(exemplar.pixels, by)
            self._tiles(exemplar.cutout, by)
            self._tiles(exemplar.strength_map, by)
            self._tiles(exemplar.fidelity_map, by)

    def _tiles(self, tiles: Tiles, by: int) -> None:
        if self._turns(tiles, by):
            for row in tiles.rows:
                if self._turns(row, by):
                    for block in row:
                        self._array(block, by)

    def _array(self, array: Block, by: int) -> None:
        while isinstance(array.base, np.ndarray):  # a view keeps the whole array alive
            array = array.base
        if self._turns(array, by):
            self.nbytes += by * array.nbytes

    def _turns(self, thing: object, by: int) -> bool:
        """Count it; whether it is the first time, or was the last."""
        before = self._times.get(id(thing), 0)
        if before + by:
            self._times[id(thing)] = before + by
        else:
            del self._times[id(thing)]
        return before == 0 or before + by == 0


def _opaque_values(document: Document) -> Iterator[Opaque]:
    """All of a document that another version wrote."""
    yield document.unknown
    parts = (*document.things, *document.fits, document.partition, document.rerun)
    yield from (part.unknown for part in parts if part is not None)
    for layer in document.layers:
        if layer.recipe is not None and not layer.recipe.understood:
            yield layer.recipe.unknown
            yield from (subject.unknown for subject in layer.recipe.subjects)
            if isinstance(layer.recipe.settings, UnknownSettings):
                yield layer.recipe.settings.fields
