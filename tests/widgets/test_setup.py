"""The draft remembers what was set for each method, and follows the models there are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from editor.edit import Plan, removal
from editor.request import PixelsSettings, QuickFillSettings
from tests.widgets.desk_stub import Worker, model, picture, with_items
from widgets.session import Session


@pytest.fixture
def session(worker: Worker, qtbot: QtBot) -> Session:
    worker.known = [model(), model("Juggernaut", "stable-diffusion-xl"), model("Broken", problem="It lacks its VAE.")]
    return Session(picture(), worker)


def test_each_method_keeps_what_was_set_for_it(session: Session) -> None:
    session.set_draft(settings=QuickFillSettings(grow=40), strength=0.8)
    session.choose_method(PixelsSettings)
    assert isinstance(session.draft.settings, PixelsSettings)
    assert session.draft.strength == 0.5
    session.set_draft(settings=replace(session.draft.settings, feather=3.0), strength=0.3)
    session.choose_method(QuickFillSettings)
    assert session.draft == replace(session.draft, settings=QuickFillSettings(grow=40), strength=0.8)
    session.choose_method(PixelsSettings)
    assert session.draft == replace(session.draft, settings=PixelsSettings(feather=3.0), strength=0.3)


def test_the_strength_suits_the_model_until_somebody_chooses_one(session: Session) -> None:
    first, second = session.models()
    session.choose_method(PixelsSettings)
    session.choose_model(second)
    assert session.draft.strength == 0.45
    session.set_draft(strength=0.2)
    session.choose_model(first)
    assert session.draft.strength == 0.2


def test_a_model_chosen_meanwhile_counts_when_the_method_comes_back(session: Session) -> None:
    session.choose_method(PixelsSettings)
    session.choose_method(QuickFillSettings)
    session.choose_model(session.models()[1])
    assert session.draft.strength == 1.0
    session.choose_method(PixelsSettings)
    assert session.draft.strength == 0.45


def test_only_models_that_can_be_used_are_offered_and_the_first_is_taken(session: Session) -> None:
    assert [each.name for each in session.models()] == ["Stable Diffusion 1.5", "Juggernaut"]
    assert session.draft.model == session.models()[0]


def test_models_come_and_go(session: Session, worker: Worker, qtbot: QtBot) -> None:
    session.choose_model(session.models()[1])
    worker.known.insert(0, model("New"))
    with qtbot.waitSignal(session.models_changed):
        session.follow_models()
    assert session.draft.model is not None
    assert session.draft.model.name == "Juggernaut"
    del worker.known[2]
    session.follow_models()
    assert session.draft.model.name == "New"
    worker.known.clear()
    session.follow_models()
    assert session.draft.model is None


def test_a_model_that_is_put_into_use_is_used_here_too_but_an_own_choice_stays(
    session: Session, worker: Worker
) -> None:
    first, second = session.models()
    session.use_model(second)
    assert worker.used == second.key
    session.choose_model(first)  # as a recipe does
    session.follow_models()
    assert session.draft.model == first
    third = model("Third")
    worker.known.append(third)
    worker.used = third.key  # on the page of models
    session.follow_models()
    assert session.draft.model == third
    assert Session(picture(), worker).draft.model == third


def test_things_are_taken_out_without_a_model(session: Session) -> None:
    item = with_items(session.document, "Cat").items[0]
    session.choose_method(PixelsSettings)
    draft = session.draft_for(removal(item))
    assert isinstance(draft.settings, QuickFillSettings)
    assert draft.strength == 1.0
    assert session.draft_for(Plan("fill", "Fill")) is session.draft
