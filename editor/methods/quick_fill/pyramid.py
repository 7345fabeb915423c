"""A window of the picture at ever coarser scales, averaging known pixels only."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Mask
from editor.errors import NotFinite
from editor.requests.reports import Progress, Report

Colour = NDArray[np.float32]
Indices = NDArray[np.intp]

CUT_PIXELS = 4000  # the labelling is solved where the hole has at most this many pixels; finer gives better seams
SHORTEST_SIDE = 64  # a level is halved only if its shorter side has this many pixels
MIN_LEFT = 1 / 10  # thin holes vanish when halved; going down stops before less than this share is left
STRIP_PIXELS = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One scale of a window.

    `pixels`: (h, w, 3), uint8 at the finest scale and float32 in [0, 1] above it; meaningless where not `known`.
    `hole`: (h, w) bool, what is to be filled. `known`: (h, w) bool, real picture. `usable`: (h, w) bool, the part of `known` that
    may be copied from. A pixel that is neither hole nor known is of no concern: padding, or a hole filled on another day.
    """

    pixels: NDArray[np.uint8] | Colour
    hole: Mask
    known: Mask
    usable: Mask

    @property
    def shape(self) -> tuple[int, int]:
        return self.hole.shape[0], self.hole.shape[1]

    def colour(self, rows: Indices, columns: Indices) -> Colour:
        """(n, 3) float32 in [0, 1] at n places; places outside are moved to the edge."""
        height, width = self.shape
        pixels = self.pixels[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        return to_float(pixels)

    def may_copy(self, rows: Indices, columns: Indices) -> Mask:
        """Whether each place lies inside and is usable."""
        return look_up(self.usable, rows, columns)


def to_float(pixels: NDArray[np.uint8] | Colour) -> Colour:
    """Colours as float32 in [0, 1]; no copy when they are already."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.float32) * np.float32(1 / 255)
    return np.asarray(pixels, dtype=np.float32)


def to_bytes(colour: Colour) -> NDArray[np.uint8]:
    """Float colours in [0, 1], rounded to uint8; what lies outside is clipped. Raises `NotFinite` for what is no colour and would come out black."""
    if not np.isfinite(colour).all():
        raise NotFinite("The colours of the fill came out as no numbers.", "Try a slightly different region.")
    array: NDArray[np.uint8] = np.rint(np.clip(colour, 0.0, 1.0) * 255.0).astype(np.uint8)
    return array


def look_up(mask: Mask, rows: Indices, columns: Indices) -> Mask:
    """The mask at the given places, False outside it."""
    height, width = mask.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    result: Mask = mask[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)] & inside
    return result


def build(
    pixels: NDArray[np.uint8], hole: Mask, known: Mask, usable: Mask, most: int = CUT_PIXELS
) -> Generator[Report, None, list[Level]]:
    """The window and its halvings, finest first, until the hole has at most `most` pixels.

    The window is padded at the right and the bottom (neither hole nor known) so that every halving is exact.
    """
    deepest, left = 0, int(hole.sum())
    while left > most:
        deepest, left = deepest + 1, left // 3
    block = 1 << deepest
    height, width = hole.shape
    more = ((0, -height % block), (0, -width % block))
    if any(after for _, after in more):
        pixels = np.pad(pixels, (*more, (0, 0)))
        hole, known, usable = (np.pad(mask, more) for mask in (hole, known, usable))
    levels = [Level(pixels, hole, known, usable)]
    while len(levels) <= deepest:
        finest = levels[-1]
        count = int(finest.hole.sum())
        # A very long and thin window goes below the shortest side, or its labelling would take minutes.
        shortest = SHORTEST_SIDE if count <= 8 * most else 16
        if count <= most or min(finest.shape) < shortest:
            break
        yield Progress(0.0, "Filling the hole")
        coarser = halve(finest)
        if not coarser.known.any():  # a thin rest of the picture is all there is to go by
            coarser = halve(finest, 0.0)
        if coarser.hole.sum() < MIN_LEFT * count:
            break
        levels.append(coarser)
    return levels


def halve(level: Level, enough: float = 0.5) -> Level:
    """Half the size: the mean of the known pixels; known where more than `enough` of them are, usable where none is barred."""
    height, width = level.shape[0] // 2, level.shape[1] // 2
    pixels = np.zeros((height, width, 3), np.float32)
    shares = np.zeros((3, height, width), np.float32)
    strip = max(1, STRIP_PIXELS // (4 * max(width, 1)))
    for top in range(0, height, strip):
        rows, fine = slice(top, min(top + strip, height)), slice(2 * top, 2 * min(top + strip, height))
        size = (width, rows.stop - rows.start)
        weight = level.known[fine].astype(np.float32)
        for share, mask in zip(shares, (level.known, level.usable, level.hole), strict=True):
            share[rows] = cv2.resize(mask[fine].astype(np.float32), size, interpolation=cv2.INTER_AREA)
        total = cv2.resize(to_float(level.pixels[fine]) * weight[..., None], size, interpolation=cv2.INTER_AREA)
        pixels[rows] = total / np.maximum(shares[0, rows], 0.25)[..., None]
    known = shares[0] > enough
    return Level(pixels, ~known & (shares[2] > 0), known, known & (shares[1] >= shares[0]))
