"""Record files: append-only, each record with checksums of its own, so that a file cut off anywhere keeps what was written before.

A file begins with `MAGIC` and its version. A record is a header (kind, length and CRC-32 of the payload, CRC-32 of these) and the payload.
Whoever is killed in the middle of a record leaves a torn end, which reading stops at; a payload that does not fit its checksum
costs that record only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from editor.io.fields import Malformed

MAGIC: Final = b"\x89PALIMPSEST JOURNAL\r\n\x1a\n"
VERSION: Final = 1
MAX_PAYLOAD: Final = 64 * 2**20  # bytes: no more is appended, and nothing longer is believed
_START: Final = struct.Struct("<I")  # version
_HEADER: Final = struct.Struct("<4sIII")  # kind, length of the payload, its CRC-32, CRC-32 of the twelve bytes before

FIRST: Final = len(MAGIC) + _START.size  # where the first record stands


class NewerRecords(Malformed):
    """The file was written by a newer version of the program."""


@dataclass(frozen=True, slots=True)
class Record:
    """Where one record stands. `kind`: four bytes; `offset`, `length`: of its payload in the file, bytes; `checksum`: CRC-32 of the payload."""

    kind: bytes
    offset: int
    length: int
    checksum: int


class RecordWriter:
    """Appends to a new file at `path`. What was appended since the last `commit` is taken back by `rollback`.

    Appending hands the bytes to the operating system at once: they outlive the program, though not a power failure before `sync`.
    Raises `OSError`, `FileExistsError` when the file is there already.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, flags, 0o600)  # pictures are private
        self._size = self._committed = 0
        try:
            self._append(MAGIC + _START.pack(VERSION))
        except BaseException:  # not handled, only tidied up after
            self.close()
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        self.commit()

    @property
    def size(self) -> int:
        """Bytes that are committed."""
        return self._committed

    @property
    def sound(self) -> bool:
        """Whether what is appended next can be read again: the file is still in its folder, and ends with what is committed."""
        try:
            return self._size == self._committed and os.fstat(self._descriptor).st_nlink > 0
        except OSError:
            return False

    def append(self, kind: bytes, payload: bytes) -> None:
        if len(payload) > MAX_PAYLOAD:
            raise OSError(errno.EFBIG, "a record is larger than it can be")
        head = struct.pack("<4sII", kind, len(payload), zlib.crc32(payload))
        self._append(head + struct.pack("<I", zlib.crc32(head)) + payload)

    def commit(self) -> None:
        self._committed = self._size

    def rollback(self) -> None:
        """Cut the file back to what is committed. Where that fails, the file is not `sound` any more."""
        os.ftruncate(self._descriptor, self._committed)
        os.lseek(self._descriptor, self._committed, os.SEEK_SET)
        self._size = self._committed

    def sync(self) -> None:
        """Make sure that everything is on the disk; this may take as long as the disk likes."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = os.write(self._descriptor, view)
            view = view[count:]
            self._size += count


def scan(file: BinaryIO) -> Iterator[Record]:
    """The records of an open file up to its end, or to where it is torn. Raises `Malformed` when it is no such file."""
    start = file.read(FIRST)
    if not start.startswith(MAGIC) or len(start) < FIRST:
        raise Malformed("it is no journal")
    (version,) = _START.unpack(start[len(MAGIC) :])
    if version > VERSION:
        raise NewerRecords(f"it was written by a newer version of Palimpsest (journal {version})")
    end = file.seek(0, os.SEEK_END)
    offset = FIRST
    while offset + _HEADER.size <= end:
        file.seek(offset)
        head = file.read(_HEADER.size)
        kind, length, checksum, own = _HEADER.unpack(head)
        offset += _HEADER.size
        if own != zlib.crc32(head[:12]) or offset + length > end:
            return
        yield Record(kind, offset, length, checksum)
        offset += length


def is_torn(file: BinaryIO, offset: int) -> bool:
    """Whether a writer that was ended in the middle of a record, or before the next one, leaves what stands from `offset` to the end.

    That is nothing, the beginning of one record, or zeros, which a file system may leave after a power failure. Anything else is damage.
    """
    rest = file.seek(0, os.SEEK_END) - offset
    file.seek(offset)
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return True
    _, length, _, own = _HEADER.unpack(head)
    if own == zlib.crc32(head[:12]):
        return bool(length > rest - _HEADER.size)
    while head and not any(head):
        head = file.read(2**20)
    return not head


def payload(file: BinaryIO, record: Record) -> bytes:
    """The bytes of a record. Raises `Malformed` when they do not fit the checksum, or are more than there can be."""
    if record.length > MAX_PAYLOAD:
        raise Malformed("a record is larger than it can be")
    file.seek(record.offset)
    data = file.read(record.length)
    if len(data) != record.length or zlib.crc32(data) != record.checksum:
        raise Malformed("a record is damaged")
    return data
