"""The practice world drawn: scene -> pixels, with exact coverage of every thing and the clean ground, which is smooth, so that a small model spends
its strength on the things. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.dev.practice.scenes import COLOURED, COLOURS, SIDE, THINGS, Ground, Scene, Thing
from editor.geometry import Rect
from resources import practice_thing

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]
Amount = NDArray[np.floating[Any]]  # arithmetic with Python numbers widens what a checker sees

_AXIS = np.arange(SIDE, dtype=np.float32)
_DOWN, _ACROSS = _AXIS[:, None] / (SIDE - 1), _AXIS[None, :] / (SIDE - 1)
_HILLS = np.exp(-0.5 * ((_AXIS[:, None] - np.linspace(0, SIDE, 6)[None, :]) / 9.0) ** 2).astype(np.float32)


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


def draw_ground_pixels(ground: Ground) -> Plane:
    """The ground without things, (SIDE, SIDE, 3) float32 in [0, 1]. The same ground always gives the same pixels."""
    random = np.random.default_rng(ground.seed)
    light = np.float32(random.uniform(0.94, 1.06))
    return np.asarray(np.clip(_KINDS[ground.name](random) * light, 0, 1), np.float32)


def _mix(low: tuple[float, float, float], high: tuple[float, float, float], amount: Amount) -> Amount:
    start, end = np.asarray(low, np.float32), np.asarray(high, np.float32)
    return start + (end - start) * amount[..., None]


def _clouds(random: np.random.Generator) -> Amount:
    """Soft hills and valleys, about -1 to 1."""
    clouds: Amount = _HILLS @ random.standard_normal((6, 6), np.float32) @ _HILLS.T
    return clouds


def _grass(random: np.random.Generator) -> Amount:
    return _mix((0.55, 0.78, 0.32), (0.22, 0.52, 0.18), _DOWN * 0.8 + 0.12 * _clouds(random) + 0.1)


def _sand(random: np.random.Generator) -> Amount:
    wave = np.sin((_DOWN * 5 + 0.5 * np.sin(_ACROSS * 4 + random.uniform(0, 6)) + random.uniform()) * 2 * np.pi)
    return _mix((0.94, 0.85, 0.62), (0.82, 0.68, 0.44), 0.5 + 0.22 * wave)


def _water(random: np.random.Generator) -> Amount:
    wave = np.sin((_DOWN * 4 + 0.12 * np.sin(_ACROSS * 9 + random.uniform(0, 6)) + random.uniform()) * 2 * np.pi)
    return _mix((0.16, 0.62, 0.72), (0.06, 0.36, 0.58), 0.15 + 0.6 * _DOWN + 0.2 * wave)


def _sky(random: np.random.Generator) -> Amount:
    sky = _mix((0.36, 0.64, 0.95), (0.74, 0.89, 1.0), _DOWN + 0 * _ACROSS)
    white: Amount = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(2):
        x, y = random.uniform(0, 1), random.uniform(0, 0.8)
        white = np.maximum(white, np.exp(-(((_ACROSS - x) / 0.22) ** 2) - ((_DOWN - y) / 0.09) ** 2))
    return sky + (1 - sky) * (0.9 * white[..., None])


def _night(random: np.random.Generator) -> Amount:
    sky = _mix((0.04, 0.05, 0.16), (0.16, 0.14, 0.36), _DOWN + 0 * _ACROSS)
    shine: Amount = np.zeros((SIDE, SIDE), np.float32)
    for x, y in random.uniform(2, SIDE - 3, (7, 2)):
        shine += np.exp(-(((_AXIS[None, :] - x) ** 2 + (_AXIS[:, None] - y) ** 2) / 1.3))
    return sky + np.clip(shine, 0, 1)[..., None] * np.asarray((0.8, 0.8, 0.62), np.float32)


def _bricks(random: np.random.Generator) -> Amount:
    down, across = _AXIS + random.integers(12), _AXIS + random.integers(24)
    course = (down // 12).astype(np.int64)
    seam = np.minimum(down % 12, 12 - down % 12)[:, None]
    along = (across[None, :] + 12 * (course % 2)[:, None]) % 24
    edge = np.minimum(seam, np.minimum(along, 24 - along))
    return _mix((0.80, 0.74, 0.68), (0.68, 0.31, 0.24), np.clip(edge - 0.4, 0, 1))


def _tiles(random: np.random.Generator) -> Amount:
    down, across = (_AXIS + random.integers(32)) // 16, (_AXIS + random.integers(32)) // 16
    dark = ((down[:, None] + across[None, :]) % 2).astype(np.float32)
    return _mix((0.90, 0.90, 0.84), (0.52, 0.66, 0.68), dark)


def _plain(red: float, green: float, blue: float) -> Callable[[np.random.Generator], Amount]:
    def draw(random: np.random.Generator) -> Amount:
        tilt = random.uniform(-0.5, 0.5)
        shade: Amount = 0.5 + tilt * (_ACROSS - 0.5) + 0.3 * (_DOWN - 0.5)
        return _mix((red, green, blue), (red * 0.88, green * 0.88, blue * 0.88), shade)

    return draw


_KINDS: dict[str, Callable[[np.random.Generator], Amount]] = {
    "grass": _grass,
    "sand": _sand,
    "water": _water,
    "sky": _sky,
    "night": _night,
    "bricks": _bricks,
    "tiles": _tiles,
    "white": _plain(0.98, 0.98, 0.97),
    "grey": _plain(0.55, 0.55, 0.57),
    "pink": _plain(0.97, 0.70, 0.80),
}
