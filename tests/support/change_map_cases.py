"""A model that is only described, and documents to repaint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from editor.diffusion.families.registry import FAMILIES
from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.geometry import Placement, Rect
from editor.methods.pixels.settings import PixelsSettings
from editor.models.info import ModelInfo
from editor.planning.plan import Draft
from editor.requests.edit_request import EditRequest
from editor.requests.results import EditResult, Recipe

MODEL = ModelInfo("/models/small", "Small", FAMILIES.named("stable-diffusion"), Path("/models/small"), 512)


def draft(**changes: Any) -> Draft:
    return replace(Draft(PixelsSettings(), model=MODEL, seed=5), **changes)


def picture(width: int = 300, height: int = 200, seed: int = 1) -> Document:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4)).astype(np.uint8)
    pixels[..., 3] = 255
    return Document.of_picture(pixels)


def painted(document: Document, rect: Rect, value: float = 1.0) -> Document:
    patch = np.full(rect.size.shape, value, np.float32)
    return document.with_strength(document.strength.write(rect.left, rect.top, patch))


def selected(document: Document, rect: Rect) -> Document:
    patch = np.ones(rect.size.shape, np.float32)
    return document.with_map("selection", document.selection.write(rect.left, rect.top, patch))


def with_item(document: Document, rect: Rect, name: str = "cat") -> tuple[Document, Item]:
    mask = document.empty_map().write(rect.left, rect.top, np.ones(rect.size.shape, np.float32))
    document = document.adding_item(Item.of(name, mask))
    return document, document.items[-1]


def with_exemplar(
    document: Document, placement: Placement, side: int = 30, name: str = "boat"
) -> tuple[Document, Exemplar]:
    pixels = np.full((side, side, 4), (200, 10, 10, 255), np.uint8)
    document = document.adding_exemplar(Exemplar.of(name, pixels, placement))
    return document, document.exemplars[-1]


def answer(request: EditRequest) -> EditResult:
    """Paints everything it may green."""
    pixels = np.zeros((*request.strength.shape, 4), np.uint8)
    pixels[...] = (0, 255, 0, 0)
    pixels[..., 3] = np.where(request.strength > 0, 255, 0)
    return EditResult(request.frame.rect, pixels, Recipe.of(request))
