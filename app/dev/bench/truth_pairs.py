"""Two exemplars in one held-out practice scene, each with a map of its own: one is held to the end, the other is free. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.dev.bench.truth_cases import HELD_OUT, around, draws, elsewhere, other_thing
from app.dev.practice.scenes import Scene, Thing, draw_scene, draw_thing
from app.dev.practice.world import World
from editor.arrays import Mask, Pixels
from editor.requests.edit_request import ExemplarInput


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """`source`, `pasted`: (64, 64, 3) uint8, without the exemplars and with them laid on. `exemplars`: in the order in which they lie; `things`,
    `shown` (where each is seen) and `regions` (what each may change) go with them. `held`: the place of the one that is held.
    `prompt`: all three things in words; `wrong`: two others in the exemplars' places.
    """

    source: Pixels
    pasted: Pixels
    exemplars: tuple[ExemplarInput, ExemplarInput]
    things: tuple[Thing, Thing]
    shown: tuple[Mask, Mask]
    regions: tuple[Mask, Mask]
    held: int
    prompt: str
    wrong: str

    @property
    def free(self) -> int:
        return 1 - self.held

    @property
    def region(self) -> Mask:
        return self.regions[0] | self.regions[1]

    def placed(self, strength: float) -> tuple[ExemplarInput, ...]:
        """The exemplars as a request takes them: the free one and everything around both change by `strength`."""
        return tuple(
            replace(exemplar, rim=region.astype(np.float32) * np.float32(strength))
            for exemplar, region in zip(self.exemplars, self.regions, strict=True)
        )


def pair(world: World, seed: int) -> Pair:
    """Cut-outs of two other pictures come in. Which of the two is held alternates with the seed."""
    scene, random = draw_scene(HELD_OUT + seed, "held out", 1), draws(seed, 5)
    after, wrong, things = scene, scene, []
    for _ in range(2):
        thing = draw_thing(random, "held out", other_thing(random, after), after.things)
        things.append(thing)
        after = after.with_thing(thing)
    for thing in things:
        other = draw_thing(random, "held out", other_thing(random, after, *_names(wrong)), wrong.things)
        wrong = wrong.with_thing(replace(other, x=thing.x, y=thing.y, size=thing.size))
    source = world.draw(scene).picture
    covered = world.draw(after).coverage[1:]
    held = seed % 2
    exemplars, regions, pasted = [], [], source
    for index, thing in enumerate(things):
        alone = elsewhere(world, random, scene, thing)
        alpha = alone.coverage[0]
        laid = _laid(pasted, alone.picture, alpha)
        fidelity = np.full_like(alpha, index == held)
        regions.append(around(pasted, laid))
        exemplars.append(ExemplarInput(thing.label, alone.picture, alpha, np.ones_like(alpha), fidelity, alpha))
        pasted = laid
    return Pair(
        source,
        pasted,
        (exemplars[0], exemplars[1]),
        (things[0], things[1]),
        (covered[0] >= 0.5, covered[1] >= 0.5),
        (regions[0], regions[1]),
        held,
        after.caption(),
        wrong.caption(),
    )


def _names(scene: Scene) -> list[str]:
    return [thing.name for thing in scene.things]


def _laid(picture: Pixels, pixels: Pixels, alpha: NDArray[np.float32]) -> Pixels:
    weight = alpha[..., None]
    return np.rint(picture * (1 - weight) + pixels * weight).astype(np.uint8)
