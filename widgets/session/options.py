"""Tool and view options: values that the session holds and the contextual bar changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from editor.document.brush import Brush
from editor.document.document import MapName

ToolName = Literal[
    "move",
    "rectangle",
    "ellipse",
    "lasso",
    "select_brush",
    "segment",
    "strength",
    "gradient",
    "paint",
    "erase",
    "hand",
    "zoom",
]
# What strength brushes and shapes write to: a map of the document, or of the active item or exemplar.
Target = MapName | Literal["item", "cutout", "exemplar_strength", "exemplar_fidelity"]
OF_EXEMPLAR: tuple[Target, ...] = ("cutout", "exemplar_strength", "exemplar_fidelity")
OF_THINGS: tuple[Target, ...] = ("item", *OF_EXEMPLAR)
StrengthMode = Literal["set", "lighten", "darken", "smooth", "clear"]
Combine = Literal["replace", "add", "subtract", "intersect"]


@dataclass(frozen=True, slots=True)
class ToolOptions:
    """`tool`: which one is in hand. `value`: the strength that is painted, 0 to 1. `other_value`: the same of what is
    not in hand: of reference pictures, or while one is active of the picture. `colour`: 0 to 255, in the document's colour space.

    `strength_target`: what the strength tools and the gradient write to; `shape_target`: what a drawn shape becomes. `combine`: what it
    does to what is there already, unless Shift (add) or Alt (subtract) is held.
    """

    tool: ToolName = "strength"
    strength_brush: Brush = field(default_factory=lambda: Brush(size=120.0, hardness=0.75))
    paint_brush: Brush = field(default_factory=lambda: Brush(size=40.0, hardness=0.8))
    value: float = 1.0
    other_value: float = 1.0
    mode: StrengthMode = "set"
    strength_target: Target = "strength"
    shape_target: Target = "selection"
    combine: Combine = "replace"
    gradient: Literal["linear", "radial"] = "linear"
    colour: tuple[int, int, int] = (230, 60, 40)

    @property
    def target(self) -> Target | None:
        """What the tool in hand writes to; None when it writes to no map."""
        match self.tool:
            case "strength" | "gradient":
                return self.strength_target
            case "lasso" | "rectangle" | "ellipse" | "segment" | "select_brush":
                return self.shape_target
        return None

    @property
    def of_document(self) -> ToolOptions:
        """The same, but what wrote to an item or an exemplar writes to the document again."""
        return replace(
            self,
            strength_target="strength" if self.strength_target in OF_THINGS else self.strength_target,
            shape_target="selection" if self.shape_target in OF_THINGS else self.shape_target,
        )

    @property
    def with_other_value(self) -> ToolOptions:
        """The same, with the value that was last painted with reference pictures instead of the picture's strength, or the other way round."""
        return replace(self, value=self.other_value, other_value=self.value)

    @property
    def brush(self) -> Brush:
        """The brush of the tool in hand."""
        return self.paint_brush if self.tool in ("paint", "erase") else self.strength_brush


# "cells": what a model's sampler makes of it, in its own grid and steps.
OverlayMode = Literal["heat", "contours", "grey", "outline", "cells", "off"]


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """How the canvas shows the maps. `overlay_opacity`: 0 to 1. `original`: show the picture as it was opened; `divider`: on one side of
    a line. `surround`: grey level, 0 to 255. `pointed`: id of the item or exemplar that is pointed at in a list, to be brought out on the canvas.
    """

    overlay: OverlayMode = "heat"
    overlay_opacity: float = 0.45
    legend: bool = True
    original: bool = False
    divider: bool = False
    items: bool = True
    frame: bool = True
    changed_pixels: bool = False
    surround: int = 64
    pointed: int | None = None
