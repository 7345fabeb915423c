"""Reading and writing pictures: PNG, JPEG, WebP, TIFF, with their colour profile and EXIF kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from editor.document import Metadata


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as read. `pixels`: (H, W, 4) uint8 sRGB, straight alpha, read-only, upright.

    `notes`: what a person should know about the reading, each a sentence ("16 bits per channel were reduced to 8").
    """

    pixels: NDArray[np.uint8]
    name: str
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()


def read_image(source: Path | bytes, name: str = "") -> Picture:
    raise NotImplementedError
