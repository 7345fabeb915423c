"""A finished result again, with a better edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from editor.diffusion.backend import Backend
from editor.diffusion.fits import FitStore
from editor.errors import InvalidRequest
from editor.methods.blended_latent_diffusion.model.finishing import Finish
from editor.methods.blended_latent_diffusion.model.starting import Region
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import RepairRequest
from editor.requests.reports import Progress, Reports
from editor.requests.results import EditResult
from editor.requests.variants import Variant

PHASE = "Mending the edge"


@torch.no_grad()
def repair(request: RepairRequest, backend: Backend, fits: FitStore | None = None) -> Reports[EditResult]:
    """The result of `request.request` from the latents that it ended with, finished another way: what the edit would have made, had it been asked to
    finish so. `fits`: where what was learned is kept; asked for the same again, it comes at once.

    Raises `InvalidRequest` where latents and picture do not belong together.
    """
    settings = request.request.settings
    if not isinstance(settings, BlendedSettings):
        raise TypeError(f"Blended Latent Diffusion was given {type(settings).__name__}")
    settings = replace(settings, finish=request.how)
    edit = replace(request.request, settings=settings)
    yield Progress(0.0, PHASE)
    working = ModelCanvas.of(edit.frame, backend.info)
    if request.latents.shape[1:] != working.grid.shape:
        raise InvalidRequest("What the edit ended with is of another size than its picture.", "Run the edit again.")
    finish = Finish.of(edit, settings, Region.of(edit, settings, working), backend, fits)
    latents = torch.from_numpy(np.array(request.latents)).to(backend.device)
    done = yield from finish.finished(latents, Variant(0, edit))
    return done.result
