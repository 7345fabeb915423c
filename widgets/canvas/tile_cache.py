"""Tile caches: what was computed of a picture or a map at the levels that are looked at, and the flattened picture of documents."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from editor.arrays import Pixels
from editor.document.document import Document, picture_changes
from editor.geometry import EMPTY, Rect, Size
from widgets.canvas.levels import level_size, picture_at, sketch_at, to_level

Source = Callable[[int, Rect], Pixels]
Key = tuple[int, int, int]  # level, row, column

# Up to this many source pixels are computed straight from the document: less work than bringing whole tiles up to date.
_SMALL = 512 * 512


@dataclass(slots=True)
class _Tile:
    rect: Rect  # in level pixels
    pixels: Pixels
    exact: bool
    stale: Rect = EMPTY  # the part that has changed since, in level pixels


class TileCache:
    """Level pixels of something of `size`, computed by `exact(level, rect)` when they are asked for.

    `sketch(level, rect)` is a quick stand-in for what there was no time for; None when `exact` is always quick. `budget`: bytes.
    Both sources give (h, w[, C]) uint8 for a rectangle of level pixels.
    """

    def __init__(self, size: Size, exact: Source, sketch: Source | None = None, budget: int = 192 * 1024**2) -> None:
        self.size = size
        self._exact = exact
        self._sketch = sketch
        self._budget = budget
        self._tiles: OrderedDict[Key, _Tile] = OrderedDict()
        self._bytes = 0

    def invalidate(self, rects: Iterable[Rect]) -> None:
        """These parts, in source pixels, have changed."""
        levels = {key[0] for key in self._tiles}
        for rect in rects:
            for level in levels:
                area = to_level(rect, level)
                for key in self._keys(level, area):
                    tile = self._tiles.get(key)
                    if tile is not None:
                        tile.stale = tile.stale.unite(area.intersect(tile.rect))

    def gather(self, level: int, rect: Rect, deadline: float | None = None) -> tuple[Pixels, bool]:
        """The level pixels inside `rect`, which must lie within the level, and whether all of them are exact.

        Past `deadline` (of `time.perf_counter`) what is missing is sketched. Not to be written to.
        """
        key = next(self._keys(level, rect))
        first = self._tiles.get(key)
        if first is not None and first.exact and first.stale.empty and first.rect.holds(rect):
            return first.pixels[rect.within(first.rect).slices], True
        if rect.size.area << (2 * level) <= _SMALL and not self._known(level, rect):
            return self._exact(level, rect), True
        tiles = [self._tile(key, deadline) for key in self._keys(level, rect)]
        self._forget()
        return _assembled(tiles, rect), all(tile.exact for tile in tiles)

    def refine(self, level: int, rect: Rect, deadline: float) -> list[Rect]:
        """Replace sketches inside `rect` (level pixels) until the deadline, at least one; the level rectangles that were."""
        rects = []
        for key in self._keys(level, rect):
            tile = self._tiles.get(key)
            if tile is not None and not tile.exact:
                tile.pixels, tile.exact, tile.stale = self._exact(level, tile.rect), True, EMPTY
                rects.append(tile.rect)
                if time.perf_counter() >= deadline:
                    break
        return rects

    def _known(self, level: int, rect: Rect) -> bool:
        """Whether every tile under `rect` is there, and nothing inside `rect` has changed."""
        for key in self._keys(level, rect):
            tile = self._tiles.get(key)
            if tile is None or not tile.exact or not tile.stale.intersect(rect).empty:
                return False
        return True

    def _tile(self, key: Key, deadline: float | None) -> _Tile:
        tile = self._tiles.get(key)
        late = deadline is not None and self._sketch is not None and time.perf_counter() >= deadline
        make = self._rough if late else self._exact
        if tile is None:
            rect = self._rect(key)
            tile = _Tile(rect, np.ascontiguousarray(make(key[0], rect)), not late)
            self._tiles[key] = tile
            self._bytes += tile.pixels.nbytes
        elif not tile.stale.empty:
            if not tile.pixels.flags.writeable:
                tile.pixels = tile.pixels.copy()
            tile.pixels[tile.stale.within(tile.rect).slices] = make(key[0], tile.stale)
            tile.exact = tile.exact and not late
            tile.stale = EMPTY
        self._tiles.move_to_end(key)
        return tile

    def _rough(self, level: int, rect: Rect) -> Pixels:
        """What another level knows of it, enlarged; where none does, a sketch."""
        for coarser in range(level + 1, level + 3):
            step = 1 << (coarser - level)
            above = to_level(rect, coarser - level)
            keys = list(self._keys(coarser, above))
            tiles = [tile for key in keys if (tile := self._tiles.get(key)) is not None and tile.stale.empty]
            if len(tiles) < len(keys):
                continue
            pixels = _assembled(tiles, above)
            large = cv2.resize(pixels, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
            offset = rect.moved(-above.left * step, -above.top * step)
            return np.ascontiguousarray(np.asarray(large, np.uint8)[offset.slices])
        assert self._sketch is not None, "only what can be sketched has deadlines"
        return self._sketch(level, rect)

    def _rect(self, key: Key) -> Rect:
        level, row, column = key
        side = _side(level)
        size = level_size(self.size, level)
        return Rect.at(column * side, row * side, side, side).intersect(Rect.of_size(size))

    def _keys(self, level: int, rect: Rect) -> Iterator[Key]:
        side = _side(level)
        for row in range(rect.top // side, (rect.bottom - 1) // side + 1):
            for column in range(rect.left // side, (rect.right - 1) // side + 1):
                yield level, row, column

    def _drop(self, key: Key) -> None:
        self._bytes -= self._tiles.pop(key).pixels.nbytes

    def _forget(self) -> None:
        while self._bytes > self._budget and len(self._tiles) > 1:
            self._drop(next(iter(self._tiles)))


def _assembled(tiles: list[_Tile], rect: Rect) -> Pixels:
    """The part inside `rect`, which the tiles cover together."""
    pixels = np.empty((rect.height, rect.width, *tiles[0].pixels.shape[2:]), np.uint8)
    for tile in tiles:
        part = tile.rect.intersect(rect)
        pixels[part.within(rect).slices] = tile.pixels[part.within(tile.rect).slices]
    return pixels


def _side(level: int) -> int:
    """In level pixels. A tile never stands for more than 2048 x 2048 source pixels, so that one is computed in a few milliseconds."""
    return min(256, 2048 >> level)


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
