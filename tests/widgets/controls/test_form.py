"""Forms and the controls in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QToolButton
from pytestqt.qtbot import QtBot

from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.settings_fields import Label, Range, field_specs
from tests.support.session_cases import NONE, drag
from widgets.controls.choice import Check, Choice
from widgets.controls.form import Form, choice_words
from widgets.controls.slider import Slider


@dataclass(frozen=True)
class Everything:
    """One field of each kind."""

    share: Annotated[float, Range(0, 1, "%", 0.05), Label("Share")] = 0.5
    count: Annotated[int, Range(0, 10), Label("Count")] = 4
    way: Annotated[Literal["short", "long"], Label("Way", "Which way.")] = "short"
    steady: Annotated[bool, Label("Steady")] = False
    words: Annotated[str, Label("Words")] = ""
    hidden: int = 3


@pytest.fixture
def form(qtbot: QtBot) -> Form:
    made = Form(field_specs(Everything))
    qtbot.addWidget(made)
    made.resize(260, 300)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_each_kind_of_field_gets_its_control_and_tells_its_changes(form: Form) -> None:
    found: list[Any] = []
    form.changed.connect(lambda name, value: found.append((name, value)))
    share, count = form.control("share"), form.control("count")
    assert isinstance(share, Slider)
    assert isinstance(count, Slider)
    drag(share, QPointF(1, 14), QPointF(share.width(), 14))
    assert found[-1] == ("share", 1.0)
    drag(count, QPointF(1, 14), QPointF(count.width(), 14))
    assert type(found[-1][1]) is int
    steady = form.control("steady")
    assert isinstance(steady, Check)
    QTest.mouseClick(steady, Qt.MouseButton.LeftButton, NONE, QPoint(8, 14))
    assert found[-1] == ("steady", True)
    words = form.control("words")
    assert isinstance(words, QLineEdit)
    QTest.keyClicks(words, "a")
    assert found[-1] == ("words", "a")
    way = form.control("way")
    assert isinstance(way, Choice)
    long = next(button for button in way.findChildren(QToolButton) if button.text() == "Long")
    QTest.mouseClick(long, Qt.MouseButton.LeftButton)
    assert found[-1] == ("way", "long")
    assert way.toolTip() == "Which way."
    with pytest.raises(KeyError):
        form.control("hidden")


def test_values_from_elsewhere_are_shown_without_a_signal(form: Form, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(form.changed):
        form.show_values(Everything(0.25, 7, "long", True, "hello"))
    share, way, steady, words = (form.control(name) for name in ("share", "way", "steady", "words"))
    assert isinstance(share, Slider)
    assert share.text == "25\u202f%"
    assert isinstance(way, Choice)
    assert way.value == "long"
    assert isinstance(steady, Check)
    assert steady.isChecked()
    assert isinstance(words, QLineEdit)
    assert words.text() == "hello"


def test_the_limits_of_quick_fill_reach_the_form(qtbot: QtBot) -> None:
    form = Form(field_specs(QuickFillSettings))
    qtbot.addWidget(form)
    grow = form.control("grow")
    assert isinstance(grow, Slider)
    grow.set_value(1000)
    assert grow.text == "200\u202fpx"


def test_a_list_of_choices_steps_with_the_arrows(qtbot: QtBot) -> None:
    choice = Choice("Mode", [(str(i), f"Mode {i}", "") for i in range(6)])
    qtbot.addWidget(choice)
    found: list[str] = []
    choice.changed.connect(found.append)
    choice.set_value("1")
    button = choice.findChild(QToolButton)
    assert isinstance(button, QToolButton)
    QTest.keyClick(button, Qt.Key.Key_Down)
    QTest.keyClick(button, Qt.Key.Key_Up)
    QTest.keyClick(button, Qt.Key.Key_Up)
    QTest.keyClick(button, Qt.Key.Key_Up)
    assert found == ["2", "1", "0"]
    menu = button.menu()
    assert menu is not None
    menu.actions()[4].trigger()
    assert choice.value == "4"
    assert button.accessibleName() == "Mode: Mode 4"


def test_a_choice_can_show_that_none_is_made(qtbot: QtBot) -> None:
    for as_list in (False, True):
        choice = Choice("Mode", [("a", "A", ""), ("b", "B", "")], as_list=as_list)
        qtbot.addWidget(choice)
        choice.set_value("b")
        assert choice.value == "b"
        choice.set_value("cutout")
        assert choice.value == ""
        choice.set_value("a")
        assert choice.value == "a"


def test_a_value_is_called_by_the_field_that_it_is_of() -> None:
    assert choice_words("reference", "rank") == "The region alone"
    assert choice_words("fixed", "noise") == "Once"
    assert choice_words("one_by_one", "passes") == "One by one"


def test_every_choice_of_the_methods_reads_as_words() -> None:
    for settings in (BlendedSettings, PixelsSettings, QuickFillSettings):
        for spec in field_specs(settings):
            assert not [each for value in spec.choices if "_" in (each := choice_words(value, spec.name))]
