"""The colours of the strength overlay: a perceptually even palette that reads without red and green, and its look-up tables."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from widgets.session.options import OverlayMode

Words = NDArray[np.uint32]

# Cividis (Nuñez, Anderton, Renslow, 2018) at eleven even steps, sRGB. The dark end is lifted so that low strengths still show on dark
# pictures; lightness stays monotonous.
_STOPS = np.array(
    [
        (0, 48, 111),
        (31, 62, 110),
        (60, 77, 110),
        (85, 91, 109),
        (107, 105, 112),
        (124, 123, 120),
        (147, 138, 119),
        (173, 156, 112),
        (199, 174, 100),
        (227, 193, 82),
        (254, 232, 56),
    ],
    np.float64,
)

ISO_LINES = (0.2, 0.4, 0.6, 0.8)


def colours() -> NDArray[np.uint8]:
    """(256, 3) uint8 sRGB, from strength 0 to 1."""
    at = np.linspace(0, len(_STOPS) - 1, 256)
    channels = [np.interp(at, np.arange(len(_STOPS)), _STOPS[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def table(mode: OverlayMode, opacity: float) -> Words:
    """(256,) uint32: for every strength the premultiplied ARGB word that lies over the picture; 0 is always fully transparent.

    Alpha rises quickly to `opacity`, so that the least strength is seen and none is clearly nothing.
    """
    strength = np.linspace(0, 1, 256)
    rgb = colours().astype(np.float64)
    match mode:
        case "heat" | "cells":
            alpha = opacity * np.minimum(1, 0.25 + strength * 3)
        case "contours":
            alpha = opacity * np.minimum(1, 0.25 + strength * 3) * 0.45
        case "grey":
            rgb = np.repeat(strength[:, None] * 255, 3, axis=1)
            alpha = np.ones(256)
        case "outline" | "off":
            alpha = np.zeros(256)
    if mode != "grey":
        alpha = alpha * (strength > 0)
    return words(rgb, alpha)


def look_up(table: Words, values: NDArray[np.uint8], words: Words) -> None:
    """Write the word of each value into `words`, of the same shape. Several times as fast as numpy's indexing."""
    cv2.LUT(values, table.view(np.int32), words.view(np.int32))


def words(rgb: NDArray[np.float64], alpha: NDArray[np.float64]) -> Words:
    """(n, 3) colours 0 to 255 and (n,) alpha 0 to 1 -> (n,) premultiplied ARGB words."""
    a = np.rint(alpha * 255).astype(np.uint32)
    r, g, b = (np.rint(rgb[:, channel] * alpha).astype(np.uint32) for channel in range(3))
    return np.asarray((a << 24) | (r << 16) | (g << 8) | b, np.uint32)


def word(grey_or_rgb: tuple[int, int, int], alpha: float) -> np.uint32:
    return np.uint32(words(np.array([grey_or_rgb], np.float64), np.array([alpha]))[0])
