"""Two trainings beside each other: values as the gates have them, intervals around them, and whether they overlap."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.dev.bench import run
from app.dev.bench.practice import comparisons, figures, interval_of, overlap, table
from app.dev.practice.gates import Measured, Measures
from app.dev.practice.plan import GATES
from tests.support.untrained_model import write_untrained


def reads(part: float, scenes: int = 400, seed: int = 1) -> Measured:
    return Measured.of((np.random.default_rng(seed).random(scenes) < part).tolist())


def training(part: float, seed: int) -> Measures:
    """Every gate's measure, all alike."""
    return {gate.name: reads(part, seed=seed) for gates in GATES.values() for gate in gates}


def test_the_interval_holds_the_value_in_every_unit() -> None:
    random = np.random.default_rng(2)
    counts = random.integers(1, 4, 300)
    recall = Measured.parts([(float(random.binomial(count, 0.9)), float(count)) for count in counts])
    squares = Measured.parts([(float(each), 64.0) for each in random.uniform(0.01, 0.1, 300)], errors=True)
    for measure in (recall, squares, reads(0.4)):
        low, high = interval_of(measure)
        assert low < measure.value < high
    assert recall.value == pytest.approx(recall.sums.sum() / counts.sum())
    assert squares.value == pytest.approx(-10 * np.log10(squares.sums.mean() / 64))


def test_trainings_alike_overlap_and_others_do_not() -> None:
    assert overlap([reads(0.8, seed=1), reads(0.8, seed=2)])
    assert not overlap([reads(0.8, seed=1), reads(0.5, seed=2)])
    names = {gate.name for gates in GATES.values() for gate in gates}
    alike = comparisons([training(0.8, 1), training(0.8, 2)])
    assert len(alike) == len(names)
    assert all(each.ok for each in alike)
    assert not any(comparison.ok for comparison in comparisons([training(0.8, 1), training(0.5, 2)]))
    assert comparisons([training(0.8, 1)]) == []


def test_missed_gates_and_intervals_apart_are_named(tmp_path: Path) -> None:
    found = [training(1.0, 1), training(0.5, 2)]
    lines = table([tmp_path / "one", tmp_path / "two"], found).splitlines()
    (line,) = [each for each in lines if each.startswith("| text to picture, thing |")]
    assert "| 1 (1–1) | 0.5" in line
    assert line.endswith("**missed** | **no** |")
    bars = {figure.name: figure for figure in figures("", found[0])}
    assert bars["text to picture, thing"].ok
    assert bars["text to picture, wrong thing"].ok is False


@pytest.mark.slow
def test_folders_are_measured_and_written(tmp_path: Path) -> None:
    one, two = write_untrained(tmp_path / "one"), write_untrained(tmp_path / "two")
    file = tmp_path / "practice.json"
    status = run.main(
        ["practice", str(one), str(two), "--scenes", "2", "--json", str(file), "--table", str(tmp_path / "table.md")]
    )
    assert status == 1  # what knows nothing misses bars
    results = {load["name"]: load for load in json.loads(file.read_text("utf-8"))["results"]}
    assert results[f"{one}: VAE, whole picture"]["ok"] is False
    assert results["VAE, whole picture: 1 and 2 apart"]["value"] == 0  # the same weights
    assert results["VAE, whole picture: 1 and 2 apart"]["ok"] is True
    assert "| text to picture, thing | ≥ 0.85 |" in (tmp_path / "table.md").read_text("utf-8")


def test_a_folder_without_a_model_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["practice", str(tmp_path)])
    assert "there is no practice model" in capsys.readouterr().err
