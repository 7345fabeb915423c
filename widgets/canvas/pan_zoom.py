"""PanZoom: a widget that looks at a picture through a viewport, and what moves that: wheel, touchpad, pinch, drag."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QNativeGestureEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QGestureEvent, QPinchGesture, QWidget

from editor.geometry import Point, Size
from widgets.guard import Guarded
from widgets.viewport import Viewport

STEP = 15.0  # degrees of one turn
_NOTCH = 1.2  # zoom of one notch of the wheel
MAX_NOTCHES = 100.0  # at once; more would go from any zoom to any other
_PIXELS = 80.0  # of a touchpad's scrolling, with Ctrl, that count as a notch


class PanZoom(Guarded, QWidget):
    """Looks at a picture of `size`, all of it at first. `viewport_changed()` after every change of the view."""

    viewport_changed = Signal()

    def __init__(self, size: Size, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._size = size
        self._fits = True  # until somebody zooms or pans
        self._grabbed: QPointF | None = None  # where a drag that pans was last
        self._viewport = Viewport(self.width(), self.height(), self.devicePixelRatio()).fitted(size)
        self.grabGesture(Qt.GestureType.PinchGesture)

    @property
    def viewport(self) -> Viewport:
        return self._viewport

    def set_viewport(self, viewport: Viewport) -> None:
        """Look at this part, and stay there when the window changes."""
        self._fits = False
        self._see(viewport)

    def _see(self, viewport: Viewport) -> None:
        if viewport != self._viewport:
            self._viewport = viewport
            self._look()
            self.viewport_changed.emit()

    def _look(self) -> None:
        """The viewport has changed."""

    def set_size(self, size: Size) -> None:
        """A picture of another size; all of it is shown."""
        self._size = size
        self._fits = True
        self._viewport = self._viewport.fitted(size)
        self._look()
        self.viewport_changed.emit()

    # What commands ask for

    def fit(self) -> None:
        """Show the whole picture, and keep doing so when the window changes."""
        self._fits = True
        self._see(self._viewport.fitted(self._size))

    def zoom_to(self, zoom: float, at: Point | None = None) -> None:
        """`zoom`: device pixels per picture pixel. `at`: the point (logical pixels) that stays, the centre by default."""
        self.zoom_by(zoom / self._viewport.zoom, at)

    def zoom_in(self) -> None:
        self.zoom_by(math.sqrt(2))

    def zoom_out(self) -> None:
        self.zoom_by(math.sqrt(0.5))

    def turn(self, degrees: float = STEP) -> None:
        """Turn the view clockwise, about its centre."""
        turned = self._viewport.turned(degrees)
        self._see(turned.fitted(self._size) if self._fits else turned)

    def straighten(self) -> None:
        """Turn the view back upright."""
        self.turn(-self._viewport.rotation)

    def mirror(self) -> None:
        """Exchange left and right of the view; the picture stays as it is."""
        self._see(replace(self._viewport, mirrored=not self._viewport.mirrored))

    def zoom_by(self, factor: float, at: Point | None = None) -> None:
        """`at`: as in `zoom_to`."""
        x, y = at or Point(self._viewport.width / 2, self._viewport.height / 2)
        self.set_viewport(self._viewport.zoomed(factor, x, y))

    def pan(self, dx: float, dy: float) -> None:
        """By logical pixels."""
        self.set_viewport(self._viewport.panned(dx, dy))

    # A drag that pans

    @property
    def panning(self) -> bool:
        return self._grabbed is not None

    def grab_at(self, place: QPointF) -> None:
        self._grabbed = place

    def drag_to(self, place: QPointF) -> None:
        if self._grabbed is not None:
            self.pan(place.x() - self._grabbed.x(), place.y() - self._grabbed.y())
            self._grabbed = place

    def let_go(self) -> None:
        self._grabbed = None

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:
        viewport = self._viewport.resized(self.width(), self.height(), self.devicePixelRatio())
        self._see(viewport.fitted(self._size) if self._fits else viewport)

    def wheelEvent(self, event: QWheelEvent) -> None:
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

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            place = event.position()
            self.zoom_by(max(1 + event.value(), 0.1), Point(place.x(), place.y()))
            return True
        if isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                before, after = pinch.lastCenterPoint(), pinch.centerPoint()
                centre = self.mapFromGlobal(after)
                self.pan(after.x() - before.x(), after.y() - before.y())
                self.zoom_by(pinch.scaleFactor(), Point(centre.x(), centre.y()))
                return True
        # Only plain events are asked for their type: that takes a while, and every move of the pointer comes through here.
        if type(event) is QEvent and event.type() == QEvent.Type.DevicePixelRatioChange:
            self._see(self._viewport.resized(self.width(), self.height(), self.devicePixelRatio()))
        return super().event(event)
