"""The move tool: picking, moving, resizing, turning, keys."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from pytestqt.qtbot import QtBot

from editor.document.contents import Exemplar
from editor.document.document import Rerun
from editor.geometry import Placement, Point, Rect, transform_point
from tests.support.tool_driver import ALT, SHIFT, Studio, plain, with_exemplar, with_item
from widgets.session import commands
from widgets.tools import grips
from widgets.tools.place import PlaceTool
from widgets.tools.tool import PointerEvent
from widgets.viewport import Viewport

VIEW = Viewport(300, 200, x=150, y=100)


@pytest.fixture
def studio(qtbot: QtBot) -> Studio:
    """An item at the left, an exemplar of 60 × 40 at the right."""
    document = with_item(plain(), Rect(40, 60, 100, 140))
    document = with_exemplar(document, 60, 40, Placement(220, 100))
    made = Studio(qtbot, document)
    made.take("move")
    return made


def held(studio: Studio) -> tuple[int | None, int | None]:
    """The active item and exemplar."""
    return studio.session.draft.item, studio.session.draft.exemplar


def test_a_click_picks_what_lies_there(studio: Studio) -> None:
    item, exemplar = studio.document.items[0], studio.document.exemplars[0]
    studio.click(70, 100)
    assert held(studio) == (item.id, None)
    studio.click(220, 100)
    assert held(studio) == (None, exemplar.id)
    studio.click(150, 20)
    assert held(studio) == (None, None)
    assert studio.labels == []


def test_the_topmost_is_picked_and_hidden_things_are_not(qtbot: QtBot) -> None:
    document = with_item(plain(), Rect(40, 40, 160, 160))
    document = with_exemplar(document, 60, 60, Placement(100, 100), "under")
    document = with_exemplar(document, 60, 60, Placement(110, 100), "over")
    studio = Studio(qtbot, document)
    studio.take("move")
    studio.click(105, 100)
    assert studio.session.draft.exemplar == document.exemplars[1].id
    studio.session.commit("Hide", studio.document.with_exemplar(replace(document.exemplars[1], visible=False)))
    studio.session.activate()
    studio.click(105, 100)
    assert studio.session.draft.exemplar == document.exemplars[0].id


def test_what_is_cut_away_is_not_picked(studio: Studio) -> None:
    exemplar = studio.document.exemplars[0]
    cutout = exemplar.cutout.write(0, 0, np.zeros((40, 30), np.float32))
    studio.session.commit("Cut", studio.document.with_exemplar(replace(exemplar, cutout=cutout)))
    studio.click(200, 100)
    assert studio.session.draft.exemplar is None
    studio.click(240, 100)
    assert studio.session.draft.exemplar == exemplar.id


def test_a_drag_moves_by_whole_pixels_and_is_one_step(studio: Studio) -> None:
    studio.drag((70, 100), (75, 100), (90.4, 112.7), (100.4, 122.7))
    item = studio.document.items[0]
    assert item.placement == Placement(100, 123)
    assert item.bounds == Rect(70, 83, 130, 163)
    assert studio.labels == ["Move “cup”"]
    assert studio.session.draft.item == item.id
    studio.session.undo()
    assert studio.document.items[0].placement is None


def test_it_is_seen_moving_and_escape_puts_it_back(studio: Studio) -> None:
    studio.press(220, 100)
    studio.move(240, 110)
    assert studio.document.exemplars[0].placement == Placement(240, 110)
    studio.type(Qt.Key.Key_Escape)
    assert studio.document.exemplars[0].placement == Placement(220, 100)
    studio.move(250, 100)
    studio.release(250, 100)
    assert studio.labels == []


def test_a_trembling_click_moves_nothing(studio: Studio) -> None:
    studio.drag((70, 100), (71, 101), (70, 101))
    assert studio.labels == []
    assert studio.document.items[0].placement is None


def test_an_item_dropped_where_it_was_is_not_moved(studio: Studio) -> None:
    studio.drag((70, 100), (120, 100))
    studio.drag((120, 100), (100, 100), (73, 101))
    assert studio.document.items[0].placement is None
    assert studio.labels == ["Move “cup”", "Move “cup”"]


def test_shift_moves_along_one_axis(studio: Studio) -> None:
    studio.drag((220, 100), (240, 90), (250, 105), held=SHIFT)
    assert studio.document.exemplars[0].placement == Placement(250, 100)


def test_a_click_on_what_lies_over_the_active_thing_picks_it_and_a_drag_does_not(qtbot: QtBot) -> None:
    document = with_item(plain(), Rect(40, 40, 200, 160))
    document = with_exemplar(document, 60, 60, Placement(100, 100))
    studio = Studio(qtbot, document)
    studio.take("move")
    studio.session.activate(item=document.items[0].id)
    studio.drag((100, 100), (120, 100))
    assert studio.document.items[0].placement is not None
    assert studio.session.draft.item == document.items[0].id
    studio.click(100, 100)
    assert studio.session.draft.exemplar == document.exemplars[0].id


def test_corners_keep_the_ratio_unless_shift_is_held(studio: Studio) -> None:
    studio.click(220, 100)
    studio.drag((250, 120), (280, 140))  # twice the way from the opposite corner, (190, 80)
    found = studio.document.exemplars[0].placement
    assert (found.scale_x, found.scale_y) == (1.5, 1.5)
    assert found.corners(studio.document.exemplars[0].size)[0] == Point(190, 80)
    assert studio.labels == ["Resize “boat”"]
    studio.session.undo()
    studio.drag((250, 120), (280, 120), then=SHIFT)
    found = studio.document.exemplars[0].placement
    assert (found.scale_x, found.scale_y) == (1.5, 1.0)


def test_sides_stretch_and_alt_resizes_about_the_centre(studio: Studio) -> None:
    studio.click(220, 100)
    studio.drag((250, 100), (280, 100))
    found = studio.document.exemplars[0].placement
    assert (found.scale_x, found.scale_y, found.x, found.y) == (1.5, 1.0, 235, 100)
    studio.session.undo()
    studio.drag((250, 100), (265, 100), then=ALT)
    found = studio.document.exemplars[0].placement
    assert (found.scale_x, found.scale_y, found.x, found.y) == (1.5, 1.0, 220, 100)


def test_pulling_through_the_other_side_mirrors_and_never_vanishes(studio: Studio) -> None:
    studio.click(220, 100)
    studio.drag((250, 100), (160, 100))
    assert studio.document.exemplars[0].placement.scale_x == pytest.approx(-0.5)
    studio.session.undo()
    studio.drag((250, 100), (190, 100))
    assert abs(studio.document.exemplars[0].placement.scale_x) >= 1 / 60


def handle_of(studio: Studio) -> Point:
    """The handle that turns the exemplar, in picture pixels."""
    exemplar, viewport = studio.document.exemplars[0], studio.canvas.viewport
    corners = [viewport.to_screen(*corner) for corner in exemplar.placement.corners(exemplar.size)]
    x, y = grips.turning_handle([(each.x, each.y) for each in corners], viewport)[1]
    return viewport.to_document(x, y)


def test_turning_by_the_handle_above_the_box(studio: Studio) -> None:
    studio.click(220, 100)
    handle = handle_of(studio)
    assert handle.x == pytest.approx(220)
    assert 80 - handle.y == pytest.approx(grips.STEM / studio.canvas.viewport.scale)
    studio.drag((handle.x, handle.y), (240, 60), (290, 100))  # from above to the right
    turned = studio.document.exemplars[0].placement
    assert turned.rotation == pytest.approx(90, abs=1)
    assert (turned.x, turned.y, turned.scale_x) == (220, 100, 1)
    assert studio.labels == ["Turn “boat”"]
    assert studio.session.draft.exemplar == studio.document.exemplars[0].id


def test_the_turning_handle_is_above_flipped_things_and_below_those_at_the_upper_edge() -> None:
    box = [(100.0, 80.0), (160.0, 80.0), (160.0, 120.0), (100.0, 120.0)]
    upright, flipped = grips.turning_handle(box, VIEW), grips.turning_handle([box[i] for i in (3, 2, 1, 0)], VIEW)
    assert upright == flipped
    assert upright[1] == pytest.approx((130, 80 - grips.STEM))
    high = [(x, y - 75) for x, y in box]
    assert grips.turning_handle(high, VIEW)[1] == (130, 45 + grips.STEM)


def test_turning_outside_a_corner(studio: Studio) -> None:
    studio.click(220, 100)
    start = math.degrees(math.atan2(34, 44))
    studio.drag(
        (264, 134),
        (264, 140),
        (220 + 60 * math.cos(math.radians(start + 40)), 100 + 60 * math.sin(math.radians(start + 40))),
    )
    found = studio.document.exemplars[0].placement
    assert found.rotation == pytest.approx(40)
    assert (found.x, found.y, found.scale_x) == (220, 100, 1)
    assert studio.labels == ["Turn “boat”"]
    studio.session.undo()
    studio.drag(
        (264, 134),
        (264, 140),
        (220 + 60 * math.cos(math.radians(start + 40)), 100 + 60 * math.sin(math.radians(start + 40))),
        then=SHIFT,
    )
    assert studio.document.exemplars[0].placement.rotation == pytest.approx(45)


def test_arrows_nudge_and_are_one_step(studio: Studio) -> None:
    studio.click(220, 100)
    for _ in range(3):
        studio.type(Qt.Key.Key_Right)
    studio.type(Qt.Key.Key_Up, SHIFT)
    assert studio.document.exemplars[0].placement == Placement(223, 90)
    assert studio.labels == ["Move “boat”"]
    studio.click(70, 100)
    studio.type(Qt.Key.Key_Left)
    assert studio.document.items[0].placement == Placement(69, 100)
    assert len(studio.labels) == 2
    studio.type(Qt.Key.Key_Right)
    assert studio.document.items[0].placement is None


def test_delete_removes_an_item_from_the_picture_and_an_exemplar_from_the_list(studio: Studio) -> None:
    studio.click(70, 100)
    studio.type(Qt.Key.Key_Delete)
    assert [(plan.action, plan.items) for plan in studio.worker.ran] == [("remove", (studio.document.items[0].id,))]
    studio.click(220, 100)
    studio.type(Qt.Key.Key_Backspace)
    assert studio.document.exemplars == ()
    assert studio.labels == ["Delete “boat”"]
    assert studio.session.draft.exemplar is None


def test_delete_takes_out_what_was_selected_since(studio: Studio) -> None:
    for x in (70, 220):
        studio.click(x, 100)
        commands.select_none(studio.session)
        document = studio.document
        selected = document.with_map("selection", document.selection.write(5, 5, np.ones((9, 9), np.float32)))
        studio.session.commit("Select", selected)
        studio.type(Qt.Key.Key_Delete)
        assert studio.document.exemplars == document.exemplars
        removed = studio.document.item(studio.worker.ran[-1].items[0])
        assert removed is not None
        assert removed.rect == Rect(5, 5, 14, 14)
        studio.session.job_cancelled()


def test_escape_lets_go_and_other_keys_pass(studio: Studio) -> None:
    studio.click(70, 100)
    studio.type(Qt.Key.Key_Escape)
    assert studio.session.draft.item is None
    studio.type(Qt.Key.Key_Delete)
    assert studio.worker.ran == []


def test_escape_is_left_to_candidates_that_wait_for_a_choice(studio: Studio) -> None:
    studio.click(70, 100)
    studio.session.run()
    studio.type(Qt.Key.Key_Escape)
    assert studio.session.draft.item is not None


def test_what_changes_meanwhile_is_kept(studio: Studio) -> None:
    """An outline may arrive from the background while something is dragged."""
    studio.press(220, 100)
    studio.move(240, 100)
    everything = studio.document.empty_map().write(0, 0, np.ones((200, 300), np.float32))
    studio.session.commit("Select", studio.session.history.document.with_map("selection", everything))
    studio.move(250, 100)
    studio.release(250, 100)
    assert studio.document.exemplars[0].placement == Placement(250, 100)
    assert studio.map("selection").all()


def test_cursors_tell_what_a_press_does(studio: Studio) -> None:
    def shape(x: float, y: float) -> Qt.CursorShape:
        studio.move(x, y)
        return studio.canvas.cursor().shape()

    assert shape(150, 20) == Qt.CursorShape.ArrowCursor
    assert shape(220, 100) == Qt.CursorShape.PointingHandCursor
    studio.click(220, 100)
    assert shape(220, 100) == Qt.CursorShape.SizeAllCursor
    assert shape(250, 120) == Qt.CursorShape.SizeFDiagCursor
    assert shape(190, 120) == Qt.CursorShape.SizeBDiagCursor
    assert shape(250, 100) == Qt.CursorShape.SizeHorCursor
    assert shape(264, 134) == Qt.CursorShape.BlankCursor


@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_marks_stay_inside_what_is_repainted(studio: Studio, rotation: float) -> None:
    exemplar = studio.document.exemplars[0]
    turned = replace(exemplar, placement=replace(exemplar.placement, rotation=rotation))
    studio.session.commit("Turn", studio.document.with_exemplar(turned))
    studio.click(220, 100)
    corner = turned.placement.corners(turned.size)[2]
    studio.move(corner.x + 10, corner.y + 10)  # the arrows that tell of turning
    rows, columns = studio.drawn("move")
    rect = studio.tools["move"].decoration(studio.canvas.viewport)
    assert rect.left() <= columns.min() <= columns.max() <= rect.right()
    assert rect.top() <= rows.min() <= rows.max() <= rect.bottom()


placements = st.builds(
    Placement,
    x=st.floats(-200, 500),
    y=st.floats(-200, 500),
    scale_x=st.sampled_from([-2.0, -0.3, 0.2, 1.0, 3.5]),
    scale_y=st.sampled_from([-1.5, 0.4, 1.0, 2.0]),
    rotation=st.floats(0, 360),
)
ways = st.tuples(st.floats(-80, 80), st.floats(-80, 80))
corners = st.sampled_from([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y])


@given(placements, corners, ways, st.booleans(), st.booleans())
def test_resizing_keeps_what_lies_opposite(
    placement: Placement, grip: tuple[int, int], way: tuple[float, float], shift: bool, alt: bool
) -> None:
    thing = Exemplar.of("boat", np.zeros((40, 60, 4), np.uint8), placement)
    press = PointerEvent("press", 10, 20, VIEW)
    found = grips.resized(
        thing, grip, press, PointerEvent("move", 10 + way[0], 20 + way[1], VIEW, shift=shift, alt=alt)
    )
    still = (30, 20) if alt else (30 - 30 * grip[0], 20 - 20 * grip[1])
    before = transform_point(placement.matrix(thing.size), *still)
    after = transform_point(found.matrix(thing.size), *still)
    assert after == pytest.approx(before, abs=1e-6)
    assert min(abs(found.scale_x) * 60, abs(found.scale_y) * 40) >= 1 - 1e-9
    if grip[0] == 0:
        assert found.scale_x == placement.scale_x


def test_escape_lets_a_thing_go_but_leaves_a_reopened_edit_at_once(studio: Studio) -> None:
    """What is said on top is that Escape leaves it."""
    studio.click(70, 100)
    studio.session.commit("Reopen", replace(studio.document, rerun=Rerun(1)))
    escape = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    tool = PlaceTool(studio.session)
    assert not tool.key(escape)  # goes on to the command
    assert studio.session.draft.item is not None
    studio.session.commit("Leave", replace(studio.document, rerun=None))
    assert tool.key(escape)
    assert studio.session.draft.item is None
