"""One list of those who may take a press: the first who does has everything until its button is let go."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from editor.document.document import Document
from tests.support.canvas_driver import MIDDLE, Easel, soft
from widgets.canvas.gestures import GestureRunner, GestureSource
from widgets.tools.tool import Gesture, PointerEvent
from widgets.viewport import Viewport

PRESS, MOVE, RELEASE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease
SEEN = Viewport(400, 300)


def event(kind: str, x: float = 0.0) -> PointerEvent:
    return PointerEvent(kind, x, 0.0, SEEN)  # type: ignore[arg-type]


class Source(GestureSource):
    """Takes presses at or beyond `least`, and writes down what it has."""

    def __init__(self, least: float = 0.0) -> None:
        self.least = least
        self.events: list[str] = []

    def gesture(self, press: PointerEvent) -> Gesture | None:
        return self._run(press) if press.x >= self.least else None

    def _run(self, press: PointerEvent) -> Gesture:
        self.events.append(press.kind)
        try:
            while (step := (yield)).kind != "release":
                self.events.append(step.kind)
            self.events.append("release")
        except GeneratorExit:
            self.events.append("dropped")
            raise

    def hover(self, event: PointerEvent) -> bool:
        return event.x >= self.least

    def leave(self) -> None:
        self.events.append("left")


def test_the_first_who_takes_a_press_has_it_to_the_end() -> None:
    first, second, third = Source(10), Source(5), Source()
    runner = GestureRunner([first, second, third])
    runner.press(event("press", 7))
    assert runner.source is second
    runner.move(event("move", 20))  # over what the first would have taken
    runner.release(event("release", 20))
    assert (first.events, second.events, third.events) == ([], ["press", "move", "release"], [])
    assert not runner.busy


def test_a_press_that_nobody_takes_begins_nothing() -> None:
    runner = GestureRunner([Source(10)])
    runner.press(event("press", 7))
    assert not runner.busy
    assert not runner.finish()
    assert not runner.cancel()


def test_it_is_dropped_or_finished_once_and_only_by_whom_it_is_about() -> None:
    one, other = Source(), Source()
    runner = GestureRunner([one, other])
    runner.press(event("press"))
    assert not runner.cancel(other)
    assert not runner.finish(other)
    assert runner.cancel(one)
    assert not runner.cancel()
    runner.press(event("press"))
    assert runner.finish()
    assert one.events == ["press", "dropped", "press", "release"]


def test_what_the_pointer_was_over_hears_that_it_left() -> None:
    first, second = Source(10), Source()
    runner = GestureRunner([first, second])
    for x in (0, 20, 20, 0):
        runner.hover(event("hover", x))
    assert (first.events, second.events) == (["left"], ["left"])


def test_an_error_ends_it() -> None:
    class Broken(Source):
        def _run(self, press: PointerEvent) -> Gesture:
            yield
            raise RuntimeError("broken")

    runner = GestureRunner([Broken()])
    runner.press(event("press"))
    with pytest.raises(RuntimeError):
        runner.move(event("move"))
    assert not runner.busy


@pytest.fixture
def easel(qtbot: QtBot) -> Easel:
    return Easel(qtbot, Document.of_picture(soft(400, 300)), noted=False)


def escape(easel: Easel) -> None:
    QApplication.sendEvent(
        easel.canvas, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    )


def test_escape_ends_a_drag_of_the_view_and_of_the_divider(easel: Easel) -> None:
    easel.point(PRESS, 100, 100, MIDDLE)
    escape(easel)
    before = easel.canvas.viewport
    easel.point(MOVE, 150, 100, MIDDLE)
    assert easel.canvas.viewport == before
    easel.session.set_view(divider=True)
    middle = easel.canvas.width() / 2
    easel.point(PRESS, middle, 50)
    easel.point(MOVE, middle + 30, 50)
    escape(easel)
    x = easel.canvas._divider.x
    easel.point(MOVE, middle + 60, 50)
    assert x == easel.canvas._divider.x == round(middle + 30)


def test_panning_leaves_alone_what_is_only_shown(easel: Easel) -> None:
    """As an adjustment is, while its values are chosen."""
    session = easel.session
    shown = session.document.with_strength(session.document.strength.write(0, 0, np.ones((9, 9), np.float32)))
    session.show(shown)
    easel.drag((100, 100), (150, 120), button=MIDDLE)
    assert session.document is shown


def test_undo_finishes_a_stroke_and_lets_a_drag_of_the_view_go_on(easel: Easel) -> None:
    session = easel.session
    easel.drag((100, 100), (150, 100))
    easel.point(PRESS, 100, 200, MIDDLE)
    session.undo()
    x = easel.canvas.viewport.x
    easel.point(MOVE, 130, 200, MIDDLE)
    assert easel.canvas.viewport.x != x
    easel.point(RELEASE, 130, 200, MIDDLE)
    easel.point(PRESS, 100, 100)
    easel.point(MOVE, 150, 100)
    before = session.in_gesture
    session.undo()  # the stroke counts, and is what is undone
    assert (before, session.in_gesture) == (True, False)
    assert (session.history.index, len(session.history.entries)) == (0, 2)


def test_space_in_the_middle_of_a_stroke_does_not_pan(easel: Easel) -> None:
    before = easel.canvas.viewport
    easel.point(PRESS, 100, 100)
    easel.point(MOVE, 120, 100)
    space = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(easel.canvas, space)
    easel.point(MOVE, 200, 100)
    easel.point(RELEASE, 200, 100)
    assert easel.canvas.viewport == before
    strength = easel.session.document.strength
    x, y = easel.canvas.viewport.to_document(180, 100)
    assert strength.read()[int(y), int(x)] == 1.0


def test_a_question_about_a_picture_keeps_presses_from_the_tool(easel: Easel) -> None:
    dropper = easel.canvas._dropper
    data = QMimeData()
    data.setImageData(easel.shot())
    easel.canvas.paste(data)
    assert dropper.chip is not None
    easel.drag((20, 20), (60, 60))
    assert len(easel.session.history.entries) == 1
    assert dropper.chip is not None
