"""Changes of items on held-out practice scenes: `python -m app bench truth-items`. The program is told nothing but the
items, their names and the words.

Each scene is a document with its things as items; what is asked goes the way of the program, from the document to the result.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.batch import parse_settings
from app.dev.bench import Result
from app.dev.bench.contact_sheet import Section, write_sheet
from app.dev.bench.diffusion_edits import outcome
from app.dev.bench.quick_fill_edits import laid_on
from app.dev.bench.truth import cells_of, interval, say
from app.dev.bench.truth_cases import HELD_OUT, SHINES_THROUGH, draws, other_thing
from app.dev.bench.truth_methods import Stage, folder_of, stage_of
from app.dev.practice.scenes import COLOURED, COLOURS, GROUNDS, Scene, draw_ground, draw_scene
from app.dev.practice.world import Drawn, World
from editor.arrays import Mask, Pixels
from editor.document.contents import Item
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.edits.dispatch import make_request
from editor.methods.items import model as items
from editor.methods.items.settings import ItemsSettings
from editor.methods.quick_fill import editing as quick_fill
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, Plan, removal
from editor.requests.edit_request import EditRequest, ItemInput
from editor.requests.frame import Frame

REPLACED, WRONG_WORDS, OVER_MEAN, GROUND = 80.0, 10.0, 6.0, 95.0  # per cent right, and decibels
ON_SHEET = 8
WIDE = 130
LEAST = 0.1  # mean squared error, so that what is exact has a figure in decibels


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One edit of one item of a scene.

    before, after: the scene, and how it shall be
    drawn: the scene as it was drawn
    truth: (64, 64, 3) uint8
    about: the place of the item among the scene's things
    region: "inside" or "outside" of it
    prompt: what is typed; `wrong`: as long, but of something else
    """

    before: Scene
    after: Scene
    drawn: Drawn
    truth: Pixels
    about: int
    region: Any = "inside"
    prompt: str = ""
    wrong: str = ""

    @property
    def source(self) -> Pixels:
        return self.drawn.picture

    @property
    def hole(self) -> Mask:
        """(64, 64) bool: what has anything of the item."""
        mask: Mask = self.drawn.coverage[self.about] > SHINES_THROUGH
        return mask

    @property
    def document(self) -> Document:
        """With the things as items that have names."""
        opaque = np.full((*self.source.shape[:2], 1), 255, np.uint8)
        document = Document.of_picture(np.concatenate([self.source, opaque], axis=2))
        for thing, coverage in zip(self.before.things, self.drawn.coverage, strict=True):
            document = document.adding_item(Item.of(f"a {thing.label}", Tiles.of(coverage.astype(np.float32))))
        return document


def replacement(world: World, seed: int) -> Asked:
    """One of two things becomes another."""
    scene, random = draw_scene(HELD_OUT + seed, "held out", 2), draws(seed, 2)
    name = other_thing(random, scene)
    after = scene.replaced(0, name, str(random.choice(list(COLOURS))) if name in COLOURED else "")
    wrong = scene.replaced(0, other_thing(random, after, scene.things[0].name))
    words, misleading = (f"a {of.things[0].label}" for of in (after, wrong))
    return Asked(scene, after, world.draw(scene), world.draw(after).picture, 0, prompt=words, wrong=misleading)


def removed(world: World, seed: int) -> Asked:
    """One of two things goes."""
    scene = draw_scene(HELD_OUT + seed, "held out", 2)
    after = scene.without(0)
    return Asked(scene, after, world.draw(scene), world.draw(after).picture, 0)


def other_ground(world: World, seed: int) -> Asked:
    """Everything around a thing changes."""
    scene, random = draw_scene(HELD_OUT + seed, "held out", 1), draws(seed, 4)
    after = scene.on(draw_ground(random, "held out", scene.ground.name))
    wrong = scene.on(draw_ground(random, "held out", after.ground.name))
    words, misleading = (GROUNDS[of.ground.name] for of in (after, wrong))
    drawn, truth = world.draw(scene), world.draw(after).picture
    return Asked(scene, after, drawn, truth, 0, "outside", words, misleading)


KINDS: Mapping[str, Callable[[World, int], Asked]] = MappingProxyType(
    {"replace": replacement, "remove": removed, "ground": other_ground}
)


@dataclass
class Scores:
    """What came of the scenes of one kind, a value a scene.

    right: 100 where the judge reads what was asked for; wrong: where it does although something else was said
    error: decibels inside the hole (removals); mean, quick: of the control with the mean colour, and of quick fill with the same hole
    outside: the largest difference beyond what may change, in 1/255
    """

    right: list[float] = field(default_factory=list)
    wrong: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    quick: list[float] = field(default_factory=list)
    outside: list[float] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when every bar holds, 1 when one is missed."""
    parser = argparse.ArgumentParser(
        prog="palimpsest bench truth-items",
        description="Changes of items on practice scenes, against how they should look.",
    )
    parser.add_argument("--scenes", type=int, default=100, help="of each kind (default 100)")
    parser.add_argument("--seeds", type=int, default=3, help="of replacements, each on all scenes (default 3)")
    parser.add_argument("--kinds", nargs="*", choices=tuple(KINDS), default=tuple(KINDS), metavar="KIND")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="where practice, practice-clip and -judge lie")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the method")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also draw a contact sheet here")
    options = parser.parse_args(arguments)
    more = parse_settings(ItemsSettings, options.set)
    stage = stage_of(folder_of(parser, options), options)
    world, sections, results = World(), [], list[Result]()
    for kind in options.kinds:
        scores, shown = _scored(stage, kind, options, more, world)
        sections.append(Section([kind, "truth", "changed", "wrong words"], shown, WIDE))
        for result in figures(kind, scores):
            say(result)
            results.append(result)
    if options.json is not None:
        options.json.write_text(json.dumps({"results": [asdict(each) for each in results]}, indent=2) + "\n", "utf-8")
    if options.sheet is not None:
        write_sheet(options.sheet, sections)
    return 0 if all(result.ok is not False for result in results) else 1


def _scored(
    stage: Stage, kind: str, options: argparse.Namespace, more: Mapping[str, Any], world: World
) -> tuple[Scores, list[list[Pixels]]]:
    scores, shown = Scores(), list[list[Pixels]]()
    for seed in range(options.seeds if kind == "replace" else 1):
        for number in range(options.scenes):
            asked = KINDS[kind](world, number)
            request = _request(stage, asked, more, asked.prompt, seed + 1)
            picture = laid_on(asked.source, outcome(items.edit(request, stage.model.backend)))
            scores.right.append(100.0 * _is_right(stage, asked, picture))
            kept = np.ones(asked.hole.shape, np.bool_)
            kept[request.frame.rect.slices] = request.strength == 0
            difference = np.abs(picture.astype(np.int16) - asked.source).max(axis=-1)
            scores.outside.append(float(difference[kept].max(initial=0)))
            line = [asked.source, asked.truth, picture]
            if asked.wrong:
                misled = _request(stage, asked, more, asked.wrong, seed + 1)
                other = laid_on(asked.source, outcome(items.edit(misled, stage.model.backend)))
                scores.wrong.append(100.0 * _is_right(stage, asked, other))
                line.append(other)
            else:
                scores.error.append(decibels(picture, asked))
                scores.mean.append(decibels(_mean_fill(asked), asked))
                scores.quick.append(decibels(_quick_fill(asked), asked))
            if number < ON_SHEET and not seed:
                shown.append(line)
    return scores, shown


def _request(stage: Stage, asked: Asked, more: Mapping[str, Any], prompt: str, seed: int) -> EditRequest:
    """As the program makes it of the document."""
    document = asked.document
    item = document.items[asked.about]
    around = asked.after.ground if asked.region == "inside" else asked.before.ground
    settings = ItemsSettings(feather=0.0, region=asked.region, surroundings=GROUNDS[around.name])
    draft = Draft(
        replace(settings, **more),
        item=item.id,
        prompt=prompt,
        seed=seed,
        model=stage.model.info,
        frame=document.rect,  # the practice model has only ever seen whole scenes
        steps=stage.steps,
        guidance_scale=stage.guidance_scale,
    )
    planned = Plan("fill", "", items=(item.id,)) if prompt else removal(item)
    return make_request(document, draft, planned)


def _is_right(stage: Stage, asked: Asked, picture: Pixels) -> bool:
    """Whether the judge reads what was asked for: the new thing in the place of the old one, the ground, or nothing in its place."""
    (reading,) = stage.read([picture])
    if asked.region == "outside":
        return bool(reading.ground == asked.after.ground.name)
    cells = cells_of(asked.hole)
    old = asked.before.things[asked.about]
    if not asked.prompt:
        return not reading.names() - {thing.name for thing in asked.after.things} and not reading.shows(
            old.name, where=cells
        )
    new = asked.after.things[asked.about]
    return bool(reading.shows(new.name, new.colour, cells) and not reading.shows(old.name, where=cells))


def decibels(picture: Pixels, asked: Asked) -> float:
    """Peak signal-to-noise ratio to the truth inside the hole."""
    error = float(np.square(picture.astype(np.float64) - asked.truth)[asked.hole].mean())
    return float(10 * np.log10(255**2 / max(error, LEAST)))


def _mean_fill(asked: Asked) -> Pixels:
    picture = asked.source.copy()
    picture[asked.hole] = np.rint(asked.source[~asked.hole].mean(axis=0))
    return picture


def _quick_fill(asked: Asked) -> Pixels:
    """With a hole as tight as that of the item."""
    coverage: NDArray[np.float32] = asked.drawn.coverage[asked.about].astype(np.float32)
    request = EditRequest(
        asked.source,
        asked.hole.astype(np.float32),
        Frame.full_size(asked.document.rect),
        QuickFillSettings(),
        1,
        action="remove",
        items=(ItemInput("thing", coverage, asked.hole, None),),
    )
    return laid_on(asked.source, outcome(quick_fill.edit(request)))


def figures(kind: str, scores: Scores) -> list[Result]:
    """Rows with their bars."""
    name = f"truth items: {kind}"
    results = []
    if kind == "replace":
        results.append(_share(f"{name}, right", scores.right, least=REPLACED))
        results.append(_share(f"{name}, wrong words", scores.wrong, most=WRONG_WORDS))
    elif kind == "ground":
        results.append(_share(f"{name}, right", scores.right, least=GROUND))
        results.append(_share(f"{name}, wrong words", scores.wrong))
    else:
        results.append(_share(f"{name}, right", scores.right))
        over = np.subtract(scores.error, scores.mean).tolist()
        low, high = interval(over)
        gain = float(np.mean(over))
        results.append(
            Result(
                f"{name}, over the mean fill",
                gain,
                "dB",
                OVER_MEAN,
                gain >= OVER_MEAN,
                f"95 %: {low:.2f} to {high:.2f}",
            )
        )
        over = np.subtract(scores.error, scores.quick).tolist()
        low, high = interval(over)
        note = f"mean {np.mean(over):.2f}, 95 %: {low:.2f} to {high:.2f}"
        results.append(Result(f"{name}, over quick fill with an equal hole, upper end", high, "dB", 0, high >= 0, note))
    results.append(Result.at_most(f"{name}, moved outside", max(scores.outside), "/255", 0))
    return results


def _share(name: str, values: Sequence[float], *, least: float | None = None, most: float | None = None) -> Result:
    mean, (low, high) = float(np.mean(values)), interval(values)
    note = f"{len(values)} edits, 95 %: {low:.3g} to {high:.3g}"
    if least is not None:
        return Result(name, mean, "%", least, mean >= least, f"at least; {note}")
    return Result(name, mean, "%", most, None if most is None else mean <= most, note)
