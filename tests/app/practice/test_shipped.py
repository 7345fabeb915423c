"""The practice model as it is packaged: its size, what its card admits, and that it behaves, each time beside a control."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import resources
from app.bench.truth_cases import KINDS, Case
from app.bench.truth_methods import Stage, by_pixels, by_pixels_at, wrong_prompt
from app.practice.card import card
from app.practice.export import CLIP, JUDGE, PIPELINE, PROGRESS, read_progress
from app.practice.world import World
from editor.models.inspect import inspect
from editor.request import Pixels, PixelsSettings

FOLDER = Path(resources.__file__).parent / "models"
SCENES = 6

# diffusers' schedulers and numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def stage() -> Stage:
    settings = PixelsSettings(feather=0)
    return Stage.load(FOLDER, steps=15, guidance_scale=4.0, exemplar_strength=0.6, settings=settings)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def cases(world: World, kind: str) -> list[Case]:
    return [KINDS[kind](world, 500 + seed) for seed in range(SCENES)]


def test_it_is_small_and_the_program_takes_it() -> None:
    files = [file for part in (PIPELINE, CLIP, JUDGE) for file in (FOLDER / part).rglob("*") if file.is_file()]
    assert max(file.stat().st_size for file in files) <= 16 * 2**20
    assert sum(file.stat().st_size for file in files) <= 25e6
    (bundled,) = resources.bundled_models()
    info = inspect(bundled)
    assert info.usable, info.problem
    assert info.toys


def test_the_card_names_every_bar_that_is_missed() -> None:
    progress = read_progress(FOLDER / PIPELINE / PROGRESS)
    assert progress is not None
    words = (FOLDER / PIPELINE / "README.md").read_text("utf-8")
    assert words == card(progress.size, progress.samples, progress.minutes, progress.figures)
    assert "| not measured |" not in words


def test_another_ground_appears_when_it_is_asked_for_and_only_then(stage: Stage, world: World) -> None:
    asked = cases(world, "ground")
    right, wrong = (
        [reading.ground == case.after.ground.name for reading, case in zip(stage.read(made), asked, strict=True)]
        for made in ([by_pixels(stage, case) for case in asked], [wrong_prompt(stage, case) for case in asked])
    )
    assert sum(right) >= SCENES - 2
    assert sum(wrong) <= 1


def test_more_strength_moves_further_from_the_source_and_nothing_moves_outside(stage: Stage, world: World) -> None:
    asked = cases(world, "replace")[:3]
    moved: list[float] = []
    for strength in (0.2, 0.5, 0.8, 1.0):
        made: list[Pixels] = [by_pixels_at(strength, stage, case) for case in asked]
        for case, picture in zip(asked, made, strict=True):
            assert np.array_equal(picture[~case.region], case.source[~case.region])
        moved.append(float(np.mean([_distance(case, picture) for case, picture in zip(asked, made, strict=True)])))
    assert moved == sorted(moved)
    assert moved[-1] > 2 * moved[0]


def _distance(case: Case, picture: Pixels) -> float:
    return float(np.abs(picture[case.region].astype(np.float64) - case.source[case.region]).mean())
