"""Texts of a PNG: read chunk by chunk with bounds, and written."""

from __future__ import annotations

import struct
import zlib

from PIL import PngImagePlugin

from editor.document.document import Metadata
from editor.io.limits import MAX_BYTES_OF, MAX_KEYWORD_LENGTH, MAX_TEXTS

XMP_KEYWORD = "XML:com.adobe.xmp"
COMMENT_KEYWORD = "Comment"
IPTC_KEYWORD = "Raw profile type iptc"  # as ImageMagick and ExifTool write and read it; PNG itself knows no IPTC
PNG_START = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
MAX_PLAIN_LENGTH = 1000  # characters of a text that is written unpacked
RAW_PROFILE = "Raw profile type "
_ICC_KEYWORDS = (f"{RAW_PROFILE}icc", f"{RAW_PROFILE}icm")


def profile_in_texts(data: bytes) -> bytes | None:
    """The colour profile that a PNG has as a text, as older programs wrote it."""
    for key, text in read_texts(data).texts:
        if key in _ICC_KEYWORDS:
            return unpacked_profile(text) or None
    return None


def read_texts(data: bytes) -> Texts:
    """What the whole chunks of a PNG say."""
    reader = Texts()
    for kind, at, stop in _chunks(data):
        if kind in _TEXT_CHUNKS:
            reader.add(kind, data[at + 8 : stop - 4], data[stop - 4 : stop])
    return reader


def without_texts(data: bytes) -> bytes:
    """The bytes of a PNG without its texts: decoders refuse the whole picture for a text that is too long or damaged."""
    if not data.startswith(PNG_START):
        return data
    kept: list[bytes] = []
    begin = 0
    for kind, at, stop in _chunks(data):
        if kind in _TEXT_CHUNKS:
            kept.append(data[begin:at])
            begin = stop
    return data if not kept else b"".join((*kept, data[begin:]))


def png_texts(metadata: Metadata) -> PngImagePlugin.PngInfo | None:
    """The texts of a PNG that hold what is known beside EXIF; None for none."""
    info = PngImagePlugin.PngInfo()
    if metadata.xmp is not None:
        info.add_itxt(XMP_KEYWORD, metadata.xmp.decode())
    if metadata.iptc is not None:
        info.add_text(IPTC_KEYWORD, raw_profile("iptc", metadata.iptc), zip=True)
    pairs = ((COMMENT_KEYWORD, metadata.comment), *metadata.texts) if metadata.comment else metadata.texts
    for key, text in pairs:
        plain = text.encode("utf-8", "replace").decode().replace("\0", "")
        info.add_text(key, plain, zip=len(plain) > MAX_PLAIN_LENGTH)
    return info if info.chunks else None


class Texts:
    """The texts of a PNG, read chunk by chunk. `left`: bytes that they may still take together."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.xmp: bytes | None = None
        self.lost: list[str] = []
        self.left = MAX_BYTES_OF["texts"]

    def add(self, kind: bytes, body: bytes, checksum: bytes) -> None:
        key, separator, rest = body.partition(b"\0")
        keyword = key.decode("latin-1")
        is_xmp = kind == b"iTXt" and keyword == XMP_KEYWORD
        what = "XMP" if is_xmp else "texts"
        if zlib.crc32(kind + body).to_bytes(4) != checksum or not separator or not is_keyword(keyword):
            self.lost.append(what)
            return
        most = MAX_BYTES_OF["xmp"] if is_xmp else self.left
        value = _value(kind, rest, most)
        if value is None or (not is_xmp and len(self.texts) >= MAX_TEXTS):
            self.lost.append(what)
        elif is_xmp:
            self.xmp = value
        else:
            self.left -= len(value)
            try:
                self.texts.append((keyword, value.decode("utf-8" if kind == b"iTXt" else "latin-1")))
            except UnicodeDecodeError:
                self.lost.append(what)


def _value(kind: bytes, rest: bytes, most: int) -> bytes | None:
    """What stands behind the keyword of a chunk, unpacked; None where it makes no sense or is longer than `most`."""
    packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:]
        parts = rest.split(b"\0", 2)  # language, keyword in it, text
        if len(parts) < 3:
            return None
        rest = parts[2]
    if packed:
        unpacker = zlib.decompressobj()
        try:
            rest = unpacker.decompress(rest, most + 1)
        except zlib.error:
            return None
    return rest if len(rest) <= most else None


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Kind, begin and end of the chunks of a PNG, as far as they are whole."""
    chunks = []
    at = len(PNG_START)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        stop = at + 12 + length
        if stop > len(data):
            break
        chunks.append((kind, at, stop))
        if kind == b"IEND":
            break
        at = stop
    return chunks


def unpacked_profile(text: str) -> bytes | None:
    """The bytes of a “raw profile”: its name, its length, and hexadecimal digits in lines."""
    lines = text.strip().split("\n", 2)
    try:
        return bytes.fromhex(lines[2])[: int(lines[1])]
    except (IndexError, ValueError):
        return None


def raw_profile(name: str, block: bytes) -> str:
    """A block of bytes as the text of a PNG."""
    digits = block.hex()
    lines = (digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\n{name}\n{len(block):8d}\n" + "\n".join(lines) + "\n"


def is_keyword(key: str) -> bool:
    """Whether a PNG may have a text of that name."""
    return 0 < len(key) <= MAX_KEYWORD_LENGTH and all(
        " " <= character <= "~" or "\xa1" <= character <= "\xff" for character in key
    )
