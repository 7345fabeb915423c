"""Cells: what a model's sampler makes of the strength, cell by cell of its own grid and in whole steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen

from editor.compose import thinned
from editor.document import Document
from editor.edit import Draft, Plan
from editor.errors import EditorError
from editor.frame import Frame
from editor.geometry import Rect
from editor.hold import counts_of, run_length
from editor.repainting import repaint_inputs, rim_of
from editor.request import PixelsSettings
from editor.tiles import Tiles
from editor.working import Working
from widgets.canvas.adapting import Reducer
from widgets.canvas.lens import Lens
from widgets.canvas.levels import from_level, level_size, reduced_map, to_level
from widgets.canvas.palette import Words
from widgets.qimage import wrap

_MOST = 2  # times the pixels of the working size that are looked at
LINED_FROM = 7.0  # logical pixels of a cell on screen from which on the lines between cells are drawn


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """`held`: (h, w) whole numbers, the steps before which a cell is written over, 0 to `steps`; `rect`: the frame, in picture pixels;
    `width`, `height`: picture pixels of a cell. `by_index`: the steps count as they are drawn; otherwise the method counts noise.
    """

    held: NDArray[np.int64]
    steps: int
    rect: Rect
    width: float
    height: float
    by_index: bool = True

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
        return f"Released at step {held + 1} of {self.steps}"

    def share_at(self, x: float, y: float) -> float | None:
        """0 to 1: how many of the steps change what is under a picture point."""
        held = self.held_at(x, y)
        return None if held is None else 1 - held / max(self.steps, 1)

    def draw(self, painter: QPainter, lens: Lens, table: Words) -> None:
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
    document: Document, draft: Draft, planned: Plan, frame: Frame | None, reducer: Reducer | None = None
) -> Cells | None:
    """What a run would begin with now; None for methods without a model, and when there is nothing to do. `frame`: what the model sees.

    Steps are always counted by index: noise levels are known to the sampler only. A frame of many more pixels than its working size is
    looked at smaller; there cells at rims and at the frame's edges may be a step or so off.
    """
    settings, model = draft.settings, draft.model
    if not isinstance(settings, PixelsSettings) or model is None or frame is None:
        return None
    level = 0
    while frame.rect.size.area >> (2 * level) > _MOST * frame.working.area:
        level += 1
    small, seen = document, frame
    if level:
        small = _reduced(document, draft, planned, frame=frame, level=level, reducer=reducer or Reducer())
        seen = Frame(to_level(frame.rect, level).intersect(small.rect), frame.working)
    source = from_level(seen.rect, level).intersect(document.rect)
    nothing = thinned(document, source, 1 << level)[..., 3] == 0
    try:
        strength, found = repaint_inputs(small, draft, seen, planned, nothing)
    except EditorError:
        return None
    working = Working.of(seen, model)
    wanted = draft.steps_on(model)
    steps = run_length(settings, strength, wanted)
    held = counts_of(settings, tuple(found.values()), strength, working, steps)
    across, down = frame.scale
    by_index = settings.rule != "hold" or settings.map_scale == "index"
    return Cells(held, steps, frame.rect, working.cell / across, working.cell / down, by_index)


def _reduced(
    document: Document, draft: Draft, planned: Plan, *, frame: Frame, level: int, reducer: Reducer
) -> Document:
    """What takes part, as far as it lies in the frame, in a picture smaller by 2^level, without layers."""
    size = level_size(document.size, level)
    empty = Tiles.filled(size.shape, 0, np.float32)
    # As the counting has it: thin strokes free the cells that they touch, others count for what they cover.
    largest = isinstance(draft.settings, PixelsSettings) and draft.settings.thin_strokes

    def small(tiles: Tiles, *, largest: bool = False) -> Tiles:
        part = to_level(tiles.written().intersect(frame.rect), level)
        if part.empty:
            return empty
        return empty.write(part.left, part.top, reduced_map(tiles, level, part, largest=largest))

    found = Document(size, (), empty, small(document.protect), empty, empty)
    if planned.region is not None:
        found = found.with_map(planned.region, small(document.map(planned.region), largest=largest))
    items = [item for id in planned.items if (item := document.item(id)) is not None]
    exemplars = [
        replace(each, rim=rim_of(own, draft, frame) / (1 << level))
        for own, each in zip(document.exemplars, reducer.reduced(document.exemplars, level), strict=True)
    ]
    return replace(
        found,
        items=tuple(replace(item, mask=small(item.mask, largest=largest)) for item in items),
        exemplars=tuple(exemplars),
    )
