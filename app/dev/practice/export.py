"""The finished model as folders that any loader of diffusers and transformers reads, weights in half precision."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from app.dev.practice.denoiser import make_scheduler
from app.dev.practice.plan import GATES, MAX_WEIGHTS, PLANS, Size
from app.dev.practice.scenes import COLOURED, COLOURS, GROUNDS, THINGS
from app.dev.practice.words import make_tokenizer

PIPELINE, CLIP, JUDGE = "practice", "practice-clip", "practice-judge"
PROGRESS = "training.json"


@dataclass
class Progress:
    """How far the committed weights are: samples seen and minutes spent by each part, and the gates measured."""

    size: Size
    samples: dict[str, int] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


def make_pipeline(vae: Any, parts: Any) -> StableDiffusionPipeline:
    """The trained networks as a pipeline of diffusers; they are not copied."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=parts["text"],
        tokenizer=make_tokenizer(),
        unet=parts["unet"],
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def write_pipeline(folder: Path, vae: nn.Module, parts: Any, progress: Progress) -> None:
    """Write `folder/practice`: a `StableDiffusionPipeline`, its card and how far it is."""
    pipeline = make_pipeline(_half(vae), {name: _half(part) for name, part in parts.items()})

    def write(beside: Path) -> None:
        pipeline.save_pretrained(beside, safe_serialization=True, max_shard_size=MAX_WEIGHTS)
        write_progress(beside / PROGRESS, progress)
        (beside / "README.md").write_text(
            card(progress.size, progress.samples, progress.minutes, progress.figures), "utf-8"
        )

    _swap(folder / PIPELINE, write)


def write_clip(folder: Path, clip: nn.Module) -> None:
    """Write `folder/practice-clip`: a `CLIPModel`, its words, and how pictures are prepared for it."""
    half = _half(clip)
    prepare = {
        "image_processor_type": "CLIPImageProcessor",
        **{"do_resize": True, "do_center_crop": True, "do_rescale": True, "do_normalize": True, "do_convert_rgb": True},
        "size": {"shortest_edge": 64},
        "crop_size": {"height": 64, "width": 64},
        **{"resample": 3, "rescale_factor": 1 / 255, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
    }

    def write(beside: Path) -> None:
        half.save_pretrained(beside, safe_serialization=True)
        make_tokenizer().save_pretrained(beside)
        (beside / "preprocessor_config.json").write_text(json.dumps(prepare, indent=1) + "\n", "utf-8")

    _swap(folder / CLIP, write)


def write_judge(folder: Path, judge: nn.Module) -> None:
    """Write `folder/practice-judge`: plain weights, for measuring only."""

    def write(beside: Path) -> None:
        weights = {name: value.detach().cpu().half().contiguous() for name, value in judge.state_dict().items()}
        save_file(weights, beside / "judge.safetensors")

    _swap(folder / JUDGE, write)


def read_progress(file: Path) -> Progress | None:
    """How far a model is, or None when there is no such file."""
    return Progress(**json.loads(file.read_text("utf-8"))) if file.exists() else None


def write_progress(file: Path, progress: Progress) -> None:
    """The other way; the file is replaced whole."""
    beside = file.with_name(file.name + ".part")
    beside.write_text(json.dumps(asdict(progress), indent=1) + "\n", "utf-8")
    os.replace(beside, file)


def finished_weights(folder: Path, part: str) -> Mapping[str, Tensor]:
    """The half-precision weights of `judge`, `vae`, `clip` or `unet` (with its text encoder), named as in training."""
    if part == "judge":
        return load_file(folder / JUDGE / "judge.safetensors")
    if part == "clip":
        return _shards(folder / CLIP)
    if part == "vae":
        return _shards(folder / PIPELINE / "vae")
    unet = {f"unet.{name}": value for name, value in _shards(folder / PIPELINE / "unet").items()}
    text = {f"text.{name}": value for name, value in _shards(folder / PIPELINE / "text_encoder").items()}
    return {**unet, **text}


def _shards(folder: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights.update(load_file(file))
    return weights


def _half(module: nn.Module) -> Any:
    return copy.deepcopy(module).cpu().eval().half()


def _swap(folder: Path, write: Callable[[Path], None]) -> None:
    """Write beside the folder, then put it in its place; a reader never sees half a model."""
    beside = folder.with_name(folder.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    write(beside)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(beside, folder)


def card(size: Size, samples: Mapping[str, int], minutes: Mapping[str, float], figures: Mapping[str, float]) -> str:
    """The README of the model's folder, in Markdown. Gates that are missed, or not yet measured, are named as such."""
    plan = PLANS[size]
    rows, missed, known = [], [], set()
    for gates in GATES.values():
        for gate in gates:
            known.add(gate.name)
            value = figures.get(gate.name)
            sign = "≥" if gate.at_least else "≤"
            verdict = "not measured" if value is None else "reached" if gate.passed(value) else "**missed**"
            if verdict != "reached":
                missed.append(gate.name)
            shown = "–" if value is None else _number(value, gate.unit)
            rows.append(f"| {gate.name} | {shown} | {sign} {gate.bar:g} {gate.unit} | {verdict} |".replace("  ", " "))
    rows += [f"| {name} | {_number(value, '')} | | |" for name, value in figures.items() if name not in known]
    courses = {"judge": plan.judge, "vae": plan.vae, "clip": plan.clip, "unet": plan.unet}
    spent = [
        f"| {part} | {samples.get(part, 0):,} of {course.samples:,} | {minutes.get(part, 0.0):.0f} |"
        for part, course in courses.items()
    ]
    verdict = (
        f"Bars missed or not measured: {', '.join(missed)}. Where a bar is missed, this model proves nothing about a method."
        if missed
        else "Every bar is reached."
    )
    return f"""---
license: other
model_name: Practice model (toy scenes)
library_name: diffusers
pipeline_tag: text-to-image
tags:
- toy-scenes
---
# Practice model (toy scenes), size "{size}"

A Stable Diffusion in miniature: 64 x 64 pixels, 16 latent channels at a quarter of the size, U-Net {plan.unet_channels}.
It knows one small world and nothing else: {len(THINGS)} things ({", ".join(THINGS)}; {", ".join(COLOURED)} in
{", ".join(COLOURS)}) {", ".join(GROUNDS.values())}. It exists to try editing methods at once, on any computer, and to
measure them where the right answer is known. On photographs it is useless, and it is no base for anything else.

Captions read `a red apple and a cat on grass`; with three things `a cat , a key and a tree at night`.

## What it reached

On 200 to 300 held-out scenes, whose seeds, poses and pairs of things training never saw.

| measure | value | bar | |
|---|---|---|---|
{chr(10).join(rows)}

{verdict}

## How it was made

`make practice-model` goes on from these weights, or from its own cache, for as long as it is let.

| part | samples | minutes |
|---|---|---|
{chr(10).join(spent)}

Judge and CLIP: masks and captions of the same world. VAE: crops of 32 pixels; L1, squares, gradients, things three times,
a little KL; its latents are normalised inside `quant_conv`, so that the scaling factor is 1. U-Net and text encoder:
together, from scratch, velocity, min-SNR 5, one caption in ten empty. Muon and AdamW; these are running means of the weights.

Things: Noto Color Emoji (SIL Open Font License 1.1). Weights: as the program.
"""


def _number(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if unit else f"{value:.3f}"
