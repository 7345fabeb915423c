"""Functions on strength maps. A map is (H, W) float32 in [0, 1]; a mask is a map of 0 and 1.

Every function returns a new array. Shapes and gradients are drawn for a rectangle of the picture, so that `Tiles.write` or `combined`
can put them there. A shape is exactly 0 in every pixel that it does not touch, and exactly 1 in every pixel that it fills.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map, strips
from editor.document.tiles import BLOCK, Block, Tiles
from editor.geometry import Rect

# Above this standard deviation three box means stand in for the Gaussian; they cost the same at every radius.
_DIRECT_SIGMA = 12.0
# Sums of parts that should give 0 or 1 may miss by this much.
_SNAP = 1e-6
# Pixels; over shorter ways than this the slope of a gradient would overflow.
_NO_WAY = 1e-6
_CURVE_STEPS = 1 << 16
# Rows of a polygon that are summed at a time; bounds the memory.
_BAND = 512
# Side of the pieces in which a soft map is grown; with their margins they stay in the processor's cache.
_PIECE = 256


def of_picture(pixels: NDArray[np.uint8], levels: NDArray[np.uint8] | None = None, *, white_keeps: bool = False) -> Map:
    """(H, W): how bright a picture is, as strength; where it is transparent, 0.

    `pixels`: (H, W, 4) uint8 sRGB, straight alpha. `levels`: (H, W) uint8, the greys themselves where a file has them. `white_keeps`: white is 0 and
    black is 1, as in the files of the published PIXELS and Differential Diffusion; here as in most programs it is the other way round.
    """
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2GRAY) if levels is None else levels, np.float32)
    if white_keeps:
        np.subtract(255, grey, out=grey)
    return np.asarray(grey * pixels[..., 3] / np.float32(255**2), np.float32)  # divided, so that white is 1 exactly


def grow(map: Map, radius: int) -> Map:
    """The largest value within `radius` pixels (a disc, between centres); a negative radius shrinks, by the smallest value.

    The rule is exact for soft maps too: every level of the map grows by the disc. What lies outside the map does not count. Where
    there is one value besides 0, as in a mask, the time does not depend on the radius; the softer parts take time in proportion to it.
    """
    result = map.copy()
    area = Rect.of_mask(map).grow(max(radius, 1)).intersect(Rect(0, 0, map.shape[1], map.shape[0]))
    if radius == 0 or area.empty:
        return result
    part = map[area.slices]
    top = part.max()
    zero = part == 0
    if bool((zero | (part == top)).all()):
        inside = distance(zero) <= _reach(radius) if radius > 0 else distance(~zero) > _reach(-radius)
        result[area.slices] = top * inside
    elif radius > 0:
        result[area.slices] = _largest_within(part, radius)
    else:
        result[area.slices] = -_largest_within(-part, -radius)
    return result


def feather(map: Map, radius: float, inward: bool = True) -> Map:
    """A softer rim. Inward: what is 0 stays exactly 0, the map fades towards it over `radius` pixels, and what lies deeper stays as
    it is. Otherwise the rim spreads over about `radius` pixels to either side. The edge of the picture is no rim.
    """
    if radius <= 0:
        return map.copy()
    if not inward:
        return blur(map, radius / 2)
    result = map.copy()
    area = Rect.of_mask(map).grow(1).intersect(Rect(0, 0, map.shape[1], map.shape[0]))
    if area.empty:
        return result
    depth = distance(map[area.slices] > 0)
    depth *= np.float32(1 / (radius + 1))
    np.minimum(depth, 1, out=depth)
    ease = 3 - 2 * depth
    ease *= depth
    ease *= depth
    result[area.slices] *= ease
    return result


def blur_reach(radius: float) -> int:
    """How many pixels around an element count for its `blur`."""
    if radius <= _DIRECT_SIGMA:
        return math.ceil(3 * max(radius, 0))
    return sum(side // 2 for side in _box_sides(radius))


def blur(map: Map, radius: float) -> Map:
    """The Gaussian mean; `radius` is its standard deviation in pixels. Beyond the edge the map goes on as it ends."""
    if radius <= 0:
        return map.copy()
    if radius <= _DIRECT_SIGMA:
        side = 2 * blur_reach(radius) + 1
        return np.asarray(cv2.GaussianBlur(map, (side, side), radius, borderType=cv2.BORDER_REPLICATE), np.float32)
    reach = blur_reach(radius)
    wide = cv2.copyMakeBorder(map, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    for side in _box_sides(radius):
        wide = cv2.blur(wide, (side, side), borderType=cv2.BORDER_REPLICATE)
    return _snapped(np.ascontiguousarray(wide[reach : reach + map.shape[0], reach : reach + map.shape[1]]))


def invert(map: Map) -> Map:
    return np.asarray(1 - map, np.float32)


def levels(map: Map, black: float, white: float, gamma: float = 1.0) -> Map:
    """`black` and what is below becomes 0, `white` and above 1; between them a `gamma` above 1 raises the middle.

    Raises `ValueError` unless black < white and gamma > 0.
    """
    if not black < white or not gamma > 0:
        raise ValueError(f"levels from {black} to {white} with gamma {gamma}")
    value = (map - np.float32(black)) * np.float32(1 / (white - black))
    np.clip(value, 0, 1, out=value)
    if gamma != 1:
        np.power(value, np.float32(1 / gamma), out=value)
    return np.asarray(value, np.float32)


def curve(map: Map, points: Sequence[tuple[float, float]]) -> Map:
    """Through `points` (from, to), both in [0, 1], by a cubic that never turns between two of them (PCHIP); level beyond the ends.

    Computed for 65536 values of the map. Raises `ValueError` for fewer than two points, or two at the same place.
    """
    ordered = sorted(points)
    xs, ys = [x for x, _ in ordered], [y for _, y in ordered]
    if len(ordered) < 2 or any(right <= left for left, right in pairwise(xs)):
        raise ValueError(f"no curve goes through {ordered}")
    places = np.clip(np.linspace(0, 1, _CURVE_STEPS), xs[0], xs[-1])
    table = np.clip(_cubic(np.array(xs, float), np.array(ys, float), places), 0, 1).astype(np.float32)
    return np.asarray(table[np.rint(map * np.float32(_CURVE_STEPS - 1)).astype(np.uint16)], np.float32)


def _cubic(xs: NDArray[np.float64], ys: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The piecewise cubic of Fritsch and Butland (1984) through two points or more, at `places` between the first and the last."""
    widths = np.diff(xs)
    rises = np.diff(ys) / widths
    slopes = np.zeros_like(xs)
    # Level at every turn; elsewhere the harmonic mean of the rises to both sides, the nearer neighbour counting more.
    left, right = widths[:-1] + 2 * widths[1:], 2 * widths[:-1] + widths[1:]
    climbs = rises[:-1] * rises[1:] > 0
    weighted = np.divide(left, rises[:-1], where=climbs, out=np.ones_like(left))
    weighted += np.divide(right, rises[1:], where=climbs, out=np.ones_like(right))
    slopes[1:-1] = np.where(climbs, (left + right) / weighted, 0)
    slopes[0], slopes[-1] = _end_slope(widths, rises), _end_slope(widths[::-1], rises[::-1])
    piece = np.clip(np.searchsorted(xs, places, "right") - 1, 0, len(xs) - 2)
    width = widths[piece]
    t = (places - xs[piece]) / width
    start, end = slopes[piece] * width, slopes[piece + 1] * width
    rise = rises[piece] * width
    return np.asarray(ys[piece] + t * (start + t * (3 * rise - 2 * start - end + t * (start + end - 2 * rise))))


def _end_slope(widths: NDArray[np.float64], rises: NDArray[np.float64]) -> float:
    """The slope of the parabola through the first three points, as far as it does not make the first piece turn."""
    if len(rises) == 1:
        return float(rises[0])
    slope = ((2 * widths[0] + widths[1]) * rises[0] - widths[0] * rises[1]) / (widths[0] + widths[1])
    if slope * rises[0] <= 0:
        return 0.0
    steepest = 3 * rises[0]
    return float(steepest if rises[0] * rises[1] < 0 and abs(slope) > abs(steepest) else slope)


def linear_gradient(
    rect: Rect, start: tuple[float, float], end: tuple[float, float], from_value: float = 1.0, to_value: float = 0.0
) -> Map:
    """`from_value` up to the picture point `start`, `to_value` from `end` on, even between. No way between: `to_value` everywhere."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    squared = dx * dx + dy * dy
    if squared < _NO_WAY**2:
        return np.full(rect.size.shape, to_value, np.float32)
    x, y = _centres(rect)
    share = np.add.outer(
        ((y - start[1]) * (dy / squared)).astype(np.float32), ((x - start[0]) * (dx / squared)).astype(np.float32)
    )
    return _between(share, from_value, to_value)


def radial_gradient(
    rect: Rect, centre: tuple[float, float], radius: float, from_value: float = 1.0, to_value: float = 0.0
) -> Map:
    """`from_value` at the picture point `centre`, `to_value` from `radius` pixels on, even between."""
    if radius < _NO_WAY:
        return np.full(rect.size.shape, to_value, np.float32)
    x, y = _centres(rect)
    share = np.add.outer(
        (((y - centre[1]) / radius) ** 2).astype(np.float32), (((x - centre[0]) / radius) ** 2).astype(np.float32)
    )
    return _between(np.sqrt(share, out=share), from_value, to_value)


def box(rect: Rect, left: float, top: float, right: float, bottom: float) -> Map:
    """How much of each pixel of `rect` a rectangle covers, its sides given in picture coordinates."""
    x, y = _centres(rect)
    across = np.clip(np.minimum(x + 0.5, right) - np.maximum(x - 0.5, left), 0, 1)
    down = np.clip(np.minimum(y + 0.5, bottom) - np.maximum(y - 0.5, top), 0, 1)
    return np.asarray(np.multiply.outer(down.astype(np.float32), across.astype(np.float32)))


def ellipse(rect: Rect, left: float, top: float, right: float, bottom: float) -> Map:
    """How much of each pixel of `rect` the ellipse covers that touches the four sides of a rectangle."""
    across, down = (right - left) / 2, (bottom - top) / 2
    if across <= 0 or down <= 0:
        return np.zeros(rect.size.shape, np.float32)
    # So many corners that the polygon misses the ellipse by less than a hundredth of a pixel.
    count = max(16, math.ceil(math.pi / math.acos(max(0.0, 1 - 0.01 / max(across, down)))))
    angles = np.arange(count) * (2 * math.pi / count)
    x, y = left + across + across * np.cos(angles), top + down + down * np.sin(angles)
    return polygon(rect, list(zip(x.tolist(), y.tolist(), strict=True)))


def polygon(rect: Rect, points: Sequence[tuple[float, float]]) -> Map:
    """How much of each pixel of `rect` a closed polygon covers; `points` in picture coordinates.

    A place is inside when the polygon winds round it, however often (non-zero rule), so a lasso that crosses itself has no holes.
    Exact for a polygon that does not cross itself.
    """
    height, width = rect.size.shape
    values = np.zeros((height, width), np.float32)
    if len(points) < 3 or rect.empty:
        return values
    rows, columns, down, right = _cells(np.asarray(points, np.float64) - (rect.left, rect.top), height, width)
    for top in range(0, height, _BAND):
        count = min(_BAND, height - top)
        here = (rows >= top) & (rows < top + count)
        if not here.any():
            continue
        # A piece of the outline winds everything to its right by its height; its own pixel only as far as that lies to its right.
        at = (rows[here] - top) * (width + 1) + columns[here]
        own = np.bincount(at, down[here] * (1 - right[here]), count * (width + 1))
        own += np.bincount(at + 1, down[here] * right[here], count * (width + 1))[: own.size]
        winding = np.cumsum(own.reshape(count, width + 1)[:, :width], axis=1)
        values[top : top + count] = _snapped(np.abs(winding, out=winding))
    return values


def fill_region(image: NDArray[np.uint8], x: int, y: int, tolerance: int = 24, contiguous: bool = True) -> Map:
    """A mask of what looks like the pixel (x, y) of `image`, (H, W, C) uint8: no channel differs by more than `tolerance`, 0 to 255.

    `contiguous`: only what hangs together with that pixel, side by side.
    """
    seed = image[y, x].astype(np.int16)
    low, high = np.clip(seed - tolerance, 0, 255), np.clip(seed + tolerance, 0, 255)
    similar = np.asarray(cv2.inRange(image, low.astype(np.uint8), high.astype(np.uint8)), np.uint8)
    if contiguous:
        cv2.floodFill(similar, None, (x, y), (1,))
        similar = (similar == 1).view(np.uint8)
    return (similar > 0).astype(np.float32)


def combined(
    tiles: Tiles, rect: Rect, shape: Map, how: Literal["replace", "add", "subtract", "set"], value: float = 1.0
) -> Tiles:
    """A map with `shape` (its coverage inside `rect` of the picture) brought in; blocks that it does not touch are shared.

    "replace": the shape times `value`, and 0 everywhere else. "add": the larger of the map and that. "subtract": at most what that
    leaves of 1. "set": from the map to `value` by the shape, exactly `value` where it is 1.
    """
    if how == "replace":
        tiles, how = Tiles.filled(tiles.shape, 0, np.float32), "add"
    goal = np.float32(value)
    blocks: dict[tuple[int, int], Block] = {}
    for where, block in tiles.blocks(rect):
        part = where.intersect(rect)
        cover = shape[part.within(rect).slices]
        if not cover.any():
            continue
        changed = block.copy()
        here = changed[part.within(where).slices]
        match how:
            case "add":
                np.maximum(here, cover * goal, out=here)
            case "subtract":
                np.minimum(here, 1 - cover * goal, out=here)
            case "set":
                here[...] = np.where(cover == 1, goal, here + (goal - here) * cover)
        blocks[where.top // BLOCK, where.left // BLOCK] = changed
    return tiles.replaced(blocks) if blocks else tiles


def _reach(radius: int) -> np.float32:
    """A distance between pixel centres is at most `radius` when it is below this; roots of whole numbers lie clear of it."""
    return np.float32(math.sqrt(radius * radius + 0.5))


def distance(inside: NDArray[np.bool_]) -> Map:
    """From each pixel's centre to the centre of the nearest one that is not `inside`; large where there is none."""
    distances: Map = np.asarray(
        cv2.distanceTransform(inside.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32
    )
    # The roots come out a last bit apart from run to run; their squares are whole numbers.
    for rows in strips(distances):
        part = distances[rows]
        np.minimum(part, np.float32(1e9), out=part)
        part *= part
        np.sqrt(np.rint(part, out=part), out=part)
    return distances


def _largest_within(map: Map, radius: int) -> Map:
    """The largest value within a disc, piece by piece."""
    height, width = map.shape
    largest = np.empty_like(map)
    for top in range(0, height, _PIECE):
        for left in range(0, width, _PIECE):
            piece = Rect(left, top, min(left + _PIECE, width), min(top + _PIECE, height))
            around = piece.grow(radius)
            known = around.intersect(Rect(0, 0, width, height))
            seen = map[known.slices]
            if seen.min() == seen.max():
                largest[piece.slices] = seen[0, 0]
                continue
            wide = np.full(around.size.shape, -np.inf, np.float32)
            wide[known.within(around).slices] = seen
            largest[piece.slices] = _disc_maximum(wide, radius)
    return largest


def _disc_maximum(wide: Map, radius: int) -> Map:
    """The largest value within the disc, for the part of `wide` that has a margin of `radius`.

    The disc is a stack of rows. The largest value in any row comes from two overlapping runs whose length is a power of two.
    """
    height, width = wide.shape[0] - 2 * radius, wide.shape[1] - 2 * radius
    runs = [wide]  # of length 1, 2, 4, ...: the largest value from an element on
    while 2 << len(runs) - 1 <= 2 * radius + 1:
        last, step = runs[-1], 1 << len(runs) - 1
        runs.append(np.maximum(last[:, :-step], last[:, step:]))
    largest = wide[radius : radius + height, radius : radius + width].copy()
    for row in range(-radius, radius + 1):
        half = math.isqrt(radius * radius - row * row)
        power = (2 * half + 1).bit_length() - 1
        lines = runs[power][radius + row : radius + row + height]
        for start in (radius - half, radius + half + 1 - (1 << power)):
            cv2.max(largest, lines[:, start : start + width], dst=largest)
    return largest


def _box_sides(radius: float) -> list[int]:
    """Three odd box sides whose variances add up to about that of a Gaussian of standard deviation `radius`."""
    ideal = math.sqrt(4 * radius * radius + 1)
    small = int(ideal) - (int(ideal) + 1) % 2
    wanted = 12 * radius * radius
    count = round((wanted - 3 * small * small - 12 * small - 9) / (-4 * small - 4))
    return [small if i < count else small + 2 for i in range(3)]


def _snapped(values: NDArray[np.floating]) -> Map:
    """Limited to [0, 1] in place, with the ends hit exactly."""
    np.clip(values, 0, 1, out=values)
    values[values < _SNAP] = 0
    values[values > 1 - _SNAP] = 1
    return np.asarray(values, np.float32)


def _centres(rect: Rect) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y of the middles of the columns and rows, in picture coordinates."""
    return np.arange(rect.left, rect.right) + np.float64(0.5), np.arange(rect.top, rect.bottom) + np.float64(0.5)


def _between(share: Map, from_value: float, to_value: float) -> Map:
    np.clip(share, 0, 1, out=share)
    value = share * np.float32(to_value)
    np.subtract(1, share, out=share)
    share *= np.float32(from_value)
    value += share
    return value


def _cells(
    points: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The outline cut at every pixel border into pieces: row, column, signed height, and how far right in its pixel each lies (0 to 1).

    `points`: (n, 2), relative to the rectangle's corner. What lies left of the rectangle is moved onto its left side, what lies right
    of it into a column of its own.
    """
    start, end = points, np.roll(points, -1, axis=0)
    pieces = [np.empty((0, 4))]
    for (x0, y0), (x1, y1) in zip(start.tolist(), end.tolist(), strict=True):
        if y0 == y1 or max(y0, y1) <= 0 or min(y0, y1) >= height:
            continue
        # Cut where the edge crosses the borders of rows and columns inside the rectangle.
        rows = np.arange(max(0, math.ceil(min(y0, y1))), min(height, math.floor(max(y0, y1))) + 1)
        columns = np.arange(max(0, math.ceil(min(x0, x1))), min(width, math.floor(max(x0, x1))) + 1)
        cuts = (rows - y0) / (y1 - y0)
        if columns.size and x0 != x1:
            cuts = np.concatenate([cuts, (columns - x0) / (x1 - x0)])
        cuts = np.concatenate([[0.0], np.sort(np.clip(cuts, 0, 1)), [1.0]])
        x, y = x0 + (x1 - x0) * cuts, y0 + (y1 - y0) * cuts
        pieces.append(np.column_stack([x[:-1], y[:-1], x[1:], y[1:]]))
    x0, y0, x1, y1 = np.concatenate(pieces).T
    middle_x, middle_y = np.clip((x0 + x1) / 2, 0, width), (y0 + y1) / 2
    rows, columns = np.floor(middle_y).astype(np.int64), np.floor(middle_x).astype(np.int64)
    here = (rows >= 0) & (rows < height) & (y0 != y1)
    return rows[here], columns[here], (y1 - y0)[here], (middle_x - columns)[here]
