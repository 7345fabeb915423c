"""How large the practice model is and how long each part learns: one plan for a CPU, one for a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.dev.practice.scenes import COLOURS, GROUNDS, THINGS

LATENT_CHANNELS = 16
WIDTH = 128  # of words, for the U-Net and for CLIP
MAX_WEIGHTS = "15MB"  # in one file of the finished model

Size = Literal["cpu", "gpu"]


@dataclass(frozen=True, slots=True)
class Course:
    """One part's training: `samples` in all, the learning rate reached after a short warm-up and left after `decay` of the way."""

    samples: int
    batch: int
    rate: float
    decay: float = 0.6
    average: float = 0.999  # of the running mean of the weights, a step


@dataclass(frozen=True, slots=True)
class Plan:
    """One size of the practice model. `pool`: scenes whose latents are kept. `seed`: of weights, noise and scenes."""

    size: Size
    judge: Course
    vae: Course
    clip: Course
    unet: Course
    vae_channels: tuple[int, ...]
    unet_channels: tuple[int, ...]
    unet_layers: int
    pool: int
    seed: int = 0

    @property
    def first_scene(self) -> int:
        """The seed of the first scene; runs of different seeds share none."""
        return self.seed << 32


PLANS: dict[Size, Plan] = {
    "cpu": Plan(
        size="cpu",
        judge=Course(samples=20_000, batch=32, rate=2e-3, average=0.995),
        vae=Course(samples=36_000, batch=16, rate=3e-3, average=0.998),
        clip=Course(samples=40_000, batch=64, rate=1e-3, average=0.995),
        unet=Course(samples=1_000_000, batch=32, rate=3e-3, average=0.9990),
        vae_channels=(16, 32, 64),
        unet_channels=(64, 128),
        unet_layers=1,
        pool=65_536,
    ),
    "gpu": Plan(
        size="gpu",
        judge=Course(samples=400_000, batch=256, rate=2e-3, average=0.995),
        vae=Course(samples=1_500_000, batch=256, rate=3e-3, average=0.998),
        clip=Course(samples=1_000_000, batch=512, rate=1e-3, average=0.995),
        unet=Course(samples=12_000_000, batch=512, rate=3e-3, average=0.9995),
        vae_channels=(32, 64, 64),
        unet_channels=(96, 192),
        unet_layers=1,
        pool=524_288,
    ),
}


@dataclass(frozen=True, slots=True)
class Gate:
    """A bar that a part must reach: `at_least`, or at most when `at_least` is false."""

    name: str
    bar: float
    unit: str
    at_least: bool = True

    def passed(self, value: float) -> bool:
        return value >= self.bar if self.at_least else value <= self.bar


GATES: dict[str, tuple[Gate, ...]] = {
    "judge": (Gate("judge recall", 0.99, ""), Gate("judge false positives a scene", 0.01, "", at_least=False)),
    "vae": (
        Gate("VAE, whole picture", 28.0, "dB"),
        Gate("VAE, pixels of things", 24.0, "dB"),
        Gate("judge reads reconstructions", 0.97, ""),
    ),
    "clip": (Gate("CLIP zero-shot, held-out crops", 0.95, ""),),
    "unet": (
        Gate("text to picture, thing", 0.85, ""),
        Gate("text to picture, ground", 0.90, ""),
        Gate("text to picture, wrong thing", 0.05, "", at_least=False),
    ),
}

LABELS: tuple[str, ...] = THINGS  # the judge's classes, in order; one more stands for "nothing"
TINTS: tuple[str, ...] = ("", *COLOURS)
BEHIND: tuple[str, ...] = tuple(GROUNDS)
