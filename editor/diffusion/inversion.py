"""Inversion: the noise, and the states on the way, from which a model leads back to given latents.

DDIM inversion (Song et al. 2021, section 4.3), and the same along the straight paths of flow models; with fixed-point refinement (Pan et al. 2023,
arXiv 2309.04907) it is exact up to how far the iteration came.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from editor.diffusion.finite import Watch
from editor.diffusion.guidance import Denoiser
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.requests.reports import Progress, Reports


@dataclass(frozen=True, slots=True, eq=False)
class Inversion:
    """A trajectory from noise to given latents.

    first: the absolute index of its noisiest level
    states: (B, C, h, w) each, at the levels from `first` to the one after the last step, which is the latents themselves
    """

    first: int
    states: tuple[torch.Tensor, ...]

    @property
    def noise(self) -> torch.Tensor:
        """Where a run begins that leads back."""
        return self.states[0]

    def at(self, i: int) -> torch.Tensor:
        """The state at the level of an absolute index."""
        return self.states[i - self.first]

    def reference(self, step: Step) -> torch.Tensor:
        """The state before a step, for a `LatentBlend` that holds cells on the trajectory."""
        return self.at(step.index)


@torch.no_grad()
def invert(
    denoiser: Denoiser, latents: torch.Tensor, schedule: Schedule, *, refinements: int = 0
) -> Reports[Inversion]:
    """From clean latents, (B, C, h, w), up to the level of the schedule's first step.

    Each step is evaluated at its own time on the cleaner of its two states, and as often again as there are `refinements`, on what that gave.
    For networks that predict clean latents refinement does not converge: the cleaner state tells too little of the noisier one. Raises `NotFinite`
    as `denoise` does, and `ZeroDivisionError` for such networks over a schedule that ends without noise.
    """
    steps = len(schedule)
    watch = Watch(latents, steps)
    states = [latents]
    for place, step in enumerate(reversed(schedule.steps)):
        i, then = step.index, states[-1]
        prediction = denoiser(schedule.model_input(then, i + 1), step)
        state = schedule.move(then, prediction, i + 1, i)
        for _ in range(refinements):
            prediction = denoiser(schedule.model_input(state, i), step)
            state = schedule.origin(then, prediction, i, i + 1)
        watch.see(state, place)
        if not watch.waiting:
            watch.lost()
        states.append(state)
        yield Progress((place + 1) / steps, f"Leading back · step {place + 1} of {steps}")
    watch.lost()
    return Inversion(schedule.first, tuple(reversed(states)))
