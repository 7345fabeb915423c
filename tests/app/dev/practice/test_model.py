"""The parts in tiny: folding, lessons, and folders that the libraries' own loaders read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPModel

from app.dev.practice.autoencoder import VaeLesson, decode, encode, fold_normalisation, make_vae
from app.dev.practice.clip import ClipLesson, zero_shot
from app.dev.practice.denoiser import BEGIN, DenoiserLesson, make_denoiser
from app.dev.practice.export import (
    CLIP,
    PIPELINE,
    PROGRESS,
    Progress,
    card,
    finished_weights,
    read_progress,
    write_clip,
    write_judge,
    write_pipeline,
)
from app.dev.practice.gates import measure_unet, measure_vae
from app.dev.practice.judge import JudgeNet, held_out
from app.dev.practice.sampling import sample
from app.dev.practice.stages import GateMissed, Stages
from app.dev.practice.training import Clock
from tests.support.tiny_practice import SHORT, TINY

CPU = torch.device("cpu")


@pytest.fixture
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.usefixtures("seeded")
def test_folding_makes_unit_latents_and_the_same_pictures() -> None:
    vae = make_vae(TINY).eval()
    _, _, pictures = held_out(24)
    before = decode(vae, encode(vae, pictures))
    fold_normalisation(vae, pictures)
    latents = encode(vae, pictures)
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert (latents.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-4
    assert torch.allclose(decode(vae, latents), before, atol=1e-5)
    assert vae.config.scaling_factor == 1


@pytest.mark.usefixtures("seeded")
def test_lessons_give_finite_losses_and_gradients() -> None:
    vae = make_vae(TINY).eval()
    for lesson in (VaeLesson(TINY), ClipLesson(TINY), DenoiserLesson(replace(TINY, pool=8), vae, CPU, None)):
        if isinstance(lesson, DenoiserLesson):
            lesson.fill(0)
        batch = {name: torch.from_numpy(np.asarray(value)) for name, value in lesson.arrays(0).items()}
        loss = lesson.loss(batch, torch.Generator().manual_seed(0))
        loss.backward()  # type: ignore[no-untyped-call]
        assert torch.isfinite(loss)
        assert any(
            parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in lesson.module.parameters()
        )


@pytest.mark.usefixtures("seeded")
def test_latents_are_kept_for_the_same_vae_only(tmp_path: Path) -> None:
    plan = replace(TINY, pool=BEGIN + 2)
    vae = make_vae(plan).eval()
    first = DenoiserLesson(plan, vae, CPU, tmp_path)
    first.fill(1)
    kept = first._pool.clone()
    again = DenoiserLesson(plan, vae, CPU, tmp_path)
    assert again._filled == BEGIN + 1
    assert torch.equal(again._pool, kept)
    assert DenoiserLesson(plan, make_vae(plan).eval(), CPU, tmp_path)._filled == 0


@pytest.mark.usefixtures("seeded")
def test_the_pool_grows_with_the_steps_and_then_stays(tmp_path: Path) -> None:
    plan = replace(TINY, pool=BEGIN + 2)
    lesson = DenoiserLesson(plan, make_vae(plan).eval(), CPU, tmp_path)
    lesson.fill(0)
    sizes = []
    for step in range(4):
        batch = {name: torch.from_numpy(np.asarray(value)) for name, value in lesson.arrays(step).items()}
        assert int(batch["chosen"].max()) < lesson._filled
        lesson.loss(batch, torch.Generator().manual_seed(step))
        sizes.append(lesson._filled)
    assert sizes == [BEGIN + 1, BEGIN + 2, BEGIN + 2, BEGIN + 2]


@pytest.mark.usefixtures("seeded")
def test_folders_are_read_by_the_libraries_own_loaders(tmp_path: Path) -> None:
    vae, parts, judge = make_vae(TINY).eval(), make_denoiser(TINY).eval(), JudgeNet().eval()
    clip = ClipLesson(TINY).module.eval()
    progress = Progress("cpu", samples={"unet": 8}, figures={"VAE, whole picture": 12.0})
    write_pipeline(tmp_path, vae, parts, progress)
    write_pipeline(tmp_path, vae, parts, progress)  # over the one that is there
    write_clip(tmp_path, clip)
    write_judge(tmp_path, judge)
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / PIPELINE, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a red apple on grass", num_inference_steps=2, output_type="np", height=64, width=64).images[0]
    assert picture.shape == (64, 64, 3)
    assert np.isfinite(picture).all()
    assert pipeline.vae_scale_factor == 4
    assert pipeline.text_encoder.config.eos_token_id == pipeline.tokenizer.eos_token_id
    assert len(zero_shot(CLIPModel.from_pretrained(tmp_path / CLIP, dtype=torch.float32), 4)) == 4
    assert all(file.stat().st_size <= 16 * 2**20 for file in tmp_path.rglob("*.safetensors"))
    assert read_progress(tmp_path / PIPELINE / PROGRESS) == progress
    for part, module in (("vae", vae), ("unet", parts), ("clip", clip), ("judge", judge)):
        found, own = finished_weights(tmp_path, part), module.state_dict()
        learned = {name for name in own if not name.endswith("position_ids")}
        assert learned == set(found)
        assert all(torch.allclose(found[name].float(), own[name], atol=1e-3) for name in learned)


@pytest.mark.usefixtures("seeded")
def test_gates_are_measured_on_anything() -> None:
    vae, judge = make_vae(TINY).eval(), JudgeNet().eval()
    figures = {**measure_vae(vae, judge, 4), **measure_unet(make_denoiser(TINY).eval(), vae, judge, 2)}
    assert all(np.isfinite(value) for value in figures.values())
    drawn = sample(make_denoiser(TINY).eval(), vae, ["a cat"], seed=1, steps=2)
    assert drawn.shape == (1, 3, 64, 64)


def test_no_later_part_is_trained_before_a_gate(tmp_path: Path) -> None:
    plan = replace(TINY, judge=SHORT, vae=SHORT)
    stages = Stages(plan, tmp_path / "cache", tmp_path / "out", CPU, Clock(5))
    with pytest.raises(GateMissed, match="judge"):
        stages.run()
    assert {file.stem for file in (tmp_path / "cache").glob("*.pt")} == {"vae", "judge"}
    assert not (tmp_path / "out").exists()


def test_the_card_names_what_is_missed() -> None:
    words = card("cpu", {"unet": 5}, {"unet": 1.0}, {"VAE, whole picture": 29.0, "VAE, pixels of things": 20.0})
    assert "| VAE, whole picture | 29.0 dB | ≥ 28 dB | reached |" in words
    assert "| VAE, pixels of things | 20.0 dB | ≥ 24 dB | **missed** |" in words
    assert "proves nothing about a method" in words


def test_without_a_cache_it_goes_on_from_the_finished_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.dev.practice.stages.GATES", {"judge": (), "vae": (), "clip": (), "unet": ()})
    for part in ("judge", "vae", "clip", "unet"):
        monkeypatch.setattr(f"app.dev.practice.stages.measure_{part}", lambda *_: {"text to picture, thing": 0.5})
    out = tmp_path / "out"
    Stages(TINY, tmp_path / "one", out, CPU, Clock(5)).run()
    first = read_progress(out / PIPELINE / PROGRESS)
    assert first is not None
    assert first.samples == {"vae": 8, "judge": 8, "clip": 8, "unet": 8}
    assert first.figures["text to picture, thing"] == 0.5
    before = finished_weights(out, "unet")
    longer = replace(TINY, unet=replace(SHORT, samples=12))
    Stages(longer, tmp_path / "two", out, CPU, Clock(5)).run()
    second = read_progress(out / PIPELINE / PROGRESS)
    assert second is not None
    assert second.samples == {"vae": 8, "judge": 8, "clip": 8, "unet": 12}
    after = finished_weights(out, "unet")
    assert 0 < max(float((after[name].float() - before[name].float()).abs().max()) for name in before) < 0.1
    assert not (tmp_path / "two" / "vae.pt").exists()
