"""The benchmark of edits by words: its cases, its judgement, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.dev.bench.truth_methods import Stage
from app.dev.bench.words import KINDS, WORKING, is_right, main
from app.dev.practice.world import World
from editor.methods.blended_latent_diffusion.region_cells import thin
from editor.methods.pixels.settings import PixelsSettings

KIND = tuple(KINDS)
MODELS = Path(__file__).parents[3] / "resources" / "models"


@pytest.mark.parametrize("kind", KIND)
def test_truth_and_source_differ_and_the_words_are_of_the_region(kind: str) -> None:
    case = KINDS[kind](World(), 3)
    assert case.kind == kind
    assert (case.source != case.truth)[case.region].any()
    if case.wanted is not None:
        assert case.wanted.name in case.local_prompt
    if kind == "thin":
        assert thin(case.region.astype(np.float32), WORKING)


def test_the_truth_is_right_and_the_source_is_not() -> None:
    stage = Stage.load(MODELS, steps=2, guidance_scale=1.0, exemplar_strength=0.6, settings=PixelsSettings(feather=0.0))
    world = World()
    for kind in ("replace", "add", "remove"):
        cases = [KINDS[kind](world, seed) for seed in range(8)]
        after, before = stage.read([case.truth for case in cases]), stage.read([case.source for case in cases])
        right = [is_right(case, reading) for case, reading in zip(cases, after, strict=True)]
        wrong = [is_right(case, reading) for case, reading in zip(cases, before, strict=True)]
        assert sum(right) >= 7
        assert not any(wrong)


@pytest.mark.slow
def test_it_writes_figures_tables_and_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: tmp_path / f"words.{name}" for name in ("json", "md", "png")}
    options = ["--scenes", "2", "--steps", "2", "--candidates", "2", "--kinds", "replace", "thin"]
    assert (
        main([*options, "--json", str(files["json"]), "--table", str(files["md"]), "--sheet", str(files["png"])]) == 0
    )
    results = json.loads(files["json"].read_text("utf-8"))["results"]
    names = {result["name"] for result in results}
    assert "replace, best of 2, ranked: above the first" in names
    assert "thin, first, without closing in: right" in names
    assert all(0 <= result["value"] <= 100 for result in results if result["name"].endswith(": right"))
    assert "| first, wrong words |" in files["md"].read_text("utf-8")
    assert files["png"].stat().st_size > 1000
    assert "replace, first: right" in capsys.readouterr().out
