"""The frame that a model sees: drawn live, dragged by its tag and its corners."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from editor.diffusion.families.registry import FAMILIES
from editor.document.contents import Exemplar
from editor.document.document import Document
from editor.geometry import Placement, Rect, Size
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.models.info import ModelInfo
from tests.support.canvas_driver import NONE, Easel, soft
from widgets.canvas import overlays
from widgets.canvas.framing import CORNERS, MIN_SIDE, Corner, moved, resized
from widgets.session.job import Job

PRESS, MOVE, RELEASE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease
DOUBLE = QEvent.Type.MouseButtonDblClick
MODEL = ModelInfo("tiny", "Tiny", FAMILIES.named("stable-diffusion"), Path("tiny"), 512)
SQUARE = np.ones((60, 60), np.float32)


def shown(easel: Easel) -> Rect:
    frame = easel.canvas.framing.frame
    assert frame is not None
    return frame.rect


def tag(easel: Easel) -> tuple[float, float]:
    box = easel.canvas.framing.tag
    assert not box.isNull()
    return box.center().x(), box.center().y()


def corner(easel: Easel, x: int, y: int) -> tuple[float, float]:
    """On screen; x and y are -1 or 1."""
    rect = shown(easel)
    at = easel.canvas.viewport.to_screen(rect.left if x < 0 else rect.right, rect.top if y < 0 else rect.bottom)
    return at.x, at.y


@pytest.fixture
def easel(qtbot: QtBot) -> Easel:
    document = Document.of_picture(soft(1200, 900))
    made = Easel(qtbot, document, (800, 600))
    session = made.session
    session.set_draft(settings=PixelsSettings(), model=MODEL)
    session.commit("Paint", document.with_strength(document.strength.write(570, 420, SQUARE)))
    session.set_view(frame=True)
    made.look(zoom=0.5, x=600, y=450)
    qtbot.waitUntil(lambda: made.canvas.framing.frame is not None)
    return made


def test_it_shows_what_the_model_will_see_and_at_what_size(easel: Easel) -> None:
    frame = easel.canvas.framing.frame
    assert frame is not None
    assert frame.rect.holds(Rect(570, 420, 630, 480))
    assert easel.canvas.framing.words == "512 × 512\u202fpx"


def test_it_stays_during_a_gesture_and_follows_after_it(easel: Easel, qtbot: QtBot) -> None:
    before, session = shown(easel), easel.session
    document = session.document
    far = document.with_strength(document.strength.write(100, 100, SQUARE))
    session.show(far)
    easel.canvas.renderer.settle()
    assert shown(easel) == before
    session.commit("Paint", far)
    qtbot.waitUntil(lambda: shown(easel) != before)
    assert shown(easel).holds(Rect(100, 100, 630, 480))


def test_dragging_the_tag_moves_it(easel: Easel) -> None:
    rect, (x, y) = shown(easel), tag(easel)
    easel.point(PRESS, x, y)
    easel.point(MOVE, x + 30, y - 20)
    assert easel.session.draft.frame == shown(easel) == rect.moved(60, -40)  # while it is dragged
    easel.point(RELEASE, x + 30, y - 20)
    assert easel.session.draft.frame == rect.moved(60, -40)
    assert "fixed" in easel.canvas.framing.words
    assert easel.note.kinds == []  # the tool in hand has seen nothing of it
    assert [entry.label for entry in easel.session.history.entries] == ["Open", "Paint"]


def test_it_cannot_leave_the_picture(easel: Easel) -> None:
    rect, (x, y) = shown(easel), tag(easel)
    easel.drag((x, y), (x - 2000, y - 2000))
    assert shown(easel) == Rect.at(0, 0, rect.width, rect.height)


@pytest.mark.parametrize(("x", "y"), CORNERS)
def test_dragging_a_corner_resizes_it(easel: Easel, x: int, y: int) -> None:
    rect, at = shown(easel), corner(easel, x, y)
    easel.drag((at[0] + 2 * x, at[1] + 2 * y), (at[0] + 22 * x, at[1] + 12 * y))
    found = shown(easel)
    assert (found.width, found.height) == (rect.width + 40, rect.height + 20)
    assert (found.left == rect.left) == (x > 0)
    assert (found.top == rect.top) == (y > 0)


def test_escape_during_the_drag_puts_it_back(easel: Easel) -> None:
    rect, (x, y) = shown(easel), tag(easel)
    easel.point(PRESS, x, y)
    easel.point(MOVE, x + 30, y)
    QApplication.sendEvent(easel.canvas, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, NONE))
    assert easel.session.draft.frame is None
    assert shown(easel) == rect
    easel.point(MOVE, x + 60, y)
    easel.point(RELEASE, x + 60, y)
    assert easel.session.draft.frame is None


def test_a_double_click_on_the_tag_leaves_it_to_the_program_again(easel: Easel) -> None:
    rect, (x, y) = shown(easel), tag(easel)
    easel.drag((x, y), (x + 30, y - 20))
    easel.drag(tag(easel), tag(easel))
    easel.point(DOUBLE, *tag(easel))
    easel.point(RELEASE, *tag(easel))
    assert easel.session.draft.frame is None
    assert shown(easel) == rect


def test_only_the_tag_and_the_corners_are_taken_hold_of(easel: Easel) -> None:
    x, y = corner(easel, -1, -1)
    for place in ((x + 100, y), (x, y + 100), (x + 60, y + 60), (x - 20, y - 60)):
        easel.drag(place, (place[0] + 5, place[1] + 5))
    assert easel.note.kinds.count("press") == 4
    assert easel.session.draft.frame is None


def test_a_stroke_that_runs_over_the_grips_goes_on(easel: Easel) -> None:
    x, y = corner(easel, 1, 1)
    easel.drag((x - 80, y - 80), (x, y), tag(easel), (x - 60, y - 60))
    assert easel.note.kinds == ["press", "move", "move", "move", "release"]
    assert easel.session.draft.frame is None


def test_the_cursor_says_what_a_drag_does(easel: Easel) -> None:
    x, y = corner(easel, 1, 1)
    easel.point(MOVE, x, y)
    assert easel.canvas.cursor().shape() == Qt.CursorShape.SizeFDiagCursor
    easel.point(MOVE, *corner(easel, 1, -1))
    assert easel.canvas.cursor().shape() == Qt.CursorShape.SizeBDiagCursor
    easel.point(MOVE, *tag(easel))
    assert easel.canvas.cursor().shape() == Qt.CursorShape.SizeAllCursor
    assert "Drag" in easel.canvas.toolTip()
    easel.point(MOVE, x - 70, y - 70)
    assert easel.canvas.cursor().shape() not in (Qt.CursorShape.SizeAllCursor, Qt.CursorShape.SizeFDiagCursor)
    assert easel.canvas.toolTip() == ""


def test_in_a_turned_view_the_corners_are_where_they_are_seen(easel: Easel) -> None:
    easel.look(zoom=0.5, x=600, y=450, rotation=30)
    rect, (x, y) = shown(easel), corner(easel, 1, 1)
    easel.drag((x, y), (x, y + 30))
    found = shown(easel)
    assert found[:2] == rect[:2]
    assert (found.right - rect.right, found.bottom - rect.bottom) == (30, 52)  # (0, 60) turned back by 30°


def test_while_an_edit_runs_it_stays_that_of_the_edit(easel: Easel) -> None:
    session, rect = easel.session, shown(easel)
    session.run()
    assert isinstance(session.job, Job)
    session.set_draft(strength=0.3)
    session.commit("Clear", session.document.with_strength(session.document.empty_map()))
    easel.canvas.renderer.settle()
    assert shown(easel) == rect
    easel.drag(tag(easel), (tag(easel)[0] + 30, tag(easel)[1]))
    assert session.draft.frame is None
    session.discard()
    session.commit("Clear", session.document.with_strength(session.document.empty_map()))  # that drag was a stroke
    easel.canvas.renderer.settle()
    assert easel.canvas.framing.frame is None  # nothing is left to do


def test_handles_of_things_lie_over_those_of_the_frame(qtbot: QtBot) -> None:
    document = Document.of_picture(soft(600, 600))
    made = Easel(qtbot, document, (700, 700), noted=False)
    session = made.session
    session.set_draft(settings=PixelsSettings(), model=MODEL)
    exemplar = Exemplar.of("leaf", soft(300, 300), Placement(150, 150))
    session.commit("Add", document.adding_exemplar(exemplar))
    session.activate(exemplar=session.document.exemplars[0].id)
    session.set_options(tool="move")
    session.set_view(frame=True)
    session.set_draft(frame=Rect(0, 0, 400, 400))
    made.look(zoom=1.0, x=300, y=300)
    qtbot.waitUntil(lambda: made.canvas.framing.frame is not None)
    at = made.canvas.viewport.to_screen(0, 0)
    made.drag((at.x, at.y), (at.x + 20, at.y + 20))
    assert session.draft.frame == Rect(0, 0, 400, 400)
    assert session.document.exemplars[0].placement.scale_x < 1


def test_without_a_model_it_is_only_shown(easel: Easel, qtbot: QtBot) -> None:
    easel.session.set_draft(settings=QuickFillSettings(), model=None)
    qtbot.waitUntil(lambda: "512 × 512" not in easel.canvas.framing.words)
    easel.drag(tag(easel), (tag(easel)[0] + 30, tag(easel)[1]))
    assert easel.session.draft.frame is None


def test_its_lines_are_crisp(easel: Easel) -> None:
    pixels = easel.seen().astype(int)
    x, y = (round(each) for each in corner(easel, -1, -1))
    # Two light pixels just outside the edge, each with dark ones beside them, and nothing in between.
    column = pixels[y - 6 : y + 3, x + 6].mean(axis=1)
    bright = column > 220
    assert bright.sum() == 2
    assert bright[4:6].all()


def test_the_tag_keeps_clear_of_the_legend(easel: Easel) -> None:
    easel.session.set_view(legend=True)
    easel.session.set_draft(frame=Rect(0, 0, 600, 600))
    for zoom in (0.5, 0.6, 1.0, 2.0):
        easel.look(zoom=zoom, x=300, y=300)
        easel.canvas.renderer.settle()
        assert not easel.canvas.framing.tag.toAlignedRect().intersects(overlays.LEGEND)


rects = st.builds(
    Rect.at,
    st.integers(0, 300),
    st.integers(0, 200),
    st.integers(64, 300),
    st.integers(64, 200),
)
far = st.integers(-1000, 1000)


@given(rects, far, far)
def test_moving_keeps_size_and_picture(rect: Rect, dx: int, dy: int) -> None:
    whole = Size(600, 400)
    found = moved(rect, dx, dy, whole)
    assert found.size == rect.size
    assert Rect.of_size(whole).holds(found)


@given(rects, st.sampled_from(CORNERS), far, far, st.booleans())
def test_resizing_keeps_the_opposite_corner_the_picture_and_the_least_size(
    rect: Rect, at: Corner, dx: int, dy: int, keep: bool
) -> None:
    whole = Size(600, 400)
    found = resized(rect, at, dx, dy, whole, ratio=rect.size if keep else None)
    assert Rect.of_size(whole).holds(found)
    assert min(found.size) >= MIN_SIDE
    assert (found.right if at[0] < 0 else found.left) == (rect.right if at[0] < 0 else rect.left)
    assert (found.bottom if at[1] < 0 else found.top) == (rect.bottom if at[1] < 0 else rect.top)


def test_hidden_it_is_neither_seen_nor_taken_hold_of(easel: Easel) -> None:
    at, plain = tag(easel), easel.session
    shown_with = easel.seen()
    plain.set_view(frame=False)
    assert not np.array_equal(easel.seen(), shown_with)
    easel.drag(at, (at[0] + 20, at[1]))
    assert plain.draft.frame is None
    assert easel.note.kinds.count("press") == 1
    plain.undo()
    plain.set_view(frame=True)
    assert np.array_equal(easel.seen(), shown_with)
