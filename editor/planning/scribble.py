"""Scribbles: colours painted on a layer of their own, as a hint of what an edit is to make there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from editor.arrays import Map
from editor.document import masks
from editor.document.document import Document
from editor.document.layer import Layer
from editor.document.placing import on_grid
from editor.geometry import EMPTY, Rect
from editor.planning.draft import Draft
from editor.requests.method_settings import Use

# Of the longer side of what is painted: how far around the strokes the edit may reach.
AROUND = 0.04
MIN_AROUND = 2  # picture pixels


def scribble_of(document: Document, draft: Draft) -> Layer | None:
    """The layer that the draft takes as a scribble; None where there is none, or the method takes none."""
    if draft.scribble is None or Use.SCRIBBLE not in draft.settings.uses:
        return None
    return document.layer(draft.scribble)


def painted_rect(layer: Layer) -> Rect:
    """The tight rectangle of what is painted on the layer; empty if nothing is."""
    whole = EMPTY
    for where, block in layer.pixels.blocks():
        if not layer.pixels.is_blank(block):
            rect = Rect.of_mask(block[..., 3])
            whole = whole if rect.empty else whole.unite(rect.moved(where.left, where.top))
    return whole


def scribble_reach(layer: Layer) -> Rect:
    """A bound of what an edit of the scribble may change, in picture pixels; it may go beyond the picture."""
    rect = painted_rect(layer)
    return rect if rect.empty else rect.grow(_around(rect))


def scribble_region(layer: Layer, rect: Rect) -> Map:
    """(h, w) float32 inside `rect` of the picture: 1 on the strokes and closely around them, so that none of their colour is left over."""
    painted = painted_rect(layer)
    if painted.empty:
        return np.zeros(rect.size.shape, np.float32)
    whole = painted.grow(_around(painted))
    strokes = on_grid((layer.pixels.read(painted)[..., 3] > 0).astype(np.float32), painted, whole)
    return on_grid(masks.grow(strokes, _around(painted)), whole, rect)


def without_scribble(document: Document, layer: Layer) -> Document:
    """The document as it is without the hint."""
    return document.with_layer(replace(layer, visible=False))


def _around(rect: Rect) -> int:
    return max(MIN_AROUND, round(AROUND * max(rect.size)))
