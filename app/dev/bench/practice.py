"""Trainings of the practice model beside each other: `python -m app bench practice FOLDER [FOLDER …]`. Every gate, with its uncertainty."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPModel, CLIPTextModel

import resources
from app.dev.bench import Result
from app.dev.bench.truth import RESAMPLES, say
from app.dev.practice.export import CLIP, PIPELINE, PROGRESS, finished_weights, read_progress
from app.dev.practice.gates import Measured, Measures, sample_clip, sample_judge, sample_unet, sample_vae
from app.dev.practice.judge import JudgeNet
from app.dev.practice.plan import GATES, Gate

FULL = torch.float32


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when every gate is reached and all intervals overlap, else 1."""
    parser = argparse.ArgumentParser(
        prog="palimpsest bench practice",
        description="The gates of practice models, and whether their intervals overlap.",
    )
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="each with practice, practice-clip and practice-judge"
    )
    parser.add_argument("--scenes", type=int, default=300, help="for each measure (default 300)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write a table in Markdown here")
    options = parser.parse_args(arguments)
    folders = options.folders or [Path(resources.__file__).parent / "models"]
    for folder in folders:
        if not (folder / PIPELINE).is_dir():
            parser.error(f"there is no practice model in {folder}; make one with: make practice-model --output FOLDER")
    torch.set_num_threads(options.threads)
    measured_folders: list[Measures] = []
    results: list[Result] = []
    for folder in folders:
        measured_folders.append(measured(folder, options.scenes))
        for result in figures(f"{folder}: " if len(folders) > 1 else "", measured_folders[-1]):
            results.append(result)
            say(result)
    for result in comparisons(measured_folders):
        results.append(result)
        say(result)
    if options.json is not None:
        options.json.write_text(
            json.dumps({"results": [asdict(figure) for figure in results]}, indent=2) + "\n", "utf-8"
        )
    if options.table is not None:
        options.table.write_text(table(folders, measured_folders), "utf-8")
    return 0 if all(figure.ok is not False for figure in results) else 1


def measured(folder: Path, scenes: int) -> Measures:
    """All measures of the models that the trainer left in the folder; its pictures are read by its own judge."""
    judge = JudgeNet().eval()
    judge.load_state_dict({name: value.float() for name, value in finished_weights(folder, "judge").items()})
    vae = AutoencoderKL.from_pretrained(folder / PIPELINE / "vae", torch_dtype=FULL).eval()
    unet = UNet2DConditionModel.from_pretrained(folder / PIPELINE / "unet", torch_dtype=FULL).eval()
    text = CLIPTextModel.from_pretrained(folder / PIPELINE / "text_encoder", dtype=FULL).eval()
    clip = CLIPModel.from_pretrained(folder / CLIP, dtype=FULL).eval()
    parts = nn.ModuleDict({"unet": unet, "text": text})
    return {
        **sample_judge(judge, scenes),
        **sample_vae(vae, judge, scenes),
        **sample_clip(clip, scenes),
        **sample_unet(parts, vae, judge, scenes),
    }


def interval_of(measure: Measured) -> tuple[float, float]:
    """The 95 % bootstrap interval over scenes."""
    random = np.random.default_rng(0)
    chosen = random.integers(len(measure.sums), size=(RESAMPLES, len(measure.sums)))
    drawn = measure.valued(measure.sums[chosen].sum(axis=1), measure.counts[chosen].sum(axis=1))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def overlap(measures: Sequence[Measured]) -> bool:
    """Whether the intervals of all of them share a value."""
    intervals = [interval_of(measure) for measure in measures]
    return max(low for low, _ in intervals) <= min(high for _, high in intervals)


def figures(before: str, measures: Mapping[str, Measured]) -> list[Result]:
    """One result a measure, against its gate where it has one."""
    gates, results = _gates(), []
    for name, measure in measures.items():
        low, high = interval_of(measure)
        gate, note = gates.get(name), f"95 %: {low:.4g} to {high:.4g}"
        if gate is None:
            results.append(Result(before + name, measure.value, "", note=note))
            continue
        note = f"at {'least' if gate.at_least else 'most'}; {note}"
        results.append(Result(before + name, measure.value, gate.unit, gate.bar, gate.passed(measure.value), note))
    return results


def comparisons(trainings: Sequence[Measures]) -> list[Result]:
    """For each gate and two trainings: how far they lie apart, and whether their intervals overlap; nothing of one alone."""
    results = []
    for name, gate in _gates().items():
        for one, other in combinations(range(len(trainings)), 2):
            pair = trainings[one][name], trainings[other][name]
            both = overlap(pair)
            apart = abs(pair[0].value - pair[1].value)
            label = f"{name}: {one + 1} and {other + 1} apart"
            results.append(
                Result(label, apart, gate.unit, None, both, "overlap" if both else "intervals do not overlap")
            )
    return results


def table(folders: Sequence[Path], trainings: Sequence[Measures]) -> str:
    """Markdown: what was trained, then a line a measure with a column a training, and whether all intervals overlap."""
    gates, numbers = _gates(), range(1, len(trainings) + 1)
    lines = [f"- {number}: {_told(folder)}" for number, folder in zip(numbers, folders, strict=True)] + [""]
    many = len(trainings) > 1
    lines.append(f"| measure | bar | {' | '.join(map(str, numbers))} |" + (" intervals overlap |" if many else ""))
    lines.append("|---|---|" + "---|" * (len(trainings) + many))
    for name in trainings[0]:
        gate = gates.get(name)
        bar = "" if gate is None else f"{'≥' if gate.at_least else '≤'} {gate.bar:g} {gate.unit}".strip()
        cells = []
        for measures in trainings:
            low, high = interval_of(measures[name])
            value = measures[name].value
            shown = f"{value:.3g} ({low:.3g}–{high:.3g})"
            cells.append(shown if gate is None or gate.passed(value) else f"{shown} **missed**")
        ending = (" yes |" if overlap([training[name] for training in trainings]) else " **no** |") if many else ""
        lines.append(f"| {name} | {bar} | {' | '.join(cells)} |{ending}")
    return "\n".join(lines) + "\n"


def _told(folder: Path) -> str:
    progress = read_progress(folder / PIPELINE / PROGRESS)
    if progress is None:
        return folder.name
    return f"{folder.name}, size {progress.size}, U-Net {progress.samples.get('unet', 0):,} samples"


def _gates() -> dict[str, Gate]:
    return {gate.name: gate for gates in GATES.values() for gate in gates}
