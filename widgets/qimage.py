"""numpy <-> QImage; the only such place.

Qt's fastest formats keep a pixel as one 32-bit word, which is blue, green, red, alpha in memory; pictures in the editor are red,
green, blue, alpha with straight alpha.

Below that the colour space of the screen that a widget is on, as far as the platform tells it. macOS and Wayland take what is drawn for sRGB and
convert it themselves; a window whose surface was given a colour space says so. Windows converts nothing, and names the profile of the screen.
"""

from __future__ import annotations

import os
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms
from PySide6.QtGui import QColorSpace, QImage, QWindow
from PySide6.QtWidgets import QWidget

from editor.arrays import Pixels
from editor.document.colour import can_be_edited_in, convert, to_srgb

Words = NDArray[np.uint32]
"""Pixels as Qt keeps them: premultiplied alpha, red, green, blue, from the highest byte down."""


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


def screen_profile(widget: QWidget) -> bytes | None:
    """The ICC profile of what is drawn on the widget's window; None for sRGB, or where nobody knows."""
    window = cast(
        "QWindow | None", widget.window().windowHandle()
    )  # the type hints know no widget that is not shown yet
    if window is None:
        return None
    space = window.format().colorSpace()
    icc = bytes(space.iccProfile().data()) if space.isValid() else b""
    if not icc and os.name == "nt":
        icc = _of_windows(int(window.winId()))
    return icc if icc and can_be_edited_in(icc) else None


def on_screen(pixels: Pixels, widget: QWidget) -> Pixels:
    """sRGB pixels, (h, w, 3 or 4), as they are to be drawn on the widget."""
    return convert(pixels, None, screen_profile(widget))


def _of_windows(window: int) -> bytes:
    try:
        profile = ImageCms.get_display_profile(window)
        return b"" if profile is None else profile.tobytes()
    except (OSError, ImageCms.PyCMSError):
        return b""
