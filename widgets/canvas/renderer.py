"""Drawing of a canvas: the picture with its overlays, the frame, the divider and the legend, and what of it must be drawn anew."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from PySide6.QtCore import QObject, QRect, QTimer
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QStyle

from editor.document.document import Document
from editor.document.faint_strength import is_strength
from editor.errors import InvalidRequest
from editor.geometry import Point, Rect
from widgets.canvas import overlays
from widgets.canvas.divider import Divider
from widgets.canvas.framing import Framing
from widgets.canvas.levels import from_level
from widgets.canvas.overlays import Legend, Reading, Scale
from widgets.canvas.scene import POINTING, Scene
from widgets.canvas.screen_pixels import BackBuffer, Repaints, Resampler, Shade, to_device, to_logical, worth
from widgets.canvas.strength_overlay import Changes, StrengthOverlay
from widgets.canvas.tile_cache import CompositeCache
from widgets.qimage import Words, screen_profile
from widgets.session.paint_target import surface, value_at
from widgets.session.session import Session
from widgets.tools import grips
from widgets.viewport import Viewport

_PATIENCE = 0.012  # seconds of computing before the rest is sketched, and before the event loop gets its turn
_IDLE = 180  # milliseconds without a change until what takes longer is worked out
_MARCH = 90  # milliseconds for one step of the selection's outline
_LEGEND = 40  # milliseconds; the mark on the legend may lag, the brush may not
_PAINTING = ("strength", "gradient")


class CanvasRenderer(QObject):
    """Everything that a canvas shows, apart from the tool's own marks.

    scene: things, previews and candidates.
    pointer: what is under it is marked on the legend; in picture pixels, None when it is elsewhere.
    marching: the timer that moves the selection's outline.
    """

    def __init__(
        self, repaints: Repaints, session: Session, viewport: Viewport, divider: Divider, framing: Framing
    ) -> None:
        canvas = repaints.widget
        super().__init__(canvas)
        self._canvas, self._session, self._repaints = canvas, session, repaints
        self._divider, self._framing = divider, framing
        self._size = session.document.size
        self._selection_area = QRect()
        self._view = session.view
        self._draft = session.draft
        self._viewport = viewport
        self._lens = Resampler(viewport, self._size)
        self._screen = BackBuffer(self._lens, session.view.surround)
        self.scene = Scene(session)
        self.pointer: Point | None = None
        self._profile: bytes | None = None  # of the screen
        self._start(session.document)
        self._refining = self._timer(0, self._refine, single=False)
        self._idle = self._timer(_IDLE, self.settle)
        self.marching = self._timer(_MARCH, self._march, single=False)
        self._legend, self._legend_drawn = Legend(), False
        self._marking = self._timer(_LEGEND, self._mark_legend)
        session.model.shown.connect(self._document_changed)
        session.state.draft_changed.connect(self._draft_changed)
        session.state.view_changed.connect(self._view_changed)
        session.state.options_changed.connect(self._follow_state)
        session.jobs.shown_changed.connect(self._job_changed)
        session.live.shown_changed.connect(self._job_changed)
        session.live.changed.connect(self._follow_state)
        session.scrub.shown_changed.connect(self._job_changed)
        self._selection_changed()
        self._idle.start()

    def _timer(self, interval: int, act: object, *, single: bool = True) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(interval)
        timer.setSingleShot(single)
        timer.timeout.connect(act)
        return timer

    def _start(self, document: Document) -> None:
        self._planned = self.scene.planned()
        self._sight = CompositeCache(document, self._profile)
        self._changes: Changes | None = None
        self._overlay = StrengthOverlay(document)
        self._follow_overlay()

    @property
    def refining(self) -> bool:
        """Whether some of what is on screen is still a sketch."""
        return self._refining.isActive()

    # What has changed

    def follow_screen(self) -> None:
        """The window has come onto a screen, or onto another one: colours may have to be others there."""
        profile = screen_profile(self._canvas)
        if profile == self._profile:
            return
        self._profile = self._divider.profile = profile
        self.scene.set_screen(profile)
        self._sight = CompositeCache(self.scene.document(), profile)
        self._divider.follow(self._lens)
        self._screen.picture_changed()
        if self._divider.screen is not None:
            self._divider.screen.picture_changed()
        self._canvas.update()

    def set_viewport(self, viewport: Viewport) -> None:
        self._viewport = viewport
        self._lens = Resampler(viewport, self._size)
        self._screen.set_lens(self._lens)
        self._divider.follow(self._lens)
        self._framing.set_viewport(viewport)
        self.scene.labels = []
        self._selection_area = self.scene.selection_area(self._lens)
        self._idle.start()
        self._canvas.update()

    def set_document(self, document: Document) -> None:
        """Start over with one of another size; its viewport follows."""
        self._size = document.size
        self._start(document)
        self._screen.picture_changed()
        self._screen.overlay_changed()

    def _document_changed(self, before: Document, after: Document) -> None:
        if after.size != self._size:
            return  # the canvas starts over
        self._picture_changed()
        areas = self._device_areas(self._overlay.set_document(after), self._overlay.margin)
        if self._changes is not None:
            areas += self._device_areas(self._changes.show(self._session.original, after))
        self._screen.overlay_changed(areas)
        self._mark_device(areas)
        if after.items is not before.items or after.exemplars is not before.exemplars:
            self._mark_device(self._device_areas(self.scene.changed(before, after), 4))
        if after.selection is not before.selection:
            self._selection_changed()
        planned = self.scene.planned()
        if planned != self._planned:  # what an item would leave is drawn, or is not any more
            self._planned = planned
            self._canvas.update()
        outdated = self.scene.outdated()
        if outdated and self._follow_overlay():
            self._screen.overlay_changed()
        if self.scene.labels or outdated or self.scene.led_otherwise():
            self.scene.labels = []
            self._canvas.update()
        self.pointer_moved()
        self._idle.start()

    def _picture_changed(self) -> None:
        document = self.scene.document()
        if document.layers is self._sight.document.layers:
            return
        areas = self._device_areas(self._sight.show(document))
        if not self._view.original:
            self._screen.picture_changed(areas)
            self._mark_device(areas)

    def _selection_changed(self) -> None:
        before, after = self._selection_area, self.scene.selection_area(self._lens)
        self._selection_area = after
        self._repaints.mark(before)
        self._repaints.mark(after)
        moves = self._canvas.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration, None, self._canvas) > 0
        if after.isEmpty() or not moves:
            self.marching.stop()
        elif not self.marching.isActive():
            self.marching.start()

    def _view_changed(self) -> None:
        session = self._session
        view, before = session.view, self._view
        self._view = view
        self._divider.follow(self._lens)
        if view.frame != before.frame:
            self._framing.set_viewport(self._viewport)
        if view.original != before.original:
            self._screen.picture_changed()
        if view.changed_pixels != before.changed_pixels:
            self._changes = Changes(session.original, session.document) if view.changed_pixels else None
            self._screen.overlay_changed()
        self._screen.set_surround(view.surround)
        self._canvas.update()
        self._idle.start()
        self._follow_state()

    def _draft_changed(self) -> None:
        draft, before = self._session.draft, self._draft
        self._draft = draft
        if replace(draft, frame=before.frame) != before:
            self._canvas.update()
        self._idle.start()
        self._follow_state()

    def _follow_state(self) -> None:
        """Another map may count now, and the legend come or go."""
        if self._follow_overlay():
            self._screen.overlay_changed()
            self.scene.labels = []
            self._canvas.update()
        self._keep_legend_clear()
        self._planned = self.scene.planned()
        self.pointer_moved()

    def _follow_overlay(self) -> bool:
        """Strength is shown unless an active item or exemplar counts, or a result is to be judged. Whether it looks different now."""
        session = self._session
        free, painting = session.draft.exemplar is None, session.options.target == "strength"
        meant = painting or session.draft.item is None or session.plan.region == "strength"
        shown = free and meant and not self.scene.reviewing
        return self._overlay.set_look(self.scene.overlay, session.view.overlay_opacity, strength_shown=shown)

    def _job_changed(self) -> None:
        self._picture_changed()
        if self._follow_overlay():
            self._screen.overlay_changed()
        if self._session.job is None:
            self._idle.start()
        self._framing.follow_job()
        self._keep_legend_clear()
        self._canvas.update()

    def settle(self) -> None:
        """Nothing has happened for a moment: work out what takes longer."""
        scene = self.scene
        if self._framing.stale:
            self._framing.settle()
        self._keep_legend_clear()
        if scene.settle(self._framing.frame):
            if self._follow_overlay():
                self._screen.overlay_changed()
            self._canvas.update()
        inside = self._lens.inside
        if self._view.overlay == "contours" and self._overlay.strength_shown and not inside.empty:
            ratio = self._viewport.ratio
            places = overlays.label_places(self._overlay.strength(self._lens, inside), ratio)
            scene.labels = [(x + inside.left / ratio, y + inside.top / ratio, words) for x, y, words in places]
            self._canvas.update()

    def _march(self) -> None:
        self.scene.phase += 1
        self._canvas.update(self._selection_area)

    def point_at(self, point: Point | None) -> None:
        """Outline and name the item under the pointer, for tools that act on things. None: the pointer is elsewhere or busy."""
        scene, document, item = self.scene, self._session.document, None
        if point is not None and document.items and self._view.items and self._session.options.tool in POINTING:
            under = (item for item in reversed(document.items) if item.visible and grips.covers(item, *point))
            item = next(under, None)
        hovered = None if item is None else item.id
        if hovered != scene.hovered:
            self._repaints.mark(scene.hover_area(scene.hovered, self._lens))
            scene.hovered = hovered
            self._repaints.mark(scene.hover_area(hovered, self._lens))

    # What must be repainted

    def _device_areas(self, rects: Iterable[Rect], margin: int = 0) -> list[Rect]:
        return [self._lens.device_rect(rect, margin) for rect in rects]

    def _mark_device(self, areas: Iterable[Rect]) -> None:
        """Repaint these device pixels."""
        ratio = self._viewport.ratio
        self._repaints.mark(*(to_logical(area, ratio) for area in areas if not area.empty))

    # Drawing

    def paint(self, painter: QPainter, event: QPaintEvent) -> None:
        screen, lens, scene = self._screen, self._lens, self.scene
        divider = self._divider
        original = divider.whole
        shade = self._overlay.shade if self._changes is None else self._changes.shade
        self._refresh(screen, original or self._sight, shade)
        beside = divider.screen if original is None else None
        if beside is not None and divider.original is not None:
            self._refresh(beside, divider.original, _no_shade)
        ratio = self._viewport.ratio
        painter.scale(1 / ratio, 1 / ratio)
        areas = [to_device(logical, ratio) for logical in worth(event.region())]
        for area in areas:
            painter.drawImage(area.topLeft(), screen.picture, area)
        if beside is not None:
            left = to_device(QRect(0, 0, divider.x, self._canvas.height()), ratio)
            for area in areas:
                part = area.intersected(left)
                painter.drawImage(part.topLeft(), beside.picture, part)
            painter.setClipRect(to_device(self._canvas.rect(), ratio).adjusted(left.width(), 0, 0, 0))
        if original is None:
            scene.draw_under(painter, lens, self._overlay.table)
            if screen.shaded:
                for area in areas:
                    painter.drawImage(area.topLeft(), screen.overlay, area)
        painter.resetTransform()
        if original is None:
            scene.draw_over(painter, lens)
            self._framing.draw(painter, event.region())
            painter.setClipping(False)
            if overlays.LEGEND.intersects(event.rect()):
                self._legend_drawn = self._legend_shown()
            if self._legend_drawn and overlays.LEGEND.intersects(event.rect()):
                self._legend.draw(painter, self._legend_scale(), ratio, self._reading())
        if beside is not None:
            divider.draw(painter)

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
            rects = sight.cache.refine(lens.level, lens.level_rect(lens.inside), deadline)
            areas = self._device_areas(from_level(rect, lens.level) for rect in rects)
            screen.picture_changed(areas)
            self._mark_device(areas)
            anything = anything or bool(rects)
        if not anything:
            self._refining.stop()

    # The legend

    def pointer_moved(self) -> None:
        """The mark on the legend follows, a little later."""
        if not self._marking.isActive():
            self._marking.start()

    def _keep_legend_clear(self) -> None:
        self._framing.keep_clear(overlays.LEGEND if self._legend_shown() else QRect())

    def _legend_shown(self) -> bool:
        view = self._view
        if view.legend and self.scene.overlay == "cells":
            return True
        painted = is_strength(self._session.document.strength) or self._session.options.tool in _PAINTING
        shown = self._overlay.strength_shown and painted
        return view.legend and view.overlay not in ("off", "outline") and (shown or self.scene.heated)

    def _mark_legend(self) -> None:
        if self._legend_shown() or self._legend_drawn:
            self._canvas.update(overlays.LEGEND)

    def _legend_scale(self) -> Scale:
        mode, cells = self.scene.overlay, self.scene.cells
        if mode != "cells" or cells is None:
            return Scale(mode)
        return Scale(mode, cells.steps, cells.note)

    def _reading(self) -> Reading | None:
        """What the overlay shows under the pointer."""
        if self.pointer is None:
            return None
        cells = self.scene.cells
        if self.scene.overlay == "cells" and cells is not None:
            share = cells.share_at(*self.pointer)
            return None if share is None else Reading(share, cells.words_at(*self.pointer))
        if self.scene.heated and self._session.options.target is not None:
            try:
                value = surface(self._session, self._session.options.target).value(*self.pointer)
            except InvalidRequest:
                return None  # it is hidden, which is said to whoever paints
        else:
            value = value_at(self._session.document.strength, *self.pointer)
        return None if value is None else Reading(value, f"{round(value * 100)}\u202f%")


def _no_shade(lens: Resampler, area: Rect, words: Words) -> bool:
    """Nothing lies over the original."""
    return False
