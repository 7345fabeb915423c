"""Brush and Stroke: dabs onto Tiles; one stroke never builds up over itself unless it is asked to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map
from editor.document import masks
from editor.document.stroke_path import NEAR, StrokePath, Vertex
from editor.document.tiles import BLOCK, Block, Tiles
from editor.geometry import EMPTY, Rect

Key = tuple[int, int]  # row and column of a block

# Places and pressures of dabs are rounded, so that the last bits of a sum cannot show. Nobody draws at these odd offsets, so the
# round numbers that people and pens do produce never lie where rounding could go either way.
_PHASES = 4
_PLACE_BIAS = 0.5 - 0.01373
_PENCIL_BIAS = 0.00317  # a brush of one pixel fills the pixel it is in
_LEVELS = 255
_LEVEL_BIAS = 0.5 - 0.01291
FAR, FAR_OUT = 4, 4096  # times the picture's longer side and the brush, and pixels, that a stroke may lead outside
_MIN_STEP = 0.5  # pixels: dabs closer together look no better
_CACHE_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True)
class Brush:
    """How a stroke looks.

    `size`: diameter in picture pixels, 1 to 2000; a brush of 1 fills whole pixels. `hardness`: 0 to 1, the part of the radius that is
    full. `opacity`: the most a whole stroke covers, 0 to 1. `flow`: what one dab covers, 0 to 1. `spacing`: between dabs, in
    diameters. `smoothing`: 0 to 1, how much the line is steadied. `build_up`: a stroke adds up where it crosses itself.
    `pressure_size`, `pressure_flow`: what the pen's pressure does.
    """

    size: float = 40.0
    hardness: float = 0.8
    opacity: float = 1.0
    flow: float = 1.0
    spacing: float = 0.05
    smoothing: float = 0.3
    build_up: bool = False
    pressure_size: bool = True
    pressure_flow: bool = False

    @property
    def lag(self) -> float:
        """How far, in picture pixels, the steadied line stays behind the pointer on a straight line."""
        return self.smoothing * (12 + self.size / 4)


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of a stroke. `x`, `y`: picture pixels; `pressure`: 0 to 1; `time`: seconds."""

    x: float
    y: float
    pressure: float = 1.0
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class SetTo:
    """Towards `value`, on a float32 map."""

    value: float


@dataclass(frozen=True, slots=True)
class Lighten:
    """Up to `value` where the map is below it."""

    value: float


@dataclass(frozen=True, slots=True)
class Darken:
    """Down to `value` where the map is above it."""

    value: float


@dataclass(frozen=True, slots=True)
class Smooth:
    """Towards the local mean of the map. `radius`: as in `masks.blur`, in pixels."""

    radius: float


@dataclass(frozen=True, slots=True)
class Colour:
    """`rgb`, 0 to 255 each, laid over (H, W, 4) uint8 pixels of straight alpha."""

    rgb: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Erase:
    """Takes alpha away from (H, W, 4) uint8 pixels. Where nothing of it is left the colours go too, so that no file gives away what was erased."""


Paint = SetTo | Lighten | Darken | Smooth | Colour | Erase


class Stroke:
    """One stroke over `base`, from press to release: `add` the samples as they come, `finish` at the end.

    Every version is computed from `base` and from how far the stroke covers each pixel by now. A dab counts `flow`; dabs that overlap
    count once (the largest), or add up with `build_up`; the whole counts `opacity`. `base` comes back exactly where nothing is covered,
    and the painted value exactly where everything is.

    Dabs lie at distances along the line, and the line is steadied by its length, never by the number or the time of its samples. So a
    sample more or less on a straight piece between two others (its pressure in proportion), a sample given twice, or samples handed
    over in other portions, give the same bytes once the stroke is finished.

    `touched` is a bound of everything written so far, `last` of what the latest `add` or `finish` wrote; both are empty when nothing
    was. Raises `ValueError` when the paint does not fit the base.
    """

    def __init__(self, base: Tiles, brush: Brush, paint: Paint) -> None:
        pixels = isinstance(paint, Colour | Erase)
        if pixels != (base.dtype == np.uint8 and base.shape[2:] == (4,)) or not (pixels or base.dtype == np.float32):
            raise ValueError(f"{paint} does not fit {base.dtype} {base.shape}")
        self.touched = EMPTY
        self.last = EMPTY
        self._base = base
        self._tiles = base
        self._brush = brush
        self._paint = paint
        # A line that goes far out would take forever to walk along, for nothing: it is bent where nobody sees it.
        self._reach = base.rect.grow(FAR * max(base.rect.size) + math.ceil(FAR * brush.size) + FAR_OUT)
        self._path = StrokePath(brush.lag)
        self._dabs = _Dabs(brush)
        self._cover: dict[Key, Map] = {}
        self._means: dict[Key, Map] = {}

    @property
    def tiles(self) -> Tiles:
        """The version after everything so far."""
        return self._tiles

    def add(self, samples: Sequence[Sample]) -> Tiles:
        """Go on to these samples, in order. The version before, the same object, when no pixel was reached."""
        corners = (corner for sample in samples for corner in self._path.to(self._dabs.vertex(sample, self._reach)))
        return self._draw(self._dabs.along(corners))

    def finish(self) -> Tiles:
        """Draw the steadied line up to the last sample. The stroke ends there."""
        return self._draw(self._dabs.along(self._path.rest(), slack=NEAR))

    def _draw(self, dabs: Iterator[_Dab]) -> Tiles:
        dirty: dict[Key, Rect] = {}
        for dab in dabs:
            self._cover_with(dab, dirty)
        blocks: dict[Key, Block] = {}
        self.last = EMPTY
        for key, part in dirty.items():
            blocks[key] = self._painted_block(key, part)
            self.last = self.last.unite(part)
        if blocks:
            self.touched = self.touched.unite(self.last)
            self._tiles = self._tiles.replaced(blocks, self.last)
        return self._tiles

    def _cover_with(self, dab: _Dab, dirty: dict[Key, Rect]) -> None:
        """Add one dab to the coverage, and the part of each block that it reaches to `dirty`."""
        area = dab.rect.intersect(self._base.rect)
        if area.empty:
            return
        left, top, _, _ = dab.rect
        for i in range(area.top // BLOCK, (area.bottom - 1) // BLOCK + 1):
            above, below = max(area.top, i * BLOCK), min(area.bottom, (i + 1) * BLOCK)
            for j in range(area.left // BLOCK, (area.right - 1) // BLOCK + 1):
                before, after = max(area.left, j * BLOCK), min(area.right, (j + 1) * BLOCK)
                if not dab.reaches(before, above, after, below):
                    continue
                key = i, j
                cover = self._cover.get(key)
                if cover is None:
                    cover = self._cover[key] = np.zeros(self._base.rows[i][j].shape[:2], np.float32)
                view = cover[above - i * BLOCK : below - i * BLOCK, before - j * BLOCK : after - j * BLOCK]
                mask = dab.mask[above - top : below - top, before - left : after - left]
                if self._brush.build_up:
                    view += mask * (1 - view)
                else:
                    cv2.max(view, mask, dst=view)
                part = Rect(before, above, after, below)
                dirty[key] = dirty[key].unite(part) if key in dirty else part

    def _painted_block(self, key: Key, part: Rect) -> Block:
        """The block with `part` (picture coordinates) computed afresh."""
        i, j = key
        here = part.moved(-j * BLOCK, -i * BLOCK).slices
        block = self._tiles.rows[i][j].copy()
        base, out, cover = self._base.rows[i][j][here], block[here], self._cover[key][here]
        if self._brush.opacity < 1:
            cover = cover * np.float32(self._brush.opacity)
        match self._paint:
            case SetTo(value) | Lighten(value) if self._base.is_blank(self._base.rows[i][j]):
                cv2.scaleAdd(cover, value, base, dst=out)  # the same from 0, and what most strokes begin on
            case SetTo(value):
                _approach(base, np.float32(value), cover, out)
            case Lighten(value):
                _approach(base, np.maximum(base, np.float32(value)), cover, out)
            case Darken(value):
                _approach(base, np.minimum(base, np.float32(value)), cover, out)
            case Smooth(radius):
                _approach(base, self._mean(key, radius)[here], cover, out)
            case Colour(rgb):
                _colour(base, rgb, cover, out)
            case Erase():
                out[..., 3] = np.rint(base[..., 3] * (1 - cover))
                out[(out[..., 3] == 0) & (cover > 0)] = 0
        return block

    def _mean(self, key: Key, radius: float) -> Map:
        """The blurred base of one block, with what surrounds it."""
        if key not in self._means:
            i, j = key
            height, width = self._base.rows[i][j].shape
            block = Rect.at(j * BLOCK, i * BLOCK, width, height)
            around = block.grow(masks.blur_reach(radius)).intersect(self._base.rect)
            self._means[key] = masks.blur(self._base.read(around), radius)[block.within(around).slices]
        return self._means[key]


class _Dab(NamedTuple):
    """`mask`: (h, w) float32 coverage at `rect`, `flow` included. `x`, `y`, `reach`: the disc outside which it is 0."""

    mask: Map
    rect: Rect
    x: float
    y: float
    reach: float

    def reaches(self, left: int, top: int, right: int, bottom: int) -> bool:
        """Whether the disc comes into that rectangle."""
        dx = max(left - self.x, 0.0, self.x - right)
        dy = max(top - self.y, 0.0, self.y - bottom)
        return dx * dx + dy * dy < self.reach * self.reach


class _Dabs:
    """Dabs at even distances along a line, whatever the pieces in which it comes."""

    def __init__(self, brush: Brush) -> None:
        self._brush = brush
        self._pressed = brush.pressure_size or brush.pressure_flow
        # A wash grows while the pen is pressed harder in one place: from no pressure to full is as far as the rim of the dab goes.
        # Building up there would leave a blot at either end of a stroke.
        self._depth = brush.size / 2 if self._pressed and not brush.build_up else 0.0
        self._at: Vertex | None = None
        self._ahead = 0.0  # up to the next dab
        self._masks: dict[tuple[int, int, int], Map] = {}
        self._bytes = 0

    def vertex(self, sample: Sample, within: Rect) -> Vertex:
        """`within`: no corner lies further out."""
        pressure = min(max(sample.pressure, 0.0), 1.0)
        x = min(max(sample.x, within.left), within.right)
        y = min(max(sample.y, within.top), within.bottom)
        return Vertex(x, y, pressure * self._depth, pressure)

    def along(self, line: Iterator[Vertex], slack: float = 0.0) -> Iterator[_Dab]:
        """The dabs on the way over these corners. `slack`: how far past the end the last one may lie."""
        for corner in line:
            start = self._at or corner
            self._at = corner
            length = start.way_to(corner)
            done = 0.0
            while self._ahead <= length - done + slack:
                done += self._ahead
                point = start.towards(corner, min(done / length, 1.0) if length > 0 else 1.0)
                level = self._level(point)
                self._ahead = max(self._brush.spacing * self._diameter(level), _MIN_STEP)
                yield self._dab(point, level)
            self._ahead -= length - done

    def _level(self, at: Vertex) -> int:
        """The pressure in whole steps."""
        return math.floor(at.pressure * _LEVELS + _LEVEL_BIAS) if self._pressed else _LEVELS

    def _diameter(self, level: int) -> float:
        return self._brush.size * level / _LEVELS if self._brush.pressure_size else self._brush.size

    def _dab(self, at: Vertex, level: int) -> _Dab:
        phases = _PHASES if self._brush.size > 1 else 1
        bias = _PLACE_BIAS if phases > 1 else _PENCIL_BIAS
        x, y = math.floor(at.x * phases + bias), math.floor(at.y * phases + bias)
        column, phase_x = divmod(x, phases)
        row, phase_y = divmod(y, phases)
        offset = 0.0 if phases > 1 else 0.5
        radius = max(self._diameter(level), 1.0) / 2
        inner = min(self._brush.hardness * radius, radius - 0.5)
        outer = max(radius, inner + 1)
        half = math.ceil(outer)
        key = level, phase_x, phase_y
        mask = self._masks.get(key)
        if mask is None:
            centre = half + phase_x / phases + offset, half + phase_y / phases + offset
            mask = _disc(2 * half + 1, centre, inner, outer) * np.float32(self._strength(level))
            if self._bytes + mask.nbytes > _CACHE_BYTES:
                self._masks.clear()
                self._bytes = 0
            self._masks[key] = mask
            self._bytes += mask.nbytes
        rect = EMPTY
        if self._strength(level) > 0:
            rect = Rect.at(column - half, row - half, 2 * half + 1, 2 * half + 1)
        return _Dab(mask, rect, column + phase_x / phases + offset, row + phase_y / phases + offset, outer)

    def _strength(self, level: int) -> float:
        """What the middle of a dab covers. Below one pixel the dab grows no smaller but fainter, like the area of its disc."""
        thin = min(self._diameter(level), 1.0) ** 2
        flow = self._brush.flow * (level / _LEVELS if self._brush.pressure_flow else 1.0)
        return flow * thin


def _disc(side: int, centre: tuple[float, float], inner: float, outer: float) -> Map:
    """(side, side) float32: 1 up to `inner` from the centre (x, y), 0 from `outer` on, smooth and falling between."""
    middles = np.arange(side, dtype=np.float32) + np.float32(0.5)
    disc: Map = np.add.outer((middles - np.float32(centre[1])) ** 2, (middles - np.float32(centre[0])) ** 2)
    np.sqrt(disc, out=disc)
    np.subtract(np.float32(outer), disc, out=disc)
    disc *= np.float32(1 / (outer - inner))
    np.clip(disc, 0, 1, out=disc)
    ease = disc * np.float32(-2)
    ease += 3
    disc *= disc
    disc *= ease
    return disc


def _approach(base: Map, target: Map | np.float32, cover: Map, out: Map) -> None:
    """From `base` to `target` by `cover`, into `out`: exactly the one at 0, exactly the other at 1."""
    np.subtract(target, base, out=out)
    cv2.multiply(out, cover, dst=out)  # several times faster than numpy on such small views
    cv2.add(out, base, dst=out)
    np.copyto(out, target, where=cover >= 1)


def _colour(base: NDArray[np.uint8], rgb: tuple[int, int, int], cover: Map, out: NDArray[np.uint8]) -> None:
    """`rgb` by `cover` over `base`, straight alpha, into `out`; no byte changes where the cover is 0."""
    keep = 1 - cover
    if (base[..., 3] == 255).all():
        share = cover
    else:
        alpha = base[..., 3] * keep * np.float32(1 / 255) + cover
        share = np.divide(cover, alpha, out=np.zeros_like(cover), where=alpha > 0)
        keep = 1 - share
        out[..., 3] = np.rint(alpha * 255)
    for channel, value in enumerate(rgb):
        out[..., channel] = np.rint(base[..., channel] * keep + share * np.float32(value))
