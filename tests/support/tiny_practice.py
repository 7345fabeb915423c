"""A practice model small enough for a test: seconds, not hours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from app.dev.practice.plan import Course, Plan
from app.dev.practice.training import Arrays

SHORT = Course(samples=8, batch=4, rate=1e-3)
TINY = Plan(
    size="cpu",
    judge=SHORT,
    vae=SHORT,
    clip=SHORT,
    unet=SHORT,
    vae_channels=(8, 8, 16),
    unet_channels=(16, 32),
    unet_layers=1,
    pool=16,
)


class LineLesson:
    """Learns y = 3 x + 1 on a tiny net."""

    name = "line"
    adam_only: tuple[str, ...] = ("2.",)

    def __init__(self, course: Course) -> None:
        torch.manual_seed(3)
        self.course = course
        self.module: nn.Module = nn.Sequential(nn.Linear(1, 8), nn.SiLU(), nn.Linear(8, 1))
        self.steps: list[int] = []

    def arrays(self, step: int) -> Arrays:
        self.steps.append(step)
        x = np.random.default_rng(step).standard_normal((self.course.batch, 1)).astype(np.float32)
        return {"x": x, "y": 3 * x + 1}

    def loss(self, batch: Mapping[str, Tensor], random: torch.Generator) -> Tensor:
        noise = 0.01 * torch.randn(batch["x"].shape, generator=random)
        found: Tensor = (self.module(batch["x"]) + noise - batch["y"]).square().mean()
        return found
