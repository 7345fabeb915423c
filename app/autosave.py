"""Autosave: a journal of every open document, written in a thread of its own, so that a program that dies loses nothing.

The window's thread only posts documents, which are values; the thread (`autosave_writer`) writes what changed (`editor.io.journal`).
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, SignalInstance, Slot

from app.autosave_writer import AutosaveWriter, PostedState
from app.settings import Settings
from editor.document.document import Document
from widgets.session.session import Session

if TYPE_CHECKING:
    from editor.io.journal import Snapshot
    from editor.io.recovery import LeftBehind, Leftovers

QUIET_START = 1000  # milliseconds after opening until an unchanged document is written in full
MIN_STEP = 0.001  # seconds by which a later state of a document is later, also when the clock was put back


class Autosave(QObject):
    """Keeps what is open below `root`. Make and use it in the GUI thread.

    `stopped(message, advice)` when nothing can be kept any more, once until it can again; `resumed()` then.
    """

    stopped = Signal(str, str)
    resumed = Signal()
    _thread_stopped = Signal(str, str)
    _thread_resumed = Signal()

    def __init__(self, root: Path, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._follows: dict[Session, _Follow] = {}
        # By way of slots of our own, so that whoever listens is called in the GUI thread.
        self._thread_stopped.connect(self._tell_stopped)
        self._thread_resumed.connect(self._tell_resumed)
        self._writer = AutosaveWriter(root, self._thread_stopped.emit, self._thread_resumed.emit)
        self._set_limit()
        settings.changed.connect(self._set_limit)

    def follow(self, session: Session, source: Path | None, left: LeftBehind | None = None) -> None:
        """Keep this document from now on.

        `source`: the file that holds it as it is now, if one does. `left`: what it was got back from, which goes once the document is kept here,
        or closed in good order.
        """
        if left is None:
            follow = _Follow(session, source, secrets.token_hex(8), None, self._writer)
        else:
            earlier = left.newest.snapshot
            follow = _Follow(session, source, earlier.key, earlier, self._writer)
            self._writer.after_next(follow.key, left.discard)
        self._follows[session] = follow
        follow.look()

    def key_of(self, session: Session) -> str:
        """What names the life of a document that is followed."""
        return self._follows[session].key

    def saved(self, session: Session, path: Path) -> None:
        """`path` now holds a state of the document that was handed to the session as saved."""
        follow = self._follows.get(session)
        if follow is not None:
            follow.saved(path)

    def forget(self, session: Session) -> None:
        """It is closed, and its changes are safe or not wanted."""
        follow = self._follows.pop(session, None)
        if follow is not None:
            follow.end()
            self._writer.forget(follow.key)

    def left_behind(self) -> Future[Leftovers]:
        """What earlier programs did not close."""
        return self._writer.submit(lambda folder: folder.left_behind(), apart=True)

    def settled(self) -> Future[None]:
        """Done when everything that was posted until now is kept, or cannot be."""
        return self._writer.submit(lambda folder: None)

    def close(self) -> None:
        """Write what waits, and end the thread. What was not forgotten stays for the next start."""
        self._settings.changed.disconnect(self._set_limit)
        for follow in self._follows.values():
            follow.end()
        self._follows.clear()
        self._writer.close()

    def _set_limit(self) -> None:
        values = self._settings.values
        limit = values.autosave_limit if values.autosave else 0
        if limit != self._writer.limit:
            self._writer.limit = limit
            for follow in self._follows.values():
                follow.look(again=True)

    @Slot(str, str)
    def _tell_stopped(self, message: str, advice: str) -> None:
        self.stopped.emit(message, advice)

    @Slot()
    def _tell_resumed(self) -> None:
        self.resumed.emit()


class _Follow(QObject):
    """Posts the states of one session. `earlier`: the state that it was got back in, if it was."""

    def __init__(
        self, session: Session, source: Path | None, key: str, earlier: Snapshot | None, writer: AutosaveWriter
    ) -> None:
        super().__init__()
        self.key = key
        # Its number, not itself: the history may forget the step, or replace it by one with a higher next id.
        self._first_number = session.history.number
        self._first_step = "" if earlier is None else earlier.step
        self._time = 0.0 if earlier is None else earlier.time
        self._session, self._writer = session, writer
        self._source, self._saves = source, 0
        self._document: Document | None = None
        self._facts: tuple[object, ...] = ()  # what was posted beside the document
        # An unchanged document is in its file, which is enough for the first moment; writing it all must not delay opening.
        self._whole = source is None
        self._quiet = QTimer(self)
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(QUIET_START)
        self._quiet.timeout.connect(self._write_whole)
        for signal in self._signals():
            signal.connect(self._changed)
        if not self._whole:
            self._quiet.start()

    def look(self, *, again: bool = False) -> None:
        """Post the state if it is another than before, or `again`; not in the middle of a gesture."""
        session = self._session
        if session.in_gesture:
            self._writer.hand_moved = time.monotonic()
            return
        history = session.history
        unsaved = history.unsaved
        self._whole |= unsaved
        document = history.document if self._whole else None
        words = session.draft.prompt, session.draft.negative_prompt
        on_disk = session.on_disk
        facts = unsaved, session.name, session.path, self._source, self._saves, words, on_disk
        if not again and document is self._document and facts == self._facts:
            return
        self._document, self._facts = document, facts
        entry = history.entries[history.index]
        step = (entry.number == self._first_number and self._first_step) or entry.label
        source = None if unsaved else self._source
        self._time = max(time.time(), self._time + MIN_STEP)
        self._writer.post(
            self.key,
            PostedState(document, session.name, session.path, source, self._saves, step, self._time, words, on_disk),
        )

    def saved(self, path: Path) -> None:
        self._source = path
        self._saves += 1
        self.look()

    def end(self) -> None:
        self._quiet.stop()
        for signal in self._signals():
            signal.disconnect(self._changed)

    def _signals(self) -> tuple[SignalInstance, ...]:
        session = self._session
        return session.model.shown, session.state.draft_changed, session.file_changed

    def _changed(self) -> None:
        self.look()

    def _write_whole(self) -> None:
        self._whole = True
        self.look()
