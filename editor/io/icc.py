"""ICC profiles made of numbers: for files that state their colour space in figures and not by a profile."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]  # CIE x, y
Curve = float | NDArray[np.float64]
"""How light a number is: the exponent of a power law, or the light (0 to 1) at evenly spaced numbers from 0 to 1."""

D65: Final[Point] = 0.3127, 0.3290
ENTRIES = 4096  # of a curve that is no power law
_D50 = np.array([0.9642, 1.0, 0.8249])  # what profiles are relative to
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


class Primaries(NamedTuple):
    """The chromaticities of white and of the three lights."""

    white: Point
    red: Point
    green: Point
    blue: Point


SRGB: Final = Primaries(D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_RGB: Final = Primaries(D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
DISPLAY_P3: Final = Primaries(D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
REC_2020: Final = Primaries(D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
ADOBE_GAMMA: Final = 563 / 256


def srgb_curve() -> NDArray[np.float64]:
    """The curve of sRGB (IEC 61966-2-1)."""
    x = np.linspace(0, 1, ENTRIES)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def rec_709_curve() -> NDArray[np.float64]:
    """The curve of BT.709, BT.601 and BT.2020 as cameras use it."""
    x = np.linspace(0, 1, ENTRIES)
    return np.where(x < 0.081, x / 4.5, ((x + 0.099) / 1.099) ** (1 / 0.45))


def matrix_profile(name: str, primaries: Primaries, curve: Curve) -> bytes:
    """An ICC profile (version 2.4, class “monitor”) of an RGB space. Raises `ValueError` for primaries that span no space.

    name: what programs call it, ASCII
    curve: for all three channels
    """
    white, columns = _colourants(primaries)
    shared = _curve(curve)
    tags = [
        (b"desc", _description(name)),
        (b"cprt", b"text\0\0\0\0Public domain\0"),
        (b"wtpt", _xyz(white)),
        *((tag, _xyz(column)) for tag, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns.T, strict=True)),
        *((tag, shared) for tag in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    return _profile(b"RGB ", tags)


def grey_profile(name: str, curve: Curve) -> bytes:
    """An ICC profile of a scale of greys."""
    tags = [
        (b"desc", _description(name)),
        (b"cprt", b"text\0\0\0\0Public domain\0"),
        (b"wtpt", _xyz(_D50)),
        (b"kTRC", _curve(curve)),
    ]
    return _profile(b"GRAY", tags)


def _colourants(primaries: Primaries) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """White, (3,), and the three lights as columns, (3, 3): both in XYZ, the lights adapted to D50."""
    xs, ys = np.array(primaries, np.float64).T
    if not (np.isfinite(xs).all() and np.isfinite(ys).all() and ys.min() >= 1e-4):
        raise ValueError(f"{primaries} are no chromaticities")
    white, *lights = np.stack([xs / ys, np.ones(4), (1 - xs - ys) / ys], axis=1)
    matrix = np.array(lights).T
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise ValueError(f"{primaries} span no space")
    matrix = matrix * np.linalg.solve(matrix, white)
    cones = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted = np.linalg.solve(_BRADFORD, cones[:, None] * (_BRADFORD @ matrix))
    if not max(np.abs(adapted).max(), np.abs(white).max()) < 8:
        raise ValueError(f"{primaries} span no space")
    return white, adapted


def _profile(space: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    places: dict[bytes, int] = {}
    for tag, value in tags:
        if value not in places:  # the three curves are one
            places[value] = at + len(body)
            body += value + bytes(-len(value) % 4)
        table += tag + struct.pack(">II", places[value], len(value))
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += b"".join(struct.pack(">i", round(value * 65536)) for value in _D50)
    return head.ljust(128, b"\0") + table + body


def _description(name: str) -> bytes:
    text = name.encode("ascii", "replace") + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _curve(curve: Curve) -> bytes:
    if isinstance(curve, int | float):
        if not 1 / 256 <= curve < 256:
            raise ValueError(f"no curve has the exponent {curve}")
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(curve * 256))
    values = np.rint(np.clip(curve, 0, 1) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + values.tobytes()
