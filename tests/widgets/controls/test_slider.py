"""The slider: dragged, typed, stepped and reset."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from tests.support.session_cases import CTRL, NONE, SHIFT, drag
from widgets.controls.slider import Slider


@pytest.fixture
def slider(qtbot: QtBot) -> Slider:
    made = Slider("Strength", 0, 1, 0.5, unit="%", step=0.01)
    qtbot.addWidget(made)
    made.resize(200, 28)
    made.show()
    qtbot.waitExposed(made)
    return made


def values(slider: Slider) -> list[float]:
    found: list[float] = []
    slider.changed.connect(found.append)
    return found


def test_a_press_and_a_drag_set_the_value_under_the_pointer(slider: Slider) -> None:
    found = values(slider)
    ends: list[float] = []
    slider.finished.connect(ends.append)
    drag(slider, QPointF(50, 14), QPointF(100, 14), QPointF(120, 14))
    assert found == [0.25, 0.5, 0.6]
    assert ends == [0.6]
    assert slider.text == "60\u202f%"


def test_a_drag_beyond_the_end_stops_at_the_limit(slider: Slider) -> None:
    drag(slider, QPointF(100, 14), QPointF(900, 14))
    assert slider.value == 1
    drag(slider, QPointF(100, 14), QPointF(-900, 14))
    assert slider.value == 0


def test_a_drag_that_is_interrupted_is_finished_where_it_is(slider: Slider) -> None:
    ends: list[float] = []
    slider.finished.connect(ends.append)
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, NONE, QPoint(50, 14))
    slider.hide()
    assert ends == [0.25]
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, NONE, QPoint(90, 14))
    assert ends == [0.25]


def test_shift_is_fine(slider: Slider) -> None:
    drag(slider, QPointF(100, 14), QPointF(140, 14), modifiers=SHIFT)
    assert slider.value == pytest.approx(0.52)


def test_ctrl_is_coarse(slider: Slider) -> None:
    drag(slider, QPointF(20, 14), QPointF(87, 14), modifiers=CTRL)
    assert slider.value == pytest.approx(0.4)


def test_a_double_click_goes_back_to_the_default(slider: Slider) -> None:
    slider.set_value(0.9)
    found = values(slider)
    QTest.mouseDClick(slider, Qt.MouseButton.LeftButton, NONE, QPoint(60, 14))
    assert slider.value == 0.5
    assert found[-1] == 0.5


def test_a_value_from_elsewhere_makes_no_signal(slider: Slider) -> None:
    found = values(slider)
    slider.set_value(0.7)
    assert slider.value == 0.7
    assert found == []


def test_a_figure_opens_the_field_and_enter_takes_it(slider: Slider) -> None:
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_3)
    field = slider.findChild(QLineEdit)
    assert isinstance(field, QLineEdit)
    assert field.text() == "3"
    QTest.keyClicks(field, "5")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert slider.value == pytest.approx(0.35)
    assert slider.hasFocus()


def test_a_click_on_the_value_opens_the_field_and_escape_leaves_it(slider: Slider) -> None:
    QTest.mouseClick(slider, Qt.MouseButton.LeftButton, NONE, QPoint(185, 14))
    field = slider.findChild(QLineEdit)
    assert isinstance(field, QLineEdit)
    assert field.text() == "50"
    QTest.keyClicks(field, "9")
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert slider.value == 0.5
    assert not field.isVisible()


NUMBERS = [
    (1, 64, 3, "", 1, "3"),  # whole numbers: variations, steps
    (1, 2000, 120, "px", 1, "120"),
    (0, 1, 1, "%", 0.01, "100"),
    (0.25, 64, 2, "GB", 0.25, "2"),
    (0, 30, 7.5, "", 0.5, "7.5"),
]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("key", [Qt.Key.Key_F2, Qt.Key.Key_Return, Qt.Key.Key_Enter, None])
def test_every_kind_of_number_can_be_edited(
    qtbot: QtBot, number: tuple[float, float, float, str, float, str], key: Qt.Key | None
) -> None:
    low, high, value, unit, step, shown = number
    slider = Slider("Number", low, high, value, unit=unit, step=step)
    qtbot.addWidget(slider)
    slider.resize(200, 28)
    slider.show()
    slider.setFocus()
    if key is None:
        QTest.mouseClick(slider, Qt.MouseButton.LeftButton, NONE, QPoint(185, 14))
    else:
        QTest.keyClick(slider, key)
    field = slider.findChild(QLineEdit)
    assert isinstance(field, QLineEdit)
    assert field.text() == shown
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert slider.value == value


@pytest.mark.parametrize(
    ("typed", "expected"), [("1e308", 64.0), ("-1e308", 0.25), ("1e-320", 0.25), ("1e400", 2.0), ("nan", 2.0)]
)
def test_numbers_out_of_all_reach_stop_at_the_limits(qtbot: QtBot, typed: str, expected: float) -> None:
    slider = Slider("Memory", 0.25, 64, 2, unit="GB", step=0.25)
    qtbot.addWidget(slider)
    slider.show()
    slider.edit(typed)
    field = slider.findChild(QLineEdit)
    assert isinstance(field, QLineEdit)
    QTest.keyClick(field, Qt.Key.Key_Return, CTRL)  # takes also what is not acceptable as it stands
    assert slider.value == expected


def test_keys_step_and_go_to_the_ends(slider: Slider) -> None:
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_Right)
    assert slider.value == pytest.approx(0.51)
    QTest.keyClick(slider, Qt.Key.Key_Down)
    assert slider.value == pytest.approx(0.5)
    QTest.keyClick(slider, Qt.Key.Key_Up, SHIFT)
    assert slider.value == pytest.approx(0.501)
    QTest.keyClick(slider, Qt.Key.Key_Home)
    assert slider.value == 0
    QTest.keyClick(slider, Qt.Key.Key_PageUp)
    assert slider.value == pytest.approx(0.1)
    QTest.keyClick(slider, Qt.Key.Key_End)
    assert slider.value == 1
    QTest.keyClick(slider, Qt.Key.Key_Delete)
    assert slider.value == 0.5


def wheel(slider: Slider) -> QWheelEvent:
    place = QPointF(50, 14)
    up = QPoint(0, 120)
    phase = Qt.ScrollPhase.NoScrollPhase
    return QWheelEvent(place, place, QPoint(), up, Qt.MouseButton.NoButton, NONE, phase, False)


def test_the_wheel_counts_only_with_the_focus(slider: Slider) -> None:
    slider.clearFocus()
    event = wheel(slider)
    QApplication.sendEvent(slider, event)
    assert slider.value == 0.5
    assert not event.isAccepted()
    slider.setFocus()
    QApplication.sendEvent(slider, wheel(slider))
    assert slider.value == pytest.approx(0.51)


def test_whole_numbers_stay_whole(qtbot: QtBot) -> None:
    slider = Slider("Variations", 1, 6, 3, step=1)
    qtbot.addWidget(slider)
    slider.resize(200, 28)
    drag(slider, QPointF(30, 14), QPointF(61, 14), modifiers=NONE)
    assert slider.value in (2.0, 3.0)
    assert slider.text == "3"
    drag(slider, QPointF(30, 14), QPointF(55, 14), modifiers=SHIFT)
    assert slider.value == int(slider.value)


def test_a_curved_track_gives_small_values_room_and_keys_move_visibly(qtbot: QtBot) -> None:
    slider = Slider("Size", 1, 2000, 40, unit="px", step=1, curve=2.5)
    qtbot.addWidget(slider)
    slider.resize(200, 28)
    drag(slider, QPointF(99, 14), QPointF(100, 14), QPointF(103, 14))
    assert 350 < slider.value < 400
    before = slider.value
    QTest.keyClick(slider, Qt.Key.Key_Right)
    assert slider.value - before > 5


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(-50, 250), st.sampled_from([NONE, SHIFT, CTRL])), min_size=1, max_size=6))
def test_whatever_the_hand_does_the_value_stays_inside(
    slider: Slider, moves: list[tuple[float, Qt.KeyboardModifier]]
) -> None:
    for x, modifiers in moves:
        drag(slider, QPointF(100, 14), QPointF(x, 14), modifiers=modifiers)
        assert 0 <= slider.value <= 1
    slider.set_value(0.5)


def test_the_place_of_a_short_number_is_large_enough_to_hit(qtbot: QtBot) -> None:
    slider = Slider("Variations", 1, 9, 3, step=1)
    qtbot.addWidget(slider)
    slider.resize(240, 28)
    slider.show()
    assert slider.text == "3"
    QTest.mouseClick(slider, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(240 - 40, 14))
    assert slider.findChild(QLineEdit) is not None
    assert slider.value == 3
