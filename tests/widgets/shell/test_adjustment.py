"""Adjustments are seen before they are kept."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from tests.support.session_cases import drag, painted, picture
from tests.support.stub_worker import StubWorker
from widgets.command_table.maps import CURVE
from widgets.controls.curve import MARGIN, CurveEditor
from widgets.controls.slider import Slider
from widgets.session import commands
from widgets.session.session import Session
from widgets.shell.adjustment import AdjustBar, Amount, Amounts

LEFT = Qt.MouseButton.LeftButton
GROW = Amounts(
    "Grow the strength",
    (Amount("By", 1, 50, 8, "px", 1),),
    lambda session, values, preview: commands.grow_map(session, values[0], "strength", preview=preview),
)


@pytest.fixture
def session(qtbot: QtBot) -> Session:
    return Session(painted(picture()), StubWorker())


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
    QTest.mouseClick(next(button for button in bar.findChildren(QPushButton) if button.text() == text), LEFT)


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


def test_values_show_while_the_hand_still_moves(bar: AdjustBar, session: Session, qtbot: QtBot) -> None:
    first = area(session)
    slider = bar.findChild(Slider)
    assert isinstance(slider, Slider)
    sizes = iter(range(40, 300))

    def grown() -> bool:  # the slider moves on every few milliseconds and never rests
        QTest.keyClick(slider, Qt.Key.Key_Right if next(sizes) % 2 else Qt.Key.Key_Left)
        return area(session) != first

    qtbot.waitUntil(grown)


def test_a_curve_is_bent_with_the_pointer(session: Session, qtbot: QtBot) -> None:
    half = session.document.empty_map().write(50, 50, np.full((40, 40), 0.5, np.float32))
    session.commit("Paint strength", session.document.with_strength(half))
    bar = AdjustBar(session, CURVE)
    qtbot.addWidget(bar)
    bar.show()
    qtbot.waitExposed(bar)
    editor = bar.findChild(CurveEditor)
    assert isinstance(editor, CurveEditor)
    drag(editor, QPointF(editor.width() / 2, 150), QPointF(editor.width() / 2, MARGIN))
    assert [(round(x, 1), round(y, 1)) for x, y in editor.points] == [(0, 0), (0.5, 1), (1, 1)]
    assert any(label.text() == "50\u202f% becomes 100\u202f%" for label in bar.findChildren(QLabel))
    qtbot.waitUntil(lambda: session.document.strength.read()[60, 60] == pytest.approx(1, abs=0.01))
    assert not session.document.strength.read()[0, 0]
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert session.history.entries[-1].label == "Curve of strength"
    assert not session.in_gesture
