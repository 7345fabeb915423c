"""What it costs to copy a hole pixel from a given shift: the energy of the shift map at the cut level.

After Pritch, Kav-Venaki and Peleg 2009, with three priors of our own: appearance, liveliness and height.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from editor.arrays import Mask
from editor.methods.quick_fill.graph_cut import Costs, Edges, Labels
from editor.methods.quick_fill.offsets import Offsets
from editor.methods.quick_fill.pyramid import Colour, Level, look_up, to_float
from editor.methods.quick_fill.smooth import membrane

FORBIDDEN = 50.0
UNUSABLE_SIDE = 1.5
UNUSABLE_BORDER = 1.0
APPEARANCE = 0.2
APPEARANCE_SIGMA = 2.0
LIVELINESS = 0.25
HEIGHT, WIDTH = 0.3, 0.1

AROUND = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0)]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """One labelling problem over n hole pixels (in the order of `np.nonzero(hole)`) and K shifts.

    `unary`: (K, n). `features`: (K, n, 5), what each pixel would look like under each shift. `usable`: (K, n) bool.
    `edges`: (m, 2) 4-neighbours inside the hole. `border`: how many known pixels touch the hole.
    """

    unary: Costs
    features: NDArray[np.float32]
    usable: Mask
    edges: Edges
    border: int

    def pair(self, a: Labels, b: Labels) -> Costs:
        """||f(p+a) - f(p+b)|| + ||f(q+a) - f(q+b)||, not squared, so that it is a metric in the labels."""
        total = np.zeros(a.size, np.float32)
        for end in self.edges.T:
            apart = self.features[a, end] - self.features[b, end]
            cost = np.sqrt(np.einsum("ij,ij->i", apart, apart))
            cost[~(self.usable[a, end] & self.usable[b, end])] = UNUSABLE_SIDE
            total += cost
        total[a == b] = 0.0
        return total


def features(colour: Colour) -> NDArray[np.float32]:
    """(h, w, 5): colour and a quarter of the Sobel gradients of its grey."""
    grey = colour.mean(axis=2)
    gradients = [cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.25)]
    return np.concatenate([colour, np.stack(gradients, axis=2)], axis=2, dtype=np.float32)


def hole_edges(hole: Mask) -> Edges:
    """(m, 2) pairs of 4-neighbours inside the hole, as indices into `np.nonzero(hole)`."""
    index = np.full(hole.shape, -1, np.intp)
    index[hole] = np.arange(np.count_nonzero(hole))
    across = np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()], axis=1)
    down = np.stack([index[:-1].ravel(), index[1:].ravel()], axis=1)
    pairs = np.concatenate([across, down])
    return pairs[(pairs >= 0).all(axis=1)]


def pose(level: Level, offsets: Offsets, picture: tuple[float, float]) -> Problem:
    """The labelling problem of a level. `picture`: (height, width) of the whole picture at this scale, for the height prior."""
    colour = to_float(level.pixels)
    rows, columns = np.nonzero(level.hole)
    weight = level.known.astype(np.float32)
    share = np.maximum(cv2.GaussianBlur(weight, (0, 0), APPEARANCE_SIGMA), 1e-4)
    local = cv2.GaussianBlur(colour * weight[..., None], (0, 0), APPEARANCE_SIGMA) / share[..., None]
    # How lively each place is: the spread of its colours. A copy may be calmer than its surroundings, not livelier: this keeps eyes
    # and towers from being pasted into plain background.
    squares = cv2.GaussianBlur(colour**2 * weight[..., None], (0, 0), APPEARANCE_SIGMA) / share[..., None]
    lively = np.sqrt(np.maximum((squares - local**2).mean(axis=2), 0))
    through = membrane(np.concatenate([colour, local, lively[..., None]], axis=2, dtype=np.float32), ~level.known)
    colour, expected, expected_life = through[..., :3], through[rows, columns, 3:6], through[rows, columns, 6]
    looks = features(colour)

    height, width = level.shape
    to_rows, to_columns = rows + offsets[:, :1], columns + offsets[:, 1:]
    usable = look_up(level.usable, to_rows, to_columns)
    at = (np.clip(to_rows, 0, height - 1), np.clip(to_columns, 0, width - 1))
    label_looks = looks[at]

    unary = np.where(usable, np.float32(0), np.float32(FORBIDDEN))
    unary += APPEARANCE * np.linalg.norm(local[at] - expected, axis=2)
    unary += LIVELINESS * np.maximum(lively[at] - expected_life, 0)
    far = HEIGHT * np.abs(offsets[:, 0]) / picture[0] + WIDTH * np.abs(offsets[:, 1]) / picture[1]
    unary += far[:, None].astype(np.float32)
    border, border_count = _border_cost(level, looks, offsets)
    unary += border
    return Problem(unary.astype(np.float32), label_looks, usable, hole_edges(level.hole), border_count)


def _border_cost(level: Level, looks: NDArray[np.float32], offsets: Offsets) -> tuple[Costs, int]:
    """(K, n): how badly each shift would continue the known pixels q around p: the sum of ||f(q+a) - f(q)||."""
    near = cv2.dilate(level.hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_) & level.known
    rows, columns = np.nonzero(near)
    index = np.full(level.shape, -1, np.intp)
    index[near] = np.arange(rows.size)
    height, width = level.shape
    to_rows, to_columns = rows + offsets[:, :1], columns + offsets[:, 1:]
    label_looks = looks[np.clip(to_rows, 0, height - 1), np.clip(to_columns, 0, width - 1)]
    misfit = np.linalg.norm(label_looks - looks[rows, columns], axis=2)
    misfit[~look_up(level.usable, to_rows, to_columns)] = UNUSABLE_BORDER

    hole_rows, hole_columns = np.nonzero(level.hole)
    pixels, neighbours = [], []
    for down, across in AROUND:
        r, c = hole_rows + down, hole_columns + across
        beside = np.flatnonzero(look_up(near, r, c))
        pixels.append(beside)
        neighbours.append(index[r[beside], c[beside]])
    p, q = np.concatenate(pixels), np.concatenate(neighbours)
    touching = csr_array((np.ones(p.size, np.float32), (p, q)), shape=(hole_rows.size, rows.size))
    cost: Costs = np.ascontiguousarray((touching @ misfit.T).T, dtype=np.float32)
    return cost, rows.size
