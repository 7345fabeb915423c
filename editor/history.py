"""History: labelled documents, one after the other. Undo is a step back in the list, so no inverse can be wrong."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from editor.document import MAPS, Document
from editor.tiles import Block, Tiles

DEFAULT_BUDGET = 2 * 1024**3


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One step: what it did, and the document after it. `merge`: equal keys in a row become one step."""

    label: str
    document: Document
    merge: Hashable | None = None


class History:
    """The documents of one picture's life. The first entry is how it was opened.

    `budget`: bytes of pixels and maps that may be held; past it the oldest steps are forgotten, never the current one.
    """

    def __init__(self, document: Document, label: str = "Open", *, budget: int = DEFAULT_BUDGET) -> None:
        self._entries = [Entry(label, document)]
        self._index = 0
        self._budget = budget
        self._saved: Document | None = document

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
    def can_undo(self) -> bool:
        return self._index > 0

    @property
    def can_redo(self) -> bool:
        return self._index < len(self._entries) - 1

    @property
    def unsaved(self) -> bool:
        return self.document is not self._saved

    def mark_saved(self, document: Document | None = None) -> None:
        """`document` (the current one by default) is what the file holds now."""
        self._saved = document or self.document

    def mark_unsaved(self) -> None:
        """No file holds any of these documents (a new or recovered picture)."""
        self._saved = None

    def commit(self, label: str, document: Document, merge: Hashable | None = None) -> None:
        """Add a step. What could be redone is gone. An equal, not-None `merge` key replaces the last step."""
        if document is self.document:
            return
        current = self._entries[self._index]
        del self._entries[self._index + 1 :]
        if merge is not None and merge == current.merge and self._index > 0:
            self._entries[self._index] = Entry(label, document, merge)
        else:
            self._entries.append(Entry(label, document, merge))
            self._index += 1
        self._forget()

    def undo(self) -> Document:
        self._index = max(0, self._index - 1)
        return self.document

    def redo(self) -> Document:
        self._index = min(len(self._entries) - 1, self._index + 1)
        return self.document

    def go_to(self, index: int) -> Document:
        if not 0 <= index < len(self._entries):
            raise IndexError(index)
        self._index = index
        return self.document

    def nbytes(self) -> int:
        """Bytes of distinct blocks held by all entries together."""
        held = _Held()
        for entry in self._entries:
            held.add(entry.document)
        return held.nbytes

    def _forget(self) -> None:
        """Drop the oldest entries until the rest fits the budget; never the current one or what can be redone."""
        held = _Held()
        for at in range(len(self._entries) - 1, -1, -1):  # from the newest back
            held.add(self._entries[at].document)
            if held.nbytes > self._budget and at < self._index:
                del self._entries[: at + 1]
                self._index -= at + 1
                return


class _Held:
    """Counts the memory behind documents, each array once. What two documents share as a whole is not walked again."""

    def __init__(self) -> None:
        self.nbytes = 0
        self._seen: set[int] = set()

    def add(self, document: Document) -> None:
        for layer in document.layers:
            self._tiles(layer.pixels)
        for name in MAPS:
            self._tiles(document.map(name))
        for item in document.items:
            self._tiles(item.mask)
        for exemplar in document.exemplars:
            self._array(exemplar.pixels)
            self._tiles(exemplar.cutout)
            self._tiles(exemplar.strength_map)

    def _tiles(self, tiles: Tiles) -> None:
        if self._new(tiles):
            for row in tiles.rows:
                if self._new(row):
                    for block in row:
                        self._array(block)

    def _array(self, array: Block) -> None:
        while isinstance(array.base, np.ndarray):  # a view keeps the whole array alive
            array = array.base
        if self._new(array):
            self.nbytes += array.nbytes

    def _new(self, thing: object) -> bool:
        if id(thing) in self._seen:
            return False
        self._seen.add(id(thing))
        return True
