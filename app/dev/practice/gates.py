"""The gates, measured on held-out scenes, each beside what makes it believable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.dev.practice.autoencoder import decode, encode
from app.dev.practice.clip import zero_shot
from app.dev.practice.judge import Judge, Tally, held_out, tally
from app.dev.practice.sampling import sample

Figures = dict[str, float]
AT_ONCE = 25  # pictures that are drawn together


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One measure, scene by scene, so that its uncertainty can be told. `sums` over `counts`, each of all scenes, is its value.

    `errors`: the sums are squared errors on the 0..1 scale, and the value is their mean in decibels.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    errors: bool = False

    @classmethod
    def of(cls, samples: Sequence[bool | float]) -> Measured:
        """One value a scene."""
        return cls(np.array(samples, np.float64), np.ones(len(samples)))

    @classmethod
    def parts(cls, samples: Sequence[tuple[float, float]], *, errors: bool = False) -> Measured:
        """A sum and a count a scene."""
        given = np.array(samples, np.float64)
        return cls(given[:, 0], given[:, 1], errors)

    @property
    def value(self) -> float:
        return float(self.valued(self.sums.sum(), self.counts.sum()))

    def valued(self, sums: Any, counts: Any) -> Any:
        """The value of sums over counts, of any shape."""
        mean = sums / np.maximum(counts, 1)
        return -10 * np.log10(mean + 1e-12) if self.errors else mean


Measures = dict[str, Measured]


def measure_judge(net: nn.Module, count: int = 300) -> Figures:
    """On real scenes."""
    return values(sample_judge(net, count))


def measure_vae(vae: Any, judge: nn.Module, count: int = 300) -> Figures:
    """Decibels over whole pictures and over pixels of things, and what the judge still reads."""
    return values(sample_vae(vae, judge, count))


def measure_clip(clip: nn.Module, count: int = 300) -> Figures:
    """Zero-shot among all things and colours."""
    return values(sample_clip(clip, count))


def measure_unet(parts: nn.Module, vae: Any, judge: nn.Module, count: int = 200) -> Figures:
    """Pictures of held-out captions with one thing, read by the judge; and, as the control, read for the next caption."""
    return values(sample_unet(parts, vae, judge, count))


def values(measures: Mapping[str, Measured]) -> Figures:
    return {name: measure.value for name, measure in measures.items()}


def sample_judge(net: nn.Module, count: int) -> Measures:
    """As `measure_judge`, scene by scene."""
    scenes, drawn, pictures = held_out(count)
    readings = Judge(net).read(pictures.to(device_of(net)))
    tallies = [tally(*scene) for scene in zip(scenes, drawn, readings, strict=True)]
    return {
        "judge recall": _recall(tallies),
        "judge false positives a scene": Measured.of([one.wrong for one in tallies]),
        "judge colour": _colour(tallies),
        "judge ground": Measured.of([one.ground for one in tallies]),
    }


def sample_vae(vae: Any, judge: nn.Module, count: int) -> Measures:
    """As `measure_vae`, scene by scene."""
    scenes, drawn, pictures = held_out(count)
    pictures = pictures.to(device_of(vae))
    seen = decode(vae, encode(vae, pictures))
    squares = ((seen - pictures).cpu() / 2).square().mean(dim=1)
    whole, on_things = [], []
    for one, error in zip(drawn, squares, strict=True):
        mask = torch.from_numpy(one.masks.any(axis=0))
        whole.append((float(error.sum()), error.numel()))
        on_things.append((float(error[mask].sum()), float(mask.sum())))
    tallies = [tally(*scene) for scene in zip(scenes, drawn, Judge(judge).read(seen), strict=True)]
    return {
        "VAE, whole picture": Measured.parts(whole, errors=True),
        "VAE, pixels of things": Measured.parts(on_things, errors=True),
        "judge reads reconstructions": _recall(tallies),
        "judge reads colours of reconstructions": _colour(tallies),
    }


def sample_clip(clip: nn.Module, count: int) -> Measures:
    """As `measure_clip`, scene by scene."""
    return {"CLIP zero-shot, held-out crops": Measured.of(zero_shot(clip, count))}


def sample_unet(parts: nn.Module, vae: Any, judge: nn.Module, count: int) -> Measures:
    """As `measure_unet`, scene by scene."""
    scenes, _, _ = held_out(count, things=1)
    captions = [scene.caption() for scene in scenes]
    pictures: list[Tensor] = []
    for first in range(0, count, AT_ONCE):
        pictures.append(sample(parts, vae, captions[first : first + AT_ONCE], seed=first))
    readings = Judge(judge).read(torch.cat(pictures))
    things = [scene.things[0] for scene in scenes]
    pairs = list(zip(readings, things, strict=True))
    coloured = [(bool(t.colour) and r.shows(t.name, t.colour), bool(t.colour)) for r, t in pairs]
    return {
        "text to picture, thing": Measured.of([r.shows(t.name) for r, t in pairs]),
        "text to picture, thing in its colour": Measured.parts(coloured),
        "text to picture, ground": Measured.of(
            [r.ground == s.ground.name for r, s in zip(readings, scenes, strict=True)]
        ),
        "text to picture, wrong thing": Measured.of([bool(r.names() - {t.name}) for r, t in pairs]),
        "control: thing of the next caption": Measured.of(
            [r.shows(t.name) for r, t in zip(readings, things[1:] + things[:1], strict=True)]
        ),
    }


def device_of(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


def _recall(tallies: Sequence[Tally]) -> Measured:
    return Measured.parts([(one.recalled, one.expected) for one in tallies])


def _colour(tallies: Sequence[Tally]) -> Measured:
    return Measured.parts([(one.right, one.coloured) for one in tallies])
