"""ToolView: a view of a picture with a tool in hand; pointer, pen and keys go to the tool, or move the view, the divider or the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QFocusEvent, QHideEvent, QKeyEvent, QMouseEvent, QSinglePointEvent, QTabletEvent
from PySide6.QtWidgets import QWidget

from editor.geometry import Point
from widgets.canvas.divider import Divider
from widgets.canvas.framing import Framing
from widgets.canvas.gesture_runner import GestureRunner, Kind, made_by_pen, pointer_event
from widgets.canvas.pan_zoom import PanZoom
from widgets.session.options import ToolName
from widgets.session.session import Session
from widgets.tools.tool import PointerEvent, Tool

# Painting through one rectangle is several times quicker than through many, so it may be this much larger than what must be painted.
_WORTH = 2.5

_STEPS = {int(Qt.Key.Key_Left): -1, int(Qt.Key.Key_Right): 1}


class ToolView(PanZoom):
    """`tools` has one tool for each name but "hand" and "zoom", which the view does itself.

    Signal: `cursor_moved(point)` with a `Point` in picture pixels, or None when the pointer left.
    """

    cursor_moved = Signal(object)

    def __init__(self, session: Session, tools: Mapping[ToolName, Tool], parent: QWidget | None = None) -> None:
        super().__init__(session.document.size, parent)
        self.setMouseTracking(True)
        self.setTabletTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Canvas")
        self.session = session
        self._tools = tools
        self._hand = GestureRunner(session)
        self._divider = Divider(self, session)
        self._divider.changed.connect(self._mark)
        self.framing = Framing(self, session, self._viewport)
        self.framing.changed.connect(self._mark)
        self._tool_name = session.options.tool
        self._tool = tools.get(self._tool_name)
        self._button = Qt.MouseButton.NoButton  # that began what the hand is doing; only this one ends it
        self._pen = (
            False  # whether it was a pen's; a mouse that is nudged meanwhile does nothing, and the other way round
        )
        self._space = False
        self._cursor: Point | None = None  # of the pointer, in picture pixels
        self._decoration = QRect()
        self._marked: list[QRect] | None = None
        self._update_cursor()

    def _hover(self, at: Point | None) -> None:
        """The pointer, with nothing held, is over this point, or it is elsewhere or busy."""

    def _pointed(self) -> None:
        """The pointer has moved or left."""

    def _change_tool(self) -> None:
        self._hand.finish()
        if self._tool is not None:
            self._tool.leave()
        self._tool_name = self.session.options.tool
        self._tool = self._tools.get(self._tool_name)
        self._hover(None)
        self._update_decoration()
        self._update_cursor()

    # What must be repainted

    def _mark(self, area: QRect) -> None:
        """Repaint these logical pixels; while an event is handled they are only collected."""
        if area.isEmpty():
            return
        if self._marked is None:
            self.update(area)
        else:
            self._marked.append(area)

    def _collect(self) -> None:
        """From here to `_repaint` what must be repainted is collected."""
        self._marked = []

    def _repaint(self) -> None:
        """Ask for what was collected, as one rectangle where it lies close together."""
        marked, self._marked = self._marked or [], None
        self._update_all(marked)

    def _update_all(self, areas: Sequence[QRect]) -> None:
        whole, covered = QRect(), 0
        for area in areas:
            whole = whole.united(area)
            covered += area.width() * area.height()
        if whole.width() * whole.height() <= _WORTH * covered:
            self.update(whole)
        else:
            for area in areas:
                self.update(area)

    def _update_decoration(self) -> None:
        before, after = self._decoration, QRect()
        if self._tool is not None:
            after = self._tool.decoration(self._viewport)
        self._decoration = after
        self._mark(before)
        if after != before:
            self._mark(after)

    def _update_cursor(self) -> None:
        if self._divider.over:
            shape = Qt.CursorShape.SplitHCursor
        elif self.framing.held or self.framing.over is not None:
            shape = self.framing.cursor()
        elif self.panning:
            shape = Qt.CursorShape.ClosedHandCursor
        elif self._space or self._tool_name == "hand":
            shape = Qt.CursorShape.OpenHandCursor
        elif self._tool is not None:
            shape = self._tool.cursor()
        else:
            shape = Qt.CursorShape.CrossCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    # Pointer

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not made_by_pen(event):
            self._press(event, event.button(), "press")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if not made_by_pen(event):
            self._press(event, event.button(), "double")

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not made_by_pen(event) and not (self._busy and self._pen):
            if not event.buttons() & self._button:
                self.finish()  # the release went elsewhere: to a menu, to a dialog
            self._move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not made_by_pen(event) and not (self._busy and self._pen):
            self._release(event)

    def tabletEvent(self, event: QTabletEvent) -> None:
        event.accept()  # Qt then makes no mouse event of it
        if self._busy and not self._pen:
            return
        match event.type():
            case QEvent.Type.TabletPress:
                self._press(event, event.button(), "press", pen=True)
            case QEvent.Type.TabletMove:
                if not event.buttons() & self._button and event.pressure() == 0:
                    self.finish()  # it hovers: the release went elsewhere
                self._move(event)
            case QEvent.Type.TabletRelease:
                self._release(event)

    @property
    def _busy(self) -> bool:
        """Whether the hand is doing anything."""
        return self._hand.busy or self.panning or self._divider.held or self.framing.held

    def _press(self, event: QSinglePointEvent, button: Qt.MouseButton, kind: Kind, *, pen: bool = False) -> None:
        if self._busy:
            return
        self._button, self._pen = button, pen
        left = button == Qt.MouseButton.LeftButton
        if left and self._divider.near(event.position()):
            self._divider.held = True
            return
        if left and self._takes_frame(event, kind):
            self._update_cursor()
            return
        if button == Qt.MouseButton.MiddleButton or (left and (self._space or self._tool_name == "hand")):
            self.grab_at(event.position())
            self._update_cursor()
        elif left and self._tool_name == "zoom":
            place = event.position()
            alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
            self.zoom_by(0.5 if alt else 2.0, Point(place.x(), place.y()))
        elif self._tool is not None and (left or button == Qt.MouseButton.RightButton):
            self._hover(None)
            self._hand.press(self._tool, self._translated(kind, event, right=not left))
            self._update_decoration()

    def _move(self, event: QSinglePointEvent) -> None:
        if self.panning:
            self.drag_to(event.position())
            return
        busy = self._hand.busy
        if self._divider.held:
            self._divider.move(event.position())
            return
        if self.framing.held:
            self.framing.drag(event.position(), keep_ratio=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
            return
        if not busy and (self._over_divider(event) or self._over_frame(event)):
            return
        found = self._translated("move" if busy else "hover", event)
        self._cursor = Point(found.x, found.y)
        self._collect()
        try:
            if busy:
                self._hand.move(found)
            elif self._tool is not None and not self._space:
                self._tool.hover(found)
                self._hover(self._cursor)
                self._update_cursor()
            self._update_decoration()
        finally:
            self._repaint()
        self.cursor_moved.emit(self._cursor)
        self._pointed()

    def _over_divider(self, event: QSinglePointEvent) -> bool:
        """Whether the pointer is over the divider; the tool then rests."""
        before, self._divider.over = self._divider.over, self._divider.near(event.position())
        self._rest(before, self._divider.over)
        return self._divider.over

    def _over_frame(self, event: QSinglePointEvent) -> bool:
        """Whether the pointer is over a grip of the frame; the tool then rests."""
        before = self.framing.over
        over = self.framing.point_at(None if self._elsewhere(event) else event.position())
        self._rest(before is not None, over)
        if self.framing.over != before:
            self._update_cursor()
        return over

    def _takes_frame(self, event: QSinglePointEvent, kind: Kind) -> bool:
        """Whether a press is meant for the frame, which is then held."""
        if self._elsewhere(event):
            return False
        return self.framing.double(event.position()) if kind == "double" else self.framing.press(event.position())

    def _elsewhere(self, event: QSinglePointEvent) -> bool:
        """Whether a press would pan, or take hold of something of the tool's own: that lies over the frame."""
        tool = self._tool
        return self._space or (tool is not None and tool.holds(self._translated("hover", event)))

    def _rest(self, before: bool, over: bool) -> None:
        """The pointer is over something that is not the tool's, or was."""
        if over and not before:
            self._hover(None)
            if self._tool is not None:
                self._tool.leave()
                self._update_decoration()
        if over != before:
            self._update_cursor()

    def _release(self, event: QSinglePointEvent) -> None:
        if event.button() != self._button:
            return
        if self._divider.held:
            self._divider.held = False
        elif self.framing.held:
            self.framing.let_go()
            self._update_cursor()
        elif self.panning:
            self.let_go()
            self._update_cursor()
        elif self._hand.busy:
            self._hand.release(self._translated("release", event))
            self._update_decoration()
            self._update_cursor()

    def _translated(self, kind: Kind, event: QSinglePointEvent, *, right: bool = False) -> PointerEvent:
        return pointer_event(kind, event, self._viewport, right=right)

    def leaveEvent(self, event: QEvent) -> None:
        self._cursor = None
        self._hover(None)
        self.framing.point_at(None)
        if self._tool is not None and not self._hand.busy:
            self._tool.leave()
            self._update_decoration()
        self._pointed()
        self.cursor_moved.emit(None)

    # Keys and focus

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat() and not self._hand.busy:
                self._space = True
                self._update_cursor()
            return
        if event.key() == Qt.Key.Key_Escape and self._cancel():
            return
        if self._hand.busy:
            self._held_changed(event)
            return
        if self._step(event):
            return
        if self._tool is not None and self._tool.key(event):
            self._update_decoration()
            return
        event.ignore()

    def _step(self, event: QKeyEvent) -> bool:
        """While there are results to choose from, the arrow keys go through them."""
        by, job = _STEPS.get(event.key(), 0), self.session.job
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if not by or held or job is None or job.shown is None:
            return False
        self.session.step(by)
        return True

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self._update_cursor()
            return
        if self._hand.busy:
            self._held_changed(event)
            return
        event.ignore()

    def _held_changed(self, event: QKeyEvent) -> None:
        """Shift, Alt or Ctrl was pressed or let go during a gesture: it counts at once, not only with the next move."""
        last, held = self._hand.last, event.modifiers()
        if last is None or event.key() not in (Qt.Key.Key_Shift, Qt.Key.Key_Alt, Qt.Key.Key_Control):
            return
        flags = Qt.KeyboardModifier
        self._hand.move(
            replace(
                last,
                kind="move",
                shift=bool(held & flags.ShiftModifier),
                alt=bool(held & flags.AltModifier),
                ctrl=bool(held & flags.ControlModifier),
            )
        )
        self._update_decoration()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._space = False
        self.finish()
        self._update_cursor()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.finish()

    def finish(self) -> None:
        """End what the hand is doing where it is: what was painted stays."""
        if not self._busy:
            return
        self._divider.held = False
        if self.framing.held:
            self.framing.let_go()
        self.let_go()
        if self._hand.finish():
            self._update_decoration()
        self._update_cursor()

    def _cancel(self) -> bool:
        """Drop what the hand is doing; whether it was doing anything."""
        if self.panning:
            self.let_go()
            self._update_cursor()
            return True
        if self.framing.cancel():
            self._update_cursor()
            return True
        if self._hand.cancel():
            self._update_decoration()
            return True
        return False
