"""Menus under the pointer and on the menu key: what they offer depends on what lies there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QMenu, QWidget

from app.main_window import MainWindow
from editor.document.document import Document
from tests.app.test_main_window import services, settings, window  # noqa: F401  fixtures
from tests.support.session_cases import NONE, picture, result, with_exemplars, with_items
from tests.support.stub_worker import StubWorker
from widgets.canvas.view import CanvasView
from widgets.session.job import Job
from widgets.session.session import Session

RIGHT = Qt.MouseButton.RightButton
NO_BUTTON = Qt.MouseButton.NoButton


def selected(document: Document) -> Document:
    return document.with_map("selection", document.empty_map().write(200, 20, np.ones((40, 40), np.float32)))


@pytest.fixture
def session(window: MainWindow) -> Session:  # noqa: F811
    """An item at (25, 35), an exemplar of 60 x 40 at (100, 100), a selection at (220, 40)."""
    made = Session(selected(with_exemplars(with_items(picture(), "Cat"), "Boat")), StubWorker(), name="cat")
    window.add_session(made)
    made.set_options(tool="move")
    return made


def canvas(window: MainWindow) -> CanvasView:  # noqa: F811
    assert window.workbench is not None
    return window.workbench.canvas


def right_click(window: MainWindow, x: float, y: float, drag: int = 0) -> None:  # noqa: F811
    """With the button going down at a point of the picture, and up that many logical pixels to the right."""
    view = canvas(window)
    at = view.viewport.to_screen(x, y)
    for kind, place, held in (
        (QEvent.Type.MouseButtonPress, QPointF(at.x, at.y), RIGHT),
        (QEvent.Type.MouseButtonRelease, QPointF(at.x + drag, at.y), NO_BUTTON),
    ):
        there = QPointF(view.mapToGlobal(place.toPoint()))
        QApplication.sendEvent(view, QMouseEvent(kind, place, there, RIGHT, held, NONE))


def by_key(widget: QWidget) -> None:
    at = widget.rect().center()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, at, widget.mapToGlobal(at))
    QApplication.sendEvent(widget, event)


def offered() -> list[str]:
    """What can be chosen in the menu that is open, which is then put away."""
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    texts = [
        action.text().split("\t")[0] for action in menu.actions() if action.isEnabled() and not action.isSeparator()
    ]
    menu.close()
    return texts


def choose(words: str) -> None:
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    next(action for action in menu.actions() if action.text().split("\t")[0] == words).trigger()
    menu.close()


def test_the_menu_over_the_canvas_is_about_what_lies_there(window: MainWindow, session: Session) -> None:  # noqa: F811
    right_click(window, 25, 35)
    assert session.draft.item == session.document.items[0].id
    assert {"Remove from picture", "Edit outline", "Take off the list"} <= set(offered())
    right_click(window, 100, 100)
    assert session.draft.exemplar == session.document.exemplars[0].id
    texts = offered()
    assert texts[:3] == ["Flip left to right", "Flip top to bottom", "Lay over the picture"]
    assert texts[-1] == "Delete"
    right_click(window, 220, 40)
    assert {"Make the selection an item", "Delete", "Select nothing"} <= set(offered())
    right_click(window, 280, 180)
    assert {"Paste", "Select all", "Fit in the window"} <= set(offered())


def test_what_is_chosen_in_it_is_done(window: MainWindow, session: Session) -> None:  # noqa: F811
    right_click(window, 100, 100)
    choose("Duplicate")
    assert [exemplar.name for exemplar in session.document.exemplars] == ["Boat", "Boat copy"]


def test_over_the_selection_it_is_about_that_and_not_about_what_was_active(
    window: MainWindow,  # noqa: F811
    session: Session,
) -> None:
    item, exemplar = session.document.items[0], session.document.exemplars[0]
    session.activate(exemplar=exemplar.id)
    right_click(window, 220, 40)
    choose("Fill the selection with strength")
    assert session.document.strength.read()[40, 220] == 1
    assert session.document.exemplars[0] is exemplar
    assert session.draft.exemplar is None
    session.undo()
    session.activate(item=item.id)
    right_click(window, 220, 40)
    choose("Delete")
    assert session.job is not None
    removed = session.document.item(session.job.edit_job.planned.items[0])
    assert removed is not None
    assert (removed.rect.left, removed.rect.top) == (200, 20), "what was selected goes, and not the cat"
    assert session.document.item(item.id) is item


def test_while_a_result_is_looked_at_it_is_about_that(window: MainWindow, session: Session) -> None:  # noqa: F811
    session.run()
    session.job_result(result())
    session.job_finished()
    assert isinstance(session.job, Job)
    assert session.job.seen
    right_click(window, 25, 35)
    assert session.draft.item is None
    assert offered()[:2] == ["Accept", "Discard"]


def test_a_drag_with_the_right_button_belongs_to_the_tool(window: MainWindow, session: Session) -> None:  # noqa: F811
    right_click(window, 25, 35, drag=40)
    assert QApplication.activePopupWidget() is None


def test_the_menu_key_is_about_what_is_active(window: MainWindow, session: Session) -> None:  # noqa: F811
    by_key(canvas(window))
    assert "Make the selection an item" in offered()
    session.activate(exemplar=session.document.exemplars[0].id)
    by_key(canvas(window))
    assert "Flip left to right" in offered()


@pytest.mark.parametrize("way", ["mouse", "key"])
@pytest.mark.parametrize(
    ("name", "active", "offers"),
    [
        ("Cat", lambda session: session.activate(item=session.document.items[0].id), "Edit outline"),
        ("Boat", lambda session: session.activate(exemplar=session.document.exemplars[0].id), "Paint cut-out"),
        ("Background", lambda session: None, "Make reference picture"),
    ],
)
def test_rows_of_the_lists_have_a_menu(
    window: MainWindow,  # noqa: F811
    session: Session,
    *,
    name: str,
    active: Callable[[Session], None],
    offers: str,
    way: str,
) -> None:
    assert window.workbench is not None
    rows = window.workbench.findChildren(QWidget)
    row = next(each for each in rows if each.accessibleName().split(",")[0] == name and each.isVisible())
    if way == "key":
        active(session)
        rows_of = row.parentWidget()
        assert rows_of is not None
        by_key(rows_of)
    else:
        at = QPoint(60, 10)
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, row.mapToGlobal(at))
        QApplication.sendEvent(row, event)
    texts = offered()
    assert texts[0] == "Rename"
    assert offers in texts
