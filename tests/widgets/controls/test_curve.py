"""Points of a curve are made, moved and taken away with the pointer and the keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from tests.support.session_cases import CTRL, drag
from widgets.controls.curve import MARGIN, MIN_APART, STRAIGHT, CurveEditor

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def editor(qtbot: QtBot) -> CurveEditor:
    made = CurveEditor()
    qtbot.addWidget(made)
    made.resize(200 + 2 * MARGIN, made.height())
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    return made


def at(editor: CurveEditor, x: float, y: float) -> QPointF:
    return QPointF(MARGIN + x * (editor.width() - 2 * MARGIN), MARGIN + (1 - y) * (editor.height() - 2 * MARGIN))


def points(editor: CurveEditor) -> list[tuple[float, float]]:
    """Rounded to thousandths."""
    return [(round(x, 3), round(y, 3)) for x, y in editor.points]


def test_a_press_makes_a_point_and_a_drag_moves_it(editor: CurveEditor, qtbot: QtBot) -> None:
    with qtbot.waitSignal(editor.changed):
        drag(editor, at(editor, 0.3, 0.6), at(editor, 0.4, 0.7))
    assert points(editor) == [(0, 0), (0.4, 0.7), (1, 1)]
    drag(editor, at(editor, 0.4, 0.7), at(editor, 0.5, 0.5))
    assert editor.points[1] == pytest.approx((0.5, 0.5))
    assert editor.words == "50\u202f% becomes 50\u202f%"


def test_a_point_stays_between_its_neighbours_and_inside(editor: CurveEditor) -> None:
    drag(editor, at(editor, 0.5, 0.2), at(editor, 0.5, 0.2))
    drag(editor, at(editor, 0.8, 0.4), at(editor, 0.1, -3))
    assert editor.points[2] == pytest.approx((0.5 + MIN_APART, 0))
    drag(editor, at(editor, 0, 0), at(editor, 5, 5))
    assert editor.points[0] == pytest.approx((0.5 - MIN_APART, 1))
    assert [x for x, _ in editor.points] == sorted(x for x, _ in editor.points)


def test_a_double_click_takes_a_point_away_and_puts_an_end_back(editor: CurveEditor) -> None:
    drag(editor, at(editor, 0.5, 0.2))
    drag(editor, at(editor, 0, 0), at(editor, 0.2, 0.4))
    assert len(points(editor)) == 3
    QTest.mouseDClick(editor, LEFT, pos=at(editor, 0.5, 0.2).toPoint())
    assert len(points(editor)) == 2
    QTest.mouseDClick(editor, LEFT, pos=at(editor, 0.2, 0.4).toPoint())
    assert editor.points == STRAIGHT


def test_the_keyboard_alone_does_it(editor: CurveEditor) -> None:
    QTest.keyClick(editor, Qt.Key.Key_Insert)
    assert points(editor) == [(0, 0), (0.5, 0.5), (1, 1)]
    QTest.keyClick(editor, Qt.Key.Key_Up, CTRL)
    QTest.keyClick(editor, Qt.Key.Key_Up)
    QTest.keyClick(editor, Qt.Key.Key_Left)
    assert editor.points[1] == pytest.approx((0.49, 0.61), abs=1e-4)
    QTest.keyClick(editor, Qt.Key.Key_PageDown)
    QTest.keyClick(editor, Qt.Key.Key_Down)
    assert editor.points[2] == pytest.approx((1, 0.99))
    QTest.keyClick(editor, Qt.Key.Key_PageUp)
    QTest.keyClick(editor, Qt.Key.Key_Delete)
    assert len(points(editor)) == 2
    assert "Point 1 of 2" in editor.accessibleDescription()


def test_points_too_close_to_another_are_not_made(editor: CurveEditor) -> None:
    drag(editor, at(editor, 0.005, 0.9), at(editor, 0.3, 0.9))
    assert editor.points == STRAIGHT
