"""Hold overlay: what a model's sampler makes of the strength, cell by cell of its own grid and in whole steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen

from editor.document.compose import thinned
from editor.document.contents import Layer, covered
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.errors import EditorError
from editor.geometry import Rect, Size
from editor.methods.base import AnyMethod
from editor.methods.registry import METHODS, Methods
from editor.model_canvas.canvas import ModelCanvas
from editor.planning.change_map import painted_rect, scribble_of
from editor.planning.exemplar_change import rim_of
from editor.planning.plan import Draft, Plan
from editor.requests.edit_request import ExemplarInput
from editor.requests.frame import Frame
from widgets.canvas.falloff_overlay import Reducer
from widgets.canvas.levels import from_level, level_size, reduced_map, to_level
from widgets.canvas.screen_pixels import Resampler
from widgets.qimage import Words, wrap

_MAX_OVERSAMPLING = 2  # times the pixels of the working size that are looked at
LINED_FROM = 7.0  # logical pixels of a cell on screen from which on the lines between cells are drawn


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """`held`: (h, w) whole numbers, the steps before which a cell is written over, 0 to `steps`; `rect`: the frame, in picture pixels;
    `width`, `height`: picture pixels of a cell. `by_index`: the steps count as they are drawn; otherwise the method counts noise. `closing`: cells
    are held at the end instead, and those that are held only then are a wider region that it begins with.
    """

    held: NDArray[np.int64]
    steps: int
    rect: Rect
    width: float
    height: float
    by_index: bool = True
    closing: bool = False

    @property
    def begins_wider(self) -> bool:
        return self.closing and bool(((self.held > 0) & (self.held < self.steps)).any())

    @property
    def note(self) -> str:
        """What is to be said behind the number of steps."""
        if self.begins_wider:
            return ", begins wider"
        return "" if self.by_index else ", shown by index"

    def held_at(self, x: float, y: float) -> int | None:
        """The count of the cell under a picture point; None outside the frame."""
        if not self.rect.covers(x, y):
            return None
        row, column = math.floor((y - self.rect.top) / self.height), math.floor((x - self.rect.left) / self.width)
        return int(self.held[min(row, self.held.shape[0] - 1), min(column, self.held.shape[1] - 1)])

    def words_at(self, x: float, y: float) -> str:
        """What happens under a picture point, for people; empty outside the frame."""
        held = self.held_at(x, y)
        if held is None:
            return ""
        if held >= self.steps:
            return "Kept"
        if self.closing:
            return f"Free until step {self.steps - held} of {self.steps}" if held else "Changes"
        return f"Released at step {held + 1} of {self.steps}"

    def share_at(self, x: float, y: float) -> float | None:
        """0 to 1: how many of the steps change what is under a picture point."""
        held = self.held_at(x, y)
        return None if held is None else 1 - held / max(self.steps, 1)

    def draw(self, painter: QPainter, lens: Resampler, table: Words) -> None:
        """Flat squares, in device pixels; `table`: (256,) words from kept to free."""
        levels = np.rint((self.steps - self.held) * (255 / max(self.steps, 1))).astype(np.uint8)
        words = np.ascontiguousarray(table[levels])
        image: QImage = wrap(words.view(np.uint8).reshape(*words.shape, 4))
        painter.save()
        painter.setTransform(lens.to_device, True)
        painter.setClipRect(
            QRectF(self.rect.left, self.rect.top, self.rect.width, self.rect.height), Qt.ClipOperation.IntersectClip
        )
        rows, columns = self.held.shape
        painter.drawImage(QRectF(self.rect.left, self.rect.top, columns * self.width, rows * self.height), image)
        if min(self.width, self.height) * lens.viewport.scale >= LINED_FROM:
            pen = QPen(QColor(0, 0, 0, 60), 1)
            pen.setCosmetic(True)
            painter.setPen(pen)
            painter.drawPath(self._lines())
        painter.restore()

    def _lines(self) -> QPainterPath:
        path = QPainterPath()
        rows, columns = self.held.shape
        right, bottom = self.rect.left + columns * self.width, self.rect.top + rows * self.height
        for column in range(1, columns):
            x = self.rect.left + column * self.width
            path.moveTo(x, self.rect.top)
            path.lineTo(x, bottom)
        for row in range(1, rows):
            y = self.rect.top + row * self.height
            path.moveTo(self.rect.left, y)
            path.lineTo(right, y)
        return path


def cells_of(
    document: Document,
    draft: Draft,
    planned: Plan,
    frame: Frame | None,
    reducer: Reducer | None = None,
    *,
    methods: Methods = METHODS,
) -> Cells | None:
    """What a run would begin with now; None for methods that hold no cells, and when there is nothing to do. `frame`: what the model sees.

    Steps are always counted by index: noise levels are known to the sampler only. A frame of many more pixels than its working size is
    looked at smaller; there cells at rims and at the frame's edges may be a step or so off.
    """
    try:
        return checked_cells(document, draft, planned, frame, reducer, methods=methods)
    except EditorError:
        return None


def checked_cells(
    document: Document,
    draft: Draft,
    planned: Plan,
    frame: Frame | None,
    reducer: Reducer | None = None,
    *,
    methods: Methods = METHODS,
) -> Cells | None:
    """The same. Raises `InvalidRequest` when nothing of the region may change."""
    settings, model = draft.settings, draft.model
    if model is None or frame is None or not settings.needs_model:
        return None
    method = methods.of(settings)
    strength, exemplars, seen = _inputs(document, draft, planned, method, frame=frame, reducer=reducer)
    working = ModelCanvas.of(seen, model)
    holds = method.preview_holds(draft, exemplars, strength, working, draft.steps_on(model))
    if holds is None:
        return None
    width, height = (working.cell / scale for scale in frame.scale)
    return Cells(holds.held, holds.steps, frame.rect, width, height, holds.by_index, holds.closing)


def _inputs(
    document: Document, draft: Draft, planned: Plan, method: AnyMethod, *, frame: Frame, reducer: Reducer | None
) -> tuple[NDArray[np.float32], tuple[ExemplarInput, ...], Frame]:
    """Strength and exemplars of the frame, looked at smaller where it has many pixels, and the frame that they are of."""
    level = 0
    while frame.rect.size.area >> (2 * level) > _MAX_OVERSAMPLING * frame.working.area:
        level += 1
    small, seen = document, frame
    if level:
        small = _reduced(document, draft, planned, frame=frame, level=level, reducer=reducer or Reducer())
        seen = Frame(to_level(frame.rect, level).intersect(small.rect), frame.working)
    source = from_level(seen.rect, level).intersect(document.rect)
    nothing = _nothing(document, source, 1 << level)
    strength, inputs = method.inputs(small, draft, seen, planned, nothing)
    return strength, tuple(inputs.values()), seen


def _nothing(document: Document, rect: Rect, step: int) -> NDArray[np.bool_] | None:
    """(h, w): where the picture is transparent, of samples every `step` pixels; None where one layer alone covers it all, without laying them all."""
    whole = (layer for layer in document.layers[:1] if layer.visible and layer.opacity == 1)
    if any(bottom.pixels.thinned(rect, step)[..., 3].min(initial=255) == 255 for bottom in whole):
        return None
    empty: NDArray[np.bool_] = thinned(document, rect, step)[..., 3] == 0
    return empty


def _reduced(
    document: Document, draft: Draft, planned: Plan, *, frame: Frame, level: int, reducer: Reducer
) -> Document:
    """What takes part, as far as it lies in the frame, in a picture smaller by 2^level, without layers but for a scribble."""
    size = level_size(document.size, level)
    empty = Tiles.filled(size.shape, 0, np.float32)
    # As the counting has it: thin strokes free the cells that they touch, others count for what they cover.
    largest = draft.settings.counts_thin_strokes

    def small(tiles: Tiles, *, largest: bool = False) -> Tiles:
        part = to_level(tiles.written().intersect(frame.rect), level)
        if part.empty:
            return empty
        return empty.write(part.left, part.top, reduced_map(tiles, level, part, largest=largest))

    hint = scribble_of(document, draft)
    layers = () if hint is None or planned.scribble is None else (_scribble(hint, size, frame=frame, level=level),)
    reduced = Document(size, layers, empty, small(document.protect), empty, empty)
    if planned.region is not None:
        reduced = reduced.with_map(planned.region, small(document.map(planned.region), largest=largest))
    masks = {item.id: small(item.mask, largest=largest) for item in document.items} if planned.items else {}
    exemplars = [
        replace(copy, rim=rim_of(own, draft, frame) / (1 << level))
        for own, copy in zip(document.exemplars, reducer.reduced(document.exemplars, level), strict=True)
    ]
    return replace(
        reduced,
        items=tuple(
            replace(item, mask=masks[item.id], rect=covered(masks[item.id]))
            for item in document.items
            if item.id in masks
        ),
        exemplars=tuple(exemplars),
    )


def _scribble(layer: Layer, size: Size, *, frame: Frame, level: int) -> Layer:
    """Where something is painted on the layer, in a picture smaller by 2^level."""
    rect = painted_rect(layer)
    reduced = Layer.empty(layer.id, layer.name, size)
    part = to_level(rect.intersect(frame.rect), level)
    if part.empty:
        return reduced
    strokes = (layer.pixels.read(rect)[..., 3] > 0).astype(np.float32)
    map = Tiles.filled(layer.pixels.size.shape, 0, np.float32).write(rect.left, rect.top, strokes)
    pixels = np.zeros((*part.size.shape, 4), np.uint8)
    pixels[..., 3] = np.where(reduced_map(map, level, part, largest=True) > 0, 255, 0)
    return replace(reduced, pixels=reduced.pixels.write(part.left, part.top, pixels))
