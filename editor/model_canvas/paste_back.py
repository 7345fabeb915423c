"""Paste-back: what a model made, laid over the original so that nothing outside the change moves by one bit.

The edge is feathered inwards only: the paste's alpha is 0 wherever strength is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from editor.arrays import Image, Map, Mask, Pixels, is_bytes, strips, to_image
from editor.document import masks
from editor.document.placing import on_grid
from editor.errors import NotFinite
from editor.geometry import EMPTY, Rect, Size
from editor.requests.results import EditResult, Recipe
from editor.requests.variants import Variant

RING = 32  # pixels around the change, in which colours are compared
MIN_RING = 64  # fewer pixels say nothing
VISIBLE = 1 / 255
_LEAST = 1e-6  # paint is divided by no smaller alpha


def paste_alpha(strength: Map, feather: float) -> Map:
    """(H, W) in [0, 1]: 0 where strength is 0, rising to 1 over `feather` pixels from there (smoothstep of the distance).

    What is thinner than that, a stroke or a spur of something larger, fades in over its own half width, so that it still counts in its middle.
    """
    return _faded(strength > 0, feather)


def _faded(free: Mask, feather: float) -> Map:
    if feather <= 1:
        return free.astype(np.float32)
    height, width = free.shape
    alpha = np.zeros((height, width), np.float32)
    # All that is looked for from a pixel lies in here: the nearest pixel that keeps is none further out.
    near = Rect.of_mask(free).grow(1).intersect(Rect(0, 0, width, height)).slices
    alpha[near] = _risen(free[near], feather)
    return alpha


def _risen(free: Mask, feather: float) -> Map:
    if free.all():
        return free.astype(np.float32)
    away = masks.distance(free)
    np.minimum(away, np.float32(feather), out=away)
    # Next to what is as deep as that all fades in over `feather`; only what is thin is looked at for how deep it is.
    side = 2 * math.ceil(feather) + 1
    deep = cv2.boxFilter(
        (away == np.float32(feather)).view(np.uint8),
        cv2.CV_32S,
        (side, side),
        normalize=False,
        borderType=cv2.BORDER_CONSTANT,
    )
    thin = Rect.of_mask(free & (deep == 0))
    around = thin.grow(math.ceil(feather)).intersect(Rect(0, 0, free.shape[1], free.shape[0]))
    thin_alpha: Map | None = None
    if not thin.empty:
        width = cv2.dilate(away[around.slices], np.ones((side, side), np.uint8))[thin.within(around).slices]
        thin_alpha = _eased(np.asarray(away[thin.slices] / np.maximum(width, 1), np.float32))
    for rows in strips(away):
        away[rows] = _eased(away[rows] / np.float32(feather))
    if thin_alpha is not None:
        away[thin.slices] = thin_alpha
    return away


def _eased(share: Map) -> Map:
    return np.asarray(share * share * (3 - 2 * share), np.float32)


class KeptAlpha:
    """`paste_alpha` of one map after another: only around what changed it is computed anew."""

    def __init__(self) -> None:
        self._feather = 0.0
        self._free = np.zeros((0, 0), np.bool_)
        self._alpha = np.zeros((0, 0), np.float32)

    def of(self, strength: Map, feather: float) -> Map:
        """As `paste_alpha`, bit for bit; not to be written to."""
        free = strength > 0
        if (feather, free.shape) != (self._feather, self._free.shape):
            self._alpha = _faded(free, feather)
        else:
            changed = Rect.of_mask(free ^ self._free)
            if not changed.empty:
                self._alpha = self._changed(free, feather, changed)
        self._feather, self._free = feather, free
        return self._alpha

    def _changed(self, free: Mask, feather: float, changed: Rect) -> Map:
        # What is free counts as far as it fades, and the widths that it is measured by as far again.
        reach, whole = 2 * math.ceil(max(feather, 0)) + 1, Rect(0, 0, free.shape[1], free.shape[0])
        written = changed.grow(reach).intersect(whole)
        seen = written.grow(reach).intersect(whole)
        alpha = self._alpha.copy()
        part = _faded(free[seen.slices], feather)
        alpha[written.slices] = part[written.within(seen).slices]
        return alpha


def matched(generated: Image, original: Image, strength: Map, *, always: bool = False) -> Image:
    """The generated image with mean and deviation of each channel as they are in the original, measured in a ring around the change.

    There nothing was to change, so any difference is the model's doing (its encoder and decoder, half precision, strong guidance). All are
    (H, W[, 3]) of one grid, in [0, 1]. Left alone where the means differ by less than 1/255, unless `always`.
    """
    free = (strength > 0).astype(np.uint8)
    size = 2 * RING + 1
    ring = (cv2.dilate(free, np.ones((size, size), np.uint8)) > 0) & (free == 0)
    if int(ring.sum()) < MIN_RING:
        return generated
    generated_ring, wanted = generated[ring].astype(np.float64), original[ring].astype(np.float64)
    shift = wanted.mean(0) - generated_ring.mean(0)
    if not always and float(np.abs(shift).max()) <= VISIBLE:
        return generated
    gain = np.clip((wanted.std(0) + 1e-3) / (generated_ring.std(0) + 1e-3), 0.8, 1.25)
    return np.asarray(np.clip((generated - generated_ring.mean(0)) * gain + wanted.mean(0), 0, 1), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Pasted:
    """What was pasted onto a picture, kept as floats so that one paste after another loses nothing.

    area: of the picture, outside which nothing was pasted
    paint: (h, w, 3) of the area, the pasted colours times alpha
    alpha: (h, w) of the area
    """

    area: Rect
    paint: Image
    alpha: Map

    @classmethod
    def bare(cls) -> Pasted:
        """Nothing yet."""
        return cls(EMPTY, np.zeros((0, 0, 3), np.float32), np.zeros((0, 0), np.float32))

    def on(self, original: Pixels | Image) -> Image:
        """(H, W, 3): alpha x pasted + (1 - alpha) x original, which is (H, W, 3), uint8 or float in [0, 1]."""
        image = to_image(original) if is_bytes(original) else np.array(original, np.float32)
        part = image[self.area.slices]
        for rows in strips(part):
            part[rows] = self.paint[rows] + (1 - _thrice(self.alpha[rows])) * part[rows]
        return image

    def over(self, generated: Image, alpha: Map, area: Rect | None = None, *, used_up: bool = False) -> Pasted:
        """With `generated` (h, w, 3) pasted on top by `alpha` (h, w) within `area`, by default at the picture's corner.

        used_up: nobody else needs `generated` any more; it may be written to
        """
        area = Rect(0, 0, alpha.shape[1], alpha.shape[0]) if area is None else area
        if self.area.empty:
            paint = generated if used_up else generated.copy()
            for rows in strips(paint):
                paint[rows] *= _thrice(alpha[rows])
            return Pasted(area, paint, alpha)
        below = self._within(self.area.unite(area))
        paint, weights, inside = below.paint, below.alpha, area.within(below.area).slices
        weight = alpha[..., None]
        paint[inside] = weight * generated + (1 - weight) * paint[inside]
        weights[inside] = alpha + (1 - alpha) * weights[inside]
        return below

    def resized(self, picture: Size, size: Size) -> Pasted:
        """The same for a picture of `picture` made smaller, of all of it."""
        whole = Rect.of_size(picture)
        if size == picture:
            return self if self.area == whole else self._within(whole)
        paint, alpha = (
            cv2.resize(on_grid(plane, self.area, whole), size, interpolation=cv2.INTER_AREA)
            for plane in (self.paint, self.alpha)
        )
        return Pasted(Rect.of_size(size), np.asarray(paint, np.float32), np.asarray(alpha, np.float32))

    def layer(self) -> Pixels:
        """(h, w, 4) of the area, straight alpha; over the original it gives `on`."""
        layer = np.empty((*self.alpha.shape, 4), np.uint8)
        for rows in strips(layer):
            alpha = self.alpha[rows]
            colours = self.paint[rows] / _thrice(np.maximum(alpha, np.float32(_LEAST)))
            np.clip(colours, 0, 1, out=colours)
            colours *= 255
            planes = [np.rint(colours, out=colours).astype(np.uint8), np.rint(alpha * 255).astype(np.uint8)]
            cv2.mixChannels(planes, [layer[rows]], [0, 0, 1, 1, 2, 2, 3, 3])
        return layer

    def _within(self, area: Rect) -> Pasted:
        """The same in arrays of its own for a larger area."""
        return Pasted(area, on_grid(self.paint, self.area, area), on_grid(self.alpha, self.area, area))


def _thrice(alpha: Map) -> Image:
    """(h, w, 3): once for each channel, which is far quicker to compute with than one for all three."""
    return np.asarray(cv2.merge([alpha] * 3), np.float32)


def result_of(variant: Variant, pasted: Pasted) -> EditResult:
    """What was pasted, cut to what changed. Raises `NotFinite` where that holds anything but finite numbers, which would be painted black."""
    _check_finite(pasted.paint)
    pixels, area = pasted.layer(), pasted.area
    shown = Rect.of_mask(np.asarray(cv2.extractChannel(pixels, 3))) if pixels.size else EMPTY
    rect = Rect(0, 0, 1, 1) if shown.empty else shown.moved(area.left, area.top)
    return _cut(variant, rect, pixels if rect == area else on_grid(pixels, area, rect))


def result_over(variant: Variant, generated: Image, alpha: Map) -> EditResult:
    """As `result_of` for a single paste, bit for bit, in a fraction of the time.

    generated: (H, W, 3) in [0, 1]
    alpha: (H, W) in [0, 1]
    """
    _check_finite(generated)
    opacity = np.asarray(cv2.convertScaleAbs(alpha, alpha=255), np.uint8)
    area = Rect.of_mask(opacity)
    if area.empty:
        return _cut(variant, area, np.zeros((1, 1, 4), np.uint8))
    alpha, generated = alpha[area.slices], generated[area.slices]
    pixels = np.asarray(cv2.cvtColor(cv2.convertScaleAbs(generated, alpha=255), cv2.COLOR_RGB2RGBA), np.uint8)
    pixels[..., 3] = opacity[area.slices]
    nothing = alpha == 0
    np.copyto(pixels.view(np.uint32)[..., 0], np.uint32(0), where=nothing)
    rows, columns = np.nonzero((alpha < 1) ^ nothing)  # where it is neither nothing nor all
    weight = alpha[rows, columns][:, None]
    colours = weight * generated[rows, columns] / np.maximum(weight, _LEAST)
    pixels[rows, columns, :3] = np.rint(np.clip(colours, 0, 1) * 255)
    return _cut(variant, area, pixels)


def _check_finite(array: Image) -> None:
    if not math.isfinite(float(array.sum())):
        raise NotFinite("What was computed is not a picture.", "Try other settings.")


def _cut(variant: Variant, area: Rect, pixels: Pixels) -> EditResult:
    """The result of a layer's part that is not transparent. `area`: where that lies in the frame; one pixel where there is none."""
    area = Rect(0, 0, 1, 1) if area.empty else area
    corner = variant.request.frame.rect
    return EditResult(area.moved(corner.left, corner.top), pixels, Recipe.of(variant.request), variant=variant.id)
