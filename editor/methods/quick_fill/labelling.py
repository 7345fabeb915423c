"""What it costs to copy a hole pixel from a given shift: the energy of the shift map at the cut level.

After Pritch, Kav-Venaki and Peleg 2009, with three priors of our own: appearance, liveliness and height.

Below that: which shifts repeat the picture, by statistics of patch offsets (He and Sun 2012, section 3).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.sparse import csr_array

from editor.arrays import Mask
from editor.methods.quick_fill.graph_cut import Costs, Edges, Labels
from editor.methods.quick_fill.pyramid import Colour, Indices, Level, look_up, to_float
from editor.methods.quick_fill.smooth import membrane

FORBIDDEN = 50.0
UNUSABLE_SIDE = 1.5
UNUSABLE_BORDER = 1.0
APPEARANCE = 0.2
APPEARANCE_SIGMA = 2.0
LIVELINESS = 0.25
HEIGHT, WIDTH = 0.3, 0.1

AROUND = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0)]
Offsets = NDArray[np.intp]  # (K, 2): (rows, columns) from a hole pixel to where it is copied from

HALF = 3  # patches are 7 x 7
DIMENSIONS = 24
BANK = 16_000
PCA_SAMPLES = 8_000
RANDOM_QUERIES = 3_000
RING_WIDTH = 3  # ring patches have their centres within HALF + RING_WIDTH of the hole
RING_WEIGHT = 4.0
NEIGHBOURS = 2
SIGMA = 1.4
CHUNK = 256


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


def patch_centres(level: Level) -> Mask:
    """(h, w) bool: where a whole patch is usable."""
    side = 2 * HALF + 1
    kernel = np.ones((side, side), np.uint8)
    whole = cv2.erode(level.usable.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return whole.astype(np.bool_)


def find_offsets(level: Level, generator: np.random.Generator, count: int) -> Generator[float, None, Offsets]:
    """The `count` most frequent shifts between alike patches, commonest first; fewer if there are not as many.

    Patches in the ring around the hole vote with more weight: they say what would continue the picture inwards. Yields the
    share done. Returns an empty array when no whole patch is usable.
    """
    centres = patch_centres(level)
    rows, columns = np.nonzero(centres)
    if rows.size < NEIGHBOURS + 1:
        return np.zeros((0, 2), np.intp)
    windows = sliding_window_view(to_float(level.pixels), (2 * HALF + 1, 2 * HALF + 1), axis=(0, 1))

    def patches(chosen: Indices) -> NDArray[np.float32]:
        return windows[rows[chosen] - HALF, columns[chosen] - HALF].reshape(chosen.size, -1)

    bank = _sample(rows.size, BANK, generator)
    flat = patches(bank)
    yield 0.02
    mean = flat.mean(axis=0)
    sample = flat[_sample(bank.size, PCA_SAMPLES, generator)] - mean
    _, vectors = np.linalg.eigh(sample.T @ sample)
    basis = vectors[:, ::-1][:, :DIMENSIONS]
    yield 0.06

    side = 2 * (HALF + RING_WIDTH) + 1
    near = cv2.dilate(level.hole.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    ring = np.flatnonzero(near[rows, columns])
    queries = np.concatenate([_sample(rows.size, RANDOM_QUERIES, generator), ring])
    weights = np.ones(queries.size)
    weights[queries.size - ring.size :] = RING_WEIGHT

    # Closer matches are mostly the patch itself; the limit scales with the picture as in the paper.
    height, width = level.shape
    nearest = max(max(height, width) / 15, 4.0)
    known = (flat - mean) @ basis
    norms = (known * known).sum(axis=1)
    yield 0.1
    places = np.stack([rows, columns], axis=1).astype(np.int16)
    bank_rows, bank_columns = places[bank].T
    votes = np.zeros((2 * height - 1, 2 * width - 1), np.float32)
    for start in range(0, queries.size, CHUNK):
        yield 0.1 + 0.85 * start / queries.size
        chosen = queries[start : start + CHUNK]
        distances = norms - 2 * (((patches(chosen) - mean) @ basis) @ known.T)
        own_rows, own_columns = places[chosen].T[..., None]
        close = (np.abs(bank_rows - own_rows) < nearest) & (np.abs(bank_columns - own_columns) < nearest)
        distances[close] = np.inf
        lines = np.arange(chosen.size)
        for _ in range(NEIGHBOURS):
            best = distances.argmin(axis=1)
            valid = np.isfinite(distances[lines, best])
            shift = places[bank[best]].astype(np.intp) - places[chosen]
            at = (shift[valid, 0] + height - 1, shift[valid, 1] + width - 1)
            np.add.at(votes, at, weights[start : start + CHUNK][valid])
            distances[lines, best] = np.inf
    return _peaks(votes, count)


def _sample(size: int, most: int, generator: np.random.Generator) -> Indices:
    if size <= most:
        return np.arange(size)
    return np.sort(generator.choice(size, most, replace=False))


def _peaks(votes: NDArray[np.float32], count: int) -> Offsets:
    smooth = cv2.GaussianBlur(votes, (0, 0), SIGMA, borderType=cv2.BORDER_CONSTANT)
    peaks = (smooth >= cv2.dilate(smooth, np.ones((5, 5), np.uint8))) & (smooth > 1e-3)
    rows, columns = np.nonzero(peaks)
    order = np.argsort(-smooth[rows, columns], kind="stable")[:count]
    height, width = (votes.shape[0] + 1) // 2, (votes.shape[1] + 1) // 2
    return np.stack([rows[order] - (height - 1), columns[order] - (width - 1)], axis=1)


def cover(level: Level, offsets: Offsets, most: int = 24) -> Offsets:
    """Add shifts until every hole pixel has a usable source under some shift, `most` at the most.

    Frequent shifts are short; a hole of half the picture needs long ones, which are taken greedily by how much they cover.
    """
    rows, columns = np.nonzero(level.hole)
    bare = np.ones(rows.size, np.bool_)
    for down, across in offsets:
        bare &= ~level.may_copy(rows + down, columns + across)
    added: list[tuple[int, int]] = []
    height, width = level.shape
    usable = level.usable.astype(np.float32)
    far = np.hypot(*np.ogrid[1 - height : height, 1 - width : width]) / np.hypot(height, width)
    while bare.any() and len(added) < most:
        left = np.zeros(level.shape, np.float32)
        left[rows[bare], columns[bare]] = 1
        gain = np.rint(fftconvolve(usable, left[::-1, ::-1]))
        if gain.max() < 1:
            break
        at = np.unravel_index(int(np.argmax(gain - 0.3 * gain.max() * far)), gain.shape)
        shift = (int(at[0]) - height + 1, int(at[1]) - width + 1)
        bare &= ~level.may_copy(rows + shift[0], columns + shift[1])
        added.append(shift)
    return np.concatenate([offsets, np.array(added, np.intp).reshape(-1, 2)])
