"""The column of panels: in low windows the layers keep about three rows in sight, and the rest scrolls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from editor.request import BlendedSettings
from tests.widgets.desk_stub import Worker, drag, model, painted, picture, with_items
from widgets.column import LAYERS, OTHERS, Column, shares
from widgets.controls.rows import Row
from widgets.panels.edit import EditPanel
from widgets.panels.layers import LayersPanel
from widgets.session import Session
from widgets.workbench import Workbench

LEFT = Qt.MouseButton.LeftButton
TOP = 36  # the line above the workbench
SCREENS = {"1366 x 768": (1366, 768), "1280 x 720": (1280, 720), "1920 x 1080": (1920, 1080)}


@pytest.fixture
def session(worker: Worker) -> Session:
    """Edited by words, which is the highest edit panel, with five layers."""
    worker.known.append(model())
    made = Session(painted(with_items(picture(), "Cat", "Dog")), worker)
    made.choose_method(BlendedSettings)
    return made


@pytest.fixture
def bench(bench: Workbench) -> Workbench:
    bench.activateWindow()
    for _ in range(4):
        QTest.mouseClick(button(bench, "Add a layer"), LEFT)
    return bench


def button(bench: Workbench, name: str) -> QToolButton:
    return next(each for each in bench.findChildren(QToolButton) if name in (each.accessibleName(), each.text()))


def panel(bench: Workbench) -> LayersPanel:
    found = bench.findChild(LayersPanel)
    assert isinstance(found, LayersPanel)
    return found


def in_sight(row: Row) -> bool:
    return row.visibleRegion().boundingRect() == row.rect()


def rows(bench: Workbench) -> list[bool]:
    """Of each row from the top down, whether all of it is seen."""
    QApplication.processEvents()  # what was posted to the layouts
    found = (panel(bench).rows.row(id) for id in panel(bench).rows.ids)
    return [in_sight(row) for row in found if row is not None]


def place(widget: QWidget) -> QRect:
    QApplication.processEvents()
    return QRect(widget.mapTo(widget.window(), QPoint(0, 0)), widget.size())


@pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
def test_three_layers_are_in_sight_whatever_the_screen(bench: Workbench, screen: tuple[int, int], qtbot: QtBot) -> None:
    bench.resize(screen[0], screen[1] - TOP)
    qtbot.waitUntil(lambda: rows(bench)[:3] == [True] * 3)
    assert in_sight_of_button(bench)
    assert not button(bench, "Brush").visibleRegion().isEmpty()


@pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
def test_more_gives_way_to_the_layers(bench: Workbench, screen: tuple[int, int], qtbot: QtBot) -> None:
    bench.resize(screen[0], screen[1] - TOP)
    QTest.mouseClick(button(bench, "More"), LEFT)
    qtbot.waitUntil(lambda: rows(bench)[:2] == [True] * 2)
    assert in_sight_of_button(bench)
    assert not button(bench, "Brush").visibleRegion().isEmpty()


def in_sight_of_button(bench: Workbench) -> bool:
    pressed = bench.edit.button
    return pressed.visibleRegion().boundingRect() == pressed.rect()


def test_the_active_layer_comes_into_sight(bench: Workbench, session: Session, qtbot: QtBot) -> None:
    assert rows(bench)[0]
    assert not rows(bench)[-1]
    for _ in range(4):
        QTest.keyClick(panel(bench).rows, Qt.Key.Key_Down)
    assert session.active_layer == session.document.layers[0].id
    qtbot.waitUntil(lambda: rows(bench)[-1])
    QTest.mouseClick(button(bench, "Add a layer"), LEFT)
    QTest.keyClick(panel(bench).rows, Qt.Key.Key_Up)
    qtbot.waitUntil(lambda: rows(bench)[2])


def test_nothing_moves_while_somebody_paints(bench: Workbench, session: Session) -> None:
    bench.resize(1920, 1080 - TOP)
    kinds: tuple[type[QWidget], ...] = (Column, LayersPanel, EditPanel, QToolButton)
    kept = [each for kind in kinds for each in bench.findChildren(kind) if each.isVisible()]
    before = [place(each) for each in kept]
    session.set_options(tool="strength")
    steps = len(session.history.entries)
    for y in range(20, 160, 20):
        at = [bench.canvas.viewport.to_screen(x, y) for x in (40, 100, 160)]
        drag(bench.canvas, *(QPointF(each.x, each.y) for each in at))
    assert len(session.history.entries) == steps + 7
    assert [place(each) for each in kept] == before


@given(
    room=st.integers(0, 1500),
    others=st.integers(0, 900),
    layers=st.integers(33, 900),
    least=st.integers(200, 500),
    more=st.integers(0, 400),
)
def test_all_the_room_is_given_out_and_none_twice(room: int, others: int, layers: int, least: int, more: int) -> None:
    found = shares(room, others, layers, least, least + more)
    assert min(found) >= 0
    assert found[0] <= others
    assert found[1] <= layers
    assert least <= found[2] <= least + more
    assert sum(found) <= max(room, least)
    assert sum(found) >= min(room, others + layers + least + more)
    if room >= least + LAYERS + OTHERS:
        assert found[1] >= min(layers, LAYERS)
        assert found[0] >= min(others, OTHERS)
