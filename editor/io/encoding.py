"""Encoding a picture for export: PNG, JPEG, WebP or TIFF as bytes, in the size and with the compression that were chosen.

A picture is made smaller in linear light, where fine bright things keep their brightness, by a Lanczos filter of three lobes; it is made larger
by the same filter in the values as they are, where it rings least. What a kind of file cannot hold is said in one sentence.
"""

from __future__ import annotations

import functools
import io
import struct
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from editor.arrays import Pixels
from editor.document.compose import lay
from editor.document.document import Metadata
from editor.errors import UnwritableFile
from editor.geometry import Size
from editor.io.exif import sized
from editor.io.metadata import DAMAGED, IPTC_TAG, XMP_TAG, photoshop_block
from editor.io.png_texts import png_texts
from editor.io.xmp import sized_xmp

KindName = Literal["PNG", "JPEG", "WebP", "TIFF"]
Scaling = Literal["full", "longest", "percent"]
Chroma = Literal["full", "half", "quarter"]
TiffCompression = Literal["none", "lzw", "deflate"]

KINDS: tuple[KindName, ...] = typing.get_args(KindName)
BROKEN_EXIF = "The camera's data (EXIF) is broken and was left out."
MAX_WRITTEN = 400_000_000  # pixels
_MAX_SIDE = {"JPEG": 65_535, "WebP": 16_383}
# Bytes of a block that a segment of a JPEG has room for, after what must stand before it.
_ROOM_IN_JPEG = {"exif": 65_533, "xmp": 65_533 - 29, "iptc": 65_533 - 14 - 13, "comment": 65_533 - 4}
_HIGHEST_DPI = 65_535
_SUBSAMPLING: dict[Chroma, int] = {"full": 0, "half": 1, "quarter": 2}
_TIFF_COMPRESSION: dict[TiffCompression, str] = {"none": "raw", "lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate"}
EXIF_AND_GPS = (0x8769, 0x8825)
INTEROPERABILITY = 0xA005
# How a TIFF keeps its pixels, by tag: this comes from the new file and never from the camera's data.
_STRUCTURE = frozenset(
    tag
    for tags in (range(0xFE, 0x108), (0x10A, 0x111), range(0x115, 0x118), (0x11C, 0x13D, 0x14A), range(0x140, 0x146))
    for tag in tags
) | frozenset((*range(0x152, 0x155), *range(0x200, 0x20A), *range(0x211, 0x215)))
_STRIP = 256  # rows that are worked on at a time in floats


class Stopped(Exception):
    """The encoding was stopped: its outcome is not wanted any more."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How a picture is written.

    quality: 1 to 100, of JPEG and of WebP with losses
    chroma: how much of the colours' detail a JPEG keeps: 4:4:4, 4:2:2 or 4:2:0
    lossless: whether a WebP is exact
    compression: 0 to 9, of PNG: higher is smaller and slower, and always exact
    tiff: how a TIFF is compressed, always exact
    scaling: in full size, to a longest side, or by a percentage
    longest: pixels
    percent: of width and height
    keep_information: whether what is known about the picture (camera, place, author) goes along
    """

    quality: int = 92
    chroma: Chroma = "full"
    lossless: bool = False
    compression: int = 3  # half the time of the usual 6, an eighth larger
    tiff: TiffCompression = "none"
    scaling: Scaling = "full"
    longest: int = 2048
    percent: float = 50.0
    keep_information: bool = True


RANGES: dict[str, tuple[float, float]] = {
    "quality": (1, 100),
    "compression": (0, 9),
    "longest": (1, 65_535),
    "percent": (1, 400),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "chroma": typing.get_args(Chroma),
    "tiff": typing.get_args(TiffCompression),
    "scaling": typing.get_args(Scaling),
}


class Encoded(NamedTuple):
    """The bytes of a file, and what could not be kept, each a sentence."""

    data: memoryview
    notes: tuple[str, ...]


def options_from(values: object) -> ExportOptions:
    """Options as `dataclasses.asdict` wrote them; whatever makes no sense is as at first."""
    kept: dict[str, Any] = {}
    for spec in fields(ExportOptions):
        value = values.get(spec.name) if isinstance(values, Mapping) else None
        if spec.name in CHOICES:
            if value in CHOICES[spec.name]:
                kept[spec.name] = value
        elif isinstance(spec.default, bool):
            if isinstance(value, bool):
                kept[spec.name] = value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            low, high = RANGES[spec.name]
            if low <= value <= high:
                kept[spec.name] = float(value) if isinstance(spec.default, float) else int(value)
    return ExportOptions(**kept)


def exported_size(size: Size, options: ExportOptions) -> Size:
    """Width and height of the picture that is written."""
    factor = 1.0
    if options.scaling == "longest":
        factor = options.longest / max(size)
    elif options.scaling == "percent":
        factor = options.percent / 100
    return Size(max(round(size.width * factor), 1), max(round(size.height * factor), 1))


def check_size(kind: str, size: Size) -> None:
    """Raises `UnwritableFile` where a file of that kind cannot have that size."""
    longest = _MAX_SIDE.get(kind, max(size))
    if max(size) > longest:
        raise UnwritableFile(
            f"A {kind} file can be at most {longest} pixels wide and high; this picture has {size.width} × {size.height}.",
            "Choose PNG or TIFF.",
        )
    if size.area > MAX_WRITTEN:
        raise UnwritableFile(
            f"The picture would have {size.area / 1e6:.0f} megapixels; at most {MAX_WRITTEN // 10**6} can be written.",
            "Choose a smaller size.",
        )


def resampled(pixels: Pixels, size: Size, *, stopped: Callable[[], bool] = lambda: False) -> Pixels:
    """(H, W, 4) uint8 straight alpha in another size. Raises `Stopped`."""
    height, width = pixels.shape[:2]
    if (width, height) == tuple(size):
        return pixels
    smaller = size.width * size.height < width * height
    light = _to_light() if smaller else np.linspace(0, 1, 256, dtype=np.float32)

    def resized(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        if stopped():
            raise Stopped
        return np.asarray(
            Image.fromarray(plane).resize((size.width, size.height), Image.Resampling.LANCZOS), np.float32
        )

    target = np.full((size.height, size.width, 4), 255, np.uint8)
    alpha, cover = None, None
    if (pixels[..., 3] < 255).any():
        alpha = pixels[..., 3].astype(np.float32) / np.float32(255)
        cover = resized(alpha)
        target[..., 3] = np.rint(cover.clip(0, 1) * 255)
    for channel in range(3):
        plane: NDArray[np.float32] = light[pixels[..., channel]]
        if alpha is not None:
            plane *= alpha  # what is transparent has no colour that could bleed
        plane = resized(plane)
        if cover is not None:
            plane = np.divide(plane, cover.clip(1e-3), dtype=np.float32)
        for top in range(0, size.height, _STRIP):
            strip = plane[top : top + _STRIP].clip(0, 1)
            values = _from_light(strip) if smaller else strip
            target[top : top + _STRIP, :, channel] = np.rint(values * 255)
    return target


def encode(
    pixels: Pixels,
    metadata: Metadata,
    kind: str,
    options: ExportOptions = ExportOptions(),
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> Encoded:
    """A file of that kind, one of `KINDS`, of (H, W, 4) uint8 straight alpha.

    stopped: asked now and then; once it says yes, `Stopped` is raised

    Raises `UnwritableFile` where the kind cannot hold so large a picture.
    """
    before = Size(pixels.shape[1], pixels.shape[0])
    size = exported_size(before, options)
    check_size(kind, size)
    if not options.keep_information:
        metadata = Metadata(metadata.icc, dpi=metadata.dpi)
    metadata, lost = _fitting(_corrected(metadata, size, scaled=size != before), kind)
    notes = [] if not lost else [_left_out(kind, lost)]
    pixels = resampled(pixels, size, stopped=stopped)
    opaque = bool((pixels[..., 3] == 255).all())
    if kind == "JPEG" and not opaque:
        pixels = on_white(pixels)
        notes.append("JPEG knows no transparency; the picture was laid on white.")
    image = Image.fromarray(np.ascontiguousarray(pixels if not opaque and kind != "JPEG" else pixels[..., :3]))
    sink = _Sink(stopped)
    image.save(sink, kind, **_how(metadata, kind, options))
    if kind == "TIFF":
        try:
            _add_directory(sink, metadata)
        except DAMAGED:
            # It takes the EXIF apart, so one that is broken cannot go into it.
            _add_directory(sink, replace(metadata, exif=None))
            notes.append(BROKEN_EXIF)
    return Encoded(sink.getbuffer(), tuple(notes))


def sensible_dpi(value: object) -> tuple[float, float] | None:
    """Dots per inch as floats; None for what is missing or meaningless (files say 0 or 1 when they do not know)."""
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    try:
        x, y = (round(float(part), 2) for part in value)  # rounded, since a PNG counts per metre
    except (TypeError, ValueError, ArithmeticError):
        return None
    return (x, y) if min(x, y) > 1 and max(x, y) <= _HIGHEST_DPI else None


def on_white(pixels: Pixels) -> Pixels:
    white = np.full_like(pixels, 255)
    for top in range(0, len(pixels), _STRIP):  # in strips, since laying works in floats
        lay(white[top : top + _STRIP], pixels[top : top + _STRIP], 1.0, "normal")
    return white


def _how(metadata: Metadata, kind: str, options: ExportOptions) -> dict[str, Any]:
    """What Pillow is told."""
    how: dict[str, Any] = {"icc_profile": metadata.icc, "dpi": sensible_dpi(metadata.dpi)}
    if kind != "TIFF":
        how["exif"] = metadata.exif
    match kind:
        case "JPEG":
            how |= {"quality": options.quality, "subsampling": _SUBSAMPLING[options.chroma], "xmp": metadata.xmp}
            how["comment"] = metadata.comment.encode("utf-8", "replace") or None
            if metadata.iptc is not None:
                body = b"Photoshop 3.0\0" + photoshop_block(metadata.iptc)
                how["extra"] = b"\xff\xed" + struct.pack(">H", 2 + len(body)) + body
        case "WebP":
            # Without loss, Pillow takes the quality for the time to be spent. Method 2 is three times as fast as the usual 4.
            effort = 50 if options.lossless else options.quality
            how |= {"quality": effort, "lossless": options.lossless, "exact": options.lossless, "method": 2}
            how["xmp"] = metadata.xmp
        case "PNG":
            how |= {"compress_level": options.compression, "pnginfo": png_texts(metadata)}
        case "TIFF":
            how["compression"] = _TIFF_COMPRESSION[options.tiff]
    return {name: value for name, value in how.items() if value is not None}


def _corrected(metadata: Metadata, size: Size, *, scaled: bool) -> Metadata:
    """What the metadata says about the size, as it is now."""
    exif = None if metadata.exif is None else sized(metadata.exif, *size)
    xmp = None if metadata.xmp is None else sized_xmp(metadata.xmp, *size, scaled=scaled)
    return replace(metadata, exif=exif, xmp=xmp)


def _fitting(metadata: Metadata, kind: str) -> tuple[Metadata, list[str]]:
    """What a file of the kind can hold of the metadata, and the words for the rest."""
    blocks = {
        "exif": ("the camera's data (EXIF)", len(metadata.exif or b"")),
        "xmp": ("the further information (XMP)", len(metadata.xmp or b"")),
        "iptc": ("the caption and author for the press (IPTC)", len(metadata.iptc or b"")),
        "comment": ("the comment", len(metadata.comment.encode("utf-8", "replace"))),
    }
    room: dict[str, float] = {"exif": np.inf, "xmp": np.inf, "iptc": np.inf, "comment": np.inf}
    if kind == "JPEG":
        room.update(_ROOM_IN_JPEG)
    elif kind == "WebP":
        room |= {"iptc": 0, "comment": 0}
    elif kind == "TIFF":
        room["comment"] = 0
    lost = [words for name, (words, length) in blocks.items() if length > room[name]]
    dropped: dict[str, Any] = {
        name: "" if name == "comment" else None for name, (_, length) in blocks.items() if length > room[name]
    }
    if metadata.texts and kind != "PNG":
        names = list(dict.fromkeys(key for key, _ in metadata.texts))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lost.append(f"the texts {', '.join(f'“{name}”' for name in names[:3])}{more}")
        dropped["texts"] = ()
    return replace(metadata, **dropped), lost


def _left_out(kind: str, lost: list[str]) -> str:
    listed = lost[0] if len(lost) == 1 else f"{', '.join(lost[:-1])} and {lost[-1]}"
    several = len(lost) > 1 or lost[0].startswith("the texts")
    return f"A {kind} file has no room for {listed}; {'they were' if several else 'it was'} left out."


def _add_directory(file: io.BytesIO, metadata: Metadata) -> None:
    """Add EXIF, XMP and IPTC to the directory of a TIFF, in place.

    Pillow keeps them only in files without compression. The whole directory is written anew behind the pixels, which stay where they are.
    """
    if metadata.exif is None and metadata.xmp is None and metadata.iptc is None:
        return
    view = file.getbuffer()
    order = "<" if bytes(view[:2]) == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", view, 4)
    (count,) = struct.unpack_from(order + "H", view, first)
    entries = {
        struct.unpack_from(order + "H", view, at)[0]: bytes(view[at : at + 12])
        for at in range(first + 2, first + 2 + 12 * count, 12)
    }
    start = len(view) + len(view) % 2
    view.release()  # a file that is looked at cannot grow
    more = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0" if order == "<" else b"MM\0*\0\0\0\0")
    if metadata.exif is not None:
        exif = Image.Exif()
        exif.load(metadata.exif)
        for tag in exif:
            if tag not in _STRUCTURE and tag not in entries:
                more[tag] = _directory_of(exif, tag) if tag in EXIF_AND_GPS else exif[tag]
    for tag, block, kind in ((XMP_TAG, metadata.xmp, 1), (IPTC_TAG, metadata.iptc, 7)):
        if block is not None:
            more[tag] = block
            more.tagtype[tag] = kind
    behind = start + 2 + 12 * (len(entries) + len(more)) + 4
    block = more.tobytes(behind)
    (added,) = struct.unpack_from(order + "H", block)
    for at in range(2, 2 + 12 * added, 12):
        entries[struct.unpack_from(order + "H", block, at)[0]] = block[at : at + 12]
    directory = struct.pack(order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    file.seek(0, io.SEEK_END)
    file.write(bytes(start - file.tell()) + directory.ljust(behind - start, b"\0") + block)
    file.seek(4)
    file.write(struct.pack(order + "I", start))


def _directory_of(exif: Image.Exif, tag: int) -> dict[int, Any]:
    values = dict(exif.get_ifd(tag))
    if isinstance(values.get(INTEROPERABILITY), int):
        del values[INTEROPERABILITY]  # a place in the earlier file
    return values


class _Sink(io.BytesIO):
    """Takes what an encoder writes, until it is stopped."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        super().__init__()
        self._stopped = stopped

    def write(self, data: Any, /) -> int:
        if self._stopped():
            raise Stopped
        return super().write(data)


@functools.cache
def _to_light() -> NDArray[np.float32]:
    """Linear light of the 256 values, by the curve of sRGB; those of other RGB profiles are close enough to it for a filter."""
    values = np.linspace(0, 1, 256)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _from_light(light: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(light <= 0.0031308, light * np.float32(12.92), 1.055 * light ** np.float32(1 / 2.4) - 0.055).astype(
        np.float32
    )
