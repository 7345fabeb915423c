"""The column of panels: each shows some of its rows, behind tabs where the window is low; the one button is always in sight."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLayout, QListView, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from tests.support.session_cases import drag, model, painted, picture, with_exemplars, with_items
from tests.support.stub_worker import StubWorker
from widgets.controls.column_scroll import ColumnScroll
from widgets.controls.icons import IconButton
from widgets.controls.rows import Row
from widgets.controls.section import FoldButton, Section
from widgets.controls.slider import Slider
from widgets.panels.edit import EditPanel
from widgets.panels.layers import LayersPanel
from widgets.session.session import Session
from widgets.shell.side_panel import SidePanel, shares
from widgets.shell.workbench import Workbench

LEFT = Qt.MouseButton.LeftButton
TOP = 36  # the line above the workbench
SCREENS = {
    "1366 x 768": (1366, 768),
    "1280 x 720": (1280, 720),
    "1600 x 1000": (1600, 1000),
    "1920 x 1080": (1920, 1080),
}


@pytest.fixture
def session(worker: StubWorker) -> Session:
    """Edited by words, which is the highest edit panel, with six layers, two items and four exemplars."""
    worker.known.append(model())
    document = with_exemplars(with_items(picture(), "Cat", "Dog"), "One", "Two", "Three", "Four")
    made = Session(painted(document), worker)
    made.choose_method(BlendedSettings)
    return made


@pytest.fixture
def bench(bench: Workbench) -> Workbench:
    bench.activateWindow()
    for _ in range(5):
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


def chosen(bench: Workbench, name: str) -> QWidget:
    """Press the tab of a panel, where there are tabs; what it shows then."""
    QApplication.processEvents()  # what was opened or resized may have brought the tabs
    column = bench.findChild(SidePanel)
    assert isinstance(column, SidePanel)
    if column.tabbed:
        tabs = (each for each in column.findChildren(IconButton) if each.isCheckable())
        tab = next(each for each in tabs if each.accessibleName() == name)
        assert not tab.visibleRegion().isEmpty()
        QTest.mouseClick(tab, LEFT)
    QApplication.processEvents()
    return next(section for section in bench.findChildren(Section) if section.title == name)


def whole(widget: QWidget) -> bool:
    return widget.visibleRegion().boundingRect() == widget.rect()


LEAST = {"Brush": 1, "Items": 1, "Reference pictures": 1, "Layers": 2}  # rows that are whole, whatever is open


@pytest.mark.parametrize("more", [False, True], ids=["plain", "More open"])
@pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
def test_every_panel_shows_some_of_its_rows_on_every_screen(
    bench: Workbench, screen: tuple[int, int], more: bool, qtbot: QtBot
) -> None:
    bench.set_folded([])
    bench.resize(screen[0], screen[1] - TOP)
    if more:
        QTest.mouseClick(button(bench, "More"), LEFT)
    for name, least in LEAST.items():
        section = chosen(bench, name)
        kind = Slider if name == "Brush" else Row

        qtbot.waitUntil(partial(_shows, section, kind, least))
        assert in_sight_of_button(bench)
    chosen(bench, "History")
    steps = next(view for view in bench.findChildren(QListView) if view.accessibleName() == "History")
    current = steps.visualRect(steps.currentIndex())
    assert steps.currentIndex().row() == bench.session.history.index > 3
    assert steps.viewport().visibleRegion().contains(current)
    assert in_sight_of_button(bench)


def _shows(section: QWidget, kind: type[QWidget], least: int) -> bool:
    return sum(whole(each) for each in section.findChildren(kind) if each.isVisible()) >= least


def test_what_is_open_is_all_there_on_a_large_screen(bench: Workbench) -> None:
    bench.resize(2560, 1440 - TOP)
    column = bench.findChild(SidePanel)
    assert isinstance(column, SidePanel)
    QTest.mouseClick(button(bench, "More"), LEFT)
    QApplication.processEvents()
    assert not column.tabbed
    assert rows(bench)[:2] == [True, True]


@pytest.mark.parametrize(("screen", "tabbed"), [((1366, 768), True), ((1600, 1000), False), ((1920, 1080), False)])
def test_tabs_take_the_place_of_panels_that_would_be_too_low(
    bench: Workbench, session: Session, screen: tuple[int, int], tabbed: bool
) -> None:
    bench.resize(screen[0], screen[1] - TOP)
    column = bench.findChild(SidePanel)
    assert isinstance(column, SidePanel)
    for kind in (BlendedSettings, QuickFillSettings):
        session.choose_method(kind)
        QApplication.processEvents()
        assert column.tabbed is tabbed


def test_a_panel_behind_a_tab_is_open_though_it_was_folded_and_folded_again_afterwards(bench: Workbench) -> None:
    bench.resize(1920, 1080 - TOP)
    bench.set_folded(["brush"])
    QApplication.processEvents()
    preview = next(widget for widget in bench.findChildren(QWidget) if widget.accessibleName() == "Brush preview")
    assert not preview.isVisible()
    bench.resize(1280, 720 - TOP)
    chosen(bench, "Brush")
    assert whole(preview)
    bench.resize(1920, 1080 - TOP)
    QApplication.processEvents()
    assert not preview.isVisible()


def test_the_tab_that_was_chosen_is_said_and_can_be_chosen_from_outside(bench: Workbench) -> None:
    bench.resize(1280, 720 - TOP)
    said: list[str] = []
    bench.tab_chosen.connect(said.append)
    chosen(bench, "History")
    assert said == ["history"]
    bench.show_tab("exemplars")
    bench.show_tab("of a later version")
    QApplication.processEvents()
    assert [section.title for section in bench.findChildren(Section) if section.isVisible()] == ["Reference pictures"]
    assert said == ["history"]


@pytest.mark.parametrize("kind", [QuickFillSettings, BlendedSettings, PixelsSettings])
def test_nothing_in_the_column_is_cut_off_at_its_right(
    bench: Workbench, session: Session, kind: type[QuickFillSettings | BlendedSettings | PixelsSettings]
) -> None:
    session.choose_method(kind)
    bench.resize(1280, 720 - TOP)
    QTest.mouseClick(button(bench, "More"), LEFT)
    for name in ("Brush", "Items", "Reference pictures", "Layers"):
        chosen(bench, name)
        for scroll in bench.findChildren(ColumnScroll):
            body = scroll.widget()
            layout = None if body is None else body.layout()
            if scroll.isVisible() and isinstance(layout, QLayout):
                assert layout.minimumSize().width() <= scroll.viewport().width(), name


def test_a_title_beside_tabs_is_read_whole(bench: Workbench) -> None:
    bench.resize(1280, 720 - TOP)
    for name in ("Brush", "Items", "Reference pictures", "History", "Layers"):
        header = chosen(bench, name).findChild(FoldButton)
        assert isinstance(header, FoldButton)
        assert header.width() >= header.fontMetrics().horizontalAdvance(header.text()) * 1.1  # it is semibold


def in_sight_of_button(bench: Workbench) -> bool:
    return whole(bench.edit.button)


def test_the_active_layer_comes_into_sight(bench: Workbench, session: Session, qtbot: QtBot) -> None:
    assert rows(bench)[0]
    assert not rows(bench)[-1]
    for _ in range(5):
        QTest.keyClick(panel(bench).rows, Qt.Key.Key_Down)
    assert session.active_layer == session.document.layers[0].id
    qtbot.waitUntil(lambda: rows(bench)[-1])
    QTest.mouseClick(button(bench, "Add a layer"), LEFT)
    QTest.keyClick(panel(bench).rows, Qt.Key.Key_Up)
    qtbot.waitUntil(lambda: rows(bench)[2])


def test_nothing_moves_while_somebody_paints(bench: Workbench, session: Session) -> None:
    bench.resize(1920, 1080 - TOP)
    kinds: tuple[type[QWidget], ...] = (SidePanel, LayersPanel, EditPanel, QToolButton)
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
    ranges=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 600)).map(sorted).map(tuple), min_size=1, max_size=6),
)
def test_all_the_room_is_given_out_and_none_twice(room: int, ranges: list[tuple[int, int]]) -> None:
    given = shares(room, ranges)
    assert all(least <= height <= most for height, (least, most) in zip(given, ranges, strict=True))
    least, most = (sum(limits[end] for limits in ranges) for end in (0, 1))
    assert sum(given) == max(least, min(room, most))
