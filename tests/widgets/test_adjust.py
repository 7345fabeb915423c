"""Adjustments are seen before they are kept."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from tests.widgets.desk_stub import Worker, drag, painted, picture
from widgets import commands
from widgets.adjust import AdjustBar, Adjustment, Amount
from widgets.session import Session
from widgets.slider import Slider

LEFT = Qt.MouseButton.LeftButton
GROW = Adjustment(
    "Grow the strength",
    (Amount("By", 1, 50, 8, "px", 1),),
    lambda session, values, preview: commands.grow_map(session, values[0], "strength", preview=preview),
)


@pytest.fixture
def session(qtbot: QtBot) -> Session:
    return Session(painted(picture()), Worker())


@pytest.fixture
def bar(session: Session, qtbot: QtBot) -> AdjustBar:
    made = AdjustBar(session, GROW)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    qtbot.waitUntil(lambda: session.in_gesture)
    return made


def area(session: Session) -> float:
    return float(session.document.strength.read().sum())


def press(bar: AdjustBar, text: str) -> None:
    QTest.mouseClick(next(each for each in bar.findChildren(QPushButton) if each.text() == text), LEFT)


def test_it_shows_while_the_slider_moves_and_keeps_on_apply(bar: AdjustBar, session: Session, qtbot: QtBot) -> None:
    first = area(session)
    assert first > 1600
    slider = bar.findChild(Slider)
    assert isinstance(slider, Slider)
    drag(slider, QPointF(20, 14), QPointF(slider.width() / 2, 14))
    qtbot.waitUntil(lambda: area(session) > first)
    assert len(session.history.entries) == 1
    with qtbot.waitSignal(bar.closed):
        press(bar, "Apply")
    assert [entry.label for entry in session.history.entries][1:] == [f"Grow strength by {slider.value:g} px"]
    assert not session.in_gesture


def test_cancel_leaves_no_trace(bar: AdjustBar, session: Session, qtbot: QtBot) -> None:
    with qtbot.waitSignal(bar.closed):
        press(bar, "Cancel")
    assert area(session) == 1600
    assert len(session.history.entries) == 1


def test_the_keyboard_alone_does_it(bar: AdjustBar, session: Session, qtbot: QtBot) -> None:
    bar.take_keys()
    slider = bar.findChild(Slider)
    assert isinstance(slider, Slider)
    QTest.keyClick(slider, Qt.Key.Key_End)
    assert slider.value == 50
    with qtbot.waitSignal(bar.closed):
        QTest.keyClick(bar, Qt.Key.Key_Escape)
    assert area(session) == 1600
