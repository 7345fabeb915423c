"""Picture files for tests of colours, made by hand: PNGs of any depth with any chunks, profiles, and the same content in 8 and 16 bits."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from editor.io.icc import ADOBE_GAMMA, ADOBE_RGB, DISPLAY_P3, grey_profile, matrix_profile, srgb_curve

Pixels = NDArray[np.uint8]
Chunk = tuple[bytes, bytes]

COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # of a PNG, by the number of channels


@functools.cache
def adobe_rgb() -> bytes:
    return matrix_profile("Adobe RGB", ADOBE_RGB, ADOBE_GAMMA)


@functools.cache
def display_p3() -> bytes:
    return matrix_profile("Display P3", DISPLAY_P3, srgb_curve())


@functools.cache
def linear_grey() -> bytes:
    return grey_profile("Linear grey", 1.0)


def patches() -> Pixels:
    """(24, 32, 4): every hue, greys, and every alpha from 0 to 255, colours under alpha 0 too."""
    y, x = np.mgrid[0:24, 0:32]
    pixels = np.stack([8 * x + 3, 10 * y + 5, 255 - 4 * x - 4 * y, 255 - 0 * x], axis=-1).clip(0, 255).astype(np.uint8)
    pixels[12:, 16:, :3] = (5 * (x + y)[12:, 16:, None]).clip(0, 255)
    pixels[:8, :, 3] = 8 * x[:8]
    return pixels


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels: NDArray[Any], chunks: Sequence[Chunk] = (), behind: Sequence[Chunk] = ()) -> bytes:
    """A PNG of (h, w[, channels]) uint8 or uint16. `chunks` stand before the pixels, `behind` after them."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    height, width, channels = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    head = struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPE[channels], 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", packed), *behind, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in parts)


def iccp(icc: bytes) -> Chunk:
    return b"iCCP", b"profile\0\0" + zlib.compress(icc)


def gama(value: int) -> Chunk:
    return b"gAMA", struct.pack(">I", value)


def chrm(*values: float) -> Chunk:
    """White, red, green, blue, each x and y."""
    return b"cHRM", struct.pack(">8I", *(round(100_000 * value) for value in values))


def exif(orientation: int = 1, *, colour_space: int | None = None, interoperability: str = "") -> bytes:
    made = Image.Exif()
    made[0x0112] = orientation
    if colour_space is not None:
        made.get_ifd(0x8769)[0xA001] = colour_space
    if interoperability:
        made.get_ifd(0x8769)[0xA005] = {1: interoperability}
    return made.tobytes()


def tiff(pixels: NDArray[Any], *, icc: bytes | None = None, orientation: int = 1, alpha: str = "unassalpha") -> bytes:
    """A TIFF of (h, w[, channels]); the last channel of 2 or 4 is an alpha of the kind `alpha`."""
    data = io.BytesIO()
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    tifffile.imwrite(
        data,
        pixels,
        photometric="rgb" if channels >= 3 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=[alpha] if channels in (2, 4) else None,
        iccprofile=icc,
        extratags=[(274, "H", 1, orientation, True)],
        metadata=None,
    )
    return data.getvalue()


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


@functools.cache
def printing() -> bytes:
    """A profile of printing colours that mixes evenly between the corners of its cube: paper, inks, and black."""
    inks = {0: (100, 0, 0), 1: (55, -37, -50), 2: (48, 74, -3), 4: (89, -5, 93), 3: (24, 22, -46), 5: (50, -65, 27)}
    inks |= {6: (47, 68, 48), 7: (23, 0, 0)}
    ramp = bytes(range(256))
    table = b""
    for corner in range(16):  # C, M, Y, K, the last one running fastest
        light, a, b = inks[(corner >> 3 & 1) | (corner >> 2 & 1) << 1 | (corner >> 1 & 1) << 2]
        if corner & 1:
            light, a, b = 16, 0, 0
        table += bytes([round(light * 2.55), a + 128, b + 128])
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + table + ramp * 3
    text = b"desc\0\0\0\0" + struct.pack(">I", 4) + b"ink\0" + bytes(78)
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    tags = [(b"desc", text), (b"wtpt", white), (b"A2B0", lut), (b"A2B1", lut)]
    at = 128 + 4 + 12 * len(tags)
    index, body = struct.pack(">I", len(tags)), b""
    for name, value in tags:
        index += name + struct.pack(">II", at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + index + body
