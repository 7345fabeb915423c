"""What lies behind the things: smooth, so that a small model spends its strength on the things."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.dev.practice.scenes import SIDE, Ground

Plane = NDArray[np.float32]
Amount = NDArray[np.floating[Any]]  # arithmetic with Python numbers widens what a checker sees

_AXIS = np.arange(SIDE, dtype=np.float32)
_DOWN, _ACROSS = _AXIS[:, None] / (SIDE - 1), _AXIS[None, :] / (SIDE - 1)
_HILLS = np.exp(-0.5 * ((_AXIS[:, None] - np.linspace(0, SIDE, 6)[None, :]) / 9.0) ** 2).astype(np.float32)


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
