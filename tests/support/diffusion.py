"""What the tests of the model families share: a loaded backend, a look at what its network sees, and whether anything was left altered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.backend import Backend
from editor.diffusion.blending import LatentBlend
from editor.diffusion.denoise import denoise
from editor.diffusion.guidance import Guidance, guided
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.models.info import FamilyName, ModelInfo
from tests.support.reports import drive
from tests.support.tiny_models import NATIVE


def pipeline(folder: Path, kind: Any = diffusers.DiffusionPipeline) -> Any:
    loaded = kind.from_pretrained(folder, local_files_only=True)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def info(folder: Path, family: FamilyName) -> ModelInfo:
    return ModelInfo(str(folder), folder.name, family, folder, NATIVE)


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """A left-to-right ramp with noise: neither its sides nor its ends are alike."""
    noise = np.random.default_rng(seed).random((height, width, 3), np.float32)
    return (noise * 0.5 + np.linspace(0, 0.5, width, dtype=np.float32)[None, :, None]).astype(np.float32)


def planes(image: NDArray[np.float32]) -> torch.Tensor:
    """As the stock pipelines take pictures: (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def at(t: float) -> Step:
    """A step at a time, for networks that look at nothing else of it."""
    return Step(-1, torch.tensor(t), torch.ones(()), torch.zeros(()), torch.zeros(()))


def free(latents: torch.Tensor) -> LatentBlend:
    """A blend that holds nothing."""
    return LatentBlend(latents, latents, torch.zeros(1, 1, *latents.shape[-2:], dtype=torch.int64))


def run(
    backend: Backend,
    guidance: Guidance,
    latents: torch.Tensor,
    blend: LatentBlend,
    schedule: Schedule,
    *,
    generators: list[torch.Generator] | None = None,
) -> torch.Tensor:
    """A whole denoising, without its reports."""
    return drive(denoise(guided(backend, guidance), latents, blend, schedule, generators)).latents


@contextmanager
def seen(unet: torch.nn.Module) -> Iterator[list[dict[str, Any]]]:
    """The inputs and the output of each call of a U-Net."""
    calls: list[dict[str, Any]] = []

    def note(_: Any, given: tuple[Any, ...], named: dict[str, Any], found: Any) -> None:
        sample, t = (*given, *(named[name] for name in ("sample", "timestep") if name in named))[:2]
        added = {name: each.clone() for name, each in (named.get("added_cond_kwargs") or {}).items()}
        hidden = named["encoder_hidden_states"]
        calls.append({"sample": sample.clone(), "t": t.clone(), "hidden": hidden, "added": added, "found": found[0]})

    handle = unet.register_forward_hook(note, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


def assert_same_calls(ours: list[dict[str, Any]], stock: list[dict[str, Any]]) -> None:
    assert len(ours) == len(stock) > 0
    for i, (one, other) in enumerate(zip(ours, stock, strict=True)):
        assert torch.equal(one["sample"], other["sample"]), f"latents of step {i}"
        assert torch.equal(one["t"], other["t"]), f"time of step {i}"
        if one["hidden"] is None:
            assert other["hidden"] is None
        else:
            assert torch.equal(one["hidden"], other["hidden"]), f"words of step {i}"
        assert one["added"].keys() == other["added"].keys()
        for name in one["added"]:
            assert torch.equal(one["added"][name], other["added"][name]), f"{name} of step {i}"


def fingerprint(*pipelines: Any) -> dict[str, Any]:
    """Everything in pipelines that a run could leave altered, and torch's own random numbers."""
    found: dict[str, Any] = {"random": bytes(torch.random.get_rng_state().numpy())}
    for index, each in enumerate(pipelines):
        for name, part in each.components.items():
            key = f"{index}.{name}"
            if isinstance(part, torch.nn.Module):
                digest = hashlib.blake2b()
                for tensor in part.state_dict().values():
                    digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
                hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in part.modules()]
                modes = [m.training for m in part.modules()]
                wanted = [(p.requires_grad, p.grad is None, p.dtype) for p in part.parameters()]
                found[key] = (digest.digest(), hooks, modes, wanted)
                attention: Any = getattr(part, "attn_processors", {})
                found[f"{key} attention"] = {place: id(own) for place, own in attention.items()}
            elif hasattr(part, "config"):
                found[key] = dict(part.config)
            elif hasattr(part, "get_vocab"):
                found[key] = part.get_vocab()
        found[f"{index}.config"] = dict(each.config)
    return found
