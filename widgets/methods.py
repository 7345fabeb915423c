"""The methods in words: what a person reads about each, and its ready-made strengths."""

from __future__ import annotations

from dataclasses import dataclass, replace

from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.draft import Draft
from editor.planning.first_strength import BACKGROUND, NEW_OBJECT
from editor.requests.edit_request import Sampler
from editor.requests.method_settings import MethodSettings

CLOSE = 0.005  # half of what the slider of the strength shows


@dataclass(frozen=True, slots=True)
class Preset:
    """A ready-made overall strength, 0 to 1. `settings`: a model of those that it sets, where it sets any (`Method.preset_fields`).

    `asks`: what stands in the empty field for words. `ends`: what no strength and all of it mean, in words. `scribble`: it begins from colours that
    are painted on a layer of their own.
    """

    name: str
    strength: float
    about: str
    settings: MethodSettings | None = None
    asks: str = "What should appear?"
    ends: tuple[str, str] = ("", "")
    scribble: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """A way to make the change. `about`: the longer story, for the tool tip. `presets`: what to begin with. `preset_fields`: the settings
    that belong to them; choosing one leaves the others as they are.
    """

    settings: type[MethodSettings]
    name: str
    explanation: str
    about: str
    presets: tuple[Preset, ...] = ()
    preset_fields: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.settings.__name__

    @property
    def deed(self) -> str:
        """What it does, without the name that it has in its paper."""
        return self.name.split(" · ")[0]

    @property
    def short(self) -> str:
        """Its own name, without the verb."""
        return self.name.split(" · ")[-1]

    def preset_of(self, draft: Draft) -> Preset | None:
        """The preset that the draft is, in strength and settings; None when it is none exactly."""
        found = self.nearest(draft)
        return found if found is not None and _apart(self, found, draft) < (False, 0, CLOSE) else None

    def nearest(self, draft: Draft) -> Preset | None:
        """The preset that the draft comes closest to; None for methods without any."""
        return min(self.presets, key=lambda each: _apart(self, each, draft), default=None)


def _apart(method: Method, preset: Preset, draft: Draft) -> tuple[bool, int, float]:
    """How far the draft is from a preset, the weightiest first."""
    changed = 0
    if preset.settings is not None:
        changed = sum(getattr(preset.settings, name) != getattr(draft.settings, name) for name in method.preset_fields)
    return preset.scribble != (draft.scribble is not None), changed, abs(preset.strength - draft.strength)


def with_preset(settings: MethodSettings, preset: Preset) -> MethodSettings:
    """The settings with those that belong to presets as this one has them."""
    if preset.settings is None:
        return settings
    names = method_of(settings).preset_fields
    return replace(settings, **{name: getattr(preset.settings, name) for name in names})


KEEP = ("Keep what is there", "Free")

METHODS = (
    Method(
        BlendedSettings,
        "Change by words · Blended Latent Diffusion",
        "Paints what you say where you choose.",
        "Everything else stays exactly as it is (Blended Latent Diffusion, Avrahami, Fried and Lischinski, 2023).",
        (
            Preset(
                "New object",
                NEW_OBJECT,
                "Something that was not there.",
                BlendedSettings(),
                "Say what should be there, such as “a red boat”",
                KEEP,
            ),
            Preset(
                "Background",
                BACKGROUND,
                "Keeps the selection, repaints everything else.",
                BlendedSettings(region="outside"),
                "Say what should be around it, such as “a snowy mountain range”",
                KEEP,
            ),
            Preset(
                "Change it",
                0.75,
                "What is there becomes something else, in much the same place and pose.",
                BlendedSettings(),
                "Say what it should become, such as “a tabby cat”",
                KEEP,
            ),
            Preset(
                "Lettering",
                1.0,
                "Words on a sign, a shirt or a wall; how well depends on the model.",
                BlendedSettings(feather=2.0),
                "Say what it reads, such as “a sign that says ‘Open’”",
                KEEP,
            ),
            Preset(
                "Scribble",
                0.5,
                "Paint rough colours on a layer of their own, and say what they should become.",
                BlendedSettings(thin="off", cells="any"),
                "Say what the scribble should become, such as “a lighthouse”",
                ("Keep my scribble", "Free"),
                scribble=True,
            ),
        ),
        ("region", "thin", "cells", "feather"),
    ),
    Method(
        PixelsSettings,
        "Blend and repaint · PIXELS",
        "Repaints from reference pictures and words.",
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
