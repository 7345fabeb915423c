"""Placing: items and exemplars laid onto the pixel grid of a rectangle of the document."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map
from editor.document import masks
from editor.document.contents import Exemplar, Item, covered
from editor.document.faint_strength import strength_rect
from editor.document.tiles import Tiles
from editor.geometry import EMPTY, Placement, Rect, Size, chain, invert, pixel_matrix, transform_point

Matrix = NDArray[np.float64]
_T = TypeVar("_T", bound=np.generic)

FARTHEST = 2**20
"""Document pixels from the picture's corner, and the longest side of a thing that is placed: further than anybody works, and near enough for whole
numbers on the screen at any zoom.
"""
MIN_SCALE = 1e-6

# Rows or columns of an exemplar that are looked at together.
_STRIP = 16


def reachable(placement: Placement, size: Size) -> Placement:
    """The same placement, or for a thing of `size` that lies too far away, or is too large, flat or turned too often, the nearest that can be worked
    with.
    """

    def scale(value: float, side: int) -> float:
        return math.copysign(min(max(abs(value), MIN_SCALE), max(FARTHEST / max(side, 1), MIN_SCALE)), value)

    rotation = placement.rotation
    return Placement(
        min(max(placement.x, -FARTHEST), FARTHEST),
        min(max(placement.y, -FARTHEST), FARTHEST),
        scale(placement.scale_x, size.width),
        scale(placement.scale_y, size.height),
        rotation if abs(rotation) <= FARTHEST else rotation % 360,
    )


def fitted(size: Size, canvas: Size) -> Placement:
    """A thing of `size` upright in the middle of `canvas`, as large as all of it fits in; one of the same shape covers it."""
    scale = min(canvas.width / size.width, canvas.height / size.height)
    return Placement(*Rect.of_size(canvas).centre, scale, scale)


def hole(item: Item, rect: Rect, grow: int) -> NDArray[np.bool_]:
    """(h, w) bool: the item's mask inside `rect`, grown by `grow` pixels, also from what lies just outside `rect`."""
    array = np.zeros(rect.size.shape, np.bool_)
    part = item.rect.grow(grow).intersect(rect)  # large pictures hold small items
    if not part.empty:
        around = part.grow(grow).intersect(item.mask.rect)
        grown = masks.grow(item.mask.read(around), grow) > 0
        array[part.within(rect).slices] = grown[part.within(around).slices]
    return array


def item_matrix(item: Item) -> Matrix:
    """(2, 3): document points where the item rests -> document points where it is placed."""
    return chain(item.placed.matrix(item.size), np.array([[1.0, 0.0, -item.rect.left], [0.0, 1.0, -item.rect.top]]))


def within(matrix: Matrix, source: Rect, target: Rect) -> Matrix:
    """The same map between coordinates that start at the corners of `source` and `target`."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (source.left, source.top) - (target.left, target.top)
    return shifted


def place_mask(item: Item, area: Rect) -> Map:
    matrix = pixel_matrix(within(item_matrix(item), item.rect, area))
    placed = cv2.warpAffine(item.mask.read(item.rect), matrix, (area.width, area.height), flags=cv2.INTER_LINEAR)
    return np.clip(np.asarray(placed, np.float32), 0, 1)


def moved_mask(item: Item) -> Tiles:
    """The item's mask at its new place, (H, W) float32 like the old one; what leaves the picture is dropped."""
    blank = Tiles.filled(item.mask.shape, 0, np.float32)
    area = item.bounds.grow(2).intersect(item.mask.rect)
    if area.empty:
        return blank
    return blank.write(area.left, area.top, place_mask(item, area))


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """An exemplar on the document's grid, as far as it covers `rect`: `pixels` (h, w, 3) uint8; `alpha`, `strength` and `fidelity` (h, w)
    float32 in [0, 1], what was painted times the exemplar's own sliders. `painted`: (h, w), the strength that was painted, without the slider and
    continued beyond the exemplar's edge, so that it does not fade where the exemplar ends.
    """

    rect: Rect
    pixels: NDArray[np.uint8]
    alpha: Map
    strength: Map
    fidelity: Map
    painted: Map


def exemplar_reach(exemplar: Exemplar) -> Rect:
    """A bound of what the exemplar touches: an enlarged one ends in a ramp, half of one of its own pixels wide."""
    placement = exemplar.placement
    return exemplar.bounds.grow(math.ceil(max(abs(placement.scale_x), abs(placement.scale_y)) / 2))


def exemplar_extent(exemplar: Exemplar, *, faint: bool = False) -> Rect:
    """A close bound of what the exemplar lets in: what is neither cut away nor transparent nor painted out, where it lies.

    faint: whether strength counts however little it is
    """
    if not exemplar.strength or not exemplar.placement.scale_x * exemplar.placement.scale_y:
        return EMPTY
    painted = exemplar.strength_map
    let_in = covered(painted) if faint else strength_rect(painted, exemplar.strength)
    own = covered(exemplar.cutout).intersect(let_in)
    own = _opaque(exemplar.pixels[..., 3], own)
    if own.empty:
        return EMPTY
    matrix = exemplar.placement.matrix(exemplar.size)
    # Averaging smears by a pixel of the reduced picture, and interpolation reaches into the next one.
    shrink = min(1.0, math.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    left, top, right, bottom = own.grow(math.ceil(2 / shrink))
    corners = ((left, top), (right, top), (left, bottom), (right, bottom))
    return Rect.around([transform_point(matrix, x, y) for x, y in corners]).intersect(exemplar_reach(exemplar))


def place_exemplar(exemplar: Exemplar, area: Rect) -> Placed:
    """The exemplar on the grid of the part of `area` that it touches.

    Shrinking averages first, so that fine detail does not alias. Colours are weighted by the coverage, so that nothing of what was
    cut away bleeds into the rim.
    """
    part = exemplar_reach(exemplar).intersect(area)
    matrix = exemplar.placement.matrix(exemplar.size)
    shrink = min(1.0, math.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    source = Rect.of_size(exemplar.size)
    if shrink == 1:  # otherwise the grid of the reduced picture would depend on where it begins
        source = _needed(matrix, part, source)
    if part.empty or source.empty or shrink == 0:
        shape = part.size.shape
        return Placed(part, np.zeros((*shape, 3), np.uint8), *(np.zeros(shape, np.float32) for _ in range(4)))
    matrix = chain(matrix, np.array([[1.0, 0.0, source.left], [0.0, 1.0, source.top]]))
    size = source.size
    if shrink < 1:
        size = Size(max(1, round(source.width * shrink)), max(1, round(source.height * shrink)))
        matrix = chain(
            matrix, np.array([[source.width / size.width, 0.0, 0.0], [0.0, source.height / size.height, 0.0]])
        )
    local = pixel_matrix(within(matrix, EMPTY, part))

    def laid(array: NDArray[Any], border: int = cv2.BORDER_CONSTANT) -> NDArray[Any]:
        if shrink < 1:
            array = cv2.resize(array, size, interpolation=cv2.INTER_AREA)
        return cv2.warpAffine(array, local, part.size, flags=cv2.INTER_LINEAR, borderMode=border)

    def laid_map(map: Tiles, factor: float) -> Map:
        if not factor:
            return np.zeros(part.size.shape, np.float32)
        return np.asarray(np.clip(laid(map.read(source)), 0, 1) * np.float32(factor), np.float32)

    strength = laid_map(exemplar.strength_map, exemplar.strength)
    painted = exemplar.strength_map.read(source)
    low, high = painted.min(), painted.max()
    painted = np.full(part.size.shape, low) if low == high else np.clip(laid(painted, cv2.BORDER_REPLICATE), low, high)
    fidelity = laid_map(exemplar.fidelity_map, exemplar.fidelity)
    coverage = exemplar.coverage(source)
    alpha = np.asarray(np.clip(laid(coverage), 0, 1), np.float32)
    colours = exemplar.pixels[source.slices]
    if coverage.min() == 1:  # nothing is cut away, so nothing can bleed, and bytes are far quicker than floats
        placed = laid(np.ascontiguousarray(colours), cv2.BORDER_REPLICATE)[..., :3]
    else:
        weighted = laid(colours[..., :3].astype(np.float32) * coverage[..., None])
        placed = np.clip(np.rint(weighted / np.maximum(alpha, 1e-4)[..., None]), 0, 255)
    return Placed(part, np.asarray(placed, np.uint8), alpha, strength, fidelity, np.asarray(painted, np.float32))


def _opaque(alpha: NDArray[np.uint8], within: Rect) -> Rect:
    """The part of `within` without the strips along its sides that are all transparent; whole strips, so that most need no look."""
    left, top, right, bottom = within
    while top < bottom and not alpha[top : min(top + _STRIP, bottom), left:right].any():
        top += _STRIP
    while top < bottom and not alpha[max(bottom - _STRIP, top) : bottom, left:right].any():
        bottom -= _STRIP
    while left < right and not alpha[top:bottom, left : min(left + _STRIP, right)].any():
        left += _STRIP
    while left < right and not alpha[top:bottom, max(right - _STRIP, left) : right].any():
        right -= _STRIP
    return Rect(left, top, right, bottom)


def _needed(matrix: Matrix, part: Rect, source: Rect) -> Rect:
    """What of `source` shows inside `part` of the document, with a rim for the interpolation."""
    back = invert(matrix)
    left, top, right, bottom = part
    corners = [transform_point(back, x, y) for x, y in ((left, top), (right, top), (left, bottom), (right, bottom))]
    return Rect.around(corners).grow(2).intersect(source)


def on_grid(array: NDArray[_T], area: Rect, rect: Rect) -> NDArray[_T]:
    """An array that covers `area` as one that covers `rect`: cropped, and 0 where there is nothing of it."""
    part = area.intersect(rect)
    grid = np.zeros((*rect.size.shape, *array.shape[2:]), array.dtype)
    if not part.empty:
        grid[part.within(rect).slices] = array[part.within(area).slices]
    return grid
