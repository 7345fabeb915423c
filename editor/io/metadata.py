"""Metadata beside EXIF: XMP, IPTC, comments and the texts of a PNG, read from a file with bounds and corrected for the picture that is written.

Nothing here raises for what a file holds: what makes no sense or is far too long is left out, and said in a sentence.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from xml.parsers import expat

from PIL import PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from editor.document.document import Metadata
from editor.io.exif import PREFIX
from editor.io.limits import MAX_BYTES_OF, MAX_KEYWORD_LENGTH, MAX_TEXTS
from editor.io.safe_json import parse_object

EXTRAS: Final[tuple[str, ...]] = ("icc", "exif", "xmp", "iptc", "texts")  # names in projects and journals
XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG = 700, 33723, 34377  # of a TIFF
IPTC_RESOURCE = 0x0404  # of a Photoshop block
XMP_KEYWORD = "XML:com.adobe.xmp"
COMMENT_KEYWORD = "Comment"
IPTC_KEYWORD = "Raw profile type iptc"  # as ImageMagick and ExifTool write and read it; PNG itself knows no IPTC
# What a decoder or encoder of a library says when the bytes make no sense.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
)
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_BLANK = b"\0 \r\n\t"  # around a packet
_TAG = re.compile(rb"<[^\"'>]*(?:(?:\"[^\"]*\"|'[^']*')[^\"'>]*)*>")
MAX_PLAIN_LENGTH = 1000  # characters of a text that is written unpacked
_RAW_PROFILE = "Raw profile type "
_ICC_KEYWORDS = (f"{_RAW_PROFILE}icc", f"{_RAW_PROFILE}icm")
_BROKEN = "Some information that came with the file ({}) is broken or far too long and was left out."

_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_XMP, _NOTE = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xmp/note/"
_GCAMERA = "http://ns.google.com/photos/1.0/camera/"
_CONTAINER = "http://ns.google.com/photos/1.0/container/"
_PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
# What speaks of the file as it was: small previews, and data appended to it that an edited picture does not have any more.
_OUTDATED = (
    (_XMP, "Thumbnails"),
    (_NOTE, "HasExtendedXMP"),
    (_GCAMERA, "(?:MicroVideo|MotionPhoto)[A-Za-z]*"),
    (_CONTAINER, "Directory"),
)


class _Broken(Exception):
    """A packet that is no well-formed XML, or holds what XMP may not."""


def information(image: ImageFile, data: bytes) -> tuple[Metadata, list[str]]:
    """What a file says about its picture but colour profile and resolution; its EXIF only where a PNG has it as a text.

    image: as opened by Pillow
    data: the whole file
    """
    notes: list[str] = []
    if data.startswith(_PNG_START):
        metadata, lost = _of_png(data)
    else:
        try:
            metadata, lost = _of_other(image)
        except DAMAGED:  # a directory that makes no sense
            metadata, lost = Metadata(), ["XMP", "IPTC"]
    xmp = metadata.xmp
    if xmp is not None:
        try:
            xmp = upright_xmp(xmp)
        except _Broken:
            xmp = None
            lost.append("XMP")
    if lost:
        notes.append(_BROKEN.format(", ".join(dict.fromkeys(lost))))
    return replace(metadata, xmp=xmp), notes


def without_texts(data: bytes) -> bytes:
    """The bytes of a PNG without its texts: decoders refuse the whole picture for a text that is too long or damaged."""
    if not data.startswith(_PNG_START):
        return data
    kept: list[bytes] = []
    begin = 0
    for kind, at, stop in _chunks(data):
        if kind in _PNG_TEXTS:
            kept.append(data[begin:at])
            begin = stop
    return data if not kept else b"".join((*kept, data[begin:]))


def upright_xmp(xmp: bytes) -> bytes:
    """The packet with the orientation set to upright and without what speaks of the file as it was. Raises `_Broken`."""
    prefixes = _prefixes(xmp)
    packet = _with_values(xmp, prefixes, {(_TIFF, "Orientation"): b"1"})
    return _checked(_without(packet, prefixes, _OUTDATED), xmp)


def sized_xmp(xmp: bytes, width: int, height: int, *, scaled: bool) -> bytes | None:
    """The packet with the size of the picture that is written; None where it is broken.

    scaled: whether this is not the size the picture was edited in, so that places in pixels do not hold
    """
    size = {
        (_TIFF, "ImageWidth"): width,
        (_TIFF, "ImageLength"): height,
        (_EXIF, "PixelXDimension"): width,
        (_EXIF, "PixelYDimension"): height,
    }
    try:
        prefixes = _prefixes(xmp)
        packet = _with_values(xmp, prefixes, {name: b"%d" % value for name, value in size.items()})
        if scaled:
            packet = _without(packet, prefixes, ((_PANORAMA, "[A-Za-z]*Pixels"),))
        return _checked(packet, xmp)
    except _Broken:
        return None


def pack_extras(metadata: Metadata) -> dict[str, bytes]:
    """What there is of the metadata as named blocks of bytes, for projects and journals."""
    texts = None
    if metadata.comment or metadata.texts:
        texts = json.dumps({"comment": metadata.comment, "texts": metadata.texts}).encode()
    blocks = {"icc": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp, "iptc": metadata.iptc, "texts": texts}
    return {name: block for name, block in blocks.items() if block is not None}


def unpack_extras(blocks: Mapping[str, bytes | None], dpi: tuple[float, float] | None) -> tuple[Metadata, list[str]]:
    """The metadata again, and the names of what made no sense and was left out."""
    lost: list[str] = []
    comment, texts = "", tuple[tuple[str, str], ...]()
    block = blocks.get("texts")
    if block is not None:
        try:
            values = parse_object(block, 8 * MAX_BYTES_OF["texts"])  # JSON may take six bytes for one
            comment = values["comment"]
            texts = tuple((key, text) for key, text in values["texts"])
            if not all(isinstance(part, str) for pair in ((comment, ""), *texts) for part in pair):
                raise ValueError
            texts = _bounded(texts, lost)
        except (ValueError, KeyError, TypeError):
            comment, texts = "", ()
            lost.append("texts")
    xmp = blocks.get("xmp")
    if xmp is not None:
        try:
            _prefixes(xmp)
        except _Broken:
            xmp = None
            lost.append("XMP")
    return Metadata(blocks.get("icc"), blocks.get("exif"), dpi, xmp, blocks.get("iptc"), comment, texts), lost


# From files


def profile_in_texts(data: bytes) -> bytes | None:
    """The colour profile that a PNG has as a text, as older programs wrote it."""
    for key, text in _read_texts(data).texts:
        if key in _ICC_KEYWORDS:
            return _raw_profile(text) or None
    return None


def _read_texts(data: bytes) -> _Texts:
    reader = _Texts()
    for kind, at, stop in _chunks(data):
        if kind in _PNG_TEXTS:
            reader.add(kind, data[at + 8 : stop - 4], data[stop - 4 : stop])
    return reader


def _of_png(data: bytes) -> tuple[Metadata, list[str]]:
    reader = _read_texts(data)
    comment, texts = "", list[tuple[str, str]]()
    raw: dict[str, bytes] = {}
    for key, text in reader.texts:
        if key.startswith(_RAW_PROFILE):
            profile = _raw_profile(text)
            if profile is None:
                reader.lost.append("texts")
            else:
                raw[key.removeprefix(_RAW_PROFILE).strip().lower()] = profile
        elif key == COMMENT_KEYWORD and not comment:
            comment = text
        else:
            texts.append((key, text))
    app1 = raw.get("app1", b"")
    exif = raw.get("exif") or (app1 if app1.startswith(PREFIX) else None)
    if exif is not None and not exif.startswith(PREFIX):
        exif = PREFIX + exif
    iptc = _from_photoshop(raw["8bim"]) if "8bim" in raw else raw.get("iptc")
    if iptc is not None and iptc.startswith(b"8BIM"):
        iptc = _from_photoshop(iptc)
    xmp = _limited(reader.xmp or raw.get("xmp"), "xmp", "XMP", reader.lost)
    iptc = _limited(iptc, "iptc", "IPTC", reader.lost)
    return Metadata(exif=exif, xmp=xmp, iptc=iptc, comment=comment, texts=tuple(texts)), reader.lost


def _of_other(image: ImageFile) -> tuple[Metadata, list[str]]:
    """From what Pillow found in a file of any other kind."""
    lost: list[str] = []
    info = image.info
    xmp, iptc = info.get("xmp"), None
    resources = info.get("photoshop")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        xmp = _bytes_of(image, XMP_TAG)
        iptc = _bytes_of(image, IPTC_TAG)
        block = _bytes_of(image, PHOTOSHOP_TAG)
        if iptc is None and block is not None:
            iptc = _from_photoshop(block)
    elif isinstance(resources, dict):
        iptc = resources.get(IPTC_RESOURCE)
    comment = info.get("comment", b"")
    if isinstance(comment, bytes):
        try:
            comment = comment.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            comment = comment.rstrip(b"\0").decode("latin-1")
    if not isinstance(comment, str) or len(comment) > MAX_BYTES_OF["texts"]:
        comment = ""
        lost.append("comment")
    return (
        Metadata(
            xmp=_limited(xmp if isinstance(xmp, bytes) else None, "xmp", "XMP", lost),
            iptc=_limited(iptc if isinstance(iptc, bytes) else None, "iptc", "IPTC", lost),
            comment=comment,
        ),
        lost,
    )


class _Texts:
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
        if zlib.crc32(kind + body).to_bytes(4) != checksum or not separator or not _is_keyword(keyword):
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
    at = len(_PNG_START)
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


def _raw_profile(text: str) -> bytes | None:
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


def _from_photoshop(block: bytes) -> bytes | None:
    """The IPTC records in a block of Photoshop resources."""
    at = 0
    while block[at : at + 4] == b"8BIM" and at + 12 <= len(block):
        code, name = struct.unpack_from(">HB", block, at + 4)
        at += 6 + (name + 2) // 2 * 2
        if at + 4 > len(block):
            return None
        (length,) = struct.unpack_from(">I", block, at)
        at += 4
        if code == IPTC_RESOURCE:
            return block[at : at + length]
        at += (length + 1) // 2 * 2
    return None


def photoshop_block(iptc: bytes) -> bytes:
    """IPTC records as a Photoshop resource, which is how JPEG holds them."""
    return b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)


def _bytes_of(image: TiffImagePlugin.TiffImageFile, tag: int) -> bytes | None:
    value = image.tag_v2.get(tag)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, tuple) and value and all(isinstance(number, int) and 0 <= number < 2**32 for number in value):
        wide = image.tag_v2.tagtype.get(tag) == 4  # some programs count IPTC in fours
        order = "<" if image.tag_v2.prefix == b"II" else ">"
        return (
            struct.pack(f"{order}{len(value)}I", *value).rstrip(b"\0")
            if wide
            else bytes(number & 255 for number in value)
        )
    return value if isinstance(value, bytes) else None


def _limited(block: bytes | None, name: str, shown: str, lost: list[str]) -> bytes | None:
    if block is not None and len(block) > MAX_BYTES_OF[name]:
        lost.append(shown)
        return None
    return block or None


def _bounded(texts: tuple[tuple[str, str], ...], lost: list[str]) -> tuple[tuple[str, str], ...]:
    kept = tuple(pair for pair in texts[:MAX_TEXTS] if _is_keyword(pair[0]))
    if len(kept) < len(texts):
        lost.append("texts")
    return kept


def _is_keyword(key: str) -> bool:
    """Whether a PNG may have a text of that name."""
    return 0 < len(key) <= MAX_KEYWORD_LENGTH and all(
        " " <= character <= "~" or "\xa1" <= character <= "\xff" for character in key
    )


# XMP: edited where it stands, so that everything else stays byte for byte as it was


def _prefixes(xmp: bytes) -> dict[str, set[bytes]]:
    """The prefixes that stand for each namespace. Raises `_Broken` unless the packet is well-formed UTF-8."""
    prefixes: dict[str, set[bytes]] = {}

    def declared(prefix: str | None, uri: str | None) -> None:
        if prefix and uri:
            prefixes.setdefault(uri, set()).add(prefix.encode())

    def refused(*_: object) -> None:
        raise _Broken  # entities, which XMP may not hold, can be made to grow without end

    parser = expat.ParserCreate("utf-8", " ")
    parser.StartNamespaceDeclHandler = declared
    parser.StartDoctypeDeclHandler = refused
    try:
        xmp.decode()
        parser.Parse(xmp.strip(_BLANK), True)
    except (expat.ExpatError, UnicodeDecodeError) as error:
        raise _Broken from error
    return prefixes


def _checked(packet: bytes, before: bytes) -> bytes:
    if packet != before:
        _prefixes(packet)
    return packet


def _names(prefixes: Mapping[str, set[bytes]], uri: str, name: str) -> bytes:
    """A pattern for a property under all of its prefixes; empty where it has none."""
    known = b"|".join(sorted(re.escape(prefix) for prefix in prefixes.get(uri, ())))
    return b"(?:" + known + b"):(?:" + name.encode() + b")" if known else b""


def _with_values(packet: bytes, prefixes: Mapping[str, set[bytes]], values: Mapping[tuple[str, str], bytes]) -> bytes:
    """With the values of properties replaced where the packet has them, as attributes or as elements."""
    for (uri, name), value in values.items():
        names = _names(prefixes, uri, name)
        if names:
            as_attribute = rb"(\s" + names + rb"\s*=\s*)(?:\"[^\"]*\"|'[^']*')"
            as_element = rb"(<" + names + rb"\s*>)[^<]*(?=</)"
            packet = re.sub(as_attribute, rb'\g<1>"' + value + b'"', packet)
            packet = re.sub(as_element, rb"\g<1>" + value, packet)
    return packet


def _without(packet: bytes, prefixes: Mapping[str, set[bytes]], properties: tuple[tuple[str, str], ...]) -> bytes:
    known = [(uri, name) for uri, name in properties if uri in prefixes]
    for uri, name in known:
        packet = re.sub(rb"\s" + _names(prefixes, uri, name) + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')", b"", packet)
    if not known:
        return packet
    kept, begin = [], 0
    for start, stop in _elements(packet, known):
        kept.append(packet[begin:start])
        begin = stop
    return b"".join((*kept, packet[begin:]))


def _elements(packet: bytes, properties: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    """Where the elements of these names begin and end, but for those inside of another. Raises `_Broken`.

    By a parser: patterns would look for the end of what only looks like an element, in a comment for instance, again and again.
    """
    wanted = re.compile("|".join(f"{re.escape(uri)} (?:{name})" for uri, name in properties))
    begin = len(packet) - len(packet.lstrip(_BLANK))
    spans: list[tuple[int, int]] = []
    depth = 0
    parser = expat.ParserCreate("utf-8", " ")

    def started(name: str, _: object) -> None:
        nonlocal depth
        if depth or wanted.fullmatch(name):
            depth += 1
            if depth == 1:
                spans.append((begin + parser.CurrentByteIndex, 0))

    def ended(_: str) -> None:
        nonlocal depth
        depth -= depth > 0
        start = spans[-1][0] if spans else 0
        if not depth and spans and not spans[-1][1]:
            tag = _TAG.match(packet, start)
            is_empty = tag is not None and tag[0].endswith(b"/>")
            stop = (
                tag.end() if tag is not None and is_empty else packet.index(b">", begin + parser.CurrentByteIndex) + 1
            )
            spans[-1] = start, stop

    parser.StartElementHandler = started
    parser.EndElementHandler = ended
    try:
        parser.Parse(packet.strip(_BLANK), True)
    except (expat.ExpatError, ValueError) as error:
        raise _Broken from error
    return spans


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
