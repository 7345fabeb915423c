"""The picture as seen: layers flattened, in sRGB as stored, after the W3C's compositing rules for straight alpha."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Pixels, strips
from editor.document.contents import Blend
from editor.document.document import Document
from editor.document.tiles import NO_STEP, thinned_shape
from editor.geometry import Rect, Size


def flatten(document: Document, rect: Rect | None = None) -> Pixels:
    """(h, w, 4) uint8, straight alpha: what the visible layers show inside `rect` (all by default), a fresh array.

    Where only one layer shows as it is, its bytes come back unchanged, colours under alpha 0 too. Raises `ValueError` outside the picture.
    """
    area = document.rect if rect is None else rect
    if not document.rect.holds(area):
        raise ValueError(f"{area} reaches outside {document.rect}")
    return thinned(document, area, 1)


def thinned(document: Document, rect: Rect, step: int, first: Size = NO_STEP) -> Pixels:
    """The same from every `step`th pixel of every `step`th row, beginning `first` pixels from the corner of `rect`: exactly those of
    `flatten`, in the time that so few pixels take.
    """
    pixels = np.zeros((*thinned_shape(rect, step, first), 4), np.uint8)
    shown = [layer for layer in document.layers if layer.visible and layer.opacity > 0]
    lowest = next((layer for layer in shown if not layer.clip), None)
    for layer in shown:
        for where, sample in layer.pixels.samples(rect, step, first):
            if layer is lowest and layer.opacity == 1:
                pixels[where] = sample  # on nothing every blend mode gives the layer itself
            else:
                lay(pixels[where], sample, layer.opacity, layer.blend, clip=layer.clip)
    return pixels


def flatten_rgb(document: Document, rect: Rect) -> Pixels:
    """(h, w, 3) uint8: the same on white, for methods that know no transparency."""
    return on_white(flatten(document, rect))


def on_white(flat: Pixels) -> Pixels:
    """(h, w, 3) uint8: (h, w, 4) straight alpha as it looks on white."""
    if flat.size == 0:
        return np.zeros((*flat.shape[:2], 3), np.uint8)
    if cv2.extractChannel(flat, 3).min() < 255:
        white = np.full_like(flat, 255)
        for rows in strips(flat):
            lay(white[rows], flat[rows], 1.0, "normal")
        flat = white
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGBA2RGB), np.uint8)


def lay(under: Pixels, over: Pixels, opacity: float, blend: Blend, *, clip: bool = False) -> None:
    """Lay `over` onto `under` in place; both (h, w, 4) uint8 straight alpha. Where `over` is transparent no byte changes.

    clip: nothing becomes more opaque, and what is transparent stays as it is
    """
    alpha = over[..., 3]
    lowest = int(alpha.min())
    if lowest == 255 and not clip and opacity == 1.0 and blend == "normal":
        under[...] = over
        return
    if lowest == 0 and not alpha.any():
        return
    source_alpha = alpha.astype(np.float32)[..., None] * np.float32(opacity / 255)
    source = over[..., :3].astype(np.float32)
    backdrop = under[..., :3].astype(np.float32)
    backdrop_opaque = bool((under[..., 3] == 255).all())
    if clip and not backdrop_opaque:
        mixed = source if blend == "normal" else _blended(backdrop, source, blend)
        colour = np.rint(backdrop + (mixed - backdrop) * source_alpha)
        seen = under[..., 3] > 0
        under[..., :3][seen] = colour[seen].astype(np.uint8)
        return
    if backdrop_opaque:
        mixed = source if blend == "normal" else _blended(backdrop, source, blend)
        # Interpolating from the backdrop keeps its bytes exactly where alpha is 0.
        under[..., :3] = np.rint(backdrop + (mixed - backdrop) * source_alpha)
        return
    backdrop_alpha = under[..., 3:].astype(np.float32) * np.float32(1 / 255)
    mixed = source
    if blend != "normal":
        # On an opaque pixel this is the blend itself, so that the bytes do not depend on where blocks and rectangles begin.
        mixed = _blended(backdrop, source, blend) * backdrop_alpha + source * (1 - backdrop_alpha)
    result_alpha = source_alpha + backdrop_alpha * (1 - source_alpha)
    share = np.divide(source_alpha, result_alpha, out=np.zeros_like(source_alpha), where=result_alpha > 0)
    colour = backdrop + (mixed - backdrop) * share
    touched = source_alpha[..., 0] > 0
    under[..., :3][touched] = np.rint(colour)[touched].astype(np.uint8)
    under[..., 3][touched] = np.rint(result_alpha[..., 0] * 255)[touched].astype(np.uint8)


def _blended(backdrop: NDArray[np.float32], source: NDArray[np.float32], blend: Blend) -> NDArray[np.float32]:
    """The separable blend functions, on 0 to 255."""
    scale = np.float32(1 / 255)
    match blend:
        case "normal":
            return source
        case "multiply":
            return backdrop * source * scale
        case "screen":
            return backdrop + source - backdrop * source * scale
        case "overlay":
            low = 2 * backdrop * source * scale
            high = 255 - 2 * (255 - backdrop) * (255 - source) * scale
            return np.where(backdrop <= 127.5, low, high).astype(np.float32)


def with_result(under: Pixels, area: Rect, pixels: Pixels, rect: Rect) -> None:
    """Lay an edit's result (straight alpha, for `rect`) onto the flattened picture of `area`, in place: a staged candidate."""
    part = area.intersect(rect)
    if not part.empty:
        lay(under[part.within(area).slices], pixels[part.within(rect).slices], 1.0, "normal")
