"""Scenes of the practice world as values: what stands where, on what. Edits are methods; the truth is the edited scene, drawn.

What training never sees: poses, pairs of things and grounds that are kept for scenes of the held-out split.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

SIDE = 64  # of a scene, in pixels
SIZES = (20, 36)  # the smallest and the largest side of a thing, in pixels, both possible
MAX_THINGS = 3  # things in a scene
TRIES = 36
OVERLAP = 0.12  # the most that two boxes share, as a part of the smaller one, where that can be had

COLOURS: dict[str, float] = {"red": 2.0, "yellow": 48.0, "green": 125.0, "blue": 215.0}  # hue in degrees
COLOURED = ("apple", "car", "balloon", "heart", "cap", "umbrella")
THINGS = (
    *COLOURED,
    *("cat", "dog", "panda", "frog", "duck", "fish", "sunflower", "tree", "cactus"),
    *("mushroom", "pizza", "clock", "key", "rocket", "house", "star", "football", "chair"),
)
GROUNDS: dict[str, str] = {
    "grass": "on grass",
    "sand": "on sand",
    "water": "on water",
    "sky": "in the sky",
    "night": "at night",
    "bricks": "on bricks",
    "tiles": "on tiles",
    "white": "on white",
    "grey": "on grey",
    "pink": "on pink",
}

Split = Literal["training", "held out"]


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing: `x`, `y` its left upper corner, `size` its side in pixels. `colour` is "" for things that have only one."""

    name: str
    colour: str
    x: int
    y: int
    size: int
    flip: bool = False

    @property
    def label(self) -> str:
        """What people call it: "red apple", "cat"."""
        return f"{self.colour} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class Ground:
    """What lies behind: a kind of `GROUNDS` and the seed of its details. Odd seeds are held out."""

    name: str
    seed: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Things on a ground; later ones lie on top."""

    ground: Ground
    things: tuple[Thing, ...]

    def without(self, index: int) -> Scene:
        """The thing removed, everything else where it was."""
        return replace(self, things=self.things[:index] + self.things[index + 1 :])

    def moved(self, index: int, x: int, y: int, size: int | None = None) -> Scene:
        """The thing elsewhere, perhaps in another size."""
        thing = self.things[index]
        return self._with(index, replace(thing, x=x, y=y, size=thing.size if size is None else size))

    def replaced(self, index: int, name: str, colour: str = "") -> Scene:
        """Another thing in its place."""
        return self._with(index, replace(self.things[index], name=name, colour=colour))

    def recoloured(self, index: int, colour: str) -> Scene:
        """The same thing in another colour."""
        return self._with(index, replace(self.things[index], colour=colour))

    def on(self, ground: Ground) -> Scene:
        """The same things on another ground."""
        return replace(self, ground=ground)

    def with_thing(self, thing: Thing) -> Scene:
        """One thing more, on top."""
        return replace(self, things=(*self.things, thing))

    def caption(self) -> str:
        """Such as `a red apple and a cat on grass`; an empty scene is called by its ground alone: `on grass`."""
        return f"{naming(self.things)} {GROUNDS[self.ground.name]}".strip()

    def _with(self, index: int, thing: Thing) -> Scene:
        return replace(self, things=(*self.things[:index], thing, *self.things[index + 1 :]))


def naming(things: tuple[Thing, ...]) -> str:
    """The things in words: `a cat`, `a cat and a red apple`, `a cat , a key and a tree` (the comma is a word)."""
    names = [f"a {thing.label}" for thing in things]
    return " and ".join([" , ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def reserved_pose(x: int, y: int, size: int) -> bool:
    """Whether a pose is kept for held-out scenes; about one in seven."""
    return (x // 3 + 2 * (y // 3) + 3 * (size // 4)) % 7 == 0


def reserved_pair(one: str, other: str) -> bool:
    """Whether two things meet in held-out scenes only; each thing has three such partners."""
    return (THINGS.index(one) + THINGS.index(other)) % 8 == 3


def draw_scene(seed: int, split: Split, count: int | None = None) -> Scene:
    """The scene of a seed. The splits share no seed, ground, pose or pair; `count` asks for so many things (0 to `MOST`)."""
    random = np.random.default_rng((seed, int(split == "held out")))
    if count is None:
        count = int(random.choice(MAX_THINGS + 1, p=(0.06, 0.42, 0.37, 0.15)))
    ground = draw_ground(random, split)
    things: list[Thing] = []
    for name in _names(random, split, count):
        things.append(draw_thing(random, split, name, tuple(things)))
    return Scene(ground, tuple(things))


def draw_ground(random: np.random.Generator, split: Split, other_than: str = "") -> Ground:
    """Any ground, or any but one."""
    names = [name for name in GROUNDS if name != other_than]
    return Ground(names[random.integers(len(names))], 2 * int(random.integers(2**30)) + int(split == "held out"))


def draw_thing(random: np.random.Generator, split: Split, name: str, beside: tuple[Thing, ...] = ()) -> Thing:
    """A thing of that name in a pose of the split, as far from `beside` as can be had in some tries."""
    colour = list(COLOURS)[random.integers(len(COLOURS))] if name in COLOURED else ""
    best, least = Thing(name, colour, 0, 0, SIZES[0]), np.inf
    tries = 0
    while tries < TRIES:
        largest = SIZES[1] if tries < TRIES // 3 else SIZES[0] + 4  # small ones find room where large ones did not
        size = int(random.integers(SIZES[0], largest + 1))
        x, y = (int(random.integers(SIDE - size + 1)) for _ in range(2))
        if reserved_pose(x, y, size) != (split == "held out"):
            continue
        tries += 1
        thing = Thing(name, colour, x, y, size, bool(random.integers(2)))
        shared = max((_overlap(thing, other) for other in beside), default=0.0)
        if shared < least:
            best, least = thing, shared
        if least <= OVERLAP:
            break
    return best


def _names(random: np.random.Generator, split: Split, count: int) -> list[str]:
    """Different things; held-out scenes of two and three hold a reserved pair, those of training never do."""
    names: list[str] = []
    for place in range(count):
        free = [name for name in THINGS if name not in names]
        if split == "training":
            free = [name for name in free if not any(reserved_pair(name, other) for other in names)]
        elif place == 1:
            free = [name for name in free if reserved_pair(name, names[0])]
        names.append(free[random.integers(len(free))])
    return names


def _overlap(one: Thing, other: Thing) -> float:
    wide = min(one.x + one.size, other.x + other.size) - max(one.x, other.x)
    high = min(one.y + one.size, other.y + other.size) - max(one.y, other.y)
    return max(0, wide) * max(0, high) / min(one.size, other.size) ** 2
