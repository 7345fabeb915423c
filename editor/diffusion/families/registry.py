"""The table of model families. To add one, write its folder and a line here."""

from __future__ import annotations

from editor.diffusion.families.base import Families
from editor.diffusion.families.kandinsky.family import KandinskyFamily
from editor.diffusion.families.stable_diffusion.family import StableDiffusionFamily
from editor.diffusion.families.stable_diffusion_3.family import StableDiffusion3Family
from editor.diffusion.families.stable_diffusion_xl.family import RefinerFamily, StableDiffusionXLFamily

FAMILIES = Families(
    (
        StableDiffusionFamily(),
        StableDiffusionXLFamily(),
        RefinerFamily(),
        StableDiffusion3Family(),
        KandinskyFamily(),
    )
)
