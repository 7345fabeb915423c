"""The start page: ways to begin, and what was open last."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.support.session_cases import NONE, Services
from widgets.shell.services import Practice, Recent
from widgets.shell.start_page import MAX_RECENT, StartPage

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def page(services: Services, qtbot: QtBot) -> StartPage:
    made = StartPage(services)
    qtbot.addWidget(made)
    made.resize(1000, 760)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_three_ways_to_begin(page: StartPage, services: Services) -> None:
    QTest.mouseClick(page.open, LEFT)
    QTest.mouseClick(page.paste, LEFT)
    QTest.keyClick(page.sample, Qt.Key.Key_Return)
    assert services.calls == ["open", "paste", "sample"]


def test_recent_documents_open_with_a_click(page: StartPage, services: Services) -> None:
    assert page.cards == []
    pixels = np.full((60, 90, 4), 255, np.uint8)
    services.recents = [Recent(Path("/a/cat.png"), pixels), Recent(Path("/a/dog.palimpsest"))]
    page.refresh()
    assert [card.accessibleName() for card in page.cards] == ["Open cat.png", "Open dog.palimpsest"]
    QTest.mouseClick(page.cards[1], LEFT)
    assert services.calls == ["open dog.palimpsest"]


def test_a_low_window_shows_one_row_of_them(page: StartPage, services: Services) -> None:
    services.recents = [Recent(Path(f"/a/{at}.png")) for at in range(20)]
    page.refresh()
    assert len(page.cards) == MAX_RECENT
    assert sum(card.isVisible() for card in page.cards) == MAX_RECENT
    page.resize(1000, 600)
    assert sum(card.isVisible() for card in page.cards) == MAX_RECENT // 2


def test_practice_scenes_are_there_when_there_are_some(page: StartPage, services: Services) -> None:
    assert page.toys == []
    services.scenes = [Practice(name, np.full((64, 64, 4), 200, np.uint8)) for name in ("Cat", "Rocket at night")]
    page.refresh()
    assert [toy.accessibleName() for toy in page.toys] == ["Practise: Cat", "Practise: Rocket at night"]
    QTest.mouseClick(page.toys[1], LEFT)
    QTest.keyClick(page.toys[0], Qt.Key.Key_Return)
    assert services.calls == ["practise Rocket at night", "practise Cat"]
    services.scenes = []
    page.refresh()
    assert page.toys == []


def test_the_keyboard_goes_as_the_eye_does(page: StartPage, services: Services) -> None:
    services.recents = [Recent(Path("/a/one.png"))]
    services.scenes = [Practice("Cat", np.full((64, 64, 4), 200, np.uint8))]
    page.refresh()
    page.activateWindow()
    page.sample.setFocus()
    for stop in (page.cards[0], page.toys[0], page.models):
        QTest.keyClick(page, Qt.Key.Key_Tab)
        assert QApplication.focusWidget() is stop


def test_with_practice_scenes_a_low_window_still_shows_everything(page: StartPage, services: Services) -> None:
    services.recents = [Recent(Path(f"/a/{at}.png")) for at in range(20)]
    services.scenes = [Practice(str(at), np.full((64, 64, 4), 200, np.uint8)) for at in range(4)]
    page.resize(1000, 600)
    page.refresh()
    assert all(toy.isVisible() for toy in page.toys)
    assert page.rect().contains(page.models.mapTo(page, page.models.rect().bottomRight()))


def drop(page: StartPage, data: QMimeData) -> tuple[QDragEnterEvent, QDropEvent]:
    copy = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(10, 10), copy, data, LEFT, NONE)
    enter.ignore()
    QApplication.sendEvent(page, enter)
    event = QDropEvent(QPointF(10, 10), copy, data, LEFT, NONE)
    QApplication.sendEvent(page, event)
    return enter, event


def test_dropped_files_are_opened(page: StartPage, services: Services) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/a/cat.png"), QUrl.fromLocalFile("/a/dog.png")])
    enter, _ = drop(page, data)
    assert enter.isAccepted()
    assert services.calls == ["open cat.png dog.png"]


def test_what_is_no_file_is_not_taken(page: StartPage, services: Services) -> None:
    data = QMimeData()
    data.setText("hello")
    enter, _ = drop(page, data)
    assert not enter.isAccepted()
    assert services.calls == []
