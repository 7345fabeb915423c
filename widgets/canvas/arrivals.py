"""What a picture that was dropped or pasted becomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from editor import masks
from editor.document import Document
from editor.geometry import Placement, Point, Rect, Size
from editor.io.images import Picture
from editor.item import Exemplar
from editor.layer import Layer
from editor.tiles import Tiles
from widgets.session import Session

Choice = Literal["exemplar", "layer", "document", "strength", "keep"]
# The likely one first.
CHOICES: tuple[tuple[Choice, str, str], ...] = (
    ("exemplar", "Exemplar", "Lay it on and let in as much of it as you like"),
    ("layer", "Layer", "Put its pixels on a layer of their own"),
    ("document", "New document", "Open it beside this one"),
    ("strength", "Strength map", "Bright means free to change, dark means keep"),
    ("keep", "Keep map", "Bright means keep, dark means free to change, as in PIXELS’ own files"),
)
SHARE = 0.5  # of what is visible that an exemplar takes at most, along each side


def take(session: Session, choice: Choice, picture: Picture, at: Point, visible: Rect) -> None:
    """Make it so, as one step of the history. `at`: where it was dropped, `visible`: what is seen, both in picture pixels."""
    document, name = session.document, title(picture.name)
    match choice:
        case "exemplar":
            exemplar = Exemplar.of(name, picture.pixels, placement(picture_size(picture), at, visible))
            document = document.adding_exemplar(exemplar)
            session.commit("Add exemplar", document)
            session.activate(exemplar=document.exemplars[-1].id)
            session.set_options(tool="move")
        case "layer":
            document = with_layer(document, name, picture.pixels, at)
            session.commit("Add layer", document)
            session.activate_layer(document.layers[-1].id)
        case "document":
            session.open_picture(picture)
        case "strength" | "keep":
            map = as_strength(picture.pixels, document.size, white_keeps=choice == "keep")
            session.commit("Strength from a picture", document.with_strength(map))
            session.activate()


def title(name: str) -> str:
    """The name as people say it: without a folder and the ending."""
    return PurePath(name).stem or "Picture"


def picture_size(picture: Picture) -> Size:
    return Size(picture.pixels.shape[1], picture.pixels.shape[0])


def placement(size: Size, at: Point, visible: Rect) -> Placement:
    """Centred at the point; in its own size, or smaller where that would cover too much of what is visible."""
    scale = min(1.0, SHARE * visible.width / size.width, SHARE * visible.height / size.height)
    return Placement(at.x, at.y, max(scale, 1 / max(size)), max(scale, 1 / max(size)))


def with_layer(document: Document, name: str, pixels: NDArray[np.uint8], at: Point) -> Document:
    """A new layer on top with the pixels centred at the point; what is as large as the picture lies on it, and what is larger is made to fit it."""
    height, width = pixels.shape[:2]
    scale = min(1.0, document.size.width / width, document.size.height / height)
    left, top = (0, 0) if (width, height) == document.size else (round(at.x - width / 2), round(at.y - height / 2))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = _resized(pixels, Size(*size))
        left, top = (document.size.width - size[0]) // 2, (document.size.height - size[1]) // 2
    layer = Layer.empty(0, name, document.size)
    return document.adding_layer(replace(layer, pixels=layer.pixels.write(left, top, pixels)))


def as_strength(pixels: NDArray[np.uint8], size: Size, *, white_keeps: bool = False) -> Tiles:
    """(H, W) float32: how bright the picture is, or with `white_keeps` how dark, stretched over `size`; what is transparent is kept."""
    bright = masks.of_picture(pixels, white_keeps=white_keeps)
    if bright.shape == size.shape:
        return Tiles.of(bright)
    way = cv2.INTER_AREA if bright.size > size.area else cv2.INTER_LINEAR
    return Tiles.of(np.clip(np.asarray(cv2.resize(bright, tuple(size), interpolation=way), np.float32), 0, 1))


def _resized(pixels: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Smaller, straight alpha: colours weighted by their alpha, so that what is transparent does not bleed in."""
    alpha = pixels[..., 3:].astype(np.float32) * np.float32(1 / 255)
    weighted = np.concatenate([pixels[..., :3] * alpha, alpha], axis=2)
    small = np.asarray(cv2.resize(weighted, tuple(size), interpolation=cv2.INTER_AREA), np.float32)
    small[..., :3] /= np.maximum(small[..., 3:], 1e-4)
    small[..., 3] *= 255
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)
