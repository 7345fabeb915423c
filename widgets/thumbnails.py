"""Small pictures of large things, made by looking only at as many pixels as are shown."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from editor.compose import lay
from editor.document import Document
from editor.geometry import Rect
from editor.item import Exemplar, Item
from editor.layer import Layer
from editor.report import EditResult
from editor.tiles import Tiles
from widgets.qimage import to_qimage
from widgets.theme import colours

Pixels = NDArray[np.uint8]

# Samples per shown pixel and axis; averaging them hides that the rest was skipped.
OVERSAMPLE = 2
SIDE = 36
CHECK = 4


def layer_thumbnail(layer: Layer, side: int) -> Pixels:
    """(h, w, 4) uint8 straight alpha, the longer side `side` pixels, like all of these."""
    return _shrunk(_sampled(layer.pixels, layer.pixels.rect, side), side)


def document_thumbnail(document: Document, side: int, rect: Rect | None = None) -> Pixels:
    """What `rect` of the document (all of it by default) shows."""
    return _shrunk(_flat(document, rect or document.rect, side), side)


def item_thumbnail(document: Document, item: Item, side: int) -> Pixels:
    """What the item covers, the rest transparent."""
    area = item.rect.intersect(document.rect)
    if area.empty:
        return np.zeros((1, 1, 4), np.uint8)
    pixels = _flat(document, area, side)
    mask = _sampled(item.mask, area, side)
    pixels[..., 3] = (pixels[..., 3] * mask).astype(np.uint8)
    return _shrunk(pixels, side)


def exemplar_thumbnail(exemplar: Exemplar, side: int) -> Pixels:
    """The exemplar inside its cut-out."""
    step = _step(exemplar.cutout.rect, side)
    pixels = exemplar.pixels[step // 2 :: step, step // 2 :: step].copy()
    cutout = _sampled(exemplar.cutout, exemplar.cutout.rect, side)
    pixels[..., 3] = (pixels[..., 3] * cutout).astype(np.uint8)
    return _shrunk(pixels, side)


def result_thumbnail(document: Document, result: EditResult, rect: Rect, side: int) -> Pixels:
    """What `rect` of the document would show with the result laid on."""
    area = rect.intersect(document.rect)
    step = _step(area, side)
    pixels = _flat(document, area, side)
    part = area.intersect(result.rect)
    if part.empty:
        return _shrunk(pixels, side)
    rows = _picks(area.top, area.bottom, step)
    columns = _picks(area.left, area.right, step)
    inside_rows = (rows >= part.top) & (rows < part.bottom)
    inside_columns = (columns >= part.left) & (columns < part.right)
    over = result.pixels[
        np.ix_(rows[inside_rows] - result.rect.top, columns[inside_columns] - result.rect.left, np.arange(4))
    ]
    window = np.ix_(inside_rows, inside_columns)
    under = np.ascontiguousarray(pixels[window])
    if under.size:
        lay(under, np.ascontiguousarray(over), 1.0, "normal")
        pixels[window] = under
    return _shrunk(pixels, side)


def _flat(document: Document, rect: Rect, side: int) -> Pixels:
    found: Pixels | None = None
    for layer in document.layers:
        if layer.visible and layer.opacity > 0:
            sheet = _sampled(layer.pixels, rect, side)
            if found is None:
                found = np.zeros_like(sheet)
            lay(found, sheet, layer.opacity, layer.blend)
    if found is None:
        step = _step(rect, side)
        found = np.zeros((*_grid(rect, step), 4), np.uint8)
    return found


def _step(rect: Rect, side: int) -> int:
    return max(1, max(rect.size) // (side * OVERSAMPLE))


def _picks(start: int, stop: int, step: int) -> NDArray[np.intp]:
    return np.arange(start + min(step // 2, stop - start - 1), stop, step)


def _grid(rect: Rect, step: int) -> tuple[int, int]:
    return len(_picks(rect.top, rect.bottom, step)), len(_picks(rect.left, rect.right, step))


def _sampled(tiles: Tiles, rect: Rect, side: int) -> NDArray[Any]:
    """Every so manieth element inside `rect`."""
    step = _step(rect, side)
    rows, columns = _picks(rect.top, rect.bottom, step), _picks(rect.left, rect.right, step)
    found = np.zeros((len(rows), len(columns), *tiles.shape[2:]), tiles.dtype)
    spans = {}  # of each row and column of blocks: which picks fall into it
    for where, block in tiles.blocks(rect):
        if tiles.is_blank(block):
            continue
        for start, stop, picks in ((where.top, where.bottom, rows), (where.left, where.right, columns)):
            if (start, id(picks)) not in spans:
                spans[start, id(picks)] = slice(*np.searchsorted(picks, (start, stop)).tolist())
        i, j = spans[where.top, id(rows)], spans[where.left, id(columns)]
        if i.start < i.stop and j.start < j.stop:
            picked = block[rows[i.start] - where.top :: step, columns[j.start] - where.left :: step]
            found[i, j] = picked[: i.stop - i.start, : j.stop - j.start]
    return found


def _shrunk(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    # At most `side`: what should come out as `side` exactly may come out a trifle larger.
    size = min(side, math.ceil(width * scale)), min(side, math.ceil(height * scale))
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA), np.uint8)


class Thumbnail(QWidget):
    """A small picture, fitted into a rounded square; a fine check stands for transparent."""

    def __init__(self, side: int = SIDE, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pixmap: QPixmap | None = None
        self.setFixedSize(side, side)

    @property
    def device_side(self) -> int:
        """How many pixels a picture needs on its longer side to look crisp here."""
        return round(max(self.width(), self.height()) * self.devicePixelRatioF())

    def show_pixels(self, pixels: Pixels | None) -> None:
        """(h, w, 4) uint8 straight alpha; None shows nothing."""
        self._pixmap = None if pixels is None else QPixmap.fromImage(to_qimage(pixels))
        self.update()

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def paintEvent(self, event: QPaintEvent) -> None:
        found = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QPainterPath()
        frame.addRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.save()
        painter.setClipPath(frame)
        painter.fillRect(self.rect(), QColor(found.raised))
        for y in range(0, self.height(), CHECK):
            for x in range((y // CHECK % 2) * CHECK, self.width(), 2 * CHECK):
                painter.fillRect(x, y, CHECK, CHECK, QColor(found.pressed))
        if self._pixmap is not None:
            size = QSize(self._pixmap.size())
            scale = min(self.width() / size.width(), self.height() / size.height())
            width, height = size.width() * scale, size.height() * scale
            target = QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)
            painter.drawPixmap(target, self._pixmap, QRectF(self._pixmap.rect()))
        painter.restore()
        painter.setPen(QColor(found.line))
        painter.drawPath(frame)
