"""From the latents that a run ended with to its result: decoded, and laid over the picture so that nothing outside the region moves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.backend import Backend
from editor.methods.blended_latent_diffusion.starting import Region
from editor.paste_back import Pasted, matched, paste_alpha, result_of
from editor.report import EditResult, Reports
from editor.request import BlendedSettings, EditRequest


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """What all candidates of one edit share. `alpha`: (H, W) of the frame, how the result is laid over the picture: 0 outside the region."""

    request: EditRequest
    settings: BlendedSettings
    region: Region
    backend: Backend
    alpha: NDArray[np.float32]

    @classmethod
    def of(cls, request: EditRequest, settings: BlendedSettings, region: Region, backend: Backend) -> Finish:
        inner = paste_alpha(region.soft, settings.feather / region.working.scale)
        return cls(request, settings, region, backend, np.minimum(inner, region.soft))

    def finished(self, latents: torch.Tensor, seed: int, *, hurried: bool = False) -> Reports[EditResult]:
        """`latents`: (C, h, w), clean. `hurried`: leave out what takes long."""
        yield from ()
        working = self.region.working
        image = self.backend.decode(latents[None])[0]
        if self.settings.match_tone != "off":
            source = working.image(self.request.image)
            image = matched(image, source, working.map(self.region.soft), always=self.settings.match_tone == "on")
        bare = Pasted.bare(np.asarray(self.request.image / np.float32(255), np.float32))
        result = result_of(self.request, seed, bare.over(working.back(image), self.alpha))
        return replace(result, latents=latents.float().cpu().numpy())
