"""Brushes: what all have in common (cursor, keys, one stroke as one step of the history), the strength brush, the paint brush and the eraser."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPainterPath, QPen

from editor.document.brush import Brush, Colour, Darken, Erase, Lighten, Paint, Sample, SetTo, Smooth, Stroke
from editor.document.compose import flatten
from editor.errors import InvalidRequest
from editor.geometry import Rect
from widgets.session.options import StrengthMode
from widgets.session.paint_target import PaintTarget, pixels, surface
from widgets.session.session import Session
from widgets.tools import marks
from widgets.tools.tool import Gesture, PointerEvent, Tool
from widgets.viewport import Viewport

LEAST_SIZE, MOST_SIZE = 1.0, 2000.0
MAX_STAMPED = 600.0  # radius on screen up to which the ring is kept as an image
# The strength tick runs along the ring like the needle of a dial: 0 at the lower left, 1 at the lower right.
DIAL_START, DIAL_SWEEP = math.radians(135), math.radians(270)
SMOOTHING = 0.08  # radius of the smoothing, in brush diameters

LABELS: dict[StrengthMode, str] = {
    "set": "Paint {}",
    "lighten": "Lighten {}",
    "darken": "Darken {}",
    "smooth": "Smooth {}",
    "clear": "Erase {}",
}
OWN_LABELS: dict[tuple[str, StrengthMode], str] = {  # of maps that have a word of their own for it
    ("protect", "set"): "Protect",
    ("protect", "clear"): "Unprotect",
    ("avoid", "set"): "Mark as do-not-copy",
}


class BrushTool(Tool):
    """A round brush. `[` and `]` change the size, with Shift the hardness; a drag with the right button changes both (size along x,
    hardness along y). Shift+click draws a straight line from the end of the last stroke.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._at: tuple[float, float] | None = None  # of the pointer, in picture pixels
        self._last: tuple[float, float] | None = None  # where the last stroke ended
        # The ring as an image, and what it was drawn for: stroking a smooth ring takes longer than a whole dab.
        self._ring: tuple[tuple[float, ...], QImage] | None = None

    def surface(self) -> PaintTarget:
        """What it writes to. Raises `InvalidRequest` when that is missing."""
        raise NotImplementedError

    def paint_for(self, press: PointerEvent, paint_target: PaintTarget, size: float) -> tuple[str, Paint]:
        """The label of the stroke and what its dabs do to `paint_target`; `size`: their diameter in its own pixels."""
        raise NotImplementedError

    def pick(self, event: PointerEvent) -> None:
        """Take over what lies under the pointer (Alt is held)."""

    picks = False  # whether Alt picks

    def level(self) -> float:
        """What the tick on the ring points at, 0 to 1."""
        return 1.0

    def set_level(self, level: float) -> None:
        """A digit was pressed."""

    @property
    def brush(self) -> Brush:
        return self.session.options.brush

    # Gestures

    def gesture(self, press: PointerEvent) -> Gesture | None:
        self._at = press.x, press.y
        if press.button == "right":
            return self._resize(press)
        if press.alt and self.picks:
            return self._dragging(self.pick, press)
        return self._stroke(press)

    def _stroke(self, press: PointerEvent) -> Gesture | None:
        session = self.session
        try:
            paint_target = self.surface()
        except InvalidRequest as missing:
            session.notice(missing.message, missing.advice)
            return None
        size = min(max(self.brush.size * paint_target.scale, LEAST_SIZE), MOST_SIZE)
        label, paint = self.paint_for(press, paint_target, size)
        stroke = Stroke(paint_target.tiles, replace(self.brush, size=size), paint)

        def sample(x: float, y: float, event: PointerEvent) -> Sample:
            own = paint_target.own(x, y)
            return Sample(own.x, own.y, event.pressure, event.time)

        def run() -> Gesture:
            document = session.document
            first = [sample(press.x, press.y, press)]
            if press.shift and self._last is not None:
                first.insert(0, sample(*self._last, press))
            tiles = paint_target.tiles
            event, samples = press, first
            while True:
                earlier, tiles = tiles, stroke.add(samples)
                if tiles is not earlier:
                    session.show(paint_target.lay(document, tiles, stroke.touched))
                if event.kind == "release":
                    break
                event = yield
                self._at = event.x, event.y
                samples = [sample(event.x, event.y, event)]
            self._last = event.x, event.y
            tiles = stroke.finish()
            if stroke.touched.empty and paint_target.part_of:
                session.notice(
                    f"Nothing was painted: you paint on “{paint_target.part_of}”, and that is beside it.",
                    "To paint on the picture, first click beside the reference picture with the move tool.",
                )
            if tiles is not paint_target.tiles:
                # Onto the document as it is by now: an outline may have arrived meanwhile.
                session.commit(label, paint_target.lay(session.history.document, tiles, None))

        return run()

    def _resize(self, press: PointerEvent) -> Gesture:
        start, anchor = self.brush, press.viewport.to_screen(press.x, press.y)
        event = press
        while event.kind != "release":
            event = yield
            here = event.viewport.to_screen(event.x, event.y)
            size = start.size + 2 * (here.x - anchor.x) / event.viewport.scale
            hardness = start.hardness - (here.y - anchor.y) / 200
            self.session.set_brush(size=_size(size), hardness=min(max(hardness, 0.0), 1.0))

    def _dragging(self, act: Callable[[PointerEvent], None], press: PointerEvent) -> Gesture:
        event = press
        act(event)
        while event.kind != "release":
            event = yield
            self._at = event.x, event.y
            act(event)

    # Keys and cursor

    def hover(self, event: PointerEvent) -> None:
        self._at = event.x, event.y

    def leave(self) -> None:
        self._at = None

    def key(self, event: QKeyEvent) -> bool:
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.MetaModifier):
            return False
        brush = self.brush
        match event.text():
            case "[":
                self.session.set_brush(size=_size(min(brush.size / 1.15, brush.size - 1)))
            case "]":
                self.session.set_brush(size=_size(max(brush.size * 1.15, brush.size + 1)))
            case "{":
                self.session.set_brush(hardness=max(0.0, round(brush.hardness - 0.1, 2)))
            case "}":
                self.session.set_brush(hardness=min(1.0, round(brush.hardness + 0.1, 2)))
            case text if len(text) == 1 and text in "0123456789":
                self.set_level(int(text) / 10 if text != "0" else 1.0)
            case _:
                return False
        return True

    def cursor(self) -> Qt.CursorShape:
        return Qt.CursorShape.BlankCursor

    def decoration(self, viewport: Viewport) -> QRect:
        if self._at is None:
            return QRect()
        return marks.around([viewport.to_screen(*self._at)], max(self._radius(viewport), 6.0) + 8)

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        if self._at is None:
            return
        x, y = viewport.to_screen(*self._at)
        radius = self._radius(viewport)
        if radius > MAX_STAMPED:
            painter.save()
            self._draw(painter, x, y, radius)
            painter.restore()
            return
        half = math.ceil(max(radius, 6.0)) + 8
        ratio = viewport.ratio
        wanted = radius, self.brush.hardness, self.level(), ratio
        if self._ring is None or self._ring[0] != wanted:
            side = round(2 * half * ratio)
            image = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
            image.setDevicePixelRatio(ratio)
            image.fill(0)
            on_image = QPainter(image)
            self._draw(on_image, half, half, radius)
            on_image.end()
            self._ring = wanted, image
        corner = QPointF(round((x - half) * ratio) / ratio, round((y - half) * ratio) / ratio)
        painter.drawImage(corner, self._ring[1])

    def _draw(self, painter: QPainter, x: float, y: float, radius: float) -> None:
        """The ring around (x, y), in the painter's coordinates."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        path = QPainterPath()
        if radius < 3:  # too small for a ring: a cross around the point
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                path.moveTo(x + 2 * dx, y + 2 * dy)
                path.lineTo(x + 6 * dx, y + 6 * dy)
            marks.two_tone(painter, path)
            return
        inner = radius * self.brush.hardness
        if 2 < inner < radius - 2:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for colour, width in ((QColor(0, 0, 0, 90), 2.0), (QColor(255, 255, 255, 120), 1.0)):
                painter.setPen(QPen(colour, width))
                painter.drawEllipse(QPointF(x, y), inner, inner)
        path.addEllipse(QPointF(x, y), radius, radius)
        angle = DIAL_START + DIAL_SWEEP * self.level()
        cos, sin = math.cos(angle), math.sin(angle)
        length = min(5.0, radius / 2)
        path.moveTo(x + (radius - length) * cos, y + (radius - length) * sin)
        path.lineTo(x + (radius + 5) * cos, y + (radius + 5) * sin)
        marks.two_tone(painter, path)

    def _radius(self, viewport: Viewport) -> float:
        return self.brush.size / 2 * viewport.scale


def _size(size: float) -> float:
    """Within the limits; whole pixels once it is large enough not to notice."""
    size = min(max(size, LEAST_SIZE), MOST_SIZE)
    return float(round(size)) if size > 10 else round(size, 1)


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
        label = OWN_LABELS.get((paint_target.target, mode), LABELS[mode]).format(paint_target.noun)
        match mode:
            case "set":
                return label, SetTo(value)
            case "lighten":
                return label, Lighten(value)
            case "darken":
                return label, Darken(value)
            case "smooth":
                return label, Smooth(max(1.0, size * SMOOTHING))
            case "clear":
                return label, SetTo(0.0)

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
