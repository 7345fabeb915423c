"""Repairs: a finished result again with a better edge, without another edit, and at once where it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from editor.diffusion.fits import FitStore
from editor.document import masks
from editor.engine import Engine
from editor.errors import InvalidRequest
from editor.geometry import Rect
from editor.methods.blended_latent_diffusion.model import edit, edit_batch, finishing, repair
from editor.methods.blended_latent_diffusion.model.refinement import refined
from editor.models.library import Library
from editor.requests.edit_request import Repair, RepairRequest
from editor.requests.frame import Frame
from editor.requests.reports import Progress, Report
from editor.requests.variants import VariantsRequest, variants_of
from tests.support.blended_cases import HOWS, LEARNS, settings, shown, wish
from tests.support.blended_scene import Scene
from tests.support.pixels_cases import SEED, SIDE, Model, Recorded, picture
from tests.support.reports import drive

Models = Callable[[str], Model]
Image = NDArray[np.float32]
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.mark.parametrize("how", HOWS)
def test_a_repair_is_the_edit_asked_to_finish_so(models: Models, how: Repair, few: None) -> None:
    """Pixels, recipe, seam and latents; from one that was finished otherwise, without a single step of the sampler."""
    model = models("sd")
    made = drive(edit(wish(steps=3), model.backend))
    assert made.latents is not None
    recorded = Recorded(model.backend)
    request = RepairRequest(wish(steps=3), made.latents, how)
    repaired = drive(repair(request, recorded))
    assert not recorded.inputs
    again = drive(edit(wish(told=settings(finish=how), steps=3), model.backend))
    assert (repaired.pixels == again.pixels).all()
    assert repaired.rect == again.rect
    assert repaired.recipe == again.recipe
    assert repaired.seam == again.seam
    assert repaired.latents is not None
    assert (repaired.latents == made.latents).all()
    assert (repaired.pixels != made.pixels).any() or repaired.pixels.shape != made.pixels.shape


@pytest.mark.parametrize("tone", ["off", "auto"])
def test_an_even_edge_changes_nothing_far_from_it(models: Models, tone: Any) -> None:
    """Of a model of small pictures, whose band is narrower than half of the region."""
    model = Model.of(models("sd").folder, native=128)
    band = finishing.BAND * model.backend.info.shrinking
    assert band == 8
    scene = Scene.of(model, match_tone=tone)
    before = shown(scene.request, scene.finished()).astype(int)
    repaired = drive(repair(scene.asked("poisson"), model.backend))
    after = shown(scene.request, repaired).astype(int)
    depth = masks.distance(scene.region)
    assert (depth > band).sum() > 500
    assert np.abs(after - before)[depth > band].max() <= 1
    assert np.abs(after - before)[scene.region & (depth <= band)].max() > 20
    # What was made before there was a band is made again without one.
    old = replace(scene, request=replace(scene.request, revision=1))
    whole = drive(repair(old.asked("poisson"), model.backend))
    assert np.abs(shown(scene.request, whole).astype(int) - before)[depth > band].max() > 10
    assert whole.recipe.revision == 1


@pytest.mark.parametrize("how", LEARNS)
def test_what_was_learned_is_not_learned_again(models: Models, how: Repair, tmp_path: Path) -> None:
    scene = Scene.of(models("sd"))
    fits = FitStore(tmp_path)
    seen: list[list[Report]] = [[] for _ in range(3)]
    results = [
        drive(repair(scene.asked(how), scene.model.backend, store), seen=said)
        for store, said in zip((fits, fits, FitStore(tmp_path)), seen, strict=True)
    ]
    assert len(seen[0]) > 75
    assert len(seen[1]) < 5
    assert len(seen[2]) < 5
    for result in results[1:]:
        assert (result.pixels == results[0].pixels).all()
        assert result.seam == results[0].seam


@pytest.mark.parametrize("how", LEARNS)
def test_an_edit_learns_nothing_that_a_repair_or_an_edit_has_learned(
    models: Models, how: Repair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the other way round: what an edit has learned is there for its repair."""
    model, fits = models("sd"), FitStore(tmp_path)
    learned: list[Any] = []

    def counted(*given: Any, **more: Any) -> Any:
        learned.append(given)
        return refined(*given, steps=2, **more)

    monkeypatch.setattr(finishing, "refined", counted)
    request = wish(told=settings(finish=how), steps=3)
    (first,) = drive(edit_batch(variants_of(request, (11,)), model.backend, fits))
    assert len(learned) == 1
    (second,) = drive(edit_batch(variants_of(request, (11,)), model.backend, FitStore(tmp_path)))
    assert first.latents is not None
    repaired = drive(repair(RepairRequest(request, np.array(first.latents), how), model.backend, fits))
    assert len(learned) == 1
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.pixels, repaired.pixels)
    (other,) = drive(edit_batch(variants_of(request, (12,)), model.backend, fits))
    assert len(learned) == 2
    assert not np.array_equal(first.pixels, other.pixels)
    (alone,) = drive(edit_batch(variants_of(request, (11,)), model.backend))  # without a place to keep it
    assert len(learned) == 3
    assert np.array_equal(first.pixels, alone.pixels)


def test_what_was_learned_counts_for_the_same_picture_region_latents_and_model_only(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene.of(models("sd"))
    fits = FitStore()
    learned: list[Any] = []

    def counted(*given: Any, **more: Any) -> Any:
        learned.append(given)
        return refined(*given, steps=1, **more)

    monkeypatch.setattr(finishing, "refined", counted)
    drive(repair(scene.asked("decoder"), scene.model.backend, fits))
    image = scene.request.image.copy()
    image[0, 0, 0] ^= 1
    strength = scene.request.strength.copy()
    strength[0, 0] = 1
    latents = scene.latents.numpy().copy()
    latents[0, 0, 0] += np.float32(1e-4)
    others = [
        RepairRequest(replace(scene.request, image=image), latents=scene.latents.numpy(), how="decoder"),
        RepairRequest(replace(scene.request, strength=strength), latents=scene.latents.numpy(), how="decoder"),
        RepairRequest(scene.request, latents, "decoder"),
        scene.asked("latents"),
    ]
    for number, other in enumerate(others):
        drive(repair(other, scene.model.backend, fits))
        assert len(learned) == number + 2
    drive(repair(scene.asked("decoder"), models("sd_v").backend, fits))
    assert len(learned) == len(others) + 2 - same_weights(models("sd"), models("sd_v"))
    # The words, the seed, the feather and the steps of the edit do not matter.
    alike = replace(scene.request, prompt="sky", seed=3, steps=9, settings=settings(feather=2.0))
    count = len(learned)
    drive(repair(RepairRequest(alike, scene.latents.numpy(), "decoder"), scene.model.backend, fits))
    assert len(learned) == count


def same_weights(one: Model, other: Model) -> bool:
    pairs = zip(one.backend.own_decoder().weights, other.backend.own_decoder().weights, strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def test_latents_of_another_size_are_refused(models: Models) -> None:
    scene = Scene.of(models("sd"))
    wrong = RepairRequest(scene.request, np.zeros((4, 3, 3), np.float32), "poisson")
    with pytest.raises(InvalidRequest):
        drive(repair(wrong, scene.model.backend))


@pytest.mark.parametrize("how", HOWS)
def test_repairs_at_every_size(models: Models, how: Repair, few: None) -> None:
    """The frame is neither of the working size nor of a multiple; the region reaches its border."""
    frame = Frame(Rect.at(3, 5, 101, 77), SIDE)
    strength = np.zeros((77, 101), np.float32)
    strength[40:, 60:] = 1
    strength[30:40, 60:] = np.linspace(0, 1, 10, dtype=np.float32)[:, None]
    request = wish(strength, frame=frame, image=picture(3, frame.rect.size), steps=2)
    made = drive(edit(request, models("sd").backend))
    assert made.latents is not None
    repaired = drive(repair(RepairRequest(request, made.latents, how), models("sd").backend))
    outside = strength == 0
    assert (shown(request, repaired)[outside] == request.image[outside]).all()


def test_the_engine_repairs_and_remembers(models: Models, few: None, tmp_path: Path) -> None:
    model = models("sd")
    engine = Engine(lambda: Library((model.folder.parent,), cache=tmp_path / "none"), learned=tmp_path / "learned")
    request = wish(steps=2, model=model.backend.info.key)
    seen: list[list[Report]] = [[], []]
    (made,) = drive(engine.run(VariantsRequest.of_seeds(request, (SEED,))))
    assert made.latents is not None
    results = [drive(engine.run(RepairRequest(request, made.latents, "decoder")), seen=each) for each in seen]
    assert len(list((tmp_path / "learned").iterdir())) == 1
    assert len(seen[1]) < len(seen[0])
    assert (results[0].pixels == results[1].pixels).all()
    fractions = [each.fraction for each in seen[0] if isinstance(each, Progress)]
    assert fractions == sorted(fractions)
