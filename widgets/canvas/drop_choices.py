"""Choices for a dropped picture: what one that was dropped or pasted can become."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import PurePath
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.document.colour import convert
from editor.document.contents import Exemplar, Layer
from editor.document.document import Document
from editor.errors import InvalidRequest
from editor.geometry import Placement, Point, Rect, Size
from editor.io.images import Picture
from editor.io.mask_pictures import mask_of
from widgets.session.edits import unlike
from widgets.session.session import Session

Choice = Literal["exemplar", "layer", "document", "strength", "keep"]
# The likely one first.
CHOICES: tuple[tuple[Choice, str, str], ...] = (
    ("exemplar", "Reference picture", "Lay it on, and let in as much of it as you like"),
    ("layer", "Layer", "Put its pixels on a layer of their own"),
    ("document", "New document", "Open it beside this one"),
    ("strength", "Strength map", "Bright means free to change, dark means keep"),
    ("keep", "Keep map", "Bright means keep, dark means free to change, as in PIXELS’ own files"),
)
BESIDE = 0.9  # of its place that one of several takes at most
SHARE = 0.5  # of what is visible that an exemplar takes at most, along each side


def take(session: Session, choice: Choice, picture: Picture, at: Point, visible: Rect) -> None:
    """Make it so, as one step of the history, in the document's colour space. `at`: where it was dropped, `visible`: what is seen, both in picture
    pixels.
    """
    document, name = session.document, title(picture.name)
    match choice:
        case "exemplar":
            name = unlike(name, (other.name for other in document.exemplars))
            exemplar = Exemplar.of(name, pixels_for(document, picture), placement(picture_size(picture), at, visible))
            document = document.adding_exemplar(exemplar)
            session.commit("Add reference picture", document)
            session.activate(exemplar=document.exemplars[-1].id)
            session.set_options(tool="move")
        case "layer":
            name = unlike(name, (layer.name for layer in document.layers))
            document = with_layer(document, name, pixels_for(document, picture), at)
            session.commit("Add layer", document)
            session.activate_layer(document.layers[-1].id)
        case "document":
            session.open_picture(picture)
        case "strength" | "keep":
            try:
                mask = mask_of(picture, document.size, white_keeps=choice == "keep")
            except InvalidRequest as error:
                session.notice(error.message, error.advice, error=True)
                return
            session.commit("Strength from a picture", document.with_strength(mask.tiles))
            session.activate()
            for note in mask.notes:
                session.notice(note)


def pixels_for(document: Document, picture: Picture) -> NDArray[np.uint8]:
    """The picture's pixels in the document's colour space."""
    return convert(picture.pixels, picture.metadata.icc, document.metadata.icc)


def title(name: str) -> str:
    """The name as people say it: without a folder and the ending."""
    return PurePath(name).stem or "Picture"


def picture_size(picture: Picture) -> Size:
    return Size(picture.pixels.shape[1], picture.pixels.shape[0])


def placement(size: Size, at: Point, visible: Rect) -> Placement:
    """Centred at the point; in its own size, or smaller where that would cover too much of what is visible."""
    scale = min(1.0, SHARE * visible.width / size.width, SHARE * visible.height / size.height)
    return Placement(at.x, at.y, max(scale, 1 / max(size)), max(scale, 1 / max(size)))


def side_by_side(visible: Rect, count: int) -> list[tuple[Point, Rect]]:
    """Where so many pictures lie at once over what is visible: for each the place and the room for `placement`, row by row, in picture pixels."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    width, height = visible.width / columns, visible.height / rows
    room = Rect.of_size(Size(max(1, round(width * BESIDE / SHARE)), max(1, round(height * BESIDE / SHARE))))
    return [
        (Point(visible.left + (at % columns + 0.5) * width, visible.top + (at // columns + 0.5) * height), room)
        for at in range(count)
    ]


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


def _resized(pixels: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Smaller, straight alpha: colours weighted by their alpha, so that what is transparent does not bleed in."""
    alpha = pixels[..., 3:].astype(np.float32) * np.float32(1 / 255)
    weighted = np.concatenate([pixels[..., :3] * alpha, alpha], axis=2)
    small = np.asarray(cv2.resize(weighted, tuple(size), interpolation=cv2.INTER_AREA), np.float32)
    small[..., :3] /= np.maximum(small[..., 3:], 1e-4)
    small[..., 3] *= 255
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)
