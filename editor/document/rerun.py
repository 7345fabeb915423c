"""Rerun: an edit that is about to be run again with changes, and what was put away for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from editor.document.tiles import Tiles
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.settings_fields import Grid


@dataclass(frozen=True, slots=True, eq=False)
class Rerun:
    """Part of a document from the moment when an edit is reopened until its new result is accepted, or somebody leaves.

    `layer`: the id of the layer that the edit made; the new result takes its place.
    `layers`, `exemplars`, `items`: which of them were hidden or shown for it, by id, each with whether it was visible before.
    `strength`, `selection`: (H, W) float32 in [0, 1], the maps as they were before; None where they were left alone.
    `unknown`: what another version said of it in a file.
    """

    layer: int
    layers: tuple[tuple[int, bool], ...] = ()
    exemplars: tuple[tuple[int, bool], ...] = ()
    strength: Annotated[Tiles, Grid("float32")] | None = None
    selection: Annotated[Tiles, Grid("float32")] | None = None
    items: tuple[tuple[int, bool], ...] = ()
    unknown: Opaque = NOTHING
