"""Pictures that are meant as masks: how bright a place is says how much, whichever file it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from editor.document import masks
from editor.document.tiles import Tiles
from editor.errors import InvalidRequest
from editor.geometry import Size
from editor.io.images import Picture, read_image


class Mask(NamedTuple):
    """`tiles`: (H, W) float32 in [0, 1]. `notes`: what a person should know about the reading, each a sentence."""

    tiles: Tiles
    notes: tuple[str, ...] = ()


def mask_of(picture: Picture, size: Size, *, white_keeps: bool = False) -> Mask:
    """Grey times alpha: white is 1, black is 0, and so is what is transparent. Greys count as the file has them, whatever its colour profile.

    picture: stretched where it has the shape of `size`, to within a pixel, and only another size
    size: of the document
    white_keeps: the other way round, as in the files of the published PIXELS and Differential Diffusion: black is 1

    Raises `InvalidRequest` for a picture of another shape.
    """
    height, width = picture.pixels.shape[:2]
    if abs(width * size.height - height * size.width) > max(width, height, *size):
        raise InvalidRequest(
            f"The strength picture is {width} × {height} pixels, the picture {size.width} × {size.height}.",
            "Give both the same size, or at least the same shape.",
        )
    bright = masks.of_picture(picture.pixels, picture.levels, white_keeps=white_keeps)
    if (width, height) == size:
        return Mask(Tiles.of(np.clip(bright, 0, 1)))
    way = cv2.INTER_AREA if width * height > size.area else cv2.INTER_LINEAR
    stretched = np.asarray(cv2.resize(bright, tuple(size), interpolation=way), np.float32)
    note = f"The strength picture was brought from {width} × {height} to {size.width} × {size.height} pixels."
    return Mask(Tiles.of(np.clip(stretched, 0, 1)), (note,))


def read_mask(source: Path | bytes, size: Size, name: str = "", *, white_keeps: bool = False) -> Mask:
    """The mask in a file or in a file's bytes. Raises `UnreadableFile`, and `InvalidRequest` for one of another shape."""
    picture = read_image(source, name)
    mask = mask_of(picture, size, white_keeps=white_keeps)
    return mask._replace(notes=(*picture.notes, *mask.notes))
