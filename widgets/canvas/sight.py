"""Sight: a document's flattened picture at the levels that are looked at, computed as far as time allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from editor.document import Document, picture_changes
from editor.geometry import Rect
from widgets.canvas.levels import picture_at, sketch_at
from widgets.canvas.tile_cache import TileCache

Pixels = NDArray[np.uint8]


class Sight:
    """A document's picture at the levels that are looked at."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.deadline: float | None = None
        self.rough = False  # whether anything was sketched since this was last set to false
        self.cache = TileCache(document.size, self._exact, self._sketch)

    def show(self, document: Document) -> list[Rect]:
        """Another version of the same size; the rectangles (picture pixels) in which it looks different."""
        rects = picture_changes(self.document, document)
        self.document = document
        self.cache.invalidate(rects)
        return rects

    def gather(self, level: int, rect: Rect) -> Pixels:
        pixels, exact = self.cache.gather(level, rect, self.deadline)
        self.rough = self.rough or not exact
        return pixels

    def _exact(self, level: int, rect: Rect) -> Pixels:
        return picture_at(self.document, level, rect)

    def _sketch(self, level: int, rect: Rect) -> Pixels:
        return sketch_at(self.document, level, rect)
