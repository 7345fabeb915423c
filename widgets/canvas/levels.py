"""The picture and the maps at a level: shrunk by 2^level, a whole number of source pixels to every level pixel.

Level pixel (0, 0) covers the first 2^level x 2^level pixels; the last row and column may cover fewer.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Pixels
from editor.document.colour import convert
from editor.document.compose import flatten, thinned
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.geometry import Rect, Size
from widgets.qimage import opaque, premultiplied

MAX_LEVEL = 6  # a block of 128 pixels still has whole level pixels up to 7
_SAMPLED = 2  # averages of maps are of 2^this x 2^this samples; thin strokes take more
_CHUNK = 512  # source pixels flattened at a time, so that the work stays in the processor's cache


def level_for(zoom: float) -> int:
    """The level whose pixels are shown at a scale in (1/2, 1], or 0 from zoom 1 on."""
    return min(max(math.floor(-math.log2(zoom) + 1e-9), 0), MAX_LEVEL)


def level_size(size: Size, level: int) -> Size:
    return Size(-(-size.width >> level), -(-size.height >> level))


def to_level(rect: Rect, level: int) -> Rect:
    """The level pixels that `rect` of the source touches."""
    return Rect(rect.left >> level, rect.top >> level, -(-rect.right >> level), -(-rect.bottom >> level))


def from_level(rect: Rect, level: int) -> Rect:
    """The source pixels under level pixels; may reach past the last row and column of the source."""
    return Rect(*(side << level for side in rect))


def picture_at(document: Document, level: int, rect: Rect, screen: bytes | None = None) -> Pixels:
    """(h, w, 4) uint8 BGRA premultiplied: the flattened picture inside `rect` of the level, every pixel an average.

    screen: the ICC profile of what it is drawn on, None for sRGB
    """
    icc = document.metadata.icc
    if level == 0:
        return premultiplied(convert(flatten(document, rect), icc, screen))
    pixels = np.empty((rect.height, rect.width, 4), np.uint8)
    step = max(_CHUNK >> level, 1)
    for top in range(rect.top, rect.bottom, step):
        for left in range(rect.left, rect.right, step):
            part = Rect(left, top, min(left + step, rect.right), min(top + step, rect.bottom))
            source = from_level(part, level).intersect(document.rect)
            single = _single(document, source)
            flat = flatten(document, source) if single is None else single
            small = _shrunk(flat, level)
            # What is transparent must not count as colour.
            shown = convert(small if opaque(small) else flat, icc, screen)
            laid = premultiplied(shown)
            pixels[part.within(rect).slices] = laid if opaque(small) else _shrunk(laid, level)
    return pixels


def sketch_at(document: Document, level: int, rect: Rect, screen: bytes | None = None) -> Pixels:
    """The same from one source pixel for each level pixel: quick and rough."""
    source = from_level(rect, level).intersect(document.rect)
    step = 1 << level
    single = _single(document, source)
    sample = thinned(document, source, step) if single is None else np.ascontiguousarray(single[::step, ::step])
    return premultiplied(convert(sample, document.metadata.icc, screen))


def map_at(tiles: Tiles, level: int, rect: Rect) -> Pixels:
    """(h, w) uint8, 255 for 1: an (H, W) float32 map inside `rect` of the level, every pixel an average."""
    if level == 0:
        return _to_bytes(tiles.read(rect))
    source = from_level(rect, level).intersect(tiles.rect)
    if source.size.area <= _CHUNK * _CHUNK:  # a dab: one piece is quicker than block by block
        return _to_bytes(_shrunk(tiles.read(source), level))
    coverage = np.zeros((rect.height, rect.width), np.uint8)
    for where, block in tiles.blocks(source):
        if tiles.is_blank(block):
            continue
        part = where.intersect(source)
        values = block[part.within(where).slices]
        coverage[to_level(part, level).within(rect).slices] = _to_bytes(_shrunk(values, level))
    return coverage


def reduced_map(tiles: Tiles, level: int, rect: Rect, *, largest: bool = False) -> NDArray[np.float32]:
    """(h, w) float32: an (H, W) float32 map inside `rect` of the level, every pixel an average or, with `largest`, the most there is: of
    samples, where it covers many.
    """
    step = max(level - (_SAMPLED + 1 if largest else _SAMPLED), 0)
    values = tiles.thinned(from_level(rect, level).intersect(tiles.rect), 1 << step)
    return _most(values, level - step) if largest else np.asarray(_shrunk(values, level - step), np.float32)


def _to_bytes(values: NDArray[Any]) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(values, alpha=255.0), np.uint8)


def _single(document: Document, rect: Rect) -> Pixels | None:
    """A view of the one layer that shows inside `rect`, when that is still one array and shows as it is."""
    shown = [
        layer
        for layer in document.layers
        if layer.visible and layer.opacity > 0 and not _nothing_in(layer.pixels, rect)
    ]
    if len(shown) != 1 or shown[0].opacity < 1 or shown[0].clip:
        return None
    return shown[0].pixels.view(rect)


def _nothing_in(pixels: Tiles, rect: Rect) -> bool:
    return all(pixels.is_blank(block) for _, block in pixels.blocks(rect))


def _shrunk(array: NDArray[Any], level: int) -> NDArray[Any]:
    """Every 2^level x 2^level pixels averaged; the ragged rest repeats its last row and column first."""
    step = 1 << level
    height, width = array.shape[:2]
    right, below = -width % step, -height % step
    if right or below:
        array = cv2.copyMakeBorder(array, 0, below, 0, right, cv2.BORDER_REPLICATE)
    size = (width + right) // step, (height + below) // step
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA))


def _most(array: NDArray[np.float32], level: int) -> NDArray[np.float32]:
    """The largest of every 2^level x 2^level pixels."""
    rows, columns = (range(0, side, 1 << level) for side in array.shape)
    return np.asarray(np.maximum.reduceat(np.maximum.reduceat(array, rows, axis=0), columns, axis=1), np.float32)
