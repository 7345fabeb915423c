"""Recovery folders: where running programs keep the journals of their open documents, and where the next start looks for what was left.

Each running program has a folder of its own below one root, and holds a lock on it that the operating system lets go when the program
ends, however it ends. A folder that nobody holds was left behind: its journals are offered back. A lock on the root is held while
folders come, go and are looked for, so that two programs never take the same ones.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from filelock import BaseFileLock, FileLock, Timeout

from editor.errors import UnreadableFile
from editor.io.journal import SUFFIX, Journal
from editor.io.journal_reader import BegunOnly, DamagedJournal, JournalReader

log = logging.getLogger(__name__)

LOCK: Final = "lock"
DAMAGED: Final = ".damaged"
DAMAGED_STAYS: Final = 30 * 24 * 3600  # seconds
ROOT_PATIENCE: Final = 5.0  # seconds that another program may take to look around


class LeftBehind:
    """One document that a program which has ended did not close. Its files are held until it is opened, discarded or put off.

    `newest`: the reader of its newest whole state.
    """

    def __init__(self, folder: _HeldFolder, newest: JournalReader, files: tuple[Path, ...]) -> None:
        self.newest = newest
        self._folder, self._files = folder, files

    def discard(self) -> None:
        """Delete what was kept of it: it is safe elsewhere, or not wanted. Does nothing once it was put off: others may hold it then."""
        if self not in self._folder.documents:
            return
        for file in reversed(self._files):  # the newest is the last to go, whenever this is cut short
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        self._folder.drop(self)

    def put_off(self) -> None:
        """Leave everything as it is, for the next start."""
        self._folder.drop(self)


class Leftovers(NamedTuple):
    """What was left behind: `documents`, the newest first, and how many more are `damaged` throughout."""

    documents: list[LeftBehind]
    damaged: int


class _HeldFolder:
    """A left-behind folder whose lock is ours, until nothing of it is held any more; it goes when it is empty.

    Its documents may be dropped from any thread.
    """

    def __init__(self, path: Path, lock: BaseFileLock) -> None:
        self.path, self._lock = path, lock
        self.documents: set[LeftBehind] = set()
        self._one_at_a_time = threading.Lock()

    def drop(self, document: LeftBehind) -> None:
        with self._one_at_a_time:
            if document not in self.documents:
                return
            self.documents.discard(document)
            if not self.documents:
                self.release()

    def release(self) -> None:
        with contextlib.suppress(OSError):
            if not any(self.path.glob(f"*{SUFFIX}")):
                _remove(self.path)
        with contextlib.suppress(OSError):
            self._lock.release()


class RecoveryFolder:
    """The place of this program's journals below `root`. Raises `OSError` where there can be none, `Timeout` where others never let go of the root.

    Use it from one thread, but for `left_behind`, which may take a while and may be called from another.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        self.path = root / secrets.token_hex(8)
        self._count = 0
        with self._alone():
            self.path.mkdir(mode=0o700)
            self._lock = _lock(self.path)
            self._lock.acquire(timeout=0)

    def journal(self, pause: Callable[[int], None] = lambda count: None) -> Journal:
        """A new one. `pause`: as in `Journal`."""
        self._count += 1
        return Journal(self.path, f"{self._count:04d}", pause)

    def left_behind(self) -> Leftovers:
        """What programs that have ended did not close. Each document is held until something becomes of it.

        What cannot be read is set aside for some weeks, so that it is counted once.
        """
        _clear_damaged(self._root)
        with self._alone():
            folders = [
                held
                for path in sorted(self._root.iterdir())
                if path != self.path and path.is_dir() and not path.is_symlink() and (held := _held(path)) is not None
            ]
        documents: list[LeftBehind] = []
        damaged = 0
        for folder in folders:
            own, lost = _left_in(folder)
            documents += own
            damaged += lost
        return Leftovers(_newest_lives(documents), damaged)

    def size(self) -> int:
        """Bytes of everything below the root, also of what others keep there."""
        total = 0
        for folder in self._root.iterdir():
            with contextlib.suppress(OSError):  # it may be going just now
                for file in folder.glob(f"*{SUFFIX}"):
                    with contextlib.suppress(OSError):
                        total += file.stat().st_size
        return total

    def room(self) -> int:
        """Free bytes on its disk."""
        return shutil.disk_usage(self._root).free

    def close(self) -> None:
        """Let go of the folder; it goes unless it holds journals."""
        with contextlib.suppress(OSError, Timeout), self._alone():
            if not any(self.path.glob(f"*{SUFFIX}")):
                _remove(self.path)
        self._lock.release()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with FileLock(self._root / LOCK, timeout=ROOT_PATIENCE, thread_local=False):
            yield


def _held(path: Path) -> _HeldFolder | None:
    """The folder with its lock in our hands; None while its program runs, or another one looks at it."""
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except OSError:  # `Timeout` is one
        return None
    return _HeldFolder(path, lock)


def _left_in(folder: _HeldFolder) -> tuple[list[LeftBehind], int]:
    """Its documents, and how many of them are damaged throughout."""
    try:
        by_document = _by_document(folder.path)
    except OSError as error:
        log.info("%s cannot be looked through: %s", folder.path, error)
        by_document = {}
    lost = 0
    for name, files in by_document.items():
        newest, damaged = _newest(files)
        if newest is not None:
            folder.documents.add(LeftBehind(folder, newest, tuple(files)))
        elif damaged:
            lost += 1
            log.warning("Nothing can be read of what was kept in %s", folder.path / name)
            for file in damaged:
                with contextlib.suppress(OSError):
                    file.replace(folder.path.parent / f"{folder.path.name}-{file.name}{DAMAGED}")
    documents = list(folder.documents)
    if not documents:
        folder.release()
    return documents, lost


def _clear_damaged(root: Path) -> None:
    """Delete what was set aside long ago."""
    with contextlib.suppress(OSError):
        for file in root.glob(f"*{SUFFIX}{DAMAGED}"):
            with contextlib.suppress(OSError):
                if time.time() - file.lstat().st_mtime > DAMAGED_STAYS:
                    file.unlink()


def _by_document(path: Path) -> dict[str, list[Path]]:
    """The journal files of each document, the newest first."""
    files: dict[str, list[Path]] = {}
    for file in sorted(path.glob(f"*{SUFFIX}"), reverse=True):
        if file.is_file() and not file.is_symlink():
            files.setdefault(file.name.partition("-")[0], []).append(file)
    return files


def _newest(files: list[Path]) -> tuple[JournalReader | None, list[Path]]:
    """The reader of the newest file with a whole state, a newer one may have been begun only; and files that are damaged throughout."""
    damaged: list[Path] = []
    for file in files:
        try:
            return JournalReader(file), damaged
        except BegunOnly:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        except DamagedJournal as error:
            damaged.append(file)
            log.info("%s: %s", file, error, exc_info=True)
        except Exception as error:  # whatever is wrong with one must not keep the others back
            level = logging.INFO if isinstance(error, UnreadableFile) else logging.ERROR
            log.log(level, "%s: %s", file, error, exc_info=True)
    return None, damaged


def _newest_lives(documents: list[LeftBehind]) -> list[LeftBehind]:
    """Of journals of one document's life, the newest: whoever took it over was ended before the older one could go."""
    ordered = sorted(documents, key=lambda document: document.newest.snapshot.time, reverse=True)
    newest: dict[str, LeftBehind] = {}
    for document in ordered:
        if newest.setdefault(document.newest.snapshot.key, document) is not document:
            document.discard()
    return list(newest.values())


def _lock(path: Path) -> BaseFileLock:
    return FileLock(path / LOCK, thread_local=False)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
