"""The truth benchmark: `python -m app bench truth [METHOD …]`. Every method on held-out practice scenes, against the true edited picture."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.dev.bench import Result
from app.dev.bench.contact_sheet import Section, write_sheet
from app.dev.bench.run import row
from app.dev.bench.truth_cases import KINDS, Case
from app.dev.practice.world import World
from editor.arrays import Pixels
from editor.methods.pixels.reference import ReferencePixelsSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.requests.settings_fields import field_specs

if TYPE_CHECKING:
    from app.dev.bench.truth_methods import Method, Stage
    from app.dev.practice.judge import Reading

RESAMPLES = 1000
ON_SHEET = 4  # scenes of each kind
WIDE = 120
CONTROL = "mean fill"
MEASURES = {  # name -> unit
    "inside": "RMSE",
    "outside": "RMSE",
    "moved outside": "/255",
    "judge": "%",
    "CLIP": "",
    "time": "s",
    "evaluations": "",
}


@dataclass
class Scores:
    """What one method reached on the scenes of one kind, a value a scene. `squares`: the mean squared error inside; `grounds`: of the truth."""

    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in MEASURES})
    squares: list[float] = field(default_factory=list)
    grounds: list[str] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when every bar holds, 1 when one is missed."""
    from app.dev.bench.truth_methods import ABLATIONS, METHODS, folder_of, stage_of  # noqa: PLC0415  heavy

    known = {**METHODS, **ABLATIONS}
    rules = ("hold", *next(spec.choices for spec in field_specs(ReferencePixelsSettings) if spec.name == "rule"))
    parser = argparse.ArgumentParser(
        prog="palimpsest bench truth", description="Edits of practice scenes, against how they should look."
    )
    parser.add_argument(
        "methods", nargs="*", metavar="METHOD", help=f"default: all but ablations; there are {', '.join(known)}"
    )
    parser.add_argument("--scenes", type=int, default=200, help="of each kind (default 200)")
    parser.add_argument("--kinds", nargs="*", choices=tuple(KINDS), default=tuple(KINDS), metavar="KIND")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--exemplar-strength", type=float, default=0.6)
    parser.add_argument("--rule", choices=rules, default="hold", help="of PIXELS, as an ablation")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="where practice, practice-clip and -judge lie")
    parser.add_argument(
        "--threads", type=int, default=1, help="of torch (default 1: more wait for each other on a busy machine)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write a table in Markdown here")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also draw a contact sheet here")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.methods if name not in known]
    if unknown:
        parser.error(f"no method is called {', '.join(unknown)}; there are {', '.join(known)}")
    settings = PixelsSettings(feather=0.0)
    if options.rule != "hold":
        settings = ReferencePixelsSettings(rule=options.rule, feather=0.0)
    stage = stage_of(
        folder_of(parser, options), options, exemplar_strength=options.exemplar_strength, settings=settings
    )
    chosen = {name: known[name] for name in options.methods or METHODS}
    world = World()
    scores: dict[tuple[str, str], Scores] = {}
    sections = []
    for kind in options.kinds:
        cases = [KINDS[kind](world, seed) for seed in range(options.scenes)]
        shown: list[list[Pixels]] = [[case.source, _marked(case), case.truth] for case in cases[:ON_SHEET]]
        headings = [kind, "region", "truth"]
        for name, method in chosen.items():
            measured = _measure(stage, method, cases)
            if measured is None:
                continue
            scores[kind, name], pictures = measured
            headings.append(name)
            for line, picture in zip(shown, pictures, strict=False):
                line.append(picture)
            for result in figures(kind, name, scores[kind, name]):
                say(result)
        sections.append(Section(headings, shown, WIDE))
    results = [figure for (kind, name), kind_scores in scores.items() for figure in figures(kind, name, kind_scores)]
    bars = judgements(scores)
    for bar in bars:
        say(bar)
    results += bars
    if options.json is not None:
        options.json.write_text(
            json.dumps({"results": [asdict(result) for result in results]}, indent=2) + "\n", "utf-8"
        )
    if options.table is not None:
        options.table.write_text(table(scores, bars), "utf-8")
    if options.sheet is not None:
        write_sheet(options.sheet, sections)
    return 0 if all(bar.ok is not False for bar in bars) else 1


def _measure(stage: Stage, method: Method, cases: list[Case]) -> tuple[Scores, list[Pixels]] | None:
    """What a method makes of the cases; None where it does not do their kind."""
    from app.dev.bench.truth_methods import pictures_of  # noqa: PLC0415  as in `main`

    edits = pictures_of(stage, method, cases)
    if edits is None:
        return None
    scores, pictures = Scores(), [edit.picture for edit in edits]
    scores.values["time"] = [edit.seconds for edit in edits]
    scores.values["evaluations"] = [edit.evaluations for edit in edits]
    for case, picture in zip(cases, pictures, strict=True):
        error = np.square(picture.astype(np.float64) - case.truth).mean(axis=-1)
        moved = np.abs(picture.astype(np.int16) - case.source).max(axis=-1)
        outside = ~case.region
        scores.squares.append(float(error[case.region].mean()))
        scores.grounds.append(case.after.ground.name)
        scores.values["inside"].append(float(np.sqrt(error[case.region].mean())))
        scores.values["outside"].append(float(np.sqrt(error[outside].mean())) if outside.any() else 0.0)
        scores.values["moved outside"].append(float(moved[outside].max(initial=0)))
    readings = stage.read(pictures)
    scores.values["judge"] = [100.0 * right(*pair) for pair in zip(cases, readings, strict=True)]
    scores.values["CLIP"] = stage.agreement(pictures, [case.after.caption() for case in cases])
    return scores, pictures


def right(case: Case, reading: Reading) -> bool:
    """Whether the judge finds what was wanted within the region, and no longer what was not."""
    cells = cells_of(case.region)
    is_right = reading.ground == case.after.ground.name
    if case.wanted is not None and case.kind != "ground":
        is_right = reading.shows(case.wanted.name, case.wanted.colour, cells)
    if case.unwanted is not None:
        is_right &= not reading.shows(case.unwanted.name, where=cells)
    if case.kind == "remove":  # nothing else may have come instead
        is_right &= not reading.names() - {thing.name for thing in case.after.things}
    return bool(is_right)


def cells_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(64, 64) -> (16, 16): the judge's cells that have any of it."""
    from app.dev.practice.judge import CELL, CELLS  # noqa: PLC0415  as in `main`

    return np.asarray(mask.reshape(CELLS, CELL, CELLS, CELL).any(axis=(1, 3)), np.bool_)


def figures(kind: str, method: str, scores: Scores) -> list[Result]:
    """One result a measure; the largest where exactness is asked, else the mean, with its interval."""
    results = []
    for measure, unit in MEASURES.items():
        values = scores.values[measure]
        if measure == "moved outside":
            results.append(Result(f"{kind}, {method}: {measure}", max(values), unit, note="largest"))
            continue
        low, high = interval(values)
        note = f"95 %: {low:.4g} to {high:.4g}"
        results.append(Result(f"{kind}, {method}: {measure}", float(np.mean(values)), unit, note=note))
    return results


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean."""
    given: NDArray[np.float64] = np.asarray(values, np.float64)
    random = np.random.default_rng(0)
    means = given[random.integers(len(given), size=(RESAMPLES, len(given)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def judgements(scores: dict[tuple[str, str], Scores]) -> list[Result]:
    """The bars of the practice model that methods are measured by, as far as their methods and kinds were run."""
    results = []

    def at_least(name: str, value: float, unit: str, bar: float) -> None:
        results.append(Result(name, value, unit, bar, bool(value >= bar), "at least"))

    if (own := scores.get(("replace", "pixels"))) is not None:
        at_least("PIXELS replaces", _mean(own, "judge"), "%", 80)
    if (own := scores.get(("replace", "wrong prompt"))) is not None:
        results.append(Result.at_most("PIXELS replaces, wrong prompt", _mean(own, "judge"), "%", 10))
    filled, classical = scores.get(("remove", CONTROL)), scores.get(("remove", "quick fill"))
    for method, name in (
        ("pixels", "PIXELS removes"),
        ("pixels, local words", "PIXELS removes, by the ground's words"),
    ):
        own = scores.get(("remove", method))
        if own is not None and filled is not None:
            at_least(f"{name}, better than a mean fill by", _gain(own, filled), "dB", 4)
        if own is not None and classical is not None:
            at_least(f"{name}, better than quick fill by", _gain(own, classical), "dB", 0)
    own, pasted = scores.get(("insert degraded", "pixels")), scores.get(("insert degraded", "untouched paste"))
    if own is not None and pasted is not None:
        at_least("PIXELS restores, above the paste by", _mean(own, "judge") - _mean(pasted, "judge"), "%", 20)
        at_least("PIXELS restores, closer than the paste by", _gain(own, pasted), "dB", 0)
    for kind in KINDS:
        if (own := scores.get((kind, "pixels"))) is not None:
            value = max(own.values["moved outside"])
            results.append(Result.at_most(f"{kind}: PIXELS moves outside", value, "/255", 0))
    return results


def table(scores: dict[tuple[str, str], Scores], bars: Sequence[Result]) -> str:
    """Markdown: a table a kind, image-to-image only at its best strength there, then the bars."""
    from app.dev.bench.truth_methods import IMG2IMG  # noqa: PLC0415  as in `main`

    lines: list[str] = []
    for kind in dict.fromkeys(kind for kind, _ in scores):
        names = [name for other, name in scores if other == kind]
        plain = [name for name in names if name.startswith(IMG2IMG)]
        best = min(plain, key=lambda name: _mean(scores[kind, name], "inside"), default="")
        count = len(scores[kind, names[0]].squares)
        lines += [f"**{kind}**, {count} scenes", ""]
        lines += ["| method | inside, RMSE | outside, RMSE | moved outside | judge, % | CLIP | s | evaluations |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for name in names:
            if name.startswith(IMG2IMG) and name != best:
                continue
            values = scores[kind, name].values
            cells = [cell(values[measure]) for measure in ("inside", "outside", "judge", "CLIP")]
            cells.insert(2, f"{max(values['moved outside']):.0f}")
            cells += [f"{np.mean(values['time']):.2g}", f"{np.mean(values['evaluations']):.0f}"]
            shown = f"{name} (best of {len(plain)})" if name == best else name
            lines.append(f"| {shown} | {' | '.join(cells)} |")
        lines.append("")
        if kind == "remove" and CONTROL in names:
            lines += [*_by_ground({name: scores[kind, name] for name in names if not name.startswith(IMG2IMG)}), ""]
    return "\n".join([*lines, *bar_rows(bars)]) + "\n"


def _by_ground(scores: dict[str, Scores]) -> list[str]:
    """Markdown: how much smaller each method's error is than the control's, ground by ground."""
    grounds = scores[CONTROL].grounds
    lines = [f"| ground | scenes | {' | '.join(name for name in scores if name != CONTROL)} |"]
    lines.append("|---" * (len(scores) + 1) + "|")
    for ground in sorted(set(grounds)):
        own = {
            name: [square for square, on in zip(method_scores.squares, grounds, strict=True) if on == ground]
            for name, method_scores in scores.items()
        }
        gains = [f"{_decibels(own[name], own[CONTROL]):.1f} dB" for name in scores if name != CONTROL]
        lines.append(f"| {ground} | {len(own[CONTROL])} | {' | '.join(gains)} |")
    return [f"Closer to the truth than a {CONTROL}, by ground:", "", *lines]


def bar_rows(bars: Sequence[Result]) -> list[str]:
    """A table in Markdown, line by line."""
    lines = ["| bar | value | bar | held |", "|---|---|---|---|"]
    return lines + [
        f"| {bar.name} | {bar.value:.3g} {bar.unit} | {'≥' if bar.note else '≤'} {bar.bar:g} | {'yes' if bar.ok else '**missed**'} |"
        for bar in bars
        if bar.bar is not None
    ]


def cell(values: Sequence[float]) -> str:
    """The mean and its interval."""
    low, high = interval(values)
    return f"{np.mean(values):.3g} ({low:.3g}–{high:.3g})"


def _mean(scores: Scores, measure: str) -> float:
    return float(np.mean(scores.values[measure]))


def _gain(scores: Scores, control: Scores) -> float:
    """How much smaller the error inside is, in dB, over all scenes."""
    return _decibels(scores.squares, control.squares)


def _decibels(squares: Sequence[float], control: Sequence[float]) -> float:
    return float(10 * np.log10((np.mean(control) + 1e-9) / (np.mean(squares) + 1e-9)))


def _marked(case: Case) -> Pixels:
    pixels = case.pasted.copy()
    pixels[case.region] = pixels[case.region] // 2 + np.array([127, 0, 127], np.uint8)
    return pixels


def say(result: Result) -> None:
    """Print it now."""
    sys.stdout.write(row(result) + "\n")
    sys.stdout.flush()
