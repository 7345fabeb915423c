"""A sheet of pictures in rows, with words above the columns, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

GAP = 6
HEADING = 26
PAPER, INK = (245, 245, 243), (30, 30, 30)


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """`headings`: one a column. `rows`: each with one (h, w, 3) uint8 picture a column. `width`: of a column, in pixels."""

    headings: Sequence[str]
    rows: Sequence[Sequence[NDArray[np.uint8]]]
    width: int


def write_sheet(path: Path, sections: Sequence[Section]) -> None:
    """Write the sections below each other, as JPEG or PNG by the path's ending."""
    blocks = [_section(section) for section in sections]
    sheet = Image.new("RGB", (max(block.width for block in blocks), sum(block.height for block in blocks)), PAPER)
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=82)


def _section(section: Section) -> Image.Image:
    rows = [[_scaled(picture, section.width) for picture in row] for row in section.rows]
    heights = [max(picture.height for picture in row) for row in rows]
    width = GAP + len(section.headings) * (section.width + GAP)
    block = Image.new("RGB", (width, HEADING + sum(heights) + GAP * (len(rows) + 1)), PAPER)
    draw = ImageDraw.Draw(block)
    font = ImageFont.load_default(15)
    for column, words in enumerate(section.headings):
        draw.text((GAP + column * (section.width + GAP), GAP), words, INK, font)
    top = HEADING + GAP
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            block.paste(picture, (GAP + column * (section.width + GAP), top))
        top += height + GAP
    return block


def _scaled(picture: NDArray[np.uint8], width: int) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
