"""Small pictures of large things, made by looking only at as many pixels as are shown. They are sRGB, whatever the document is."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Pixels
from editor.document.colour import to_srgb
from editor.document.compose import lay, thinned
from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document
from editor.document.tiles import Tiles, middle_of
from editor.geometry import Rect
from editor.requests.results import EditResult

# Samples per shown pixel and axis; averaging them hides that the rest was skipped.
OVERSAMPLE = 2


def layer_thumbnail(layer: Layer, side: int, icc: bytes | None = None) -> Pixels:
    """(h, w, 4) uint8 sRGB, straight alpha, the longer side `side` pixels, like all of these. `icc`: the profile of the document."""
    return to_srgb(_shrunk(_sampled(layer.pixels, layer.pixels.rect, side), side), icc)


def document_thumbnail(document: Document, side: int, rect: Rect | None = None) -> Pixels:
    """What `rect` of the document (all of it by default) shows."""
    return to_srgb(_shrunk(_flat(document, rect or document.rect, side), side), document.metadata.icc)


def item_thumbnail(document: Document, item: Item, side: int) -> Pixels:
    """What the item covers, the rest transparent."""
    area = item.rect.intersect(document.rect)
    if area.empty:
        return np.zeros((1, 1, 4), np.uint8)
    pixels = _flat(document, area, side)
    mask = _sampled(item.mask, area, side)
    pixels[..., 3] = (pixels[..., 3] * mask).astype(np.uint8)
    return to_srgb(_shrunk(pixels, side), document.metadata.icc)


def exemplar_thumbnail(exemplar: Exemplar, side: int, icc: bytes | None = None) -> Pixels:
    """The exemplar inside its cut-out. `icc`: the profile of the document."""
    step = _step(exemplar.cutout.rect, side)
    first = middle_of(exemplar.cutout.rect, step)
    pixels = exemplar.pixels[first.height :: step, first.width :: step].copy()
    cutout = _sampled(exemplar.cutout, exemplar.cutout.rect, side)
    pixels[..., 3] = (pixels[..., 3] * cutout).astype(np.uint8)
    return to_srgb(_shrunk(pixels, side), icc)


def result_thumbnail(document: Document, result: EditResult, rect: Rect, side: int) -> Pixels:
    """What `rect` of the document would show with the result laid on."""
    area = rect.intersect(document.rect)
    step = _step(area, side)
    pixels = _flat(document, area, side)
    part = area.intersect(result.rect)
    if part.empty:
        return to_srgb(_shrunk(pixels, side), document.metadata.icc)
    first = middle_of(area, step)
    rows = np.arange(area.top + first.height, area.bottom, step)
    columns = np.arange(area.left + first.width, area.right, step)
    inside_rows = (rows >= part.top) & (rows < part.bottom)
    inside_columns = (columns >= part.left) & (columns < part.right)
    over = result.pixels[
        np.ix_(rows[inside_rows] - result.rect.top, columns[inside_columns] - result.rect.left, np.arange(4))
    ]
    window = np.ix_(inside_rows, inside_columns)
    under = np.ascontiguousarray(pixels[window])
    if under.size:
        lay(under, np.ascontiguousarray(over), 1.0, "normal", clip=result.clip)
        pixels[window] = under
    return to_srgb(_shrunk(pixels, side), document.metadata.icc)


def _flat(document: Document, rect: Rect, side: int) -> Pixels:
    step = _step(rect, side)
    return thinned(document, rect, step, middle_of(rect, step))


def _sampled(tiles: Tiles, rect: Rect, side: int) -> NDArray[Any]:
    step = _step(rect, side)
    return tiles.thinned(rect, step, middle_of(rect, step))


def _step(rect: Rect, side: int) -> int:
    return max(1, max(rect.size) // (side * OVERSAMPLE))


def _shrunk(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    # At most `side`: what should come out as `side` exactly may come out a trifle larger.
    size = min(side, math.ceil(width * scale)), min(side, math.ceil(height * scale))
    if pixels[..., 3].min() == 255:
        return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA), np.uint8)
    # What is transparent must not count as colour.
    weighted = pixels.astype(np.float32)
    weighted[..., :3] *= weighted[..., 3:] * np.float32(1 / 255)
    small = np.asarray(cv2.resize(weighted, size, interpolation=cv2.INTER_AREA), np.float32)
    small[..., :3] *= 255 / np.maximum(small[..., 3:], 1e-3)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)
