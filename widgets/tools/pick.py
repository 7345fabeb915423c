"""Click to segment: point at a thing and its outline is found in the background."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QKeyEvent, QPainter

from editor.document.contents import Layer
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.errors import InvalidRequest
from editor.geometry import Point, Rect, chain, invert, transform_point
from editor.requests.edit_request import SegmentRequest
from editor.requests.results import Masks
from widgets.session.options import OF_EXEMPLAR, Combine, Target
from widgets.session.paint_target import PaintTarget, surface
from widgets.session.session import Session
from widgets.tools import marks
from widgets.tools.segmentation_crop import Click, SegmentationCrop, matrix_of, nearby, placed, reduced, reduced_picture
from widgets.tools.select import combine_of, commit_shape, is_click, with_shape
from widgets.tools.tool import Gesture, PointerEvent, Tool
from widgets.viewport import Viewport

TOLERANCE = 24  # of colours that count as the same, to begin with; 0 to 255


class PickTool(Tool):
    """A click means "this thing": it is selected. Shift+click adds to it, Alt+click takes away what should not belong; a drag puts a box
    around it. `[` and `]` take a smaller or a larger part of what was found. Ctrl+click takes what has the same colour and hangs together;
    dragged to the right it takes more, to the left less. On the active exemplar it makes the cut-out.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._clicks: tuple[Click, ...] = ()  # what was said about the present thing, in picture pixels
        self._box: Rect | None = None
        self._drawn: tuple[Point, Point] | None = None  # the box under way
        self._target: Target = "selection"  # what the present thing becomes part of
        self._combine: Combine = "replace"
        self._base: Tiles | None = None  # the target before the present thing
        self._made: Tiles | None = None  # the target with it
        self._asked: SegmentRequest | None = None
        self._found: Masks | None = None
        self._chosen = 0
        self._turn = 0  # counts outlines: another choice among what was found replaces the step, a new outline does not
        self._picture: tuple[tuple[Layer, ...], Rect, NDArray[np.uint8]] | None = None

    # Gestures

    def gesture(self, press: PointerEvent) -> Gesture | None:
        if press.button == "right":
            return None
        return self._same_colour(press) if press.ctrl else self._point(press)

    def _same_colour(self, press: PointerEvent) -> Gesture:
        session = self.session
        self._forget()
        self._target = self._target_at(press)
        try:
            target = surface(session, self._target)
            look = self._look(target, ((press.x, press.y, True),), None, press.viewport)
        except InvalidRequest as wrong:
            session.notice(wrong.message, wrong.advice)
            return
        document, combine = session.document, combine_of(session, press)
        to_target = self._to_target(target, look.matrix)
        label, tiles, shown = "", target.tiles, -1
        event = press
        while True:
            travelled = event.viewport.to_screen(event.x, event.y).x - press.viewport.to_screen(press.x, press.y).x
            tolerance = round(min(max(TOLERANCE + travelled / 3, 0), 255))
            if tolerance != shown:
                shown = tolerance
                mask = look.same_colour(tolerance)
                if mask is None:
                    return  # beside the picture
                area, shape = placed(mask, to_target, target.tiles.rect)
                label, tiles = with_shape(session, target, shape, area, combine)
                session.show(target.lay(document, tiles, None))
            if event.kind == "release":
                break
            event = yield
        session.commit(label, target.lay(session.history.document, tiles, None))

    def _point(self, press: PointerEvent) -> Gesture:
        event = press
        start = Point(press.x, press.y)
        try:
            while event.kind != "release":
                event = yield
                self._drawn = None if is_click(press, event) else (start, Point(event.x, event.y))
        finally:
            drawn, self._drawn = self._drawn, None
        going_on = self._going_on() and drawn is None
        if not (going_on and (press.shift or press.alt)):
            self._begin(combine_of(self.session, press))
            self._target = self._target_at(press)
            going_on = False
        if drawn is None:
            self._clicks += ((press.x, press.y, not (press.alt and going_on)),)
        else:
            self._box = Rect.around(drawn).intersect(self.session.document.rect)
        self._ask(press.viewport)

    def _target_at(self, press: PointerEvent) -> Target:
        """What a thing at this place is for: on the active exemplar, whose picture lies over everything, it is the cut-out."""
        session, target = self.session, self.session.options.shape_target
        exemplar = None if session.draft.exemplar is None else session.document.exemplar(session.draft.exemplar)
        if target != "selection" or exemplar is None or not exemplar.visible:
            return target
        own = transform_point(invert(exemplar.placement.matrix(exemplar.size)), press.x, press.y)
        return "cutout" if Rect.of_size(exemplar.size).covers(own.x, own.y) else target

    def _going_on(self) -> bool:
        """Whether the target still is what this tool made of it, or waits to be."""
        if not self._clicks and self._box is None:
            return False
        try:
            tiles = surface(self.session, self._target).tiles
        except InvalidRequest:
            return False
        return tiles is (self._base if self._made is None else self._made)

    def _begin(self, combine: Combine) -> None:
        self._forget()
        self._combine = combine

    def _forget(self) -> None:
        self._clicks, self._box = (), None
        self._base = self._made = self._asked = self._found = None

    def _ask(self, viewport: Viewport) -> None:
        session = self.session
        try:
            target = surface(session, self._target)
            if self._base is None:
                self._base = target.tiles
            request = self._request(target, viewport)
        except InvalidRequest as wrong:
            session.notice(wrong.message, wrong.advice)
            self._forget()
            return
        self._asked = request
        session.segment(request, lambda masks: self._arrived(request, masks))

    def _request(self, target: PaintTarget, viewport: Viewport) -> SegmentRequest:
        look = self._look(target, self._clicks, self._box, viewport)
        return SegmentRequest(look.image, look.rect, look.clicks, look.box)

    def _look(
        self, target: PaintTarget, clicks: tuple[Click, ...], box: Rect | None, viewport: Viewport
    ) -> SegmentationCrop:
        """The picture near to what was pointed at; for a cut-out the exemplar's own picture, in its own pixels. Raises `InvalidRequest` where there
        is none.
        """
        session = self.session
        exemplar = None if session.draft.exemplar is None else session.document.exemplar(session.draft.exemplar)
        if exemplar is not None and target.target in OF_EXEMPLAR:
            own = tuple((*target.own(x, y), positive) for x, y, positive in clicks)
            own_box = None if box is None else Rect.around(target.own(*corner) for corner in _corners(box))
            pixels = np.ascontiguousarray(exemplar.pixels[..., :3])
            return SegmentationCrop(reduced(pixels), Rect.of_size(exemplar.size), own, own_box)
        rect = nearby(session.document.rect, clicks, box, viewport)
        if rect.empty:
            raise InvalidRequest("There is no picture to look at.", "Point inside the picture.")
        return SegmentationCrop(self._seen(session.document, rect), rect, clicks, box)

    def _to_target(self, target: PaintTarget, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """From pixels of what was looked at to the target's own. `matrix`: to points of the document, or of the exemplar."""
        if target.inverse is None or target.target in OF_EXEMPLAR:
            return matrix
        return chain(target.inverse, matrix)

    def _seen(self, document: Document, rect: Rect) -> NDArray[np.uint8]:
        """The picture inside `rect`, reduced; kept until the layers change, for the clicks that follow."""
        if self._picture is None or self._picture[0] is not document.layers or self._picture[1] != rect:
            self._picture = document.layers, rect, reduced_picture(document, rect)
        return self._picture[2]

    # What came back

    def _arrived(self, request: SegmentRequest, masks: Masks) -> None:
        if request is not self._asked:
            return  # something else was pointed at meanwhile
        self._asked = None
        if not masks.masks.size or not (masks.masks > 0.5).any():
            self.session.notice("Nothing stood out there.", "Drag a box around the thing, or click on another spot.")
            return
        self._found, self._chosen, self._turn = masks, 0, self._turn + 1
        self._lay()

    def _lay(self) -> None:
        """Make the chosen outline part of the target: one step, however often another one is chosen."""
        session, base = self.session, self._base
        if self._found is None or base is None:
            return
        try:
            target = surface(session, self._target, session.history.document)
        except InvalidRequest:
            return  # the item or exemplar it was for is gone
        if target.tiles.shape != base.shape:
            return
        mask = self._found.masks[self._chosen]
        matrix = self._to_target(target, matrix_of(mask.shape, self._found.rect))
        area, shape = placed(mask, matrix, target.tiles.rect)
        commit_shape(session, replace(target, tiles=base), shape, area, self._combine, merge=("segment", self._turn))
        self._made = surface(session, self._target).tiles

    # Keys and drawing

    def key(self, event: QKeyEvent) -> bool:
        pointed = bool(self._clicks) or self._box is not None
        if event.key() == Qt.Key.Key_Escape and pointed and self.session.job is None:
            self._forget()
            return (
                self.session.history.document.rerun is None
            )  # else it leaves the edit that is reopened, as is said on top
        if self._found is None or not self._going_on() or event.text() not in ("[", "]"):
            return False
        sizes = self._found.masks.sum(axis=(1, 2))
        order = [int(i) for i in np.argsort(sizes, kind="stable")]
        at = order.index(self._chosen) + (1 if event.text() == "]" else -1)
        if 0 <= at < len(order):
            self._chosen = order[at]
            self._lay()
        return True

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = self._box_shown()
        if box:
            marks.two_tone(painter, marks.path_of(marks.on_screen(viewport, box), closed=True), dashed=True)
        if self._marked():
            for x, y, positive in self._clicks:
                marks.point(painter, *viewport.to_screen(x, y), positive=positive)
        painter.restore()

    def decoration(self, viewport: Viewport) -> QRect:
        rect = marks.around(marks.on_screen(viewport, self._box_shown()), 3)
        if self._marked():
            points = marks.on_screen(viewport, [(x, y) for x, y, _ in self._clicks])
            rect = rect.united(marks.around(points, 9))
        return rect

    def _marked(self) -> bool:
        """Whether the clicks are shown: not while a result is looked at."""
        job = self.session.job
        return bool(self._clicks) and self._going_on() and not (job is not None and job.seen)

    def _box_shown(self) -> tuple[tuple[float, float], ...]:
        """The corners of the box under way, or of the one that is being looked into."""
        if self._drawn is not None:
            return _corners_of(*self._drawn)
        return _corners(self._box) if self._box is not None and self._asked is not None else ()


def _corners(rect: Rect) -> tuple[tuple[float, float], ...]:
    return _corners_of(Point(rect.left, rect.top), Point(rect.right, rect.bottom))


def _corners_of(a: Point, b: Point) -> tuple[tuple[float, float], ...]:
    return (a.x, a.y), (b.x, a.y), (b.x, b.y), (a.x, b.y)
