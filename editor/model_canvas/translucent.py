"""Alpha of an edited translucent picture: methods see it on white, and their result becomes as translucent as the picture was."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from editor.arrays import Pixels
from editor.geometry import Rect
from editor.requests.reports import Preview
from editor.requests.results import EditResult

WHITE = 255.0


def as_translucent(result: EditResult, alpha: Pixels, rect: Rect) -> EditResult:
    """The result as a layer that stays inside what lies below it.

    alpha: (H, W) uint8, how opaque the picture is
    rect: of the document, where `alpha` is
    """
    part = alpha[result.rect.within(rect).slices]
    return replace(result, pixels=_off_white(result.pixels, part), clip=True)


def preview_as_translucent(preview: Preview, alpha: Pixels, rect: Rect) -> Preview:
    """A preview, with as much alpha as the picture has. It may be smaller than what it shows."""
    height, width = preview.pixels.shape[:2]
    part = alpha[preview.rect.intersect(rect).within(rect).slices]
    if part.size == 0:
        return preview
    part = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    pixels = _off_white(preview.pixels, part)
    pixels[..., 3] = np.rint(pixels[..., 3] * (part * np.float32(1 / 255)))
    return Preview(preview.rect, pixels)


def _off_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """The colours that look on white like those of `pixels`, (h, w, 4), when they are as opaque as `alpha`, (h, w)."""
    if alpha.min(initial=255) == 255:
        return pixels.copy()
    share = np.maximum(alpha, 1)[..., None] * np.float32(1 / 255)
    colours = WHITE + (pixels[..., :3] - np.float32(WHITE)) / share
    result = pixels.copy()
    seen = (alpha > 0) & (alpha < 255)
    result[..., :3][seen] = np.clip(np.rint(colours), 0, 255)[seen].astype(np.uint8)
    return result
