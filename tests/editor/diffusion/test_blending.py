"""Cells that are held, and when they are let go."""

from __future__ import annotations

from itertools import pairwise

import diffusers
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from editor.diffusion.blending import LatentBlend
from editor.diffusion.schedule import Schedule
from tests.support.strategies import quick

STEPS = 6


def _random(seed: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 4, 5, 7, generator=torch.Generator().manual_seed(seed))


def _counts(seed: int, batch: int = 1) -> torch.Tensor:
    return torch.randint(0, STEPS + 1, (batch, 1, 5, 7), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def schedule() -> Schedule:
    return Schedule(diffusers.DDIMScheduler(clip_sample=False), steps=STEPS)


@given(st.integers(0, 10**6))
@quick
def test_invariant_12_hold_sets_are_nested_and_free_cells_only_grow(seed: int) -> None:
    blend = LatentBlend(_random(0), _random(1), _counts(seed))
    held = [blend.held(i) for i in range(STEPS + 1)]
    for before, after in pairwise(held):
        assert not (after & ~before).any()
    assert torch.equal(sum(each.long() for each in held[:STEPS]), blend.until)  # type: ignore[arg-type]
    assert not held[STEPS].any()


def test_blending_writes_the_anchor_at_the_level_of_the_step_and_nothing_else(schedule: Schedule) -> None:
    blend = LatentBlend(_random(0), _random(1), _counts(3))
    for i in range(STEPS):
        found = blend.before_step(_random(2), schedule.steps[i])
        held = (blend.until > i).expand_as(found)
        assert torch.equal(found[held], schedule.noised(blend.latents, blend.noise, i)[held])
        assert torch.equal(found[~held], _random(2)[~held])


def test_masks_are_binary_so_that_the_noise_keeps_its_strength(schedule: Schedule) -> None:
    """Section 3: a mix of two noised latents would have a deviation of 0.71."""
    grid = (1, 4, 64, 64)
    noises = [torch.randn(grid, generator=torch.Generator().manual_seed(k)) for k in (1, 2)]
    until = torch.arange(64).expand(1, 1, 64, 64) % 2
    found = LatentBlend(torch.zeros(grid), noises[1], until).before_step(noises[0], schedule.steps[0])
    sigma = schedule.levels[0]
    assert float(found.std()) == pytest.approx(((1 + sigma**2) / 2) ** 0.5, abs=0.02)


def test_a_batch_has_maps_of_its_own_or_one_for_all(schedule: Schedule) -> None:
    latents, noise, counts, state = _random(0, 2), _random(1, 2), _counts(2, 2), _random(3, 2)
    found = LatentBlend(latents, noise, counts).before_step(state, schedule.steps[2])
    for k in range(2):
        part = slice(k, k + 1)
        single = LatentBlend(latents[part], noise[part], counts[part]).before_step(state[part], schedule.steps[2])
        assert torch.equal(found[part], single)
    shared = LatentBlend(latents[:1], noise, counts[:1]).before_step(state, schedule.steps[2])
    assert torch.equal(shared[:1], found[:1])
    assert torch.equal(
        shared[1:], LatentBlend(latents[:1], noise[1:], counts[:1]).before_step(state[1:], schedule.steps[2])
    )


def test_since_lets_a_cell_go_before_it_is_held(schedule: Schedule) -> None:
    until, since = torch.full((1, 1, 5, 7), 4), torch.full((1, 1, 5, 7), 2)
    blend = LatentBlend(_random(0), _random(1), until, since)
    assert [bool(blend.held(i).all()) for i in range(STEPS)] == [False, False, True, True, False, False]
    assert torch.equal(blend.before_step(_random(2), schedule.steps[0]), _random(2))


def test_the_end_is_clean_where_held_and_untouched_elsewhere(schedule: Schedule) -> None:
    blend = LatentBlend(_random(0), _random(1), _counts(4))
    found = blend.finalise(_random(2), schedule.steps[STEPS - 1])
    whole = (blend.until == STEPS).expand_as(found)
    assert whole.any()
    assert torch.equal(found[whole], _random(0)[whole])
    assert torch.equal(found[~whole], _random(2)[~whole])


def test_a_cell_that_is_taken_back_with_the_last_step_comes_out_clean(schedule: Schedule) -> None:
    until, since = torch.full((1, 1, 5, 7), STEPS), torch.full((1, 1, 5, 7), STEPS)
    since[..., 0] = 3
    blend = LatentBlend(_random(0), _random(1), until, since)
    assert not any(bool(blend.held(i)[..., 1:].any()) for i in range(STEPS))
    assert torch.equal(blend.finalise(_random(2), schedule.steps[STEPS - 1]), _random(0))
    early = blend.finalise(
        _random(2), schedule.steps[2]
    )  # the first column is taken back with step 2, the others are still free
    assert torch.equal(early[..., 0], _random(0)[..., 0])
    assert torch.equal(early[..., 1:], _random(2)[..., 1:])


def test_another_reference_takes_the_place_of_the_noised_anchor_and_not_of_the_clean_one(schedule: Schedule) -> None:
    trajectory = [_random(20 + i) for i in range(STEPS)]
    blend = LatentBlend(_random(0), _random(1), _counts(3), reference=lambda step: trajectory[step.index])
    for step in schedule.steps:
        found = blend.before_step(_random(2), step)
        held = (blend.until > step.index).expand_as(found)
        assert torch.equal(found[held], trajectory[step.index][held])
        assert torch.equal(found[~held], _random(2)[~held])
    whole = (blend.until == STEPS).expand_as(found)
    assert torch.equal(blend.finalise(_random(2), schedule.steps[-1])[whole], _random(0)[whole])


def test_the_released_fraction_counts_the_cells_of_each_step(schedule: Schedule) -> None:
    until = torch.tensor([[[[0, 0, 1, 2, 2, 2, STEPS, STEPS]]]])
    blend = LatentBlend(torch.zeros(1, 4, 1, 8), torch.zeros(1, 4, 1, 8), until)
    assert blend.released_fraction(schedule.steps) == pytest.approx([0, 1 / 8, 3 / 8, 0, 0, 0])
    assert blend.released_fraction(schedule.steps[:1]) == [0.0]
    assert blend.released_fraction(schedule.steps[1:]) == pytest.approx([0, 3 / 8, 0, 0, 0])
    assert blend.released_fraction(()) == []


def test_steps_are_counted_from_the_whole_schedules_first_one() -> None:
    """A run that begins late holds its cells at the steps at which the whole run would."""
    late = Schedule(diffusers.DDIMScheduler(clip_sample=False), steps=STEPS, first=4)
    blend = LatentBlend(_random(0), _random(1), torch.full((1, 1, 5, 7), 5))
    assert [bool(blend.held(step.index).all()) for step in late.steps] == [True, False]
    assert torch.equal(blend.before_step(_random(2), late.steps[0]), late.noised(_random(0), _random(1), 4))
