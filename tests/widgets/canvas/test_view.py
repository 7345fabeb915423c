"""Pointer, pen, wheel and keys on the canvas, as real events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import (
    QFocusEvent,
    QInputDevice,
    QKeyEvent,
    QMouseEvent,
    QPaintEvent,
    QPointingDevice,
    QTabletEvent,
    QWheelEvent,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.geometry import Placement, Point, Size
from tests.support.canvas_driver import LEFT, MIDDLE, NONE, RIGHT, Easel, disc, noise, soft
from widgets.session.options import ToolName

PRESS, MOVE, RELEASE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease


@pytest.fixture
def easel(qtbot: QtBot) -> Easel:
    made = Easel(qtbot, Document.of_picture(soft(800, 600)))
    made.look(zoom=1.0, x=400, y=300)
    return made


def test_a_drag_is_press_moves_and_release_in_picture_pixels(easel: Easel) -> None:
    easel.drag((200, 150), (210, 150), (220, 160))
    assert easel.note.kinds == ["press", "move", "move", "release"]
    assert [(event.x, event.y) for event in easel.note.events] == [(400, 300), (410, 300), (420, 310), (420, 310)]
    assert all(event.pressure == 1 and event.button == "left" for event in easel.note.events)
    assert [entry.label for entry in easel.session.history.entries] == ["Open", "Note"]
    assert not easel.session.in_gesture


def test_a_turned_and_mirrored_view_is_turned_back(easel: Easel) -> None:
    easel.look(zoom=2.0, rotation=90.0, x=100, y=100)
    easel.canvas.navigation.mirror()
    expected = easel.canvas.viewport.to_document(230, 140)
    easel.point(MOVE, 230, 140)
    event = easel.note.events[-1]
    assert event.kind == "hover"
    assert (event.x, event.y) == expected
    assert event.viewport == easel.canvas.viewport


def test_buttons_and_keys_held_are_told(easel: Easel) -> None:
    easel.point(PRESS, 100, 100, RIGHT, Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier)
    easel.point(RELEASE, 100, 100, RIGHT)
    press = easel.note.events[0]
    assert (press.button, press.shift, press.alt, press.ctrl) == ("right", True, True, False)
    easel.point(QEvent.Type.MouseButtonDblClick, 100, 100)
    assert easel.note.kinds[-1] == "double"


def test_a_key_pressed_during_a_gesture_counts_at_once(easel: Easel) -> None:
    easel.point(PRESS, 100, 100)
    easel.point(MOVE, 120, 100)
    QApplication.sendEvent(easel.canvas, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Shift, NONE))
    last = easel.note.events[-1]
    assert (last.kind, last.shift) == ("move", True)
    assert (last.x, last.y) == (320, 250)
    easel.point(RELEASE, 120, 100)


def test_a_gesture_that_commits_nothing_leaves_nothing(easel: Easel) -> None:
    easel.note.commits = False
    before = easel.session.document
    easel.drag((200, 150), (210, 150), (220, 160))
    assert easel.note.kinds[-1] == "release"
    assert easel.session.document is before
    assert not easel.session.in_gesture


def test_a_gesture_that_shows_nothing_leaves_what_is_shown(easel: Easel) -> None:
    shown = easel.session.document.with_strength(easel.session.document.empty_map().write(0, 0, np.ones((9, 9), "f4")))
    easel.session.show(shown)  # an adjustment that is open, say
    easel.note.commits = easel.note.shows = False
    easel.drag((200, 150), (210, 150))
    assert easel.session.document is shown


def test_escape_drops_the_gesture(easel: Easel) -> None:
    before = easel.session.document
    easel.point(PRESS, 100, 100)
    easel.point(MOVE, 120, 100)
    assert easel.session.in_gesture
    QTest.keyClick(easel.canvas, Qt.Key.Key_Escape)
    assert easel.session.document is before
    assert easel.note.closed == 1
    easel.point(RELEASE, 130, 100)
    assert len(easel.session.history.entries) == 1


@pytest.mark.parametrize("other", [RIGHT, MIDDLE, Qt.MouseButton.BackButton])
def test_another_button_neither_ends_nor_drops_the_gesture(easel: Easel, other: Qt.MouseButton) -> None:
    easel.point(PRESS, 100, 100)
    easel.point(MOVE, 120, 100)
    at = QPointF(120, 100)
    for kind, held in ((PRESS, LEFT | other), (RELEASE, LEFT)):
        QApplication.sendEvent(easel.canvas, QMouseEvent(kind, at, easel.canvas.mapToGlobal(at), other, held, NONE))
    assert easel.session.in_gesture
    easel.point(MOVE, 140, 100)
    easel.point(RELEASE, 140, 100)
    assert easel.note.kinds == ["press", "move", "move", "release"]
    assert easel.session.history.entries[-1].label == "Note"
    assert not easel.session.in_gesture


def test_a_drag_that_pans_goes_on_under_another_button(easel: Easel) -> None:
    easel.point(PRESS, 100, 100, MIDDLE)
    easel.point(PRESS, 100, 100, LEFT)
    easel.point(RELEASE, 100, 100, LEFT)
    x = easel.canvas.viewport.x
    easel.point(MOVE, 130, 100, MIDDLE)
    assert easel.canvas.viewport.x == x - 30
    easel.point(RELEASE, 130, 100, MIDDLE)
    easel.point(MOVE, 160, 100, MIDDLE)
    assert easel.canvas.viewport.x == x - 30


def lose_focus(easel: Easel) -> None:
    QApplication.sendEvent(easel.canvas, QFocusEvent(QEvent.Type.FocusOut))


def lose_window(easel: Easel) -> None:
    easel.canvas.activateWindow()
    easel.canvas.setFocus()
    other = QWidget()
    other.show()
    other.activateWindow()
    QTest.qWaitForWindowActive(other)


def lose_sight(easel: Easel) -> None:
    easel.canvas.hide()


def lose_release(easel: Easel) -> None:
    """A menu or a dialog took it: the next thing that is heard is a move with no button held."""
    easel.point(MOVE, 180, 130, Qt.MouseButton.NoButton)


@pytest.mark.parametrize("lose", [lose_focus, lose_window, lose_sight, lose_release])
def test_a_stroke_that_is_interrupted_is_finished_with_what_was_painted(
    easel: Easel, lose: Callable[[Easel], None]
) -> None:
    easel.point(PRESS, 100, 100)
    easel.point(MOVE, 120, 100)
    painted = easel.session.document
    lose(easel)
    assert easel.note.kinds[:3] == ["press", "move", "release"]
    assert easel.note.closed == 0
    assert easel.session.history.entries[-1].label == "Note"
    assert (easel.session.document.strength.read() >= painted.strength.read()).all()
    entries = len(easel.session.history.entries)
    easel.point(RELEASE, 130, 100)
    assert len(easel.session.history.entries) == entries


def test_taking_another_tool_finishes_the_gesture(easel: Easel) -> None:
    easel.point(PRESS, 100, 100)
    easel.point(MOVE, 120, 100)
    easel.session.set_options(tool="hand")
    assert not easel.session.in_gesture
    assert easel.session.history.entries[-1].label == "Note"
    assert easel.note.left == 1
    assert easel.canvas.cursor().shape() == Qt.CursorShape.OpenHandCursor


def test_a_broken_tool_leaves_nothing_half_done(easel: Easel, reported: list[type[BaseException]]) -> None:
    easel.point(PRESS, 100, 100)
    easel.point(MOVE, 120, 100)
    easel.note.fails = True
    easel.point(MOVE, 140, 100)
    assert reported == [RuntimeError]
    assert not easel.session.in_gesture
    easel.note.fails = False
    easel.drag((50, 50), (60, 60))
    assert easel.session.history.entries[-1].label == "Note"


def _pen(kind: QPointingDevice.PointerType) -> QPointingDevice:
    return QPointingDevice("pen", 7, QInputDevice.DeviceType.Stylus, kind, QInputDevice.Capability.Pressure, 1, 3)


def _tablet(easel: Easel, kind: QEvent.Type, pressure: float, pen: QPointingDevice) -> QTabletEvent:
    at = QPointF(100, 100)
    held = Qt.MouseButton.NoButton if kind == QEvent.Type.TabletRelease else LEFT
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.TabletMove else LEFT
    event = QTabletEvent(
        kind, pen, at, QPointF(easel.canvas.mapToGlobal(at.toPoint())), pressure, 0, 0, 0, 0, 0, NONE, button, held
    )
    QApplication.sendEvent(easel.canvas, event)
    return event


def test_the_pen_presses_and_the_mouse_events_made_of_it_are_ignored(easel: Easel) -> None:
    pen = _pen(QPointingDevice.PointerType.Pen)
    for kind, mouse, pressure in (
        (QEvent.Type.TabletPress, PRESS, 0.3),
        (QEvent.Type.TabletMove, MOVE, 0.7),
        (QEvent.Type.TabletRelease, RELEASE, 0.0),
    ):
        assert _tablet(easel, kind, pressure, pen).isAccepted()
        at = QPointF(100, 100)
        made = QMouseEvent(mouse, at, at, LEFT, LEFT, NONE, pen)
        QApplication.sendEvent(easel.canvas, made)
    assert easel.note.kinds == ["press", "move", "release"]
    assert [event.pressure for event in easel.note.events[:2]] == pytest.approx([0.3, 0.7])
    assert not any(event.eraser for event in easel.note.events)


def test_the_barrel_button_of_the_pen_neither_ends_nor_drops_the_stroke(easel: Easel) -> None:
    pen = _pen(QPointingDevice.PointerType.Pen)
    _tablet(easel, QEvent.Type.TabletPress, 0.3, pen)
    _tablet(easel, QEvent.Type.TabletMove, 0.5, pen)
    at = QPointF(100, 100)
    for kind, held in ((QEvent.Type.TabletPress, LEFT | RIGHT), (QEvent.Type.TabletRelease, LEFT)):
        place = QPointF(easel.canvas.mapToGlobal(at.toPoint()))
        event = QTabletEvent(kind, pen, at, place, 0.5, 0, 0, 0, 0, 0, NONE, RIGHT, held)
        QApplication.sendEvent(easel.canvas, event)
    assert easel.session.in_gesture
    _tablet(easel, QEvent.Type.TabletMove, 0.7, pen)
    _tablet(easel, QEvent.Type.TabletRelease, 0.0, pen)
    assert easel.note.kinds == ["press", "move", "move", "release"]
    assert easel.session.history.entries[-1].label == "Note"


def test_a_mouse_that_is_nudged_does_nothing_to_the_stroke_of_a_pen(easel: Easel) -> None:
    pen = _pen(QPointingDevice.PointerType.Pen)
    _tablet(easel, QEvent.Type.TabletPress, 0.3, pen)
    _tablet(easel, QEvent.Type.TabletMove, 0.5, pen)
    easel.point(MOVE, 140, 100, Qt.MouseButton.NoButton)
    easel.point(PRESS, 140, 100)
    easel.point(RELEASE, 140, 100)
    assert easel.session.in_gesture
    _tablet(easel, QEvent.Type.TabletMove, 0.7, pen)
    _tablet(easel, QEvent.Type.TabletRelease, 0.0, pen)
    assert easel.note.kinds == ["press", "move", "move", "release"]


def test_a_pen_that_hovers_after_its_release_was_lost_ends_the_stroke(easel: Easel) -> None:
    pen = _pen(QPointingDevice.PointerType.Pen)
    _tablet(easel, QEvent.Type.TabletPress, 0.3, pen)
    _tablet(easel, QEvent.Type.TabletMove, 0.7, pen)
    at = QPointF(120, 100)
    place = QPointF(easel.canvas.mapToGlobal(at.toPoint()))
    none = Qt.MouseButton.NoButton
    hover = QTabletEvent(QEvent.Type.TabletMove, pen, at, place, 0, 0, 0, 0, 0, 0, NONE, none, none)
    QApplication.sendEvent(easel.canvas, hover)
    assert not easel.session.in_gesture
    assert easel.session.history.entries[-1].label == "Note"


def test_the_turned_pen_erases(easel: Easel) -> None:
    pen = _pen(QPointingDevice.PointerType.Eraser)
    _tablet(easel, QEvent.Type.TabletPress, 0.5, pen)
    assert easel.note.events[-1].eraser
    _tablet(easel, QEvent.Type.TabletRelease, 0.0, pen)


def _wheel(
    easel: Easel, *, notches: float = 0.0, pixels: QPoint | None = None, held: Qt.KeyboardModifier = NONE
) -> None:
    phase = Qt.ScrollPhase.NoScrollPhase if pixels is None else Qt.ScrollPhase.ScrollUpdate
    at = QPointF(130, 60)
    event = QWheelEvent(
        at,
        QPointF(easel.canvas.mapToGlobal(at.toPoint())),
        pixels or QPoint(),
        QPoint(0, round(notches * 120)),
        Qt.MouseButton.NoButton,
        held,
        phase,
        False,
    )
    QApplication.sendEvent(easel.canvas, event)


def test_the_wheel_zooms_at_the_cursor(easel: Easel, qtbot: QtBot) -> None:
    under = easel.canvas.viewport.to_document(130, 60)
    with qtbot.waitSignal(easel.canvas.navigation.changed):
        _wheel(easel, notches=3)
    assert easel.canvas.viewport.zoom == pytest.approx(1.2**3)
    assert easel.canvas.viewport.to_screen(*under) == pytest.approx((130, 60), abs=1.01)


def test_two_fingers_pan_and_with_ctrl_they_zoom(easel: Easel) -> None:
    before = easel.canvas.viewport
    _wheel(easel, pixels=QPoint(12, -30))
    after = easel.canvas.viewport
    assert (after.x, after.y) == (before.x - 12, before.y + 30)
    _wheel(easel, pixels=QPoint(0, 80), held=Qt.KeyboardModifier.ControlModifier)
    assert easel.canvas.viewport.zoom > 1.1


@pytest.mark.parametrize("way", ["middle", "space", "hand"])
def test_panning_by_drag(easel: Easel, way: str) -> None:
    button = MIDDLE if way == "middle" else LEFT
    if way == "space":
        QTest.keyPress(easel.canvas, Qt.Key.Key_Space)
    elif way == "hand":
        easel.session.set_options(tool="hand")
    easel.drag((100, 100), (130, 80), button=button)
    viewport = easel.canvas.viewport
    assert (viewport.x, viewport.y) == (370, 320)
    assert easel.note.events == []
    if way == "space":
        QTest.keyRelease(easel.canvas, Qt.Key.Key_Space)
        easel.drag((100, 100), (130, 80))
        assert easel.note.kinds == ["press", "move", "release"]


def test_the_zoom_tool_zooms_in_and_with_alt_out(easel: Easel) -> None:
    easel.session.set_options(tool="zoom")
    easel.drag((100, 100))
    assert easel.canvas.viewport.zoom == 2
    easel.point(PRESS, 100, 100, held=Qt.KeyboardModifier.AltModifier)
    assert easel.canvas.viewport.zoom == 1


def test_it_fits_until_somebody_zooms(easel: Easel) -> None:
    easel.canvas.navigation.fit()
    assert easel.canvas.viewport.zoom == easel.canvas.viewport.fitted(Size(800, 600)).zoom
    easel.canvas.resize(800, 300)
    assert easel.canvas.viewport.zoom == easel.canvas.viewport.fitted(Size(800, 600)).zoom
    easel.canvas.navigation.zoom_to(1.0)
    easel.canvas.resize(500, 400)
    assert easel.canvas.viewport.zoom == 1
    easel.canvas.navigation.zoom_in()
    easel.canvas.navigation.zoom_out()
    assert easel.canvas.viewport.zoom == pytest.approx(1)


def test_turning_in_steps_and_straight_again(easel: Easel) -> None:
    easel.canvas.navigation.turn(15)
    easel.canvas.navigation.turn(15)
    easel.canvas.navigation.turn(-15)
    assert easel.canvas.viewport.rotation == 15
    easel.canvas.navigation.straighten()
    assert easel.canvas.viewport.rotation == 0
    easel.canvas.navigation.mirror()
    assert easel.canvas.viewport.mirrored


def test_the_place_of_the_cursor_is_told(easel: Easel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(easel.canvas.cursor_moved) as moved:
        easel.point(MOVE, 210, 155)
    assert moved.args == [Point(410, 305)]
    with qtbot.waitSignal(easel.canvas.cursor_moved) as gone:
        QApplication.sendEvent(easel.canvas, QEvent(QEvent.Type.Leave))
    assert gone.args == [None]
    assert easel.note.left == 1


class _Paints(QObject):
    """Writes down what is repainted."""

    def __init__(self) -> None:
        super().__init__()
        self.areas: list[QRect] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent):
            self.areas.append(event.region().boundingRect())
        return False


def test_during_a_stroke_only_what_changed_is_repainted(easel: Easel) -> None:
    easel.sharp()
    easel.point(PRESS, 100, 100)
    QApplication.sendEvent(easel.canvas, QEvent(QEvent.Type.UpdateRequest))
    paints = _Paints()
    easel.canvas.installEventFilter(paints)
    easel.point(MOVE, 110, 104)
    QApplication.sendEvent(easel.canvas, QEvent(QEvent.Type.UpdateRequest))
    easel.point(RELEASE, 110, 104)
    (area,) = paints.areas
    assert area.contains(110, 104)
    assert area.width() <= 30
    assert area.height() <= 30


def test_keys_the_tool_does_not_use_go_on(easel: Easel) -> None:
    event = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_F, NONE, "f")
    QApplication.sendEvent(easel.canvas, event)
    assert not event.isAccepted()


def test_another_size_starts_over(easel: Easel) -> None:
    easel.canvas.navigation.zoom_to(4)
    easel.session.commit("Crop", Document.of_picture(soft(200, 100, 3)))
    assert easel.canvas.viewport.zoom == 1
    assert (easel.canvas.viewport.x, easel.canvas.viewport.y) == (100, 50)
    seen = easel.seen()
    assert np.array_equal(seen[100:200, 100:300], soft(200, 100, 3)[..., :3])
    easel.session.undo()
    assert easel.canvas.viewport.x == 400


def test_an_item_under_the_pointer_is_outlined_and_named(qtbot: QtBot) -> None:
    document = Document.of_picture(np.full((300, 400, 4), 128, np.uint8))
    mask = document.empty_map().write(0, 0, disc(document, 200, 150, 50))
    easel = Easel(qtbot, document.adding_item(Item.of("pebble", mask)), noted=False)
    easel.look(zoom=1.0, x=200, y=150)
    easel.session.set_options(tool="move")
    plain = easel.seen()
    easel.point(MOVE, 200, 150)
    hovered = easel.seen()
    differs = np.argwhere((hovered != plain).any(axis=2))
    assert differs.min(axis=0)[0] < 98  # the tag above the outline
    rows, columns = differs[:, 0] + 0.5 - 150, differs[:, 1] + 0.5 - 200
    radii = np.hypot(rows, columns)[differs[:, 0] >= 110]
    assert ((radii > 46) & (radii < 54)).all()
    easel.point(MOVE, 5, 5)
    assert np.array_equal(easel.seen(), plain)
    easel.session.set_view(items=False)
    easel.point(MOVE, 200, 150)
    assert np.array_equal(easel.seen(), plain)


@pytest.mark.parametrize("tool", ["move", "strength"])
def test_what_a_list_points_at_is_outlined_and_named(qtbot: QtBot, tool: ToolName) -> None:
    document = Document.of_picture(np.full((300, 400, 4), 128, np.uint8))
    mask = document.empty_map().write(0, 0, disc(document, 120, 150, 40))
    document = document.adding_item(Item.of("pebble", mask))
    document = document.adding_exemplar(Exemplar.of("leaf", noise(60, 40), Placement(300, 150)))
    easel = Easel(qtbot, document, noted=False)
    easel.look(zoom=1.0, x=200, y=150)
    easel.session.set_options(tool=tool)
    plain = easel.seen()

    def changed(pointed: int) -> QRect:
        easel.session.set_view(pointed=pointed)
        rows, columns = np.nonzero((easel.seen() != plain).any(axis=2))
        return QRect(QPoint(int(columns.min()), int(rows.min())), QPoint(int(columns.max()), int(rows.max())))

    pebble, leaf = changed(document.items[0].id), changed(document.exemplars[0].id)
    # Round about it, with the tag above.
    assert (pebble.left(), pebble.right(), pebble.bottom()) == pytest.approx((79, 160, 190), abs=3)
    assert 70 < pebble.top() < 98
    assert (leaf.left(), leaf.right(), leaf.bottom()) == pytest.approx((269, 330, 170), abs=3)
    assert 90 < leaf.top() < 118
    easel.session.set_view(pointed=None)
    assert np.array_equal(easel.seen(), plain)


def test_a_selection_marches_and_stops_when_it_is_gone(qtbot: QtBot) -> None:
    document = Document.of_picture(np.full((300, 400, 4), 128, np.uint8))
    easel = Easel(qtbot, document)
    easel.look(zoom=1.0, x=200, y=150)
    session = easel.session
    session.commit(
        "Select", document.with_map("selection", document.selection.write(0, 0, disc(document, 200, 150, 60)))
    )
    first = easel.shot()
    qtbot.waitUntil(lambda: easel.shot() != first)
    session.undo()
    empty = easel.shot()
    assert empty.pixelColor(200, 90).red() == empty.pixelColor(20, 20).red()
    assert not easel.canvas.renderer.marching.isActive()


def test_the_frame_shows_what_a_method_would_see(qtbot: QtBot) -> None:
    document = Document.of_picture(np.full((600, 800, 4), 128, np.uint8))
    easel = Easel(qtbot, document)
    session = easel.session
    easel.canvas.navigation.fit()
    session.commit("Paint", document.with_strength(document.strength.write(300, 200, np.ones((40, 60), np.float32))))
    session.set_view(frame=True)
    qtbot.waitUntil(lambda: easel.canvas.framing.frame is not None)
    frame = easel.canvas.framing.frame
    assert frame is not None
    assert frame.rect == (108, 8, 552, 432)  # 192 px of context on every side


def test_contour_lines_get_their_per_cents_when_the_hand_rests(qtbot: QtBot) -> None:
    document = Document.of_picture(np.full((300, 400, 4), 128, np.uint8))
    slope = np.repeat(np.linspace(0, 1, 400, dtype=np.float32)[None], 300, axis=0)
    easel = Easel(qtbot, document)
    easel.session.set_view(overlay="contours")
    easel.look(zoom=1.0, x=200, y=150)
    easel.session.commit("Gradient", document.with_strength(document.strength.write(0, 0, slope)))
    labels = easel.canvas.renderer.scene
    qtbot.waitUntil(lambda: len(labels.labels) >= 4)
    found = {words: x for x, _, words in labels.labels}
    assert set(found) >= {"20\u202f%", "40\u202f%", "60\u202f%", "80\u202f%"}
    easel.session.undo()
    assert labels.labels == []


def test_dragging_an_item_repaints_no_more_than_it_covers(qtbot: QtBot) -> None:
    document = Document.of_picture(soft(800, 600))
    mask = document.empty_map().write(0, 0, disc(document, 400, 300, 20))
    document = document.adding_item(Item.of("pebble", mask))
    easel = Easel(qtbot, document)
    easel.look(zoom=1.0, x=400, y=300)
    session = easel.session
    session.activate(item=document.items[0].id)
    easel.sharp()
    before = easel.seen()
    session.show(document.with_item(replace(document.items[0], placement=Placement(440, 300))))
    after = easel.seen()
    differs = np.argwhere((before != after).any(axis=2))
    assert len(differs)
    assert differs[:, 1].min() > 130
    assert differs[:, 1].max() < 300
    session.revert()
    assert np.array_equal(easel.seen(), before)
