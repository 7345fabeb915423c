"""numpy <-> QImage; the only such place.

Qt's fastest formats keep a pixel as one 32-bit word, which is blue, green, red, alpha in memory; pictures in the editor are red,
green, blue, alpha with straight alpha.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColorSpace, QImage

from editor.arrays import Pixels
from editor.document.colour import to_srgb


def premultiplied(pixels: Pixels) -> Pixels:
    """(h, w, 4) uint8 RGBA with straight alpha -> BGRA with premultiplied alpha, a new array."""
    bgra = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA), np.uint8)
    if opaque(bgra):
        return bgra
    alpha = bgra[..., 3:].astype(np.uint16)
    bgra[..., :3] = (bgra[..., :3] * alpha + 127) // 255
    return bgra


def opaque(pixels: Pixels) -> bool:
    """Whether every alpha of a contiguous (h, w, 4) uint8 array is 255."""
    if pixels.size == 0:
        return True
    return bool(pixels.view("<u4").min() >= 0xFF000000)


def wrap(pixels: Pixels, *, alpha: bool = True) -> QImage:
    """A QImage over a contiguous (h, w, 4) uint8 BGRA array, premultiplied; it shares the memory, so the array must outlive it."""
    height, width = pixels.shape[:2]
    kind = QImage.Format.Format_ARGB32_Premultiplied if alpha else QImage.Format.Format_RGB32
    return QImage(pixels.data, width, height, 4 * width, kind)


def to_qimage(pixels: Pixels) -> QImage:
    """A QImage of its own from (h, w, 4) RGBA straight alpha, (h, w, 3) RGB or (h, w) grey, all uint8."""
    if pixels.ndim == 2:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGBA), np.uint8)
    elif pixels.shape[2] == 3:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA), np.uint8)
    return wrap(premultiplied(np.ascontiguousarray(pixels))).copy()


def tagged(pixels: Pixels, icc: bytes | None) -> QImage:
    """A QImage of its own from (h, w, 4) RGBA, alpha kept straight, that knows its colour space. `icc`: None for sRGB."""
    space = QColorSpace(QColorSpace.NamedColorSpace.SRgb)
    if icc is not None:
        own = QColorSpace.fromIccProfile(icc)
        if own.isValid():
            space = own
        else:  # Qt knows fewer kinds of profiles
            pixels = to_srgb(pixels, icc)
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()
    image.setColorSpace(space)
    return image


def from_qimage(image: QImage) -> Pixels:
    """(h, w, 4) uint8 RGBA, straight alpha, a new array."""
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    width, height, stride = image.width(), image.height(), image.bytesPerLine()
    rows: NDArray[Any] = np.frombuffer(image.constBits(), np.uint8, count=stride * height).reshape(height, stride)
    return rows[:, : 4 * width].reshape(height, width, 4).copy()
