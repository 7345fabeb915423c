"""The file of the preferences, read so that nothing in it can keep the program from starting.

Nothing heavy is imported here: the first window reads it too.
"""

from __future__ import annotations

import json
import os
import stat
from itertools import count
from pathlib import Path

MAX_BYTES = 1_000_000
MAX_TEXT = 20_000  # characters of one value


class Unreadable(Exception):
    """There is something at the path, but no preferences that could be read; the text says why."""


def read(path: Path) -> dict[str, object]:
    """What the file says, empty where there is none. Raises `Unreadable` and nothing else."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe may never end
            raise Unreadable("it is not a file")
        if status.st_size > MAX_BYTES:
            raise Unreadable(f"it is larger than {MAX_BYTES} bytes")
        values = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(str(error) or type(error).__name__) from error
    if not isinstance(values, dict):
        raise Unreadable("it holds no group of values")
    return values


def text(value: object) -> str | None:
    """The value as a text that can also be a path; None where it is of no use."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return None
    try:
        return None if b"\0" in os.fsencode(value) else value
    except UnicodeEncodeError:
        return None


def set_aside(path: Path) -> Path | None:
    """Rename what could not be read, so that it is not overwritten; its new path, or None where that is not possible."""
    free = (path.with_name(f"{path.name}.broken{'' if number == 1 else number}") for number in count(1))
    aside = next(candidate for candidate in free if not os.path.lexists(candidate))
    try:
        path.rename(aside)
    except OSError:
        return None
    return aside
