"""Missing parts of a picture file.

What a file should hold and does not, though it ends properly: decoders fill the rest with nothing and keep quiet about it.

Everything here is cheap for sound files. Only where a picture ends in what decoders fill with is it looked at more closely.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zlib
from collections.abc import Iterator

from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from editor.arrays import Pixels

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the colour type of a PNG
# Adam7: left, top, step across, step down.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
STRIP_OFFSETS, ROWS_PER_STRIP = 273, 278
BLOCK = 1 << 20
GREY = 128  # what a JPEG decoder fills with
# Put before the end of a JPEG whose data is used up, this is decoded to something; in one that is complete nobody reads it.
PIECE = bytes(range(1, 240)) * 2
FILLING = PIECE + b"".join(
    bytes([0xFF, 0xD0 + i]) + PIECE for i in range(8)
)  # also where it waits for a mark to go on from
SOF_PROGRESSIVE, EOI, SOS = 0xC2, 0xD9, 0xDA
# Neither those between the parts of a scan, nor a coded 255.
MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")


def blank_missing(image: ImageFile, data: bytes, pixels: Pixels) -> str:
    """Makes rows transparent that are not in the file; returns a sentence about what is missing, empty for nothing.

    image: as opened, and loaded
    data: the whole file
    pixels: (H, W, 4), as stored
    """
    rows = height = len(pixels)
    if isinstance(image, PngImagePlugin.PngImageFile):
        if data[28] != 0:
            share = _share_of_png(data)
            return (
                ""
                if share >= 1
                else f"The file holds only {math.floor(100 * share)} % of the picture; the rest is missing."
            )
        if _ends_blank(image, pixels):
            rows = math.floor(_share_of_png(data) * height)
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        rows = _rows_of_tiff(image, height)
    elif isinstance(image, JpegImagePlugin.JpegImageFile):
        rows = _rows_of_jpeg(image, data, pixels)
        if rows == height and image.info.get("progressive") and not _detailed(data):
            return "The file ends early: fine detail of the picture is missing."
    if rows >= height:
        return ""
    pixels[rows:] = 0
    if rows == 1:
        return f"Only the first of {height} rows is in the file; the rest is empty."
    return f"Only the first {rows} of {height} rows are in the file; the rest is empty."


def _ends_blank(image: ImageFile, pixels: Pixels) -> bool:
    """Whether the last row is what memory holds before anything is decoded into it."""
    last = pixels[-1]
    if image.mode == "P":
        return bool((last == last[0]).all())
    return not last[:, :3].any()


def _share_of_png(data: bytes) -> float:
    """How much of the rows is there, 0 to 1."""
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    bits = CHANNELS[colour] * depth
    passes = PASSES if data[28] else ((0, 0, 1, 1),)
    sizes = [(-(-(width - left) // across), -(-(height - top) // down)) for left, top, across, down in passes]
    needed = sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0 and rows > 0)
    inflater, count = zlib.decompressobj(), 0
    try:
        for chunk in _png_data(data):
            rest = chunk
            while rest and count < needed and not inflater.eof:
                count += len(inflater.decompress(rest, BLOCK))
                rest = inflater.unconsumed_tail
    except zlib.error:
        pass  # what comes after it, nobody could read either
    return float(min(1.0, count / needed))


def _png_data(data: bytes) -> Iterator[bytes]:
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            yield data[at + 8 : at + 8 + size]
        at += 12 + size


def _rows_of_tiff(image: TiffImagePlugin.TiffImageFile, height: int) -> int:
    """Up to which row there are strips."""
    offsets, rows = image.tag_v2.get(STRIP_OFFSETS), image.tag_v2.get(ROWS_PER_STRIP)
    if not isinstance(offsets, tuple) or not isinstance(rows, int) or not 0 < rows <= height:
        return height
    planes = -(-height // rows)
    return height if len(offsets) >= planes else len(offsets) * rows


def _rows_of_jpeg(image: JpegImagePlugin.JpegImageFile, data: bytes, pixels: Pixels) -> int:
    height = rows = len(pixels)
    if image.mode not in ("RGB", "L"):
        return height
    while rows and bool((pixels[rows - 1, :, :3] == GREY).all()):
        rows -= 1
    end = data.rfind(b"\xff\xd9")
    if rows == height or end < 0:
        return height
    filled = JpegImagePlugin.JpegImageFile(io.BytesIO(data[:end] + FILLING + data[end:]))
    below = filled.crop((0, rows, filled.width, height)).getextrema()
    return height if all(extrema in (GREY, (GREY, GREY)) for extrema in below) else rows


def _detailed(data: bytes) -> bool:
    """Whether the scans of a progressive JPEG bring every frequency of every component to its last bit."""
    components: set[int] = set()
    whole: dict[int, set[int]] = {}
    for kind, body in _segments(data):
        if kind == SOF_PROGRESSIVE and len(body) >= 6:
            components = set(body[6 : 6 + 3 * body[5] : 3])
        elif kind == SOS and body and len(body) == 4 + 2 * body[0]:
            first, last, bits = body[-3:]
            if bits & 15 == 0:
                for component in body[1:-3:2]:
                    whole.setdefault(component, set()).update(range(first, min(last, 63) + 1))
    return all(len(whole.get(component, ())) == 64 for component in components)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The marker and the body of each segment of a JPEG, what is coded after the head of a scan left out."""
    at = 2
    while (marker := MARKER.search(data, at)) is not None:
        kind, start = data[marker.end() - 1], marker.end() + 2
        at = marker.end() + max(2, int.from_bytes(data[marker.end() : start], "big"))
        if kind == EOI:
            return
        yield kind, data[start:at]
