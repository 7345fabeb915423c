"""Rectangle, ellipse, lasso, selection brush and gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from editor.document.brush import Brush
from editor.geometry import Placement, Rect
from tests.support.tool_driver import ALT, SHIFT, Studio, plain, with_exemplar, with_item
from widgets.session.options import Target


@pytest.fixture
def studio(qtbot: QtBot) -> Studio:
    made = Studio(qtbot, plain())
    made.take("rectangle")
    return made


def box(rect: Rect) -> np.ndarray:
    found = np.zeros((200, 300), np.float32)
    found[rect.slices] = 1
    return found


def test_a_rectangle_selects_whole_pixels(studio: Studio) -> None:
    studio.drag((40.3, 30.4), (60, 50), (119.6, 90.2))
    assert np.array_equal(studio.map("selection"), box(Rect(40, 30, 120, 90)))
    assert studio.labels == ["Select"]


def test_shift_adds_alt_takes_away_and_both_intersect(studio: Studio) -> None:
    studio.drag((40, 30), (120, 90))
    studio.drag((100, 60), (200, 150), held=SHIFT)
    one, two = box(Rect(40, 30, 120, 90)), box(Rect(100, 60, 200, 150))
    # Shift held from the press on says "add", and does not make it a square.
    assert np.array_equal(studio.map("selection"), np.maximum(one, two))
    studio.drag((60, 40), (80, 60), held=ALT)
    assert np.array_equal(studio.map("selection"), np.maximum(one, two) - box(Rect(60, 40, 80, 60)))
    studio.drag((90, 50), (130, 80), held=SHIFT | ALT)
    assert np.array_equal(studio.map("selection"), np.maximum(one, two) * box(Rect(90, 50, 130, 80)))
    assert studio.labels == ["Select", "Add to selection", "Take away from selection", "Intersect selection"]
    studio.drag((10, 10), (20, 20))
    assert np.array_equal(studio.map("selection"), box(Rect(10, 10, 20, 20)))


def test_keys_pressed_during_the_drag_shape_it(studio: Studio) -> None:
    studio.drag((40, 30), (100, 60), then=SHIFT)
    assert np.array_equal(studio.map("selection"), box(Rect(40, 30, 100, 90)))
    studio.drag((100, 100), (120, 110), then=ALT)
    assert np.array_equal(studio.map("selection"), box(Rect(80, 90, 120, 110)))


def test_a_click_deselects_once(studio: Studio) -> None:
    studio.drag((40, 30), (120, 90))
    studio.click(200, 150)
    assert not studio.map("selection").any()
    assert studio.document.selection.blank
    studio.click(200, 150)
    assert studio.labels == ["Select", "Deselect"]


def test_a_shift_click_deselects_nothing(studio: Studio) -> None:
    studio.drag((40, 30), (120, 90))
    studio.click(200, 150, SHIFT)
    assert studio.labels == ["Select"]


def test_escape_drops_the_outline(studio: Studio) -> None:
    studio.press(40, 30)
    studio.move(100, 100)
    assert not studio.tools["rectangle"].decoration(studio.canvas.viewport).isEmpty()
    studio.type(Qt.Key.Key_Escape)
    assert studio.tools["rectangle"].decoration(studio.canvas.viewport).isEmpty()
    studio.release(100, 100)
    assert studio.labels == []


def test_an_ellipse_has_its_area_and_a_soft_rim(studio: Studio) -> None:
    studio.take("ellipse")
    studio.drag((40, 30), (160, 130))
    found = studio.map("selection")
    assert found.sum() == pytest.approx(math.pi * 60 * 50, rel=2e-3)
    assert found[80, 100] == 1
    assert found[32, 42] == 0
    assert ((found > 0) & (found < 1)).any()


def test_a_freehand_lasso(studio: Studio) -> None:
    studio.take("lasso")
    turns = np.linspace(0, 2 * math.pi, 60)
    studio.drag(*[(150 + 50 * math.cos(turn), 100 + 50 * math.sin(turn)) for turn in turns])
    found = studio.map("selection")
    assert found.sum() == pytest.approx(math.pi * 2500, rel=0.01)
    assert studio.labels == ["Select"]


@pytest.mark.parametrize("end", ["enter", "double", "start"])
def test_a_polygon_of_clicks(studio: Studio, end: str) -> None:
    studio.take("lasso")
    for x, y in ((50, 50), (150, 50), (150, 150)):
        studio.click(x, y)
    studio.click(50, 150)
    assert studio.labels == []
    match end:
        case "enter":
            studio.type(Qt.Key.Key_Return)
        case "double":
            studio.double(50, 150)
        case "start":
            studio.click(53, 52)
    assert studio.labels == ["Select"]
    assert studio.map("selection").sum() == pytest.approx(10000, rel=1e-3)
    assert studio.tools["lasso"].decoration(studio.canvas.viewport).isEmpty()


def test_a_polygon_can_be_taken_back(studio: Studio) -> None:
    studio.take("lasso")
    for x, y in ((50, 50), (150, 50), (290, 190)):
        studio.click(x, y)
    studio.type(Qt.Key.Key_Backspace)
    studio.click(150, 150)
    studio.type(Qt.Key.Key_Enter)
    assert studio.map("selection").sum() == pytest.approx(5000, rel=0.01)
    studio.click(200, 50)
    studio.click(250, 50)
    studio.type(Qt.Key.Key_Escape)
    studio.type(Qt.Key.Key_Enter)
    assert studio.labels == ["Select"]


def test_a_lasso_click_and_enter_deselects(studio: Studio) -> None:
    studio.drag((40, 30), (120, 90))
    studio.take("lasso")
    studio.click(200, 150)
    studio.type(Qt.Key.Key_Enter)
    assert studio.labels == ["Select", "Deselect"]


@pytest.mark.parametrize(
    ("target", "label", "value"),
    [
        ("strength", "Fill strength", 0.3),
        ("protect", "Protect", 1.0),
        ("avoid", "Mark as do-not-copy", 1.0),
    ],
)
def test_shapes_become_other_maps_and_keep_what_is_there(
    studio: Studio, target: Target, label: str, value: float
) -> None:
    assert target in ("strength", "protect", "avoid")
    studio.take("rectangle", shape_target=target, value=0.3)
    studio.drag((40, 30), (60, 50))
    studio.drag((100, 30), (120, 50))
    studio.click(200, 150)
    assert studio.labels == [label, label]
    wanted = np.maximum(box(Rect(40, 30, 60, 50)), box(Rect(100, 30, 120, 50))) * np.float32(value)
    assert np.array_equal(studio.map(target), wanted)


def test_a_shape_redraws_the_active_item(qtbot: QtBot) -> None:
    document = with_item(plain(), Rect(40, 40, 80, 80))
    studio = Studio(qtbot, document)
    studio.session.activate(item=document.items[0].id)
    studio.take("rectangle", shape_target="item")
    studio.drag((70, 60), (120, 100), held=SHIFT)
    assert studio.document.items[0].rect == Rect(40, 40, 120, 100)
    studio.drag((10, 10), (50, 50))
    assert studio.document.items[0].rect == Rect(10, 10, 50, 50)
    assert studio.labels == ["Add to item", "Redraw item"]


def test_a_shape_cuts_the_active_exemplar_out(qtbot: QtBot) -> None:
    """Turned by a quarter and twice as large: the lasso is drawn on screen, the cut-out lies in the exemplar's own pixels."""
    document = with_exemplar(plain(), 60, 40, Placement(150, 100, 2.0, 2.0, 90.0))
    studio = Studio(qtbot, document)
    studio.session.activate(exemplar=document.exemplars[0].id)
    studio.take("rectangle", shape_target="cutout")
    studio.drag((130, 60), (170, 100))  # above the middle on screen: to the left of it in the exemplar
    found = studio.document.exemplars[0].cutout.read()
    wanted = np.zeros((40, 60), np.float32)
    wanted[10:30, 10:30] = 1
    assert np.allclose(found, wanted, atol=1e-5)
    assert studio.labels == ["Cut out"]


def test_without_an_item_it_says_so(studio: Studio) -> None:
    studio.take("rectangle", shape_target="item")
    studio.drag((40, 30), (60, 50))
    assert studio.labels == []
    assert "item" in studio.notices[0].message


def test_outlines_beside_the_picture_select_nothing(studio: Studio) -> None:
    for tool in ("rectangle", "ellipse", "lasso"):
        studio.session.set_options(tool=tool)
        studio.drag((-90, -80), (-60, -80), (-60, -40), (-90, -40))
        assert not studio.map("selection").any()


def test_the_selection_brush_adds_and_alt_takes_away(studio: Studio) -> None:
    studio.take("select_brush", strength_brush=Brush(size=40, hardness=1.0, smoothing=0.0), value=0.3)
    studio.drag((60, 60), (100, 60))
    studio.drag((60, 120), (100, 120))
    found = studio.map("selection")
    assert found[60, 80] == found[120, 80] == 1
    studio.drag((80, 60), (81, 60), held=ALT)
    assert studio.map("selection")[60, 80] == 0
    assert studio.labels == ["Add to selection", "Add to selection", "Take away from selection"]


# The gradient


def test_a_linear_gradient_falls_from_the_value_to_nothing(studio: Studio) -> None:
    studio.take("gradient", value=0.8)
    studio.drag((100, 50), (150, 50), (200, 50))
    found = studio.map()
    assert found[10, 50] == pytest.approx(0.8)
    assert found[190, 150] == pytest.approx(0.4, abs=0.005)
    assert found[10, 250] == 0
    assert studio.labels == ["Gradient on strength"]


def test_it_is_drawn_live(studio: Studio) -> None:
    studio.take("gradient")
    studio.press(100, 50)
    studio.move(200, 50)
    assert studio.in_gesture()
    assert studio.map()[10, 10] == 1
    studio.type(Qt.Key.Key_Escape)
    assert not studio.map().any()
    assert studio.labels == []


def test_a_radial_gradient(studio: Studio) -> None:
    studio.take("gradient", gradient="radial")
    studio.drag((150, 100), (150, 180))
    found = studio.map()
    assert found[100, 150] == pytest.approx(1, abs=0.02)
    assert found[100, 190] == pytest.approx(0.5, abs=0.01)
    assert found[100, 60] == 0


def test_it_stays_inside_the_selection(studio: Studio) -> None:
    studio.drag((140, 20), (260, 120))
    studio.take("gradient")
    studio.drag((100, 50), (101, 50))
    studio.drag((100, 50), (300, 50))
    found = studio.map()
    assert not found[:, :140].any()
    assert found[60, 200] == pytest.approx(0.5, abs=0.01)
    assert not found[120:].any()


def test_shift_snaps_its_direction(studio: Studio) -> None:
    studio.take("gradient")
    studio.drag((100, 50), (200, 53), then=SHIFT)
    found = studio.map()
    assert (found == found[0]).all()


def test_a_click_draws_no_gradient(studio: Studio) -> None:
    studio.take("gradient")
    studio.click(100, 100)
    assert studio.labels == []
