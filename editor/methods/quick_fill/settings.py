"""Settings of quick fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from editor.requests.method_settings import MethodSettings, Use
from editor.requests.settings_fields import Label, Range


@dataclass(frozen=True, slots=True)
class QuickFillSettings(MethodSettings):
    """Quick fill: shift-map graph cuts and Poisson fusion; no model (see `editor.methods.quick_fill`)."""

    uses: ClassVar[frozenset[Use]] = frozenset({Use.EXEMPLARS, Use.ITEMS})

    fill: Annotated[
        Literal["auto", "texture", "smooth"],
        Label("Fill with", "Texture copies from the picture; smooth is for sky and plain walls.", "quality"),
    ] = "auto"
    seam: Annotated[
        Literal["soft", "hard"],
        Label("Seam", "Soft follows the strength exactly; hard cuts along the least visible line.", "quality"),
    ] = "soft"
    match_tone: Annotated[
        float,
        Range(0.0, 1.0, "%", 0.05),
        Label("Match tone", "How far light and colour follow the new surroundings.", "quality"),
    ] = 0.25
    grow: Annotated[
        int,
        Range(0, 200, "px", 1),
        Label(
            "Margin",
            "How far around an item the picture is filled anew, for its shadow and fringes; the outline shows it.",
            "region",
        ),
    ] = 7
