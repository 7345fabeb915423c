"""Cells that are held, and when they are let go."""

from __future__ import annotations

from itertools import pairwise

import diffusers
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from editor.diffusion.blending import Anchor, blend
from editor.diffusion.schedule import Schedule
from tests.editor.strategies import quick

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
    anchor = Anchor(_random(0), _random(1), _counts(seed))
    held = [anchor.holds(i) for i in range(STEPS + 1)]
    for before, after in pairwise(held):
        assert not (after & ~before).any()
    assert torch.equal(sum(each.long() for each in held[:STEPS]), anchor.until)  # type: ignore[arg-type]
    assert not held[STEPS].any()


def test_blending_writes_the_anchor_at_the_level_of_the_step_and_nothing_else(schedule: Schedule) -> None:
    anchor = Anchor(_random(0), _random(1), _counts(3))
    for i in range(STEPS):
        found = blend(_random(2), anchor, schedule, i)
        held = (anchor.until > i).expand_as(found)
        assert torch.equal(found[held], schedule.noised(anchor.latents, anchor.noise, i)[held])
        assert torch.equal(found[~held], _random(2)[~held])


def test_masks_are_binary_so_that_the_noise_keeps_its_strength(schedule: Schedule) -> None:
    """Section 3: a mix of two noised latents would have a deviation of 0.71."""
    grid = (1, 4, 64, 64)
    noises = [torch.randn(grid, generator=torch.Generator().manual_seed(k)) for k in (1, 2)]
    until = torch.arange(64).expand(1, 1, 64, 64) % 2
    found = blend(noises[0], Anchor(torch.zeros(grid), noises[1], until), schedule, 0)
    sigma = schedule.level(0)
    assert float(found.std()) == pytest.approx(((1 + sigma**2) / 2) ** 0.5, abs=0.02)


def test_a_batch_has_maps_of_its_own_or_one_for_all(schedule: Schedule) -> None:
    latents, noise, counts, state = _random(0, 2), _random(1, 2), _counts(2, 2), _random(3, 2)
    found = blend(state, Anchor(latents, noise, counts), schedule, 2)
    for k in range(2):
        part = slice(k, k + 1)
        single = blend(state[part], Anchor(latents[part], noise[part], counts[part]), schedule, 2)
        assert torch.equal(found[part], single)
    shared = blend(state, Anchor(latents[:1], noise, counts[:1]), schedule, 2)
    assert torch.equal(shared[:1], found[:1])
    assert torch.equal(shared[1:], blend(state[1:], Anchor(latents[:1], noise[1:], counts[:1]), schedule, 2))


def test_since_lets_a_cell_go_before_it_is_held(schedule: Schedule) -> None:
    until, since = torch.full((1, 1, 5, 7), 4), torch.full((1, 1, 5, 7), 2)
    anchor = Anchor(_random(0), _random(1), until, since)
    assert [bool(anchor.holds(i).all()) for i in range(STEPS)] == [False, False, True, True, False, False]
    assert torch.equal(blend(_random(2), anchor, schedule, 0), _random(2))


def test_restored_is_clean_where_held_and_untouched_elsewhere() -> None:
    anchor = Anchor(_random(0), _random(1), _counts(4))
    found = anchor.restored(_random(2), STEPS - 1)
    whole = (anchor.until == STEPS).expand_as(found)
    assert whole.any()
    assert torch.equal(found[whole], _random(0)[whole])
    assert torch.equal(found[~whole], _random(2)[~whole])


def test_let_go_counts_the_cells_of_each_step() -> None:
    until = torch.tensor([[[[0, 0, 1, 2, 2, 2, STEPS, STEPS]]]])
    anchor = Anchor(torch.zeros(1, 4, 1, 8), torch.zeros(1, 4, 1, 8), until)
    assert anchor.let_go(STEPS) == pytest.approx([0, 1 / 8, 3 / 8, 0, 0, 0])
    assert anchor.let_go(1) == [0.0]
