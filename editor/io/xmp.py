"""XMP packets, edited where they stand, so that everything else stays byte for byte as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.parsers import expat

_BLANK = b"\0 \r\n\t"  # around a packet
_TAG = re.compile(rb"<[^\"'>]*(?:(?:\"[^\"]*\"|'[^']*')[^\"'>]*)*>")

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


class BrokenPacket(Exception):
    """A packet that is no well-formed XML, or holds what XMP may not."""


def upright_xmp(xmp: bytes) -> bytes:
    """The packet with the orientation set to upright and without what speaks of the file as it was. Raises `BrokenPacket`."""
    prefixes = declared_prefixes(xmp)
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
        prefixes = declared_prefixes(xmp)
        packet = _with_values(xmp, prefixes, {name: b"%d" % value for name, value in size.items()})
        if scaled:
            packet = _without(packet, prefixes, ((_PANORAMA, "[A-Za-z]*Pixels"),))
        return _checked(packet, xmp)
    except BrokenPacket:
        return None


def declared_prefixes(xmp: bytes) -> dict[str, set[bytes]]:
    """The prefixes that stand for each namespace. Raises `BrokenPacket` unless the packet is well-formed UTF-8."""
    prefixes: dict[str, set[bytes]] = {}

    def declared(prefix: str | None, uri: str | None) -> None:
        if prefix and uri:
            prefixes.setdefault(uri, set()).add(prefix.encode())

    def refused(*_: object) -> None:
        raise BrokenPacket  # entities, which XMP may not hold, can be made to grow without end

    parser = expat.ParserCreate("utf-8", " ")
    parser.StartNamespaceDeclHandler = declared
    parser.StartDoctypeDeclHandler = refused
    try:
        xmp.decode()
        parser.Parse(xmp.strip(_BLANK), True)
    except (expat.ExpatError, UnicodeDecodeError) as error:
        raise BrokenPacket from error
    return prefixes


def _checked(packet: bytes, before: bytes) -> bytes:
    if packet != before:
        declared_prefixes(packet)
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
    """Where the elements of these names begin and end, but for those inside of another. Raises `BrokenPacket`.

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
        raise BrokenPacket from error
    return spans
