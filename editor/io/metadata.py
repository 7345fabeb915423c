"""Metadata beside EXIF: XMP, IPTC, comments and the texts of a PNG, read from a file with bounds, and packed for projects and journals.

Nothing here raises for what a file holds: what makes no sense or is far too long is left out, and said in a sentence.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from PIL import TiffImagePlugin
from PIL.ImageFile import ImageFile

from editor.document.document import Metadata
from editor.io.exif import PREFIX
from editor.io.limits import MAX_BYTES_OF, MAX_TEXTS
from editor.io.png_texts import COMMENT_KEYWORD, PNG_START, RAW_PROFILE, is_keyword, read_texts, unpacked_profile
from editor.io.safe_json import parse_object
from editor.io.xmp import BrokenPacket, declared_prefixes, upright_xmp

EXTRAS: Final[tuple[str, ...]] = ("icc", "exif", "xmp", "iptc", "texts")  # names in projects and journals
XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG = 700, 33723, 34377  # of a TIFF
IPTC_RESOURCE = 0x0404  # of a Photoshop block
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
_BROKEN = "Some information that came with the file ({}) is broken or far too long and was left out."


def information(image: ImageFile, data: bytes) -> tuple[Metadata, list[str]]:
    """What a file says about its picture but colour profile and resolution; its EXIF only where a PNG has it as a text.

    image: as opened by Pillow
    data: the whole file
    """
    notes: list[str] = []
    if data.startswith(PNG_START):
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
        except BrokenPacket:
            xmp = None
            lost.append("XMP")
    if lost:
        notes.append(_BROKEN.format(", ".join(dict.fromkeys(lost))))
    return replace(metadata, xmp=xmp), notes


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
            declared_prefixes(xmp)
        except BrokenPacket:
            xmp = None
            lost.append("XMP")
    return Metadata(blocks.get("icc"), blocks.get("exif"), dpi, xmp, blocks.get("iptc"), comment, texts), lost


def _of_png(data: bytes) -> tuple[Metadata, list[str]]:
    reader = read_texts(data)
    comment, texts = "", list[tuple[str, str]]()
    raw: dict[str, bytes] = {}
    for key, text in reader.texts:
        if key.startswith(RAW_PROFILE):
            profile = unpacked_profile(text)
            if profile is None:
                reader.lost.append("texts")
            else:
                raw[key.removeprefix(RAW_PROFILE).strip().lower()] = profile
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
    kept = tuple(pair for pair in texts[:MAX_TEXTS] if is_keyword(pair[0]))
    if len(kept) < len(texts):
        lost.append("texts")
    return kept
