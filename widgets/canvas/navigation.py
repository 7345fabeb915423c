"""Navigation of a canvas: zoom, pan, turn, mirror and fit, by command, wheel, touchpad or pinch."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QNativeGestureEvent, QWheelEvent
from PySide6.QtWidgets import QGestureEvent, QPinchGesture, QWidget

from editor.geometry import Point, Size
from widgets.viewport import Viewport

STEP = 15.0  # degrees of one turn
_NOTCH = 1.2  # zoom of one notch of the wheel
MAX_NOTCHES = 100.0  # at once; more would go from any zoom to any other
_PIXELS = 80.0  # of a touchpad's scrolling, with Ctrl, that count as a notch


class Navigation(QObject):
    """Which part of a picture a widget shows; all of it at first.

    viewport: the present view, a value.
    changed(): emitted after every change of the view.
    """

    changed = Signal()

    def __init__(self, canvas: QWidget, size: Size) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._size = size
        self._fits = True  # until somebody zooms or pans
        self.viewport = Viewport(canvas.width(), canvas.height(), canvas.devicePixelRatio()).fitted(size)
        canvas.grabGesture(Qt.GestureType.PinchGesture)

    def set_viewport(self, viewport: Viewport) -> None:
        """Look at this part, and stay there when the window changes."""
        self._fits = False
        self._see(viewport)

    def set_size(self, size: Size) -> None:
        """A picture of another size; all of it is shown."""
        self._size = size
        self._fits = True
        self.viewport = self.viewport.fitted(size)
        self.changed.emit()

    def fit(self) -> None:
        """Show the whole picture, and keep doing so when the window changes."""
        self._fits = True
        self._see(self.viewport.fitted(self._size))

    def zoom_to(self, zoom: float, at: Point | None = None) -> None:
        """`zoom`: device pixels per picture pixel. `at`: the point (logical pixels) that stays, the centre by default."""
        self.zoom_by(zoom / self.viewport.zoom, at)

    def zoom_in(self) -> None:
        self.zoom_by(math.sqrt(2))

    def zoom_out(self) -> None:
        self.zoom_by(math.sqrt(0.5))

    def zoom_by(self, factor: float, at: Point | None = None) -> None:
        """`at`: as in `zoom_to`."""
        x, y = at or Point(self.viewport.width / 2, self.viewport.height / 2)
        self.set_viewport(self.viewport.zoomed(factor, x, y))

    def turn(self, degrees: float = STEP) -> None:
        """Turn the view clockwise, about its centre."""
        turned = self.viewport.turned(degrees)
        self._see(turned.fitted(self._size) if self._fits else turned)

    def straighten(self) -> None:
        """Turn the view back upright."""
        self.turn(-self.viewport.rotation)

    def mirror(self) -> None:
        """Exchange left and right of the view; the picture stays as it is."""
        self._see(replace(self.viewport, mirrored=not self.viewport.mirrored))

    def pan(self, dx: float, dy: float) -> None:
        """By logical pixels."""
        self.set_viewport(self.viewport.panned(dx, dy))

    # What the canvas hands on

    def follow_canvas(self) -> None:
        """The canvas, or the screen it is on, has another size or density."""
        canvas = self._canvas
        viewport = self.viewport.resized(canvas.width(), canvas.height(), canvas.devicePixelRatio())
        self._see(viewport.fitted(self._size) if self._fits else viewport)

    def follow_density(self) -> None:
        """The screen has another density; the picture stays where it is."""
        canvas = self._canvas
        self._see(self.viewport.resized(canvas.width(), canvas.height(), canvas.devicePixelRatio()))

    def wheel(self, event: QWheelEvent) -> None:
        """The wheel zooms at the cursor, with Shift it pans sideways. Two fingers on a touchpad pan, with Ctrl they zoom."""
        place = event.position()
        held = event.modifiers()
        pixels, angle = event.pixelDelta(), event.angleDelta()
        touchpad = event.phase() != Qt.ScrollPhase.NoScrollPhase and not pixels.isNull()
        if touchpad and not held & Qt.KeyboardModifier.ControlModifier:
            self.pan(pixels.x(), pixels.y())
        elif held & Qt.KeyboardModifier.ShiftModifier:
            self.pan((angle.y() or angle.x()) / 2, 0)
        else:
            notches = pixels.y() / _PIXELS if touchpad else angle.y() / 120
            self.zoom_by(_NOTCH ** min(max(notches, -MAX_NOTCHES), MAX_NOTCHES), Point(place.x(), place.y()))
        event.accept()

    def pinch(self, event: QEvent) -> bool:
        """Zoom and pan by fingers; whether the event was one of that kind."""
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            place = event.position()
            self.zoom_by(max(1 + event.value(), 0.1), Point(place.x(), place.y()))
            return True
        if isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                before, after = pinch.lastCenterPoint(), pinch.centerPoint()
                centre = self._canvas.mapFromGlobal(after)
                self.pan(after.x() - before.x(), after.y() - before.y())
                self.zoom_by(pinch.scaleFactor(), Point(centre.x(), centre.y()))
                return True
        return False

    def _see(self, viewport: Viewport) -> None:
        if viewport != self.viewport:
            self.viewport = viewport
            self.changed.emit()
