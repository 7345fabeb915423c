"""Stable Diffusion XL base and refiner on tiny models, against the stock pipelines of diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from editor.diffusion.families.stable_diffusion_xl.backend import StableDiffusionXL
from editor.diffusion.guidance import classifier_free, guided
from editor.geometry import Size
from editor.requests.reports import outcome_of
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
Loaded = tuple[StableDiffusionXL, Any]


def _base(folder: Path) -> Loaded:
    parts = pipeline(folder, diffusers.StableDiffusionXLImg2ImgPipeline)
    return StableDiffusionXL(info(folder, "stable-diffusion-xl"), parts), parts


def _refiner(folder: Path) -> Loaded:
    parts = pipeline(folder)
    return StableDiffusionXL(info(folder, "stable-diffusion-xl-refiner"), parts), parts


@pytest.fixture(params=["base", "refiner"])
def sdxl(request: pytest.FixtureRequest, sdxl_folder: Path, refiner_folder: Path) -> Loaded:
    return _base(sdxl_folder) if request.param == "base" else _refiner(refiner_folder)


@pytest.mark.parametrize("negative", ["", "wood"])
@pytest.mark.parametrize("prompt", ["", "a red boat!"])
def test_embeddings_are_those_of_the_stock_pipeline(sdxl: Loaded, prompt: str, negative: str) -> None:
    backend, parts = sdxl
    with torch.no_grad():
        stock = parts.encode_prompt(prompt, device="cpu", negative_prompt=negative or None)
    positive, other = outcome_of(backend.embed(prompt, negative, CANVAS))
    ours = (positive.hidden, other.hidden, positive.added["text_embeds"], other.added["text_embeds"])
    for our, expected in zip(ours, stock, strict=True):
        assert our is not None
        assert torch.equal(our, expected)


def test_an_empty_negative_prompt_is_zeros_for_the_base_and_words_for_the_refiner(
    sdxl_folder: Path, refiner_folder: Path
) -> None:
    zeros, words = (
        outcome_of(each.embed("sky", "", CANVAS))[1] for each in (_base(sdxl_folder)[0], _refiner(refiner_folder)[0])
    )
    assert zeros.hidden is not None
    assert words.hidden is not None
    assert not zeros.hidden.any()
    assert not zeros.added["text_embeds"].any()
    assert words.hidden.any()


def test_a_long_prompt_keeps_its_first_summary_and_its_last_word(sdxl: Loaded) -> None:
    backend, parts = sdxl
    long, negative = outcome_of(backend.embed("red " * 75 + "boat", "wood", CANVAS))
    other, _ = outcome_of(backend.embed("red " * 75 + "sky", "wood", CANVAS))
    first, _ = outcome_of(backend.embed("red " * 75, "", CANVAS))
    assert long.hidden is not None
    assert other.hidden is not None
    assert first.hidden is not None
    assert negative.hidden is not None
    assert long.hidden.shape == negative.hidden.shape == (1, 154, parts.unet.config.cross_attention_dim)
    torch.testing.assert_close(long.hidden[:, :77], first.hidden)
    torch.testing.assert_close(long.added["text_embeds"], first.added["text_embeds"])
    assert not torch.equal(long.hidden[:, 77:], other.hidden[:, 77:])
    short, zeros = outcome_of(backend.embed("red " * 75 + "boat", "", CANVAS))
    assert short.hidden is not None
    assert zeros.hidden is not None
    assert short.hidden.shape == zeros.hidden.shape


def test_invariant_22_sizes_are_those_of_the_canvas(sdxl_folder: Path, refiner_folder: Path) -> None:
    base, refiner = _base(sdxl_folder)[0], _refiner(refiner_folder)[0]
    ids = [
        [each.added["time_ids"].tolist() for each in outcome_of(of.embed("", "", Size(192, 128)))]
        for of in (base, refiner)
    ]
    assert ids[0] == [[[128, 192, 0, 0, 128, 192]]] * 2
    assert ids[1] == [[[128, 192, 0, 0, 6.0]], [[128, 192, 0, 0, 2.5]]]


@pytest.mark.parametrize("negative", ["", "wood"])
def test_a_run_is_the_stock_img2img_run(sdxl: Loaded, negative: str) -> None:
    backend, parts = sdxl
    image = picture(64, 96)
    with seen(parts.unet) as theirs:
        expected = parts(
            "a red boat",
            image=planes(image),
            strength=0.5,
            num_inference_steps=6,
            guidance_scale=6.0,
            negative_prompt=negative or None,
            generator=torch.Generator().manual_seed(5),
            output_type="latent",
        ).images
    generator = torch.Generator().manual_seed(5)
    start = backend.sample(image, generator)
    noise = torch.randn(start.shape, generator=generator)
    schedule = backend.schedule(6, 0.5)
    guidance = classifier_free(*outcome_of(backend.embed("a red boat", negative, CANVAS)), 6.0)
    with seen(parts.unet) as ours:
        found = run(backend, guidance, schedule.noised(start, noise, schedule.first), free(start), schedule)
    assert_same_calls(ours, theirs)
    assert torch.equal(found, expected)


def test_invariant_21_every_condition_has_the_negative_half_first(sdxl: Loaded) -> None:
    backend, parts = sdxl
    positive, negative = outcome_of(backend.embed("a red boat", "wood", CANVAS))
    latents = torch.zeros(2, 4, 8, 12)
    for scale, batch in ((1.0, 2), (6.0, 4)):
        with torch.no_grad(), seen(parts.unet) as calls:
            guided(backend, classifier_free(positive, negative, scale))(latents, at(500.0))
        assert [len(call["sample"]) for call in calls] == [batch]
        for name in ("text_embeds", "time_ids"):
            given = calls[0]["added"][name]
            assert torch.equal(given[-2:], positive.added[name].repeat(2, 1))
            assert torch.equal(given[:-2], negative.added[name].repeat(batch - 2, 1)[: batch - 2])


def test_a_vae_that_overflows_in_half_precision_is_made_float32(sdxl_folder: Path) -> None:
    parts = pipeline(sdxl_folder, diffusers.StableDiffusionXLImg2ImgPipeline).to(torch.bfloat16)
    backend = StableDiffusionXL(info(sdxl_folder, "stable-diffusion-xl"), parts)
    assert parts.vae.dtype == torch.float32
    assert parts.unet.dtype == torch.bfloat16
    image = picture(64, 104)
    latents = backend.encode(image)
    assert latents.shape == (1, 4, 8, 13)
    assert backend.decode(latents).shape == (1, 64, 104, 3)
    assert backend.decode(latents).dtype == np.float32
    # Sizes stay exact: 1001 would become 1000 in this precision.
    positive, _ = outcome_of(backend.embed("sky", "", Size(1001, 1001)))
    with torch.no_grad(), seen(parts.unet) as calls:
        assert backend.predict(latents, at(500.0), positive).dtype == torch.float32
    assert calls[0]["added"]["time_ids"].tolist() == [[1001, 1001, 0, 0, 1001, 1001]]
    mended = pipeline(sdxl_folder, diffusers.StableDiffusionXLImg2ImgPipeline)
    mended.vae.register_to_config(force_upcast=False)
    StableDiffusionXL(info(sdxl_folder, "stable-diffusion-xl"), mended.to(torch.bfloat16))
    assert mended.vae.dtype == torch.bfloat16


def test_nothing_is_left_altered(sdxl: Loaded) -> None:
    backend, parts = sdxl
    # transformers hangs hooks of its own into an encoder when its inner states are first asked for.
    outcome_of(backend.embed("", "", CANVAS))
    before = fingerprint(parts)
    source = backend.encode(picture(64, 96))
    positive, negative = outcome_of(backend.embed("sky", "wood", CANVAS))
    guidance = classifier_free(positive, negative, 4.0)
    backend.decode(run(backend, guidance, source, free(source), backend.schedule(4)))
    assert fingerprint(parts) == before
    broken = type(positive)(positive.hidden, {**positive.added, "time_ids": positive.added["time_ids"][:, :2]})
    with pytest.raises(RuntimeError):
        run(backend, classifier_free(broken, broken, 4.0), source, free(source), backend.schedule(4))
    assert fingerprint(parts) == before
