"""Ways to break bytes and JSON values, driven by a generator of random numbers that is given."""

from __future__ import annotations

import copy
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 65535, 2**31 - 1, 2**31, 2**32, 2**40, 2**53, 2**63, 2**64, -(2**63), 10**18, 10**30, 10**300,
    0.0, -0.0, 0.5, 1.5, 1e-300, 1e30, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), "", " ", "0", "1e5", "nan", "null", "\0", "a\0b",
    "../../../etc/passwd", "/dev/zero", "C:\\x", "file:///etc/passwd", "http://127.0.0.1:9/", "kernels-community/flash-attn2", "x" * 10_000,
    "\u202e", "ü", "🙂", "\ud800", "%s%n{0}{x.__class__}", "$(id)", [], {}, [[]], [{}], {"": None}, [None], ["a"], [0], [-1], [1e308], [2**40] * 3,
    [0] * 5000, ["x"] * 5000, {str(i): i for i in range(3000)}, [[[[[[[[]]]]]]]], {"a": {"b": {"c": {}}}},
)  # fmt: skip


def broken_bytes(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """One to four changes: bits, numbers, pieces taken out, doubled, moved, or from another example."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        if not found:
            break
        at = _place(random, len(found))
        length = min(len(found) - at, random.choice((1, 1, 2, 4, 8, 32, 256, 4096)))
        match random.randrange(9):
            case 0:
                found[at] ^= 1 << random.randrange(8)
            case 1:
                found[at] = random.randrange(256)
            case 2:
                number = random.choice(NUMBERS)
                order, size = random.choice("<>"), random.choice("BHI")
                packed = struct.pack(order + size, number & (256 ** struct.calcsize(size) - 1))
                found[at : at + len(packed)] = packed
            case 3:
                del found[at:]
            case 4:
                del found[at : at + length]
            case 5:
                found[at:at] = found[at : at + length]
            case 6:
                found[at : at + length] = bytes([random.choice((0, 255, 0x41))]) * length
            case 7:
                found[at : at + length] = random.randbytes(length)
            case 8:
                other = random.choice(others) if others else data
                start = _place(random, len(other))
                found[at : at + length] = other[start : start + length]
    return bytes(found)


def _place(random: Random, length: int) -> int:
    """Anywhere, more often in the head."""
    return random.randrange(min(length, random.choice((16, 64, 256, length))))


def broken_json(random: Random, value: Any, hostile: Sequence[Any] = HOSTILE) -> Any:
    """A copy with one to three places changed."""
    found = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(found))
        if not places:
            return random.choice(hostile)
        holder, key = random.choice(places)
        match random.randrange(7):
            case 0 | 1 | 2:
                holder[key] = random.choice(hostile)
            case 3:
                del holder[key]
            case 4:
                other, name = random.choice(places)
                holder[key] = (
                    copy.deepcopy(other[name])
                    if name in (other if isinstance(other, dict) else range(len(other)))
                    else None
                )
            case 5:
                if isinstance(holder, dict):
                    holder[random.choice(("", "x", "_class_name", "\0", key + " ", key.upper()))] = random.choice(
                        hostile
                    )
                else:
                    holder[key:key] = [random.choice(hostile)] * random.choice((1, 2, 100))
            case 6:
                if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                    holder[key] = random.choice(
                        (-holder[key], holder[key] + 1, holder[key] * 1000, holder[key] / 3, holder[key] - 1)
                    )
                else:
                    holder[key] = random.choice(([holder[key]], {"x": holder[key]}, str(holder[key])[:50]))
    return found


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every field and element, however deep; of long lists the first few."""
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys: list[Any] = list(holder)[:200] if isinstance(holder, dict) else list(range(min(len(holder), 20)))
        places += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    return places


def json_text(random: Random, value: Any) -> bytes:
    """The value broken, as text that is usually still JSON."""
    text = json.dumps(broken_json(random, value)).encode()
    match random.randrange(12):
        case 0:
            return broken_bytes(random, text)
        case 1:
            depth = random.choice((10, 100, 1000, 100_000))
            return text.replace(b'": ', b'": ' + random.choice((b"[", b'{"a":')) * depth, 1)
        case 2:
            return text.replace(b", ", b", " + text[1 : text.find(b",") + 1], 1)  # a field twice
        case 3:
            return random.choice((b"", b"\xef\xbb\xbf", b"\xff\xfe", b" ")) + text
        case _:
            return text


Piece = tuple[bytes, bytes]


def png_chunks(data: bytes) -> list[Piece]:
    """Kind and body of every chunk."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return chunks


def png_of(chunks: Sequence[Piece]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def broken_png(random: Random, data: bytes) -> bytes:
    """With sound checksums, so that what is broken is read."""
    chunks = png_chunks(data)
    place = random.randrange(len(chunks))
    kind, body = chunks[place]
    match random.randrange(6):
        case 0 | 1:
            chunks[place] = kind, broken_bytes(random, body) if body else random.randbytes(5)
        case 2:
            rows = bytearray(zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT")))
            packed = zlib.compress(broken_bytes(random, bytes(rows)))
            chunks = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
            chunks.insert(-1, (b"IDAT", packed))
        case 3:
            chunks.insert(random.randint(1, len(chunks)), random.choice(chunks))
        case 4:
            del chunks[place]
        case 5:
            chunks.insert(random.randint(1, len(chunks) - 1), _extra(random))
    return png_of(chunks)


def _extra(random: Random) -> Piece:
    """A chunk beside the pixels, sound or not, small or a bomb."""
    bomb = zlib.compress(bytes(random.choice((10, 10**6, 10**8))))
    makers: tuple[Callable[[], Piece], ...] = (
        lambda: (b"iCCP", b"p\0\0" + random.choice((bomb, random.randbytes(60)))),
        lambda: (b"zTXt", b"t\0\0" + bomb),
        lambda: (b"iTXt", b"t\0\1\0\0\0" + bomb),
        lambda: (b"tEXt", random.randbytes(40)),
        lambda: (b"eXIf", b"II*\0\x08\0\0\0" + random.randbytes(80)),
        lambda: (b"tRNS", random.randbytes(random.choice((1, 2, 6, 256, 300)))),
        lambda: (b"acTL", struct.pack(">II", random.choice((0, 1, 2, 10**6, 2**31)), 0)),
        lambda: (b"fcTL", struct.pack(">IIIIIHHBB", 0, *random.choices(NUMBERS, k=4), 1, 1, random.randrange(4), 0)),
        lambda: (b"pHYs", struct.pack(">IIB", *random.choices(NUMBERS, k=2), random.randrange(3))),
        lambda: (b"gAMA", random.randbytes(4)),
        lambda: (b"sRGB", random.randbytes(1)),
        lambda: (
            random.choice((b"abcd", b"ABCD", b"IEND", b"PLTE")),
            random.randbytes(random.choice((0, 3, 700, 769))),
        ),
    )
    return random.choice(makers)()


def broken_tiff(random: Random, data: bytes) -> bytes:
    """With entries of its directory changed: tag, kind, count or value."""
    found = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    at = struct.unpack_from(order + "I", found, 4)[0]
    count = struct.unpack_from(order + "H", found, at)[0]
    for _ in range(random.choice((1, 1, 2, 5))):
        entry = at + 2 + 12 * random.randrange(count)
        match random.randrange(5):
            case 0:
                struct.pack_into(
                    order + "H",
                    found,
                    entry,
                    random.choice((254, 258, 259, 262, 274, 277, 284, 317, 320, 322, 338, 339, 34675, 34665)),
                )
            case 1:
                struct.pack_into(order + "H", found, entry + 2, random.randrange(20))
            case 2:
                struct.pack_into(order + "I", found, entry + 4, random.choice(NUMBERS))
            case 3:
                struct.pack_into(
                    order + "I", found, entry + 8, random.choice((*NUMBERS, random.randrange(len(found)), at))
                )
            case 4:
                struct.pack_into(
                    order + "I",
                    found,
                    at + 2 + 12 * count,
                    random.choice((at, random.randrange(len(found)), 2**32 - 1)),
                )
    return bytes(found)
