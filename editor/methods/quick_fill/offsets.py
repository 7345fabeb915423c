"""Which shifts repeat the picture: statistics of patch offsets (He and Sun 2012, section 3)."""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from editor.arrays import Mask
from editor.methods.quick_fill.pyramid import Indices, Level, to_float

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
