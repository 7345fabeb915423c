"""Nothing that lies, or is looked at, far away can overflow what Qt counts in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.document.placing import FARTHEST, reachable
from editor.geometry import Placement, Size
from tests.support.canvas_driver import NONE, Easel, disc, soft
from widgets.canvas.overlays import label_places
from widgets.tools.marks import around
from widgets.viewport import MAX_ZOOM, Viewport

BEYOND = 1e308
PLACES = [
    Placement(BEYOND, -BEYOND),
    Placement(-BEYOND, 40, 0.0, 1e-300),
    Placement(40, 30, BEYOND, -BEYOND, BEYOND),
    Placement(40, 30, BEYOND, 1e-300, 45),
]


def document(place: Placement) -> Document:
    whole = Document.of_picture(soft(80, 60))
    item = Item.of("cup", whole.empty_map().write(0, 0, disc(whole, 30, 30, 12)))
    whole = whole.adding_item(replace(item, placement=reachable(place, item.size)))
    pixels = soft(40, 30)
    return whole.adding_exemplar(Exemplar.of("cat", pixels, reachable(place, Size(40, 30))))


@pytest.mark.parametrize("place", PLACES)
def test_whatever_is_within_reach_can_be_painted_and_pointed_at(qtbot: QtBot, place: Placement) -> None:
    easel = Easel(qtbot, document(place), noted=False)
    session = easel.session
    session.set_options(tool="move")
    views = [
        Viewport(400, 300, 1.0, x, y, zoom, rotation)
        for x, y in ((40.0, 30.0), (float(FARTHEST), float(-FARTHEST)))
        for zoom in (1 / 64, 1.0, MAX_ZOOM)
        for rotation in (0.0, 45.0)
    ]
    for thing in ({"item": session.document.items[0].id}, {"exemplar": session.document.exemplars[0].id}):
        session.activate(**thing)
        for view in views:
            easel.canvas.navigation.set_viewport(view)
            easel.drag((10, 10), (200, 150), (399, 299))
            easel.canvas.grab()
        for key in (Qt.Key.Key_Left, Qt.Key.Key_Down):
            QTest.keyClick(easel.canvas, key, Qt.KeyboardModifier.ShiftModifier)
        easel.canvas.grab()


def test_the_view_never_goes_out_of_reach(qtbot: QtBot) -> None:
    easel = Easel(qtbot, Document.of_picture(soft(80, 60)))
    canvas = easel.canvas
    for far in (BEYOND, -BEYOND, 1e9):
        canvas.navigation.pan(far, -far)
        assert abs(canvas.viewport.x) <= FARTHEST
        assert abs(canvas.viewport.y) <= FARTHEST
        canvas.grab()
    before = canvas.viewport
    for nothing in (0.0, -1.0, float("nan")):
        canvas.navigation.zoom_by(nothing)
    assert canvas.viewport == before
    canvas.navigation.zoom_by(float("inf"))
    assert canvas.viewport.zoom == MAX_ZOOM
    at = QPointF(130, 60)
    for down in (2**31 - 1, -(2**31)):
        wheel = QWheelEvent(
            at, at, QPoint(), QPoint(0, down), Qt.MouseButton.NoButton, NONE, Qt.ScrollPhase.NoScrollPhase, False
        )
        QApplication.sendEvent(canvas, wheel)
        canvas.grab()


def test_marks_are_around_whole_numbers() -> None:
    area = around([(-BEYOND, 0.0), (BEYOND, 5.0)], 3)
    assert area.width() > 0
    assert area.height() == 11


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (0, 5)])
def test_lines_of_pixels_get_no_words(shape: tuple[int, int]) -> None:
    assert label_places(np.full(shape, 200, np.uint8), 1.0) == []


def test_a_line_from_far_away_does_not_take_forever(qtbot: QtBot) -> None:
    easel = Easel(qtbot, Document.of_picture(soft(80, 60)), noted=False)
    easel.session.set_options(tool="strength")
    easel.session.set_brush(size=1.0, spacing=0.02)
    easel.drag((10**6, 10**6), (10**6, 10**6 + 50))
    easel.point(QEvent.Type.MouseButtonPress, 200, 150, held=Qt.KeyboardModifier.ShiftModifier)
    easel.point(QEvent.Type.MouseButtonRelease, 200, 150)
    assert np.isfinite(easel.session.document.strength.read()).all()
