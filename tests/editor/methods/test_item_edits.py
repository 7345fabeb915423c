"""Changes of items over tiny models of all kinds: what stays is exact, each item reads its own words, and runs end as they should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from editor.diffusion.attention.operations import Group
from editor.diffusion.conditioning import conditioning
from editor.execution import EXECUTIONS
from editor.geometry import Size
from editor.methods.items.model import edit, edit_batch
from editor.methods.items.model.editing import avoided, reads_own_words, words_for_all
from editor.methods.items.model.grouping import NOBODY, Grouped, grouped, in_a_row, labels_on_canvas
from editor.methods.items.regions import hold_counts, strength_of
from editor.methods.items.settings import ItemsSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest
from editor.requests.reports import FinishEarly, Preview, Progress, Report, ResultReady
from editor.requests.variants import variants_of
from tests.support.blended_cases import shown
from tests.support.pixels_cases import SIDE, Model, Recorded, ask
from tests.support.reports import drive

Models = Callable[[str], Model]
MODELS = ("sd", "sd_v", "sdxl", "kandinsky", "sd3")
GROUPING = ("sd", "sd_v", "sdxl", "sd3")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def labels() -> Any:
    """Two items beside each other in front of the rest."""
    labels = np.zeros(SIDE.shape, np.int16)
    labels[16:48, 16:56] = 1
    labels[24:64, 80:112] = 2
    return labels


def wish(about: int = 1, **more: Any) -> EditRequest:
    """One item becomes another."""
    own = ItemsSettings(match_tone="off", own_words=more.pop("own_words", "on"))
    values: dict[str, Any] = {
        "settings": own,
        "labels": labels(),
        "prompts": ("sky", "red boat", "wood"),
        "prompt": "red boat",
        "negative_prompt": "",
        "steps": 4,
        **more,
    }
    return ask(strength_of(labels() == about, 8, own.band_hold), **values)


def latents_of(request: EditRequest, model: Model) -> torch.Tensor:
    recorded = Recorded(model.backend)
    drive(edit(request, recorded))
    return recorded.decoded[-1]


def test_the_table_of_methods_knows_it() -> None:
    assert EXECUTIONS[ItemsSettings]().edit_on_model is not None


def test_other_settings_are_none_of_its_business(models: Models) -> None:
    with pytest.raises(TypeError, match="PixelsSettings"):
        drive(edit(replace(wish(), settings=PixelsSettings()), models("sd").backend))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("own_words", ["on", "off"])
def test_what_is_held_comes_out_as_it_was(models: Models, name: str, own_words: str) -> None:
    """Pixels where nothing may change bit for bit, cells that are held to the end as the clean latents."""
    model, asked = models(name), wish(own_words=own_words)
    working = ModelCanvas.of(asked.frame, model.backend.info)
    recorded = Recorded(model.backend)
    result = drive(edit(asked, recorded))
    assert (shown(asked, result) != asked.image).any(-1)[asked.strength == 0].sum() == 0
    held = torch.from_numpy(hold_counts(asked.strength, working, asked.steps) == asked.steps)
    clean = model.backend.encode(working.image(asked.image))
    assert torch.equal(recorded.decoded[-1][0][:, held], clean[0][:, held])
    assert (recorded.decoded[-1][0][:, ~held] != clean[0][:, ~held]).any()


def test_a_cell_is_as_free_as_the_freest_pixel_it_touches(models: Models) -> None:
    asked = wish()
    working = ModelCanvas.of(asked.frame, models("sd").backend.info)
    strength = np.zeros(SIDE.shape, np.float32)
    strength[7, 8], strength[20, 20] = 1, 0.5
    counts = hold_counts(strength, working, 4)
    assert counts[0, 1] == 0
    assert counts[2, 2] == 2
    assert (counts == 4).sum() == counts.size - 2


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_its_single_runs_and_a_seed_is_a_picture(models: Models, name: str) -> None:
    model, asked = models(name), wish()
    seen: list[Report] = []
    pair = drive(edit_batch(variants_of(asked, [3, 4]), model.backend), seen=seen)
    assert [report.result for report in seen if isinstance(report, ResultReady)] == list(pair)
    assert any(isinstance(report, Preview) for report in seen)
    for result, seed in zip(pair, (3, 4), strict=True):
        alone = drive(edit(replace(asked, seed=seed), model.backend))
        assert alone.rect == result.rect
        assert np.abs(alone.pixels.astype(int) - result.pixels).max() <= 1
        again = drive(edit(replace(asked, seed=seed), model.backend))
        assert np.array_equal(again.pixels, alone.pixels)
    assert not np.array_equal(pair[0].pixels, pair[1].pixels)


# Words


def own_words(model: Model, request: EditRequest) -> Grouped:
    assert request.labels is not None
    found = drive(grouped(model.backend, request, request.labels, 1, ModelCanvas.of(request.frame, model.backend.info)))
    assert found is not None
    return found


@pytest.mark.parametrize("name", GROUPING)
def test_one_item_that_covers_everything_is_the_plain_prompt(models: Models, name: str) -> None:
    model = models(name)
    everything = np.ones(SIDE.shape, np.int16)
    one = wish(labels=everything, prompts=("sky", "red boat"))
    plain = replace(one, settings=one.settings.with_values(own_words="off", avoid="off"))
    assert torch.allclose(latents_of(one, model), latents_of(plain, model), atol=1e-4)


@pytest.mark.parametrize("name", GROUPING)
def test_the_order_of_items_and_how_often_one_is_split_change_nothing(models: Models, name: str) -> None:
    """Where the words are the same; what a model is told of the whole picture is the mean of the items, so that is compared where there is none."""
    model = models(name)
    plain = wish()
    assert plain.labels is not None
    swapped = np.array([0, 2, 1], np.int16)[plain.labels]
    other = replace(plain, labels=swapped, prompts=("sky", "wood", "red boat"))
    assert torch.allclose(latents_of(plain, model), latents_of(other, model), atol=1e-4)
    if own_words(model, plain).guidance.branches[-1].embeddings.added:
        return
    split = plain.labels.copy()
    split[16:48, 40:56] = 3
    parts = replace(plain, labels=split, prompts=(*plain.prompts, "red boat"))
    assert torch.allclose(latents_of(plain, model), latents_of(parts, model), atol=1e-4)


@pytest.mark.parametrize("name", GROUPING)
def test_the_words_of_another_item_reach_its_own_place_only_by_the_network(models: Models, name: str) -> None:
    """What differs first is what its own cells read; an item that nobody sees says nothing at all."""
    model = models(name)
    plain = wish()
    unseen = replace(plain, prompts=(*plain.prompts, "purple elephants"))
    assert torch.equal(latents_of(plain, model), latents_of(unseen, model))
    told = replace(plain, prompts=("sky", "green boat", "wood"))
    assert not torch.equal(latents_of(plain, model), latents_of(told, model))


def test_a_row_of_words_names_the_owner_of_each_token(models: Models) -> None:
    model = models("sd")
    asked = wish()
    words = [
        drive(conditioning(model.backend, replace(asked, prompt=prompt), (1,), asked.frame.working))
        .branches[-1]
        .embeddings
        for prompt in ("sky", "red boat")
    ]
    joined, owners = in_a_row(words, [0, 2])
    assert joined.hidden is not None
    assert joined.hidden.shape[1] == len(owners) == 160  # twice 77, filled up to a multiple of eight
    assert owners.tolist() == [0] * 77 + [2] * 77 + [NOBODY] * 6
    assert words[1].hidden is not None
    assert torch.equal(joined.hidden[:, 77:154], words[1].hidden)


def test_labels_of_the_canvas_are_those_that_cover_most(models: Models) -> None:
    asked = wish()
    working = ModelCanvas.of(replace(asked.frame, working=Size(64, 32)), models("sd").backend.info)
    seen = labels_on_canvas(labels(), working)
    assert seen.shape == working.canvas.shape
    assert np.array_equal(seen, labels()[::2, ::2])


def test_a_model_whose_words_are_no_row_is_told_one_thing(models: Models) -> None:
    """Kandinsky reads words as one vector for the whole picture."""
    model, asked = models("kandinsky"), wish()
    assert asked.labels is not None
    working = ModelCanvas.of(asked.frame, model.backend.info)
    assert drive(grouped(model.backend, asked, asked.labels, 1, working)) is None
    plain = replace(asked, settings=asked.settings.with_values(own_words="off"))
    assert torch.equal(latents_of(asked, model), latents_of(plain, model))


def test_when_items_read_their_own_words() -> None:
    auto = ItemsSettings()
    assert not reads_own_words(wish(), auto)
    assert reads_own_words(wish(action="remove"), auto)
    assert reads_own_words(wish(), ItemsSettings(region="outside"))
    assert reads_own_words(wish(), ItemsSettings(own_words="on"))
    assert not reads_own_words(wish(action="remove"), ItemsSettings(own_words="off"))


def test_what_is_around_is_avoided_where_an_item_becomes_another() -> None:
    asked = wish(negative_prompt="blurry")
    assert avoided(asked, ItemsSettings()) == "blurry, wood sky"
    assert avoided(wish(), ItemsSettings()) == "wood sky"
    assert avoided(asked, ItemsSettings(avoid="off")) == "blurry"
    assert avoided(replace(asked, action="remove"), ItemsSettings()) == "blurry"
    assert avoided(asked, ItemsSettings(region="outside")) == "blurry"


def test_what_comes_in_the_place_of_a_removed_item_is_what_most_of_it_becomes() -> None:
    after = labels()
    after[16:48, 16:56] = 0
    after[16:24, 16:56] = 2
    asked = wish(action="remove", labels=after, prompt="")
    assert words_for_all(asked) == "sky"
    assert words_for_all(wish()) == "red boat"


# Ends


def test_closed_in_the_middle_the_model_is_as_it_came(models: Models) -> None:
    """The fixture of all models looks at it afterwards."""
    reports = edit(wish(), models("sd").backend)
    for report in reports:
        if isinstance(report, Progress) and report.doing.startswith("Step 2"):
            break
    reports.close()


def test_asked_to_finish_early_it_makes_a_picture_of_what_there_is(models: Models) -> None:
    reports = edit(wish(steps=8), models("sd").backend)
    report = next(reports)
    hurried = False
    try:
        while True:
            if not hurried and isinstance(report, Progress) and report.doing.startswith("Step 3"):
                hurried, report = True, reports.throw(FinishEarly())
            else:
                report = next(reports)
    except StopIteration as stop:
        result = stop.value
    assert hurried
    assert result.pixels.any()


def test_the_control_is_on_while_the_network_runs_only(models: Models) -> None:
    found = own_words(models("sd"), wish())
    assert isinstance(found.operation, Group)
    assert found.operation.other_tokens == 77
    assert found.operation.branch == found.guidance.branches[-1].name == "positive"
