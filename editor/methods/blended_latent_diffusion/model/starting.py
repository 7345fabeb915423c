"""Where a run of Blended Latent Diffusion begins, and what it holds on to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.asking import holding
from editor.diffusion.backend import Backend, Image
from editor.diffusion.blending import Anchor, Holds
from editor.diffusion.noise import Noise
from editor.diffusion.schedule import Schedule
from editor.methods.blended_latent_diffusion.region_cells import cell_mask, skipped_steps, taken_back, widening
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
    """`source`: (1 or B, C, h, w) clean latents. `latents`: (B, C, h, w), the state before step 0. `generators`: for samplers that add noise."""

    schedule: Schedule
    source: torch.Tensor
    latents: torch.Tensor
    holds: Holds
    generators: Sequence[torch.Generator]


@torch.no_grad()
def begin(request: EditRequest, region: Region, backend: Backend, seeds: Sequence[int], source: Image) -> Start:
    """The source noised to the level of the first step, held outside the region at every step's level, and clean at the end
    (specification, section 4.1). `source`: the working canvas."""
    schedule = holding(backend, request, region.skipped(request.steps))
    steps = len(schedule)
    latents = backend.encode(source)
    noise = Noise(seeds)
    initial = noise.like(latents)
    since = torch.from_numpy(taken_back(region.cells, region.widen, steps))[None, None].to(latents.device)
    fresh = None
    if isinstance(request.settings, BlendedSettings) and request.settings.noise == "fresh":
        fresh = noise.stream(latents, "blend")
    anchor = Anchor(latents, initial, torch.full_like(since, steps), since, fresh)
    return Start(schedule, latents, schedule.noised(latents, initial, 0), anchor, noise.generators("sampler"))
