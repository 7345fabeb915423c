"""The judge: says what stands where in a picture of the practice world. For measuring only; no method ever sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from app.dev.practice.plan import BEHIND, LABELS, TINTS, Plan
from app.dev.practice.scenes import MAX_THINGS, SIDE, Scene, draw_scene
from app.dev.practice.training import Arrays, as_batch, to_signed
from app.dev.practice.world import Drawn, World

CELL = 4  # pixels
CELLS = SIDE // CELL
NOTHING = len(LABELS)
SEEN = 4  # cells of one kind that make a thing; a key of 20 pixels covers some eight
SHOWN = 6.0  # cells' worth of a thing that must be visible before it counts as there to be found


class JudgeNet(nn.Module):
    """(n, 3, 64, 64) in -1..1 -> things (n, 25, 16, 16), their tints (n, 5, 16, 16), ground (n, 10); all logits."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, 128)
        layers: list[nn.Module] = []
        for place, (narrow, wide) in enumerate(pairwise(widths)):
            stride = 2 if place in (1, 2) else 1
            layers += [nn.Conv2d(narrow, wide, 3, stride, 1), nn.GroupNorm(8, wide), nn.SiLU()]
        self.trunk = nn.Sequential(*layers)
        self.context = nn.Sequential(
            nn.Conv2d(128, 128, 3, 2, 1), nn.GroupNorm(8, 128), nn.SiLU(), nn.Conv2d(128, 128, 3, 1, 1), nn.SiLU()
        )
        self.cells = nn.Conv2d(256, len(LABELS) + 1 + len(TINTS), 1)
        self.behind = nn.Linear(256, len(BEHIND))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        near = self.trunk(pictures)
        wide = self.context(near)
        both = torch.cat([near, functional.interpolate(wide, scale_factor=2.0, mode="nearest")], dim=1)
        cells = self.cells(both)
        pooled = torch.cat([wide.mean(dim=(2, 3)), wide.amax(dim=(2, 3))], dim=1)
        return cells[:, : NOTHING + 1], cells[:, NOTHING + 1 :], self.behind(pooled)


class JudgeLesson:
    """Training scenes with their exact masks; half of them a little blurred or noisy, so that it reads imperfect pictures."""

    name = "judge"
    adam_only: tuple[str, ...] = ("trunk.0.", "cells", "behind")

    def __init__(self, plan: Plan) -> None:
        self.course = plan.judge
        self._first = plan.first_scene
        self.module: nn.Module = JudgeNet()
        self._world = World()

    def arrays(self, step: int) -> Arrays:
        first = self._first + step * self.course.batch
        scenes = [draw_scene(first + place, "training") for place in range(self.course.batch)]
        drawn = [self._world.draw(scene) for scene in scenes]
        truths = [truth(scene, one) for scene, one in zip(scenes, drawn, strict=True)]
        return {
            "pictures": as_batch([one.picture for one in drawn]),
            "things": np.stack([things for things, _ in truths]),
            "tints": np.stack([tints for _, tints in truths]),
            "ground": np.array([BEHIND.index(scene.ground.name) for scene in scenes]),
        }

    def loss(self, batch: Mapping[str, Tensor], random: torch.Generator) -> Tensor:
        pictures = to_signed(batch["pictures"])
        count, device = len(pictures), pictures.device
        spoil = torch.rand((count, 1, 1, 1), generator=random, device=device)
        noise = torch.randn(pictures.shape, generator=random, device=device)
        soft = functional.avg_pool2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
        seen = torch.where(spoil < 0.25, soft, pictures) + noise * 0.12 * (spoil > 0.6) * spoil
        things, tints, ground = self.module(seen)
        loss: Tensor = (
            functional.cross_entropy(things.float(), batch["things"], ignore_index=-1)
            + 0.5 * functional.cross_entropy(tints.float(), batch["tints"], ignore_index=-1)
            + 0.2 * functional.cross_entropy(ground.float(), batch["ground"])
        )
        return loss


def truth(scene: Scene, drawn: Drawn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the cells show, (16, 16) each: the thing (or `NOTHING`; -1 where it is neither quite) and its tint (-1 off things)."""
    things = np.full((CELLS, CELLS), NOTHING, np.int64)
    tints = np.full((CELLS, CELLS), -1, np.int64)
    shares = cell_shares(drawn)
    if not len(shares):
        return things, tints
    most, which = shares.max(axis=0), shares.argmax(axis=0)
    names = np.array([LABELS.index(thing.name) for thing in scene.things])
    colours = np.array([TINTS.index(thing.colour) for thing in scene.things])
    clear = most >= 0.5
    things[clear], tints[clear] = names[which[clear]], colours[which[clear]]
    things[(shares.sum(axis=0) > 0.1) & ~clear] = -1
    return things, tints


def cell_shares(drawn: Drawn) -> NDArray[np.float32]:
    """How much of each cell shows each thing, (things, 16, 16)."""
    shares: NDArray[np.float32] = drawn.coverage.reshape(-1, CELLS, CELL, CELLS, CELL).mean(axis=(2, 4))
    return shares


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the judge sees in one picture. `things`: (16, 16) indices into `LABELS`, `NOTHING` beside them; `tints`: into `TINTS`."""

    things: NDArray[np.int64]
    tints: NDArray[np.int64]
    ground: str

    def names(self) -> frozenset[str]:
        """The things seen, without their colours."""
        counts = np.bincount(self.things.ravel(), minlength=NOTHING + 1)[:NOTHING]
        return frozenset(LABELS[index] for index in np.flatnonzero(counts >= SEEN))

    def shows(self, name: str, colour: str = "", where: NDArray[np.bool_] | None = None) -> bool:
        """Whether a thing is seen, in its colour where one is given, in the cells `where` (16, 16) when given."""
        cells = self.things == LABELS.index(name)
        if where is not None:
            cells &= where
        if int(cells.sum()) < SEEN:
            return False
        return not colour or int(np.bincount(self.tints[cells], minlength=len(TINTS)).argmax()) == TINTS.index(colour)


class Judge:
    """A trained net that reads pictures (n, 3, 64, 64), float in -1..1."""

    def __init__(self, net: nn.Module) -> None:
        self._net = net.eval()

    @torch.no_grad()
    def read(self, pictures: Tensor, batch: int = 64) -> list[Reading]:
        readings = []
        for part in torch.split(pictures, batch):
            things, tints, ground = (output.float().cpu() for output in self._net(part))
            for place in range(len(part)):
                readings.append(
                    Reading(
                        things[place].argmax(dim=0).numpy(),
                        tints[place].argmax(dim=0).numpy(),
                        BEHIND[int(ground[place].argmax())],
                    )
                )
        return readings


@dataclass(frozen=True, slots=True)
class Tally:
    """One scene read: things `expected` and `recalled`; of these, those that have a colour (`coloured`) and those that are read in it (`right`);
    things claimed that are `wrong`; whether the `ground` is read.
    """

    expected: int
    recalled: int
    coloured: int
    right: int
    wrong: int
    ground: bool


def tally(scene: Scene, drawn: Drawn, reading: Reading) -> Tally:
    """Things of which too little is visible are neither asked for nor held against the judge."""
    expected = recalled = coloured = right = 0
    for thing, share in zip(scene.things, cell_shares(drawn), strict=True):
        if float(share.sum()) < SHOWN:
            continue
        expected += 1
        seen = reading.shows(thing.name, where=share > 0.1)
        recalled += seen
        if seen and thing.colour:
            coloured += 1
            right += reading.shows(thing.name, thing.colour, share > 0.1)
    wrong = len(reading.names() - {thing.name for thing in scene.things})
    return Tally(expected, recalled, coloured, right, wrong, reading.ground == scene.ground.name)


def held_out(count: int, things: int | None = None) -> tuple[list[Scene], list[Drawn], Tensor]:
    """The first held-out scenes, drawn, and their pictures (n, 3, 64, 64) in -1..1. Counts run 1 to `MOST` unless said."""
    world = World()
    scenes = [
        draw_scene(seed, "held out", 1 + seed % MAX_THINGS if things is None else things) for seed in range(count)
    ]
    drawn = [world.draw(scene) for scene in scenes]
    return scenes, drawn, to_signed(torch.from_numpy(as_batch([one.picture for one in drawn])))
