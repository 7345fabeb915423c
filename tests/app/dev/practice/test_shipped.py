"""The practice model as it is packaged: its size, what its card admits, and that it behaves, each time beside a control."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import resources
from app.dev.bench.truth import right
from app.dev.bench.truth_cases import KINDS, Case
from app.dev.bench.truth_methods import Stage, by_pixels, by_pixels_at, by_pixels_locally, edited, wrong_prompt
from app.dev.bench.truth_pairs import pair
from app.dev.bench.truth_sweep import blended, distance
from app.dev.practice.export import CLIP, JUDGE, PIPELINE, PROGRESS, card, read_progress
from app.dev.practice.words import caption_words
from app.dev.practice.world import World
from editor.arrays import Pixels
from editor.methods.pixels.settings import PixelsSettings
from editor.models.inspect import inspect

FOLDER = Path(resources.__file__).parent / "models"
SCENES = 8

# diffusers' schedulers and numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def stage() -> Stage:
    settings = PixelsSettings(feather=0)
    return Stage.load(FOLDER, steps=12, guidance_scale=4.0, exemplar_strength=0.6, settings=settings)


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
    assert set(caption_words()) <= set(info.words)
    assert not {"unicorn", "rainbow", "</w>", ""} & set(info.words)


def test_the_card_names_every_bar_that_is_missed() -> None:
    progress = read_progress(FOLDER / PIPELINE / PROGRESS)
    assert progress is not None
    words = (FOLDER / PIPELINE / "README.md").read_text("utf-8")
    assert words == card(progress.size, progress.samples, progress.minutes, progress.figures)
    assert "| not measured |" not in words


def test_another_ground_appears_when_it_is_asked_for_and_only_then(stage: Stage, world: World) -> None:
    asked = cases(world, "ground")[:5]
    assert _right(stage, asked, [by_pixels(stage, case) for case in asked]) >= 4
    assert _right(stage, asked, [wrong_prompt(stage, case) for case in asked]) <= 1


def test_words_put_their_thing_in_place_of_another_and_other_words_do_not(stage: Stage, world: World) -> None:
    asked = cases(world, "replace")
    made = [by_pixels_locally(stage, case) for case in asked]
    others = [wrong_prompt(stage, case) for case in asked]
    for case, picture in zip(asked, made, strict=True):
        assert np.array_equal(picture[~case.region], case.source[~case.region])
    assert _right(stage, asked, made) >= SCENES // 2
    assert _right(stage, asked, others) <= 1


def test_a_held_exemplar_stays_while_a_free_one_adapts(stage: Stage, world: World) -> None:
    """Which of two is held changes from scene to scene; words for other things are what would replace them."""
    pairs = [pair(world, seed) for seed in range(4)]
    made = [blended(stage, each, 0.8, each.wrong) for each in pairs]
    held, free = 0, 0
    for each, picture, reading in zip(pairs, made, stage.read(made), strict=True):
        assert np.array_equal(picture[~each.region], each.source[~each.region])
        moved = [distance(picture, each.pasted, shown) for shown in each.shown]
        assert moved[each.free] > 1.5 * moved[each.held]
        held += reading.shows(each.things[each.held].name)
        free += reading.shows(each.things[each.free].name)
    assert held == len(pairs)
    assert free <= 1


def test_a_candidate_of_another_seed_is_another_and_of_the_same_is_the_same(stage: Stage, world: World) -> None:
    (case, *_) = cases(world, "replace")
    first, again, other = (edited(stage, case.source, stage.request(case, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert distance(first, other, case.region) > 10
    assert np.array_equal(first[~case.region], other[~case.region])


def test_more_strength_moves_further_from_the_source_and_nothing_moves_outside(stage: Stage, world: World) -> None:
    asked = cases(world, "replace")[:3]
    moved: list[float] = []
    for strength in (0.2, 0.5, 0.8, 1.0):
        made: list[Pixels] = [by_pixels_at(strength, stage, case) for case in asked]
        for case, picture in zip(asked, made, strict=True):
            assert np.array_equal(picture[~case.region], case.source[~case.region])
        far = [distance(picture, case.source, case.region) for case, picture in zip(asked, made, strict=True)]
        moved.append(float(np.mean(far)))
    assert moved == sorted(moved)
    assert moved[2] > 2 * moved[0]


def _right(stage: Stage, asked: list[Case], made: list[Pixels]) -> int:
    return sum(right(*each) for each in zip(asked, stage.read(made), strict=True))
