"""Colour space of a picture file, as it states it, wherever it may do so, as an ICC profile.

| kind | where, the first that is there counts |
|---|---|
| PNG | `cICP`, `iCCP` or a text that holds a profile, `sRGB`, `cHRM` with `gAMA`, EXIF |
| JPEG, WebP | ICC profile, EXIF |
| TIFF | ICC profile, the tags for white point, primaries and transfer function, EXIF |

EXIF names sRGB or Adobe RGB, or gives primaries and gamma.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from editor.io.icc import (
    ADOBE_GAMMA,
    ADOBE_RGB,
    DISPLAY_P3,
    ENTRIES,
    REC_2020,
    SRGB,
    Curve,
    Primaries,
    matrix_profile,
    rec_709_curve,
    srgb_curve,
)
from editor.io.png_texts import profile_in_texts

EXIF_IFD, INTEROPERABILITY_IFD = 0x8769, 0xA005
COLOUR_SPACE, GAMMA, WHITE_POINT, PRIMARIES, TRANSFER = 0xA001, 0xA500, 318, 319, 301
IS_SRGB, IS_ADOBE_RGB, UNCALIBRATED = 1, 2, 0xFFFF
BROKEN = "The file's colour profile is incomplete, so its colours are taken for sRGB."
BRIGHT = "The file is brighter than a screen without HDR shows (HDR); what is brighter than white was cut off."

_USUAL_GAMMA = 2.2
_WHITE = 203  # candela per square metre: what paper white is in an HDR picture (BT.2408)
_CLOSE = 0.002  # of chromaticities, which files give with few digits
# By the numbers of ITU-T H.273.
_PRIMARIES: Final[dict[int, Primaries]] = {
    1: SRGB,
    5: Primaries(SRGB.white, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Primaries(SRGB.white, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: REC_2020,
    11: Primaries((0.314, 0.351), *DISPLAY_P3[1:]),
    12: DISPLAY_P3,
}


def _pq() -> NDArray[np.float64]:
    """Light of a PQ signal (SMPTE ST 2084) as a share of paper white, what is above cut off."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = np.linspace(0, 1, ENTRIES) ** (1 / m2)
    light = 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return np.minimum(light / _WHITE, 1)


def _hlg() -> NDArray[np.float64]:
    """Light of an HLG signal (ARIB STD-B67) on a screen of 1000 candela, as a share of paper white, what is above cut off."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * math.log(4 * a)
    x = np.linspace(0, 1, ENTRIES)
    scene = np.where(x <= 0.5, x * x / 3, (np.exp((x - c) / a) + b) / 12)
    return np.minimum(1000 * scene**1.2 / _WHITE, 1)


_CURVES: Final[dict[int, Callable[[], Curve]]] = {
    1: rec_709_curve,
    4: lambda: 2.2,
    5: lambda: 2.8,
    6: rec_709_curve,
    8: lambda: 1.0,
    13: srgb_curve,
    14: rec_709_curve,
    15: rec_709_curve,
    16: _pq,
    18: _hlg,
}
_HDR = (16, 18)


class Stated(NamedTuple):
    """`icc`: the profile, None for sRGB. `said`: whether the file says anything. `only_read`: colours come out of this space, but do not go
    back into it. `note`: a sentence, or empty.
    """

    icc: bytes | None = None
    said: bool = False
    only_read: bool = False
    note: str = ""


def stated_space(image: ImageFile, data: bytes) -> Stated:
    """What the file says apart from its EXIF. `image`: as opened; `data`: the whole file."""
    icc: bytes | None = image.info.get("icc_profile") or None
    if isinstance(image, PngImagePlugin.PngImageFile):
        return _of_png(data, icc or profile_in_texts(data))
    if icc is not None:
        return Stated(icc, said=True)
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        pieces = any(body.startswith(b"ICC_PROFILE\0") for _, body in image.applist)
        return Stated(note=BROKEN if pieces else "")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        with suppress(ValueError, TypeError, ArithmeticError):
            return _of_tags(image.tag_v2, _USUAL_GAMMA)
    return Stated()


def stated_by_exif(block: bytes) -> Stated:
    """What EXIF says about colours. Nothing where it is broken."""
    exif = Image.Exif()
    try:
        exif.load(block)
        camera = exif.get_ifd(EXIF_IFD)
        match camera.get(COLOUR_SPACE):
            case 1:
                return Stated(said=True)
            case 2:
                return Stated(adobe_rgb(), said=True)
            case 0xFFFF if exif.get_ifd(INTEROPERABILITY_IFD).get(1) in ("R03", b"R03", "R03\0", b"R03\0"):
                return Stated(adobe_rgb(), said=True)
        gamma = camera.get(GAMMA)
        return _of_tags(exif, _USUAL_GAMMA if gamma is None else float(gamma))
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        AssertionError,
        struct.error,
    ):
        return Stated()


def adobe_rgb() -> bytes:
    """A profile of the space that cameras call Adobe RGB."""
    return matrix_profile("Compatible with Adobe RGB (1998)", ADOBE_RGB, ADOBE_GAMMA)


def _of_png(data: bytes, icc: bytes | None) -> Stated:
    chunks = dict(_chunks(data))
    coded = chunks.get(b"cICP", b"")
    if len(coded) == 4:
        primaries, transfer, matrix, full = coded
        if primaries in _PRIMARIES and transfer in _CURVES and matrix == 0 and full == 1:
            if (primaries, transfer) == (1, 13):
                return Stated(said=True)
            space = matrix_profile(f"H.273 {primaries}/{transfer}", _PRIMARIES[primaries], _CURVES[transfer]())
            hdr = transfer in _HDR
            return Stated(space, said=True, only_read=hdr, note=BRIGHT if hdr else "")
    if icc is not None:
        return Stated(icc, said=True)
    if b"sRGB" in chunks:
        return Stated(said=True)
    note = BROKEN if b"iCCP" in chunks else ""
    gamma, lights = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    exponent = 100_000 / value if len(gamma) == 4 and (value := int.from_bytes(gamma, "big")) else None
    points = [value / 100_000 for value in struct.unpack(">8I", lights)] if len(lights) == 32 else None
    with suppress(ValueError):
        stated = _of_figures(_paired(points), exponent)
        return stated._replace(note=note)
    return Stated(note=note)


def _of_tags(tags: Mapping[int, Any], gamma: float) -> Stated:
    """By the tags of a TIFF, which EXIF has too. Raises `ValueError` and `TypeError` for nonsense."""
    white, lights = _floats(tags.get(WHITE_POINT)), _floats(tags.get(PRIMARIES))
    if len(white) != 2 or len(lights) != 6:
        return Stated()
    curve: Curve | None = gamma
    table = tags.get(TRANSFER)
    if isinstance(table, tuple) and len(table) >= 256:
        entries = len(table) // 3 if len(table) % 3 == 0 else len(table)
        curve = np.asarray(table[:entries], np.float64) / 65535
    return _of_figures(_paired([*white, *lights]), curve)


def _of_figures(primaries: Primaries | None, curve: Curve | None) -> Stated:
    """Missing primaries or a missing curve are those of sRGB; so is a gamma of 2.2, which is how sRGB is said in a single number."""
    if primaries is None and curve is None:
        return Stated()
    usual = curve is None or (isinstance(curve, float) and abs(curve - _USUAL_GAMMA) < 0.01)
    lights = primaries or SRGB
    if np.abs(np.array(lights) - SRGB).max() < _CLOSE:
        lights = SRGB
        if usual:
            return Stated(said=True)
    if curve is None:
        curve = srgb_curve()
    return Stated(matrix_profile("As the file states", lights, curve), said=True)


def _paired(values: Sequence[float] | None) -> Primaries | None:
    if values is None:
        return None
    white, red, green, blue = zip(values[::2], values[1::2], strict=True)
    return Primaries(white, red, green, blue)


def _floats(values: object) -> list[float]:
    return [float(value) for value in values] if isinstance(values, tuple) else []


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the chunks before the pixels."""
    at = 8
    while at + 12 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind in (b"IDAT", b"IEND"):
            return
        body = data[at + 8 : at + 8 + size]
        if int.from_bytes(data[at + 8 + size : at + 12 + size], "big") == zlib.crc32(kind + body):
            yield kind, body
        at += 12 + size
