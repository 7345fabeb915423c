"""Settings of Blended Latent Diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from editor.requests.method_settings import MatchTone, MethodSettings, Region, SoftEdge, Use, WorkingSize
from editor.requests.settings_fields import Label, Range


@dataclass(frozen=True, slots=True)
class BlendedSettings(MethodSettings):
    """Blended Latent Diffusion: words inside a region, everything else kept (arXiv 2206.02779; see `editor.methods.blended_latent_diffusion`).

    How much of what lies in the region is kept is the strength of the request: of the steps, the noisiest 1 - strength are skipped.
    """

    uses: ClassVar[frozenset[Use]] = frozenset(
        {
            Use.MODEL,
            Use.WORDS,
            Use.SCRIBBLE,
            Use.SURROUNDINGS,
            Use.SIZE,
            Use.THIN_REGIONS,
            Use.RANKING,
            Use.REPAIR,
        }
    )
    retired: ClassVar[Mapping[str, object]] = MappingProxyType(
        {"rule": "canonical"}
    )  # the published ones: see `reference`

    region: Annotated[
        Region,
        Label("Change", "What is painted or selected, or everything else.", "region"),
    ] = "inside"
    thin: Annotated[
        Literal["auto", "on", "off"],
        Label(
            "Thin regions",
            "Begins in a wider region and closes in on yours, so that something fits into thin ones.",
            "region",
        ),
    ] = "auto"
    widen: Annotated[
        int,
        Range(0, 5, "cells", 1),
        Label("Widen by", "How far around a thin region it begins, in the model’s cells.", "region"),
    ] = 3
    feather: SoftEdge = 8.0
    finish: Annotated[
        Literal["paste", "poisson", "decoder", "latents"],
        Label(
            "Edge",
            "Paste with a soft edge, even out colours across it, or learn the surroundings (takes about as long as the edit again).",
            "quality",
        ),
    ] = "paste"
    match_tone: MatchTone = "auto"
    scale: WorkingSize = 1.0
    cells: Annotated[
        Literal["auto", "area", "any"],
        Label("Cells count", "Where half of one is covered, or any of it; automatic for thin regions.", "expert"),
    ] = "auto"
    noise: Annotated[
        Literal["fixed", "fresh"], Label("Background noise", "Drawn once, or for every step.", "expert")
    ] = "fixed"
    rank: Annotated[
        Literal["crop", "reference"],
        Label(
            "Ranking looks at", "The region with some surroundings, or the region alone in the whole frame.", "expert"
        ),
    ] = "crop"
