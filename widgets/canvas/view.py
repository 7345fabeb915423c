"""CanvasView: the picture on screen, and what a person does to it with pointer, pen, wheel and keys."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from PySide6.QtCore import QEvent, QPointF, QRect, Qt, QTimer, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QRegion,
    QResizeEvent,
    QSinglePointEvent,
    QTabletEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from editor.document import Document
from editor.geometry import Point, Rect
from widgets.canvas.lens import Lens
from widgets.canvas.levels import from_level
from widgets.canvas.pointing import Hand, Kind, made_by_pen, pointer_event
from widgets.canvas.screen import Screen, parts
from widgets.canvas.sight import Sight
from widgets.canvas.strength_overlay import StrengthOverlay
from widgets.canvas.viewport import Viewport
from widgets.options import ToolName
from widgets.session import Session
from widgets.tools.tool import PointerEvent, Tool

STEP = 15.0  # degrees of one turn
_WHEEL = 1.2  # zoom of one notch of the wheel
_PATIENCE = 0.012  # seconds of computing before the rest is sketched, and before the event loop gets its turn


class CanvasView(QWidget):
    """Shows the session's document and hands pointer events to the tool in hand.

    `tools` has one tool for each name but "hand" and "zoom", which the canvas does itself. Signals: `viewport_changed()`;
    `cursor_moved(point)` with a `Point` in picture pixels, or None when the pointer left.
    """

    viewport_changed = Signal()
    cursor_moved = Signal(object)

    def __init__(self, session: Session, tools: Mapping[ToolName, Tool], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        self.setTabletTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 120)
        self.session = session
        self._tools = tools
        self._hand = Hand(session)
        self._tool = tools.get(session.options.tool)
        self._tool_name = session.options.tool
        self._decoration = QRect()
        self._marked: list[QRect] | None = None
        self._space = False
        self._panning: QPointF | None = None
        self._fits = True  # until somebody zooms or pans
        self._viewport = Viewport(640, 480, self.devicePixelRatio()).fitted(session.document.size)
        self._lens = Lens(self._viewport, session.document.size)
        self._screen = Screen(self._lens, session.view.surround)
        self._sight = Sight(session.document)
        self._overlay = StrengthOverlay(session.document)
        self._refining = QTimer(self)
        self._refining.setInterval(0)
        self._refining.timeout.connect(self._refine)
        session.document_changed.connect(self._document_changed)
        session.active_changed.connect(self._active_changed)
        self._update_cursor()

    # The view of the picture

    @property
    def viewport(self) -> Viewport:
        return self._viewport

    @property
    def refining(self) -> bool:
        """Whether some of what is on screen is still a sketch."""
        return self._refining.isActive()

    def set_viewport(self, viewport: Viewport) -> None:
        if viewport == self._viewport:
            return
        self._viewport = viewport
        self._lens = Lens(viewport, self.session.document.size)
        self._screen.set_lens(self._lens)
        self._decoration = QRect()
        self.update()
        self.viewport_changed.emit()

    def fit(self) -> None:
        """Show the whole picture, and keep doing so when the window changes."""
        self._fits = True
        self.set_viewport(self._viewport.fitted(self.session.document.size))

    def zoom_to(self, zoom: float, at: Point | None = None) -> None:
        """`zoom`: device pixels per picture pixel. `at`: the point (logical pixels) that stays, the centre by default."""
        self._zoom_by(zoom / self._viewport.zoom, at or Point(self.width() / 2, self.height() / 2))

    def zoom_in(self) -> None:
        self._zoom_by(math.sqrt(2), Point(self.width() / 2, self.height() / 2))

    def zoom_out(self) -> None:
        self._zoom_by(math.sqrt(0.5), Point(self.width() / 2, self.height() / 2))

    def turn(self, degrees: float = STEP) -> None:
        """Turn the view clockwise, about its centre."""
        self._fits = False
        self.set_viewport(self._viewport.turned(degrees))

    def straighten(self) -> None:
        """Turn the view back upright."""
        self.set_viewport(replace(self._viewport, rotation=0.0))

    def mirror(self) -> None:
        """Exchange left and right of the view; the picture stays as it is."""
        self.set_viewport(replace(self._viewport, mirrored=not self._viewport.mirrored))

    def _zoom_by(self, factor: float, at: Point) -> None:
        self._fits = False
        self.set_viewport(self._viewport.zoomed(factor, at.x, at.y))

    def _pan(self, dx: float, dy: float) -> None:
        self._fits = False
        self.set_viewport(self._viewport.panned(dx, dy))

    def resizeEvent(self, event: QResizeEvent) -> None:
        viewport = self._viewport.resized(self.width(), self.height(), self.devicePixelRatio())
        self.set_viewport(viewport.fitted(self.session.document.size) if self._fits else viewport)

    # What has changed

    def _document_changed(self, before: Document, after: Document) -> None:
        if after.size != self._sight.document.size:
            self._start_over(after)
            return
        if after.layers is not self._sight.document.layers:
            rects = self._sight.show(after)
            areas = [self._lens.device_rect(rect) for rect in rects]
            self._screen.picture_changed(areas)
            self._update_areas(areas)
        areas = [self._lens.device_rect(rect, self._overlay.margin) for rect in self._overlay.set_document(after)]
        if areas:
            self._screen.overlay_changed(areas)
            self._update_areas(areas)

    def _start_over(self, document: Document) -> None:
        self._sight = Sight(document)
        self._overlay = StrengthOverlay(document)
        self._overlay_look()
        self._viewport = self._viewport.fitted(document.size)
        self._lens = Lens(self._viewport, document.size)
        self._screen = Screen(self._lens, self.session.view.surround)
        self._fits = True
        self.update()
        self.viewport_changed.emit()

    def _active_changed(self) -> None:
        view = self.session.view
        if self.session.options.tool != self._tool_name:
            self._change_tool()
        if self._overlay_look():
            self._screen.overlay_changed()
            self.update()
        self._screen.set_surround(view.surround)
        self._update_decoration()

    def _overlay_look(self) -> bool:
        session = self.session
        return self._overlay.set_look(
            session.view.overlay,
            session.view.overlay_opacity,
            strength_shown=session.draft.item is None and session.draft.exemplar is None,
        )

    def _change_tool(self) -> None:
        self._hand.cancel()
        if self._tool is not None:
            self._tool.leave()
        self._tool_name = self.session.options.tool
        self._tool = self._tools.get(self._tool_name)
        self._update_cursor()

    def _update_areas(self, areas: Iterable[Rect]) -> None:
        """Repaint these device pixels."""
        ratio = self._viewport.ratio
        for area in areas:
            if not area.empty:
                left, top = math.floor(area.left / ratio), math.floor(area.top / ratio)
                right, bottom = math.ceil(area.right / ratio), math.ceil(area.bottom / ratio)
                self._mark(QRect(left, top, right - left, bottom - top))

    def _mark(self, area: QRect) -> None:
        """Repaint these logical pixels; while an event is handled they are only collected."""
        if self._marked is None:
            self.update(area)
        else:
            self._marked.append(area)

    def _collect(self) -> None:
        """From here to `_repaint` what must be repainted is collected."""
        self._marked = []

    def _repaint(self) -> None:
        """Ask for what was collected, as one rectangle where it lies close together: painting through one is several times quicker."""
        marked, self._marked = self._marked or [], None
        whole, covered = QRect(), 0
        for area in marked:
            whole = whole.united(area)
            covered += area.width() * area.height()
        if whole.width() * whole.height() <= 1.5 * covered:
            self.update(whole)
        else:
            for area in marked:
                self.update(area)

    def _update_decoration(self) -> None:
        before, after = self._decoration, QRect()
        if self._tool is not None:
            after = self._tool.decoration(self._viewport)
        self._decoration = after
        if not before.isEmpty():
            self._mark(before)
        if not after.isEmpty() and after != before:
            self._mark(after)

    def _update_cursor(self) -> None:
        if self._panning is not None:
            shape = Qt.CursorShape.ClosedHandCursor
        elif self._space or self._tool_name == "hand":
            shape = Qt.CursorShape.OpenHandCursor
        elif self._tool is not None:
            shape = self._tool.cursor()
        else:
            shape = Qt.CursorShape.CrossCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    # Drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        screen, sight = self._screen, self._sight
        sight.deadline = time.perf_counter() + _PATIENCE
        sight.rough = False
        screen.refresh(sight.gather, self._overlay.shade)
        if sight.rough and not self._refining.isActive():
            self._refining.start()
        painter = QPainter(self)
        ratio = self._viewport.ratio
        painter.scale(1 / ratio, 1 / ratio)
        for logical in _worth(event.region()):
            area = _device(logical, ratio)
            painter.drawImage(area.topLeft(), screen.picture, area)
            if screen.shaded:
                painter.drawImage(area.topLeft(), screen.overlay, area)
        painter.resetTransform()
        if self._tool is not None:
            self._tool.paint(painter, self._viewport)
        painter.end()

    def _refine(self) -> None:
        """Replace what was only sketched, as far as a short while allows; the event loop calls again."""
        lens = self._lens
        if lens.inside.empty:
            self._refining.stop()
            return
        found = self._sight.cache.refine(lens.level, lens.level_rect(lens.inside), time.perf_counter() + _PATIENCE)
        if not found:
            self._refining.stop()
        areas = [lens.device_rect(from_level(rect, lens.level)) for rect in found]
        self._screen.picture_changed(areas)
        self._update_areas(areas)

    # Pointer

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not made_by_pen(event):
            self._press(event, event.button(), "press")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if not made_by_pen(event):
            self._press(event, event.button(), "double")

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not made_by_pen(event):
            self._move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not made_by_pen(event):
            self._release(event)

    def tabletEvent(self, event: QTabletEvent) -> None:
        event.accept()  # Qt then makes no mouse event of it
        match event.type():
            case QEvent.Type.TabletPress:
                self._press(event, event.button(), "press")
            case QEvent.Type.TabletMove:
                self._move(event)
            case QEvent.Type.TabletRelease:
                self._release(event)

    def _press(self, event: QSinglePointEvent, button: Qt.MouseButton, kind: Kind) -> None:
        if self._hand.busy or self._panning is not None:
            return
        left = button == Qt.MouseButton.LeftButton
        if button == Qt.MouseButton.MiddleButton or (left and (self._space or self._tool_name == "hand")):
            self._panning = event.position()
            self._update_cursor()
        elif left and self._tool_name == "zoom":
            place = event.position()
            alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
            self._zoom_by(0.5 if alt else 2.0, Point(place.x(), place.y()))
        elif self._tool is not None and (left or button == Qt.MouseButton.RightButton):
            self._hand.press(self._tool, self._translated(kind, event, right=not left))
            self._update_decoration()

    def _move(self, event: QSinglePointEvent) -> None:
        if self._panning is not None:
            place = event.position()
            self._pan(place.x() - self._panning.x(), place.y() - self._panning.y())
            self._panning = place
            return
        busy = self._hand.busy
        found = self._translated("move" if busy else "hover", event)
        self._collect()
        try:
            if busy:
                self._hand.move(found)
            elif self._tool is not None and not self._space:
                self._tool.hover(found)
                self._update_cursor()
            self._update_decoration()
        finally:
            self._repaint()
        self.cursor_moved.emit(Point(found.x, found.y))

    def _release(self, event: QSinglePointEvent) -> None:
        if self._panning is not None:
            self._panning = None
            self._update_cursor()
        elif self._hand.busy:
            self._hand.release(self._translated("release", event))
            self._update_decoration()
            self._update_cursor()

    def _translated(self, kind: Kind, event: QSinglePointEvent, *, right: bool = False) -> PointerEvent:
        return pointer_event(kind, event, self._viewport, self._lens.to_document, right)

    def leaveEvent(self, event: QEvent) -> None:
        if self._tool is not None and not self._hand.busy:
            self._tool.leave()
            self._update_decoration()
        self.cursor_moved.emit(None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel zooms at the cursor; two fingers on a touchpad pan, and zoom with Ctrl."""
        place = event.position()
        ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        touchpad = event.phase() != Qt.ScrollPhase.NoScrollPhase and not event.pixelDelta().isNull()
        if touchpad and not ctrl:
            self._pan(event.pixelDelta().x(), event.pixelDelta().y())
        else:
            notches = event.angleDelta().y() / 120 if not touchpad else event.pixelDelta().y() / 80
            self._zoom_by(_WHEEL**notches, Point(place.x(), place.y()))
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            place = event.position()
            self._zoom_by(1 + event.value(), Point(place.x(), place.y()))
            return True
        return super().event(event)

    # Keys and focus

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat() and not self._hand.busy:
                self._space = True
                self._update_cursor()
            return
        if event.key() == Qt.Key.Key_Escape and self._cancel():
            return
        if self._tool is not None and self._tool.key(event):
            self._update_decoration()
            return
        event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self._update_cursor()
            return
        event.ignore()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._space = False
        self._cancel()

    def _cancel(self) -> bool:
        """Drop what the hand is doing."""
        if self._panning is not None:
            self._panning = None
            self._update_cursor()
            return True
        if self._hand.cancel():
            self._update_decoration()
            return True
        return False


def _worth(region: QRegion) -> Iterable[QRect]:
    """The region's rectangles, or the one around them where they are many and leave out little: every copy has its price."""
    whole = region.boundingRect()
    if region.rectCount() > 2:
        covered = sum(part.width() * part.height() for part in parts(region))
        if whole.width() * whole.height() < 1.5 * covered:
            return (whole,)
    return parts(region)


def _device(logical: QRect, ratio: float) -> QRect:
    """The device pixels of a rectangle of logical ones."""
    left, top = math.floor(logical.left() * ratio), math.floor(logical.top() * ratio)
    right = math.ceil((logical.left() + logical.width()) * ratio)
    bottom = math.ceil((logical.top() + logical.height()) * ratio)
    return QRect(left, top, right - left, bottom - top)
