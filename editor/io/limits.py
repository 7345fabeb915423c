"""Limits of project files.

What a project may say beyond the limits that its parts declare: how much of anything, where things may lie, and the values of its maps.

Whatever lies outside is either *refused*, as damage, because nobody can tell what was meant; or *mended*, and the person is told: a thing that
lies out of reach is put back, words that are too long are cut, values of maps are brought back between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from editor.document.document import Document
from editor.document.placing import FARTHEST, reachable
from editor.geometry import Placement, Rect, Size
from editor.requests.edit_request import MAX_ID

# Lists, in entries; one more is refused.
MAX_COUNTS: Final[dict[str, int]] = {
    "layers": 2000,
    "items": 2000,
    "exemplars": 1000,
    "planes": 20_000,
    "fits": 100,
}
MAX_WORD_LENGTH = 200  # of any other text: a choice
# What comes with a picture, in bytes; longer ones are left out. Far above what cameras and programs write, and below what a project takes back.
MAX_BYTES_OF: Final[dict[str, int]] = {
    "icc": 16 * 2**20,
    "exif": 16 * 2**20,
    "xmp": 8 * 2**20,
    "iptc": 2**20,
    "texts": 4 * 2**20,
}
MAX_TEXTS = 1000  # of one picture
MAX_KEYWORD_LENGTH = 79  # characters, as PNG has it

MAX_NEXT_ID = 2 * MAX_ID
MIN_DPI, MAX_DPI = 1e-3, 1e6
# Files beside the known ones in a project's archive, which another version put there: how many, and bytes of all together.
MAX_FILES = 100
MAX_FILES_SIZE = 64 * 2**20
MAX_OPAQUE_LENGTH = (
    16 * 2**20
)  # characters of all fields together that are kept unread; what is written must be readable again
NEARLY = 1e-3  # a map may miss its range by so much without a word: what rounding does


@dataclass
class Mending:
    """What had to be mended while a project was read. `notes` says it in sentences."""

    out_of_reach: list[str] = field(default_factory=list)  # names of things
    cut: int = 0  # texts
    numbered: int = 0  # ids
    maps: int = 0  # planes
    lost: list[str] = field(default_factory=list)  # kinds of information about the picture
    unread: int = 0  # characters of fields that are not known
    kept: bool = False  # whether something of the document is not known, and kept
    too_much: bool = False  # whether some files that are not known were too many or too large to be kept

    @property
    def notes(self) -> tuple[str, ...]:
        sentences = []
        if len(self.out_of_reach) == 1:
            sentences.append(f"“{self.out_of_reach[0]}” lay out of reach and was put back.")
        elif self.out_of_reach:
            sentences.append(f"{len(self.out_of_reach)} things lay out of reach and were put back.")
        if self.maps:
            sentences.append("Some maps held values that are no strength; they were brought back between 0 and 100 %.")
        if self.cut:
            sentences.append("Names or words that were too long were cut.")
        if self.lost:
            sentences.append(
                f"Some information about the picture ({', '.join(dict.fromkeys(self.lost))}) is broken and was left out."
            )
        if self.numbered:
            sentences.append("Layers, items or reference pictures had the same number; they were numbered anew.")
        if self.kept:
            sentences.append(
                "Parts of it come from another version of Palimpsest. They do not show here, and are saved again as they are."
            )
        if self.too_much:
            sentences.append("Files in it that this version does not know are too large and were left out.")
        return tuple(sentences)


def placed(placement: Placement, size: Size, document: Size, name: str, mending: Mending) -> Placement:
    """The placement of a thing of `size`, put back over the picture where it is out of reach."""
    near = reachable(placement, size)
    if near == placement:
        return placement
    mending.out_of_reach.append(name)
    x, y = min(max(near.x, 0.0), float(document.width)), min(max(near.y, 0.0), float(document.height))
    return replace(near, x=x, y=y)


def sensible_rect(rect: Rect) -> bool:
    """Whether a rectangle stands where pictures can be, and the right way round."""
    return all(abs(side) <= FARTHEST for side in rect) and rect.left <= rect.right and rect.top <= rect.bottom


def bring_back(block: NDArray[Any]) -> bool:
    """Bring the values of a block of a map between 0 and 1, in place; whether any were far from it."""
    low, high = float(block.min()), float(block.max())
    if low >= 0 and high <= 1:
        return False
    np.nan_to_num(block, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    np.clip(block, 0, 1, out=block)
    return not (low >= -NEARLY and high <= 1 + NEARLY)


def numbered(document: Document, mending: Mending) -> Document:
    """With every id used once, and the next one above them all and above those that recipes still name: earlier versions gave the ids of
    undone things again.
    """
    ids = [thing.id for things in (document.layers, document.items, document.exemplars) for thing in things]
    named = [subject.id for layer in document.layers if layer.recipe is not None for subject in layer.recipe.subjects]
    if document.partition is not None:
        named += document.partition.items
    for fit in document.fits:
        named += fit.items
    following = max(document.next_id, max(ids, default=-1) + 1, max(named, default=-1) + 1)
    if len(set(ids)) == len(ids):
        return document if following == document.next_id else replace(document, next_id=following)
    taken: set[int] = set()

    def own(id: int) -> int:
        nonlocal following
        if id in taken:
            mending.numbered += 1
            id, following = following, following + 1
        taken.add(id)
        return id

    layers = tuple(replace(thing, id=own(thing.id)) for thing in document.layers)
    items = tuple(replace(thing, id=own(thing.id)) for thing in document.items)
    exemplars = tuple(replace(thing, id=own(thing.id)) for thing in document.exemplars)
    return replace(document, layers=layers, items=items, exemplars=exemplars, next_id=following)
