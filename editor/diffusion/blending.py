"""Latent blending on a per-cell schedule: one rule for differential diffusion, exemplars, and masks.

Masks on noised latents are always binary. A soft mix of two noised latents has too little noise, and its region comes out smooth;
softness comes from *when* a cell is let go, or taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from editor.diffusion.schedule import Schedule


class Holds(Protocol):
    """What the sampling loop writes over its latents: before every step, and at the end."""

    def before(self, latents: torch.Tensor, schedule: Schedule, i: int) -> torch.Tensor:
        """The state before step i, (B, C, h, w), with what is held written over it."""

    def stepped(
        self, latents: torch.Tensor, estimate: Callable[[], torch.Tensor], schedule: Schedule, i: int
    ) -> torch.Tensor:
        """The state that step i made, for rules that write over it at another level than `before`. `estimate`: the clean latents that the
        step pointed at."""

    def after(self, latents: torch.Tensor, schedule: Schedule, i: int) -> torch.Tensor:
        """Clean latents, made by or pointed at by step i, with what is held written over them."""

    def let_go(self, steps: int) -> list[float]:
        """For each step, 0 to 1: the share of cells that were held before the step before it and no longer are."""


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """What is written over the latents while it holds them: a cell is held before step i where since <= i < until.

    `latents`: (1 or B, C, h, w) clean. `noise`: (B, C, h, w), drawn once: fresh noise at each step disturbs multistep solvers and flickers.
    `until`, `since`: (1 or B, 1, h, w) whole numbers; with `until` the number of steps, a cell comes out as the clean anchor; `since` as large,
    and only the last result is written over. `fresh`: draws other noise for each step after the first, for comparison.
    """

    latents: torch.Tensor
    noise: torch.Tensor
    until: torch.Tensor
    since: torch.Tensor | None = None
    fresh: Callable[[], torch.Tensor] | None = None

    def holds(self, i: int) -> torch.Tensor:
        """(1 or B, 1, h, w) bool: the cells that are held before step i."""
        held = self.until > i
        return held if self.since is None else held & (self.since <= i)

    def let_go(self, steps: int) -> list[float]:
        """As in `Holds`."""
        held = torch.stack([self.holds(i) for i in range(steps)])
        gone = held[:-1] & ~held[1:]
        return [0.0, *gone.flatten(1).float().mean(1).tolist()]

    def before(self, latents: torch.Tensor, schedule: Schedule, i: int) -> torch.Tensor:
        """The state before step i, with the held cells at the anchor's level of that step."""
        noise = self.noise if self.fresh is None or i == 0 else self.fresh()
        return torch.where(self.holds(i), schedule.noised(self.latents, noise, i), latents)

    def stepped(
        self, latents: torch.Tensor, estimate: Callable[[], torch.Tensor], schedule: Schedule, i: int
    ) -> torch.Tensor:
        """As it is; `before` does all."""
        return latents

    def after(self, latents: torch.Tensor, schedule: Schedule, i: int) -> torch.Tensor:
        """Clean latents with the anchor, clean, in the cells that were held before step i, or are taken back with it."""
        held = self.until > i
        if self.since is not None:
            held = held & (self.since <= i + 1)
        return torch.where(held, self.latents.to(latents), latents)
