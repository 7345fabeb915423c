"""The practice world drawn: scene -> pixels, with exact coverage of every thing and the clean ground. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.dev.practice.grounds import draw_ground_pixels
from app.dev.practice.scenes import COLOURED, COLOURS, SIDE, THINGS, Scene, Thing
from editor.geometry import Rect
from resources import practice_thing

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One scene as seen.

    `picture`: (64, 64, 3) uint8 sRGB. `ground`: the same without things. `coverage`: (things, 64, 64) float32, how much
    of each pixel shows each thing, what lies on top taken off; with the ground's own share they sum to one.
    """

    picture: Picture
    ground: Picture
    coverage: Plane

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(things, 64, 64): where at least half of a pixel shows the thing."""
        return self.coverage >= 0.5

    def box(self, index: int) -> Rect:
        """The rectangle around what is seen of a thing; empty when it is hidden."""
        rows, columns = np.nonzero(self.masks[index])
        if not rows.size:
            return Rect(0, 0, 0, 0)
        return Rect(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)


class World:
    """Draws scenes. Keeps every thing it has drawn in every size, some megabytes."""

    def __init__(self) -> None:
        self._sprites: Mapping[tuple[str, str], Plane] = _sprites()
        self._sized: dict[tuple[str, str, int, bool], Plane] = {}

    def draw(self, scene: Scene) -> Drawn:
        """The scene's pixels; the same scene always gives the same bytes."""
        ground = draw_ground_pixels(scene.ground)
        pixels = ground.copy()
        coverage = np.zeros((len(scene.things), SIDE, SIDE), np.float32)
        for index, thing in enumerate(scene.things):
            rows, columns = slice(thing.y, thing.y + thing.size), slice(thing.x, thing.x + thing.size)
            sprite = self.sprite(thing)
            rest = 1 - sprite[..., 3]
            pixels[rows, columns] = pixels[rows, columns] * rest[..., None] + sprite[..., :3]
            coverage[:index, rows, columns] *= rest
            coverage[index, rows, columns] = sprite[..., 3]
        return Drawn(to_bytes(pixels), to_bytes(ground), coverage)

    def sprite(self, thing: Thing) -> Plane:
        """A thing alone, (size, size, 4) float32 in [0, 1], colours premultiplied by alpha."""
        key = (thing.name, thing.colour, thing.size, thing.flip)
        if key not in self._sized:
            sized = _resized(self._sprites[thing.name, thing.colour], thing.size)
            self._sized[key] = np.ascontiguousarray(sized[:, ::-1]) if thing.flip else sized
        return self._sized[key]


def to_bytes(pixels: Plane) -> Picture:
    """[0, 1] to 0..255."""
    return (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)


def _sprites() -> dict[tuple[str, str], Plane]:
    """(name, colour) -> premultiplied RGBA in [0, 1], as large as they are packaged."""
    sprites: dict[tuple[str, str], Plane] = {}
    for name in THINGS:
        with practice_thing(name) as path, Image.open(path) as opened:
            straight = (np.asarray(opened.convert("RGBA")) / 255).astype(np.float32)
        for colour in COLOURS if name in COLOURED else ("",):
            shown = _tinted(straight, COLOURS[colour]) if colour else straight.copy()
            shown[..., :3] *= shown[..., 3:]
            sprites[name, colour] = shown
    return sprites


def _tinted(straight: Plane, hue: float) -> Plane:
    """The thing in another colour: pixels near its own main hue get the new one; leaves, wheels and glass stay."""
    hsv = np.asarray(Image.fromarray(to_bytes(straight[..., :3])).convert("HSV"), np.float32)
    weight = straight[..., 3] * hsv[..., 1] * (hsv[..., 2] > 60)
    turns = hsv[..., 0] / 256 * 2 * np.pi
    main = np.arctan2((weight * np.sin(turns)).sum(), (weight * np.cos(turns)).sum())
    away = np.abs((turns - main + np.pi) % (2 * np.pi) - np.pi)
    ours = (away < np.radians(42)) & (hsv[..., 1] > 40)
    hsv[..., 0] = np.where(
        ours, hue / 360 * 256 + (hsv[..., 0] - main / (2 * np.pi) * 256 + 128) % 256 * 0.2 - 25.6, hsv[..., 0]
    )
    bright = hsv[..., 2] * (1.12 if 30 < hue < 70 else 0.9 if hue > 100 else 1.0)  # a dark yellow would be brown
    hsv[..., 2] = np.where(ours, np.minimum(bright, 255), hsv[..., 2])
    hsv[..., 0] %= 256
    tinted = straight.copy()
    tinted[..., :3] = np.asarray(Image.fromarray(hsv.astype(np.uint8), "HSV").convert("RGB"), np.float32) / 255
    return tinted


def _resized(premultiplied: Plane, size: int) -> Plane:
    planes = [
        Image.fromarray(premultiplied[..., channel]).resize((size, size), Image.Resampling.LANCZOS)
        for channel in range(4)
    ]
    resized = np.clip(np.stack([np.asarray(plane) for plane in planes], axis=-1), 0, 1)
    resized[..., :3] = np.minimum(resized[..., :3], resized[..., 3:])
    return np.asarray(resized, np.float32)
