"""The autosave thread: it writes what changed in the documents that are posted to it, and what it is asked it answers after that.

Of several states of one document that wait, the newest counts. Where nothing can be written, it says so once, tries again every few seconds, and
goes on with the newest state as soon as it can.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from editor.document.document import Document

if TYPE_CHECKING:
    from editor.io.files import FileState
    from editor.io.journal import Journal, Snapshot
    from editor.io.recovery import RecoveryFolder

log = logging.getLogger(__name__)

T = TypeVar("T")
_Question = tuple[
    Callable[["RecoveryFolder"], object], Future[object], bool
]  # whether it is answered in a thread apart

RETRY = 5.0  # seconds between tries while nothing can be written
SYNC_INTERVAL = 5.0  # seconds at least between two times of making sure against a power failure
SETTLE = 0.03  # seconds after a step until it is written: what it changed is painted first
# While a hand is at work, a large state is written more slowly: after so many blocks, and for so many seconds in all.
BLOCKS_AT_ONCE = 64
HAND_RESTS = 0.1  # seconds without a move
MAX_PAUSE = 1.0
MIN_ROOM = 256 * 2**20  # bytes of the disk that are left free: a save must still find room


@dataclass(frozen=True, slots=True, eq=False)
class PostedState:
    """A state on its way to the disk; as `Snapshot`. `saves`: how often `source` was written by then. `words`: the prompt and the negative one."""

    document: Document | None
    name: str
    project: Path | None
    source: Path | None
    saves: int
    step: str
    time: float
    words: tuple[str, str]
    on_disk: FileState | None


class AutosaveWriter:
    """The thread. `limit`: bytes that may be used below the root, 0 to keep nothing. `hand_moved`: when a gesture last went on, monotonic."""

    def __init__(self, root: Path, stopped: Callable[[str, str], None], resumed: Callable[[], None]) -> None:
        self.limit = 0
        self.hand_moved = 0.0
        self._root = root
        self._stopped, self._resumed = stopped, resumed
        self._wake = threading.Condition()
        self._posted: dict[str, PostedState] = {}
        self._ended: list[str] = []
        self._questions: list[_Question] = []
        self._then: dict[str, Callable[[], None]] = {}
        self._closing = False
        # Of the thread alone:
        self._folder: RecoveryFolder | None = None
        self._journals: dict[str, Journal] = {}
        self._stamps: dict[str, tuple[Path, int, FileState | None]] = {}
        self._failing: dict[str, float] = {}  # whose newest state cannot be written, and when to try again
        self._helpers: list[threading.Thread] = []
        self._unsynced: set[str] = set()
        self._synced_at = 0.0
        self._paused = 0.0  # seconds, in the state that is being written
        self._thread = threading.Thread(target=self._run, name="autosave", daemon=True)
        self._thread.start()

    def post(self, key: str, posted: PostedState) -> None:
        with self._wake:
            self._posted[key] = posted
            self._wake.notify()

    def after_next(self, key: str, then: Callable[[], None]) -> None:
        """Call `then` in the thread once the next state of this document is kept, or the document is forgotten."""
        with self._wake:
            self._then[key] = then

    def forget(self, key: str) -> None:
        with self._wake:
            self._posted.pop(key, None)
            self._ended.append(key)
            self._wake.notify()

    def submit(self, question: Callable[[RecoveryFolder], T], *, apart: bool = False) -> Future[T]:
        """Ask the folder something in the thread, after what was posted before; `apart`: in another one, so that nothing waits for the answer."""
        future: Future[T] = Future()
        with self._wake:
            self._questions.append((question, future, apart))  # type: ignore[arg-type]  # a future of what the question answers
            self._wake.notify()
        return future

    def close(self) -> None:
        """Write what waits, and end the thread; what is asked from now on is not answered."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        for _, future, _ in self._questions:
            future.cancel()

    # In the thread

    def _run(self) -> None:
        while True:
            try:
                closing = self._take_turn()
            except Exception:  # a thread that ends would keep nothing any more, without a word
                log.exception("Something went wrong while documents were kept")
                closing = self._closing
                if not closing:
                    time.sleep(RETRY)
            if closing:
                break
        for helper in self._helpers:
            helper.join()
        if self._folder is not None:
            self._folder.close()

    def _take_turn(self) -> bool:
        """Wait until there is something to do, and do it. Whether it was the last time."""
        with self._wake:
            if not (self._closing or self._ended or self._questions):
                self._wake.wait(self._patience())
            waited_for = self._closing or self._questions
        if not waited_for:
            time.sleep(SETTLE)
        with self._wake:
            ended, self._ended = self._ended, []
            questions, self._questions = self._questions, []
            closing = self._closing
        for key in ended:
            self._end(key)
        self._write_all(last=closing)
        while questions:
            self._answer(questions.pop(0))  # an answer is not held here
        self._sync()
        return closing

    def _patience(self) -> float | None:
        """Seconds until there is something to do by itself; None for as long as it takes."""
        now = time.monotonic()
        waits = [self._failing.get(key, now) - now for key in self._posted]
        if self._unsynced:
            waits.append(self._synced_at + SYNC_INTERVAL - now)
        return max(0.0, min(waits)) if waits else None

    def _write_all(self, *, last: bool) -> None:
        """Write what waits. What cannot be written is tried again later, but for the `last` time."""
        while True:
            with self._wake:
                now = time.monotonic()
                ready = (key for key in self._posted if last or self._failing.get(key, now) <= now)
                key = next(ready, None)
                if key is None:
                    return
                posted = self._posted.pop(key)
            try:
                self._write(key, posted)
            except Exception as error:  # whatever it is, the program goes on, and so does keeping
                with self._wake:
                    if key not in self._ended and not last:
                        self._posted.setdefault(key, posted)
                self._note_failure(key, error)
            else:
                self._note_success(key)

    def _write(self, key: str, posted: PostedState) -> None:
        if self.limit == 0:  # nothing is to be kept, also not what was
            self._remove(key)
            return
        folder = self._open_folder()
        if folder.room() < MIN_ROOM:
            raise OSError(errno.ENOSPC, "the disk is nearly full")
        self._paused = 0.0
        snapshot = self._snapshot(key, posted)
        journal = self._journals.get(key)
        if journal is None:
            journal = self._journals[key] = folder.journal(self._pause)
        if folder.size() <= self.limit or key in self._then:  # what it was got back from goes afterwards
            journal.write(snapshot)
        elif journal.compact:  # writing it again and again would not help
            raise _TooMuch(errno.EDQUOT, "the limit is reached")
        else:
            journal.rewrite(snapshot)
        self._unsynced.add(key)
        if key in self._then:
            journal.sync()
            self._do_then(key)

    def _snapshot(self, key: str, posted: PostedState) -> Snapshot:
        from editor.io.files import state_of  # noqa: PLC0415  the window does not wait for these
        from editor.io.journal import Snapshot  # noqa: PLC0415

        stamp = None
        if posted.source is not None:
            source, saves, stamp = self._stamps.get(key, (None, -1, None))
            if (source, saves) != (
                posted.source,
                posted.saves,
            ):  # from when it was read or written; later ones may be others'
                stamp = state_of(posted.source, look_into=False)
                self._stamps[key] = posted.source, posted.saves, stamp
        return Snapshot(
            posted.document,
            key,
            posted.name,
            posted.project,
            posted.source,
            stamp,
            posted.step,
            posted.time,
            *posted.words,
            posted.on_disk,
        )

    def _remove(self, key: str) -> None:
        journal = self._journals.pop(key, None)
        self._stamps.pop(key, None)
        self._unsynced.discard(key)
        if journal is not None:
            journal.remove()

    def _end(self, key: str) -> None:
        """The document is closed."""
        try:
            self._remove(key)
            self._do_then(key)
        except Exception:  # the others must go on being kept
            log.exception("A journal could not be put away")
        self._failing.pop(key, None)

    def _pause(self, count: int) -> None:
        """Let a hand that is at work come first; not while the program waits for what was asked, or ends."""
        while (
            count > BLOCKS_AT_ONCE
            and self._paused < MAX_PAUSE
            and time.monotonic() - self.hand_moved < HAND_RESTS
            and not self._closing
            and not self._questions
        ):
            time.sleep(HAND_RESTS / 4)
            self._paused += HAND_RESTS / 4

    def _do_then(self, key: str) -> None:
        with self._wake:
            then = self._then.pop(key, None)
        if then is not None:
            then()

    def _answer(self, entry: _Question) -> None:
        question, future, apart = entry
        if not future.set_running_or_notify_cancel():  # nobody waits for it any more
            return

        def answer() -> None:
            try:
                future.set_result(question(folder))
            except Exception as error:  # it is the asker's
                future.set_exception(error)

        try:
            folder = self._open_folder()
        except Exception as error:
            future.set_exception(error)
            return
        if apart:
            helper = threading.Thread(target=answer, name="autosave question", daemon=True)
            self._helpers = [helper, *(other for other in self._helpers if other.is_alive())]
            helper.start()
        else:
            answer()

    def _open_folder(self) -> RecoveryFolder:
        if self._folder is None:
            from editor.io.recovery import RecoveryFolder  # noqa: PLC0415  the window does not wait for it

            self._folder = RecoveryFolder(self._root)
        return self._folder

    def _sync(self) -> None:
        now = time.monotonic()
        if not self._unsynced or now - self._synced_at < SYNC_INTERVAL:
            return
        for key in self._unsynced:
            try:
                self._journals[key].sync()
            except OSError as error:
                log.info("A journal could not be made sure of: %s", error)
        self._unsynced.clear()
        self._synced_at = time.monotonic()

    def _note_failure(self, key: str, error: Exception) -> None:
        """Say it, unless it has been said and not been over since."""
        known = bool(self._failing)
        self._failing[key] = time.monotonic() + RETRY
        if known:
            return
        log.warning("Documents are not kept: %s", error, exc_info=error)
        if isinstance(error, _TooMuch):
            why = "Safety copies have reached the size that was set for them."
            advice = (
                "Save your work. Close documents, open or discard what was put off, or allow more in the preferences."
            )
        elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = "The disk is nearly full: changes are no longer kept in case the program ends unexpectedly."
            advice = "Save your work, and make room. Then it goes on by itself."
        else:
            why = "Changes cannot be kept in case the program ends unexpectedly."
            advice = "Save your work often. The log has the details."
        self._stopped(why, advice)

    def _note_success(self, key: str) -> None:
        """Say that all is well again, once it is so for every document."""
        if key not in self._failing:
            return
        del self._failing[key]
        if not self._failing and self.limit:
            self._resumed()


class _TooMuch(OSError):
    """The limit is reached."""
