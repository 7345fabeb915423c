"""Composite cache: the flattened picture of documents at the levels that are looked at, and where two pictures differ."""

from __future__ import annotations

import numpy as np

from editor.arrays import Pixels
from editor.document.compose import flatten
from editor.document.document import Document, picture_changes
from editor.geometry import Rect
from widgets.canvas.colour_map import Words, word
from widgets.canvas.levels import from_level, level_size, picture_at, sketch_at, to_level
from widgets.canvas.resampler import Resampler
from widgets.canvas.tile_cache import TileCache

_CHANGED = word((255, 0, 200), 0.8)


class CompositeCache:
    """A document's picture at the levels that are looked at. `screen`: the ICC profile of what it is drawn on, None for sRGB."""

    def __init__(self, document: Document, screen: bytes | None = None) -> None:
        self.document = document
        self.screen = screen
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
        return picture_at(self.document, level, rect, self.screen)

    def _sketch(self, level: int, rect: Rect) -> Pixels:
        return sketch_at(self.document, level, rect, self.screen)


class Changes:
    """Where the pictures of two documents of one size differ by any byte: a level pixel is marked when one pixel under it differs."""

    def __init__(self, before: Document, after: Document) -> None:
        self._before, self._after = before, after
        self._places = self._differing()
        self._cache = TileCache(after.size, self._exact)

    def show(self, before: Document, after: Document) -> list[Rect]:
        """Compare these instead; the rectangles (picture pixels) in which the answer may be another."""
        if before is self._before and after.layers is self._after.layers:
            return []
        old = self._places
        self._before, self._after = before, after
        self._places = self._differing()
        self._cache.invalidate(old + self._places)
        return old + self._places

    def shade(self, lens: Resampler, area: Rect, words: Words) -> bool:
        """Draw `area` (device pixels on the picture) into (h, w) premultiplied ARGB words; whether anything can differ."""
        if not self._places:
            return False
        coverage = lens.sample(lambda level, rect: self._cache.gather(level, rect)[0], area, fade=True)
        words[...] = np.where(coverage >= 64, _CHANGED, np.uint32(0))
        return True

    def _differing(self) -> list[Rect]:
        return [] if self._before.size != self._after.size else picture_changes(self._before, self._after)

    def _exact(self, level: int, rect: Rect) -> Pixels:
        coverage = np.zeros((rect.height, rect.width), np.uint8)
        whole = Rect.of_size(level_size(self._after.size, level))
        for place in self._places:
            part = to_level(place, level).intersect(rect).intersect(whole)
            if part.empty:
                continue
            source = from_level(part, level).intersect(self._after.rect)
            differs = (flatten(self._before, source) != flatten(self._after, source)).any(axis=2)
            rows = np.logical_or.reduceat(differs, np.arange(0, source.height, 1 << level), axis=0)
            pooled = np.logical_or.reduceat(rows, np.arange(0, source.width, 1 << level), axis=1)
            coverage[part.within(rect).slices] |= pooled * np.uint8(255)
        return coverage
