"""Settings of changing items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from editor.requests.method_settings import MatchTone, MethodSettings, Region, SoftEdge, Use, WorkingSize
from editor.requests.settings_fields import Label, Length, Range


@dataclass(frozen=True, slots=True)
class ItemsSettings(MethodSettings):
    """Changing items (D-Edit, arXiv 2403.04880; see `editor.methods.items`)."""

    uses: ClassVar[frozenset[Use]] = frozenset(
        {Use.MODEL, Use.WORDS, Use.SURROUNDINGS, Use.SIZE, Use.RANKING, Use.REMOVAL}
    )

    surroundings: Annotated[
        str,
        Length(10_000),
        Label(
            "What is around",
            "What the rest of the picture shows, such as “a lawn”. It helps to keep that out.",
            "region",
        ),
    ] = ""
    region: Annotated[Region, Label("Change", "The item, or everything around it.", "region")] = "inside"
    band: Annotated[
        float,
        Range(0.0, 6.0, "cells", 0.5),
        Label("Band", "How far around what changes the picture may adapt, in the model’s cells.", "region"),
    ] = 1.0
    band_hold: Annotated[
        float,
        Range(0.0, 1.0, "%", 0.05),
        Label("Keep the band", "For which share of the run the band is kept as it is.", "region"),
    ] = 0.5
    own_words: Annotated[
        Literal["auto", "on", "off"],
        Label(
            "Own words",
            "Whether each item reads its own words only, or the words for what changes count everywhere; automatic: only where nothing new appears.",
            "quality",
        ),
    ] = "auto"
    avoid: Annotated[
        Literal["auto", "off"],
        Label(
            "Avoid what is around",
            "Where an item becomes another, steers away from the words for what is around it.",
            "quality",
        ),
    ] = "auto"
    feather: SoftEdge = 8.0
    match_tone: MatchTone = "auto"
    scale: WorkingSize = 1.0
