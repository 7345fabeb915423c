"""Opening files and replacing them, with every failure a sentence, and telling whether somebody else has changed one.

A file is saved by writing a new one beside it, making sure that it is on the disk, and renaming it over the earlier one; so the earlier
one is there until the new one is complete. Where the program is killed meanwhile, the new one is left over; the next save in that folder removes it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO

from editor.errors import UnreadableFile, UnwritableFile

if sys.platform != "win32":
    import fcntl

SETTLED = 60.0  # seconds
_LEFTOVER = re.compile(r"\.palimpsest-[0-9a-f]{12}\.part")
MAX_NAME = 255  # bytes, on every file system in common use


@dataclass(frozen=True, slots=True)
class FileState:
    """What an ordinary file was like at some moment.

    `modified`: nanoseconds. `size`: bytes. `inode`: another one after it was replaced. `digest`: SHA-256 of what it held; empty where it was not
    looked into, or changed meanwhile.
    """

    modified: int
    size: int
    inode: int
    digest: str = ""


def state_of(path: Path, *, look_into: bool = True) -> FileState | None:
    """The state of a file now; None where there is no ordinary file, or nobody may look."""
    try:
        status = path.stat()
        state = FileState(status.st_mtime_ns, status.st_size, status.st_ino)
        if not stat.S_ISREG(status.st_mode):
            return None
        if not look_into:
            return state
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return replace(state, digest=digest) if state_of(path, look_into=False) == state else state
    except (OSError, ValueError):
        return None


def changed_since(path: Path, known: FileState | None) -> FileState | None:
    """The state of the file now, if what it holds is not what it held when it was `known` (None: never looked at); None where it is, or is gone."""
    now = state_of(path, look_into=False)
    if now is None or (known is not None and now == replace(known, digest="")):
        return None
    now = state_of(path)
    same = now is not None and known is not None and known.digest and known.digest == now.digest
    return None if same else now


def free_name(path: Path) -> Path:
    """A name beside the path that nothing has: "cat 2.png", "cat 3.png" …"""
    for number in count(2):
        ending = f" {number}{path.suffix}"
        stem = os.fsencode(path.stem)[: MAX_NAME - len(os.fsencode(ending))]
        name = path.with_name(stem.decode(errors="ignore" if _is_text(path.stem) else "surrogateescape") + ending)
        if not os.path.lexists(name):
            return name
    raise AssertionError("numbers do not end")


def _is_text(name: str) -> bool:
    """Whether the name is text, and not bytes that are none."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading. An `OSError`, also from inside the block, becomes `UnreadableFile`."""
    if not _usable(path):
        raise UnreadableFile(f"“{path.name}” is no name of a file.", "Choose another file.")
    try:
        if path.is_dir():
            raise UnreadableFile(f"“{path.name}” is a folder.", "Choose a file inside it.")
        if path.exists() and not path.is_file():  # a device or a pipe may never end
            raise UnreadableFile(f"“{path.name}” is a device, not a file.", "Choose a file.")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise _unreadable(path, error) from error


@contextlib.contextmanager
def written_beside(path: Path, *, lasting: bool = True) -> Iterator[BinaryIO]:
    """A new file, open for writing, that takes the place of `path` when the block ends well. `lasting`: it is made sure of that it is on
    the disk, which takes a moment.

    Whatever goes wrong, inside the block or after it, the new file is removed and what stood at `path` is as it was. An `OSError`
    becomes `UnwritableFile`; any other error passes through.
    """
    if not _usable(path):
        raise UnwritableFile(f"“{path.name}” is no name for a file. Nothing was written.", "Choose another name.")
    target = Path(os.path.realpath(path))  # through a link, so that the link stays one
    beside = target.with_name(f".palimpsest-{secrets.token_hex(6)}.part")
    clear_leftovers(target.parent)
    try:
        mode = _mode_to_keep(target)
        # 0o666 under the person's umask, as for any new file; `tempfile` would make it private.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            _lock(descriptor)
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                if lasting:
                    os.fsync(file.fileno())
            if mode is not None:
                beside.chmod(mode)
            os.replace(beside, target)
        except BaseException:  # not handled, only tidied up after: also a cancelled save leaves nothing behind
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
        if lasting:
            _sync_folder(target.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def clear_leftovers(folder: Path) -> None:
    """Remove what saves left over in the folder that were killed: files of our own pattern, some time old, that nobody is writing."""
    with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            if _LEFTOVER.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _clear(folder / entry.name)


def _clear(part: Path) -> None:
    # A new file is locked only a moment after it was made. The clock of a file system elsewhere may differ.
    with contextlib.suppress(OSError):
        if abs(time.time() - part.stat().st_mtime) < SETTLED:
            return
        if sys.platform == "win32":
            part.unlink()  # refused while a program has it open
            return
        descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if _lock(descriptor):
                part.unlink()
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a file as long as it is open here, also against other programs; whether that went well. The system unlocks it when a program ends,
    however it ends.
    """
    if sys.platform == "win32":
        return False  # what is open cannot be removed there anyway
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _usable(path: Path) -> bool:
    """Whether the system can be asked about the path at all: it knows no NUL, and bytes only in the way that Python writes them."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _mode_to_keep(target: Path) -> int | None:
    """The permissions of the file that will be replaced. Raises `OSError` when it must not be."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not os.access(target, os.W_OK):  # a rename would go through all the same
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    return stat.S_IMODE(status.st_mode)


def _sync_folder(folder: Path) -> None:
    """Make the rename last through a power cut, where the system can."""
    with contextlib.suppress(OSError):  # the file itself is safe, and some file systems cannot sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> UnreadableFile:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return UnreadableFile(f"“{path.name}” is not there.", "Check where it is, or choose another file.")
        case errno.EACCES | errno.EPERM:
            return UnreadableFile(
                f"You are not allowed to read “{path.name}”.",
                "Change its permissions, or copy it to a folder of yours.",
            )
        case errno.ENAMETOOLONG:
            return UnreadableFile(f"The name “{path.name[:40]}…” is too long for a file.", "Check where it is.")
        case errno.ELOOP:
            return UnreadableFile(
                f"“{path.name}” is a link that leads to itself.", "Choose the file it should lead to."
            )
        case _:
            return UnreadableFile(
                f"“{path.name}” could not be read ({error.strerror or error}).", "Check the disk, or copy it elsewhere."
            )


def _unwritable(path: Path, error: OSError) -> UnwritableFile:
    kept = "The earlier file is unchanged." if os.path.isfile(path) else "Nothing was written."
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            why = f"There is not enough room to save “{path.name}”."
            advice = "Make room, or choose another disk."
        case errno.ENOENT | errno.ENOTDIR:
            why = f"The folder “{path.parent}” does not exist."
            advice = "Choose another folder."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            why = f"“{path.name}” may not be written here."
            advice = "Choose another folder or name."
        case errno.ELOOP:
            why = f"“{path.name}” is a link that leads to itself."
            advice = "Choose another name."
        case errno.EISDIR:
            why = f"“{path.name}” is a folder."
            advice = "Choose another name."
        case errno.ENAMETOOLONG:
            why = f"The name “{path.name[:40]}…” is too long."
            advice = "Choose a shorter name."
        case _:
            why = f"“{path.name}” could not be saved ({error.strerror or error})."
            advice = "Try again, or choose another place."
    return UnwritableFile(f"{why} {kept}", advice)
