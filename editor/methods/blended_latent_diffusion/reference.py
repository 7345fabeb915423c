"""Settings of the published scripts of Blended Latent Diffusion, for comparison.

Reached by tests and benchmarks only; `model.reference` runs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.requests.settings_fields import Label, Range


@dataclass(frozen=True, slots=True)
class ReferenceBlendedSettings(BlendedSettings):
    """Settings with the rule of one of the published scripts.

    pixel_blending: the share of steps, at the end, that blend pictures instead of latents (of "ref_ldm" only)
    """

    rule: Annotated[Literal["ref_ldm", "ref_sd2", "ref_sdxl"], Label("Rule", "The published scripts.", "expert")] = (
        "ref_ldm"
    )
    pixel_blending: Annotated[float, Range(0.0, 1.0)] = 0.0
