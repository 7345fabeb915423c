"""What lies outside the region: pasted, evened out or learned; invariants 23 and 25 to 28 of the specification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from editor.diffusion.decoders import OwnDecoder
from editor.diffusion.fits import FitStore
from editor.diffusion.model_cache import translate_oom
from editor.errors import OutOfMemory
from editor.methods.blended_latent_diffusion.model import edit, edit_batch, finishing, refinement, repair
from editor.methods.blended_latent_diffusion.model.refinement import Learns, misfit, refined
from editor.model_canvas import paste_back
from editor.requests.edit_request import Repair
from editor.requests.reports import FinishEarly, Progress, Report, ResultReady
from editor.requests.variants import variants_of
from tests.support.blended_cases import HOWS, LEARNS, settings, shown, wish
from tests.support.blended_scene import Scene, untouched
from tests.support.pixels_cases import MODELS, SIDE, Model
from tests.support.reports import drive

Models = Callable[[str], Model]
Image = NDArray[np.float32]
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


# Paste


@pytest.mark.parametrize("feather", [0.0, 8.0])
def test_invariant_23_paste(models: Models, feather: float) -> None:
    scene = Scene.of(models("sd"), feather=feather)
    result = scene.finished()
    after = shown(scene.request, result)
    made = np.rint(scene.model.backend.decode(scene.latents[None])[0] * 255).astype(np.uint8)
    assert (after[~scene.region] == scene.request.image[~scene.region]).all()
    if feather == 0:
        assert (after[scene.region] == made[scene.region]).all()
    else:
        assert (after[4 * 8 : 5 * 8, 5 * 8 : 6 * 8] == made[4 * 8 : 5 * 8, 5 * 8 : 6 * 8]).mean() > 0.9
        assert (after[scene.region] != made[scene.region]).any()
    assert result.latents is not None
    assert (result.latents == scene.latents.numpy()).all()
    assert result.seam is not None


@pytest.mark.parametrize("finish", ["paste", *HOWS])
@pytest.mark.parametrize("name", ["sd", "sdxl", "kandinsky"])
def test_whatever_the_finish_nothing_outside_moves(models: Models, name: str, finish: str, few: None) -> None:
    scene = Scene.of(models(name), finish=finish, match_tone="on")
    with untouched(scene.model):
        result = scene.finished()
    after = shown(scene.request, result)
    assert (after[~scene.region] == scene.request.image[~scene.region]).all()
    assert (after != scene.request.image).any()
    assert result.recipe.settings == scene.request.settings
    assert result.seam is not None
    assert result.seam >= 0


def test_poisson_takes_back_a_shift_that_paste_leaves(models: Models) -> None:
    """Of the result, beside the document: less is left of what was shifted everywhere."""
    scene = Scene.of(models("sd"), feather=0.0)
    shifted = replace(scene, model=Model(scene.model.folder, _Shifted(scene.model.backend, 0.1)))
    other = replace(shifted, request=replace(scene.request, settings=settings(finish="poisson", feather=0.0)))
    plain, pasted, evened = (shown(each.request, each.finished()) for each in (replace(scene), shifted, other))
    assert pasted[scene.region].astype(int).mean() - plain[scene.region].mean() > 20
    soured = replace(scene, request=other.request)
    wanted = shown(soured.request, soured.finished())
    assert np.abs(evened.astype(int) - wanted)[scene.region].mean() < 3


@dataclass
class _Shifted:
    backend: Any
    by: float

    def decode(self, latents: torch.Tensor, *, clamp: bool = True) -> Image:
        found: Image = self.backend.decode(latents, clamp=clamp) + np.float32(self.by)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


# Learning the surroundings


def test_invariant_25_the_loss_on_numbers_made_by_hand() -> None:
    image, wanted, source = (torch.randn(1, 3, 4, 6, generator=torch.Generator().manual_seed(k)) for k in range(3))
    region = torch.zeros(1, 1, 4, 6)
    region[..., 1:3, 2:4] = 1
    total = 0.0
    for channel in range(3):
        for row in range(4):
            for column in range(6):
                inside = 1 <= row < 3 and 2 <= column < 4
                aim = (wanted if inside else source)[0, channel, row, column]
                total += (1 if inside else 100) * float(image[0, channel, row, column] - aim) ** 2
    assert misfit(image, wanted, source, region).item() == pytest.approx(total / (3 * 4 * 6), rel=1e-6)


@pytest.mark.parametrize("name", ["sd", "sdxl", "kandinsky"])
def test_invariant_26_the_decoder_learns_and_the_model_stays(models: Models, name: str) -> None:
    scene = Scene.of(models(name))
    before = scene.latents.clone()
    own = scene.model.backend.own_decoder()
    weights = [each.clone() for each in own.network.state_dict().values()]
    first = None if own.before is None else [each.clone() for each in own.before.state_dict().values()]
    with untouched(scene.model):
        done = drive(refined(own, scene.latents, scene.source, scene.region, "decoder"))
    assert len(done.losses) == refinement.STEPS == 75
    assert done.losses[-1] < done.losses[0]
    plain = scene.model.backend.decode(scene.latents[None])[0]
    errors = [((each - scene.source)[~scene.region] ** 2).mean() for each in (plain, done.image)]
    assert errors[1] < errors[0]
    moved = [not torch.equal(one, was) for one, was in zip(own.network.state_dict().values(), weights, strict=True)]
    assert sum(moved) > 0.9 * len(moved)
    if own.before is not None:
        same = zip(own.before.state_dict().values(), first or [], strict=True)
        assert all(torch.equal(one, was) for one, was in same)
    assert torch.equal(scene.latents, before)


@pytest.mark.parametrize("learns", LEARNS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_invariant_26_it_works_from_inside_of_inference_mode(models: Models, learns: Learns, mode: Any) -> None:
    scene = Scene.of(models("sd"))
    plain = scene.refined(learns, steps=5)
    with mode():
        latents = scene.latents.clone()  # made inside
        own = scene.model.backend.own_decoder()
        done = drive(refined(own, latents, scene.source, scene.region, learns, steps=5))
    assert done.losses == plain.losses
    assert (done.image == plain.image).all()
    assert done.losses[-1] < done.losses[0]


@pytest.mark.parametrize("how", ["decoder", "latents"])
def test_invariant_26_the_model_stays_when_it_is_cancelled_or_fails(
    models: Models, how: Repair, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene.of(models("sd"))
    with untouched(scene.model):
        reports = repair(scene.asked(how), scene.model.backend)
        said = [next(reports) for _ in range(6)]
        reports.close()
    words = [each.doing for each in said if isinstance(each, Progress)]
    assert words[-1] == "Learning the surroundings · 4 of 75"
    calls = []

    def failing(*images: Any) -> torch.Tensor:
        calls.append(images)
        if len(calls) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return misfit(*images)

    monkeypatch.setattr(refinement, "misfit", failing)
    with untouched(scene.model), pytest.raises(OutOfMemory):
        drive(translate_oom(repair(scene.asked(how), scene.model.backend)))
    assert len(calls) == 3


@pytest.mark.parametrize("name", MODELS)
def test_invariant_27_without_surroundings_there_is_nothing_to_learn(models: Models, name: str) -> None:
    scene = Scene.of(models(name))
    done = scene.refined("decoder", steps=1, outside=0.0)
    assert done.losses[0] <= 1e-10


@pytest.mark.parametrize("name", ["sd", "kandinsky"])
def test_invariant_28_latents_move_and_no_decoder_does(models: Models, name: str) -> None:
    scene = Scene.of(models(name))
    own = scene.model.backend.own_decoder()
    weights = [weight.clone() for weight in own.weights]
    before = scene.latents.clone()
    with untouched(scene.model):
        done = drive(refined(own, scene.latents, scene.source, scene.region, "latents"))
    assert all(torch.equal(one, was) for one, was in zip(own.weights, weights, strict=True))
    assert torch.equal(scene.latents, before)
    assert len(done.losses) == 75
    assert done.losses[-1] < done.losses[0]


def test_large_canvases_save_memory_and_give_the_same(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene.of(models("sd"))
    plain = scene.refined("decoder", steps=3)
    saved = []
    save = OwnDecoder.save_memory

    def saving(own: OwnDecoder) -> None:
        saved.append(own)
        save(own)

    monkeypatch.setattr(OwnDecoder, "save_memory", saving)
    monkeypatch.setattr(refinement, "LARGE", 1)
    done = scene.refined("decoder", steps=3)
    assert len(saved) == 1
    assert (done.image == plain.image).all()


def test_finished_early_it_takes_what_there_is(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene.of(models("sd"), finish="decoder")
    fits = FitStore()
    reports = scene.finish(fits).finished(scene.latents, scene.variant)
    for _ in range(8):
        report = next(reports)
    assert isinstance(report, Progress)
    assert report.doing == "Learning the surroundings · 7 of 75"
    with pytest.raises(StopIteration) as stopped:
        reports.throw(FinishEarly())
    done = stopped.value.value
    assert done.early
    monkeypatch.setattr(finishing, "refined", partial(refined, steps=7))
    assert (done.result.pixels == scene.finished().pixels).all()
    monkeypatch.undo()
    # What is not finished is not taken for it later.
    seen: list[Report] = []
    drive(scene.finish(fits).finished(scene.latents, scene.variant), seen=seen)
    assert len(seen) > 75


def test_a_hurried_finish_leaves_out_what_takes_long(models: Models) -> None:
    scene = Scene.of(models("sd"), finish="decoder")
    seen: list[Report] = []
    hurried = drive(scene.finish().finished(scene.latents, scene.variant, hurried=True), seen=seen).result
    plain = Scene.of(models("sd")).finished()
    assert (hurried.pixels == plain.pixels).all()
    assert not seen


def test_an_edit_that_finishes_early_while_learning_learns_nothing_more(models: Models) -> None:
    request = wish(told=settings(finish="decoder"), steps=2)
    reports = edit_batch(variants_of(request, (1, 2)), models("sd").backend)
    seen: list[Report] = []

    def learning(report: Report) -> bool:
        return isinstance(report, Progress) and report.doing.endswith("· 3 of 75")

    results = drive(reports, seen, finish_at=learning)
    assert any(learning(report) for report in seen)
    assert len(results) == 2
    assert len([each for each in seen if isinstance(each, ResultReady)]) == 2
    learned = [each.doing for each in seen if isinstance(each, Progress) and "Learning" in each.doing]
    assert len(learned) == 4  # one before the first step


def test_what_is_learned_inside_has_the_colours_of_the_picture(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that is off all over learns the picture outside; inside it is told what it made with the shift taken back."""
    told: list[Any] = []

    def spied(*given: Any, **more: Any) -> Any:
        told.append(more["wanted"])
        return refined(*given, steps=1, **more)

    monkeypatch.setattr(finishing, "refined", spied)
    for tone in ("auto", "off"):
        scene = Scene.of(models("sd"), finish="decoder", match_tone=tone)
        scene.finished()
    assert told[1] is None
    scene = Scene.of(models("sd"))
    plain = scene.model.backend.decode(scene.latents[None])[0]
    size = 2 * paste_back.RING + 1
    near = cv2.dilate(scene.region.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
    ring = near & ~scene.region
    shifts = [np.abs(each[ring].mean(0) - scene.source[ring].mean(0)).max() for each in (plain, told[0])]
    assert shifts[1] < shifts[0] / 10


@pytest.mark.parametrize("finish", HOWS)
def test_it_can_finish_early_at_every_report(models: Models, finish: Repair, few: None) -> None:
    """There is a result in the end, whenever it was asked for."""
    scene = Scene.of(models("sd"), finish=finish)
    reports = len(_reports(scene))
    assert reports > 2
    for at in range(reports):
        done = drive(scene.finish().finished(scene.latents, scene.variant), finish_at=at)
        assert done.early == (finish != "poisson")
        assert done.result.pixels[..., 3].any()


def _reports(scene: Scene) -> list[Report]:
    seen: list[Report] = []
    drive(scene.finish().finished(scene.latents, scene.variant), seen=seen)
    return seen


@pytest.mark.parametrize("finish", HOWS)
def test_without_surroundings_a_finish_is_a_paste(models: Models, finish: Repair) -> None:
    everything = np.ones(SIDE.shape, np.float32)
    model, found = models("sd"), []
    for each in (finish, "paste"):
        request = wish(everything, settings(finish=each), steps=2)
        seen: list[Report] = []
        found.append(drive(edit(request, model.backend), seen=seen))
        assert not any("Learning" in said.doing for said in seen if isinstance(said, Progress))
    assert (found[0].pixels == found[1].pixels).all()
    assert found[0].seam == 0
