"""Stable Diffusion 3: what diffusers' own pipelines make of the same words, noise and picture, with both methods unchanged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from editor.diffusion.families.stable_diffusion_3.backend import StableDiffusion3
from editor.diffusion.noise import Noise
from editor.errors import ModelUnavailable
from editor.geometry import Size
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.model import edit
from editor.methods.pixels.settings import PixelsSettings
from editor.models.inspect import inspect
from editor.models.memory import Fit, Plan
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Preview, Report, outcome_of
from tests.support import blended_cases, pixels_cases, tiny_models
from tests.support.pixels_cases import CELLS, NEGATIVE, PROMPT, SIDE, Model, ask, cells
from tests.support.reports import drive

PLAIN = Fit(Plan("cpu", "float32", "float32"), 0, 0)
STEPS, GUIDANCE = 10, 5.0
# Picture, words and noise are the same; a batch of two and two batches of one round differently.
CLOSE = 1e-5


@pytest.fixture(scope="module")
def folder(tiny_folder: Callable[[str], Path]) -> Path:
    return tiny_folder("sd3")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return Model.of(folder)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """To be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "toy"))


def stock(kind: Any, folder: Path) -> Any:
    absent = {} if (folder / "text_encoder_3").is_dir() else {"text_encoder_3": None, "tokenizer_3": None}
    pipeline = kind.from_pretrained(str(folder), local_files_only=True, **absent)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def source_of(pipeline: Any, request: EditRequest) -> torch.Tensor:
    """The picture's latents as diffusers scales and shifts them, the mean of the posterior."""
    planes = 2 * torch.from_numpy(request.image.transpose(2, 0, 1).astype(np.float32) / np.float32(255))[None] - 1
    vae = pipeline.vae
    with torch.no_grad():
        latents: torch.Tensor = vae.encode(planes).latent_dist.mode()
    scaled: torch.Tensor = (latents - vae.config.shift_factor) * vae.config.scaling_factor
    return scaled


def asked(request: EditRequest, source: torch.Tensor, strength: float, **more: Any) -> dict[str, Any]:
    """What a pipeline is asked for the same edit."""
    size = Size(request.image.shape[1], request.image.shape[0])
    return {
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "image": source,
        "width": size.width,
        "height": size.height,
        "strength": strength,
        "num_inference_steps": STEPS,
        "guidance_scale": GUIDANCE,
        "generator": Noise([request.seed]).generators("start")[0],
        "output_type": "latent",
        **more,
    }


def pixels(strength: Any, **more: Any) -> EditRequest:
    settings = PixelsSettings(match_tone="off", exemplar_prompt=0.0)
    return ask(strength, settings=settings, steps=STEPS, guidance_scale=GUIDANCE, **more)


@pytest.mark.parametrize("strength", [0.4, 0.7, 1.0])
def test_free_everywhere_is_diffusers_own_image_to_image(model: Model, strength: float) -> None:
    request = pixels(np.full(SIDE.shape, strength, np.float32), overall=strength)
    pipeline = stock(diffusers.StableDiffusion3Img2ImgPipeline, model.folder)
    source = source_of(pipeline, request)
    expected = pipeline(**asked(request, source, strength)).images
    latents = pixels_cases.latents_of(request, model)
    assert latents.shape == expected.shape == (1, 16, *CELLS)
    assert (latents - expected).abs().max() < CLOSE
    assert (latents - source).abs().max() > 0.1


@pytest.mark.parametrize("strength", [0.4, 0.7, 1.0])
@pytest.mark.parametrize("method", ["pixels", "blended"])
def test_a_binary_map_is_diffusers_own_inpainting(model: Model, method: str, strength: float) -> None:
    region = blended_cases.REGION * np.float32(strength)
    if method == "pixels":
        request = pixels(cells(region), overall=strength)
        latents = pixels_cases.latents_of(request, model)
    else:
        settings = BlendedSettings(match_tone="off", thin="off")
        request = ask(cells(region), settings=settings, steps=STEPS, guidance_scale=GUIDANCE, overall=strength)
        latents = blended_cases.run(request, model)[1]
    pipeline = stock(diffusers.StableDiffusion3InpaintPipeline, model.folder)
    source = source_of(pipeline, request)
    mask = torch.from_numpy(cells(blended_cases.REGION))[None, None]
    more = {"mask_image": mask, "masked_image_latents": source}
    expected = pipeline(**asked(request, source, strength, **more)).images
    assert (latents - expected).abs().max() < CLOSE
    held = torch.from_numpy(blended_cases.REGION == 0).expand_as(latents)
    assert torch.equal(latents[held], model.backend.encode((request.image / np.float32(255)).astype(np.float32))[held])


@pytest.mark.parametrize("size", [Size(64, 64), Size(160, 96)])
def test_noise_is_shifted_by_the_canvas_where_the_model_says_so(tmp_path: Path, size: Size) -> None:
    more: dict[str, Any] = {"base_image_seq_len": 8, "max_image_seq_len": 64, "base_shift": 0.5, "max_shift": 2.0}
    dynamic = Model.of(
        tiny_models.stable_diffusion_3(tmp_path / "dynamic", t5=False, use_dynamic_shifting=True, **more)
    )
    request = pixels(np.full(size.shape, 0.7, np.float32), overall=0.7)
    pipeline = stock(diffusers.StableDiffusion3Img2ImgPipeline, dynamic.folder)
    expected = pipeline(**asked(request, source_of(pipeline, request), 0.7)).images
    assert (pixels_cases.latents_of(request, dynamic) - expected).abs().max() < CLOSE


@pytest.mark.parametrize("t5", [True, False])
@pytest.mark.parametrize("prompt", [PROMPT, "", "a boat of wood, red " * 2])
def test_words_are_read_as_diffusers_reads_them(tmp_path: Path, prompt: str, t5: bool) -> None:
    model = Model.of(tiny_models.stable_diffusion_3(tmp_path / "sd3", t5=t5))
    assert {part.name for part in model.backend.info.parts} >= {"transformer", "vae"}
    assert ("text_encoder_3" in {part.name for part in model.backend.info.parts}) is t5
    pipeline = stock(diffusers.StableDiffusion3Pipeline, model.folder)
    with torch.no_grad():
        expected = pipeline.encode_prompt(prompt, None, None, negative_prompt=NEGATIVE)
    positive, negative = outcome_of(model.backend.embed(prompt, NEGATIVE, SIDE))
    assert positive.hidden is not None
    assert negative.hidden is not None
    theirs = (positive.hidden, negative.hidden, *(each.added["pooled_projections"] for each in (positive, negative)))
    for mine, other in zip(theirs, expected, strict=True):
        assert mine.shape == other.shape
        assert (mine - other).abs().max() < 2e-5


def test_a_long_prompt_is_read_to_its_end(model: Model) -> None:
    """CLIP in several readings, T5 at once."""
    backend = model.backend
    long = "boat " * 300
    one, other = (backend.encode_text((f"{long}{word}",), SIDE).hidden for word in ("red", "sky"))
    assert one is not None
    assert other is not None
    assert one.shape == (1, 5 * 77 + 302, 24)
    changed = (one != other).any(-1)[0]
    assert changed[: 5 * 77].any()
    assert changed[5 * 77 :].any()


def test_vectors_stand_in_for_a_word_in_all_encoders(model: Model) -> None:
    backend = model.backend
    assert isinstance(backend, StableDiffusion3)
    encoders = [getattr(backend._pipeline, name) for name in ("text_encoder", "text_encoder_2", "text_encoder_3")]
    tables = [encoder.get_input_embeddings().weight for encoder in encoders]
    place = [reading.pieces.index(piece) for reading, piece in zip(backend.tokenise("boat"), PIECES, strict=True)]
    ids = [int(reading.ids.flatten()[at]) for reading, at in zip(backend.tokenise("boat"), place, strict=True)]
    vectors = [table[[id]].detach().clone().requires_grad_() for table, id in zip(tables, ids, strict=True)]
    own = backend.encode_text(("red boat",), SIDE)
    other = backend.encode_text(("red thing",), SIDE, {"thing": vectors})
    assert own.hidden is not None
    assert other.hidden is not None
    assert torch.allclose(own.hidden, other.hidden, atol=1e-6)
    torch.autograd.backward(other.hidden.square().sum())
    assert all(vector.grad is not None and vector.grad.abs().sum() > 0 for vector in vectors)


PIECES = ("boat</w>", "boat</w>", "▁boat")


def test_previews_are_shown_on_the_way(model: Model) -> None:
    request = pixels(np.ones(SIDE.shape, np.float32))
    reports: list[Report] = []
    drive(edit(request, model.backend), seen=reports)
    previews = [report for report in reports if isinstance(report, Preview)]
    assert previews
    assert previews[0].pixels.shape == (*SIDE.shape, 4)


def test_rows_of_different_length_are_not_mixed(model: Model) -> None:
    backend = model.backend
    short, long = (backend.encode_text((text,), SIDE) for text in ("boat", "boat " * 100))
    step = backend.schedule(4, canvas=SIDE).steps[0]
    with pytest.raises(ValueError, match="different length"):
        backend.predict(torch.zeros(2, 16, *CELLS), step, short.beside(long))


def change(folder: Path, part: str, file: str = "config.json", **more: Any) -> Path:
    path = folder / part / file
    path.write_text(json.dumps(json.loads(path.read_text()) | more))
    return folder


@pytest.mark.parametrize(
    ("part", "file", "settings", "said"),
    [
        ("transformer", "config.json", {"in_channels": 33}, "is made for another task"),
        ("transformer", "config.json", {"joint_attention_dim": 16}, "does not fit together: its text encoders give 24"),
        ("transformer", "config.json", {"pooled_projection_dim": 32}, "sum words up in 24 numbers"),
        ("transformer", "config.json", {"num_layers": 10**6}, "“config.json” is out of range in “num_layers”"),
        ("transformer", "config.json", {"_class_name": "FluxTransformer2DModel"}, "is of another kind (FluxTransf"),
        ("text_encoder_3", "config.json", {"d_model": 32}, "its third text encoder gives 32 numbers a word"),
        ("text_encoder_3", "config.json", {"model_type": "llama"}, "is of another kind of network (llama)"),
        ("scheduler", "scheduler_config.json", {"_class_name": "DDIMScheduler"}, "brings a sampler that Palimpsest"),
        ("scheduler", "scheduler_config.json", {"stochastic_sampling": True}, "brings a sampler that Palimpsest"),
        ("vae", "config.json", {"scaling_factor": 0}, "has a VAE whose settings make no sense"),
        ("vae", "config.json", {"latent_channels": 4}, "is made for another task"),
    ],
)
def test_what_means_something_else_is_refused(
    copy: Path, part: str, file: str, settings: dict[str, Any], said: str
) -> None:
    info = inspect(change(copy, part, file, **settings))
    assert said in info.problem
    assert info.problem.endswith(".")
    assert info.advice.endswith(".")


@pytest.mark.parametrize(
    "vocabulary", [[], {}, "x", [["a", "b"]] * 9, [["a", 0.0]] * 9, [["a" * 2000, 0.0], ["b", 0], ["c", 0]]]
)
def test_a_damaged_word_list_of_t5_is_a_sentence(copy: Path, vocabulary: Any) -> None:
    file = copy / "tokenizer_3" / "tokenizer.json"
    file.write_text(json.dumps({"model": {"type": "Unigram", "vocab": vocabulary}}))
    with pytest.raises(ModelUnavailable, match="word list"):
        Model.of(copy)
    file.unlink()
    assert "The third tokenizer of “toy” is not complete" in inspect(copy).problem


def test_turbo_versions_take_four_steps_without_guidance(copy: Path) -> None:
    info = inspect(copy.rename(copy.with_name("stable-diffusion-3.5-large-turbo")))
    assert (info.own_steps, info.own_guidance) == (4, 1.0)
