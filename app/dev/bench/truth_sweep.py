"""What strength does, on held-out practice scenes: `python -m app bench truth-sweep`. PIXELS from a little to full strength, beside its controls.

How far the region moves from what it starts from, whether it moves further with every step of strength, and what two exemplars do that have maps of
their own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.dev.bench import Result
from app.dev.bench.contact_sheet import Section, write_sheet
from app.dev.bench.truth import bar_rows, cell, cells_of, interval, right, say
from app.dev.bench.truth_cases import KINDS, Case
from app.dev.bench.truth_methods import (
    Batched,
    Method,
    Stage,
    by_pixels_at,
    edited,
    folder_of,
    img2img,
    pictures_of,
    stage_of,
)
from app.dev.bench.truth_pairs import Pair, pair
from app.dev.practice.world import World
from editor.arrays import Pixels
from editor.geometry import Rect
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame

STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
WORDS, EXEMPLARS = "replace", "insert degraded"  # the kinds that are swept
OURS, WRONG, STOCK = "PIXELS", "PIXELS, wrong words", "img2img"
VAE = "VAE alone"
ON_SHEET = 4
WIDE = 180

Map = NDArray[np.float64]


@dataclass
class Level:
    """What the scenes of one kind became at one strength, a value a scene. `moved`: RMSE to what the region starts from; `outside`: the largest
    difference to the source beyond it, in 1/255.
    """

    moved: list[float] = field(default_factory=list)
    judge: list[float] = field(default_factory=list)
    clip: list[float] = field(default_factory=list)
    outside: list[float] = field(default_factory=list)


@dataclass
class Both:
    """What became of the held and of the free exemplar, as `Level`."""

    held: Level = field(default_factory=Level)
    free: Level = field(default_factory=Level)


Sweeps = dict[tuple[str, str], list[Level]]  # kind and method -> a level for each of `STRENGTHS`
Pairs = dict[str, list[Both]]


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when every bar holds, 1 when one is missed."""
    parser = argparse.ArgumentParser(
        prog="palimpsest bench truth-sweep", description="What strength does to practice scenes, beside its controls."
    )
    parser.add_argument("--scenes", type=int, default=100, help="of each kind (default 100)")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="where practice, practice-clip and -judge lie")
    parser.add_argument(
        "--threads", type=int, default=1, help="of torch (default 1: more wait for each other on a busy machine)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write tables in Markdown here")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also draw a contact sheet here")
    options = parser.parse_args(arguments)
    stage = stage_of(folder_of(parser, options), options)
    world, sections = World(), []
    sweeps: Sweeps = {}
    for kind in (WORDS, EXEMPLARS):
        cases = [KINDS[kind](world, seed) for seed in range(options.scenes)]
        for name in (OURS, WRONG, STOCK):
            sweeps[kind, name], shown = _swept(stage, name, cases)
            sections.append(Section([f"{kind}, {name}", *map(str, STRENGTHS)], shown, WIDE))
            for result in figures(kind, name, sweeps[kind, name]):
                say(result)
    given = [pair(world, seed) for seed in range(options.scenes)]
    pairs: Pairs = {VAE: [_of_vae(stage, given)]}
    for name in (OURS, WRONG):
        pairs[name], shown = _swept_pairs(stage, name, given)
        sections.append(Section([f"two exemplars, {name}", *map(str, STRENGTHS)], shown, WIDE))
    results = [figure for (kind, name), levels in sweeps.items() for figure in figures(kind, name, levels)]
    results += [figure for name, both in pairs.items() for figure in figures_of_pairs(name, both)]
    bars = judgements(sweeps, pairs)
    for bar in bars:
        say(bar)
    if options.json is not None:
        report = {"results": [asdict(figure) for figure in (*results, *bars)]}
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    if options.table is not None:
        options.table.write_text(tables(sweeps, pairs, bars), "utf-8")
    if options.sheet is not None:
        write_sheet(options.sheet, sections)
    return 0 if all(bar.ok for bar in bars) else 1


def _method(name: str, strength: float) -> Method:
    match name:
        case "PIXELS":
            return partial(by_pixels_at, strength)
        case "img2img":
            return Batched(partial(img2img, strength))
        case _:
            return lambda stage, case: by_pixels_at(strength, stage, replace(case, prompt=case.wrong))


def _swept(stage: Stage, name: str, cases: Sequence[Case]) -> tuple[list[Level], list[list[Pixels]]]:
    levels, shown = [], [[case.pasted] for case in cases[:ON_SHEET]]
    for strength in STRENGTHS:
        pictures = [edit.picture for edit in pictures_of(stage, _method(name, strength), cases) or ()]
        level = Level(clip=stage.agreement(pictures, [case.after.caption() for case in cases]))
        for case, picture, reading in zip(cases, pictures, stage.read(pictures), strict=True):
            level.moved.append(distance(picture, case.pasted, case.region))
            level.judge.append(100.0 * right(case, reading))
            level.outside.append(_largest(picture, case.source, ~case.region))
        levels.append(level)
        for line, picture in zip(shown, pictures, strict=False):
            line.append(picture)
    return levels, shown


def _swept_pairs(stage: Stage, name: str, pairs: Sequence[Pair]) -> tuple[list[Both], list[list[Pixels]]]:
    levels, shown = [], [[case.pasted] for case in pairs[:ON_SHEET]]
    for strength in STRENGTHS:
        pictures = [blended(stage, case, strength, case.wrong if name == WRONG else case.prompt) for case in pairs]
        levels.append(_both(stage, pairs, pictures))
        for line, picture in zip(shown, pictures, strict=False):
            line.append(picture)
    return levels, shown


def blended(stage: Stage, of: Pair, strength: float, prompt: str) -> Pixels:
    """PIXELS with both exemplars at once."""
    height, width = of.region.shape
    request = EditRequest(
        of.source,
        of.region.astype(np.float32) * np.float32(strength),
        Frame.full_size(Rect(0, 0, width, height)),
        stage.settings,
        1,
        action="blend",
        exemplars=of.placed(strength),
        prompt=prompt,
        steps=stage.steps,
        guidance_scale=stage.guidance_scale,
        model=stage.model.info.key,
    )
    return edited(stage, of.source, request)


def _of_vae(stage: Stage, pairs: Sequence[Pair]) -> Both:
    """Control: what encoding and decoding alone do to the exemplars."""
    backend = stage.model.backend
    images = [
        backend.decode(backend.encode(np.asarray(case.pasted / np.float32(255), np.float32)))[0] for case in pairs
    ]
    return _both(stage, pairs, [np.asarray(np.rint(image * 255), np.uint8) for image in images])


def _both(stage: Stage, pairs: Sequence[Pair], pictures: list[Pixels]) -> Both:
    both = Both()
    for case, picture, reading in zip(pairs, pictures, stage.read(pictures), strict=True):
        for level, index in ((both.held, case.held), (both.free, case.free)):
            thing, shown = case.things[index], case.shown[index]
            level.moved.append(distance(picture, case.pasted, shown))
            level.judge.append(100.0 * reading.shows(thing.name, thing.colour, cells_of(shown)))
            level.outside.append(_largest(picture, case.source, ~case.region))
    return both


def distance(one: Pixels, other: Pixels, where: NDArray[np.bool_]) -> float:
    """Root mean square of the differences there, in 1/255."""
    return float(np.sqrt(np.square(one[where].astype(np.float64) - other[where]).mean()))


def _largest(one: Pixels, other: Pixels, where: NDArray[np.bool_]) -> float:
    return float(np.abs(one[where].astype(np.int16) - other[where]).max(initial=0))


@dataclass(frozen=True, slots=True, eq=False)
class Rise:
    """Whether more strength moves further. `scenes`: 100 where it always does, else 0; `pairs`: per cent of a scene's neighbouring strengths
    at which it does; `least`: the smallest rise of the mean between neighbours.
    """

    scenes: list[float]
    pairs: list[float]
    least: float

    @classmethod
    def of(cls, levels: Sequence[Level]) -> Rise:
        moved: Map = np.array([level.moved for level in levels])
        up: NDArray[np.bool_] = np.asarray(np.diff(moved, axis=0) > 0)
        return cls(
            [100.0 * bool(scene.all()) for scene in up.T],
            [100.0 * float(scene.mean()) for scene in up.T],
            float(np.diff(moved.mean(axis=1)).min()),
        )


def figures(kind: str, name: str, levels: Sequence[Level]) -> list[Result]:
    """One result a measure and strength, then how it rises."""
    results = []
    for strength, level in zip(STRENGTHS, levels, strict=True):
        label = f"{kind}, {name} at {strength:g}"
        results += [
            _mean(f"{label}: moved", level.moved, "RMSE"),
            _mean(f"{label}: judge", level.judge, "%"),
            _mean(f"{label}: CLIP", level.clip, ""),
            Result(f"{label}: moved outside", max(level.outside), "/255", note="largest"),
        ]
    rise = Rise.of(levels)
    return [
        *results,
        _mean(f"{kind}, {name}: scenes that only rise", rise.scenes, "%"),
        _mean(f"{kind}, {name}: neighbours that rise", rise.pairs, "%"),
        Result(f"{kind}, {name}: least rise of the mean", rise.least, "RMSE"),
    ]


def figures_of_pairs(name: str, levels: Sequence[Both]) -> list[Result]:
    """One result for each exemplar, measure and strength."""
    results = []
    for strength, both in zip(STRENGTHS, levels, strict=False):
        label = f"two exemplars, {name}" + ("" if name == VAE else f" at {strength:g}")
        for role, level in (("held", both.held), ("free", both.free)):
            results.append(_mean(f"{label}: {role} moved", level.moved, "RMSE"))
            results.append(_mean(f"{label}: {role} judge", level.judge, "%"))
        results.append(Result(f"{label}: moved outside", max(both.held.outside), "/255", note="largest"))
    return results


def judgements(sweeps: Mapping[tuple[str, str], Sequence[Level]], pairs: Mapping[str, Sequence[Both]]) -> list[Result]:
    """The bars: PIXELS moves further with strength, obeys words, keeps what is held and what lies outside."""
    results = []
    for kind in (WORDS, EXEMPLARS):
        own, wrong = sweeps[kind, OURS], sweeps[kind, WRONG]
        least = Rise.of(own).least
        results.append(
            Result(f"{kind}: least rise of the mean change", least, "RMSE", 0, least > 0, "at least, and more")
        )
        results.append(
            _above(f"{kind}: judge at full strength, above wrong words", own[-1].judge, wrong[-1].judge, "%")
        )
        outside = max(max(level.outside) for level in (*own, *wrong))
        results.append(Result.at_most(f"{kind}: PIXELS moves outside", outside, "/255", 0))
    full = pairs[OURS][-1]
    results.append(
        _above("two exemplars: the free one moves more than the held", full.free.moved, full.held.moved, "RMSE")
    )
    read = float(np.mean(full.held.judge))
    results.append(Result("two exemplars: the judge reads the held one", read, "%", 95, read >= 95, "at least"))
    outside = max(max(both.held.outside) for name in (OURS, WRONG) for both in pairs[name])
    results.append(Result.at_most("two exemplars: PIXELS moves outside", outside, "/255", 0))
    return results


def tables(
    sweeps: Mapping[tuple[str, str], Sequence[Level]], pairs: Mapping[str, Sequence[Both]], bars: Sequence[Result]
) -> str:
    """Markdown: a table a kind, one of how they rise, one of the two exemplars, then the bars."""
    lines: list[str] = []
    for kind in (WORDS, EXEMPLARS):
        count = len(sweeps[kind, OURS][0].moved)
        lines += [f"**{kind}**, {count} scenes", ""]
        lines += ["| method | strength | moved, RMSE | judge, % | CLIP | moved outside |", "|---|---|---|---|---|---|"]
        for name in (OURS, WRONG, STOCK):
            for strength, level in zip(STRENGTHS, sweeps[kind, name], strict=True):
                cells = [cell(level.moved), cell(level.judge), cell(level.clip), f"{max(level.outside):.0f}"]
                lines.append(f"| {name} | {strength:g} | {' | '.join(cells)} |")
        lines.append("")
    lines += ["**more strength moves further**", ""]
    lines += ["| kind | method | scenes that only rise, % | neighbours that rise, % | least rise of the mean, RMSE |"]
    lines += ["|---|---|---|---|---|"]
    for (kind, name), levels in sweeps.items():
        rise = Rise.of(levels)
        lines.append(f"| {kind} | {name} | {cell(rise.scenes)} | {cell(rise.pairs)} | {rise.least:.3g} |")
    lines += ["", f"**two exemplars, one held and one free**, {len(pairs[OURS][0].held.moved)} scenes", ""]
    lines += [
        "| method | strength | held moved, RMSE | free moved, RMSE | held judge, % | free judge, % | moved outside |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, both_of in pairs.items():
        for strength, both in zip(STRENGTHS, both_of, strict=False):
            cells = [cell(values) for values in (both.held.moved, both.free.moved, both.held.judge, both.free.judge)]
            shown = "–" if name == VAE else f"{strength:g}"
            lines.append(f"| {name} | {shown} | {' | '.join(cells)} | {max(both.held.outside):.0f} |")
    return "\n".join([*lines, "", *bar_rows(bars)]) + "\n"


def _mean(name: str, values: Sequence[float], unit: str) -> Result:
    low, high = interval(values)
    return Result(name, float(np.mean(values)), unit, note=f"95 %: {low:.4g} to {high:.4g}")


def _above(name: str, own: Sequence[float], control: Sequence[float], unit: str) -> Result:
    """By how much the scenes stand above the control, scene by scene; held when the whole interval lies above nothing."""
    more = np.subtract(own, control).tolist()
    low, high = interval(more)
    return Result(name, float(np.mean(more)), unit, 0, low > 0, f"at least; 95 %: {low:.4g} to {high:.4g}")
