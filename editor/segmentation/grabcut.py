"""Click to segment without weights: regions guess the thing, GrabCut finds its outline, a guided filter its rim.

GrabCut is Rother, Kolmogorov and Blake (SIGGRAPH 2004) as OpenCV has it. It needs a rough first guess: a box gives one, a click only
with the help of `Regions`.
"""

from __future__ import annotations

import math
from collections.abc import Generator

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map, Mask, Pixels
from editor.geometry import Rect
from editor.requests.edit_request import SegmentRequest
from editor.requests.reports import Progress, Reports
from editor.requests.results import Masks
from editor.segmentation.pointed import Pointed
from editor.segmentation.regions import Regions

REGION_PIXELS = 100_000  # in which the thing is guessed
CUT_PIXELS = 60_000  # in which its outline is found, in a window around it
MIN_SIDE = 16  # smaller pictures are continued at their edges
MARGIN = 0.12  # how far the outline may move out of the guess, in parts of its size
BOX_ROUNDS, BEST_ROUNDS, OTHER_ROUNDS = 4, 2, 1
BOX_MARGIN = 0.35  # how much around a box is looked at, in parts of its longer side
MIN_PART = 0.02  # of the largest part: smaller islands go, smaller holes are filled
HOLE = 0.6  # of a guess: what it encloses may well belong to it, as the coffee to the cup
CANDIDATES = 3
MIN_OF_BOX = 0.05  # a smaller part of a box is not what it was drawn around
IN_BOX = 0.85  # of a region that a box is drawn around lie inside
BOX_GRID = 5  # places along each side of a box that are looked at for a thing
RADIUS = 3  # pixels of the small picture in which the rim may move
SMOOTHNESS = 1e-4  # squared contrast, on a scale of 0 to 1, below which an edge of the picture is not followed
SHARPEN = 1.8


class GrabCut:
    """A `Segmenter` that needs nothing loaded. The same request gives the same masks."""

    def segment(self, request: SegmentRequest) -> Reports[Masks]:
        height, width = request.image.shape[:2]
        pad_x, pad_y = max(0, MIN_SIDE - width), max(0, MIN_SIDE - height)
        image = request.image
        if pad_x or pad_y:
            image = np.asarray(cv2.copyMakeBorder(image, 0, pad_y, 0, pad_x, cv2.BORDER_REPLICATE), np.uint8)
        pointed = Pointed.of(request, width, height)
        values: list[tuple[float, Map]] = []
        if pointed.box is not None:
            yield Progress(0.1, "Looking into the box")
            mask = yield from _cut_box(image, pointed, pointed.box)
            if mask.sum() < MIN_OF_BOX * pointed.box.size.area:
                # What lies around the box looks like the thing in it, so colours alone cannot tell them apart.
                yield Progress(0.6, "Looking for edges")
                guess = _guess_in_box(image, pointed, pointed.box)
                if guess is not None:
                    mask = yield from _cut_guess(image, pointed, guess, BEST_ROUNDS)
                    mask *= _inside(pointed.box, mask.shape)
            values.append((1.0, mask))
        elif pointed.positive:
            yield Progress(0.05, "Looking for edges")
            guesses = _guesses(image, pointed)
            for i, (score, guess) in enumerate(guesses):
                yield Progress(0.3 + 0.7 * i / len(guesses), "Finding the outline")
                values.append(
                    (score, (yield from _cut_guess(image, pointed, guess, OTHER_ROUNDS if i else BEST_ROUNDS)))
                )
        if not values:
            values.append((0.0, np.zeros(image.shape[:2], np.float32)))
        masks = np.stack([mask[:height, :width] for _, mask in values])
        scores = np.array([score if mask.any() else 0.0 for score, mask in values])
        return Masks(request.rect, masks.astype(np.float32), scores.astype(np.float32))


def _regions(image: Pixels) -> tuple[Regions, float, float]:
    """The regions of the picture reduced, and its scale, across and down."""
    height, width = image.shape[:2]
    scale = min(1.0, math.sqrt(REGION_PIXELS / (height * width)))
    size = max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale))
    reduced = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Regions.of(reduced), size[0] / width, size[1] / height


def _guesses(image: Pixels, pointed: Pointed) -> list[tuple[float, Mask]]:
    """Up to three guesses of what the positive points mean, best first, as masks of the picture reduced."""
    regions, across, down = _regions(image)
    without = frozenset(regions.at(x * across, y * down) for x, y in pointed.negative)
    lists = []
    for x, y in pointed.positive:
        piece = regions.at(x * across, y * down)
        lists.append(regions.things(piece, without)[:CANDIDATES] or [(0.1, piece)])
    guesses: list[tuple[float, Mask]] = []
    for i in range(max(len(entries) for entries in lists)):
        chosen = [entries[min(i, len(entries) - 1)] for entries in lists]
        mask = np.logical_or.reduce([regions.mask(node) for _, node in chosen])
        if not any(np.array_equal(mask, other) for _, other in guesses):
            guesses.append((min(score for score, _ in chosen), mask))
    return guesses


def _cut_guess(image: Pixels, pointed: Pointed, guess: Mask, rounds: int) -> Generator[Progress, None, Map]:
    """The outline near to a guess, a mask of the picture that may be smaller."""
    filled = _filled(guess, HOLE)
    reach = max(2.0, MARGIN * math.sqrt(float(guess.sum())))
    part = Rect.of_mask(guess).grow(math.ceil(2 * reach)).intersect(Rect(0, 0, guess.shape[1], guess.shape[0]))
    seeds = np.full(part.size.shape, cv2.GC_BGD, np.uint8)
    seeds[_depth(~filled[part.slices]) <= reach] = cv2.GC_PR_BGD
    seeds[filled[part.slices]] = cv2.GC_PR_FGD
    seeds[_depth(guess[part.slices]) > reach] = cv2.GC_FGD
    height, width = image.shape[:2]
    across, down = width / guess.shape[1], height / guess.shape[0]
    corners = ((part.left * across, part.top * down), (part.right * across, part.bottom * down))
    window = Rect.around(corners).intersect(Rect(0, 0, width, height))
    return (yield from _cut(image, window, seeds, pointed, rounds))


def _cut_box(image: Pixels, pointed: Pointed, box: Rect) -> Generator[Progress, None, Map]:
    """What stands out from the surroundings of a box."""
    margin = max(4, round(BOX_MARGIN * max(box.size)))
    window = box.grow(margin).intersect(Rect(0, 0, image.shape[1], image.shape[0]))
    seeds = np.full(window.size.shape, cv2.GC_BGD, np.uint8)
    seeds[box.within(window).slices] = cv2.GC_PR_FGD
    if pointed.negative:
        yield Progress(0.2, "Looking for edges")
        for other in _unwanted(image, pointed, box):
            inside = other[window.slices] & (seeds == cv2.GC_PR_FGD)
            seeds[inside] = cv2.GC_PR_BGD
    return (yield from _cut(image, window, seeds, pointed, BOX_ROUNDS))


def _guess_in_box(image: Pixels, pointed: Pointed, box: Rect) -> Mask | None:
    """The thing that a box is drawn around, by its edges: of the regions that lie inside the likeliest, as a mask of the picture reduced."""
    regions, across, down = _regions(image)
    inside = np.asarray(
        cv2.resize(_inside(box, image.shape[:2]), regions.pieces.shape[::-1], interpolation=cv2.INTER_AREA) > 0.5,
        np.bool_,
    )
    without = frozenset(regions.at(x * across, y * down) for x, y in pointed.negative)
    best, likeliest = None, 0.0
    shares = [(i + 0.5) / BOX_GRID for i in range(BOX_GRID)]
    pieces = {
        regions.at((box.left + u * box.width) * across, (box.top + v * box.height) * down)
        for u in shares
        for v in shares
    }
    for piece in sorted(pieces):
        for _, node in regions.things(piece, without):
            mask = regions.mask(node)
            covered = float((mask & inside).sum())
            # How much of it lies in the box, and how much of the box it takes: a box is drawn close around its thing.
            share = covered / max(float(mask.sum()), 1.0)
            if share >= IN_BOX and covered >= MIN_OF_BOX * float(inside.sum()) and (fit := share * covered) > likeliest:
                best, likeliest = mask, fit
    return best


def _inside(box: Rect, shape: tuple[int, ...]) -> Map:
    """(h, w): 1 inside the box."""
    mask = np.zeros(shape, np.float32)
    mask[box.slices] = 1
    return mask


def _unwanted(image: Pixels, pointed: Pointed, box: Rect) -> list[Mask]:
    """For each negative click in a box the thing in the box that it means, as a mask of the image."""
    masks = []
    height, width = image.shape[:2]
    for point in pointed.negative:
        guesses = _guesses(image, Pointed((point,), pointed.positive, None))
        for _, guess in guesses:
            mask = cv2.resize(guess.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
            if mask[box.slices].sum() > 0.8 * mask.sum():
                masks.append(np.asarray(mask, np.bool_))
                break
    return masks


def _cut(
    image: Pixels, window: Rect, seeds: NDArray[np.uint8], pointed: Pointed, rounds: int
) -> Generator[Progress, None, Map]:
    """GrabCut inside a window, from `seeds` stretched over it; (H, W) float32 for the whole image."""
    scale = min(1.0, math.sqrt(CUT_PIXELS / window.size.area))
    size = max(2, round(window.width * scale)), max(2, round(window.height * scale))
    small = np.asarray(cv2.resize(image[window.slices], size, interpolation=cv2.INTER_AREA), np.uint8)
    marks = np.asarray(cv2.resize(seeds, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    radius = max(1, round(0.012 * math.sqrt(size[0] * size[1])))
    across, down = size[0] / window.width, size[1] / window.height
    for points, value in ((pointed.negative, cv2.GC_BGD), (pointed.positive, cv2.GC_FGD)):
        for x, y in points:
            place = math.floor((x - window.left) * across), math.floor((y - window.top) * down)
            cv2.circle(marks, place, radius, value, -1)
    _have_background(marks)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)  # its first clusters are drawn at random, from a generator of the thread
    for i in range(rounds):
        mode = cv2.GC_INIT_WITH_MASK if i == 0 else cv2.GC_EVAL
        if 0 < _foreground(marks).mean() < 1:  # it can learn nothing from one kind alone
            cv2.grabCut(small, marks, (0, 0, 1, 1), background, foreground, 1, mode)
        yield Progress(0.5, "Finding the outline")
    mask = _cleaned(_foreground(marks), marks == cv2.GC_FGD)
    alpha = np.zeros(image.shape[:2], np.float32)
    alpha[window.slices] = matte(mask.astype(np.float32), small, image[window.slices])
    return alpha


def _foreground(marks: NDArray[np.uint8]) -> Mask:
    return np.asarray((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD), np.bool_)


def _have_background(marks: NDArray[np.uint8]) -> None:
    """GrabCut needs to see some background; when everything is inside, the rim of the window stands for it."""
    if not _foreground(marks).all():
        return
    for rim in (marks[0], marks[-1], marks[:, 0], marks[:, -1]):
        rim[rim == cv2.GC_PR_FGD] = cv2.GC_PR_BGD


def _cleaned(mask: Mask, sure: Mask) -> Mask:
    """Without specks and pinholes; parts that were pointed at stay, however small."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    if count < 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = np.zeros(count, np.bool_)
    keep[1:] = areas >= MIN_PART * areas.max()
    keep[np.unique(labels[sure & mask])] = True
    keep[0] = False
    return _filled(keep[labels], MIN_PART)


def _filled(mask: Mask, share: float) -> Mask:
    """With its holes filled that are smaller than `share` of it."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).view(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < share * float(mask.sum())
    small[0] = False
    small[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = False
    return np.asarray(mask | small[labels], np.bool_)


def _depth(mask: Mask) -> Map:
    """How far inside the mask each pixel lies; the edge of the picture is no rim."""
    return np.asarray(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 3), np.float32)


def matte(mask: Map, small: NDArray[np.uint8], image: NDArray[np.uint8]) -> Map:
    """A mask whose rim follows the picture, from a rough one: (H, W) float32 in [0, 1].

    The guided filter (He, Sun and Tang, ECCV 2010) in its fast form: the mask as a local linear function of the colours is fitted where both
    are small, and applied where the picture is large.

    mask: (h, w) float32 in [0, 1]
    small: (h, w, 3) uint8, `image` reduced
    image: (H, W, 3) uint8
    """
    height, width = image.shape[:2]

    def enlarged(array: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.resize(array, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

    slope, offset = _fitted(mask, small.astype(np.float32) * np.float32(1 / 255))
    total = (enlarged(slope) * (image.astype(np.float32) * np.float32(1 / 255))).sum(axis=-1) + enlarged(offset)
    total = np.clip((total - 0.5) * np.float32(SHARPEN) + 0.5, 0, 1)
    # Deep inside and far outside there is nothing to follow.
    near = enlarged(_mean(mask))
    return np.where(near <= 0.001, 0, np.where(near >= 0.999, 1, total)).astype(np.float32)


def _fitted(mask: Map, guide: NDArray[np.float32]) -> tuple[NDArray[np.float32], Map]:
    """Slope (h, w, 3) and offset (h, w) of the mask over the colours around each pixel."""
    colour, level = _mean(guide), _mean(mask)
    covariance = _mean(guide * mask[..., None]) - colour * level[..., None]
    spread = np.empty((*mask.shape, 3, 3), np.float32)
    for i in range(3):
        for j in range(i, 3):
            both = _mean(np.ascontiguousarray(guide[..., i] * guide[..., j]))
            spread[..., i, j] = spread[..., j, i] = both - colour[..., i] * colour[..., j]
        spread[..., i, i] += np.float32(SMOOTHNESS)
    slope = np.linalg.solve(spread, covariance[..., None])[..., 0].astype(np.float32)
    offset = level - (slope * colour).sum(axis=-1)
    return _mean(slope), _mean(offset)


def _mean(array: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * RADIUS + 1
    return np.asarray(cv2.blur(array, (side, side), borderType=cv2.BORDER_REFLECT_101), np.float32)
