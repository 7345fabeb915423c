"""One edit by words as the program sees it: pictures of all kinds and sizes, reports, early finishes, cancelling, several results."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from editor.document.compose import flatten
from editor.document.document import Document
from editor.edits.apply import apply_result
from editor.edits.dispatch import make_request
from editor.execution import EXECUTIONS
from editor.geometry import Rect, Size
from editor.io.images import read_image
from editor.methods.blended_latent_diffusion.model import edit, edit_batch
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.planning.plan import Draft
from editor.requests.frame import Frame
from editor.requests.reports import FinishEarly, Preview, Progress, Report, ResultReady
from editor.requests.samplers import Sampler
from editor.requests.variants import variants_of
from tests.support.blended_cases import (
    REGION,
    candidates,
    encoded,
    final,
    found_of,
    made_by,
    run,
    settings,
    shown,
    wish,
)
from tests.support.pixels_cases import MODELS, SIDE, Map, Model, Recorded, cells, picture
from tests.support.reports import drive

Models = Callable[[str], Model]
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def _soft_disc(size: Size = SIDE) -> Map:
    """Soft towards its edge, with a thin line far from it."""
    rows, columns = np.indices(size.shape)
    away = np.hypot(rows - size.height * 0.55, columns - size.width * 0.4)
    found: Map = np.clip(1.3 - away / (0.35 * min(size)), 0, 1).astype(np.float32)
    found[2:4, -size.width // 3 : -3] = 1
    return found


def test_the_table_of_methods_knows_it() -> None:
    assert EXECUTIONS[BlendedSettings]().edit_on_model is not None


def test_other_settings_are_none_of_its_business(models: Models) -> None:
    with pytest.raises(TypeError, match="PixelsSettings"):
        drive(edit(replace(wish(), settings=PixelsSettings()), models("sd").backend))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("told", [{"match_tone": "on"}, {"thin": "auto", "feather": 0.0}, {"cells": "any"}])
def test_nothing_outside_the_region_moves(models: Models, name: str, told: dict[str, Any]) -> None:
    frame = Frame.full_size(Rect.at(13, 21, *SIDE))
    asked = wish(_soft_disc(), settings(**told), frame=frame, steps=3)
    result = run(asked, models(name))[0]
    assert frame.rect.holds(result.rect)
    changed = (shown(asked, result) != asked.image).any(-1)
    assert not changed[asked.strength == 0].any()
    assert changed[asked.strength > 0.9].mean() > 0.3


@pytest.mark.parametrize("rule", ["ref_ldm", "ref_sd2", "ref_sdxl"])
def test_nor_does_it_by_the_published_rules(models: Models, rule: Any) -> None:
    asked = wish(_soft_disc(), settings(rule=rule, pixel_blending=0.2), steps=10)
    assert (shown(asked, run(asked, models("sd"))[0]) != asked.image).any()


SIZES = [
    ((61, 43), (61, 43)),
    ((33, 150), (33, 150)),
    ((150, 33), (70, 15)),
    ((301, 207), (101, 69)),
    ((40, 30), (121, 91)),
    ((9, 1), (9, 1)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize("name", ["sdxl", "kandinsky"])
@pytest.mark.parametrize(("size", "to"), SIZES)
def test_invariant_30_any_size_and_shape(models: Models, name: str, size: tuple[int, int], to: tuple[int, int]) -> None:
    region = np.zeros((size[1], size[0]), np.float32)
    region[size[1] // 3 :, size[0] // 4 : size[0] // 4 + size[0] // 2 + 1] = 1
    frame = Frame(Rect.at(5, 6, *size), Size(*to))
    asked = wish(region, settings(thin="auto"), frame=frame, steps=2)
    seen: list[Report] = []
    result = drive(edit(asked, models(name).backend), seen=seen)
    assert result.pixels.shape == (*result.rect.size.shape, 4)
    assert frame.rect.holds(result.rect)
    shown(asked, result)
    previews = [each for each in seen if isinstance(each, Preview)]
    assert previews
    assert all(preview.rect == frame.rect for preview in previews)


@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.sampled_from(["sd", "sdxl"]),
    st.integers(0, 2**31),
)
@examples(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_invariant_30_any_size_and_any_region(models: Models, size: tuple[int, int], name: str, seed: int) -> None:
    """From a single pixel to everything but one."""
    random = np.random.default_rng(seed)
    shape = size[1], size[0]
    region = (random.random(shape) < random.choice([0.01, 0.5, 0.99])).astype(np.float32)
    region.flat[random.integers(region.size)] = 1
    asked = wish(region, settings(thin="auto"), steps=2, sampler="ddim", guidance_scale=1.0)
    _, found, _ = run(asked, models(name))
    result = drive(edit(asked, models(name).backend))
    shown(asked, result)
    assert torch.isfinite(found).all()
    assert result.pixels[..., 3].any()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
@pytest.mark.parametrize("size", [(61, 43), (64, 96)])
def test_invariant_30_pictures_of_any_kind_keep_their_size_and_bytes(
    models: Models, mode: str, size: tuple[int, int]
) -> None:
    """From the file to the picture that would be saved."""
    plain = PIL.Image.fromarray(picture(3, Size(*size)))
    deep = PIL.Image.fromarray(np.asarray(plain.convert("L")).astype(np.uint16) * 257)
    image = deep if mode == "I;16" else plain.convert(mode)
    if "A" in mode:
        image.putalpha(plain.convert("L"))
    file = io.BytesIO()
    image.save(file, "PNG")
    document = Document.of_picture(read_image(file.getvalue()).pixels)
    assert document.size == size
    area = Rect(10, 8, 40, 30)
    document = document.with_strength(document.strength.write(10, 8, np.ones(area.size.shape, np.float32)))
    model = models("sd")
    draft = Draft(settings(), model=model.backend.info, seed=3, steps=2, prompt="red boat", sampler="ddim")
    asked = make_request(document, draft)
    result = run(asked, model)[0]
    before, after = flatten(document), flatten(apply_result(document, result, document)[1])
    assert after.shape == before.shape == (size[1], size[0], 4)
    outside = np.ones(after.shape[:2], bool)
    outside[area.slices] = False
    assert (after[outside] == before[outside]).all()
    assert (after != before).any()


@pytest.mark.parametrize("name", ["sd", "sdxl", "kandinsky"])
def test_a_single_pixel_is_enough(models: Models, name: str) -> None:
    region = np.zeros(SIDE.shape, np.float32)
    region[37, 90] = 1
    asked = wish(region, settings(thin="auto"), steps=3)
    result, found, _ = run(asked, models(name))
    assert result.rect == Rect(90, 37, 91, 38)
    changed = (found != encoded(asked, models(name))).any(1)[0]
    assert changed.nonzero().tolist() == [[4, 11]]


def test_everything_may_change(models: Models) -> None:
    asked = wish(np.ones(SIDE.shape, np.float32), steps=3)
    result, found, _ = run(asked, models("sdxl"))
    assert result.rect == asked.frame.rect
    assert (result.pixels[..., 3] == 255).all()
    assert (found != encoded(asked, models("sdxl"))).float().mean() > 0.99


@pytest.mark.parametrize(
    ("name", "sampler"), [("sd", "lcm"), ("sdxl", "lcm"), ("sd_v", "dpmpp_2m"), ("sdxl", "euler_a")]
)
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_few_steps_without_guidance(models: Models, name: str, sampler: Sampler, steps: int) -> None:
    asked = wish(_soft_disc(), settings(thin="auto"), steps=steps, sampler=sampler, guidance_scale=1.0)
    result, found, recorded = run(asked, models(name))
    assert [len(input_) for input_ in recorded.inputs] == [1] * steps
    assert torch.isfinite(found).all()
    assert (shown(asked, result) != asked.image).any()


def _scribbled() -> Any:
    found = picture(1).copy()
    found[:, 40:80] = (240, 10, 200)  # far beyond the region too
    return found


@pytest.mark.parametrize("name", ["sd_v", "sdxl", "kandinsky"])
def test_a_scribble_shows_only_inside_the_region(models: Models, name: str) -> None:
    region = cells(REGION) * np.float32(0.6)
    plain = wish(region, steps=5)
    asked = replace(plain, scribble=_scribbled())
    made = shown(asked, run(asked, models(name))[0])
    assert (made[region == 0] == asked.image[region == 0]).all()
    assert (made != shown(plain, run(plain, models(name))[0])).any()


def test_the_less_noise_the_more_of_a_scribble(models: Models) -> None:
    """Its colours, seen through the model's own decoder."""
    away = []
    for strength in (0.1, 0.5, 1.0):
        asked = replace(wish(cells(REGION) * np.float32(strength), steps=10), scribble=_scribbled())
        model = models("sd_v")
        target = encoded(replace(asked, image=_scribbled()), model)
        found = run(asked, model)[1]
        away.append(float((found - target)[:, :, 2:7, 3:9].square().mean()))
    assert away == sorted(away)
    assert away[0] < away[2] / 2


@pytest.mark.parametrize("name", ["sd", "kandinsky"])
def test_results_come_one_after_the_other_as_they_are_decoded(models: Models, name: str) -> None:
    recorded = Recorded(models(name).backend)
    seen: list[Report] = []
    decoded: list[int] = []
    reports = edit_batch(variants_of(wish(steps=3), (11, 4, 7)), recorded)

    def count(report: Report) -> None:
        if isinstance(report, ResultReady):
            decoded.append(len(recorded.decoded))

    results = drive(reports, seen, each=count)
    assert decoded == [1, 2, 3]
    assert [each.recipe.seed for each in found_of(seen)] == [11, 4, 7]
    assert tuple(found_of(seen)) == results
    steps = [each for each in seen if isinstance(each, Progress)]
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert len({step.doing for step in steps if step.doing.startswith("Step ")}) == 3


def test_who_asks_for_one_hears_of_no_several(models: Models) -> None:
    seen: list[Report] = []
    result = drive(edit(wish(steps=2), models("sd").backend), seen=seen)
    assert not found_of(seen)
    together = candidates(wish(steps=2), (11,), models("sd"))
    assert together[0].pixels.tobytes() == result.pixels.tobytes()


def test_finishing_early_at_any_moment_brings_all_results(models: Models) -> None:
    """Before the first step there is nothing to finish."""
    model, seeds = models("sd_v"), (11, 4)
    asked = wish(steps=4)
    whole: list[Report] = []
    full = candidates(asked, seeds, model, whole)
    nothing = 0
    for at in range(len(whole)):
        seen: list[Report] = []
        try:
            results = drive(edit_batch(variants_of(asked, seeds), model.backend), seen, finish_at=at)
        except FinishEarly:
            nothing += 1
            continue
        assert [result.recipe.seed for result in results] == list(seeds)
        assert found_of(seen) == list(results)
        for result in results:
            shown(asked, result)
        report = whole[at]
        if isinstance(report, Progress) and report.doing == "Step 2 of 4":
            latents = final(results[0])
            assert torch.isfinite(latents).all()
            assert not torch.equal(latents, final(full[0]))
            outside = torch.from_numpy(REGION == 0).expand_as(latents)
            assert torch.equal(latents[outside], encoded(asked, model)[outside])
    steps = next(i for i, each in enumerate(whole) if isinstance(each, Preview) or "Step" in getattr(each, "doing", ""))
    assert nothing == steps


@pytest.mark.parametrize("rule", ["canonical", "ref_ldm"])
def test_invariant_31_cancelled_at_any_moment_the_model_is_as_before(models: Models, rule: Any) -> None:
    """And nothing more is computed: not one call of the network after the close."""
    model = models("sdxl")
    pipeline = model.backend._pipeline  # type: ignore[attr-defined]
    parts = [pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2]
    before = [tensor.clone() for part in parts for tensor in part.state_dict().values()]
    settled = [(part.training, [parameter.requires_grad for parameter in part.parameters()]) for part in parts]
    asked = wish(None, settings(rule=rule), steps=10, guidance_scale=1.0)
    whole: list[Report] = []
    full = candidates(asked, (11, 4), model, whole)
    for at in range(0, len(whole), 3):
        recorded = Recorded(model.backend)
        reports = made_by(asked).edit_batch(variants_of(asked, (11, 4)), recorded)
        for _ in range(at + 1):
            next(reports)
        calls = len(recorded.inputs)
        reports.close()
        assert len(recorded.inputs) == calls <= 10
        assert torch.is_grad_enabled()
    after = [tensor for part in parts for tensor in part.state_dict().values()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert settled == [(part.training, [parameter.requires_grad for parameter in part.parameters()]) for part in parts]
    again = candidates(asked, (11, 4), model)
    for first, second in zip(full, again, strict=True):
        assert first.pixels.tobytes() == second.pixels.tobytes()


def test_what_an_edit_ended_with_is_kept_beside_its_pixels(models: Models) -> None:
    asked = wish(steps=2)
    recorded = Recorded(models("sd").backend)
    results = drive(edit_batch(variants_of(asked, (11, 4)), recorded))
    for result, decoded in zip(results, recorded.decoded, strict=True):
        assert result.latents is not None
        assert result.latents.dtype == np.float32
        assert torch.equal(final(result), decoded)
