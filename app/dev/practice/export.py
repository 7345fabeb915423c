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

from app.dev.practice.card import card
from app.dev.practice.denoiser import make_scheduler
from app.dev.practice.plan import MAX_WEIGHTS, Size
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
