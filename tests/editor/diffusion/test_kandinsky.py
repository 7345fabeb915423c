"""Kandinsky 2.2 on tiny models, against the stock pipelines of diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import PIL.Image
import pytest
import torch

from editor.diffusion.backend import Embeddings, PicturePrompt
from editor.diffusion.families.kandinsky.backend import Kandinsky
from editor.diffusion.guidance import classifier_free, guided
from editor.diffusion.noise import Noise
from editor.diffusion.schedule import SAMPLERS
from editor.geometry import Size
from editor.requests.reports import Progress, outcome_of
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

CANVAS = Size(64, 64)
Loaded = tuple[Kandinsky, Any, Any]


@pytest.fixture
def kandinsky(kandinsky_folder: Path) -> Loaded:
    decoder = pipeline(kandinsky_folder, diffusers.KandinskyV22Img2ImgPipeline)
    prior = pipeline(kandinsky_folder.with_name("prior"))
    return Kandinsky(info(kandinsky_folder, "kandinsky-2.2"), decoder, prior), decoder, prior


def _of(embeddings: Embeddings) -> torch.Tensor:
    assert embeddings.hidden is None
    return embeddings.added["image_embeds"]


@pytest.mark.parametrize(("height", "width"), [(64, 128), (128, 64)])
def test_invariant_23_a_canvas_keeps_its_orientation(kandinsky: Loaded, height: int, width: int) -> None:
    backend, decoder, _ = kandinsky
    image = picture(height, width)
    latents = backend.encode(image)
    with torch.no_grad():
        expected = decoder.movq.encode(2 * planes(image) - 1).latents
        shown = decoder.movq.decode(expected, force_not_quantize=True).sample
    assert latents.shape == (1, 4, height // 8, width // 8)
    assert torch.equal(latents, expected)
    assert latents.is_contiguous()
    assert torch.equal(backend.sample(image, torch.Generator()), latents)
    found = backend.decode(latents.repeat(2, 1, 1, 1))
    assert found.shape == (2, height, width, 3)
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found[:1], (shown / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy(), atol=1e-5)


def test_invariant_23_variances_come_from_the_positive_half(kandinsky: Loaded) -> None:
    backend, decoder, _ = kandinsky
    away, towards = outcome_of(backend.embed("a red boat", "wood", CANVAS))[::-1]
    guidance = classifier_free(towards, away, 4.0)
    latents = torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), seen(decoder.unet) as calls:
        found = guided(backend, guidance)(latents, at(500))
    negative, positive = calls[0]["found"].chunk(2)
    assert found.shape == (2, 8, 8, 16)
    assert torch.equal(found[:, 4:], positive[:, 4:])
    assert not torch.equal(positive[:, 4:], negative[:, 4:])
    assert torch.equal(found[:, :4], negative[:, :4] + 4.0 * (positive[:, :4] - negative[:, :4]))
    given = calls[0]["added"]["image_embeds"]
    assert torch.equal(given, torch.cat([_of(away)] * 2 + [_of(towards)] * 2))
    with torch.no_grad(), seen(decoder.unet) as calls:
        assert guided(backend, classifier_free(towards, away, 1.0))(latents, at(500)).shape[1]
    assert [len(call["sample"]) for call in calls] == [2]


def test_a_run_is_the_stock_img2img_run(kandinsky: Loaded) -> None:
    backend, decoder, _ = kandinsky
    image = picture(64, 64)
    positive, negative = outcome_of(backend.embed("a red boat", "", CANVAS))
    with seen(decoder.unet) as theirs:
        expected = decoder(
            _of(positive),
            planes(image),
            _of(negative),
            height=64,
            width=64,
            num_inference_steps=8,
            strength=0.5,
            generator=torch.Generator().manual_seed(5),
            output_type="latent",
        ).images
    generator = torch.Generator().manual_seed(5)
    start = backend.encode(image)
    noise = torch.randn(start.shape, generator=generator)
    schedule = backend.schedule(8, 0.5)
    with seen(decoder.unet) as ours:
        begun = schedule.noised(start, noise, schedule.first)
        found = run(
            backend, classifier_free(positive, negative, 4.0), begun, free(start), schedule, generators=[generator]
        )
    assert_same_calls(ours, theirs)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_does_with_the_variances_what_it_must(kandinsky: Loaded, sampler: Sampler) -> None:
    backend, _, _ = kandinsky
    source = backend.encode(picture(64, 64))
    guidance = classifier_free(*outcome_of(backend.embed("sky", "", CANVAS)), 4.0)
    schedule = backend.schedule(4, 0.5, sampler)
    generators = Noise([1]).generators("sampler")
    found = run(backend, guidance, source, free(source), schedule, generators=generators)
    assert found.shape == source.shape
    assert found.isfinite().all()


def test_words_go_through_the_prior_from_noise_of_their_own(kandinsky: Loaded) -> None:
    backend, _, prior = kandinsky
    positive, negative = outcome_of(backend.embed("a red boat", "", CANVAS, seed=7))
    stock = prior("a red boat", guidance_scale=4.0, generator=Noise([7]).generators("prompt"))
    assert torch.equal(_of(positive), stock.image_embeds)
    assert torch.equal(_of(negative), prior.get_zero_embed())
    torch.randn(3)
    again, _ = outcome_of(backend.embed("a red boat", "", CANVAS, seed=7))
    assert torch.equal(_of(again), _of(positive))
    for other in (("a red boat", 8), ("a red sky", 7)):
        assert not torch.equal(_of(outcome_of(backend.embed(other[0], "", CANVAS, seed=other[1]))[0]), _of(positive))
    words = outcome_of(backend.embed("a red boat", "wood", CANVAS, seed=7))
    assert not torch.equal(_of(words[1]), _of(negative))
    assert not torch.equal(_of(words[0]), _of(positive))
    stock = prior("a red boat", "wood", guidance_scale=4.0, generator=Noise([7, 7]).generators("prompt"))
    assert torch.equal(_of(words[0]), stock.image_embeds)
    assert torch.equal(_of(words[1]), stock.negative_image_embeds)


def test_reading_words_can_be_broken_off_at_every_step(kandinsky: Loaded) -> None:
    backend, *parts = kandinsky
    before = fingerprint(*parts)
    calls: list[object] = []
    handle = parts[1].prior.register_forward_hook(lambda *_: calls.append(_))
    reports = backend.embed("a red boat", "wood", CANVAS)
    assert next(reports) == Progress(0.0, "Reading the words · 1 of 25")
    assert calls == []
    assert next(reports) == Progress(1 / 25, "Reading the words · 2 of 25")
    assert len(calls) == 1
    reports.close()
    assert len(calls) == 1
    outcome_of(backend.embed("a red boat", "", CANVAS))
    assert len(calls) == 26
    handle.remove()
    assert fingerprint(*parts) == before


def test_pictures_are_prompts_by_their_weights(kandinsky: Loaded) -> None:
    backend, _, prior = kandinsky
    images = [np.rint(picture(48, 48, seed) * 255).astype(np.uint8) for seed in (0, 1)]
    stock = [prior.interpolate([PIL.Image.fromarray(image)], [1.0]).image_embeds for image in images]
    shown = [image.astype(np.float32) / np.float32(255) for image in images]
    words = _of(outcome_of(backend.embed("a red boat", "", CANVAS))[0])

    def found(share: float, *weights: float) -> torch.Tensor:
        pictures = [PicturePrompt(each, weight) for each, weight in zip(shown, weights, strict=False)]
        return _of(outcome_of(backend.embed("a red boat", "", CANVAS, pictures, share))[0])

    close = torch.testing.assert_close
    assert torch.equal(found(1.0, 0.3), stock[0])
    close(found(0.5, 2.0), 0.5 * words + 0.5 * stock[0])
    close(found(0.4, 3.0, 1.0), 0.6 * words + 0.3 * stock[0] + 0.1 * stock[1])
    close(found(0.4, 0.75, 0.25), found(0.4, 3.0, 1.0))
    assert torch.equal(found(0.0, 1.0, 1.0), words)
    assert torch.equal(found(0.9), words)


def test_a_long_picture_is_seen_to_its_ends(kandinsky: Loaded) -> None:
    backend, _, _ = kandinsky
    plain = np.ones((32, 96, 3), np.float32)
    marked = plain.copy()
    marked[:, :8] = 0
    one, other = (
        _of(outcome_of(backend.embed("", "", CANVAS, [PicturePrompt(each, 1.0)], 1.0))[0]) for each in (plain, marked)
    )
    assert not torch.allclose(one, other)


def test_nothing_is_left_altered(kandinsky: Loaded) -> None:
    backend, *parts = kandinsky
    before = fingerprint(*parts)
    source = backend.encode(picture(64, 64))
    positive, negative = outcome_of(backend.embed("sky", "wood", CANVAS, [PicturePrompt(picture(20, 30), 1.0)], 0.5))
    generators = Noise([1]).generators("sampler")
    found = run(
        backend,
        classifier_free(positive, negative, 4.0),
        source,
        free(source),
        backend.schedule(4),
        generators=generators,
    )
    backend.decode(found)
    assert fingerprint(*parts) == before
    broken = Embeddings(None, {"image_embeds": _of(positive)[:, :-1]})
    with pytest.raises(RuntimeError):
        run(
            backend,
            classifier_free(broken, broken, 4.0),
            source,
            free(source),
            backend.schedule(4),
            generators=generators,
        )
    assert fingerprint(*parts) == before
