"""Colour spaces of pixels: ICC profiles as bytes, None for sRGB, and conversion between them by Little CMS.

Everything that crosses from one space to another goes through here, also on its way to the screen, so that one colour comes out the same
everywhere. Conversion is relative to the white of each space, with black point compensation, as picture editors do by default.
"""

from __future__ import annotations

import io
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageCms

from editor.arrays import Pixels

RGB = tuple[int, int, int]

BAND = 1 << 22  # pixels converted at a time, which bounds what it takes beside the picture
CLOSE = 1  # of 255: spaces that differ by no more than rounding are the same
_GRID = 9  # colours along each axis that tell whether two spaces are the same
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_UNUSABLE = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


def convert(pixels: Pixels, source: bytes | None, target: bytes | None) -> Pixels:
    """(h, w, 3 or 4) uint8 of one space in another; alpha stays, and the colours under it go along. The very array where nothing changes.

    A profile that cannot be used counts as sRGB.
    """
    transform = _transform(source, target)
    if transform is None or pixels.size == 0:
        return pixels
    height, width, channels = pixels.shape
    result = np.empty((height, width, channels), np.uint8)
    rows = max(BAND // width, 1)
    for top in range(0, height, rows):
        band = pixels[top : top + rows]
        if channels == 3:
            band = np.asarray(cv2.cvtColor(band, cv2.COLOR_RGB2RGBA), np.uint8)
        size = width, len(band)
        image = Image.frombuffer("RGBA", size, np.ascontiguousarray(band), "raw", "RGBA", 0, 1)
        converted = np.asarray(transform.apply(image))
        result[top : top + rows] = cv2.cvtColor(converted, cv2.COLOR_RGBA2RGB) if channels == 3 else converted
    return result


def to_srgb(pixels: Pixels, icc: bytes | None) -> Pixels:
    return convert(pixels, icc, None)


def convert_one(colour: RGB, source: bytes | None, target: bytes | None) -> RGB:
    """One colour, 0 to 255."""
    red, green, blue = (int(value) for value in convert(np.array([[colour]], np.uint8), source, target)[0, 0])
    return red, green, blue


def same_space(one: bytes | None, other: bytes | None) -> bool:
    """Whether the same numbers are the same colours in both."""
    return _transform(one, other) is None


def can_be_edited_in(icc: bytes) -> bool:
    """Whether pixels can be in this space: colours go into it and out of it."""
    return _kind(icc) == b"RGB " and _built(icc, None) is not None and _built(None, icc) is not None


def can_be_read(icc: bytes) -> bool:
    """Whether colours come out of this space of red, green and blue; scanners' profiles often lead only one way."""
    return _kind(icc) == b"RGB " and _built(icc, None) is not None


def _kind(icc: bytes) -> bytes:
    return icc[16:20]


@lru_cache(32)
def _transform(source: bytes | None, target: bytes | None) -> ImageCms.ImageCmsTransform | None:
    """None where there is nothing to do."""
    source = source if source is not None and can_be_read(source) else None
    target = target if target is not None and can_be_edited_in(target) else None
    if source == target:
        return None
    transform = _built(source, target)
    if transform is None:
        return None
    axis = np.linspace(0, 255, _GRID).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(1, -1, 3)
    grid = np.concatenate([grid, np.full((1, grid.shape[1], 1), 255, np.uint8)], axis=2)
    image = Image.frombuffer("RGBA", (grid.shape[1], 1), np.ascontiguousarray(grid), "raw", "RGBA", 0, 1)
    apart = np.abs(np.asarray(transform.apply(image)).astype(np.int16) - grid).max()
    return None if apart <= CLOSE else transform


@lru_cache(64)
def _built(source: bytes | None, target: bytes | None) -> ImageCms.ImageCmsTransform | None:
    try:
        return ImageCms.buildTransform(_opened(source), _opened(target), "RGBA", "RGBA", _INTENT, _FLAGS)
    except _UNUSABLE:
        return None


def _opened(icc: bytes | None) -> ImageCms.ImageCmsProfile:
    if icc is None:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.ImageCmsProfile(io.BytesIO(icc))
