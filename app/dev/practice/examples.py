"""Practice scenes to begin with: small documents whose things are items already, and an edit that waits for the button. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from app.dev.practice.scenes import Ground, Scene, Thing, naming
from app.dev.practice.world import World
from editor.document import masks
from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.geometry import Placement

T = TypeVar("T", np.uint8, np.float32)

ENLARGED = 4  # so that brushes fit; the model sees the whole scene in its own size
AROUND = (
    4 * ENLARGED
)  # pixels around a thing that its item takes in: one cell of the model, and room for another outline


@dataclass(frozen=True, slots=True)
class Example:
    """A scene. `prompt`: what shall stand in the place of its first thing, and nothing that stands elsewhere, or it would be drawn there once
    more. `exemplar`: a thing laid on it instead, which is to be blended in; then the words are about the whole scene.
    """

    name: str
    scene: Scene
    prompt: str
    exemplar: Thing | None = None

    def picture(self, world: World) -> NDArray[np.uint8]:
        """(256, 256, 4) uint8, as it looks before."""
        return _opaque(enlarged(world.draw(self.scene).picture))

    def document(self, world: World) -> Document:
        """The scene as a document, its first thing the first item."""
        drawn = world.draw(self.scene)
        document = Document.of_picture(_opaque(enlarged(drawn.picture)))
        for thing, coverage in zip(self.scene.things, drawn.coverage, strict=True):
            mask = masks.grow((enlarged(coverage) > 0.02).astype(np.float32), AROUND)
            item = Item.of(thing.label, document.empty_map().write(0, 0, mask))
            document = document.adding_item(replace(item, prompt=naming((thing,))))
        if self.exemplar is not None:
            sprite = world.sprite(self.exemplar)
            alpha = sprite[..., 3:]
            straight = np.concatenate([sprite[..., :3] / np.maximum(alpha, 1 / 255), alpha], axis=-1)
            pixels = np.rint(np.clip(straight, 0, 1) * 255).astype(np.uint8)
            centre = (ENLARGED * (corner + self.exemplar.size / 2) for corner in (self.exemplar.x, self.exemplar.y))
            document = document.adding_exemplar(Exemplar.of(self.exemplar.label, enlarged(pixels), Placement(*centre)))
        return document


EXAMPLES: tuple[Example, ...] = (
    Example(
        "Cat and apple",
        Scene(Ground("grass", 11), (Thing("cat", "", 6, 8, 34), Thing("apple", "red", 36, 34, 24))),
        "a dog",
    ),
    Example(
        "Car by a cactus",
        Scene(Ground("sand", 23), (Thing("car", "blue", 4, 26, 34), Thing("cactus", "", 38, 8, 26))),
        "a red car",
    ),
    Example(
        "Rocket at night",
        Scene(Ground("night", 5), (Thing("rocket", "", 20, 16, 34),)),
        "a star",
    ),
    Example(
        "Duck for a pond",
        Scene(Ground("water", 7), (Thing("fish", "", 4, 34, 26),)),
        "a fish and a duck on water",
        Thing("duck", "", 30, 8, 30),
    ),
)


def enlarged(pixels: NDArray[T]) -> NDArray[T]:
    """(h, w[, c]) -> (4 h, 4 w[, c]), smooth."""
    height, width = pixels.shape[:2]
    size = (ENLARGED * width, ENLARGED * height)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), pixels.dtype)


def _opaque(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([picture, np.full((*picture.shape[:2], 1), 255, np.uint8)], axis=-1)
