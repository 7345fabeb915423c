"""Edits by words on the bundled practice model, each beside a control: the judge reads what came out, the bytes around it are compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resources
from app.dev.bench.diffusion_edits import outcome
from app.dev.bench.quick_fill_edits import laid_on
from app.dev.bench.truth import right
from app.dev.bench.truth_cases import KINDS, Case
from app.dev.bench.truth_methods import Stage
from app.dev.practice.world import World
from editor.arrays import Pixels
from editor.methods.blended_latent_diffusion.model import edit_batch
from editor.methods.blended_latent_diffusion.model.reference import edit_batch as published
from editor.methods.blended_latent_diffusion.reference import ReferenceBlendedSettings
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.requests.variants import variants_of

FOLDER = Path(resources.__file__).parent / "models"
SCENES = 6
STEPS = 12

# diffusers' schedulers and numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage.load(
        FOLDER, steps=STEPS, guidance_scale=4.0, exemplar_strength=0.6, settings=PixelsSettings(feather=0)
    )


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def cases(world: World, kind: str) -> list[Case]:
    return [KINDS[kind](world, 704 + seed) for seed in range(SCENES)]


def made(
    stage: Stage, case: Case, words: str, seeds: Sequence[int] = (1,), told: BlendedSettings | None = None, **more: Any
) -> list[Pixels]:
    """One picture for each seed; around the region it is the source to the byte."""
    settings = told or BlendedSettings(feather=0)
    request = stage.request(case, prompt=words, settings=settings, **more)
    edit = published if isinstance(settings, ReferenceBlendedSettings) else edit_batch
    pictures = [laid_on(case.source, each) for each in outcome(edit(variants_of(request, seeds), stage.model.backend))]
    for picture in pictures:
        assert np.array_equal(picture[~case.region], case.source[~case.region])
    return pictures


def share(stage: Stage, case: Case, pictures: list[Pixels]) -> float:
    """How many of them the judge finds right."""
    return float(np.mean([right(case, reading) for reading in stage.read(pictures)]))


def test_the_right_words_put_their_thing_there_and_other_words_do_not(stage: Stage, world: World) -> None:
    asked = cases(world, "replace")
    words = np.mean([share(stage, case, made(stage, case, case.local_prompt, (1, 2))) for case in asked])
    others = np.mean([share(stage, case, made(stage, case, case.wrong)) for case in asked])
    assert words >= 0.4
    assert others <= 0.2


def test_another_background_comes_behind_a_thing_that_stays(stage: Stage, world: World) -> None:
    asked = cases(world, "ground")[:3]
    words = np.mean([share(stage, case, made(stage, case, case.prompt)) for case in asked])
    others = np.mean([share(stage, case, made(stage, case, case.wrong)) for case in asked])
    assert words > 0.6
    assert others < 0.4


@pytest.mark.parametrize("rule", ["ref_ldm", "ref_sd2", "ref_sdxl"])
def test_the_published_rules_follow_words_too(stage: Stage, world: World, rule: Any) -> None:
    asked = cases(world, "replace")[:3]
    told = ReferenceBlendedSettings(feather=0, rule=rule)
    assert any(share(stage, case, made(stage, case, case.local_prompt, told=told)) for case in asked)


def test_more_strength_moves_further(stage: Stage, world: World) -> None:
    asked = cases(world, "replace")[:2]
    far = []
    for strength in (0.2, 0.5, 1.0):
        moved = []
        for case in asked:
            (picture,) = made(
                stage, case, case.local_prompt, strength=case.region.astype(np.float32) * np.float32(strength)
            )
            moved.append(np.abs(picture.astype(float) - case.source)[case.region].mean())
        far.append(float(np.mean(moved)))
    assert far == sorted(far)
    assert far[2] > 1.5 * far[0]


def test_a_scribble_is_kept_at_little_strength_and_free_at_full(stage: Stage, world: World) -> None:
    """A plain red field where a thing stood; the words say nothing of red."""
    (case, *_) = cases(world, "replace")
    scribble = case.source.copy()
    scribble[case.region] = (230, 30, 30)
    kept = []
    for strength in (0.2, 0.5, 1.0):
        (picture,) = made(
            stage,
            case,
            case.local_prompt,
            scribble=scribble,
            strength=case.region.astype(np.float32) * np.float32(strength),
        )
        kept.append(float(np.abs(picture.astype(float) - scribble)[case.region].mean()))
    assert kept == sorted(kept)
    assert kept[0] < kept[2] / 2


def test_several_seeds_are_several_pictures_and_each_again_by_itself(stage: Stage, world: World) -> None:
    (case, *_) = cases(world, "replace")
    together = made(stage, case, case.local_prompt, (5, 6, 7))
    for seed, picture in zip((5, 6, 7), together, strict=True):
        (alone,) = made(stage, case, case.local_prompt, (seed,))
        assert np.abs(alone.astype(int) - picture).max() <= 2
    apart = [np.abs(one.astype(float) - other)[case.region].mean() for one, other in pairwise(together)]
    assert min(apart) > 5
