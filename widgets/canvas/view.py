"""CanvasView: the picture on screen with everything over it, and what a person does to it with pointer, pen and keys."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, Qt, QTimer, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QApplication, QStyle, QWidget

from editor.document.document import Document
from editor.document.faint_strength import is_strength
from editor.errors import InvalidRequest
from editor.geometry import Point, Rect
from widgets.canvas import overlays
from widgets.canvas.back_buffer import BackBuffer, Shade, to_device, to_logical, worth
from widgets.canvas.colour_map import Words
from widgets.canvas.composite_cache import Changes, CompositeCache
from widgets.canvas.drop import Dropper
from widgets.canvas.legend import Legend, Reading, Scale
from widgets.canvas.levels import from_level
from widgets.canvas.resampler import Resampler
from widgets.canvas.scene import POINTING, Scene
from widgets.canvas.strength_overlay import StrengthOverlay
from widgets.canvas.subject import subject_at, subject_of_keyboard
from widgets.canvas.tool_view import ToolView
from widgets.dragged import on_clipboard
from widgets.screen_colour import screen_profile
from widgets.session.job import Job
from widgets.session.options import ToolName
from widgets.session.paint_target import surface, value_at
from widgets.session.session import Session
from widgets.tools import grips
from widgets.tools.tool import Tool

_PATIENCE = 0.012  # seconds of computing before the rest is sketched, and before the event loop gets its turn
_IDLE = 180  # milliseconds without a change until what takes longer is worked out
_MARCH = 90  # milliseconds for one step of the selection's outline
_LEGEND = 40  # milliseconds; the mark on the legend may lag, the brush may not
_PAINTING = ("strength", "gradient")


class CanvasView(ToolView):
    """Shows the session's document, hands pointer events to the tool in hand, and takes pictures that are dropped or pasted.

    `menu_wanted(subject, point)`: a menu about what lies there (see `widgets.command_table.context`), at a point of the screen.
    """

    menu_wanted = Signal(str, QPoint)

    def __init__(self, session: Session, tools: Mapping[ToolName, Tool], parent: QWidget | None = None) -> None:
        super().__init__(session, tools, parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAcceptDrops(True)
        self.setMinimumSize(160, 120)
        self._asked_at: QPointF | None = None  # where the right button went down
        self._dropper = Dropper(self, session)
        self._dropper.changed.connect(self._mark)
        self._selection_area = QRect()
        self._view = session.view
        self._draft = session.draft
        self._lens = Resampler(self._viewport, session.document.size)
        self._screen = BackBuffer(self._lens, session.view.surround)
        self._scene = Scene(session)
        self._profile: bytes | None = None  # of the screen
        self._start(session.document)
        self._refining = _timer(self, 0, self._refine, single=False)
        self._idle = _timer(self, _IDLE, self._settle)
        self._marching = _timer(self, _MARCH, self._march, single=False)
        self._legend, self._legend_drawn = Legend(), False
        self._marking = _timer(self, _LEGEND, self._mark_legend)
        session.document_changed.connect(self._document_changed)
        session.active_changed.connect(self._active_changed)
        session.job_changed.connect(self._job_changed)
        self._selection_changed()
        self._idle.start()

    def _start(self, document: Document) -> None:
        self._planned = self._scene.planned()
        self._sight = CompositeCache(document, self._profile)
        self._changes: Changes | None = None
        self._overlay = StrengthOverlay(document)
        self._overlay_look()

    @property
    def refining(self) -> bool:
        """Whether some of what is on screen is still a sketch."""
        return self._refining.isActive()

    def _follow_screen(self) -> None:
        """The window has come onto a screen, or onto another one: colours may have to be others there."""
        profile = screen_profile(self)
        if profile == self._profile:
            return
        self._profile = self._divider.profile = profile
        self._scene.set_screen(profile)
        self._sight = CompositeCache(self._scene.document(), profile)
        self._divider.follow(self._lens)
        self._screen.picture_changed()
        if self._divider.screen is not None:
            self._divider.screen.picture_changed()
        self.update()

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Show, QEvent.Type.ScreenChangeInternal):
            self._follow_screen()
        return super().event(event)

    # What has changed

    def _look(self) -> None:
        self._lens = Resampler(self._viewport, self._size)
        self._screen.set_lens(self._lens)
        self._divider.follow(self._lens)
        self.framing.set_viewport(self._viewport)
        self._scene.labels = []
        self._selection_area = self._scene.selection_area(self._lens)
        self._decoration = QRect() if self._tool is None else self._tool.decoration(self._viewport)
        self._idle.start()
        self.update()

    def _document_changed(self, before: Document, after: Document) -> None:
        if after.size != self._size:
            self._start(after)
            self.set_size(after.size)
            self._screen.picture_changed()
            self._screen.overlay_changed()
            return
        self._picture_changed()
        areas = self._device_areas(self._overlay.set_document(after), self._overlay.margin)
        if self._changes is not None:
            areas += self._device_areas(self._changes.show(self.session.original, after))
        self._screen.overlay_changed(areas)
        self._mark_areas(areas)
        if after.items is not before.items or after.exemplars is not before.exemplars:
            self._mark_areas(self._device_areas(self._scene.changed(before, after), 4))
        if after.selection is not before.selection:
            self._selection_changed()
        planned = self._scene.planned()
        if planned != self._planned:  # what an item would leave is drawn, or is not any more
            self._planned = planned
            self.update()
        outdated = self._scene.outdated()
        if outdated and self._overlay_look():
            self._screen.overlay_changed()
        if self._scene.labels or outdated or self._scene.led_otherwise():
            self._scene.labels = []
            self.update()
        self._pointed()
        self._idle.start()

    def _picture_changed(self) -> None:
        document = self._scene.document()
        if document.layers is self._sight.document.layers:
            return
        areas = self._device_areas(self._sight.show(document))
        if not self._view.original:
            self._screen.picture_changed(areas)
            self._mark_areas(areas)

    def _selection_changed(self) -> None:
        before, after = self._selection_area, self._scene.selection_area(self._lens)
        self._selection_area = after
        self._mark(before)
        self._mark(after)
        moves = self.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration, None, self) > 0
        if after.isEmpty() or not moves:
            self._marching.stop()
        elif not self._marching.isActive():
            self._marching.start()

    def _active_changed(self) -> None:
        session = self.session
        view, before = session.view, self._view
        if session.options.tool != self._tool_name:
            self._change_tool()
        self._view = view
        self._divider.follow(self._lens)
        if view.frame != before.frame:
            self.framing.set_viewport(self._viewport)
        if view.original != before.original:
            self._screen.picture_changed()
        if view.changed_pixels != before.changed_pixels:
            self._changes = Changes(session.original, session.document) if view.changed_pixels else None
            self._screen.overlay_changed()
        if self._overlay_look():
            self._screen.overlay_changed()
            self._scene.labels = []
            self.update()
        self._screen.set_surround(view.surround)
        if view != before or replace(session.draft, frame=self._draft.frame) != self._draft:
            self.update()
        if view != before or session.draft != self._draft:
            self._draft = session.draft
            self._idle.start()
        self.framing.keep_clear(overlays.LEGEND if self._legend_shown() else QRect())
        self._planned = self._scene.planned()
        self._pointed()
        self._update_decoration()

    def _overlay_look(self) -> bool:
        """Strength is shown unless something else counts just now: an active item or exemplar, or a result to be judged."""
        session = self.session
        free, painting = session.draft.exemplar is None, session.options.target == "strength"
        meant = painting or session.draft.item is None or session.plan.region == "strength"
        shown = free and meant and not self._scene.reviewing
        return self._overlay.set_look(self._scene.overlay, session.view.overlay_opacity, strength_shown=shown)

    def _job_changed(self, job: Job | None) -> None:
        self._picture_changed()
        if self._overlay_look():
            self._screen.overlay_changed()
        if job is None:
            self._idle.start()
        self.framing.follow_job()
        self.framing.keep_clear(overlays.LEGEND if self._legend_shown() else QRect())
        self.update()

    def _settle(self) -> None:
        """Nothing has happened for a moment: work out what takes longer."""
        scene = self._scene
        if self.framing.stale:
            self.framing.settle()
        self.framing.keep_clear(overlays.LEGEND if self._legend_shown() else QRect())
        if scene.settle(self.framing.frame):
            if self._overlay_look():
                self._screen.overlay_changed()
            self.update()
        inside = self._lens.inside
        if self._view.overlay == "contours" and self._overlay.strength_shown and not inside.empty:
            ratio = self._viewport.ratio
            places = overlays.label_places(self._overlay.strength(self._lens, inside), ratio)
            scene.labels = [(x + inside.left / ratio, y + inside.top / ratio, words) for x, y, words in places]
            self.update()

    def _march(self) -> None:
        self._scene.phase += 1
        self.update(self._selection_area)

    # What must be repainted

    def _device_areas(self, rects: Iterable[Rect], margin: int = 0) -> list[Rect]:
        return [self._lens.device_rect(rect, margin) for rect in rects]

    def _mark_areas(self, areas: Iterable[Rect]) -> None:
        """Repaint these device pixels."""
        ratio = self._viewport.ratio
        logical = [to_logical(area, ratio) for area in areas if not area.empty]
        if self._marked is None:
            self._update_all(logical)
        else:
            self._marked += logical

    # Drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        screen, lens, scene = self._screen, self._lens, self._scene
        divider = self._divider
        original = divider.whole
        shade = self._overlay.shade if self._changes is None else self._changes.shade
        self._refresh(screen, original or self._sight, shade)
        beside = divider.screen if original is None else None
        if beside is not None and divider.original is not None:
            self._refresh(beside, divider.original, _no_shade)
        painter = QPainter(self)
        ratio = self._viewport.ratio
        painter.scale(1 / ratio, 1 / ratio)
        areas = [to_device(logical, ratio) for logical in worth(event.region())]
        for area in areas:
            painter.drawImage(area.topLeft(), screen.picture, area)
        if beside is not None:
            left = to_device(QRect(0, 0, divider.x, self.height()), ratio)
            for area in areas:
                part = area.intersected(left)
                painter.drawImage(part.topLeft(), beside.picture, part)
            painter.setClipRect(to_device(self.rect(), ratio).adjusted(left.width(), 0, 0, 0))
        if original is None:
            scene.draw_under(painter, lens, self._overlay.table)
            if screen.shaded:
                for area in areas:
                    painter.drawImage(area.topLeft(), screen.overlay, area)
        painter.resetTransform()
        if original is None:
            scene.draw_over(painter, lens)
            self.framing.draw(painter, event.region())
            painter.setClipping(False)
            if overlays.LEGEND.intersects(event.rect()):
                self._legend_drawn = self._legend_shown()
            if self._legend_drawn and overlays.LEGEND.intersects(event.rect()):
                self._legend.draw(painter, self._legend_scale(), ratio, self._reading())
        if beside is not None:
            divider.draw(painter)
        if self._tool is not None:
            self._tool.paint(painter, self._viewport)
        self._dropper.draw(painter)
        painter.end()

    def _refresh(self, screen: BackBuffer, sight: CompositeCache, shade: Shade) -> None:
        sight.deadline = time.perf_counter() + _PATIENCE
        sight.rough = False
        screen.refresh(sight.gather, shade)
        if sight.rough and not self._refining.isActive():
            self._refining.start()

    def _refine(self) -> None:
        """Replace what was only sketched, as far as a short while allows; the event loop calls again."""
        divider, lens = self._divider, self._lens
        shown = [(self._screen, divider.whole or self._sight)]
        if divider.line and divider.screen is not None and divider.original is not None:
            shown.append((divider.screen, divider.original))
        anything = False
        for screen, sight in shown if not lens.inside.empty else ():
            deadline = time.perf_counter() + _PATIENCE
            found = sight.cache.refine(lens.level, lens.level_rect(lens.inside), deadline)
            areas = self._device_areas(from_level(rect, lens.level) for rect in found)
            screen.picture_changed(areas)
            self._mark_areas(areas)
            anything = anything or bool(found)
        if not anything:
            self._refining.stop()

    def _legend_shown(self) -> bool:
        view = self._view
        if view.legend and self._scene.overlay == "cells":
            return True
        painted = is_strength(self.session.document.strength) or self._tool_name in _PAINTING
        shown = self._overlay.strength_shown and painted
        return view.legend and view.overlay not in ("off", "outline") and (shown or self._scene.heated)

    def _pointed(self) -> None:
        if not self._marking.isActive():
            self._marking.start()

    def _mark_legend(self) -> None:
        if self._legend_shown() or self._legend_drawn:
            self.update(overlays.LEGEND)

    def _legend_scale(self) -> Scale:
        mode, cells = self._scene.overlay, self._scene.cells
        if mode != "cells" or cells is None:
            return Scale(mode)
        return Scale(mode, cells.steps, cells.note)

    def _reading(self) -> Reading | None:
        """What the overlay shows under the pointer."""
        if self._cursor is None:
            return None
        cells = self._scene.cells
        if self._scene.overlay == "cells" and cells is not None:
            share = cells.share_at(*self._cursor)
            return None if share is None else Reading(share, cells.words_at(*self._cursor))
        if self._scene.heated and self.session.options.target is not None:
            try:
                value = surface(self.session, self.session.options.target).value(*self._cursor)
            except InvalidRequest:
                return None  # it is hidden, which is said to whoever paints
        else:
            value = value_at(self.session.document.strength, *self._cursor)
        return None if value is None else Reading(value, f"{round(value * 100)}\u202f%")

    # Pointer

    def _hover(self, at: Point | None) -> None:
        """Outline and name the item under the pointer, for tools that act on things."""
        found: int | None = None
        document = self.session.document
        if at is not None and document.items and self._view.items and self._tool_name in POINTING:
            items = [item for item in reversed(document.items) if item.visible and grips.covers(item, *at)]
            found = items[0].id if items else None
        if found != self._scene.hovered:
            self._mark(self._scene.hover_area(self._scene.hovered, self._lens))
            self._scene.hovered = found
            self._mark(self._scene.hover_area(found, self._lens))

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
        self._dropper.leave()

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

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() != Qt.Key.Key_Escape or not self._dropper.cancel():
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._asked_at = event.position() if event.button() == Qt.MouseButton.RightButton and not self._busy else None
        # As long as it is asked what a picture becomes, a press beside is not meant for the tool.
        if event.button() != Qt.MouseButton.LeftButton or not self._dropper.keep():
            super().mousePressEvent(event)

    # The menu under the pointer

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        # A drag with the right button belongs to the tool, so the menu waits for the release.
        at, self._asked_at = self._asked_at, None
        if event.button() != Qt.MouseButton.RightButton or at is None:
            return
        if (event.position() - at).manhattanLength() < QApplication.startDragDistance():
            place = self._viewport.to_document(event.position().x(), event.position().y())
            self.menu_wanted.emit(subject_at(self.session, *place), event.globalPosition().toPoint())

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            subject, at = subject_of_keyboard(self.session, self._viewport)
            self.menu_wanted.emit(subject, self.mapToGlobal(at.toPoint()))


def _timer(parent: CanvasView, interval: int, act: object, *, single: bool = True) -> QTimer:
    timer = QTimer(parent)
    timer.setInterval(interval)
    timer.setSingleShot(single)
    timer.timeout.connect(act)
    return timer


def _no_shade(lens: Resampler, area: Rect, words: Words) -> bool:
    """Nothing lies over the original."""
    return False
