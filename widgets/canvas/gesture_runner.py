"""From Qt's pointer events to the tools' gestures."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QInputDevice, QMouseEvent, QPointingDevice, QSinglePointEvent, QTabletEvent

from widgets.session.session import Session
from widgets.tools.tool import Gesture, PointerEvent, Tool
from widgets.viewport import Viewport

Kind = Literal["press", "double", "move", "release", "hover"]

_SHIFT, _ALT, _CTRL = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
)
_NONE = Qt.KeyboardModifier.NoModifier
_PENS = (QInputDevice.DeviceType.Stylus, QInputDevice.DeviceType.Airbrush, QInputDevice.DeviceType.Puck)


def pointer_event(kind: Kind, event: QSinglePointEvent, viewport: Viewport, *, right: bool = False) -> PointerEvent:
    """`right`: the right button is the one that counts."""
    place = event.position()
    x, y = viewport.to_document(place.x(), place.y())
    pressure, eraser = 1.0, False
    if isinstance(event, QTabletEvent):
        # A hovering pen reports no pressure, and a released one none any more.
        pressure = event.pressure() if kind in ("press", "double", "move") else 1.0
        eraser = event.pointerType() == QPointingDevice.PointerType.Eraser
    held = event.modifiers()
    button: Literal["left", "right"] = "right" if right else "left"
    if held == _NONE:
        return PointerEvent(kind, x, y, viewport, event.timestamp() / 1000, pressure, eraser, button)
    return PointerEvent(
        kind,
        x,
        y,
        viewport,
        event.timestamp() / 1000,
        pressure,
        eraser,
        button,
        bool(held & _SHIFT),
        bool(held & _ALT),
        bool(held & _CTRL),
    )


def made_by_pen(event: QMouseEvent) -> bool:
    """Whether a mouse event only repeats what the pen has already said as a tablet event."""
    return event.device().type() in _PENS


class GestureRunner:
    """The gesture under way, if any."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._gesture: Gesture | None = None
        self._before = session.document  # what was shown when the gesture began
        self.last: PointerEvent | None = None
        session.stepping.connect(self.finish)

    @property
    def busy(self) -> bool:
        return self._gesture is not None

    def press(self, tool: Tool, event: PointerEvent) -> None:
        self.cancel()
        self.last, self._before = event, self._session.document
        gesture = tool.gesture(event)
        if gesture is None:
            return
        try:
            next(gesture)
        except StopIteration:
            self._drop_shown()
            return
        self._gesture = gesture

    def move(self, event: PointerEvent) -> None:
        self._send(event)

    def release(self, event: PointerEvent) -> None:
        self._send(event)
        # A gesture ends with the release; whatever it has not committed by then is dropped.
        self.cancel()

    def finish(self) -> bool:
        """End the gesture where the pointer was last, as if it had been let go there; whether there was one."""
        if self._gesture is None or self.last is None:
            return False
        self.release(replace(self.last, kind="release"))
        return True

    def cancel(self) -> bool:
        """Drop the gesture and what it has not committed; whether there was one."""
        gesture, self._gesture = self._gesture, None
        if gesture is None:
            return False
        gesture.close()
        self._session.revert()
        return True

    def _send(self, event: PointerEvent) -> None:
        gesture, self._gesture = self._gesture, None  # an error inside ends it as well
        if gesture is None:
            return
        self.last = event
        finished = False
        try:
            gesture.send(event)
            self._gesture = gesture
            finished = True
        except StopIteration:
            finished = True
            self._drop_shown()
        finally:
            if not finished:
                self._session.revert()

    def _drop_shown(self) -> None:
        """A gesture has ended: what it has shown and not committed goes."""
        if self._session.in_gesture and self._session.document is not self._before:
            self._session.revert()
