"""Setting an item down somewhere else in the picture, from which it was lifted and whose hole was filled."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.errors import InvalidRequest
from editor.geometry import EMPTY, Rect, pixel_matrix, transform_point
from editor.methods.quick_fill.matting import matte, own_colours
from editor.methods.quick_fill.pyramid import to_bytes, to_float
from editor.methods.quick_fill.tone import Tone, match_tone, surroundings
from editor.requests.edit_request import ItemInput

FLATTEST = 1e-6
SHRINK_BLUR = 0.3
MIN_RING = 6


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
