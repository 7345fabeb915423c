"""Overlays of the whole picture: its strength as colours, what is protected and what is not copied from as hatching, and where it has changed.

The colours are a perceptually even palette that reads without red and green.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Pixels
from editor.document.compose import flatten
from editor.document.document import Document, MapName, picture_changes
from editor.document.tiles import Tiles, changed
from editor.geometry import Rect
from widgets.canvas.levels import from_level, level_size, map_at, to_level
from widgets.canvas.screen_pixels import Resampler
from widgets.canvas.tile_cache import TileCache
from widgets.qimage import Words
from widgets.session.options import OverlayMode

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
_CHANGED = word((255, 0, 200), 0.8)
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
