"""The strength brush: how much every place may change, and the other maps painted the same way."""

from __future__ import annotations

from editor.document.brush import Darken, Lighten, Paint, SetTo, Smooth
from editor.errors import InvalidRequest
from widgets.session.options import StrengthMode
from widgets.session.paint_target import PaintTarget, surface
from widgets.tools.brushing import BrushTool
from widgets.tools.tool import PointerEvent

SMOOTHING = 0.08  # radius of the smoothing, in brush diameters

LABELS: dict[StrengthMode, str] = {
    "set": "Paint {}",
    "lighten": "Lighten {}",
    "darken": "Darken {}",
    "smooth": "Smooth {}",
    "clear": "Erase {}",
}


class StrengthTool(BrushTool):
    """Paints a map: to a value, lighter, darker, smoother, or away. Digits set the value, Alt picks it from under the pointer."""

    picks = True

    def surface(self) -> PaintTarget:
        return surface(self.session, self.session.options.strength_target)

    def paint_for(self, press: PointerEvent, paint_target: PaintTarget, size: float) -> tuple[str, Paint]:
        options = self.session.options
        mode: StrengthMode = "clear" if press.eraser else options.mode
        # Elsewhere a place is in or out: what the brush writes there is whole, only its rim is soft.
        value = options.value if paint_target.graded else 1.0
        return _label(mode, paint_target), _paint(mode, value, size)

    def pick(self, event: PointerEvent) -> None:
        try:
            value = self.surface().value(event.x, event.y)
        except InvalidRequest:
            return
        if value is not None:
            self.session.set_options(value=round(value, 2))

    def level(self) -> float:
        return 0.0 if self.session.options.mode == "clear" else self.session.options.value

    def set_level(self, level: float) -> None:
        self.session.set_options(value=level)


def _label(mode: StrengthMode, paint_target: PaintTarget) -> str:
    match paint_target.target, mode:
        case "protect", "set":
            return "Protect"
        case "protect", "clear":
            return "Unprotect"
        case "avoid", "set":
            return "Mark as do-not-copy"
    return LABELS[mode].format(paint_target.noun)


def _paint(mode: StrengthMode, value: float, size: float) -> Paint:
    match mode:
        case "set":
            return SetTo(value)
        case "lighten":
            return Lighten(value)
        case "darken":
            return Darken(value)
        case "smooth":
            return Smooth(max(1.0, size * SMOOTHING))
        case "clear":
            return SetTo(0.0)
