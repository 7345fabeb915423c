"""A document that was edited before begins with the method and the model of its last edit, as far as they are here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from editor.document.contents import Layer
from editor.document.document import Document
from editor.geometry import Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.method import PIXELS as PIXELS_METHOD
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.models.info import ModelInfo
from editor.requests.edit_request import Action
from editor.requests.method_settings import MethodSettings
from editor.requests.results import Recipe
from tests.support.session_cases import model, picture
from tests.support.stub_worker import StubWorker
from widgets.session.notice import Notice
from widgets.session.session import Session

BOATS, SEAS = model("boats"), model("seas")
TOYS = replace(model("toys"), toys=True)
BLENDED, PIXELS = BlendedSettings(), PixelsSettings()


def edited(*edits: tuple[MethodSettings, Action, str]) -> Document:
    """With a layer for each edit, the newest last: its settings, what was done, and its model."""
    document = picture()
    for settings, action, key in edits:
        recipe = Recipe(settings, action, Rect(50, 50, 90, 90), 1, model=key)
        document = document.adding_layer(replace(Layer.empty(0, "Edit", document.size), recipe=recipe))
    return document


def moved(info: ModelInfo) -> ModelInfo:
    """The same model on another machine."""
    path = Path("/elsewhere") / info.path.name
    return replace(info, key=str(path), path=path)


def kind(session: Session) -> type[MethodSettings]:
    return type(session.draft.settings)


def name(session: Session) -> str:
    return "" if session.draft.model is None else session.draft.model.name


def test_it_begins_with_method_and_model_of_the_newest_edit(worker: StubWorker, qtbot: QtBot) -> None:
    worker.known, worker.used = [BOATS, SEAS], BOATS.key
    document = edited((BLENDED, "fill", BOATS.key), (PIXELS, "blend", SEAS.key))
    session = Session(document, worker)
    assert (kind(session), name(session)) == (PixelsSettings, "seas")
    assert session.draft.strength == PIXELS_METHOD.first_strength(SEAS)
    session.follow_models()
    assert name(session) == "seas", "another in use elsewhere does not matter"
    turned = replace(document, layers=document.layers[::-1])  # newest, wherever it stands
    assert kind(Session(turned, worker)) is PixelsSettings


def test_it_waits_until_the_models_are_known(worker: StubWorker, qtbot: QtBot) -> None:
    session = Session(edited((BLENDED, "fill", SEAS.key)), worker)
    assert session.goes_on
    assert kind(session) is QuickFillSettings
    worker.known = [BOATS, SEAS]
    session.follow_models()
    assert (kind(session), name(session)) == (BlendedSettings, "seas")
    session.choose_method(QuickFillSettings)
    session.follow_models()
    assert kind(session) is QuickFillSettings, "it begins only once"


def test_what_somebody_chose_meanwhile_counts(worker: StubWorker, qtbot: QtBot) -> None:
    session = Session(edited((BLENDED, "fill", SEAS.key)), worker)
    session.choose_method(PixelsSettings)
    worker.known = [BOATS, SEAS]
    session.follow_models()
    assert (kind(session), name(session)) == (PixelsSettings, "boats")


@pytest.mark.parametrize(
    ("known", "begins", "with_model"),
    [
        ([BOATS, moved(SEAS)], BlendedSettings, "seas"),
        ([BOATS], BlendedSettings, "boats"),
        ([], QuickFillSettings, ""),
        ([TOYS], QuickFillSettings, "toys"),
    ],
    ids=["elsewhere", "gone", "no model", "nothing but toys"],
)
def test_without_its_model(
    known: list[ModelInfo], begins: type[MethodSettings], with_model: str, worker: StubWorker, qtbot: QtBot
) -> None:
    session = Session(edited((BLENDED, "fill", SEAS.key)), worker)
    heard: list[Notice] = []
    session.noticed.connect(heard.append)
    worker.known = known
    session.follow_models()
    assert (kind(session), name(session)) == (begins, with_model)
    assert heard == []


def test_toys_that_made_it_make_more(worker: StubWorker, qtbot: QtBot) -> None:
    worker.known = [BOATS, TOYS]
    assert name(Session(edited((BLENDED, "fill", TOYS.key)), worker)) == "toys"


def test_without_the_part_for_models_it_is_quick_fill(
    worker: StubWorker, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("widgets.session.model_choice.installed", lambda: False)
    worker.known = [SEAS]
    assert kind(Session(edited((BLENDED, "fill", SEAS.key)), worker)) is QuickFillSettings


def test_removing_and_moving_say_nothing_about_the_method(worker: StubWorker, qtbot: QtBot) -> None:
    worker.known = [SEAS]
    quick = QuickFillSettings()
    actions: tuple[Action, ...] = ("remove", "move")
    for action in actions:
        document = edited((PIXELS, "fill", SEAS.key), (quick, action, ""))
        assert kind(Session(document, worker)) is PixelsSettings
    assert kind(Session(edited((PIXELS, "fill", SEAS.key), (quick, "fill", "")), worker)) is QuickFillSettings
    assert not Session(edited((quick, "remove", "")), worker).goes_on
    assert not Session(picture(), worker).goes_on
