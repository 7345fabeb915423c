"""Settings of PIXELS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from editor.requests.method_settings import MatchTone, MethodSettings, SoftEdge, Use, WorkingSize
from editor.requests.settings_fields import Label, Range


@dataclass(frozen=True, slots=True)
class PixelsSettings(MethodSettings):
    """PIXELS: exemplars and painted strength on a diffusion model (arXiv 2501.09826; see `editor.methods.pixels`)."""

    uses: ClassVar[frozenset[Use]] = frozenset({Use.MODEL, Use.WORDS, Use.EXEMPLARS, Use.SIZE, Use.STRENGTHS})
    retired: ClassVar[Mapping[str, object]] = MappingProxyType({"rule": "hold"})  # the published ones: see `reference`
    added: ClassVar[frozenset[str]] = frozenset({"quiet_rungs"})

    passes: Annotated[
        Literal["together", "one_by_one"],
        Label(
            "References",
            "Reference pictures: all in one run, or one after the other, so that later ones react to earlier ones.",
            "quality",
        ),
    ] = "together"
    match_tone: MatchTone = "auto"
    scale: WorkingSize = 1.0
    exemplar_prompt: Annotated[
        float,
        Range(0.0, 1.0, "%", 0.05),
        Label(
            "References as words",
            "How far the looks of reference pictures replace the words, for models that take them.",
            "quality",
        ),
    ] = 0.5
    quiet_rungs: Annotated[
        bool,
        Label(
            "Finer at low strength",
            "For models made for few steps: twice as many strengths below the middle, for half as many steps again.",
            "quality",
        ),
    ] = False
    feather: SoftEdge = 12.0
    thin_strokes: Annotated[
        bool, Label("Keep thin strokes", "Strokes narrower than the model’s cells count in full.", "region")
    ] = False
    compose: Annotated[
        Literal["auto", "latents", "pixels"],
        Label("Compose", "Whether reference pictures are laid in before or after the model’s encoder.", "expert"),
    ] = "auto"
    map_scale: Annotated[
        Literal["index", "noise", "absolute"],
        Label(
            "Count strength by", "Steps, the share of noise, or the same noise whatever the overall strength.", "expert"
        ),
    ] = "index"
    dither: Annotated[bool, Label("Dither levels", "Breaks up bands where few steps leave few levels.", "expert")] = (
        False
    )
    noise: Annotated[
        Literal["shared", "independent"],
        Label("Noise", "One noise for picture and reference pictures, or one for each.", "expert"),
    ] = "shared"
