"""Stable Diffusion 1 and 2 on tiny models, against the stock pipelines of diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from accelerate import cpu_offload

from editor.diffusion.backend import Embeddings
from editor.diffusion.blending import LatentBlend
from editor.diffusion.denoise import denoise
from editor.diffusion.families.stable_diffusion.backend import StableDiffusion
from editor.diffusion.guidance import classifier_free, guided
from editor.diffusion.schedule import SAMPLERS
from editor.geometry import Size
from editor.requests.reports import outcome_of
from editor.requests.samplers import Sampler
from tests.support.diffusion import (
    assert_same_calls,
    at,
    fingerprint,
    free,
    info,
    picture,
    pipeline,
    planes,
    run,
    seen,
)

# diffusers turns a tensor into an array in a way that newer versions of numpy announce to end.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CANVAS = Size(96, 64)


def _loaded(folder: Path) -> tuple[StableDiffusion, Any]:
    parts = pipeline(folder)
    return StableDiffusion(info(folder, "stable-diffusion"), parts), parts


@pytest.fixture(params=["epsilon", "v_prediction"])
def sd(request: pytest.FixtureRequest, sd_folder: Path, sd_v_folder: Path) -> tuple[StableDiffusion, Any]:
    return _loaded(sd_folder if request.param == "epsilon" else sd_v_folder)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 104), (104, 64), (8, 8)])
def test_a_picture_keeps_its_shape_through_latents(sd_folder: Path, height: int, width: int) -> None:
    backend, _ = _loaded(sd_folder)
    latents = backend.encode(picture(height, width))
    assert latents.shape == (1, 4, height // 8, width // 8)
    assert latents.dtype == torch.float32
    assert latents.is_contiguous()
    image = backend.decode(latents.repeat(2, 1, 1, 1))
    assert image.shape == (2, height, width, 3)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    assert 0 <= image.min() < image.max() <= 1


def test_latents_are_the_mean_scaled_by_the_models_own_configuration(sd_folder: Path) -> None:
    backend, parts = _loaded(sd_folder)
    image = picture(64, 96)
    with torch.no_grad():
        posterior = parts.vae.encode(2 * planes(image) - 1).latent_dist
    drawn = backend.sample(image, torch.Generator().manual_seed(3))
    assert torch.equal(backend.encode(image), posterior.mean * 0.18215)
    assert torch.equal(drawn, posterior.sample(torch.Generator().manual_seed(3)) * 0.18215)
    parts.vae.register_to_config(scaling_factor=0.5, shift_factor=0.25)
    latents = backend.encode(image)
    torch.testing.assert_close(latents, (posterior.mean - 0.25) * 0.5)
    with torch.no_grad():
        expected = parts.vae.decode(latents / 0.5 + 0.25).sample
    shown = (expected / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(backend.decode(latents), shown, atol=1e-6)


@pytest.mark.parametrize("prompt", ["", "a red boat", "sky, " * 37])
def test_embeddings_are_those_of_the_stock_pipeline(sd: tuple[StableDiffusion, Any], prompt: str) -> None:
    backend, parts = sd
    with torch.no_grad():
        stock = parts.encode_prompt(prompt, "cpu", 1, True, negative_prompt="wood")
    ours = outcome_of(backend.embed(prompt, "wood", CANVAS))
    for our, expected in zip(ours, stock, strict=True):
        assert our.hidden is not None
        assert torch.equal(our.hidden, expected)
        assert not our.added


def test_a_long_prompt_is_read_in_several_parts_and_nothing_is_cut_off(sd_folder: Path) -> None:
    backend, _ = _loaded(sd_folder)
    positive, negative = outcome_of(backend.embed("red " * 75 + "boat", "wood", CANVAS))
    first, _ = outcome_of(backend.embed("red " * 75, "", CANVAS))
    second, empty = outcome_of(backend.embed("boat", "", CANVAS))
    wood, _ = outcome_of(backend.embed("wood", "", CANVAS))
    assert positive.hidden is not None
    assert negative.hidden is not None
    assert first.hidden is not None
    assert second.hidden is not None
    assert wood.hidden is not None
    assert empty.hidden is not None
    torch.testing.assert_close(positive.hidden, torch.cat([first.hidden, second.hidden], dim=1))
    torch.testing.assert_close(negative.hidden, torch.cat([wood.hidden, empty.hidden], dim=1))
    latents = torch.zeros(1, 4, 8, 12)
    with torch.no_grad():
        found = guided(backend, classifier_free(positive, negative, 5.0))(latents, at(500))
    assert found.shape == latents.shape


@pytest.mark.parametrize(
    ("sampler", "strength", "guidance_scale"),
    [("", 1.0, 7.5), ("ddim", 0.6, 7.5), ("ddim", 0.6, 1.0), ("euler", 0.6, 7.5)],
)
def test_a_run_is_the_stock_img2img_run(
    sd: tuple[StableDiffusion, Any], sampler: Sampler, strength: float, guidance_scale: float
) -> None:
    backend, parts = sd
    stock = diffusers.StableDiffusionImg2ImgPipeline(**parts.components, requires_safety_checker=False)
    stock.set_progress_bar_config(disable=True)
    if sampler:
        kind: Any = SAMPLERS[sampler]
        stock.scheduler = kind.from_config(parts.scheduler.config, clip_sample=False)
    image = picture(64, 96)
    with seen(parts.unet) as theirs:
        expected = stock(
            "a red boat",
            image=planes(image),
            strength=strength,
            num_inference_steps=5,
            guidance_scale=guidance_scale,
            negative_prompt="wood",
            generator=torch.Generator().manual_seed(5),
            output_type="latent",
        ).images
    generator = torch.Generator().manual_seed(5)
    start = backend.sample(image, generator)
    noise = torch.randn(start.shape, generator=generator)
    schedule = backend.schedule(5, strength, sampler)
    guidance = classifier_free(*outcome_of(backend.embed("a red boat", "wood", CANVAS)), guidance_scale)
    with seen(parts.unet) as ours:
        found = run(backend, guidance, schedule.noised(start, noise, schedule.first), free(start), schedule)
    assert_same_calls(ours, theirs)
    assert torch.equal(found, expected)


def test_invariant_21_without_guidance_the_network_sees_each_picture_once(sd_folder: Path) -> None:
    backend, parts = _loaded(sd_folder)
    positive, negative = outcome_of(backend.embed("a red boat", "wood", CANVAS))
    latents = torch.randn(3, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    for scale, batch in ((1.0, 3), (0.0, 3), (7.0, 6)):
        with torch.no_grad(), seen(parts.unet) as calls:
            guided(backend, classifier_free(positive, negative, scale))(latents, at(500))
        assert [len(call["sample"]) for call in calls] == [batch]
        hidden = calls[0]["hidden"]
        assert positive.hidden is not None
        assert negative.hidden is not None
        assert torch.equal(hidden[-3:], positive.hidden.repeat(3, 1, 1))
        if batch == 6:
            assert torch.equal(hidden[:3], negative.hidden.repeat(3, 1, 1))
            assert torch.equal(calls[0]["sample"], torch.cat([latents, latents]))


def test_invariant_25_the_hold_rule_is_the_same_for_noise_and_v_prediction(sd_folder: Path, sd_v_folder: Path) -> None:
    image = picture(64, 96)
    until = torch.arange(8 * 12).reshape(1, 1, 8, 12) % 6
    noise = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(1))
    inputs, results, levels = [], [], []
    for folder in (sd_folder, sd_v_folder):
        backend, parts = _loaded(folder)
        source = backend.encode(image)
        schedule = backend.schedule(10, 0.5, "ddim")
        guidance = classifier_free(*outcome_of(backend.embed("sky", "", CANVAS)), 4.0)
        blend = LatentBlend(source, noise, until + schedule.first)
        with seen(parts.unet) as calls:
            results.append(run(backend, guidance, schedule.noised(source, noise, schedule.first), blend, schedule))
        inputs.append([call["sample"][:1] for call in calls])
        levels.append([step.noised(source, noise) for step in schedule.steps])
    for i, (one, other) in enumerate(zip(*inputs, strict=True)):
        held = (until > i).expand_as(one)
        assert torch.equal(levels[0][i], levels[1][i])
        assert torch.equal(one[held], levels[0][i][held])
        assert torch.equal(other[held], levels[0][i][held])
    assert not torch.equal(inputs[0][-1], inputs[1][-1])
    assert torch.equal(results[0][(until == 5).expand_as(noise)], results[1][(until == 5).expand_as(noise)])


def test_half_precision_stays_inside_the_network(sd_folder: Path) -> None:
    backend, parts = _loaded(sd_folder)
    parts.to(torch.bfloat16)
    positive, _ = outcome_of(backend.embed("a red boat", "", CANVAS))
    latents = backend.encode(picture(64, 64))
    with torch.no_grad(), seen(parts.unet) as calls:
        found = backend.predict(latents, at(500), positive)
    assert (latents.dtype, found.dtype) == (torch.float32, torch.float32)
    assert calls[0]["sample"].dtype == calls[0]["hidden"].dtype == torch.bfloat16
    assert backend.decode(latents).dtype == np.float32


def test_gradients_flow_through_a_prediction(sd_folder: Path) -> None:
    backend, _ = _loaded(sd_folder)
    positive, _ = outcome_of(backend.embed("a red boat", "", CANVAS))
    latents = torch.zeros(1, 4, 8, 8, requires_grad=True)
    (slope,) = torch.autograd.grad(backend.predict(latents, at(500), positive).square().sum(), latents)
    assert slope.abs().sum() > 0


def test_parts_kept_elsewhere_are_fetched_when_it_is_their_turn(sd_folder: Path) -> None:
    backend, _ = _loaded(sd_folder)
    away, parts = _loaded(sd_folder)
    for each in (parts.unet, parts.vae, parts.text_encoder):
        cpu_offload(each, torch.device("cpu"))
        assert next(each.parameters()).device.type == "meta"
    assert away.device == torch.device("cpu")
    image = picture(64, 64)
    latents = away.encode(image)
    here, there = outcome_of(backend.embed("sky", "", CANVAS))[0], outcome_of(away.embed("sky", "", CANVAS))[0]
    assert torch.equal(latents, backend.encode(image))
    assert np.array_equal(away.decode(latents), backend.decode(latents))
    with torch.no_grad():
        step = at(500)
        assert torch.equal(away.predict(latents, step, there), backend.predict(latents, step, here))


def test_nothing_is_left_altered(sd: tuple[StableDiffusion, Any]) -> None:
    backend, parts = sd
    before = fingerprint(parts)
    source = backend.encode(picture(64, 96))
    guidance = classifier_free(*outcome_of(backend.embed("sky", "wood", CANVAS)), 4.0)
    backend.decode(run(backend, guidance, source, free(source), backend.schedule(4)))
    assert fingerprint(parts) == before

    stopped = denoise(guided(backend, guidance), source, free(source), backend.schedule(4))
    next(stopped)
    stopped.close()
    assert fingerprint(parts) == before

    narrow = outcome_of(backend.embed("sky", "", CANVAS))[0].hidden
    assert narrow is not None
    broken = Embeddings(narrow[..., :-1])
    with pytest.raises(RuntimeError):
        run(backend, classifier_free(broken, broken, 4.0), source, free(source), backend.schedule(4))
    assert fingerprint(parts) == before
