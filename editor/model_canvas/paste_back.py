"""Paste-back: what a model made, laid over the original so that nothing outside the change moves by one bit.

The edge is feathered inwards only: the paste's alpha is 0 wherever strength is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Image, Map, Mask, Pixels
from editor.document import masks
from editor.errors import NotFinite
from editor.geometry import Rect, Size
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
    if free.all() or not free.any() or feather <= 1:
        return free.astype(np.float32)
    away = masks.distance(free)
    side = 2 * math.ceil(feather) + 1
    width = cv2.dilate(np.minimum(away, np.float32(feather)), np.ones((side, side), np.uint8))
    share = np.clip(away / np.maximum(width, 1), 0, 1)
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
    """A picture with what was pasted onto it, kept as floats so that one paste after another loses nothing.

    `original`: (H, W, 3) in [0, 1]. `paint`: (H, W, 3), the pasted colours times `alpha`, (H, W).
    """

    original: Image
    paint: Image
    alpha: Map

    @classmethod
    def bare(cls, original: Image) -> Pasted:
        return cls(original, np.zeros_like(original), np.zeros(original.shape[:2], np.float32))

    @property
    def image(self) -> Image:
        """(H, W, 3): alpha x pasted + (1 - alpha) x original."""
        if not self.alpha.any():
            return self.original
        return self.paint + (1 - self.alpha[..., None]) * self.original

    def over(self, generated: Image, alpha: Map) -> Pasted:
        """With `generated` (H, W, 3) pasted on top by `alpha` (H, W)."""
        weight = alpha[..., None]
        if not self.alpha.any():  # the same numbers, in a third of the time
            return Pasted(self.original, weight * generated, alpha)
        return Pasted(self.original, weight * generated + (1 - weight) * self.paint, alpha + (1 - alpha) * self.alpha)

    def resized(self, size: Size) -> Pasted:
        """The same, smaller."""
        if self.alpha.shape == size.shape:
            return self
        small = [
            cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (self.original, self.paint, self.alpha)
        ]
        return Pasted(*(np.asarray(plane, np.float32) for plane in small))

    def layer(self) -> NDArray[np.uint8]:
        """(H, W, 4) straight alpha; over the original it gives `image`."""
        array = np.zeros((*self.alpha.shape, 4), np.uint8)
        colours = self.paint / np.maximum(self.alpha, _LEAST)[..., None]
        array[..., :3] = np.rint(np.clip(colours, 0, 1) * 255)
        array[..., 3] = np.rint(self.alpha * 255)
        return array


def result_of(variant: Variant, pasted: Pasted) -> EditResult:
    """What was pasted, cut to what changed. Raises `NotFinite` where that holds anything but finite numbers, which would be painted black."""
    _check_finite(pasted.paint)
    pixels = pasted.layer()
    area = Rect.of_mask(pixels[..., 3])
    part = pixels[:1, :1] if area.empty else pixels[area.slices]
    return _cut(variant, area, np.ascontiguousarray(part))


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
