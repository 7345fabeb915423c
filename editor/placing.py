"""Placing: items and exemplars laid onto the pixel grid of a rectangle of the document."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from editor import masks
from editor.geometry import EMPTY, Rect, chain, pixel_matrix
from editor.item import Exemplar, Item
from editor.tiles import Tiles

Map = NDArray[np.float32]
Matrix = NDArray[np.float64]


def hole(item: Item, rect: Rect, grow: int) -> NDArray[np.bool_]:
    """(h, w) bool: the item's mask inside `rect`, grown by `grow` pixels, also from what lies just outside `rect`."""
    around = rect.grow(grow).intersect(item.mask.rect)
    grown = masks.grow(item.mask.read(around), grow) > 0
    return np.ascontiguousarray(grown[rect.within(around).slices])


def item_matrix(item: Item) -> Matrix:
    """(2, 3): document points where the item rests -> document points where it is placed."""
    return chain(item.placed.matrix(item.size), np.array([[1.0, 0.0, -item.rect.left], [0.0, 1.0, -item.rect.top]]))


def within(matrix: Matrix, source: Rect, target: Rect) -> Matrix:
    """The same map between coordinates that start at the corners of `source` and `target`."""
    found = matrix.copy()
    found[:, 2] += matrix[:, :2] @ (source.left, source.top) - (target.left, target.top)
    return found


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


def place_exemplar(exemplar: Exemplar, area: Rect) -> tuple[NDArray[np.uint8], Map, Map]:
    """Pixels (h, w, 3), coverage and strength (h, w) of the exemplar on the grid of `area`.

    Shrinking averages first, so that fine detail does not alias. Colours are weighted by the coverage, so that nothing of what was
    cut away bleeds into the rim.
    """
    alpha = exemplar.coverage()
    colour = exemplar.pixels[..., :3].astype(np.float32) * alpha[..., None]
    strength = exemplar.strength_map.read() * np.float32(exemplar.strength)
    matrix = exemplar.placement.matrix(exemplar.size)
    shrink = min(1.0, math.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink < 1:
        width, height = exemplar.size
        small = max(1, round(width * shrink)), max(1, round(height * shrink))
        colour, alpha, strength = (
            np.asarray(cv2.resize(array, small, interpolation=cv2.INTER_AREA), np.float32)
            for array in (colour, alpha, strength)
        )
        back = np.array([[width / small[0], 0.0, 0.0], [0.0, height / small[1], 0.0]])
        matrix = chain(matrix, back)
    local = pixel_matrix(within(matrix, EMPTY, area))

    def warp(array: Map) -> Map:
        return np.asarray(cv2.warpAffine(array, local, (area.width, area.height), flags=cv2.INTER_LINEAR), np.float32)

    placed_alpha = np.clip(warp(alpha), 0, 1)
    placed = np.rint(warp(colour) / np.maximum(placed_alpha, 1e-4)[..., None])
    return np.clip(placed, 0, 255).astype(np.uint8), placed_alpha, np.clip(warp(strength), 0, 1)
