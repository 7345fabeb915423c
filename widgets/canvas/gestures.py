"""Gestures on a canvas: who may take a press, and the runner that drives the first who does until its button is let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QInputDevice, QMouseEvent, QPointingDevice, QSinglePointEvent, QTabletEvent

from editor.geometry import Point
from widgets.canvas.navigation import Navigation
from widgets.session.options import ToolName
from widgets.session.session import Session
from widgets.tools.tool import Button, Gesture, PointerEvent, Tool
from widgets.viewport import Viewport

Kind = Literal["press", "double", "move", "release", "hover"]

_SHIFT, _ALT, _CTRL = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
)
_NONE = Qt.KeyboardModifier.NoModifier
_PENS = (QInputDevice.DeviceType.Stylus, QInputDevice.DeviceType.Airbrush, QInputDevice.DeviceType.Puck)
_BUTTONS: dict[Qt.MouseButton, Button] = {
    Qt.MouseButton.LeftButton: "left",
    Qt.MouseButton.RightButton: "right",
    Qt.MouseButton.MiddleButton: "middle",
}


def pointer_event(kind: Kind, event: QSinglePointEvent, viewport: Viewport) -> PointerEvent:
    """Qt's event in picture pixels. Only a press and a double say which button it was."""
    place = event.position()
    x, y = viewport.to_document(place.x(), place.y())
    pressure, eraser = 1.0, False
    if isinstance(event, QTabletEvent):
        # A hovering pen reports no pressure, and a released one none any more.
        pressure = event.pressure() if kind in ("press", "double", "move") else 1.0
        eraser = event.pointerType() == QPointingDevice.PointerType.Eraser
    button: Button = _BUTTONS.get(event.button(), "other") if kind in ("press", "double") else "left"
    held = event.modifiers()
    if held == _NONE:
        return PointerEvent(kind, x, y, viewport, event.timestamp() / 1000, pressure, eraser, button, place=place)
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
        place,
    )


def is_from_pen(event: QMouseEvent) -> bool:
    """Whether a mouse event only repeats what the pen has already said as a tablet event."""
    return event.device().type() in _PENS


class GestureSource:
    """Something on the canvas that may take a press. The canvas has one list of them and asks each in turn."""

    def gesture(self, press: PointerEvent) -> Gesture | None:
        """Take a "press" or "double", or decline with None.

        The generator is started at once, then gets every "move", and at last the "release". It is closed on Escape: what it has not finished by then
        it puts back.
        """
        return None

    def hover(self, event: PointerEvent) -> bool:
        """The pointer moved with no button held. Whether it is over something of its own; whoever comes later in the list is not told then."""
        return False

    def leave(self) -> None:
        """The pointer is no longer over anything of its own, or left the canvas."""

    def cursor(self) -> Qt.CursorShape | None:
        """None where somebody later in the list is to say."""
        return None


class GestureRunner:
    """The gesture under way, if any.

    source: who took the press of the gesture under way.
    last: the event that it had last.
    """

    def __init__(self, sources: Sequence[GestureSource]) -> None:
        self._sources = sources
        self._gesture: Gesture | None = None
        self._over: GestureSource | None = None
        self.source: GestureSource | None = None
        self.last: PointerEvent | None = None

    @property
    def busy(self) -> bool:
        return self.source is not None

    def press(self, event: PointerEvent) -> None:
        """Give it to the first who takes it."""
        self.cancel()
        for source in self._sources:
            gesture = source.gesture(event)
            if gesture is not None:
                self.source, self._gesture, self.last = source, gesture, event
                self._send(None)
                return

    def move(self, event: PointerEvent) -> None:
        self.last = event
        self._send(event)

    def release(self, event: PointerEvent) -> None:
        self.move(event)
        # A gesture ends with the release; whatever it has not committed by then is dropped.
        self.cancel()

    def hover(self, event: PointerEvent) -> GestureSource | None:
        """Over whose things the pointer is, with no button held."""
        over = next((source for source in self._sources if source.hover(event)), None)
        if self._over is not None and self._over is not over:
            self._over.leave()
        self._over = over
        return over

    def leave(self) -> None:
        """The pointer left the canvas."""
        self._over = None
        for source in self._sources:
            if source is not self.source:
                source.leave()

    def finish(self, only: GestureSource | None = None) -> bool:
        """End the gesture where the pointer was last, as if the button had been let go there; whether there was one. `only`: if it is this one's."""
        if self.source is None or self.last is None or only not in (None, self.source):
            return False
        self.release(replace(self.last, kind="release"))
        return True

    def cancel(self, only: GestureSource | None = None) -> bool:
        """Drop the gesture and what it has not committed; whether there was one. `only`: if it is this one's."""
        gesture = self._gesture
        if gesture is None or only not in (None, self.source):
            return False
        self._gesture = self.source = None
        gesture.close()
        return True

    def cursor(self) -> Qt.CursorShape:
        shapes = (source.cursor() for source in self._sources)
        return next((shape for shape in shapes if shape is not None), Qt.CursorShape.CrossCursor)

    def _send(self, event: PointerEvent | None) -> None:
        source, gesture = self.source, self._gesture
        if gesture is None:
            return
        self.source = self._gesture = None  # an error inside ends it as well, and what it calls finds nothing to end
        try:
            gesture.send(event)  # type: ignore[arg-type]  # None starts it
        except StopIteration:
            return
        self.source, self._gesture = source, gesture


class PanGesture(GestureSource):
    """A drag that pans: with the middle button, with the hand in hand, or while Space is held.

    space: whether Space is held.
    """

    def __init__(self, navigation: Navigation, session: Session) -> None:
        self._navigation, self._session = navigation, session
        self._panning = False
        self.space = False

    @property
    def _ready(self) -> bool:
        return self.space or self._session.options.tool == "hand"

    def gesture(self, press: PointerEvent) -> Gesture | None:
        return self._pan(press) if press.button == "middle" or (press.button == "left" and self._ready) else None

    def _pan(self, press: PointerEvent) -> Gesture:
        self._panning, grabbed = True, press.place
        try:
            while (event := (yield)).kind != "release":
                self._navigation.pan(event.place.x() - grabbed.x(), event.place.y() - grabbed.y())
                grabbed = event.place
        finally:
            self._panning = False

    def cursor(self) -> Qt.CursorShape | None:
        if self._panning:
            return Qt.CursorShape.ClosedHandCursor
        return Qt.CursorShape.OpenHandCursor if self._ready else None


class ZoomGesture(GestureSource):
    """A click that zooms, with the magnifier in hand; out with Alt."""

    def __init__(self, navigation: Navigation, session: Session) -> None:
        self._navigation, self._session = navigation, session

    def gesture(self, press: PointerEvent) -> Gesture | None:
        return self._zoom(press) if press.button == "left" and self._session.options.tool == "zoom" else None

    def _zoom(self, press: PointerEvent) -> Gesture:
        self._navigation.zoom_by(0.5 if press.alt else 2.0, Point(press.place.x(), press.place.y()))
        yield from ()


class ToolGesture(GestureSource):
    """What the tool in hand does with a press. One gesture is at most one step of the history.

    name: of the tool in hand.
    tool: the tool itself; None for one that only moves the view.
    pointed: called with the point that the pointer is over with nothing held, in picture pixels, or with None.
    """

    def __init__(
        self,
        session: Session,
        tools: Mapping[ToolName, Tool],
        pan: PanGesture,
        pointed: Callable[[Point | None], None],
    ) -> None:
        self._session, self._tools, self._pan, self._pointed = session, tools, pan, pointed
        self.name = session.options.tool
        self.tool = tools.get(self.name)

    def take(self, name: ToolName) -> None:
        """Take another tool in hand."""
        self.leave()
        self.name = name
        self.tool = self._tools.get(name)

    def covers(self, event: PointerEvent) -> bool:
        """Whether a press here would pan, or grab a handle that the tool draws: that lies over the frame."""
        return self._pan.space or (self.tool is not None and self.tool.holds(event))

    def gesture(self, press: PointerEvent) -> Gesture | None:
        if self.tool is None or press.button not in ("left", "right"):
            return None
        self._pointed(None)
        shown = self._session.document
        gesture = self.tool.gesture(press)
        return None if gesture is None else self._as_one_step(gesture, shown)

    def _as_one_step(self, gesture: Gesture, shown: object) -> Gesture:
        """Whatever the gesture has shown and not committed goes when it ends. `shown`: the document before it."""
        try:
            yield from gesture
        except BaseException:  # it was closed, or the tool is broken
            self._session.revert()
            raise
        if self._session.in_gesture and self._session.document is not shown:
            self._session.revert()

    def hover(self, event: PointerEvent) -> bool:
        if self.tool is not None and not self._pan.space:
            self.tool.hover(event)
            self._pointed(Point(event.x, event.y))
        return True

    def leave(self) -> None:
        self._pointed(None)
        if self.tool is not None:
            self.tool.leave()

    def cursor(self) -> Qt.CursorShape | None:
        return None if self.tool is None else self.tool.cursor()
