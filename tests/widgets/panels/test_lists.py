"""The panels of items, exemplars, layers and history."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QEnterEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from editor.edits.apply import apply_result
from editor.geometry import Rect
from editor.methods.pixels.settings import PixelsSettings
from editor.requests.edit_request import Subject
from editor.requests.method_settings import UnknownSettings
from editor.requests.results import Recipe
from tests.support.session_cases import CTRL, NONE, drag, model, painted, picture, result, with_exemplars, with_items
from tests.support.stub_worker import StubWorker
from widgets.controls.rows import NameEdit, Row, Rows
from widgets.controls.slider import Slider
from widgets.panels.history import HistoryPanel
from widgets.panels.layers import LayersPanel, recipe_words
from widgets.panels.things import ExemplarsPanel, ItemsPanel
from widgets.session import run_actions
from widgets.session.notice import Notice
from widgets.session.session import Session

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    document = with_exemplars(with_items(picture(), "Cat", "Dog"), "Boat", "Moon", "Sun")
    return Session(document, worker)


def shown(qtbot: QtBot, panel: QWidget) -> None:
    qtbot.addWidget(panel)
    panel.resize(288, 400)
    panel.show()
    qtbot.waitExposed(panel)


def names(rows: Rows) -> list[str]:
    return [row.name for id in rows.ids if (row := rows.row(id)) is not None]


def row(rows: Rows, name: str) -> Row:
    return next(found for id in rows.ids if (found := rows.row(id)) is not None and found.name == name)


def button(widget: QWidget, name: str) -> QToolButton:
    return next(each for each in widget.findChildren(QToolButton) if each.accessibleName() == name)


def type_name(of: Row, name: str, end: Qt.Key) -> None:
    QTest.mouseDClick(of, LEFT, NONE, QPoint(60, 10))
    field = of.findChild(NameEdit)
    assert isinstance(field, NameEdit)
    field.selectAll()
    QTest.keyClicks(field, name)
    QTest.keyClick(field, end)


def test_items_are_chosen_renamed_hidden_and_removed(qtbot: QtBot, session: Session, worker: StubWorker) -> None:
    panel = ItemsPanel(session)
    shown(qtbot, panel)
    assert names(panel.rows) == ["Cat", "Dog"]
    dog = row(panel.rows, "Dog")
    QTest.mouseClick(dog, LEFT, NONE, QPoint(60, 10))
    assert session.draft.item == dog.id
    type_name(dog, "Wolf", Qt.Key.Key_Return)
    assert names(panel.rows) == ["Cat", "Wolf"]
    assert session.history.entries[-1].label == "Rename “Dog”"
    type_name(dog, "Fox", Qt.Key.Key_Escape)
    assert names(panel.rows) == ["Cat", "Wolf"]
    QTest.mouseClick(button(dog, "Hide"), LEFT)
    assert not session.document.items[1].visible
    assert button(dog, "Show").isVisible()
    remove = next(each for each in dog.findChildren(QPushButton) if each.text() == "Remove")
    QTest.mouseClick(remove, LEFT)
    assert [plan.label for plan in worker.ran] == ["Remove “Wolf”"]


def pointed(session: Session) -> int | None:
    return session.view.pointed


def test_pointing_at_an_item_brings_it_out_on_the_canvas(qtbot: QtBot, session: Session) -> None:
    panel = ItemsPanel(session)
    shown(qtbot, panel)
    cat = row(panel.rows, "Cat")
    at = QPointF(cat.rect().center())
    QApplication.sendEvent(cat, QEnterEvent(at, at, cat.mapToGlobal(at)))
    assert pointed(session) == cat.id
    QApplication.sendEvent(cat, QEvent(QEvent.Type.Leave))
    assert pointed(session) is None


def test_the_keyboard_walks_renames_and_removes(qtbot: QtBot, session: Session, worker: StubWorker) -> None:
    panel = ItemsPanel(session)
    shown(qtbot, panel)
    panel.rows.setFocus()
    QTest.keyClick(panel.rows, Qt.Key.Key_Down)
    QTest.keyClick(panel.rows, Qt.Key.Key_Down)
    assert session.draft.item == session.document.items[1].id
    QTest.keyClick(panel.rows, Qt.Key.Key_Up)
    assert session.draft.item == session.document.items[0].id
    QTest.keyClick(panel.rows, Qt.Key.Key_F2)
    assert row(panel.rows, "Cat").findChild(NameEdit) is not None
    QTest.keyClick(panel.rows, Qt.Key.Key_Delete)
    assert worker.ran[-1].label == "Remove “Cat”"


def test_an_empty_list_says_what_to_do(qtbot: QtBot, worker: StubWorker) -> None:
    panel = ItemsPanel(Session(picture(), worker))
    shown(qtbot, panel)
    assert panel.rows.ids == []
    assert any("make it an item" in label.text() for label in panel.findChildren(type(panel.rows._hint)))


def test_exemplars_are_put_in_order_by_dragging_the_topmost_first(qtbot: QtBot, session: Session) -> None:
    panel = ExemplarsPanel(session)
    shown(qtbot, panel)
    assert names(panel.rows) == ["Sun", "Moon", "Boat"]
    boat, sun = row(panel.rows, "Boat"), row(panel.rows, "Sun")
    up = QPointF(60, sun.y() + 2 - boat.y())
    drag(boat, QPointF(60, 20), QPointF(60, 0), up)
    assert names(panel.rows) == ["Boat", "Sun", "Moon"]
    assert [exemplar.name for exemplar in session.document.exemplars] == ["Moon", "Sun", "Boat"]
    panel.rows.setFocus()
    QTest.keyClick(panel.rows, Qt.Key.Key_Down, CTRL)
    assert names(panel.rows) == ["Sun", "Boat", "Moon"]
    session.undo()
    session.undo()
    assert names(panel.rows) == ["Sun", "Moon", "Boat"]


def test_an_exemplar_has_its_own_strength_one_step_for_a_drag(qtbot: QtBot, session: Session) -> None:
    panel = ExemplarsPanel(session)
    shown(qtbot, panel)
    moon = row(panel.rows, "Moon")
    QTest.mouseClick(moon, LEFT, NONE, QPoint(60, 10))
    strength = moon.findChild(Slider)
    assert isinstance(strength, Slider)
    assert strength.isVisible()
    steps = len(session.history.entries)
    width = strength.width()
    drag(strength, QPointF(width * 0.9, 14), QPointF(width * 0.7, 14), QPointF(width / 2, 14))
    assert session.document.exemplars[1].strength == pytest.approx(0.5, abs=0.02)
    assert len(session.history.entries) == steps + 1
    QTest.mouseClick(button(moon, "Flip left to right"), LEFT)
    assert session.document.exemplars[1].placement.scale_x == -1
    QTest.mouseClick(button(moon, "Paint its cut-out"), LEFT)
    assert (session.options.tool, session.options.strength_target) == ("strength", "cutout")
    QTest.mouseClick(button(moon, "Delete the reference picture"), LEFT)
    assert [exemplar.name for exemplar in session.document.exemplars] == ["Boat", "Sun"]


def test_layers_have_opacity_blend_mode_and_doubt(qtbot: QtBot, session: Session) -> None:
    panel = LayersPanel(session)
    shown(qtbot, panel)
    label, document = apply_result(session.document, result(7, doubt=0.8), session.document)
    session.commit(label, document)
    assert names(panel.rows) == ["Fill", "Background"]
    fill = row(panel.rows, "Fill")
    QTest.mouseClick(fill, LEFT, NONE, QPoint(60, 10))
    assert session.active_layer == fill.id
    assert button(fill, "Look closely").isVisible()
    opacity = fill.findChild(Slider)
    assert isinstance(opacity, Slider)
    drag(opacity, QPointF(opacity.width() - 2, 14), QPointF(opacity.width() / 2, 14))
    assert session.document.layers[-1].opacity == pytest.approx(0.5, abs=0.02)
    blend = button(fill, "Blend mode: Normal")
    QTest.keyClick(blend, Qt.Key.Key_Down)
    assert session.document.layers[-1].blend == "multiply"
    assert "Multiply" in fill.accessibleName()
    QTest.mouseClick(button(fill, "Delete the layer"), LEFT)
    assert names(panel.rows) == ["Background"]
    (add,) = panel.header_buttons
    QTest.mouseClick(add, LEFT)
    assert len(session.document.layers) == 2
    assert session.active_layer == session.document.layers[-1].id


def test_a_recipe_can_be_read() -> None:
    words = recipe_words(result(42).recipe)
    assert words.splitlines()[0] == "Filled with Quick fill"
    assert "seed: 42" in words
    assert "Margin: 7\u202fpx" in words
    assert "Model" not in words


def test_a_recipe_with_a_model_says_what_it_was_given() -> None:
    recipe = Recipe(
        PixelsSettings(passes="one_by_one"),
        "blend",
        Rect(0, 0, 64, 64),
        7,
        prompt="a red boat",
        negative_prompt="people",
        model="/models/sd15",
        steps=25,
        guidance_scale=6.5,
        sampler="dpmpp_2m",
        strength=0.45,
    )
    assert recipe_words(recipe).splitlines()[:8] == [
        "Blended with PIXELS",
        "Model: sd15",
        "Prompt: a red boat",
        "Not: people",
        "Overall strength: 45%, seed: 7",
        "Steps: 25, follow the words (guidance): 6.5",
        "Sampler: DPM++ 2M",
        "References: One by one",
    ]


def test_a_layer_by_an_unknown_method_is_listed_and_not_what_a_new_edit_begins_with(
    qtbot: QtBot, worker: StubWorker
) -> None:
    made = Recipe(UnknownSettings(method="DragSettings"), "fill", Rect(0, 0, 64, 64), 7, prompt="a red boat")
    document = picture()
    layer = replace(document.layers[0], recipe=made)
    session = Session(document.adding_layer(layer), worker)
    panel = LayersPanel(session)
    shown(qtbot, panel)
    assert session.draft.prompt == ""
    assert not isinstance(session.draft.settings, UnknownSettings)
    assert "does not have" in recipe_words(made).splitlines()[0]
    run_actions.run_again(session, session.history.document.layers[-1].id)
    assert session.history.document.rerun is None


def test_an_edit_is_run_again_from_its_layer(qtbot: QtBot, worker: StubWorker) -> None:
    worker.known = [model(), model("Juggernaut", "stable-diffusion-xl")]
    session = Session(painted(picture()), worker)
    notices: list[Notice] = []
    session.noticed.connect(notices.append)
    panel = LayersPanel(session)
    shown(qtbot, panel)
    settings = PixelsSettings(feather=4.0)
    made = replace(
        result(5),
        recipe=replace(
            result().recipe, settings=settings, seed=5, prompt="a boat", model=worker.known[1].key, strength=0.6
        ),
    )
    session.commit(*apply_result(session.document, made, session.document))
    layer = session.document.layers[-1]
    session.activate_layer(layer.id)
    again = button(row(panel.rows, layer.name), "Run again with changes")
    assert again.isEnabled()
    session.commit("Paint", painted(session.document))
    session.run()
    assert not again.isEnabled()  # one thing at a time
    session.discard()
    QTest.mouseClick(again, LEFT)
    assert session.history.entries[-1].label == f"Reopen: {layer.name}"
    draft = session.draft
    assert (draft.settings, draft.prompt, draft.seed, draft.strength) == (settings, "a boat", 5, 0.6)
    assert draft.model == worker.known[1]
    assert session.document.strength.read()[60, 60] == 1
    assert not session.document.layers[-1].visible
    session.undo()
    del worker.known[1]
    session.follow_models()
    QTest.mouseClick(again, LEFT)
    assert session.draft.model == worker.known[0]
    assert [notice.message for notice in notices] == ["The model that made it is not here."]


def test_what_cannot_be_run_again_says_why(qtbot: QtBot, session: Session) -> None:
    panel = LayersPanel(session)
    shown(qtbot, panel)
    made = replace(
        result(), recipe=replace(result().recipe, action="remove", subjects=(Subject(session.document.items[0].id),))
    )
    session.commit(*apply_result(session.document, made, session.document))
    layer = session.document.layers[-1]
    session.activate_layer(layer.id)
    again = button(row(panel.rows, layer.name), "Run again with changes")
    assert not again.isEnabled()
    assert again.toolTip() == "Run again with changes\nThe item it removed is gone."
    background = row(panel.rows, "Background")
    assert button(background, "Run again with changes").isHidden()


def test_thumbnails_come_a_moment_later_and_follow_the_picture(qtbot: QtBot, session: Session) -> None:
    panel = LayersPanel(session)
    shown(qtbot, panel)
    background = row(panel.rows, "Background")
    qtbot.waitUntil(lambda: panel._pictured.get(background.id) is session.document.layers[0].pixels)
    before = background.thumbnail.grab().toImage()
    layer = session.document.layers[0]
    white = layer.pixels.apply(layer.pixels.rect, lambda part, view: view.fill(255))
    session.commit("Paint", session.document.with_layer(replace(layer, pixels=white)))
    qtbot.waitUntil(lambda: panel._pictured.get(background.id) is white)
    assert background.thumbnail.grab().toImage() != before


def test_nothing_is_refreshed_during_a_gesture(qtbot: QtBot, session: Session) -> None:
    panel = ItemsPanel(session)
    shown(qtbot, panel)
    session.show(with_items(session.document, "Bird"))
    assert names(panel.rows) == ["Cat", "Dog"]
    session.commit("Add", session.document)
    assert names(panel.rows) == ["Cat", "Dog", "Bird"]


def test_history_lists_the_steps_and_goes_there(qtbot: QtBot, session: Session) -> None:
    panel = HistoryPanel(session)
    shown(qtbot, panel)
    session.commit("One", with_items(session.document, "Bird"))
    session.commit("Two", with_items(session.document, "Fish"))
    model = panel.list.model()
    assert [model.index(at, 0).data() for at in range(model.rowCount())] == ["Open", "One", "Two"]
    assert panel.list.currentIndex().row() == 2
    QTest.mouseClick(panel.list.viewport(), LEFT, NONE, panel.list.visualRect(model.index(0, 0)).center())
    assert session.history.index == 0
    assert model.rowCount() == 3
    session.redo()
    assert panel.list.currentIndex().row() == 1
    panel.list.setFocus()
    QTest.keyClick(panel.list, Qt.Key.Key_Down)
    assert session.history.index == 2
    session.undo()
    session.commit("Three", with_items(session.document, "Frog"))
    assert [model.index(at, 0).data() for at in range(model.rowCount())] == ["Open", "One", "Three"]
