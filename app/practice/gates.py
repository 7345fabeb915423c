"""The gates, measured on held-out scenes, each beside what makes it believable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from app.practice.autoencoder import decibels, decode, encode
from app.practice.clip import zero_shot
from app.practice.denoiser import sample
from app.practice.judge import Judge, held_out, mark

Figures = dict[str, float]


def measure_judge(net: nn.Module, count: int = 300) -> Figures:
    """On real scenes."""
    scenes, drawn, pictures = held_out(count)
    marks = mark(scenes, drawn, Judge(net).read(pictures.to(device_of(net))))
    return {
        "judge recall": marks.recall,
        "judge false positives a scene": marks.false_positives,
        "judge colour": marks.tint,
        "judge ground": marks.ground,
    }


def measure_vae(vae: Any, judge: nn.Module, count: int = 300) -> Figures:
    """Decibels over whole pictures and over pixels of things, and what the judge still reads."""
    scenes, drawn, pictures = held_out(count)
    pictures = pictures.to(device_of(vae))
    seen = decode(vae, encode(vae, pictures))
    masks = torch.stack([torch.from_numpy(each.masks.any(axis=0)) for each in drawn])[:, None].expand(-1, 3, -1, -1)
    error = (seen - pictures).cpu() / 2
    marks = mark(scenes, drawn, Judge(judge).read(seen))
    return {
        "VAE, whole picture": decibels(error),
        "VAE, pixels of things": decibels(error[masks]),
        "judge reads reconstructions": marks.recall,
        "judge reads colours of reconstructions": marks.tint,
    }


def measure_clip(clip: nn.Module, count: int = 300) -> Figures:
    """Zero-shot among all things and colours."""
    return {"CLIP zero-shot, held-out crops": zero_shot(clip, count)}


def measure_unet(parts: nn.Module, vae: Any, judge: nn.Module, count: int = 200) -> Figures:
    """Pictures of held-out captions with one thing, read by the judge; and, as the control, read for the next caption."""
    scenes, _, _ = held_out(count, things=1)
    captions = [scene.caption() for scene in scenes]
    pictures: list[Tensor] = []
    for first in range(0, count, 25):
        pictures.append(sample(parts, vae, captions[first : first + 25], seed=first))
    readings = Judge(judge).read(torch.cat(pictures))
    things = [scene.things[0] for scene in scenes]
    coloured = [(reading, thing) for reading, thing in zip(readings, things, strict=True) if thing.colour]
    return {
        "text to picture, thing": _part([r.shows(t.name) for r, t in zip(readings, things, strict=True)]),
        "text to picture, thing in its colour": _part([r.shows(t.name, t.colour) for r, t in coloured]),
        "text to picture, ground": _part([r.ground == s.ground.name for r, s in zip(readings, scenes, strict=True)]),
        "text to picture, wrong thing": _part(
            [bool(r.names() - {t.name}) for r, t in zip(readings, things, strict=True)]
        ),
        "control: thing of the next caption": _part(
            [r.shows(t.name) for r, t in zip(readings, things[1:] + things[:1], strict=True)]
        ),
    }


def device_of(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


def _part(found: list[bool]) -> float:
    return sum(found) / max(len(found), 1)
