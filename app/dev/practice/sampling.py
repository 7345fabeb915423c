"""Pictures that the practice model draws of captions, by the program's own loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.dev.practice.denoiser import GRID
from app.dev.practice.export import PIPELINE, make_pipeline
from app.dev.practice.plan import LATENT_CHANNELS
from app.dev.practice.scenes import SIDE
from editor.diffusion.blending import NoBlend
from editor.diffusion.denoise import denoise
from editor.diffusion.guidance import classifier_free, guided
from editor.diffusion.stable_diffusion import StableDiffusion
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.requests.reports import outcome_of

INFO = ModelInfo(PIPELINE, PIPELINE, "stable-diffusion", Path(PIPELINE), SIDE, SIDE // GRID)


@torch.no_grad()
def sample(
    parts: Any, vae: Any, captions: list[str], *, seed: int, steps: int = 25, guidance_scale: float = 4.0
) -> Tensor:
    """Pictures of captions by DDIM, (n, 3, 64, 64) in -1..1. `parts`: the denoiser and its text encoder (`make_denoiser`)."""
    pipeline = make_pipeline(vae, parts)
    backend, canvas = StableDiffusion(INFO, pipeline), Size(SIDE, SIDE)
    guidance = classifier_free(
        backend.encode_text(captions, canvas), backend.unconditional("empty", canvas), guidance_scale
    )
    noise = torch.randn((len(captions), LATENT_CHANNELS, GRID, GRID), generator=torch.Generator().manual_seed(seed))
    run = denoise(guided(backend, guidance), noise.to(backend.device), NoBlend(), backend.schedule(steps))
    pictures: Tensor = vae.decode(outcome_of(run).latents).sample.float().clamp(-1, 1)
    return pictures
