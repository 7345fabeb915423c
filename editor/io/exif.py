"""EXIF as a block of bytes: how the picture lies, set upright in place, without touching anything else the camera wrote.

The block is edited where it stands instead of being taken apart and written anew, because makers' own notes hold offsets that only
work at their old place.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PREFIX = b"Exif\0\0"  # how a JPEG introduces the block; `Metadata.exif` always starts with it

ORIENTATION = 0x0112
WIDTH, HEIGHT, EXIF_DIRECTORY, EXIF_WIDTH, EXIF_HEIGHT = 0x0100, 0x0101, 0x8769, 0xA002, 0xA003
THUMBNAIL_OFFSET, THUMBNAIL_LENGTH = 0x0201, 0x0202
SHORT, LONG = 3, 4
ENTRY = 12


@dataclass(frozen=True, slots=True)
class _Entry:
    at: int  # of the value, in the block
    kind: int
    value: int


def upright(exif: bytes) -> tuple[bytes, int]:
    """The block with its orientation set to upright and without its small preview, and the orientation (1 to 8) it had.

    The preview shows the picture before it was edited, so it must not travel along. A block that cannot be read comes back as it is,
    with orientation 1.
    """
    start = len(PREFIX) if exif.startswith(PREFIX) else 0
    block = bytearray(exif[start:])
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(block[:2])]
        first = struct.unpack_from(order + "I", block, 4)[0]
        entries, next_at = _directory(block, first, order)
        following = struct.unpack_from(order + "I", block, next_at)[0]
        entry = entries.get(ORIENTATION)
        orientation = entry.value if entry is not None and entry.kind == SHORT else 1
        if entry is not None and entry.kind == SHORT:
            struct.pack_into(order + "H", block, entry.at, 1)
    except (KeyError, struct.error):
        return exif, 1
    if following:
        _drop_preview(block, following, next_at, order)
    return PREFIX + bytes(block), orientation if 1 <= orientation <= 8 else 1


def sized(exif: bytes, width: int, height: int) -> bytes:
    """The block with the size of the picture where it says one. A block that cannot be read comes back as it is."""
    start = len(PREFIX) if exif.startswith(PREFIX) else 0
    block = bytearray(exif[start:])
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(block[:2])]
        first = struct.unpack_from(order + "I", block, 4)[0]
        entries, _ = _directory(block, first, order)
        _put(block, entries, {WIDTH: width, HEIGHT: height}, order)
        if EXIF_DIRECTORY in entries:
            entries, _ = _directory(block, entries[EXIF_DIRECTORY].value, order)
            _put(block, entries, {EXIF_WIDTH: width, EXIF_HEIGHT: height}, order)
    except (KeyError, struct.error):
        return exif
    return exif[:start] + bytes(block)


def _put(block: bytearray, entries: dict[int, _Entry], values: dict[int, int], order: str) -> None:
    """Write whole numbers as long ones, for which every entry has room."""
    for tag, value in values.items():
        if tag in entries:
            at = entries[tag].at
            struct.pack_into(order + "HII", block, at - 6, LONG, 1, value)


def _drop_preview(block: bytearray, directory: int, link: int, order: str) -> None:
    try:
        entries, _ = _directory(block, directory, order)
    except struct.error:
        entries = {}
    if THUMBNAIL_OFFSET in entries and THUMBNAIL_LENGTH in entries:
        start = min(entries[THUMBNAIL_OFFSET].value, len(block))
        stop = min(start + entries[THUMBNAIL_LENGTH].value, len(block))
        block[start:stop] = bytes(stop - start)
    struct.pack_into(order + "I", block, link, 0)


def _directory(block: bytearray, at: int, order: str) -> tuple[dict[int, _Entry], int]:
    """The short and long entries of the directory at `at`, and where its link to the next one stands."""
    count = struct.unpack_from(order + "H", block, at)[0]
    entries = {}
    for place in range(at + 2, at + 2 + count * ENTRY, ENTRY):
        tag, kind = struct.unpack_from(order + "HH", block, place)
        if kind in (SHORT, LONG):
            value = struct.unpack_from(order + ("H" if kind == SHORT else "I"), block, place + 8)[0]
            entries[tag] = _Entry(place + 8, kind, value)
    return entries, at + 2 + count * ENTRY
