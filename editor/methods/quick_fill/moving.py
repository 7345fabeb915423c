"""Setting an item down somewhere else in the picture, from which it was lifted and whose hole was filled: its soft edge, the colours under that, and
the light of its new surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Map, Mask
from editor.errors import InvalidRequest
from editor.geometry import EMPTY, Rect, pixel_matrix, transform_point
from editor.methods.quick_fill.pyramid import Colour, to_bytes, to_float
from editor.requests.edit_request import ItemInput

FLATTEST = 1e-6
SHRINK_BLUR = 0.3
MIN_RING = 6
RADIUS = 5.0  # of the guided filter, and the other lengths below, in pixels of a picture of 512
EPSILON = 1e-4
CERTAIN = 2.0
MAX_REACH = 2  # whoever frees pixels for the edge counts on no more than this
SOFT_WIDTH = 4.0  # a mask whose edge is wider than this on the mean was made soft on purpose
MOST_LIGHT, MOST_COLOUR = 18.0, 10.0
CONTRAST = (0.75, 1.33)
MIN_PIXELS = 30


def place_item(
    canvas: NDArray[np.uint8], picture: NDArray[np.uint8], item: ItemInput, share: float
) -> tuple[Rect, NDArray[np.bool_]]:
    """Composite one item of `picture` onto `canvas`, in place, where its matrix puts it; both (H, W, 3) uint8.

    `share`: how far its tone follows the new surroundings, 0 to 1. Returns the rectangle written to and, for it, where anything
    changed; an empty one when the item goes out of the picture. Raises `InvalidRequest` for a matrix without area.
    """
    matrix = item.matrix
    box = Rect.of_mask(item.mask)
    if matrix is None or box.empty:
        return EMPTY, np.zeros((0, 0), np.bool_)
    stretch = abs(float(np.linalg.det(matrix[:, :2]))) ** 0.5
    if stretch < FLATTEST:
        raise InvalidRequest(f"“{item.name}” was squeezed to nothing.", "Make it larger, or remove it.")
    whole = Rect(0, 0, picture.shape[1], picture.shape[0])
    scale = lengths_scale(picture, item.mask)
    source = box.grow(3 + round(12 * scale)).intersect(whole)
    colours, mask = to_float(picture[source.slices]), item.mask[source.slices]
    alpha = matte(colours, mask, scale)
    colours = own_colours(colours, mask, scale)
    cut = np.concatenate([colours * alpha[..., None], alpha[..., None]], axis=2, dtype=np.float32)
    if stretch < 1:
        cut = np.asarray(cv2.GaussianBlur(cut, (0, 0), SHRINK_BLUR / stretch), np.float32)

    corners = [transform_point(matrix, x, y) for x in (source.left, source.right) for y in (source.top, source.bottom)]
    goal = Rect.around(corners).grow(1).intersect(whole)
    if goal.empty:
        return EMPTY, np.zeros((0, 0), np.bool_)
    shift = pixel_matrix(matrix)
    shift[:, 2] += shift[:, :2] @ (source.left, source.top) - (goal.left, goal.top)
    warped = np.clip(cv2.warpAffine(cut, shift, goal.size, flags=cv2.INTER_CUBIC), 0, 1).astype(np.float32)
    alpha = warped[..., 3]
    colours = np.clip(warped[..., :3] / np.maximum(alpha, 1e-3)[..., None], 0, 1).astype(np.float32)
    alpha = np.where(alpha < 1 / 255, np.float32(0), alpha)
    if not alpha.any():
        return EMPTY, np.zeros((0, 0), np.bool_)

    ring = max(MIN_RING, round(0.15 * float(item.mask.sum()) ** 0.5))
    before, after = _old_tone(picture, item, box, ring), _new_tone(canvas, goal, alpha, ring)
    if before is not None and after is not None:
        colours = match_tone(colours, alpha, before, after, share)
    under = to_float(canvas[goal.slices])
    changed = alpha > 0
    blended = to_bytes(under + alpha[..., None] * (colours - under))
    canvas[goal.slices][changed] = blended[changed]
    return goal, changed


def lengths_scale(picture: NDArray[np.uint8], mask: NDArray[np.float32]) -> float:
    """How many pixels one pixel of a picture of 512 is, less for small things, whose edge must not be wider than they are."""
    size = float(np.sqrt(mask.sum()))
    return float(max(0.4, min(max(1.0, max(picture.shape[:2]) / 512), size / 80)))


def _old_tone(picture: NDArray[np.uint8], item: ItemInput, box: Rect, ring: int) -> Tone | None:
    near = box.grow(2 * ring).intersect(Rect(0, 0, picture.shape[1], picture.shape[0])).slices
    around = surroundings(item.mask[near] > 0, item.hole[near], 2 * ring)
    return Tone.of(to_float(picture[near][around]))


def _new_tone(canvas: NDArray[np.uint8], goal: Rect, alpha: NDArray[np.float32], ring: int) -> Tone | None:
    near = goal.grow(ring).intersect(Rect(0, 0, canvas.shape[1], canvas.shape[0]))
    mask = np.zeros(near.size.shape, np.bool_)
    mask[goal.within(near).slices] = alpha > 0
    around = surroundings(mask, np.zeros_like(mask), ring)
    return Tone.of(to_float(canvas[near.slices][around]))


def matte(picture: Colour, mask: Map, scale: float) -> Map:
    """The soft cut-out, (h, w) in [0, 1], for a rough mask of the same size: a guided filter (He, Sun, Tang 2010) on the grey.

    Sure inside an erosion of the mask by `CERTAIN` and outside a dilation by at most `MOST_REACH`. `scale`: picture size over 512.
    A mask with a soft edge of its own comes back unchanged.
    """
    if is_soft(mask, scale):
        return mask
    inside = mask > 0.5
    alpha = guided_filter(picture.mean(axis=2), mask, max(1, round(RADIUS * scale)))
    reach = max(1, round(CERTAIN * scale))
    alpha[shrink(inside, reach)] = 1.0
    alpha[~spread(inside, min(reach, MAX_REACH))] = 0.0
    return np.asarray(np.clip((alpha - 0.1) / 0.8, 0.0, 1.0), np.float32)


def is_soft(mask: Map, scale: float) -> bool:
    """Whether the mask's edge was made soft on purpose."""
    inside = mask > 0.5
    edge = int((inside & ~shrink(inside, 1)).sum())
    between = int(((mask > 0.05) & (mask < 0.95)).sum())
    return between > SOFT_WIDTH * max(1.0, scale) * max(edge, 1)


def guided_filter(guide: Map, values: Map, radius: int, epsilon: float = EPSILON) -> Map:
    """`values` (h, w) smoothed so that they follow the edges of `guide` (h, w) in [0, 1]."""

    def mean(of: Map) -> Map:
        side = 2 * radius + 1
        return np.asarray(cv2.boxFilter(of, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)

    guide_mean, value_mean = mean(guide), mean(values)
    slope = (mean(guide * values) - guide_mean * value_mean) / (mean(guide * guide) - guide_mean**2 + epsilon)
    result: Map = mean(slope) * guide + mean(value_mean - slope * guide_mean)
    return result


def own_colours(picture: Colour, mask: Map, scale: float) -> Colour:
    """The picture with the colours of the thing carried out over its edge: nearest colour of its core, slightly blurred.

    So a soft edge does not bring a fringe of the old background along.
    """
    inside = mask > 0.5
    core = shrink(inside, max(1, round(CERTAIN * scale)))
    if not core.any():
        core = inside
    if not core.any():
        return picture
    _, nearest = cv2.distanceTransformWithLabels(
        (~core).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), np.float32)
    colours[nearest[core]] = picture[core]
    carried = cv2.GaussianBlur(colours[nearest], (0, 0), max(1.0, scale))
    return np.where(core[..., None], picture, carried).astype(np.float32)


def shrink(mask: Mask, by: int) -> Mask:
    """The mask eroded by a disc of that radius; the frame of the picture does not erode it."""
    return cv2.erode(mask.astype(np.uint8), _disc(by), borderType=cv2.BORDER_REPLICATE).astype(np.bool_)


def spread(mask: Mask, by: int) -> Mask:
    """The mask dilated by a disc of that radius."""
    return cv2.dilate(mask.astype(np.uint8), _disc(by)).astype(np.bool_)


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


@dataclass(frozen=True, slots=True)
class Tone:
    """What some pixels look like together: medians of L (0 to 100), a and b, and the spread of L."""

    light: float
    a: float
    b: float
    contrast: float

    @classmethod
    def of(cls, colours: Colour) -> Tone | None:
        """The tone of (n, 3) colours in [0, 1]; None for too few."""
        if colours.shape[0] < MIN_PIXELS:
            return None
        lab = _lab(colours)
        light, a, b = np.median(lab, axis=0)
        low, high = np.percentile(lab[:, 0], (20, 80))
        return cls(float(light), float(a), float(b), float(high - low))


def surroundings(mask: Mask, barred: Mask, width: int) -> Mask:
    """(h, w) bool: what lies within `width` pixels of the mask and is neither in it nor barred."""
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * width + 1, 2 * width + 1), np.uint8)).astype(np.bool_)
    result: Mask = near & ~mask & ~barred
    return result


def match_tone(colours: Colour, alpha: NDArray[np.float32], before: Tone, after: Tone, share: float) -> Colour:
    """(h, w, 3) colours of a thing taken from the surroundings `before` to those `after`, by `share` (0 to 1) of the way.

    Moves L, a and b by the difference of the medians within limits, and L's contrast by the ratio of the spreads.
    """
    inside = alpha > 0.5
    if share == 0 or not inside.any():
        return colours
    lab = _lab(colours)
    ratio = (after.contrast + 1) / (before.contrast + 1)
    stretch = float(np.clip(ratio, *CONTRAST)) ** share
    middle = float(np.median(lab[inside, 0]))
    lab[..., 0] = middle + (lab[..., 0] - middle) * stretch
    lab[..., 0] += np.clip(share * (after.light - before.light), -MOST_LIGHT, MOST_LIGHT)
    lab[..., 1] += np.clip(share * (after.a - before.a), -MOST_COLOUR, MOST_COLOUR)
    lab[..., 2] += np.clip(share * (after.b - before.b), -MOST_COLOUR, MOST_COLOUR)
    back = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)
    return np.clip(back, 0.0, 1.0).astype(np.float32)


def _lab(colours: Colour) -> NDArray[np.float32]:
    flat = np.ascontiguousarray(colours, np.float32).reshape(1, -1, 3)
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2Lab), np.float32).reshape(colours.shape)
