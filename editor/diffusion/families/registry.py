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

# What else people have, by the beginning of its pipeline's class, and what they call it.
OTHERS = (
    ("StableDiffusion3", "Stable Diffusion 3 add-on"),
    ("Flux", "FLUX"),
    ("Kandinsky3", "Kandinsky 3"),
    ("Kandinsky5", "Kandinsky 5"),
    ("KandinskyV22", "Kandinsky 2.2 add-on"),
    ("Kandinsky", "Kandinsky 2.1"),
    ("QwenImage", "Qwen-Image"),
    ("ZImage", "Z-Image"),
    ("PixArt", "PixArt"),
    ("StableCascade", "Stable Cascade"),
)
