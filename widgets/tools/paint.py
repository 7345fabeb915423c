"""The brush and the eraser: pixels of the active layer."""

from __future__ import annotations

import math

from editor.document.brush import Colour, Erase, Paint
from editor.document.compose import flatten
from editor.geometry import Rect
from widgets.session.paint_target import PaintTarget, pixels
from widgets.tools.brushing import BrushTool
from widgets.tools.tool import PointerEvent


class PaintTool(BrushTool):
    """Paints with the colour in hand; the pen's other end erases. Alt picks a colour from the picture, digits set the opacity."""

    picks = True

    def surface(self) -> PaintTarget:
        return pixels(self.session)

    def paint_for(self, press: PointerEvent, paint_target: PaintTarget, size: float) -> tuple[str, Paint]:
        if press.eraser or self.session.options.tool == "erase":
            return "Erase", Erase()
        return "Paint", Colour(self.session.options.colour)

    def pick(self, event: PointerEvent) -> None:
        document = self.session.document
        column, row = math.floor(event.x), math.floor(event.y)
        if document.rect.covers(column, row):
            red, green, blue, alpha = (int(v) for v in flatten(document, Rect.at(column, row, 1, 1))[0, 0])
            if alpha:
                self.session.set_options(colour=(red, green, blue))

    def level(self) -> float:
        return self.brush.opacity

    def set_level(self, level: float) -> None:
        self.session.set_brush(opacity=level)
