"""Regions: a picture cut into small pieces of one look, and the order in which pieces grow together into things.

The pieces are the catchment basins of the picture's gradient. Then the two neighbours that differ least are merged, again and again
(small ones first), until one is left. Every region met on the way is a node of a tree; one that stays unmerged for long, because all
its neighbours look different, is likely to be what a person means by a thing.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

# What keeps two regions apart: the gradient along their border, and the difference of their mean colours (both in Lab).
BORDER, COLOUR = 1.2, 0.4
SIZE_POWER = 0.25  # how much earlier small regions merge
LEAST, MOST = 0.002, 0.75  # parts of the picture between which a region can be a thing
ALIKE = 0.75  # of two regions: the smaller one's size in parts of the larger one's
LIKES_LARGE = 0.25  # the power of its size in a region's score


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """`pieces`: (h, w) int32, which piece each pixel belongs to. The nodes of the tree are the pieces, then the merged regions in the
    order of merging. `parent`: (n,) of each node, -1 for the last. `height`: (n,) how different what was merged into it looked, never
    falling towards the root. `size`: (n,) in pixels.
    """

    pieces: NDArray[np.int32]
    parent: NDArray[np.int64]
    height: NDArray[np.float64]
    size: NDArray[np.float64]

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> Regions:
        """(h, w, 3) uint8 sRGB, at least 8 pixels a side."""
        # Mean shift flattens fur, grain and brush marks, and leaves the outlines of things.
        flat = np.asarray(cv2.pyrMeanShiftFiltering(image, 6, 14), np.uint8)
        lab = _lab(flat)
        gradient = _gradient(lab)
        smooth = cv2.GaussianBlur(gradient, (0, 0), 1.0)
        lowest = smooth == cv2.erode(smooth, np.ones((5, 5), np.uint8))
        seeds, _ = ndimage.label(lowest, np.ones((3, 3)))
        pieces = np.asarray(watershed(smooth, seeds), np.int32) - 1  # type: ignore[no-untyped-call]
        return cls(pieces, *_merged(pieces, _lab(image), gradient))

    def at(self, x: float, y: float) -> int:
        """The piece under a point, which must lie inside."""
        return int(self.pieces[int(y), int(x)])

    def line(self, node: int) -> list[int]:
        """The node and everything it is part of, up to the whole picture."""
        nodes = [node]
        while self.parent[nodes[-1]] >= 0:
            nodes.append(int(self.parent[nodes[-1]]))
        return nodes

    def things(self, piece: int, without: frozenset[int] = frozenset()) -> list[tuple[float, int]]:
        """The regions around a piece that may be a thing, with a score in [0, 1] each, best first. None has a piece of `without`, and
        of those that are almost the same only the best is there.

        Where something was excluded from a larger thing, the largest region without it takes over that thing's score.
        """
        barred = {node for other in without for node in self.line(other)}
        line = self.line(piece)
        scores = {node: score for node in line if (score := self._score(node)) > 0}
        largest = max((node for node in line if node not in barred), default=None)
        if barred and largest is not None:
            scores[largest] = max(scores.values(), default=0.0)
        candidates = [(score, node) for node, score in scores.items() if node not in barred]
        distinct: list[tuple[float, int]] = []
        for score, node in sorted(candidates, reverse=True):
            # They lie inside one another, so their sizes alone say how alike they are.
            ratios = (self.size[node] / self.size[other] for _, other in distinct)
            if all(not ALIKE < ratio < 1 / ALIKE for ratio in ratios):
                distinct.append((score, node))
        return distinct

    def _score(self, node: int) -> float:
        """How likely a region is a thing: how long it stayed as it was, and a little how large it is. 0 when it cannot be one."""
        share, parent = float(self.size[node]) / self.pieces.size, int(self.parent[node])
        # A single piece has no history, so how long it lasted says nothing.
        if parent < 0 or self.height[node] == 0 or not LEAST <= share <= MOST:
            return 0.0
        lasting = 1 - float(self.height[node] / max(self.height[parent], 1e-6))
        return float(lasting * share**LIKES_LARGE)

    def mask(self, node: int) -> NDArray[np.bool_]:
        """(h, w): the pixels of a node."""
        inside = np.zeros(len(self.parent), np.bool_)
        inside[node] = True
        for child in range(node - 1, -1, -1):  # parents come after their children
            inside[child] = inside[self.parent[child]]
        return np.asarray(inside[self.pieces], np.bool_)


def _lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _gradient(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w): the larger of a fine and a coarse gradient, so that soft outlines count too."""
    gradient = np.zeros(lab.shape[:2], np.float32)
    for sigma, weight in ((0.8, 1.0), (1.8, 1.2)):
        blurred = cv2.GaussianBlur(lab, (0, 0), sigma)
        across = cv2.Sobel(blurred, cv2.CV_32F, 1, 0, scale=0.25)
        down = cv2.Sobel(blurred, cv2.CV_32F, 0, 1, scale=0.25)
        np.maximum(gradient, weight * np.sqrt((across**2 + down**2).sum(axis=-1)), out=gradient)
    return gradient


def _borders(pieces: NDArray[np.int32], gradient: NDArray[np.float32]) -> list[dict[int, tuple[float, float]]]:
    """For every piece its neighbours: the length of the border and the gradient summed along it."""
    count = int(pieces.max()) + 1
    lengths: dict[int, float] = {}
    sums: dict[int, float] = {}
    for a, b, on_a, on_b in (
        (pieces[:, :-1], pieces[:, 1:], gradient[:, :-1], gradient[:, 1:]),
        (pieces[:-1], pieces[1:], gradient[:-1], gradient[1:]),
    ):
        where = a != b
        first, second = a[where].astype(np.int64), b[where].astype(np.int64)
        keys, places = np.unique(np.minimum(first, second) * count + np.maximum(first, second), return_inverse=True)
        strongest = np.maximum(on_a[where], on_b[where])
        for key, length, total in zip(
            keys.tolist(), np.bincount(places).tolist(), np.bincount(places, strongest).tolist(), strict=True
        ):
            lengths[key] = lengths.get(key, 0.0) + length
            sums[key] = sums.get(key, 0.0) + total
    borders: list[dict[int, tuple[float, float]]] = [{} for _ in range(count)]
    for key, length in lengths.items():
        i, j = divmod(key, count)
        borders[i][j] = borders[j][i] = length, sums[key]
    return borders


def _merged(
    pieces: NDArray[np.int32], lab: NDArray[np.float32], gradient: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Parent, height and size of every node."""
    flat, total = pieces.ravel(), float(pieces.size)
    size = np.bincount(flat).astype(np.float64).tolist()
    # Plain tuples: numpy would spend longer on three numbers than the arithmetic takes.
    colour = list(zip(*(np.bincount(flat, lab[..., i].ravel()).tolist() for i in range(3)), strict=True))
    beside = _borders(pieces, gradient)
    count = len(size)
    parent, height, alive = [-1] * count, [0.0] * count, [True] * count

    def cost(i: int, j: int) -> float:
        length, summed = beside[i][j]
        a, b, m, n = colour[i], colour[j], size[i], size[j]
        apart = sum((u / m - v / n) ** 2 for u, v in zip(a, b, strict=True)) ** 0.5
        return float((BORDER * summed / length + COLOUR * apart) * (min(m, n) / total) ** SIZE_POWER)

    queue = [(cost(i, j), i, j) for i in range(count) for j in beside[i] if i < j]
    heapq.heapify(queue)
    highest = 0.0
    while queue:
        node_height, i, j = heapq.heappop(queue)
        if not (alive[i] and alive[j]):
            continue
        new = len(size)
        highest = max(highest, node_height, 1e-9)  # a merged region is told from a piece by its height
        parent[i] = parent[j] = new
        alive[i] = alive[j] = False
        alive.append(True)
        parent.append(-1)
        height.append(highest)
        size.append(size[i] + size[j])
        colour.append(tuple(u + v for u, v in zip(colour[i], colour[j], strict=True)))
        around: dict[int, tuple[float, float]] = {}
        for old in (i, j):
            for other, (length, summed) in beside[old].items():
                if other not in (i, j):
                    before = around.get(other, (0.0, 0.0))
                    around[other] = before[0] + length, before[1] + summed
                    beside[other].pop(old)
            beside[old] = {}
        beside.append(around)
        for other, border in around.items():
            beside[other][new] = border
            heapq.heappush(queue, (cost(other, new), other, new))
    return np.array(parent), np.array(height), np.array(size)
