"""Viewport: which part of the picture the canvas shows, how large, how turned; a value with the maps both ways.

Screen points are the widget's logical pixels. At zoom 1 one picture pixel is one *device* pixel, so that a picture is never blurred at
100 % on a high-density screen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from PySide6.QtCore import QPointF
from PySide6.QtGui import QTransform

from editor.document.placing import FARTHEST
from editor.geometry import Point, Rect, Size

MIN_ZOOM = 1 / 64
MAX_ZOOM = 64.0
MAX_TIMES = 8  # that a small picture is enlarged to be seen whole
FLOATING = 144.0  # logical pixels: as high as the variations with what lies around them


@dataclass(frozen=True, slots=True)
class Viewport:
    """`width`, `height`: of the widget, in logical pixels; `ratio`: device pixels per logical pixel.

    `x`, `y`: the picture point at the widget's centre. `zoom`: device pixels per picture pixel. `rotation`: degrees, clockwise on
    screen. `mirrored`: left and right exchanged.
    """

    width: float
    height: float
    ratio: float = 1.0
    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    rotation: float = 0.0
    mirrored: bool = False
    # Worked out once: every tool asks for them several times for every move of the pointer.
    _to_device: QTransform = field(init=False, repr=False, compare=False)
    _to_screen: QTransform = field(init=False, repr=False, compare=False)
    _to_document: QTransform = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        to_device = self._device()
        to_screen = to_device * QTransform.fromScale(1 / self.ratio, 1 / self.ratio)
        object.__setattr__(self, "_to_device", to_device)
        object.__setattr__(self, "_to_screen", to_screen)
        object.__setattr__(self, "_to_document", to_screen.inverted()[0])

    @property
    def scale(self) -> float:
        """Logical screen pixels per picture pixel."""
        return self.zoom / self.ratio

    def transform(self) -> QTransform:
        """Picture points to screen points."""
        return QTransform(self._to_screen)

    def device_transform(self) -> QTransform:
        """Picture points to device pixels of the widget."""
        return QTransform(self._to_device)

    def _device(self) -> QTransform:
        transform = QTransform()
        transform.translate(self.width * self.ratio / 2, self.height * self.ratio / 2)
        transform.rotate(self.rotation)
        transform.scale(-self.zoom if self.mirrored else self.zoom, self.zoom)
        transform.translate(-self.x, -self.y)
        if self.upright:
            # The picture's corner on a whole device pixel: at 100 % pixels stay pixels, and panning can shift what is drawn.
            a, b, c, d = (round(v, 12) for v in (transform.m11(), transform.m12(), transform.m21(), transform.m22()))
            return QTransform(a, b, c, d, round(transform.dx()), round(transform.dy()))
        return transform

    @property
    def upright(self) -> bool:
        """Whether the picture's edges run along the screen's."""
        return self.rotation % 90 == 0

    def to_screen(self, x: float, y: float) -> Point:
        return _mapped(self._to_screen, x, y)

    def to_document(self, x: float, y: float) -> Point:
        return _mapped(self._to_document, x, y)

    def visible(self) -> Rect:
        """The picture rectangle that covers everything on screen; it may reach outside the picture."""
        return Rect.around(
            self.to_document(x, y) for x, y in ((0, 0), (self.width, 0), (self.width, self.height), (0, self.height))
        )

    def resized(self, width: float, height: float, ratio: float) -> Viewport:
        return replace(self, width=width, height=height, ratio=ratio)

    def panned(self, dx: float, dy: float) -> Viewport:
        """Moved by a drag of (dx, dy) screen pixels."""
        before = self.to_document(0, 0)
        after = self.to_document(dx, dy)
        return replace(self, x=_near(self.x - (after.x - before.x)), y=_near(self.y - (after.y - before.y)))

    def zoomed(self, factor: float, x: float, y: float) -> Viewport:
        """Larger by `factor`, the picture point under screen point (x, y) staying where it is."""
        if not factor > 0:  # a pinch may report nothing, or no number
            return self
        zoom = min(max(self.zoom * factor, MIN_ZOOM), MAX_ZOOM)
        return self._holding(replace(self, zoom=zoom), x, y)

    def turned(self, degrees: float) -> Viewport:
        """Turned clockwise about the widget's centre."""
        return replace(self, rotation=(self.rotation + degrees) % 360)

    def fitted(self, size: Size, margin: float = 24.0) -> Viewport:
        """The whole picture, centred, turned as it is. A small one is enlarged in whole steps as long as what floats at the bottom leaves room for
        it, and stands above that.
        """
        angle = math.radians(self.rotation)
        cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
        width, height = size.width * cos + size.height * sin, size.width * sin + size.height * cos
        room_x, room_y = max(self.width - 2 * margin, 1), max(self.height - 2 * margin, 1)
        above = max(room_y - FLOATING, 1)
        times = math.floor(min(room_x / width, above / height, MAX_TIMES) + 1e-9)
        if times > 1:
            fitted = replace(self, x=size.width / 2, y=size.height / 2, zoom=times * self.ratio)
            return fitted.panned(0, -FLOATING / 2)
        zoom = min(room_x / width, room_y / height) * self.ratio
        return replace(self, x=size.width / 2, y=size.height / 2, zoom=min(max(zoom, MIN_ZOOM), self.ratio))

    def _holding(self, changed: Viewport, x: float, y: float) -> Viewport:
        before, after = self.to_document(x, y), changed.to_document(x, y)
        return replace(changed, x=_near(changed.x + before.x - after.x), y=_near(changed.y + before.y - after.y))


def _near(value: float) -> float:
    """So near to the picture that everything on screen is a whole number that Qt can hold."""
    return min(max(value, -FARTHEST), FARTHEST)


def _mapped(transform: QTransform, x: float, y: float) -> Point:
    point = transform.map(QPointF(x, y))
    return Point(point.x(), point.y())
