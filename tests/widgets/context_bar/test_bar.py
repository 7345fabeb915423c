"""The bar over the canvas follows the tool and the active thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from editor.diffusion.families.registry import FAMILIES
from editor.document.contents import Exemplar
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.models.info import ModelInfo
from tests.support.session_cases import drag, picture, with_exemplars, with_items
from tests.support.stub_worker import StubWorker
from widgets.context_bar.bar import ContextualBar
from widgets.context_bar.item_pages import ExemplarPage, HintPage, ItemPage
from widgets.context_bar.pages import GradientPage, SelectBrushPage, ShapePage, StrengthPage
from widgets.context_bar.paint_page import PaintPage
from widgets.controls.choice import Choice
from widgets.controls.slider import Slider
from widgets.session import commands, run_actions
from widgets.session.options import ToolName
from widgets.session.session import Session

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    return Session(with_exemplars(with_items(picture(), "Cat"), "Boat"), worker)


@pytest.fixture
def bar(session: Session, qtbot: QtBot) -> ContextualBar:
    made = ContextualBar(session)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    return made


def slider(bar: ContextualBar, name: str) -> Slider:
    assert bar.page is not None
    return next(each for each in bar.page.findChildren(Slider) if each.accessibleName() == name)


def button(bar: ContextualBar, name: str) -> QPushButton | QToolButton:
    assert bar.page is not None
    found: list[QPushButton | QToolButton] = [
        *bar.page.findChildren(QPushButton),
        *bar.page.findChildren(QToolButton),
    ]
    return next(each for each in found if name in (each.text(), each.accessibleName()))


@pytest.mark.parametrize(
    ("tool", "page"),
    [
        ("strength", StrengthPage),
        ("gradient", GradientPage),
        ("paint", PaintPage),
        ("erase", PaintPage),
        ("select_brush", SelectBrushPage),
        ("lasso", ShapePage),
        ("segment", ShapePage),
        ("move", HintPage),
    ],
)
def test_each_tool_has_its_page(bar: ContextualBar, session: Session, tool: ToolName, page: type) -> None:
    session.set_options(tool=tool)
    assert type(bar.page) is page
    assert not bar.isHidden()


def test_it_hides_when_there_is_nothing_to_set(bar: ContextualBar, session: Session) -> None:
    session.set_options(tool="hand")
    assert bar.page is None
    assert bar.isHidden()


def test_the_brush_is_set_live(bar: ContextualBar, session: Session) -> None:
    value = slider(bar, "Strength")
    drag(value, QPointF(10, 14), QPointF(value.width() / 2, 14))
    assert session.options.value == pytest.approx(0.5, abs=0.01)
    size = slider(bar, "Size")
    drag(size, QPointF(10, 14), QPointF(size.width(), 14))
    assert session.options.strength_brush.size == 2000
    assert session.options.paint_brush.size == 40
    session.set_brush(size=64)
    assert size.text == "64\u202fpx"


def test_strength_cannot_be_set_where_it_means_nothing(bar: ContextualBar, session: Session) -> None:
    session.set_options(mode="smooth")
    assert not slider(bar, "Strength").isEnabled()
    session.set_options(mode="set", strength_target="protect")
    assert not slider(bar, "Strength").isVisible()


def test_a_selection_offers_what_comes_next(bar: ContextualBar, session: Session) -> None:
    session.set_options(tool="lasso")
    assert not button(bar, "Make item").isVisible()
    commands.select_all(session)
    QTest.mouseClick(button(bar, "Make item"), LEFT)
    assert session.document.items[-1].name == "Item 1"
    assert type(bar.page) is ItemPage


def test_an_active_item_can_be_removed_and_its_hole_widened(
    bar: ContextualBar, session: Session, worker: StubWorker
) -> None:
    session.set_options(tool="move")
    session.activate(item=session.document.items[0].id)
    grow = slider(bar, "Margin")
    drag(grow, QPointF(10, 14), QPointF(grow.width(), 14))
    assert session.draft.settings.margin == 200
    assert not button(bar, "Put back").isEnabled()
    QTest.mouseClick(button(bar, "Remove"), LEFT)
    assert worker.ran[-1].label == "Remove “Cat”"


def test_an_active_exemplar_can_be_weighed_flipped_and_blended(
    bar: ContextualBar, session: Session, worker: StubWorker
) -> None:
    session.set_options(tool="move")
    session.activate(exemplar=session.document.exemplars[0].id)
    assert type(bar.page) is ExemplarPage
    strength = slider(bar, "Influence")
    drag(strength, QPointF(10, 14), QPointF(strength.width() / 2, 14))
    assert session.document.exemplars[0].strength == pytest.approx(0.5, abs=0.02)
    QTest.mouseClick(button(bar, "Flip top to bottom"), LEFT)
    assert session.document.exemplars[0].placement.scale_y == -1
    QTest.mouseClick(button(bar, "Blend"), LEFT)
    assert worker.ran[-1].label == "Blend “Boat”"
    QTest.mouseClick(button(bar, "Draw its cut-out"), LEFT)
    assert (session.options.tool, session.options.shape_target) == ("lasso", "cutout")


def kind(bar: ContextualBar) -> type:
    return type(bar.page)


def targets(session: Session) -> tuple[str, str, str]:
    """The tool in hand, what brushes write to, and what shapes become."""
    options = session.options
    return options.tool, options.strength_target, options.shape_target


def test_an_items_outline_is_edited_until_done(bar: ContextualBar, session: Session) -> None:
    session.set_options(tool="move")
    session.activate(item=session.document.items[0].id)
    QTest.mouseClick(button(bar, "Edit outline"), LEFT)
    assert targets(session) == ("strength", "item", "item")
    assert kind(bar) is StrengthPage
    assert bar.page is not None
    assert bar.page.findChildren(QLabel)[0].text() == "Cat · outline"
    assert not slider(bar, "Strength").isVisible()  # a place belongs to it or not
    session.set_options(tool="lasso")
    assert targets(session) == ("lasso", "item", "item")
    QTest.mouseClick(button(bar, "Done"), LEFT)
    assert targets(session) == ("move", "strength", "selection")
    assert kind(bar) is ItemPage


def test_a_cut_out_is_edited_until_done(bar: ContextualBar, session: Session) -> None:
    session.set_options(tool="move")
    session.activate(exemplar=session.document.exemplars[0].id)
    QTest.mouseClick(button(bar, "Paint its cut-out"), LEFT)
    assert targets(session) == ("strength", "cutout", "cutout")
    QTest.mouseClick(button(bar, "Done"), LEFT)
    assert kind(bar) is ExemplarPage
    QTest.mouseClick(button(bar, "Paint how much of it comes in"), LEFT)
    assert targets(session) == ("strength", "exemplar_strength", "selection")
    assert slider(bar, "Influence").isVisible()


def with_a_model(session: Session, family: str = "stable-diffusion") -> Exemplar:
    """The exemplar, active, with PIXELS as the method."""
    model = ModelInfo("tiny", "Tiny", FAMILIES.named(family), Path("tiny"), 512)
    session.set_draft(settings=PixelsSettings(), model=model)
    session.set_options(tool="move")
    session.activate(exemplar=session.document.exemplars[0].id)
    return session.document.exemplars[0]


def test_fidelity_and_rim_are_there_for_methods_with_a_model(bar: ContextualBar, session: Session) -> None:
    session.set_options(tool="move")
    session.activate(exemplar=session.document.exemplars[0].id)
    assert not slider(bar, "Keep as it is").isVisible()
    assert not slider(bar, "Blend width").isVisible()
    with_a_model(session)
    assert slider(bar, "Keep as it is").isVisible()
    assert slider(bar, "Blend width").isVisible()
    assert not slider(bar, "As prompt").isVisible()
    with_a_model(session, "kandinsky-2.2")
    assert slider(bar, "As prompt").isVisible()


def test_fidelity_is_one_step_of_the_history(bar: ContextualBar, session: Session) -> None:
    with_a_model(session)
    fidelity = slider(bar, "Keep as it is")
    middle = fidelity.width() / 2
    drag(fidelity, QPointF(6, 14), QPointF(20, 14), QPointF(middle, 14))
    assert session.document.exemplars[0].fidelity == pytest.approx(0.5, abs=0.02)
    assert [entry.label for entry in session.history.entries][1:] == ["Keep the look of “Boat”"]
    session.undo()
    assert fidelity.value == 0


def test_the_rim_is_automatic_until_touched_and_again_after_a_double_click(
    bar: ContextualBar, session: Session
) -> None:
    with_a_model(session)
    rim = slider(bar, "Blend width")

    def chosen() -> float | None:
        return session.document.exemplars[0].rim

    assert rim.text == "Automatic"
    drag(rim, QPointF(10, 14), QPointF(rim.width() / 2, 14))
    assert chosen() == pytest.approx(64, abs=3)
    assert rim.text == f"{chosen():.0f}\u202fpx"
    QTest.mouseDClick(rim, LEFT)
    assert chosen() is None
    assert rim.text == "Automatic"
    drag(rim, QPointF(2, 14), QPointF(0, 14))  # to 0, where an automatic one is drawn as well
    assert chosen() == 0
    rim.setFocus()
    QTest.keyClick(rim, Qt.Key.Key_Delete)
    assert chosen() is None


def test_the_weight_of_an_exemplar_as_a_prompt(bar: ContextualBar, session: Session) -> None:
    with_a_model(session, "kandinsky-2.2")
    weight = slider(bar, "As prompt")
    drag(weight, QPointF(60, 14), QPointF(weight.width() / 4, 14))
    assert session.document.exemplars[0].prompt_weight == pytest.approx(0.25, abs=0.02)


def test_fidelity_is_painted_from_nothing(bar: ContextualBar, session: Session) -> None:
    with_a_model(session)
    QTest.mouseClick(button(bar, "Paint how much of it comes in"), LEFT)
    assert bar.page is not None
    choice = next(each for each in bar.page.findChildren(Choice) if "Keep as it is" in words(each))
    assert choice.isVisible()
    control = choice.findChild(QToolButton)
    assert control is not None
    QTest.keyClick(control, Qt.Key.Key_Down)
    assert targets(session) == ("strength", "exemplar_fidelity", "selection")
    exemplar = session.document.exemplars[0]
    assert exemplar.fidelity == 1
    assert exemplar.fidelity_map.blank
    assert shown_words(bar)[0] == "Boat · kept look"
    assert slider(bar, "Keep as it is").isVisible()  # what the brush paints
    QTest.mouseClick(button(bar, "Done"), LEFT)
    assert kind(bar) is ExemplarPage


def test_without_a_thing_there_is_nothing_to_be_done_with(bar: ContextualBar, session: Session) -> None:
    assert not button(bar, "Done").isVisible()
    session.set_options(strength_target="protect")
    assert not button(bar, "Done").isVisible()


def test_tools_let_go_of_a_thing_that_is_no_longer_active(bar: ContextualBar, session: Session) -> None:
    item = session.document.items[0].id
    ways: list[Callable[[], None]] = [
        lambda: session.activate(exemplar=session.document.exemplars[0].id),
        lambda: commands.delete_item(session, item),
    ]
    for leave in ways:
        session.activate(item=item)
        session.set_options(tool="strength", strength_target="item", shape_target="item")
        leave()
        assert targets(session) == ("strength", "strength", "selection")


def test_shapes_can_keep_only_the_overlap(bar: ContextualBar, session: Session) -> None:
    session.set_options(tool="rectangle")
    assert bar.page is not None
    choice = next(each for each in bar.page.findChildren(Choice) if "Overlap" in words(each))
    control = choice.findChild(QToolButton)
    assert control is not None
    for _ in range(3):
        QTest.keyClick(control, Qt.Key.Key_Down)
    assert session.options.combine == "intersect"


def words(choice: Choice) -> list[str]:
    control = choice.findChild(QToolButton)
    menu = None if control is None else control.menu()
    return [] if menu is None else [action.text() for action in menu.actions()]


def shown_words(bar: ContextualBar) -> list[str]:
    return [label.text() for label in bar.findChildren(QLabel) if label.isVisible()]


def test_a_fresh_picture_says_what_to_do_first(bar: ContextualBar, session: Session) -> None:
    assert shown_words(bar) == ["Paint over what should change"]
    session.set_options(tool="segment")
    assert shown_words(bar) == ["Click on a thing"]
    commands.select_all(session)
    assert shown_words(bar) == ["Shift adds · Alt takes away"]
    session.set_options(tool="strength")
    assert shown_words(bar) == []


def test_with_nothing_to_move_it_says_how_to_come_by_something(qtbot: QtBot) -> None:
    session = Session(picture(), StubWorker())
    session.set_options(tool="move")
    bar = ContextualBar(session)
    qtbot.addWidget(bar)
    bar.show()
    assert "select something" in shown_words(bar)[0]
    session.commit("Add", with_items(session.document, "Cat"))
    assert shown_words(bar) == ["Click on an item or a reference picture to move it"]


def by_words(session: Session) -> None:
    """Words as what changes the picture, the selection as where."""
    session.set_draft(
        settings=BlendedSettings(),
        model=ModelInfo("tiny", "Tiny", FAMILIES.named("stable-diffusion"), Path("tiny"), 512),
    )
    commands.select_all(session)


@pytest.mark.parametrize(("words", "region"), [("Repaint inside", "inside"), ("Repaint background", "outside")])
def test_a_selection_is_repainted_by_words(
    bar: ContextualBar, session: Session, worker: StubWorker, words: str, region: str
) -> None:
    session.set_options(tool="rectangle")
    commands.select_all(session)
    assert not button(bar, words).isVisible()
    assert button(bar, "Set strength").isVisible()
    by_words(session)
    assert not button(bar, "Set strength").isVisible()
    wanted: list[bool] = []
    session.state.words_wanted.connect(lambda: wanted.append(True))
    QTest.mouseClick(button(bar, words), LEFT)
    assert (wanted, worker.ran) == ([True], [])
    session.set_draft(prompt="a boat")
    QTest.mouseClick(button(bar, words), LEFT)
    (asked,) = worker.asked
    assert asked.draft.settings == BlendedSettings(region=region)  # type: ignore[arg-type]
    assert asked.planned.region == "selection"
    QTest.mouseClick(button(bar, "Repaint inside"), LEFT)  # one is running
    assert len(worker.asked) == 1
    assert session.draft.settings == asked.draft.settings


def test_an_item_is_repainted_by_words(bar: ContextualBar, session: Session, worker: StubWorker) -> None:
    by_words(session)
    commands.select_none(session)
    session.set_options(tool="move")
    session.activate(item=session.document.items[0].id)
    session.set_draft(prompt="snow")
    QTest.mouseClick(button(bar, "Repaint background"), LEFT)
    assert worker.ran[0].items == (session.document.items[0].id,)
    assert session.draft.strength == 0.9


def test_an_exemplar_is_blended_whatever_the_method(bar: ContextualBar, session: Session, worker: StubWorker) -> None:
    session.set_options(tool="move")
    session.activate(exemplar=session.document.exemplars[0].id)
    by_words(session)
    QTest.mouseClick(button(bar, "Blend"), LEFT)
    assert isinstance(session.draft.settings, PixelsSettings)
    assert worker.ran[0].action == "blend"


def test_a_scribble_says_what_to_do_until_something_is_painted(bar: ContextualBar, session: Session) -> None:
    def hint() -> bool:
        assert bar.page is not None
        return any("press Ctrl+Enter" in label.text() and label.isVisible() for label in bar.page.findChildren(QLabel))

    by_words(session)
    run_actions.scribble(session)
    assert kind(bar) is PaintPage
    assert hint()
    layer = session.document.layers[-1]
    stroke = layer.pixels.write(2, 2, np.full((4, 4, 4), 255, np.uint8))
    session.commit("Paint", session.document.with_layer(replace(layer, pixels=stroke)))
    assert not hint()
