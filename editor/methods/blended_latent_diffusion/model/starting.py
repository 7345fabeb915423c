"""Where a run of Blended Latent Diffusion begins, and what it holds on to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.backend import Backend, Image
from editor.diffusion.blending import Blend, LatentBlend
from editor.diffusion.conditioning import schedule_for
from editor.diffusion.noise import KEYED, Noise, StepGenerators
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.methods.blended_latent_diffusion.region_cells import cell_mask, held_since, skipped_steps, widening
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """`soft`: (H, W) float32 of the frame in [0, 1], what is edited, whatever the overall strength; `strength`: 0 to 1, how much noise it gets.
    `cells`: (h, w), those that are edited; `widen`: by how many cells the run begins wider.
    """

    working: ModelCanvas
    soft: NDArray[np.float32]
    strength: float
    cells: NDArray[np.bool_]
    widen: int

    @classmethod
    def of(cls, request: EditRequest, settings: BlendedSettings, working: ModelCanvas) -> Region:
        strength = float(request.strength.max())
        soft = np.asarray(request.strength / np.float32(strength), np.float32)
        return cls(working, soft, strength, cell_mask(soft, working, settings.cells), widening(settings, soft, working))

    def skipped(self, steps: int) -> int:
        """How many steps are left out at the noisy end."""
        return skipped_steps(self.strength, steps)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where a run begins.

    source: (1 or B, C, h, w) clean latents
    latents: (B, C, h, w), the state before the first step
    generators: for samplers that add noise
    """

    schedule: Schedule
    source: torch.Tensor
    latents: torch.Tensor
    blend: Blend
    generators: StepGenerators


@torch.no_grad()
def begin(request: EditRequest, region: Region, backend: Backend, seeds: Sequence[int], source: Image) -> Start:
    """The source noised to the level of the first step, held outside the region at every step's level, and clean at the end
    (docs/methods.md, Blended Latent Diffusion 1). `source`: the working canvas."""
    schedule = schedule_for(backend, request, region.skipped(request.steps), region.working.canvas)
    steps = len(schedule)
    latents = backend.encode(source)
    noise = Noise(seeds)
    initial = noise.like(latents)
    taken = held_since(region.cells, region.widen, steps) + schedule.first
    since = torch.from_numpy(taken)[None, None].to(latents.device)

    def fresh(step: Step) -> torch.Tensor:
        """The source with other noise for each step after the first."""
        i = step.index
        if i == schedule.first:
            return step.noised(latents, initial)
        if request.revision < KEYED:
            return step.noised(latents, noise.draw(latents, "blend", i - schedule.first - 1))
        return step.noised(latents, noise.like(latents, "blend", i))

    drawn_anew = isinstance(request.settings, BlendedSettings) and request.settings.noise == "fresh"
    until = torch.full_like(since, schedule.total)
    blend = LatentBlend(latents, initial, until, since, fresh if drawn_anew else None)
    start = schedule.noised(latents, initial, schedule.first)
    return Start(schedule, latents, start, blend, noise.sampler(request.revision))
