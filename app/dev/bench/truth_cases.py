"""Edits of held-out practice scenes whose right answer is known: what is asked, where, and how the picture must then look. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import cv2
import numpy as np

from app.dev.practice.scenes import COLOURED, COLOURS, THINGS, Scene, Thing, draw_ground, draw_scene, draw_thing
from app.dev.practice.world import Drawn, World
from editor.arrays import Map, Mask, Pixels
from editor.geometry import Rect
from editor.requests.edit_request import ExemplarInput, ItemInput
from editor.requests.frame import Frame

HELD_OUT = 10_000  # the first seed: others than the gates are measured on
MARGIN = 4  # pixels around what changes that are free too: one cell of the model, else its edge would be held
SHINES_THROUGH = 0.05  # of the ground through a pixel of a thing; less is left as it was
REDUCED = 6  # a degraded exemplar was once so many times smaller
NOISE = 24.0  # and has so much noise, in 1/255


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One edit. `source`, `truth`: (64, 64, 3) uint8, equal outside `region`. `prompt`: what the truth shows, in words; `wrong`: as long, but of
    something else. `mask`: what is to go, for methods that ask for outlines; `exemplar`: what is to come in, None for edits by words.
    """

    kind: str
    source: Pixels
    truth: Pixels
    region: Mask
    mask: Map
    prompt: str
    wrong: str
    after: Scene
    wanted: Thing | None = None
    unwanted: Thing | None = None
    exemplar: ExemplarInput | None = None

    @property
    def local_prompt(self) -> str:
        """What the region alone must show, in words."""
        shown = () if self.wanted is None or self.kind == "ground" else (self.wanted,)
        return Scene(self.after.ground, shown).caption()

    @property
    def frame(self) -> Frame:
        height, width = self.region.shape
        return Frame.full_size(Rect(0, 0, width, height))

    @property
    def item(self) -> ItemInput:
        return ItemInput("thing", self.mask, self.region, None)

    @property
    def pasted(self) -> Pixels:
        """The exemplar laid on, and nothing done about it; the source where there is none."""
        if self.exemplar is None:
            return self.source
        alpha = self.exemplar.alpha[..., None]
        return np.rint(self.source * (1 - alpha) + self.exemplar.pixels * alpha).astype(np.uint8)


def removal(world: World, seed: int) -> Case:
    """One of two things goes."""
    scene, random = draw_scene(HELD_OUT + seed, "held out", 2), draws(seed, 1)
    after, drawn = scene.without(0), world.draw(scene)
    wrong = scene.replaced(0, other_thing(random, scene))
    truth = world.draw(after).picture
    return Case(
        "remove",
        drawn.picture,
        truth,
        around(drawn.picture, truth),
        drawn.coverage[0],
        after.caption(),
        wrong.caption(),
        after,
        unwanted=scene.things[0],
    )


def replacement(world: World, seed: int) -> Case:
    """One of two things becomes another, by words."""
    scene, random = draw_scene(HELD_OUT + seed, "held out", 2), draws(seed, 2)
    name = other_thing(random, scene)
    after = scene.replaced(0, name, _colour(random, name))
    wrong = scene.replaced(0, other_thing(random, after, scene.things[0].name))
    drawn, truth = world.draw(scene), world.draw(after)
    return Case(
        "replace",
        drawn.picture,
        truth.picture,
        around(drawn.picture, truth.picture),
        np.maximum(drawn.coverage[0], truth.coverage[0]),
        after.caption(),
        wrong.caption(),
        after,
        wanted=after.things[0],
        unwanted=scene.things[0],
    )


def insertion(world: World, seed: int, *, degraded: bool) -> Case:
    """A cut-out of another picture comes in; degraded, it is blurred and noisy and should come out sharp."""
    scene, random = draw_scene(HELD_OUT + seed, "held out", 1), draws(seed, 3)
    name = other_thing(random, scene)
    thing = draw_thing(random, "held out", name, scene.things)
    after = scene.with_thing(thing)
    drawn, truth = world.draw(scene), world.draw(after)
    alone = elsewhere(world, random, scene, thing)
    pixels = _degraded(random, alone.picture) if degraded else alone.picture
    alpha = truth.coverage[-1]
    ones = np.ones_like(alpha)
    region = around(drawn.picture, truth.picture)
    exemplar = ExemplarInput(thing.label, pixels, alpha, ones, np.zeros_like(alpha), region.astype(np.float32))
    wrong = scene.with_thing(draw_thing(random, "held out", other_thing(random, after), scene.things))
    return Case(
        "insert degraded" if degraded else "insert",
        drawn.picture,
        truth.picture,
        region,
        alpha,
        after.caption(),
        wrong.caption(),
        after,
        wanted=thing,
        exemplar=exemplar,
    )


def other_ground(world: World, seed: int) -> Case:
    """Everything but the things changes."""
    scene, random = draw_scene(HELD_OUT + seed, "held out", 1), draws(seed, 4)
    after = scene.on(draw_ground(random, "held out", scene.ground.name))
    drawn, truth = world.draw(scene), world.draw(after)
    behind = 1 - drawn.coverage.max(axis=0)
    region = behind > SHINES_THROUGH
    wrong = scene.on(draw_ground(random, "held out", after.ground.name))
    return Case(
        "ground",
        drawn.picture,
        np.where(region[..., None], truth.picture, drawn.picture),
        region,
        behind.astype(np.float32),
        after.caption(),
        wrong.caption(),
        after,
        wanted=scene.things[0],
    )


KINDS: MappingProxyType[str, Callable[[World, int], Case]] = MappingProxyType(
    {
        "remove": removal,
        "replace": replacement,
        "insert": partial(insertion, degraded=False),
        "insert degraded": partial(insertion, degraded=True),
        "ground": other_ground,
    }
)


def elsewhere(world: World, random: np.random.Generator, scene: Scene, thing: Thing) -> Drawn:
    """The thing alone, in another picture: on a ground that the scene does not have."""
    return world.draw(Scene(draw_ground(random, "held out", scene.ground.name), (thing,)))


def draws(seed: int, kind: int) -> np.random.Generator:
    return np.random.default_rng((seed, kind, 41))


def other_thing(random: np.random.Generator, scene: Scene, *more: str) -> str:
    """A thing that is not there."""
    names = [name for name in THINGS if name not in {*more, *(thing.name for thing in scene.things)}]
    return names[random.integers(len(names))]


def _colour(random: np.random.Generator, name: str) -> str:
    return list(COLOURS)[random.integers(len(COLOURS))] if name in COLOURED else ""


def around(before: Pixels, after: Pixels) -> Mask:
    """Where the two differ, and a little around."""
    differs = (before != after).any(axis=-1).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * MARGIN + 1, 2 * MARGIN + 1))
    return np.asarray(cv2.dilate(differs, disc), np.bool_)


def _degraded(random: np.random.Generator, picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // REDUCED, height // REDUCED), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    noisy = soft + NOISE * random.standard_normal(picture.shape)
    return np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)
