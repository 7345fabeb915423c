"""Parser for untrusted JSON: bounded in size, depth and number of parts, strict about everything that readers differ in.

Nothing heavy is imported here, so that the first window can use it.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

MAX_BYTES = 8 * 2**20
MAX_DEPTH = 32  # of groups within groups; the settings of published models use 5
MAX_PARTS = 500_000  # groups and lists in one file, each of which takes at least 56 bytes


class BadJson(ValueError):
    """A text that is no sound JSON. The message goes on a sentence that begins with the name of the file."""


class NotAFile(OSError):
    """A folder, a pipe or a device where a file should be; `strerror` says which, for a sentence that begins with its name and "is"."""


def parse_json(
    data: bytes, max_bytes: int = MAX_BYTES, *, infinite: bool = False, names: bool = False, depth: int = MAX_DEPTH
) -> Any:
    """The value that a JSON text holds. Raises `BadJson`.

    data: UTF-8, with or without a byte order mark
    max_bytes: longer texts are refused unread
    infinite: whether NaN and the infinities are taken, which JSON does not know but some settings of schedulers use
    names: whether text may hold the bytes of file names that are not UTF-8, as Python keeps them
    depth: of groups within groups
    """
    if len(data) > max_bytes:
        raise BadJson("is far too large for what it should hold")
    if data.count(b"{") + data.count(b"[") > MAX_PARTS:
        raise BadJson("has too many parts for what it should hold")
    numbers: dict[str, Any] = {} if infinite else {"parse_constant": _constant, "parse_float": _finite}
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_group, **numbers)
    except BadJson:
        raise
    except RecursionError as error:
        raise BadJson("is nested too deeply") from error
    except ValueError as error:  # also undecodable bytes, and whole numbers of thousands of digits
        raise BadJson("is not readable: no valid JSON") from error
    _check_depth(value, depth)
    if not names and b"\\ud" in data.lower():
        _check_text(value)
    return value


def parse_object(data: bytes, max_bytes: int = MAX_BYTES, *, infinite: bool = False) -> dict[str, Any]:
    """The group of fields that a JSON text holds; the rest as in `parse_json`."""
    value = parse_json(data, max_bytes, infinite=infinite)
    if not isinstance(value, dict):
        raise BadJson("is not readable: no JSON object")
    return value


def read_object(path: Path, max_bytes: int = MAX_BYTES, *, infinite: bool = False) -> dict[str, Any]:
    """The group of fields in a file, which may be a pipe, a folder or endless. Raises `BadJson` and `OSError`."""
    return parse_object(read_start(path, max_bytes + 1), max_bytes, infinite=infinite)


def open_regular(path: Path) -> BinaryIO:
    """A file, open for reading; what is no ordinary file is an `OSError` at once, where a pipe would keep the reader waiting."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, "not a name of a file") from error
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise NotAFile(errno.EISDIR, "a folder, not a file")
        if not stat.S_ISREG(mode):
            raise NotAFile(errno.EINVAL, "a device or a pipe, not a file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_start(path: Path, size: int) -> bytes:
    """At most the first `size` bytes of an ordinary file. Raises `OSError`."""
    with open_regular(path) as file:
        return file.read(size)


def _group(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    group = dict(pairs)
    if len(group) < len(pairs):  # readers disagree on which of the two counts
        raise BadJson("says the same thing twice")
    return group


def _constant(text: str) -> Any:
    raise BadJson("is not readable: no valid JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadJson("holds a number without end")
    return number


def _children(value: Any) -> list[Any]:
    within = value.values() if isinstance(value, dict) else value
    return [child for child in within if isinstance(child, dict | list)]


def _check_depth(value: Any, depth: int) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        level = [child for part in level for child in _children(part)]
        if not level:
            return
    raise BadJson("is nested too deeply")


def _check_text(value: Any) -> None:
    """Half of a surrogate pair is no character: nothing can be written, shown or looked up by it."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            try:
                part.encode()
            except UnicodeEncodeError as error:
                raise BadJson("holds text that is no valid Unicode") from error
        elif isinstance(part, dict):
            waiting += part.keys()
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
