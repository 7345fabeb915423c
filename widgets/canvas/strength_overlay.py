"""The strength overlay: the painted map as colours over the picture, what is protected and what is not copied from as hatching."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Pixels
from editor.document.document import Document, MapName
from editor.document.tiles import Tiles, changed
from editor.geometry import Rect
from widgets.canvas.colour_map import ISO_LINES, Words, look_up, table, word
from widgets.canvas.levels import map_at
from widgets.canvas.screen_pixels import Resampler
from widgets.canvas.tile_cache import TileCache
from widgets.session.options import OverlayMode

SHOWN: tuple[MapName, ...] = ("strength", "protect", "avoid")
_MAP_BUDGET = 48 * 1024**2
_LINE_LIGHT, _LINE_DARK = word((255, 255, 255), 0.92), word((0, 0, 0), 0.6)
_KERNELS = {reach: cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)) for reach in (1, 2)}
_STRIP = 2**17  # pixels that are looked at for lines at a time
_PLAIN_LIGHT, _PLAIN_DARK = (np.full(_STRIP, colour, np.uint32).view(np.int32) for colour in (_LINE_LIGHT, _LINE_DARK))
# Stripes lean the one way where nothing may change, the other way where nothing may be copied from.
_PROTECT = (word((255, 255, 255), 0.8), word((0, 0, 0), 0.38))
_AVOID = (word((255, 176, 64), 0.85), word((0, 0, 0), 0.3))
# With lines around what may change: middle strengths have the greys of many pictures.
_LINED: tuple[OverlayMode, ...] = ("heat", "contours", "outline")
_STRIPE = 8  # logical pixels from stripe to stripe


class _Plane:
    """One map of the document and what is known of it at other levels."""

    def __init__(self, tiles: Tiles) -> None:
        self.tiles = tiles
        self.blank = tiles.blank
        self.cache = TileCache(tiles.size, self._exact, budget=_MAP_BUDGET)

    def _exact(self, level: int, rect: Rect) -> Pixels:
        return map_at(self.tiles, level, rect)

    def gather(self, level: int, rect: Rect) -> Pixels:
        if level == 0:  # as quickly read as looked up
            return map_at(self.tiles, 0, rect)
        return self.cache.gather(level, rect)[0]

    def set(self, tiles: Tiles) -> list[Rect]:
        rects = changed(self.tiles, tiles)
        self.tiles = tiles
        # Asked only until something is written: going through every block takes long.
        self.blank = self.blank and tiles.blank
        self.cache.invalidate(rects)
        return rects


class StrengthOverlay:
    """Draws the maps of a document, area by area. `strength_shown`: whether the strength map is the one that counts just now."""

    def __init__(self, document: Document) -> None:
        self._planes = {name: _Plane(document.map(name)) for name in SHOWN}
        self._mode: OverlayMode = "heat"
        self._opacity = 0.45
        self._strength_shown = True
        self._table = table(self._mode, self._opacity)

    def set_document(self, document: Document) -> list[Rect]:
        """Show this document; the rectangles (picture pixels) in which it differs. It has the size of the one before."""
        rects: list[Rect] = []
        for name, plane in self._planes.items():
            tiles = document.map(name)
            if tiles is not plane.tiles:
                rects += plane.set(tiles)
        return rects

    def set_look(self, mode: OverlayMode, opacity: float, *, strength_shown: bool) -> bool:
        """How to draw; whether that differs from before."""
        look = (mode, opacity, strength_shown)
        if look == (self._mode, self._opacity, self._strength_shown):
            return False
        self._mode, self._opacity, self._strength_shown = look
        self._table = table(mode, opacity)
        return True

    @property
    def strength_shown(self) -> bool:
        return self._strength_shown and self._mode != "off"

    @property
    def table(self) -> Words:
        """(256,) premultiplied ARGB words, as `palette.table` makes them, for what else is drawn by strength."""
        return self._table

    @property
    def margin(self) -> int:
        """How many pixels around a change may look different, at most."""
        return 2 if self._mode in _LINED else 0

    def strength(self, lens: Resampler, area: Rect) -> Pixels:
        """(h, w) uint8, 255 for 1: the strength as it is drawn inside `area` of the screen."""
        return lens.sample(self._planes["strength"].gather, area, fade=True)

    def shade(self, lens: Resampler, area: Rect, words: Words) -> bool:
        """Draw `area` (device pixels on the picture) into (h, w) premultiplied ARGB words. False: there is nothing, and they are as before."""
        drawn = False
        if (
            self._mode not in ("off", "cells")  # cells are drawn as they are, not resampled
            and self._strength_shown
            and not (self._planes["strength"].blank and self._mode != "grey")
        ):
            self._shade_strength(lens, area, words)
            drawn = True
        if self._mode == "off":
            return drawn
        for name, tones, lean in (("protect", _PROTECT, 1), ("avoid", _AVOID, -1)):
            plane = self._planes[name]  # type: ignore[index]
            if not plane.blank:
                values = lens.sample(plane.gather, area, fade=True)
                if not drawn:
                    words[...] = 0
                    drawn = True
                _hatch(words, values, _phase(lens, area, lean), lens.viewport.ratio, tones)
        return drawn

    def _shade_strength(self, lens: Resampler, area: Rect, words: Words) -> None:
        reach = self._reach(lens)
        if not reach:
            look_up(self._table, self.strength(lens, area), words)
            return
        values = self.strength(lens, area.grow(reach))
        inner = slice(reach, -reach), slice(reach, -reach)
        look_up(self._table, values[inner], words)
        # In strips that stay in the cache; larger arrays are new pages of memory each time, which costs more than the lines.
        rows = max(1, _STRIP // values.shape[1])
        for top in range(0, area.height, rows):
            self._draw_lines(words[top : top + rows], values[top : top + rows + 2 * reach], reach)

    def _draw_lines(self, words: Words, values: Pixels, reach: int) -> None:
        """Write lines over `words`, (h, w). `values`: (h + 2 reach, w + 2 reach)."""
        if self._mode == "contours":
            values = np.asarray(cv2.LUT(values, _BANDS), np.uint8)
        elif cv2.countNonZero(values) in (0, values.size):
            return  # all of it lies on one side of the line
        else:  # a table would take many times as long
            values = np.asarray(cv2.threshold(values, 0, 1, cv2.THRESH_BINARY)[1], np.uint8)
        kernel = _KERNELS[reach]
        inner = slice(reach, -reach), slice(reach, -reach)
        here = values[inner]
        above = cv2.compare(cv2.dilate(values, kernel)[inner], here, cv2.CMP_GT)
        below = cv2.compare(here, cv2.erode(values, kernel)[inner], cv2.CMP_GT)
        # Several times as fast as numpy.
        for plain, mask in ((_PLAIN_DARK, above), (_PLAIN_LIGHT, below)):
            cv2.copyTo(plain[: words.size].reshape(words.shape), mask, words.view(np.int32))

    def _reach(self, lens: Resampler) -> int:
        """Half the width of a line, in device pixels; 0 when no lines are drawn."""
        if self._mode not in _LINED:
            return 0
        return 1 if lens.viewport.ratio < 1.5 else 2


def _bands() -> Pixels:
    bands = np.zeros(256, np.uint8)
    for line in ISO_LINES:
        bands[np.arange(256) >= round(line * 255)] += 1
    return bands


_BANDS = _bands()


def _phase(lens: Resampler, area: Rect, lean: int) -> NDArray[np.int64]:
    """Where between two stripes every pixel lies; the stripes hang on the picture, so that they move with it."""
    x0, y0 = area.left - round(lens.to_device.dx()), area.top - round(lens.to_device.dy())
    columns, rows = np.arange(area.width) + x0, np.arange(area.height) + y0
    return np.asarray((columns[None, :] + lean * rows[:, None]) % _period(lens.viewport.ratio), np.int64)


def _period(ratio: float) -> int:
    return max(4, round(_STRIPE * ratio))


def _hatch(
    out: Words, values: Pixels, phase: NDArray[np.int64], ratio: float, tones: tuple[np.uint32, np.uint32]
) -> None:
    """Stripes where `values` are at least a half."""
    width = max(1, round(1.25 * ratio))
    where = values >= 128
    light, dark = tones
    out[where & (phase < width)] = light
    out[where & (phase >= width) & (phase < 2 * width)] = dark
