"""The methods in words: what a person reads about each, and its ready-made strengths."""

from __future__ import annotations

from dataclasses import dataclass

from editor.models.info import ModelInfo
from editor.request import MethodSettings, PixelsSettings, QuickFillSettings, Sampler


@dataclass(frozen=True, slots=True)
class Preset:
    """A ready-made overall strength, 0 to 1."""

    name: str
    strength: float
    about: str


@dataclass(frozen=True, slots=True)
class Method:
    """A way to make the change. `about`: the longer story, for the tool tip. `presets`: strengths to begin with."""

    settings: type[MethodSettings]
    name: str
    explanation: str
    about: str
    presets: tuple[Preset, ...] = ()

    @property
    def key(self) -> str:
        return self.settings.__name__

    @property
    def short(self) -> str:
        """Its own name, without the verb."""
        return self.name.split(" · ")[-1]


METHODS = (
    Method(
        PixelsSettings,
        "Blend and repaint · PIXELS",
        "Repaints from exemplars and words.",
        "Pixel-wise strength on a diffusion model (PIXELS, Das Biswas et al., 2025).",
        (
            Preset("Harmonise", 0.25, "Fits light, colour and edges to each other; shapes stay as they are."),
            Preset("Blend", 0.45, "Joins things into one picture; they stay recognisable, details may change."),
            Preset("Reinterpret", 0.7, "Paints it anew from the rough shapes and your words."),
        ),
    ),
    Method(
        QuickFillSettings,
        "Fill from the picture · Quick fill",
        "Copies what fits from the picture; no model.",
        "Shift-map editing (Pritch, Kav-Venaki and Peleg, 2009) with Poisson fusion.",
    ),
)

SAMPLERS: dict[Sampler, str] = {
    "": "Model’s own",
    "euler": "Euler",
    "euler_a": "Euler ancestral",
    "ddim": "DDIM",
    "dpmpp_2m": "DPM++ 2M",
    "unipc": "UniPC",
    "lcm": "LCM",
    "ddpm": "DDPM",
    "pndm": "PNDM",
}
OFFERED: tuple[Sampler, ...] = ("", "euler", "euler_a", "ddim", "dpmpp_2m", "unipc", "lcm")
"""The rest only comes out of recipes."""


def method_of(settings: MethodSettings) -> Method:
    return next(method for method in METHODS if isinstance(settings, method.settings))


def first_strength(settings: type[MethodSettings], model: ModelInfo | None) -> float:
    """The overall strength, 0 to 1, that a method begins with: all of it where nothing is invented, what suits the model otherwise."""
    if not settings.needs_model:
        return 1.0
    return model.traits.strength if model is not None else 0.5
