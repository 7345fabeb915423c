"""Scene: everything that is drawn over the picture, apart from what the tool in hand draws itself."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QTransform

from editor.document.colour import convert
from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.geometry import EMPTY, Rect
from editor.planning.exemplar_change import led_by_map
from editor.planning.plan import Plan
from editor.requests.frame import Frame
from editor.requests.reports import Preview
from editor.requests.results import EditResult
from widgets.canvas import overlays
from widgets.canvas.falloff_overlay import Adapting, Reducer, adapting
from widgets.canvas.hold_overlay import Cells, cells_of
from widgets.canvas.item_overlay import Heat, Led, Things, matrix_of
from widgets.canvas.outlines import outline, part_of
from widgets.canvas.screen_pixels import Resampler
from widgets.qimage import Words, to_qimage
from widgets.session.options import OverlayMode
from widgets.session.session import Session

# Tools that act on things, so that things answer when the pointer comes over them.
POINTING = ("move", "segment", "rectangle", "ellipse", "lasso", "select_brush")


@dataclass(slots=True)
class _Traced:
    tiles: Tiles
    level: int
    rect: Rect
    grow: int
    path: QPainterPath


class Scene:
    """For one session. `hovered`: the item under the pointer. `labels`: per cents beside contour lines. `cells`: what a
    sampler makes of the strength, while that is shown; `adapting`: how far exemplars let the picture change."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._things = Things()
        self._traced: dict[Hashable, _Traced] = {}
        self._preview: tuple[Preview, QImage] | None = None
        self._candidate: tuple[object, EditResult, Document] | None = None
        self._selection: tuple[Tiles | None, Rect] = None, EMPTY
        self._settled: object = None  # what `cells` and `adapting` were worked out for
        self._reducer = Reducer()
        self._known_led: tuple[object, frozenset[int]] | None = None
        self._drawn_led: frozenset[int] = frozenset()
        self.cells: Cells | None = None
        self.adapting: Adapting | None = None
        self.hovered: int | None = None
        self.labels: list[tuple[float, float, str]] = []
        self.phase = 0
        self._screen: bytes | None = None

    def set_screen(self, profile: bytes | None) -> None:
        """The ICC profile of what is drawn on, None for sRGB."""
        if profile != self._screen:
            self._screen, self._preview = profile, None
            self._things.set_screen(profile)

    @property
    def reviewing(self) -> bool:
        """Whether a preview or a candidate is shown: nothing may then lie over it."""
        job = self._session.job
        return job is not None and job.seen

    def document(self) -> Document:
        """The document whose picture is shown: with the candidate, if there is one, as its topmost layer."""
        document, result = self._session.document, self._session.laid
        if result is None:
            self._candidate = None
            return document
        if self._candidate is None or self._candidate[0] is not document.layers or self._candidate[1] is not result:
            self._candidate = document.layers, result, _with_candidate(document, result)
        return replace(document, layers=self._candidate[2].layers)

    def planned(self) -> Plan | None:
        """What the button would do, as far as it is about items; cheap enough for every event."""
        session = self._session
        active = session.draft.item is not None
        if self.reviewing or not (active or any(item.placement is not None for item in session.document.items)):
            return None
        plan = session.plan
        return plan if plan.items else None

    def settle(self, frame: Frame | None) -> bool:
        """Nothing has happened for a moment: work out what takes longer. Whether something looks different now. `frame`: what the method sees."""
        session, view = self._session, self._session.view
        if session.in_gesture:
            return False
        document, draft = session.document, session.draft
        maps = document.strength, document.selection, document.protect
        hint = None if draft.scribble is None else document.layer(draft.scribble)
        about = (*maps, hint, document.items, document.exemplars, draft, frame, view.overlay, self.reviewing)
        if about == self._settled:
            return False
        self._settled = about
        before = self.cells, self.adapting
        self.cells = self.adapting = None
        plan = session.plan
        if not self.reviewing and plan.action is not None:
            if view.overlay == "cells":
                self.cells = cells_of(document, draft, plan, frame, self._reducer, methods=session.methods)
            if view.overlay != "off":
                self.adapting = adapting(document, draft, plan, frame, self._reducer, methods=session.methods)
        return before != (None, None) or (self.cells, self.adapting) != (None, None)

    def outdated(self) -> bool:
        """What was worked out no longer holds while something is painted or moved; whether anything was thrown away."""
        session = self._session
        gone = False
        if self.cells is not None and session.in_gesture:
            self.cells, gone = None, True
        if self.adapting is not None and not self.adapting.still(session.document):
            self.adapting, gone = None, True
        if gone:
            self._settled = None
        return gone

    @property
    def overlay(self) -> OverlayMode:
        """The overlay as it is drawn: strength stands in for cells until they are worked out, and where there are none."""
        mode = self._session.view.overlay
        if self._session.live.job is not None and mode != "off":
            return "outline"  # the picture is what is to be looked at
        return "heat" if mode == "cells" and (self.cells is None or self.reviewing) else mode

    def changed(self, before: Document, after: Document) -> list[Rect]:
        """Where the things of two documents differ, in picture pixels."""
        rects: list[Rect] = []
        grow = self._session.draft.settings.margin + 4
        if before.items is not after.items:
            old, new = ({item.id: item for item in document.items} for document in (before, after))
            for id in old.keys() | new.keys():
                if old.get(id) is not new.get(id):
                    rects += [_reach_of(item, grow) for item in (old.get(id), new.get(id)) if item is not None]
        if before.exemplars is not after.exemplars:
            rects += [
                exemplar.bounds.grow(2)
                for one, other in ((before, after), (after, before))
                for exemplar in one.exemplars
                if exemplar not in other.exemplars
            ]
            if not rects:
                rects.append(after.rect)  # another order
        return rects

    @property
    def heated(self) -> bool:
        """Whether a map of the active exemplar is shown as colours: the one that the tool in hand writes to; strength means its own then."""
        painting = self._session.options.target in ("strength", "exemplar_strength", "exemplar_fidelity")
        shown = painting and self.overlay in ("heat", "contours", "grey") and not self.reviewing
        return shown and self._session.draft.exemplar is not None

    def _led(self) -> Led | None:
        """The exemplars of the planned edit that a map of the document leads, and that map."""
        session = self._session
        document, draft = session.document, session.draft
        if not document.exemplars:
            return None  # before it is planned, which would take long for every dab
        plan = session.plan
        if plan.region is None or not plan.exemplars:
            return None
        about = document.exemplars, draft, plan.exemplars
        if self._known_led is None or self._known_led[0] != about:
            self._known_led = about, frozenset(exemplar.id for exemplar in led_by_map(document, draft, plan))
        return Led(self._known_led[1], document.map(plan.region)) if self._known_led[1] else None

    def led_otherwise(self) -> bool:
        """Whether other exemplars are led by a map than when they were drawn."""
        led = self._led()
        return (frozenset() if led is None else led.exemplars) != self._drawn_led

    # Drawing

    def draw_under(self, painter: QPainter, lens: Resampler, table: Words) -> None:
        """What lies under the strength overlay, in device pixels: preview, exemplars, moved items."""
        session, job = self._session, self._session.job
        if job is not None and job.preview is not None and job.candidates.shown is None and job.seen:
            self._draw_preview(painter, lens, job.preview)
        if self.reviewing:
            return
        live = session.live
        scrubbed = session.scrub.shown is not None
        if live.preview is not None and not scrubbed:
            self._draw_preview(painter, lens, live.preview, live.fresh)
        document = session.document
        shows = scrubbed or live.shows(document)
        if not shows:
            self._draw_healing(painter, lens)
        if document.items and not shows:
            self._things.draw_items(painter, document, lens)
        shaded = session.view.overlay in ("heat", "contours", "grey") and session.draft.exemplar is not None
        if shaded and self.adapting is not None:
            self.adapting.draw(painter, lens, table)
        if document.exemplars and not shows:
            active, fidelity = session.draft.exemplar, session.options.target == "exemplar_fidelity"
            heat = Heat(active, table, fidelity=fidelity) if active is not None and self.heated else None
            led = self._led()
            self._drawn_led = frozenset() if led is None else led.exemplars
            self._things.draw_exemplars(painter, document, lens, heat, led)
        if self.overlay == "cells" and self.cells is not None:
            self.cells.draw(painter, lens, table)

    def draw_over(self, painter: QPainter, lens: Resampler) -> None:
        """What lies on top, in logical pixels."""
        session = self._session
        document, view = session.document, session.view
        used: set[Hashable] = set()
        if document.items and not self.reviewing:
            self._draw_items(painter, lens, used)
        if document.exemplars and not self.reviewing:
            self._draw_pointed(painter, lens)
            if view.overlay != "off" and self.adapting is not None:
                overlays.reach(painter, lens.viewport.transform().map(self.adapting.outline))
        selected = self._selected()
        if not selected.empty and not self.reviewing:
            path = self._trace("selection", document.selection, selected, lens)
            used.add("selection")
            overlays.marching(painter, lens.viewport.transform().map(path), self.phase)
        self._traced = {key: traced for key, traced in self._traced.items() if key in used}
        if view.overlay == "contours" and not self.reviewing:
            overlays.labels(painter, self.labels)

    def _draw_preview(self, painter: QPainter, lens: Resampler, preview: Preview, within: Rect | None = None) -> None:
        """within: document pixels where it is to be seen; None for all of it."""
        if self._preview is None or self._preview[0] is not preview:
            icc = self._session.document.metadata.icc
            self._preview = preview, to_qimage(convert(preview.pixels, icc, self._screen))
        painter.save()
        painter.setTransform(lens.to_device, True)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        rect = preview.rect
        if within is not None:
            painter.setClipRect(_qrectf(within))
        painter.drawImage(QRectF(rect.left, rect.top, rect.width, rect.height), self._preview[1])
        painter.restore()

    def _draw_healing(self, painter: QPainter, lens: Resampler) -> None:
        """Where the items that the button would act on leave a hole, in device pixels."""
        plan = self.planned()
        items = [] if plan is None else [item for item in self._session.document.items if item.id in plan.items]
        for item in items:
            hole = self._trace(("hole", item.id), item.mask, item.rect, lens, self._session.draft.settings.margin)
            ring = QPainterPath(hole)
            if item.placement is None:  # it goes where it is: only what is taken in around it is marked
                ring.addPath(self._trace(("item", item.id), item.mask, item.rect, lens))
                ring.setFillRule(Qt.FillRule.OddEvenFill)
            painter.save()
            ratio = lens.viewport.ratio
            painter.scale(ratio, ratio)
            overlays.healing(painter, lens.viewport.transform().map(ring), ratio)
            painter.restore()

    def _draw_items(self, painter: QPainter, lens: Resampler, used: set[Hashable]) -> None:
        session = self._session
        document, active = session.document, session.draft.item
        screen = lens.viewport.transform()
        for item in document.items:
            used |= {("item", item.id), ("hole", item.id)}
            hovered = item.id == self.hovered and session.view.items and session.options.tool in POINTING
            pointed = item.id == session.view.pointed
            if item.id != active and not hovered and not pointed:
                continue
            rests = self._trace(("item", item.id), item.mask, item.rect, lens)
            path = rests if item.placement is None else _moved(item).map(rests)
            overlays.outline(painter, screen.map(path), strong=pointed or item.id == active)
            # With its handles the turning one is there, and the bar says its name.
            handled = item.id == active and session.options.tool == "move"
            if (hovered or pointed) and not handled:
                overlays.tag(painter, item.name, *self._tag_place(item, lens))

    def _draw_pointed(self, painter: QPainter, lens: Resampler) -> None:
        """Bring out the exemplar that a list points at."""
        pointed = self._session.view.pointed
        exemplar = None if pointed is None else self._session.document.exemplar(pointed)
        if exemplar is not None:
            path = QPainterPath()
            path.addRect(0, 0, *exemplar.size)
            path = lens.viewport.transform().map(matrix_of(exemplar.placement, exemplar.size).map(path))
            overlays.outline(painter, path)
            overlays.tag(painter, exemplar.name, *self._tag_place(exemplar, lens))

    def _tag_place(self, item: Item | Exemplar, lens: Resampler) -> tuple[float, float]:
        """Above the thing, inside the canvas."""
        box = lens.viewport.transform().mapRect(_qrectf(item.bounds))
        width, height = overlays.tag_size(item.name)
        x = min(max(box.center().x() - width / 2, 4), lens.viewport.width - width - 4)
        y = min(max(box.top() - height - 8, 4), lens.viewport.height - height - 4)
        return x, y

    def hover_area(self, id: int | None, lens: Resampler) -> QRect:
        """The logical pixels that the outline and the tag of a hovered item take."""
        item = None if id is None else self._session.document.item(id)
        if item is None or item.empty:
            return QRect()
        box = lens.viewport.transform().mapRect(_qrectf(item.bounds)).adjusted(-6, -6, 6, 6)
        x, y = self._tag_place(item, lens)
        width, height = overlays.tag_size(item.name)
        return box.united(QRectF(x - 2, y - 2, width + 4, height + 4)).toAlignedRect()

    def _selected(self) -> Rect:
        """A bound of what is selected."""
        tiles = self._session.document.selection
        if tiles is not self._selection[0]:
            self._selection = tiles, tiles.written()
        return self._selection[1]

    def selection_area(self, lens: Resampler) -> QRect:
        """The logical pixels that the selection's outline takes; before and after a change, also the earlier ones."""
        selected = self._selected()
        if selected.empty:
            return QRect()
        box = lens.viewport.transform().mapRect(_qrectf(selected)).adjusted(-3, -3, 3, 3)
        return box.toAlignedRect().intersected(QRect(0, 0, round(lens.viewport.width), round(lens.viewport.height)))

    def _trace(self, key: Hashable, tiles: Tiles, rect: Rect, lens: Resampler, grow: int = 0) -> QPainterPath:
        level, part = part_of(tiles, rect, lens.viewport.visible(), lens.level)
        known = self._traced.get(key)
        if known is None or (known.tiles, known.level, known.rect, known.grow) != (tiles, level, part, grow):
            known = _Traced(tiles, level, part, grow, outline(tiles, level, part, grow))
            self._traced[key] = known
        return known.path


def _with_candidate(document: Document, result: EditResult) -> Document:
    """Where an edit is run again it takes the place of a layer, and how that is blended; all above it is hidden meanwhile."""
    layer = replace(Layer.empty(0, "", document.size), clip=result.clip)
    earlier = None if document.rerun is None else document.layer(document.rerun.layer)
    if earlier is not None:
        layer = replace(layer, opacity=earlier.opacity or 1.0, blend=earlier.blend)
    pixels = layer.pixels.write(result.rect.left, result.rect.top, result.pixels)
    return document.adding_layer(replace(layer, pixels=pixels))


def _moved(item: Item) -> QTransform:
    return QTransform.fromTranslate(-item.rect.left, -item.rect.top) * matrix_of(item.placed, item.size)


def _reach_of(item: Item, grow: int) -> Rect:
    return item.bounds.grow(4).unite(item.rect.grow(grow))


def _qrectf(rect: Rect) -> QRectF:
    return QRectF(rect.left, rect.top, rect.width, rect.height)
