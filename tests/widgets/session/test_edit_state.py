"""The draft remembers what was set for each method, and follows the models there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from editor.methods.base import Preset
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.methods.registry import METHODS
from editor.planning.plan import Draft, Plan, removal
from tests.support.session_cases import model, picture, with_exemplars, with_items
from tests.support.stub_worker import StubWorker
from widgets.session import edits
from widgets.session.session import Session


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
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


def test_models_come_and_go(session: Session, worker: StubWorker, qtbot: QtBot) -> None:
    session.choose_model(session.models()[1])
    worker.known.insert(0, model("New"))
    with qtbot.waitSignal(session.model_choice.changed):
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
    session: Session, worker: StubWorker
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


def presets() -> dict[str, Preset]:
    return {preset.name: preset for preset in METHODS.of(BlendedSettings()).presets}


def test_a_preset_leaves_alone_what_is_none_of_its(session: Session) -> None:
    session.choose_method(BlendedSettings)
    assert session.draft.strength == 0.95
    session.set_draft(settings=BlendedSettings(scale=0.8, feather=30.0))
    session.choose_preset(presets()["Background"])
    assert session.draft.settings == BlendedSettings(scale=0.8, region="outside")
    assert session.draft.strength == 0.9
    session.choose_preset(presets()["Lettering"])
    assert session.draft.settings == BlendedSettings(scale=0.8, feather=2.0)


def test_the_nearest_preset_is_that_of_the_settings_before_that_of_the_strength() -> None:
    method, known = METHODS.of(BlendedSettings()), presets()
    for name, preset in known.items():
        assert preset.settings is not None
        draft = Draft(preset.settings, strength=preset.strength, scribble=1 if name == "Scribble" else None)
        assert method.preset_of(draft) is preset
        assert method.nearest_preset(replace(draft, strength=0.02)) is (
            known["Change it"] if name == "New object" else preset
        )
        assert method.preset_of(replace(draft, strength=0.02)) is None
    assert METHODS.of(QuickFillSettings()).nearest_preset(Draft(QuickFillSettings())) is None


def test_a_plain_layer_of_that_name_is_scribbled_on_again(session: Session) -> None:
    session.choose_method(BlendedSettings)
    session.choose_preset(presets()["Scribble"])
    (first,) = (layer.id for layer in session.document.layers if layer.name == "Scribble")
    stroke = session.document.layers[-1].pixels.write(2, 2, np.full((4, 4, 4), 255, np.uint8))
    session.commit("Paint", session.document.with_layer(replace(session.document.layers[-1], pixels=stroke)))
    session.choose_preset(presets()["Change it"])
    session.choose_preset(presets()["Scribble"])
    assert session.draft.scribble == first
    session.choose_preset(presets()["Change it"])
    session.activate_layer(session.document.layers[0].id)
    session.choose_preset(presets()["Scribble"])
    assert session.draft.scribble not in (None, first)


def test_a_hidden_scribble_is_none_until_it_is_shown(session: Session) -> None:
    session.set_options(tool="lasso")
    session.choose_method(BlendedSettings)
    session.choose_preset(presets()["Scribble"])
    layer = session.document.layers[-1]
    session.commit("Hide", session.document.with_layer(replace(layer, visible=False)))
    assert (session.draft.scribble, session.options.tool) == (None, "lasso")
    session.commit("Show", session.document.with_layer(layer))
    assert (session.draft.scribble, session.options.tool) == (layer.id, "paint")
    session.undo()
    session.choose_method(PixelsSettings)
    session.redo()
    assert session.options.tool == "lasso", "nobody scribbles now"


def test_an_empty_scribble_goes_with_the_method(session: Session) -> None:
    before = session.document
    session.choose_method(BlendedSettings)
    session.choose_preset(presets()["Scribble"])
    session.choose_method(QuickFillSettings)
    assert session.document.same_as(before)
    assert session.draft.scribble is None
    session.choose_method(BlendedSettings)
    assert METHODS.of(session.draft.settings).preset_of(session.draft) is presets()["New object"]


def test_an_empty_scribble_goes_also_when_something_was_done_since(session: Session) -> None:
    session.choose_method(BlendedSettings)
    session.choose_preset(presets()["Scribble"])
    full = session.document.with_map("selection", session.document.selection.write(0, 0, np.ones((9, 9), np.float32)))
    session.commit("Select", full)
    session.choose_preset(presets()["New object"])
    assert [layer.name for layer in session.document.layers] == [layer.name for layer in full.layers[:-1]]
    assert session.document.selection is full.selection


def test_words_mean_the_exemplars_where_there_are_some(session: Session) -> None:
    methods = [session.state.method_for_words]
    session.commit("Drop", with_exemplars(session.document, "Boat"))
    methods.append(session.state.method_for_words)
    assert methods == [BlendedSettings, PixelsSettings]


def test_an_exemplar_takes_in_hand_what_blends_it(session: Session) -> None:
    session.choose_method(BlendedSettings)
    session.set_draft(prompt="a boat")
    session.commit("Drop", with_exemplars(session.document, "Boat"))
    session.activate(exemplar=session.document.exemplars[0].id)
    kinds = [type(session.draft.settings)]
    assert (session.draft.prompt, session.plan.action) == ("a boat", "blend")
    session.choose_method(QuickFillSettings)
    session.activate(exemplar=session.document.exemplars[0].id)
    kinds.append(type(session.draft.settings))
    assert kinds == [PixelsSettings, QuickFillSettings]


def test_a_layer_that_comes_again_is_active_as_it_was(session: Session) -> None:
    first = session.active_layer
    edits.add_layer(session)
    added = session.active_layer
    assert added != first
    session.undo()
    assert session.active_layer == first
    session.redo()
    assert session.active_layer == added
