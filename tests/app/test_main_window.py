"""The main window: documents as tabs, commands on keys, panels that fold and are remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu, QPushButton, QTabBar, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from app.about import AboutBox, PreferencesDialog, ShortcutsDialog
from app.main_window import MainWindow
from app.new_document import NewDocumentDialog, new_document
from app.settings import Settings
from editor.geometry import Size
from tests.support.session_cases import CTRL, NONE, SHIFT, Services, painted, picture, result, with_items
from tests.support.stub_worker import StubWorker
from widgets.controls.icons import IconButton
from widgets.controls.section import Section
from widgets.controls.slider import Slider
from widgets.incoming import url_of
from widgets.session import commands
from widgets.session.job import Job
from widgets.session.session import Session
from widgets.shell.command_palette import CommandPalette
from widgets.shell.services import Practice, Recent
from widgets.shell.side_panel import SidePanel
from widgets.shell.top_bar import TopBar
from widgets.theme import Theme

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "settings.json")


@pytest.fixture
def window(services: Services, settings: Settings, qapp: QApplication, qtbot: QtBot) -> MainWindow:
    theme = Theme(qapp, "dark")
    made = MainWindow(services, settings, theme)
    theme.setParent(made)
    qtbot.addWidget(made, before_close_func=lambda window: window.shut())
    made.resize(1600, 1000)  # high enough for panels without tabs
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    return made


def add(window: MainWindow, name: str = "cat") -> Session:
    session = Session(painted(with_items(picture(), "Cat")), StubWorker(), name=name)
    window.add_session(session)
    return session


def canvas(window: MainWindow) -> QWidget:
    assert window.workbench is not None
    return window.workbench.canvas


def key(window: MainWindow, which: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
    QTest.keyClick(canvas(window), which, modifiers)


# Asked anew each time: events change what a type checker would remember.


def front(window: MainWindow) -> Session | None:
    return window.session


def tool(session: Session) -> str:
    return session.options.tool


def layers(session: Session) -> int:
    return len(session.document.layers)


def job(session: Session) -> Job | None:
    return session.job


def original(session: Session) -> bool:
    return session.view.original


def test_it_begins_with_the_start_page(window: MainWindow) -> None:
    assert window.start_page.isVisible()
    assert window.session is None
    assert window.windowTitle() == "Palimpsest"
    assert not window.actions_of_window.action("file.save").isEnabled()
    assert window.actions_of_window.action("file.open").isEnabled()


def test_documents_are_tabs(window: MainWindow, services: Services, qtbot: QtBot) -> None:
    cat = add(window, "cat")
    with qtbot.waitSignal(window.session_chosen):
        dog = add(window, "dog")
    assert window.session is dog
    assert not window.start_page.isVisible()
    window.next_document(1)
    assert front(window) is cat
    assert "cat" in window.windowTitle()
    window.bring_to_front(dog)
    assert front(window) is dog
    window.remove_session(dog)
    assert front(window) is cat
    window.remove_session(cat)
    assert front(window) is None
    assert window.start_page.isVisible()


def test_a_tab_shows_what_is_not_saved(window: MainWindow) -> None:
    session = add(window)
    tabs = window.findChild(QWidget, "topBar").tabs  # type: ignore[union-attr]
    assert tabs.tabText(0) == "cat"
    commands.select_all(session)
    assert tabs.tabText(0) == "cat •"
    assert window.isWindowModified()
    session.saved(Path("/a/tiger.palimpsest"), session.document)
    assert tabs.tabText(0) == "tiger.palimpsest"


def test_the_cross_of_a_tab_asks_to_close_that_document(window: MainWindow, services: Services) -> None:
    add(window, "cat")
    add(window, "dog")
    crosses = [button for button in window.findChildren(QToolButton) if button.accessibleName() == "Close document"]
    QTest.mouseClick(min(crosses, key=lambda each: each.mapTo(window, QPoint()).x()), LEFT)
    assert services.calls == ["close cat"]


def test_file_commands_reach_the_services(window: MainWindow, services: Services) -> None:
    add(window)
    for which, modifiers in (
        (Qt.Key.Key_S, CTRL),
        (Qt.Key.Key_S, CTRL | SHIFT),
        (Qt.Key.Key_E, CTRL),
        (Qt.Key.Key_O, CTRL),
        (Qt.Key.Key_N, CTRL),
        (Qt.Key.Key_N, CTRL | SHIFT),
        (Qt.Key.Key_W, CTRL),
        (Qt.Key.Key_Q, CTRL),
    ):
        key(window, which, modifiers)
    assert services.calls == ["save cat", "save as cat", "export cat", "open", "new", "paste", "close cat", "quit"]


def plus(window: MainWindow) -> QToolButton:
    return next(button for button in window.findChildren(QToolButton) if button.accessibleName() == "Another document")


def texts(menu: QMenu) -> list[str]:
    return [action.text() for action in menu.actions() if action.isVisible() and not action.isSeparator()]


def test_the_plus_beside_the_tabs_begins_another_document(window: MainWindow, services: Services) -> None:
    services.recents = [Recent(Path("/pictures/a&b.png")), Recent(Path("/pictures/cat.jpg"))]
    services.scenes = [Practice("Duck for a pond", np.zeros((2, 2, 4), np.uint8))]
    add(window)
    tabs = window.findChild(QTabBar)
    assert isinstance(tabs, QTabBar)
    gap = plus(window).mapTo(window, QPoint()).x() - tabs.mapTo(window, tabs.tabRect(tabs.count() - 1).topRight()).x()
    assert 0 < gap < 40
    menu = plus(window).menu()
    menu.aboutToShow.emit()
    beside = ["New…", "New from clipboard", "Open…", "Open recent", "Open the sample picture", "Practice scenes"]
    assert texts(menu) == beside
    inner = {each.title(): each for each in window.findChildren(QMenu)}
    assert texts(inner["Open recent"]) == ["a&&b.png", "cat.jpg"]
    inner["Open recent"].actions()[1].trigger()
    inner["Practice scenes"].actions()[0].trigger()
    menu.actions()[0].trigger()
    assert services.calls == ["open cat.jpg", "practise Duck for a pond", "new"]
    services.scenes, services.recents = [], []
    menu.aboutToShow.emit()
    assert texts(menu) == beside[:-1]
    assert not inner["Open recent"].actions()[0].isEnabled()


def test_the_palette_has_recent_documents_and_practice_scenes(window: MainWindow, services: Services) -> None:
    services.recents = [Recent(Path("/pictures/cat.jpg"))]
    services.scenes = [Practice("Duck for a pond", np.zeros((2, 2, 4), np.uint8))]
    add(window)
    palette = window.findChild(CommandPalette)
    assert isinstance(palette, CommandPalette)
    for words, call in (("recent cat", "open cat.jpg"), ("practise duck", "practise Duck for a pond")):
        key(window, Qt.Key.Key_K, CTRL)
        QTest.keyClicks(palette.field, words)
        QTest.keyClick(palette.field, Qt.Key.Key_Return)
        assert services.calls[-1] == call


def test_files_dropped_beside_the_tabs_are_opened(window: MainWindow, services: Services) -> None:
    add(window)
    bar = window.findChild(TopBar)
    assert isinstance(bar, TopBar)
    data = QMimeData()
    data.setUrls([url_of(Path("/pictures") / name) for name in ("a.png", "b.jpg")])
    at, none = QPoint(500, 10), Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at, Qt.DropAction.CopyAction, data, LEFT, none)
    QApplication.sendEvent(bar, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(bar, QDropEvent(QPointF(at), Qt.DropAction.CopyAction, data, LEFT, none))
    assert services.calls == ["open a.png b.jpg"]


@pytest.mark.parametrize("background", ["White", "Transparent"])
def test_a_new_picture_has_the_size_and_background_that_were_asked_for(
    window: MainWindow, background: str, qtbot: QtBot
) -> None:
    dialog = NewDocumentDialog(window, Size(300, 9000))
    dialog.open()
    wide, high = dialog.findChildren(Slider)
    assert (wide.value, high.value) == (300, 8192)
    high.set_value(200)
    choose = next(button for button in dialog.findChildren(QToolButton) if button.text() == background)
    QTest.mouseClick(choose, LEFT)
    create = next(button for button in dialog.findChildren(QPushButton) if button.text() == "Create")
    with qtbot.waitSignal(dialog.wanted) as asked:
        QTest.mouseClick(create, LEFT)
    document = new_document(*asked.args)
    assert document.size == Size(300, 200)
    assert np.unique(document.layers[0].pixels.read()).tolist() == [255 if background == "White" else 0]


def test_letters_take_tools_and_digits_set_strength(window: MainWindow) -> None:
    session = add(window)
    key(window, Qt.Key.Key_L)
    assert tool(session) == "lasso"
    key(window, Qt.Key.Key_G)
    assert tool(session) == "gradient"
    key(window, Qt.Key.Key_4)
    assert session.options.value == 0.4
    key(window, Qt.Key.Key_0)
    assert session.options.value == 1.0
    key(window, Qt.Key.Key_B)
    key(window, Qt.Key.Key_6)
    assert session.options.value == 0.6


def test_the_same_digits_turn_the_view_when_the_tool_has_no_use_for_them(window: MainWindow) -> None:
    session = add(window)
    key(window, Qt.Key.Key_H)
    bench = window.workbench
    assert bench is not None
    key(window, Qt.Key.Key_6)
    assert bench.canvas.viewport.rotation == 15
    key(window, Qt.Key.Key_5)
    assert bench.canvas.viewport.rotation == 0
    key(window, Qt.Key.Key_M)
    assert bench.canvas.viewport.mirrored
    assert session.options.value == 1.0


def test_run_accept_and_discard_are_on_keys(window: MainWindow) -> None:
    session = add(window)
    key(window, Qt.Key.Key_Return, CTRL)
    session.job_result(result(1))
    session.job_result(result(2))
    session.job_finished()
    key(window, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    running = job(session)
    assert running is not None
    assert running.candidates.chosen == 1
    key(window, Qt.Key.Key_Return)
    assert job(session) is None
    assert layers(session) == 2
    key(window, Qt.Key.Key_Z, CTRL)
    assert layers(session) == 1
    key(window, Qt.Key.Key_Return, CTRL)
    key(window, Qt.Key.Key_Escape)
    stopping = job(session)
    assert stopping is not None
    assert stopping.state == "stopping"
    session.job_result(result(3))
    session.job_cancelled()
    key(window, Qt.Key.Key_Escape)
    assert job(session) is None


def test_holding_tab_shows_the_original(window: MainWindow) -> None:
    session = add(window)
    QTest.keyPress(canvas(window), Qt.Key.Key_Tab)
    assert original(session)
    QTest.keyRelease(canvas(window), Qt.Key.Key_Tab)
    assert not original(session)
    assert canvas(window).hasFocus()


def test_delete_takes_out_what_is_selected(window: MainWindow) -> None:
    worker = StubWorker()
    session = Session(picture(), worker)
    window.add_session(session)
    session.set_options(tool="segment")
    key(window, Qt.Key.Key_Delete)
    assert worker.ran == []
    session.commit("Paint strength", painted(session.document))  # strength painted elsewhere makes no difference
    commands.select_all(session)
    key(window, Qt.Key.Key_Delete)
    # It is an item by then, so that its hole is grown past the fringe, and shown.
    assert [plan.label for plan in worker.ran] == ["Remove “Item 1”"]
    assert worker.ran[0].items == (session.draft.item,)
    assert session.document.selection.blank
    assert session.options.tool == "segment"


def test_before_and_after_stand_side_by_side(window: MainWindow) -> None:
    session, other = add(window), add(window, "dog")
    button = next(each for each in window.findChildren(QToolButton) if each.accessibleName() == "Before and after")
    QTest.mouseClick(button, LEFT)
    assert (session.view.divider, other.view.divider) == (False, True)
    window.bring_to_front(session)
    assert not button.isChecked()
    key(window, Qt.Key.Key_Y)
    assert (session.view.divider, button.isChecked()) == (True, True)


def test_f_hides_every_panel_and_brings_them_back(window: MainWindow, qtbot: QtBot) -> None:
    add(window)
    bench = window.workbench
    assert bench is not None
    wide = bench.canvas.width()
    key(window, Qt.Key.Key_F)
    qtbot.waitUntil(lambda: bench.canvas.size() == bench.size() and bench.canvas.width() > wide)
    assert not bench.edit.isVisible()
    assert not window.panels_shown
    key(window, Qt.Key.Key_F)
    assert bench.edit.isVisible()


def test_f6_walks_the_keyboard_round(window: MainWindow) -> None:
    add(window)
    seen = []
    for _ in range(4):
        QTest.keyClick(window, Qt.Key.Key_F6)
        focus = window.focusWidget()
        assert focus is not None
        seen.append(focus.accessibleName() or type(focus).__name__)
    assert seen[0] == "Strength brush"
    assert seen[1].startswith("Brush")
    assert seen[2].startswith("Method")
    assert seen[3] == "Canvas"


def test_tab_goes_round_all_controls_and_past_the_canvas(window: MainWindow) -> None:
    add(window)
    QTest.keyClick(window, Qt.Key.Key_F6)
    seen: list[str] = []
    for _ in range(60):
        focus = QApplication.focusWidget()
        assert focus is not None
        name = focus.accessibleName()
        if seen and name == seen[0]:
            break
        seen.append(name)
        QTest.keyClick(focus, Qt.Key.Key_Tab)
    assert seen[0] == "Strength brush"
    stops = ("Size", "Brush, folded", "Items", "History", "Layers", "More, folded", "Fill", "Menu", "All commands")
    assert [name for name in seen if name in stops] == list(stops)
    assert "Canvas" not in seen


def test_folded_panels_are_remembered_for_every_document(window: MainWindow, settings: Settings) -> None:
    add(window)
    layers = next(section for section in window.findChildren(Section) if header(section).text() == "Layers")
    QTest.mouseClick(header(layers), LEFT)
    assert not layers.is_open
    assert set(settings.values.folded) == {"brush", "layers"}
    add(window, "dog")
    assert [section.is_open for section in window.findChildren(Section) if header(section).text() == "Layers"] == [
        False
    ] * 2
    QTest.mouseClick(header(layers), LEFT)
    assert settings.values.folded == ("brush",)


def test_the_chosen_tab_is_remembered_for_every_document(window: MainWindow, settings: Settings) -> None:
    window.resize(1280, 720)
    for name in ("cat", "dog"):
        add(window, name)
        window.bring_to_front(window.sessions[0])
    column = next(panel for panel in window.findChildren(SidePanel) if panel.isVisible())
    assert column.tabbed
    tab = next(button for button in column.findChildren(IconButton) if button.accessibleName() == "History")
    QTest.mouseClick(tab, LEFT)
    assert settings.values.tab == "history"
    window.next_document(1)
    assert [section.title for section in window.findChildren(Section) if section.isVisible()] == ["History"]


def header(section: Section) -> QToolButton:
    found = section.findChild(QToolButton)
    assert isinstance(found, QToolButton)
    return found


def test_the_window_and_the_about_box_show_our_own_icon(window: MainWindow) -> None:
    assert {availablesize.width() for availablesize in window.windowIcon().availableSizes()} == {
        16,
        24,
        32,
        48,
        64,
        128,
        256,
    }
    shown = window.windowIcon().pixmap(64, 64).toImage()
    assert shown.pixelColor(2, 2).alpha() == 0  # round corners
    blue = shown.pixelColor(27, 39)
    assert blue.blue() > 200 > blue.red()
    box = AboutBox(window)
    assert box.iconPixmap().toImage().pixelColor(27, 39) == blue
    box.deleteLater()


def test_the_palette_runs_a_command(window: MainWindow) -> None:
    session = add(window)
    key(window, Qt.Key.Key_K, CTRL)
    palette = window.findChild(CommandPalette)
    assert isinstance(palette, CommandPalette)
    assert palette.isVisible()
    QTest.keyClicks(palette.field, "select all")
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert not session.document.selection.blank
    assert canvas(window).hasFocus()


def test_an_adjustment_opens_over_the_canvas_and_gives_the_keyboard_back(window: MainWindow) -> None:
    session = add(window)
    window.actions_of_window.action("strength.grow").trigger()
    bench = window.workbench
    assert bench is not None
    bar = bench.stage.adjusting
    assert bar is not None
    assert bench.stage.rect().contains(bar.geometry())
    slider = bar.findChild(Slider)
    assert isinstance(slider, Slider)
    assert slider.hasFocus()
    QTest.keyClick(slider, Qt.Key.Key_Escape)
    assert bench.stage.adjusting is None
    assert not session.in_gesture
    assert canvas(window).hasFocus()


def test_typing_a_name_does_not_take_tools(window: MainWindow) -> None:
    session = add(window)
    bench = window.workbench
    assert bench is not None
    session.activate(item=session.document.items[0].id)
    row = next(widget for widget in bench.findChildren(QWidget) if widget.accessibleName().startswith("Cat,"))
    QTest.mouseDClick(row, LEFT, NONE, QPoint(60, 10))
    field = next(edit for edit in row.findChildren(QLineEdit) if edit.isVisible())
    field.selectAll()
    QTest.keyClicks(field, "lab")
    assert tool(session) == "strength"
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert session.document.items[0].name == "lab"


def test_closing_asks_the_program_and_shut_remembers_the_window(
    window: MainWindow, services: Services, settings: Settings
) -> None:
    window.close()
    assert services.calls == ["quit"]
    assert window.isVisible()
    window.resize(1000, 700)
    window.shut()
    assert not window.isVisible()
    assert settings.values.geometry


def test_the_theme_is_chosen_and_remembered(window: MainWindow, settings: Settings) -> None:
    window.actions_of_window.action("view.theme.light").trigger()
    assert settings.values.theme == "light"
    assert window.theme_choice == "light"
    assert window.actions_of_window.action("view.theme.light").isChecked()
    window.choose_theme("dark")


def test_the_small_windows_open(window: MainWindow) -> None:
    for command, kind in (
        ("help.shortcuts", ShortcutsDialog),
        ("edit.preferences", PreferencesDialog),
        ("help.about", AboutBox),
    ):
        window.actions_of_window.action(command).trigger()
        found = window.findChild(kind)
        assert isinstance(found, kind)
        assert found.isVisible()
        found.close()


@pytest.mark.parametrize("size", [(800, 560), (1366, 768), (1920, 1080)])
def test_nothing_reaches_out_of_the_window(window: MainWindow, size: tuple[int, int]) -> None:
    session = add(window, "a document with quite a long name that does not fit into a tab")
    window.resize(*size)
    session.set_options(tool="segment")
    commands.select_all(session)
    session.run()
    session.job_result(result())
    session.notice("It broke.", "Try again.", error=True)
    QApplication.processEvents()
    assert (window.width(), window.height()) == size
    for child in window.findChildren(QWidget):
        if child.isVisible() and child.window() is window and child.width() and not child.visibleRegion().isEmpty():
            corner = child.mapTo(window, child.rect().topLeft())
            if not inside_scroll(child, window):
                assert corner.x() >= 0
                assert corner.x() + child.width() <= window.width(), child


def inside_scroll(child: QWidget, window: QWidget) -> bool:
    """Tabs scroll inside their bar."""
    parent: QWidget | None = child
    while parent is not None and parent is not window:
        if parent.metaObject().className() == "QTabBar":
            return True
        parent = parent.parentWidget()
    return False


def test_every_control_has_a_name(window: MainWindow) -> None:
    session = add(window)
    for tool in ("strength", "paint", "lasso", "gradient"):
        session.set_options(tool=tool)
        for child in window.findChildren(QWidget):
            if child.isVisible() and child.focusPolicy() & Qt.FocusPolicy.TabFocus and child.window() is window:
                words = child.accessibleName() or getattr(child, "text", str)()
                assert words or child is canvas(window), child
