"""Words in regions: `python -m app bench words`. Edits by words on held-out practice scenes: several candidates, and the one that ranking puts first.

What a judge reads in the first candidate, in the best-ranked of them, in all on average, and in any; beside them the wrong words, and thin regions
with and without closing in.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from app.dev.bench import Result
from app.dev.bench.contact_sheet import Section, write_sheet
from app.dev.bench.diffusion_edits import outcome
from app.dev.bench.quick_fill_edits import laid_on
from app.dev.bench.run import row
from app.dev.bench.truth import interval, right
from app.dev.bench.truth_cases import HELD_OUT, Case, around, draws, other_thing, removal, replacement
from app.dev.bench.truth_methods import Stage, folder_of, mean_fill, stage_of
from app.dev.practice.export import CLIP
from app.dev.practice.judge import CELL, Reading
from app.dev.practice.scenes import SIDE, SIZES, Scene, draw_scene, draw_thing
from app.dev.practice.world import World
from editor.arrays import Pixels
from editor.diffusion.ranking import ClipScorer, CropMode
from editor.geometry import Rect, Size
from editor.methods.blended_latent_diffusion.model import edit_batch
from editor.methods.blended_latent_diffusion.region_cells import thin
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.models.rankers import inspect_ranker
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.results import EditResult
from editor.requests.variants import variants_of

ON_SHEET = 6
WIDE = 96
GROWN = 3  # pixels around a thing's box: the rough region in which a new one is asked for
TRIES = 400  # seeds looked at for each scene with a thin region
LOOKS: tuple[CropMode, ...] = ("crop", "reference")

WORKING = ModelCanvas(Frame.full_size(Rect(0, 0, SIDE, SIDE)), Size(SIDE, SIDE), CELL)

Making = Callable[[World, int], Case]


def addition(world: World, seed: int) -> Case:
    """A thing is asked for by words, in a rough box where there is none."""
    scene, random = draw_scene(HELD_OUT + seed, "held out", 1), draws(seed, 5)
    thing = draw_thing(random, "held out", other_thing(random, scene), scene.things)
    after = scene.with_thing(thing)
    drawn, truth = world.draw(scene), world.draw(after)
    region = around(drawn.picture, truth.picture)
    box = np.zeros_like(region)
    low = max(0, thing.y - GROWN), max(0, thing.x - GROWN)
    box[low[0] : thing.y + thing.size + GROWN, low[1] : thing.x + thing.size + GROWN] = True
    wrong = scene.with_thing(draw_thing(random, "held out", other_thing(random, after), scene.things))
    return Case(
        "add",
        drawn.picture,
        truth.picture,
        box,
        truth.coverage[-1],
        after.caption(),
        wrong.caption(),
        after,
        wanted=thing,
    )


def thin_addition(world: World, seed: int) -> Case:
    """A small thing is asked for in just its outline, which is nowhere more than two cells wide; nothing else is there."""
    random = draws(seed, 6)
    for _ in range(TRIES):
        ground = Scene(draw_scene(HELD_OUT + seed, "held out", 1).ground, ())
        thing = replace(draw_thing(random, "held out", other_thing(random, ground)), size=SIZES[0])
        after, source = ground.with_thing(thing), world.draw(ground)
        truth = world.draw(after)
        outline = truth.coverage[-1] >= 0.5
        if outline.any() and thin(outline.astype(np.float32), WORKING):
            wrong = ground.with_thing(replace(thing, name=other_thing(random, after), colour=""))
            return Case(
                "thin",
                source.picture,
                truth.picture,
                outline,
                truth.coverage[-1],
                after.caption(),
                wrong.caption(),
                after,
                wanted=thing,
            )
    raise ValueError(f"no thin thing in {TRIES} tries")


KINDS: MappingProxyType[str, Making] = MappingProxyType(
    {"replace": replacement, "add": addition, "remove": removal, "thin": thin_addition}
)


@dataclass
class Rates:
    """What one way of choosing reached on the scenes of one kind: right (0 or 100) and the error inside, a value a scene."""

    right: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Returns 0; there are no bars, only what was found."""
    parser = argparse.ArgumentParser(prog="palimpsest bench words", description="Edits by words on practice scenes.")
    parser.add_argument("--scenes", type=int, default=200, help="of each kind (default 200)")
    parser.add_argument("--kinds", nargs="*", choices=tuple(KINDS), default=tuple(KINDS), metavar="KIND")
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="where practice, practice-clip and -judge lie")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write tables in Markdown here")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also draw a contact sheet here")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    folder = folder_of(parser, options)
    stage = stage_of(folder, options)
    ranker = ClipScorer.load(inspect_ranker(folder / CLIP), "cpu")
    world, tables, sections, results = World(), [], [], []
    for kind in options.kinds:
        cases = [KINDS[kind](world, seed) for seed in range(options.scenes)]
        rates, section = _measure(stage, ranker, cases, options.candidates)
        measured = list(_results(kind, rates))
        for result in measured:
            sys.stdout.write(row(result) + "\n")
            sys.stdout.flush()
        results += measured
        sections.append(section)
        tables.append(_table(kind, rates))
    if options.json is not None:
        options.json.write_text(
            json.dumps({"results": [asdict(figure) for figure in results]}, indent=2) + "\n", "utf-8"
        )
    if options.table is not None:
        options.table.write_text("\n".join(tables), "utf-8")
    if options.sheet is not None:
        write_sheet(options.sheet, sections)
    return 0


def _measure(stage: Stage, ranker: ClipScorer, cases: list[Case], candidates: int) -> tuple[dict[str, Rates], Section]:
    """Every way of making and choosing, on all cases."""
    rates: dict[str, Rates] = {}
    shown: list[list[Pixels]] = []

    def note(name: str, case: Case, pictures: Sequence[Pixels]) -> None:
        """One picture; of several, the mean."""
        scores = rates.setdefault(name, Rates())
        readings = stage.read(list(pictures))
        scores.right.append(float(np.mean([100.0 * is_right(case, reading) for reading in readings])))
        scores.error.append(float(np.mean([_error(case, picture) for picture in pictures])))

    for number, case in enumerate(cases):
        seeds = tuple(range(1, candidates + 1))
        variations = blended(stage, case, seeds, case.local_prompt)
        order = {look: _ranked(ranker, case, variations, look) for look in LOOKS}
        note("first", case, variations[:1])
        note(f"best of {candidates}, ranked", case, [variations[order["crop"][0]]])
        note(f"best of {candidates}, ranked as published", case, [variations[order["reference"][0]]])
        note(f"mean of {candidates}", case, variations)
        _note_any(rates, f"any of {candidates}", case, variations, stage)
        note("first, wrong words", case, blended(stage, case, seeds[:1], _wrong(case, number)))
        note("mean fill", case, [mean_fill(stage, case)])
        line = [case.source, case.truth, *(variations[at] for at in order["crop"])]
        if case.kind == "thin":
            plain = blended(stage, case, seeds, case.local_prompt, thin="off")
            note("first, without closing in", case, plain[:1])
            note(f"mean of {candidates}, without closing in", case, plain)
            line += plain
        if len(shown) < ON_SHEET:
            shown.append(line)
    headings = [cases[0].kind, "truth", *(f"{at + 1}." for at in range(candidates))]
    headings += [f"plain {at + 1}" for at in range(len(shown[0]) - len(headings))]
    return rates, Section(headings, shown, WIDE)


def blended(
    stage: Stage, case: Case, seeds: Sequence[int], prompt: str, *, thin: Literal["auto", "off"] = "auto"
) -> list[Pixels]:
    """Whole pictures, in the order of their seeds."""
    settings = BlendedSettings(feather=0.0, thin=thin)
    request: EditRequest = stage.request(case, settings=settings, prompt=prompt)
    results: tuple[EditResult, ...] = outcome(edit_batch(variants_of(request, seeds), stage.model.backend))
    return [laid_on(case.source, result) for result in results]


def is_right(case: Case, reading: Reading) -> bool:
    """Whether what was wanted is seen in the region, and no longer what was not, and the ground is as it was."""
    return right(case, reading) and reading.ground == case.after.ground.name


def _wrong(case: Case, seed: int) -> str:
    """Words for the region alone, but for a thing that neither was there nor should be."""
    random = draws(seed, 7)
    there = [present.name for present in (case.wanted, case.unwanted) if present is not None]
    thing = draw_thing(random, "held out", other_thing(random, case.after, *there))
    return Scene(case.after.ground, (thing,)).caption()


def _ranked(ranker: ClipScorer, case: Case, pictures: Sequence[Pixels], look: CropMode) -> list[int]:
    matches = ranker.match(pictures, case.source, case.region.astype(np.float32), case.local_prompt, look)
    return sorted(range(len(pictures)), key=lambda at: -matches[at].similarity)


def _note_any(rates: dict[str, Rates], name: str, case: Case, pictures: Sequence[Pixels], stage: Stage) -> None:
    """What somebody would reach who always picked the right one."""
    scores = rates.setdefault(name, Rates())
    scores.right.append(100.0 * any(is_right(case, reading) for reading in stage.read(list(pictures))))
    scores.error.append(min(_error(case, picture) for picture in pictures))


def _error(case: Case, picture: Pixels) -> float:
    """Root mean squared error inside the region, in 1/255."""
    off = (picture.astype(np.float64) - case.truth)[case.region]
    return float(np.sqrt(np.square(off).mean()))


def _results(kind: str, rates: dict[str, Rates]) -> list[Result]:
    results = []
    for name, rate in rates.items():
        low, high = interval(rate.right)
        note = f"95 %: {low:.3g} to {high:.3g}; {len(rate.right)} scenes"
        results.append(Result(f"{kind}, {name}: right", float(np.mean(rate.right)), "%", note=note))
    first = rates["first"]
    for name, rate in rates.items():
        if name.startswith("best"):
            gains = [one - other for one, other in zip(rate.right, first.right, strict=True)]
            low, high = interval(gains)
            note = f"95 %, paired: {low:.3g} to {high:.3g}"
            results.append(Result(f"{kind}, {name}: above the first", float(np.mean(gains)), "%", note=note))
    return results


def _table(kind: str, rates: dict[str, Rates]) -> str:
    lines = [
        f"**{kind}**, {len(rates['first'].right)} scenes",
        "",
        "| which | right, % | inside, RMSE |",
        "|---|---|---|",
    ]
    for name, rate in rates.items():
        (low, high), (least, most) = interval(rate.right), interval(rate.error)
        right, error = np.mean(rate.right), np.mean(rate.error)
        lines.append(f"| {name} | {right:.3g} ({low:.3g}–{high:.3g}) | {error:.3g} ({least:.3g}–{most:.3g}) |")
    return "\n".join([*lines, ""])
