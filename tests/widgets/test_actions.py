"""Commands: each stands once, says itself in words, and can be found and run from the palette."""

from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from widgets.actions import Command, Menu
from widgets.command_table import MENUS, OTHERS
from widgets.shell.command_palette import CommandPalette, score
from widgets.shell.tool_bar import TOOLS

ALL = (*(command for menu in MENUS for command in menu.commands()), *OTHERS)

# Keys with two meanings, of which the state allows one at a time.
SHARED = {"Escape", "Ctrl+Return", "Ctrl+Enter", "4", "5", "6"}


def test_every_command_has_its_own_name_and_words() -> None:
    for many in (Counter(command.id for command in ALL), Counter(command.text for command in ALL)):
        assert [name for name, count in many.items() if count > 1] == []


def test_no_key_does_two_things() -> None:
    many = Counter(key for command in ALL for key in command.keys)
    assert {key for key, count in many.items() if count > 1} <= SHARED


def test_every_tool_has_its_key() -> None:
    keys = {tool.name: tool.key for group in TOOLS for tool in group}
    assert keys == {
        "move": "V",
        "lasso": "L",
        "rectangle": "R",
        "ellipse": "O",
        "select_brush": "Q",
        "segment": "W",
        "strength": "B",
        "gradient": "G",
        "paint": "P",
        "erase": "E",
        "hand": "H",
        "zoom": "Z",
    }


def test_a_menu_tells_its_commands_in_order_through_its_submenus() -> None:
    one, two, three = (Command(name, name, lambda desk: None) for name in "abc")
    menu = Menu("Menu", (one, None, Menu("Inner", (two,)), three))
    assert list(menu.commands()) == [one, two, three]


@pytest.mark.parametrize(
    ("wanted", "best"),
    [
        ("undo", "Undo"),
        ("grse", "Grow the selection…"),
        ("exp", "Export picture…"),
        ("tool las", "Tool: lasso"),
        ("influ", "Paint the reference picture’s influence"),
        ("keep as", "Paint where to keep the reference picture as it is"),
        ("fl sel", "Fill the selection with strength"),
    ],
)
def test_a_few_letters_find_the_command(wanted: str, best: str) -> None:
    ranked = sorted(((score(wanted, command.text) or -99, command.text) for command in ALL), reverse=True)
    assert ranked[0][1] == best


def test_letters_must_come_in_order() -> None:
    assert score("odnu", "Undo") is None
    assert score("", "Undo") is not None


class Page(QWidget):
    """A window with a palette over it."""

    def __init__(self) -> None:
        super().__init__()
        self.resize(800, 600)
        self.palette_over = CommandPalette(self)
        self.done: list[str] = []
        self.palette_over.chosen.connect(lambda command: self.done.append(command.id))


@pytest.fixture
def page(qtbot: QtBot) -> Page:
    made = Page()
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    made.palette_over.open(ALL)
    return made


def test_typing_narrows_and_enter_runs_the_best(page: Page) -> None:
    found = page.palette_over
    assert found.isVisible()
    assert len(found.matches) == len(ALL)
    QTest.keyClicks(found.field, "fit w")
    assert found.matches[0].id == "view.fit"
    QTest.keyClick(found.field, Qt.Key.Key_Return)
    assert page.done == ["view.fit"]
    assert not found.isVisible()


def test_arrows_choose_another(page: Page) -> None:
    found = page.palette_over
    QTest.keyClicks(found.field, "zoom")
    second = found.matches[1].id
    QTest.keyClick(found.field, Qt.Key.Key_Down)
    QTest.keyClick(found.field, Qt.Key.Key_Return)
    assert page.done == [second]


def test_escape_leaves_everything_as_it_is(page: Page, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page.palette_over.closed):
        QTest.keyClick(page.palette_over.field, Qt.Key.Key_Escape)
    assert page.done == []


def test_nothing_found_does_nothing(page: Page) -> None:
    QTest.keyClicks(page.palette_over.field, "qqqqq")
    assert page.palette_over.matches == []
    QTest.keyClick(page.palette_over.field, Qt.Key.Key_Return)
    assert page.done == []
