"""Model canvas: the part of the document that a model sees, as the model sees it, and the way back.

One canvas and one transform for picture, maps and exemplars: the frame scaled to its working size, and mirrored at the right and at the bottom up to
what the model's sides must be multiples of.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.arrays import Image, Map, is_bytes, to_image
from editor.geometry import Rect, Size
from editor.model_canvas.shrinking import shrunk
from editor.models.info import ModelInfo
from editor.requests.frame import Frame

_MIN_WEIGHT = 1e-3  # below, no colour can be told


@dataclass(frozen=True, slots=True)
class ModelCanvas:
    """`canvas`: the working size, rounded up to the model's multiple. `grid`: latent cells of `cell` x `cell` canvas pixels."""

    frame: Frame
    canvas: Size
    cell: int

    @classmethod
    def of(cls, frame: Frame, model: ModelInfo) -> ModelCanvas:
        multiple = model.multiple
        width, height = (-(-side // multiple) * multiple for side in frame.working)
        return cls(frame, Size(width, height), model.cell)

    @property
    def grid(self) -> Size:
        return Size(self.canvas.width // self.cell, self.canvas.height // self.cell)

    @property
    def scale(self) -> float:
        """Working pixels per document pixel."""
        return self.frame.mean_scale

    def image(self, pixels: NDArray[np.uint8] | Image) -> Image:
        """(H, W, 3) of the frame, uint8 or float in [0, 1] -> (canvas height, canvas width, 3) float32 in [0, 1]."""
        if is_bytes(pixels):
            return self._padded(np.clip(_resized_bytes(pixels, self.frame.working), 0, 1))
        return self._padded(np.clip(_resized(np.asarray(pixels, np.float32), self.frame.working), 0, 1))

    def weighted(self, pixels: NDArray[np.uint8], weight: Map) -> Image:
        """As `image`, but pixels count by their `weight`, (H, W) in [0, 1]: what is cut away does not darken the edge of what is not."""
        if self.frame.working == self.frame.rect.size:
            return self.image(pixels)
        total = _resized(weight, self.frame.working)[..., None]
        mean = _resized_bytes(pixels, self.frame.working, weight) / np.maximum(total, _MIN_WEIGHT)
        values = np.where(total > _MIN_WEIGHT, mean, _resized_bytes(pixels, self.frame.working))
        return self._padded(np.clip(values, 0, 1))

    def map(self, map: Map) -> Map:
        """(H, W) of the frame -> (canvas height, canvas width), averaged where it shrinks."""
        return self._padded(np.clip(_resized(map, self.frame.working, cv2.INTER_LINEAR), 0, 1))

    def cells(self, map: Map, *, thin: bool = False) -> Map:
        """(H, W) of the frame -> one value for each latent cell: the average, or with `thin` the maximum of what the cell covers."""
        if thin:
            return self._largest(map)
        height, width = self.grid.height, self.grid.width
        blocks = self.map(map).reshape(height, self.cell, width, self.cell)
        return np.asarray(blocks.mean((1, 3), dtype=np.float64), np.float32)

    def back(self, image: Image, part: Rect | None = None) -> Image:
        """(canvas height, canvas width, 3) -> (H, W, 3) of the frame, in [0, 1], the caller's own. `part`: only these pixels of the frame, counted
        from its corner.

        All of the frame is enlarged all the same: OpenCV's bits depend on where a picture begins.
        """
        size = self.frame.rect.size
        cropped = image[: self.frame.working.height, : self.frame.working.width]
        whole = _resized(np.ascontiguousarray(cropped), size)
        seen = whole if part is None else whole[part.slices]
        # Large arrays are dear, small parts of them must not keep them.
        in_place = 2 * seen.size > whole.size and not np.may_share_memory(whole, image)
        return np.clip(seen, 0, 1, out=seen if in_place else None)

    def _padded(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = array.shape[:2]
        if (width, height) == self.canvas:
            return np.ascontiguousarray(array)
        more = [(0, self.canvas.height - height), (0, self.canvas.width - width), *[(0, 0)] * (array.ndim - 2)]
        return np.pad(array, more, mode="symmetric")

    def _largest(self, map: Map) -> Map:
        largest = map
        for axis, (cells, used, side) in enumerate(
            zip(self.grid.shape, self.frame.working.shape, self.frame.rect.size.shape, strict=True)
        ):
            # The document pixels that every cell touches; cells of the mirrored margin repeat the last one that lies in the picture.
            inside = -(-used // self.cell)
            edges = np.minimum(np.arange(inside + 1) * self.cell, used) * side
            starts, stops = edges[:-1] // used, -(-edges[1:] // used)
            lines = np.moveaxis(largest, axis, 0)
            written = np.flatnonzero(lines.any(axis=1))
            values = np.zeros((cells, lines.shape[1]), np.float32)
            if written.size:  # only the cells from the first to the last that have anything
                touched = np.flatnonzero((stops > written[0]) & (starts <= written[-1]))
                first, last = int(touched[0]), int(touched[-1]) + 1
                origin = starts[first]
                part = np.pad(lines[origin : stops[last - 1]], ((0, 1), (0, 0)))  # for the last span to end at
                spans = np.stack([starts[first:last], stops[first:last]], axis=1).ravel() - origin
                values[first:last] = np.maximum.reduceat(part, spans, axis=0)[::2]
            values[inside:] = values[inside - 1]
            largest = np.moveaxis(values, 0, axis)
        return np.ascontiguousarray(largest, np.float32)


def _resized_bytes(pixels: NDArray[np.uint8], size: Size, weight: Map | None = None) -> Image:
    """(H, W, 3) uint8 as `_resized` has it in [0, 1], times `weight`, (H, W). Floats of all its pixels at once would be dear."""
    height, width = pixels.shape[:2]

    def colours(rows: slice) -> Image:
        image = to_image(pixels[rows])
        return image if weight is None else image * cv2.merge([weight[rows]] * 3)

    if size.area < width * height:
        return shrunk(colours, Size(width, height), size)
    return _resized(colours(slice(0, height)), size)


def _resized(array: NDArray[np.float32], size: Size, enlarge: int = cv2.INTER_CUBIC) -> NDArray[np.float32]:
    height, width = array.shape[:2]
    if (width, height) == size:
        return array
    shrinks = size.width * size.height < width * height
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA if shrinks else enlarge), np.float32)
