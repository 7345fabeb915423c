"""Latent blending on a per-cell schedule: one rule for differential diffusion, exemplars, and masks.

Masks on noised latents are always binary. A soft mix of two noised latents has too little noise, and its region comes out smooth;
softness comes from *when* a cell is let go.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from editor.diffusion.schedule import Schedule


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """What is written over the latents while it holds them.

    `latents`: (1 or B, C, h, w) clean. `noise`: (B, C, h, w), drawn once: fresh noise at each step disturbs multistep solvers and flickers.
    `until`, `since`: (1 or B, 1, h, w) whole numbers; a cell is held before step i where since <= i < until.
    """

    latents: torch.Tensor
    noise: torch.Tensor
    until: torch.Tensor
    since: torch.Tensor | None = None

    def holds(self, i: int) -> torch.Tensor:
        """(1 or B, 1, h, w) bool: the cells that are held before step i."""
        held = self.until > i
        return held if self.since is None else held & (self.since <= i)

    def let_go(self, steps: int) -> list[float]:
        """For each step, 0 to 1: the share of cells that were held before the step before it and no longer are."""
        held = torch.stack([self.holds(i) for i in range(steps)])
        gone = held[:-1] & ~held[1:]
        return [0.0, *gone.flatten(1).float().mean(1).tolist()]

    def restored(self, latents: torch.Tensor, i: int) -> torch.Tensor:
        """Clean latents with the anchor, clean, wherever it still holds before step i; with the last step, where it held to the end."""
        return torch.where(self.holds(i), self.latents.to(latents), latents)


def blend(latents: torch.Tensor, anchor: Anchor, schedule: Schedule, i: int) -> torch.Tensor:
    """The state before step i, with the held cells at the anchor's level of that step."""
    return torch.where(anchor.holds(i), schedule.noised(anchor.latents, anchor.noise, i), latents)
