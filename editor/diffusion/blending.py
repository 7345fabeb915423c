"""Latent blending on a schedule of its own for each cell: one rule for differential diffusion, exemplars, and masks.

Masks on noised latents are always binary. A soft mix of two noised latents has too little noise, and its region comes out smooth;
softness comes from *when* a cell is released, or taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from editor.diffusion.step import Step


class Blend(Protocol):
    """What the sampling loop writes over its latents: before every step, after it, and at the end."""

    def before_step(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """The state before `step`, (B, C, h, w), with what is held written over it."""

    def after_step(self, latents: torch.Tensor, estimate: Callable[[], torch.Tensor], step: Step) -> torch.Tensor:
        """The state that `step` led to, for rules that write over it at another level than `before_step`.

        estimate: the clean latents that the step pointed at
        """

    def finalise(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """Clean latents, led to or pointed at by `step`, with what is held written over them."""

    def released_fraction(self, steps: Sequence[Step]) -> list[float]:
        """For each of `steps`, which follow each other: the share of cells, 0 to 1, that were held before the step before it and no longer are."""


class NoBlend:
    """Nothing is held: plain sampling."""

    def before_step(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """As it is."""
        return latents

    def after_step(self, latents: torch.Tensor, estimate: Callable[[], torch.Tensor], step: Step) -> torch.Tensor:
        """As it is."""
        return latents

    def finalise(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """As they are."""
        return latents

    def released_fraction(self, steps: Sequence[Step]) -> list[float]:
        """None is held, so none is released."""
        return [0.0] * len(steps)


@dataclass(frozen=True, slots=True, eq=False)
class LatentBlend:
    """Held cells are written over with a reference: a cell is held before step i, absolute, where since <= i < until.

    latents: (1 or B, C, h, w) clean, what a cell that is held to the end comes out as
    noise: (B, C, h, w), drawn once: other noise at each step disturbs multistep solvers and flickers
    until: (1 or B, 1, h, w) whole numbers; held to the end with the number of all steps
    since: likewise; with the number of all steps, only the last result is written over
    reference: the state at the level of a step, (1 or B, C, h, w); by default `latents` with `noise` at that level
    """

    latents: torch.Tensor
    noise: torch.Tensor
    until: torch.Tensor
    since: torch.Tensor | None = None
    reference: Callable[[Step], torch.Tensor] | None = None

    def held(self, i: int) -> torch.Tensor:
        """(1 or B, 1, h, w) bool: the cells that are held before step i."""
        held = self.until > i
        return held if self.since is None else held & (self.since <= i)

    def released_fraction(self, steps: Sequence[Step]) -> list[float]:
        """As in `Blend`."""
        if not steps:
            return []
        held = torch.stack([self.held(step.index) for step in steps])
        released = held[:-1] & ~held[1:]
        return [0.0, *released.flatten(1).float().mean(1).tolist()]

    def before_step(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """The state before `step`, with the held cells as the reference has them there."""
        reference = step.noised(self.latents, self.noise) if self.reference is None else self.reference(step)
        return torch.where(self.held(step.index), reference, latents)

    def after_step(self, latents: torch.Tensor, estimate: Callable[[], torch.Tensor], step: Step) -> torch.Tensor:
        """As it is; `before_step` does all."""
        return latents

    def finalise(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """Clean latents, with clean ones of the reference in the cells that were held before `step`, or are taken back with it."""
        held = self.until > step.index
        if self.since is not None:
            held = held & (self.since <= step.index + 1)
        return torch.where(held, self.latents.to(latents), latents)
