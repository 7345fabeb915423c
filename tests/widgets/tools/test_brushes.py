"""The brushes, with real pointer, pen and key events on the canvas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QInputDevice, QPointingDevice, QTabletEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from editor.document.brush import Brush
from editor.document.contents import Layer
from editor.geometry import Placement, Rect
from tests.support.tool_driver import ALT, CTRL, SHIFT, Studio, plain, with_exemplar, with_item
from widgets.session.notice import Notice
from widgets.session.options import StrengthMode, Target

HARD = Brush(size=40, hardness=1.0, smoothing=0.0)


@pytest.fixture
def studio(qtbot: QtBot) -> Studio:
    made = Studio(qtbot, plain())
    made.session.set_options(strength_brush=HARD, paint_brush=HARD)
    return made


def test_one_stroke_is_one_step_with_the_value_in_hand(studio: Studio) -> None:
    studio.take("strength", value=0.6)
    before = studio.document
    studio.drag((60, 100), (150, 100), (240, 100))
    found = studio.map()
    assert studio.labels == ["Paint strength"]
    assert found[100, 150] == np.float32(0.6)
    assert found[100, 60] == np.float32(0.6)
    assert found[150, 150] == 0
    assert studio.document.layers is before.layers
    studio.session.undo()
    assert studio.document is before


def test_the_stroke_is_seen_before_the_button_is_let_go(studio: Studio) -> None:
    studio.take("strength")
    studio.press(100, 100)
    studio.move(160, 100)
    assert studio.in_gesture()
    assert studio.map()[100, 110] == 1
    assert studio.labels == []
    studio.type(Qt.Key.Key_Escape)
    assert not studio.in_gesture()
    assert not studio.map().any()
    studio.release(160, 100)
    assert studio.labels == []


@pytest.mark.parametrize(
    ("target", "mode", "label", "value"),
    [
        ("strength", "set", "Paint strength", 0.5),
        ("strength", "lighten", "Lighten strength", 0.5),
        ("strength", "darken", "Darken strength", 0.3),
        ("strength", "clear", "Erase strength", 0.0),
        ("protect", "set", "Protect", 1.0),
        ("protect", "clear", "Unprotect", 0.0),
        ("avoid", "set", "Mark as do-not-copy", 1.0),
        ("selection", "set", "Paint selection", 1.0),
    ],
)
def test_modes_and_targets(studio: Studio, target: Target, mode: StrengthMode, label: str, value: float) -> None:
    assert target in ("strength", "protect", "avoid", "selection")
    start = np.full((200, 300), 0.3, np.float32)
    studio.session.commit("Start", studio.document.with_map(target, studio.document.empty_map().write(0, 0, start)))
    studio.take("strength", strength_target=target, mode=mode, value=0.5)
    studio.drag((100, 100), (140, 100))
    assert studio.labels[-1] == label
    found = studio.map(target)
    assert found[100, 120] == np.float32(value)
    assert found[20, 20] == np.float32(0.3)


def test_smoothing_evens_out(studio: Studio) -> None:
    steps = np.zeros((200, 300), np.float32)
    steps[:, 150:] = 1
    studio.session.commit("Start", studio.document.with_strength(studio.document.empty_map().write(0, 0, steps)))
    studio.take("strength", mode="smooth")
    studio.drag((130, 100), (170, 100))
    found = studio.map()
    assert studio.labels[-1] == "Smooth strength"
    assert 0.2 < found[100, 149] < 0.5 < found[100, 150] < 0.8
    assert found[100, 100] == 0
    assert found[20, 150] == 1


def test_the_brush_paints_pixels_and_the_eraser_takes_them_away(studio: Studio) -> None:
    studio.take("paint", colour=(10, 200, 30))
    studio.drag((60, 60), (100, 60))
    assert studio.document.layers[0].pixels.read()[60, 80].tolist() == [10, 200, 30, 255]
    studio.take("erase")
    studio.drag((80, 60), (82, 60))
    assert studio.document.layers[0].pixels.read()[60, 80].tolist() == [0, 0, 0, 0]
    assert studio.labels == ["Paint", "Erase"]


def test_painting_on_the_active_layer_only(studio: Studio) -> None:
    document = studio.document
    studio.session.commit("Add", document.adding_layer(Layer.empty(0, "Sketch", document.size)))
    studio.session.activate_layer(studio.document.layers[1].id)
    studio.take("paint", colour=(1, 2, 3))
    studio.drag((60, 60), (100, 60))
    assert studio.document.layers[0].pixels is document.layers[0].pixels
    assert studio.document.layers[1].pixels.read()[60, 80].tolist() == [1, 2, 3, 255]


def test_a_hidden_layer_is_not_painted_on(studio: Studio) -> None:
    layer = studio.document.layers[0]
    studio.session.commit("Hide", studio.document.with_layer(replace(layer, visible=False)))
    studio.take("paint")
    studio.drag((60, 60), (100, 60))
    assert studio.labels == ["Hide"]
    assert "hidden" in studio.notices[0].message


@pytest.mark.parametrize(("eraser", "painted"), [(False, 1.0), (True, 0.0)])
def test_pen_pressure_and_the_other_end(studio: Studio, eraser: bool, painted: float) -> None:
    if eraser:
        full = np.ones((200, 300), np.float32)
        studio.session.commit("Start", studio.document.with_strength(studio.document.empty_map().write(0, 0, full)))
    studio.take("strength")
    for kind, x, pressure in (
        (QEvent.Type.TabletPress, 100, 0.5),
        (QEvent.Type.TabletMove, 150, 0.5),
        (QEvent.Type.TabletRelease, 150, 0.0),
    ):
        _pen(studio, kind, x, pressure=pressure, eraser=eraser)
    found = studio.map()
    assert studio.labels[-1] == ("Erase strength" if eraser else "Paint strength")
    assert found[100, 125] == painted
    assert found[107, 125] == painted  # half the pressure, half the size: 10 px to either side
    assert found[114, 125] == 1 - painted


def _pen(studio: Studio, kind: QEvent.Type, x: float, *, pressure: float, eraser: bool) -> None:
    at = QPointF(*studio.canvas.viewport.to_screen(x, 100))
    pointer = QPointingDevice.PointerType.Eraser if eraser else QPointingDevice.PointerType.Pen
    device = QPointingDevice("pen", 1, QInputDevice.DeviceType.Stylus, pointer, QInputDevice.Capability.Pressure, 1, 3)
    held, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    button = none if kind == QEvent.Type.TabletMove else held
    event = QTabletEvent(
        kind,
        device,
        at,
        studio.canvas.mapToGlobal(at),
        pressure,
        0,
        0,
        0.0,
        0.0,
        0.0,
        Qt.KeyboardModifier.NoModifier,
        button,
        none if kind == QEvent.Type.TabletRelease else held,
    )
    QApplication.sendEvent(studio.canvas, event)


def test_with_an_exemplar_active_its_own_strength_is_painted(qtbot: QtBot) -> None:
    """Twice as large, turned by a quarter: a place on screen is found in the exemplar's own pixels."""
    document = with_exemplar(plain(), 60, 40, Placement(150, 100, 2.0, 2.0, 90.0))
    studio = Studio(qtbot, document)
    studio.session.activate(exemplar=document.exemplars[0].id)
    studio.take("strength", value=0.25, strength_brush=replace(HARD, size=16))
    studio.drag((130, 60), (130, 61))
    exemplar = studio.document.exemplars[0]
    found = exemplar.strength_map.read()
    changed = np.argwhere(found < 1)
    assert found.min() == np.float32(0.25)
    # Forty pixels above the middle is twenty to its left there; twenty to the left is ten below.
    assert np.allclose(changed.mean(axis=0) + 0.5, (30, 10), atol=0.6)
    assert np.ptp(changed[:, 0]) + 1 == pytest.approx(8, abs=1)  # 16 px on screen are 8 of its own
    assert studio.labels == ["Paint influence"]
    assert studio.document.strength.blank
    studio.take("strength", strength_target="cutout", mode="clear")
    studio.drag((170, 100), (170, 101))
    assert studio.document.exemplars[0].cutout.read()[10, 30] == 0
    assert studio.labels[-1] == "Erase cut-out"


def test_a_stroke_beside_the_exemplar_that_is_painted_on_says_so(qtbot: QtBot) -> None:
    document = with_exemplar(plain(), 60, 40, Placement(150, 100))
    studio = Studio(qtbot, document)
    studio.session.activate(exemplar=document.exemplars[0].id)
    heard: list[Notice] = []
    studio.session.noticed.connect(heard.append)
    studio.take("strength", strength_brush=replace(HARD, size=16))
    studio.drag((30, 30), (50, 30))
    assert studio.labels == []
    name = document.exemplars[0].name
    assert [notice.message for notice in heard] == [
        f"Nothing was painted: you paint on “{name}”, and that is beside it."
    ]
    studio.drag((30, 100), (150, 100))
    assert studio.labels == ["Paint influence"]
    assert len(heard) == 1


def test_painting_a_moved_item_follows_it(qtbot: QtBot) -> None:
    document = with_item(plain(), Rect(40, 40, 80, 80))
    item = replace(document.items[0], placement=Placement(200, 60))
    studio = Studio(qtbot, document.with_item(item))
    studio.session.activate(item=item.id)
    studio.take("strength", strength_target="item", strength_brush=replace(HARD, size=20))
    studio.drag((225, 60), (226, 60))
    found = studio.document.items[0]
    mask = found.mask.read()
    assert mask[60, 85] == 1  # 140 px to the left, where it rests
    assert mask[60, 225] == 0
    assert found.rect.right > 90
    assert found.placement is not None
    assert found.placement.x - found.rect.centre.x == pytest.approx(140)
    assert found.placement.y == pytest.approx(60)


@pytest.mark.parametrize("target", ["item", "cutout", "exemplar_strength", "exemplar_fidelity"])
def test_what_is_missing_is_said(studio: Studio, target: Target) -> None:
    studio.take("strength", strength_target=target)
    studio.drag((60, 60), (100, 60))
    assert studio.labels == []
    assert studio.notices[0].message.startswith("No ")
    assert studio.notices[0].advice


def test_digits_set_the_value_and_alt_picks_it(studio: Studio) -> None:
    studio.take("strength")
    studio.type(Qt.Key.Key_4, text="4")
    assert studio.session.options.value == 0.4
    studio.drag((60, 100), (100, 100))
    studio.type(Qt.Key.Key_0, text="0")
    assert studio.session.options.value == 1.0
    studio.click(80, 100, ALT)
    assert studio.session.options.value == pytest.approx(0.4)
    assert studio.labels == ["Paint strength"]


def test_alt_picks_a_colour_and_digits_set_the_opacity(studio: Studio) -> None:
    studio.take("paint")
    studio.click(80, 100, ALT)
    assert studio.session.options.colour == (120, 120, 120)
    studio.type(Qt.Key.Key_3, text="3")
    assert studio.session.options.paint_brush.opacity == 0.3


def test_keys_and_the_right_button_change_the_brush(studio: Studio) -> None:
    studio.take("strength")
    studio.type(Qt.Key.Key_BracketRight, text="]")
    assert studio.session.options.brush.size == 46
    studio.type(Qt.Key.Key_BracketLeft, text="[")
    assert studio.session.options.brush.size == 40
    studio.type(Qt.Key.Key_BraceLeft, SHIFT, text="{")
    assert studio.session.options.brush.hardness == pytest.approx(0.9)
    studio.type(Qt.Key.Key_BraceRight, SHIFT, text="}")
    assert studio.session.options.brush.hardness == 1.0
    studio.drag((100, 100), (130, 100), right=True)
    assert studio.session.options.brush.size == 100
    studio.drag((100, 100), (100, 140), right=True)
    assert studio.session.options.brush.hardness == pytest.approx(0.8)
    studio.drag((290, 100), (0, 100), right=True)
    assert studio.session.options.brush.size == 1
    assert studio.labels == []
    studio.type(Qt.Key.Key_4, CTRL, text="4")
    assert studio.session.options.value == 1.0


def test_shift_click_draws_a_straight_line(studio: Studio) -> None:
    studio.take("strength")
    studio.click(60, 60)
    studio.click(240, 60, SHIFT)
    assert (studio.map()[60, 60:240] == 1).all()
    assert studio.labels == ["Paint strength", "Paint strength"]


def test_a_stroke_beside_the_picture_is_no_step(studio: Studio) -> None:
    studio.take("strength")
    studio.drag((-200, -200), (-150, -200))
    assert studio.labels == []
    assert not studio.in_gesture()


def test_the_ring_stays_inside_what_is_repainted(studio: Studio) -> None:
    """`decoration` is all that the canvas repaints, so nothing may be drawn outside it, and it should not be much larger."""
    studio.take("strength", value=0.3)
    for size in (1, 6, 40, 150):
        studio.session.set_brush(size=size, hardness=0.5)
        studio.move(150, 100)
        rows, columns = studio.drawn("strength")
        rect = studio.tools["strength"].decoration(studio.canvas.viewport)
        assert rect.left() <= columns.min()
        assert columns.max() <= rect.right()
        assert rect.top() <= rows.min()
        assert rows.max() <= rect.bottom()
        assert rect.width() <= max(size, 12) + 20
    studio.tools["strength"].leave()
    assert studio.tools["strength"].decoration(studio.canvas.viewport).isEmpty()
