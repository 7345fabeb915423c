"""The published scripts, for comparison."""

from __future__ import annotations

from collections.abc import Sequence

from editor.diffusion.backend import Backend, Image
from editor.methods.blended_latent_diffusion.starting import Region, Start
from editor.request import EditRequest


def begin(request: EditRequest, region: Region, backend: Backend, seeds: Sequence[int], source: Image) -> Start:
    raise NotImplementedError
