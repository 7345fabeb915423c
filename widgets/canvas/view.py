"""CanvasView: the widget that shows a document and gives pointer, pen and keys to whoever takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFocusEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QSinglePointEvent,
    QTabletEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QGestureEvent, QWidget

from editor.document.document import Document
from editor.geometry import Point
from widgets.canvas.divider import Divider
from widgets.canvas.drop import Dropper
from widgets.canvas.framing import Framing
from widgets.canvas.gestures import (
    GestureRunner,
    GestureSource,
    Kind,
    PanGesture,
    ToolGesture,
    ZoomGesture,
    is_from_pen,
    pointer_event,
)
from widgets.canvas.navigation import Navigation
from widgets.canvas.renderer import CanvasRenderer
from widgets.canvas.screen_pixels import Repaints
from widgets.guard import Guarded
from widgets.incoming import on_clipboard
from widgets.session.options import ToolName
from widgets.session.session import Session
from widgets.tools.grips import subject_at, subject_of_keyboard
from widgets.tools.tool import Tool
from widgets.viewport import Viewport

_STEPS = {int(Qt.Key.Key_Left): -1, int(Qt.Key.Key_Right): 1}
_MODIFIERS = (Qt.Key.Key_Shift, Qt.Key.Key_Alt, Qt.Key.Key_Control)


class CanvasView(Guarded, QWidget):
    """Picture, overlays and gestures in one widget.

    navigation: which part of the picture is shown.
    renderer: what is drawn.
    framing: the frame of the next edit.
    cursor_moved(point): with a `Point` in picture pixels, or None when the pointer left.
    menu_wanted(subject, point): a menu about what lies there (see `widgets.command_table`), at a point of the screen.

    `tools` has one tool for each name but "hand" and "zoom", which act on the view.
    """

    cursor_moved = Signal(object)
    menu_wanted = Signal(str, QPoint)

    def __init__(self, session: Session, tools: Mapping[ToolName, Tool], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        self.setTabletTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Canvas")
        self.setMinimumSize(160, 120)
        self.session = session
        self._repaints = Repaints(self)
        self.navigation = Navigation(self, session.document.size)
        self._pan = PanGesture(self.navigation, session)
        self._tool = ToolGesture(session, tools, self._pan, self._point_at)
        self._dropper = Dropper(self, session, self.navigation)
        self._divider = Divider(self, session)
        self.framing = Framing(self, session, self.viewport, self._tool.covers)
        # Whoever comes first in this list takes a press.
        sources: list[GestureSource] = [
            self._dropper,
            self._divider,
            self.framing,
            self._pan,
            ZoomGesture(self.navigation, session),
            self._tool,
        ]
        self._gestures = GestureRunner(sources)
        for source in (self._dropper, self._divider, self.framing):
            source.changed.connect(self._repaints.mark)
        self.framing.dropped.connect(self._drop_frame)
        session.model.stepping.connect(self._finish_stroke)
        self._button = Qt.MouseButton.NoButton  # that began the gesture; only this one ends it
        # Whether a pen began it; a mouse that is nudged meanwhile does nothing, and the other way round.
        self._pen = False
        self._menu_from: QPointF | None = None  # where the right button went down
        self._decoration = QRect()
        self.renderer = CanvasRenderer(self._repaints, session, self.viewport, self._divider, self.framing)
        self.navigation.changed.connect(self._viewport_changed)
        session.model.shown.connect(self._document_changed)
        session.state.options_changed.connect(self._options_changed)
        session.state.draft_changed.connect(self._update_decoration)
        session.state.view_changed.connect(self._update_decoration)
        self._update_cursor()

    @property
    def viewport(self) -> Viewport:
        return self.navigation.viewport

    @property
    def refining(self) -> bool:
        """Whether some of what is on screen is still a sketch."""
        return self.renderer.refining

    # What has changed

    def _viewport_changed(self) -> None:
        self.renderer.set_viewport(self.viewport)
        self._decoration = QRect() if self._tool.tool is None else self._tool.tool.decoration(self.viewport)

    def _document_changed(self, before: Document, after: Document) -> None:
        if after.size != before.size:
            self.renderer.set_document(after)
            self.navigation.set_size(after.size)

    def _options_changed(self) -> None:
        if self.session.options.tool != self._tool.name:
            self._gestures.finish(self._tool)
            self._tool.take(self.session.options.tool)
            self._update_cursor()
        self._update_decoration()

    def _point_at(self, point: Point | None) -> None:
        self.renderer.point_at(point)

    def _finish_stroke(self) -> None:
        """The history is about to change: what is being painted counts."""
        self._gestures.finish(self._tool)

    def _drop_frame(self) -> None:
        self._gestures.cancel(self.framing)

    def _update_decoration(self) -> None:
        before, after = self._decoration, QRect()
        if self._tool.tool is not None:
            after = self._tool.tool.decoration(self.viewport)
        self._decoration = after
        self._repaints.mark(before)
        if after != before:
            self._repaints.mark(after)

    def _update_cursor(self) -> None:
        shape = self._gestures.cursor()
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self.renderer.paint(painter, event)
        if self._tool.tool is not None:
            self._tool.tool.paint(painter, self.viewport)
        self._dropper.draw(painter)
        painter.end()

    # Pointer

    def mousePressEvent(self, event: QMouseEvent) -> None:
        asks = event.button() == Qt.MouseButton.RightButton and not self._gestures.busy
        self._menu_from = event.position() if asks else None
        if not is_from_pen(event):
            self._press(event, "press")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if not is_from_pen(event):
            self._press(event, "double")

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not is_from_pen(event) and not (self._gestures.busy and self._pen):
            if not event.buttons() & self._button:
                self.finish()  # the release went elsewhere: to a menu, to a dialog
            self._move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not is_from_pen(event) and not (self._gestures.busy and self._pen):
            self._release(event)
        self._offer_menu(event)

    def tabletEvent(self, event: QTabletEvent) -> None:
        event.accept()  # Qt then makes no mouse event of it
        if self._gestures.busy and not self._pen:
            return
        match event.type():
            case QEvent.Type.TabletPress:
                self._press(event, "press", pen=True)
            case QEvent.Type.TabletMove:
                if not event.buttons() & self._button and event.pressure() == 0:
                    self.finish()  # it hovers: the release went elsewhere
                self._move(event)
            case QEvent.Type.TabletRelease:
                self._release(event)

    def _press(self, event: QSinglePointEvent, kind: Kind, *, pen: bool = False) -> None:
        if self._gestures.busy:
            return
        self._button, self._pen = event.button(), pen
        self._gestures.press(pointer_event(kind, event, self.viewport))
        self._update_decoration()
        self._update_cursor()

    def _move(self, event: QSinglePointEvent) -> None:
        gestures = self._gestures
        source = gestures.source
        pointer = pointer_event("hover" if source is None else "move", event, self.viewport)
        at: Point | None = None
        with self._repaints.collected():
            if source is None:
                source = gestures.hover(pointer)
                self._update_cursor()
            else:
                gestures.move(pointer)
            self._update_decoration()
        if source is self._tool:
            at = self.renderer.pointer = Point(pointer.x, pointer.y)
            self.renderer.pointer_moved()
            self.cursor_moved.emit(at)

    def _release(self, event: QSinglePointEvent) -> None:
        if event.button() == self._button and self._gestures.busy:
            self._gestures.release(pointer_event("release", event, self.viewport))
            self._update_decoration()
            self._update_cursor()

    def leaveEvent(self, event: QEvent) -> None:
        self.renderer.pointer = None
        self._gestures.leave()
        self._update_decoration()
        self.renderer.pointer_moved()
        self.cursor_moved.emit(None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.navigation.wheel(event)

    def finish(self) -> None:
        """End the gesture under way where it is: what was painted stays."""
        if self._gestures.finish():
            self._update_decoration()
            self._update_cursor()

    # Keys and focus

    def keyPressEvent(self, event: QKeyEvent) -> None:
        tool, painting = self._tool.tool, self._gestures.source is self._tool
        if event.key() == Qt.Key.Key_Escape and (self._dropper.cancel() or self._gestures.cancel()):
            self._update_decoration()
            self._update_cursor()
        elif event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat() and not painting:
                self._pan.space = True
                self._update_cursor()
        elif painting:
            self._held_changed(event)
        elif self._step(event):
            pass
        elif tool is not None and tool.key(event):
            self._update_decoration()
        else:
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._pan.space = False
            self._update_cursor()
        elif self._gestures.source is self._tool:
            self._held_changed(event)
        else:
            event.ignore()

    def _step(self, event: QKeyEvent) -> bool:
        """While there are results to choose from, the arrow keys go through them."""
        by, job = _STEPS.get(event.key(), 0), self.session.job
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if not by or held or job is None or not job.candidates:
            return False
        self.session.step(by)
        return True

    def _held_changed(self, event: QKeyEvent) -> None:
        """Shift, Alt or Ctrl was pressed or let go during a gesture: it counts at once, not only with the next move."""
        last, held = self._gestures.last, event.modifiers()
        if last is None or event.key() not in _MODIFIERS:
            return
        flags = Qt.KeyboardModifier
        self._gestures.move(
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
        self._pan.space = False
        self.finish()
        self._update_cursor()

    # The window around it

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent | QGestureEvent) and self.navigation.pinch(event):
            return True
        # Only plain events are asked for their type: that takes a while, and every move of the pointer comes through here.
        if type(event) is QEvent and event.type() == QEvent.Type.DevicePixelRatioChange:
            self.navigation.follow_density()
        elif event.type() in (QEvent.Type.Show, QEvent.Type.ScreenChangeInternal):
            self.renderer.follow_screen()
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.navigation.follow_canvas()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.finish()

    # Pictures from outside

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self._dropper.carries(event.mimeData()):
            self._dropper.enter(event.mimeData(), event.position())
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        self._dropper.move(event.position())
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._dropper.withdraw()

    def dropEvent(self, event: QDropEvent) -> None:
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self._dropper.drop(event.position())

    def paste(self, data: QMimeData | None = None, at: Point | None = None) -> None:
        """Ask what a copied picture becomes. `data`: the clipboard by default. `at`: logical pixels; the middle of what is seen by default."""
        data = data or on_clipboard()
        if data is None or not self._dropper.carries(data):
            self.session.notice("There is no picture on the clipboard.", "Copy one, then paste again.")
            return
        place = self._dropper.middle() if at is None else QPointF(at.x, at.y)
        self._dropper.enter(data, place)
        self._dropper.drop(place)

    # The menu under the pointer

    def _offer_menu(self, release: QMouseEvent) -> None:
        """A drag with the right button belongs to the tool, so the menu waits for the release."""
        at, self._menu_from = self._menu_from, None
        if release.button() != Qt.MouseButton.RightButton or at is None:
            return
        if (release.position() - at).manhattanLength() < QApplication.startDragDistance():
            place = self.viewport.to_document(release.position().x(), release.position().y())
            self.menu_wanted.emit(subject_at(self.session, *place), release.globalPosition().toPoint())

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            subject, at = subject_of_keyboard(self.session, self.viewport)
            self.menu_wanted.emit(subject, self.mapToGlobal(at.toPoint()))
