"""Click to segment: what is asked, and what becomes of the answer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from editor.document.contents import Exemplar
from editor.document.document import Document
from editor.geometry import Placement, Rect
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.results import EditResult, Masks, Recipe
from tests.support.tool_driver import ALT, CTRL, NONE, SHIFT, Studio, plain, with_item
from widgets.session.options import Combine, Target
from widgets.tools.segmentation_crop import MAX_PIXELS, reduced_picture

ONE, TWO = (80.0, 100.0), (220.0, 100.0)


def discs(width: int = 300, height: int = 200, scale: float = 1.0) -> NDArray[np.uint8]:
    """Two red discs of radius 40 on green, at `ONE` and `TWO`; (H, W, 4)."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    inside = np.zeros((height, width), np.bool_)
    for x, y in (ONE, TWO):
        inside |= np.hypot(columns - x * scale, rows - y * scale) < 40 * scale
    found = np.full((height, width, 4), 255, np.uint8)
    found[..., :3] = np.where(inside[..., None], (190, 60, 50), (70, 120, 60))
    found[..., :3] += np.random.default_rng(3).integers(0, 20, (height, width, 1), np.uint8)
    return found


@pytest.fixture
def studio(qtbot: QtBot) -> Studio:
    made = Studio(qtbot, Document.of_picture(discs()))
    made.take("segment")
    return made


def covers(studio: Studio, *places: tuple[float, float]) -> bool:
    """Whether the selection is the discs at these places and nothing else."""
    rows, columns = np.mgrid[:200, :300] + 0.5
    wanted = np.zeros((200, 300), np.bool_)
    for x, y in places:
        wanted |= np.hypot(columns - x, rows - y) < 40
    found = studio.map("selection") >= 0.5
    return bool((found & wanted).sum() > 0.9 * (found | wanted).sum())


def test_a_click_selects_the_thing(studio: Studio) -> None:
    studio.click(*ONE)
    assert covers(studio, ONE)
    assert studio.labels == ["Select"]
    request = studio.worker.segmenting[0][0]
    assert request.points == ((*ONE, True),)
    assert request.rect == studio.document.rect
    studio.click(*TWO)
    assert covers(studio, TWO)
    assert studio.labels == ["Select", "Select"]


def test_shift_adds_and_each_click_is_a_step(studio: Studio) -> None:
    studio.click(*ONE)
    studio.click(*TWO, SHIFT)
    assert covers(studio, ONE, TWO)
    assert [positive for *_, positive in studio.worker.segmenting[1][0].points] == [True, True]
    studio.session.undo()
    assert covers(studio, ONE)


def test_alt_takes_back_what_does_not_belong(studio: Studio) -> None:
    studio.click(*ONE)
    studio.click(*TWO, SHIFT)
    studio.click(*TWO, ALT)
    assert [positive for *_, positive in studio.worker.segmenting[2][0].points] == [True, True, False]
    studio.click(*ONE)
    studio.session.undo()
    studio.session.undo()
    assert covers(studio, ONE, TWO)
    studio.click(*TWO, ALT)  # the points belonged to what was undone: this takes the thing there away
    assert studio.worker.segmenting[4][0].points == ((*TWO, True),)
    assert covers(studio, ONE)
    assert studio.labels[-1] == "Take away from selection"


def test_the_clicks_are_marked_but_not_on_a_result(studio: Studio) -> None:
    studio.click(*ONE)
    tool = studio.tools["segment"]
    assert not tool.decoration(studio.canvas.viewport).isEmpty()
    studio.session.run()
    rect = Rect(10, 10, 20, 20)
    recipe = Recipe(QuickFillSettings(), "fill", rect, 1)
    studio.session.job_result(EditResult(rect, np.zeros((10, 10, 4), np.uint8), recipe))
    assert tool.decoration(studio.canvas.viewport).isEmpty()
    studio.session.job_finished()
    studio.session.discard()
    assert not tool.decoration(studio.canvas.viewport).isEmpty()


def test_a_drag_is_a_box(studio: Studio) -> None:
    studio.drag((30, 50), (80, 100), (130, 150))
    assert covers(studio, ONE)
    assert studio.worker.segmenting[0][0].box == Rect(30, 50, 130, 150)
    studio.drag((170, 50), (270, 150), held=SHIFT)
    assert covers(studio, ONE, TWO)


@pytest.mark.parametrize("combine", ["add", "subtract"])
def test_the_option_combines_too(studio: Studio, combine: Combine) -> None:
    full = np.full((200, 300), combine == "subtract", np.float32)
    selected = studio.document.with_map("selection", studio.document.empty_map().write(0, 0, full))
    studio.session.commit("Start", selected)
    studio.take("segment", combine=combine)
    studio.click(*ONE)
    studio.click(*TWO)
    found = studio.map("selection")
    inside = combine == "add"
    assert (found[100, 80] > 0.5) == inside
    assert (found[100, 220] > 0.5) == inside
    assert (found[10, 10] > 0.5) != inside


def test_brackets_take_a_smaller_or_a_larger_part(studio: Studio) -> None:
    studio.worker.segments = "later"
    studio.click(*ONE)
    rect = studio.document.rect
    masks = np.zeros((3, 200, 300), np.float32)
    for i, radius in enumerate((30, 10, 50)):
        masks[i, 100 - radius : 100 + radius, 80 - radius : 80 + radius] = 1
    studio.worker.segmenting[0][1](Masks(rect, masks, np.array([0.9, 0.5, 0.3], np.float32)))
    assert studio.map("selection").sum() == pytest.approx(3600, rel=0.01)
    studio.type(Qt.Key.Key_BracketRight, text="]")
    assert studio.map("selection").sum() == pytest.approx(10000, rel=0.01)
    studio.type(Qt.Key.Key_BracketRight, text="]")
    studio.type(Qt.Key.Key_BracketLeft, text="[")
    studio.type(Qt.Key.Key_BracketLeft, text="[")
    assert studio.map("selection").sum() == pytest.approx(400, rel=0.01)
    assert studio.labels == ["Select"]  # all one step
    studio.session.undo()
    assert studio.document.selection.blank


def test_a_late_answer_to_an_earlier_click_is_dropped(studio: Studio) -> None:
    studio.worker.segments = "later"
    studio.click(*ONE)
    studio.click(*TWO)
    studio.worker.answer(0)
    assert studio.labels == []
    studio.worker.answer(1)
    assert covers(studio, TWO)


def test_the_points_are_shown_and_escape_forgets_them(studio: Studio) -> None:
    tool, viewport = studio.tools["segment"], studio.canvas.viewport
    assert tool.decoration(viewport).isEmpty()
    studio.worker.segments = "later"
    studio.click(*ONE)
    assert tool.decoration(viewport).contains(80, 100)
    studio.type(Qt.Key.Key_Escape)
    assert tool.decoration(viewport).isEmpty()
    studio.worker.answer()
    assert studio.labels == []


def test_nothing_found_is_said(studio: Studio) -> None:
    studio.click(-20, -20)  # beside the picture
    assert studio.labels == []
    assert studio.notices[0].advice


def test_a_click_can_be_painted_as_strength(studio: Studio) -> None:
    studio.take("segment", shape_target="strength", value=0.4)
    studio.click(*ONE)
    assert studio.map("strength")[100, 80] == pytest.approx(0.4)
    assert studio.document.selection.blank
    assert studio.labels == ["Fill strength"]


@pytest.mark.parametrize("target", ["cutout", "selection"])
def test_a_click_cuts_an_exemplar_out(qtbot: QtBot, target: Target) -> None:
    """The exemplar's own picture is looked at, wherever and however it lies; also where nobody said that shapes are for cut-outs."""
    exemplar = Exemplar.of("discs", discs(), Placement(150, 100, 0.5, 0.5, 90))
    studio = Studio(qtbot, plain().adding_exemplar(exemplar))
    studio.session.activate(exemplar=studio.document.exemplars[0].id)
    studio.take("segment", shape_target=target)
    studio.click(150, 65)  # 35 px above the middle: 70 px to its left
    found = studio.document.exemplars[0].cutout.read()
    rows, columns = np.mgrid[:200, :300] + 0.5
    wanted = np.hypot(columns - ONE[0], rows - ONE[1]) < 40
    assert ((found >= 0.5) & wanted).sum() > 0.9 * ((found >= 0.5) | wanted).sum()
    assert studio.labels == ["Cut out"]


def test_beside_the_active_exemplar_a_click_selects_in_the_picture(qtbot: QtBot) -> None:
    exemplar = Exemplar.of("discs", discs(), Placement(*TWO, 0.3, 0.3))
    studio = Studio(qtbot, Document.of_picture(discs()).adding_exemplar(exemplar))
    studio.session.activate(exemplar=studio.document.exemplars[0].id)
    studio.take("segment")
    studio.click(*ONE)
    assert studio.labels == ["Select"]
    assert studio.document.exemplars[0].cutout is exemplar.cutout
    hidden = replace(studio.document.exemplars[0], visible=False)
    studio.session.commit("Hide", studio.document.with_exemplar(hidden))
    studio.click(*TWO)
    assert studio.labels == ["Select", "Hide", "Select"]


def test_a_click_redraws_a_moved_item(qtbot: QtBot) -> None:
    document = with_item(Document.of_picture(discs()), Rect(60, 80, 100, 120))
    item = replace(document.items[0], placement=Placement(220, 100))
    studio = Studio(qtbot, document.with_item(item))
    studio.session.activate(item=item.id)
    studio.take("segment", shape_target="item")
    studio.click(*TWO)
    found = studio.document.items[0]
    assert found.mask.read()[100, 80] == 1  # it rests 140 px farther left
    assert found.placement is not None
    assert found.bounds.intersect(Rect(180, 60, 260, 140)).size.area > 5500


def test_ctrl_click_takes_the_same_colour_that_hangs_together(studio: Studio) -> None:
    studio.click(*ONE, CTRL)
    assert covers(studio, ONE)
    studio.click(*TWO, CTRL | SHIFT)
    assert covers(studio, ONE, TWO)
    assert studio.labels == ["Select", "Add to selection"]
    assert studio.worker.segmenting == []
    studio.click(-20, -20, CTRL)
    assert len(studio.labels) == 2


@pytest.mark.parametrize("held", [CTRL, NONE])
def test_a_click_with_the_picture_out_of_sight_says_so(studio: Studio, held: Qt.KeyboardModifier) -> None:
    studio.canvas.navigation.set_viewport(replace(studio.canvas.viewport, x=-5000.0, y=-5000.0))
    studio.click(-5000, -5000, held)
    assert studio.notices[-1].message == "There is no picture to look at."
    assert studio.labels == []


def test_dragging_it_widens_and_narrows_the_colours_live(studio: Studio) -> None:
    studio.press(*ONE, CTRL)
    studio.move(ONE[0] - 90, ONE[1], CTRL)  # nothing but the very same colour
    few = studio.map("selection").sum()
    studio.move(ONE[0] + 700, ONE[1], CTRL)
    everything = studio.map("selection").sum()
    assert studio.in_gesture()
    assert 0 < few < 0.2 * math.pi * 40**2
    assert everything == 300 * 200
    studio.type(Qt.Key.Key_Escape)
    assert studio.document.selection.blank


def test_a_region_of_one_colour_is_filled_with_strength(studio: Studio) -> None:
    studio.take("segment", shape_target="strength", value=0.7)
    studio.click(*ONE, CTRL)
    assert studio.map()[100, 80] == np.float32(0.7)
    assert studio.map()[100, 220] == 0
    assert studio.labels == ["Fill strength"]


def test_only_what_is_near_the_screen_is_looked_at(qtbot: QtBot) -> None:
    studio = Studio(qtbot, Document.of_picture(discs(1500, 1000, 5.0)))
    studio.canvas.resize(300, 200)
    studio.look(zoom=1.0, x=400, y=500)
    studio.take("segment")
    studio.click(400, 450)
    request = studio.worker.segmenting[0][0]
    assert request.rect == Rect(250 - 75, 400 - 75, 550 + 75, 600 + 75)
    studio.look(zoom=0.2, x=750, y=500)
    studio.click(400, 450)
    assert studio.worker.segmenting[1][0].rect == studio.document.rect
    found = studio.map("selection") >= 0.5
    rows, columns = np.mgrid[:1000, :1500] + 0.5
    wanted = np.hypot(columns - 400, rows - 500) < 200
    assert (found & wanted).sum() > 0.97 * (found | wanted).sum()


@pytest.mark.parametrize("rect", [Rect(0, 0, 4800, 3200), Rect(333, 190, 4711, 3001), Rect(130, 129, 1900, 1700)])
def test_a_large_picture_is_reduced_in_place(rect: Rect) -> None:
    """Slanting light, laid half over another layer: every reduced pixel has about the value of what it stands for."""
    pixels = np.zeros((3200, 4800, 4), np.uint8)
    pixels[..., 0] = np.linspace(0, 250, 4800)
    pixels[..., 1] = np.linspace(0, 250, 3200)[:, None]
    pixels[..., 3] = 255
    document = Document.of_picture(np.full((3200, 4800, 4), 255, np.uint8))
    over = Document.of_picture(pixels).layers[0]
    image = reduced_picture(document.adding_layer(replace(over, opacity=0.5)), rect)
    height, width = image.shape[:2]
    assert 0.5 * MAX_PIXELS < height * width <= MAX_PIXELS
    x = rect.left + (np.arange(width) + 0.5) * rect.width / width
    y = rect.top + (np.arange(height) + 0.5) * rect.height / height
    assert np.abs(image[height // 2, :, 0] - (127.5 + x / 4800 * 125)).max() < 2
    assert np.abs(image[:, width // 2, 1] - (127.5 + y / 3200 * 125)).max() < 2


def test_the_rim_stays_sharp_on_a_large_picture(qtbot: QtBot) -> None:
    document = Document.of_picture(discs(2400, 1600, 8.0))
    studio = Studio(qtbot, document)
    studio.canvas.resize(600, 400)
    studio.look(zoom=0.25, x=1200, y=800)
    studio.take("segment")
    studio.click(640, 800)
    found = studio.map("selection")
    rows, columns = np.mgrid[:1600, :2400] + 0.5
    distance = np.hypot(columns - 640, rows - 800)
    assert ((found >= 0.5) ^ (distance < 320)).sum() < 0.02 * (distance < 320).sum()
    assert ((found > 0.05) & (found < 0.95)).sum() < 6 * 2 * np.pi * 320


def test_the_picture_is_flattened_once(studio: Studio) -> None:
    studio.click(*ONE)
    studio.click(*TWO, SHIFT)
    assert studio.worker.segmenting[0][0].image is studio.worker.segmenting[1][0].image
    layer = replace(studio.document.layers[0], opacity=0.5)
    studio.session.commit("Fade", studio.document.with_layer(layer))
    studio.click(*ONE)
    assert studio.worker.segmenting[2][0].image is not studio.worker.segmenting[0][0].image
