"""Cells that are held, and when they are let go."""

from __future__ import annotations

from itertools import pairwise

import diffusers
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from editor.diffusion.blending import Anchor
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
    anchor = Anchor(_random(0), _random(1), _counts(seed))
    held = [anchor.holds(i) for i in range(STEPS + 1)]
    for before, after in pairwise(held):
        assert not (after & ~before).any()
    assert torch.equal(sum(each.long() for each in held[:STEPS]), anchor.until)  # type: ignore[arg-type]
    assert not held[STEPS].any()


def test_blending_writes_the_anchor_at_the_level_of_the_step_and_nothing_else(schedule: Schedule) -> None:
    anchor = Anchor(_random(0), _random(1), _counts(3))
    for i in range(STEPS):
        found = anchor.before(_random(2), schedule, i)
        held = (anchor.until > i).expand_as(found)
        assert torch.equal(found[held], schedule.noised(anchor.latents, anchor.noise, i)[held])
        assert torch.equal(found[~held], _random(2)[~held])


def test_masks_are_binary_so_that_the_noise_keeps_its_strength(schedule: Schedule) -> None:
    """Section 3: a mix of two noised latents would have a deviation of 0.71."""
    grid = (1, 4, 64, 64)
    noises = [torch.randn(grid, generator=torch.Generator().manual_seed(k)) for k in (1, 2)]
    until = torch.arange(64).expand(1, 1, 64, 64) % 2
    found = Anchor(torch.zeros(grid), noises[1], until).before(noises[0], schedule, 0)
    sigma = schedule.level(0)
    assert float(found.std()) == pytest.approx(((1 + sigma**2) / 2) ** 0.5, abs=0.02)


def test_a_batch_has_maps_of_its_own_or_one_for_all(schedule: Schedule) -> None:
    latents, noise, counts, state = _random(0, 2), _random(1, 2), _counts(2, 2), _random(3, 2)
    found = Anchor(latents, noise, counts).before(state, schedule, 2)
    for k in range(2):
        part = slice(k, k + 1)
        single = Anchor(latents[part], noise[part], counts[part]).before(state[part], schedule, 2)
        assert torch.equal(found[part], single)
    shared = Anchor(latents[:1], noise, counts[:1]).before(state, schedule, 2)
    assert torch.equal(shared[:1], found[:1])
    assert torch.equal(shared[1:], Anchor(latents[:1], noise[1:], counts[:1]).before(state[1:], schedule, 2))


def test_since_lets_a_cell_go_before_it_is_held(schedule: Schedule) -> None:
    until, since = torch.full((1, 1, 5, 7), 4), torch.full((1, 1, 5, 7), 2)
    anchor = Anchor(_random(0), _random(1), until, since)
    assert [bool(anchor.holds(i).all()) for i in range(STEPS)] == [False, False, True, True, False, False]
    assert torch.equal(anchor.before(_random(2), schedule, 0), _random(2))


def test_the_end_is_clean_where_held_and_untouched_elsewhere(schedule: Schedule) -> None:
    anchor = Anchor(_random(0), _random(1), _counts(4))
    found = anchor.after(_random(2), schedule, STEPS - 1)
    whole = (anchor.until == STEPS).expand_as(found)
    assert whole.any()
    assert torch.equal(found[whole], _random(0)[whole])
    assert torch.equal(found[~whole], _random(2)[~whole])


def test_a_cell_that_is_taken_back_with_the_last_step_comes_out_clean(schedule: Schedule) -> None:
    until, since = torch.full((1, 1, 5, 7), STEPS), torch.full((1, 1, 5, 7), STEPS)
    since[..., 0] = 3
    anchor = Anchor(_random(0), _random(1), until, since)
    assert not any(bool(anchor.holds(i)[..., 1:].any()) for i in range(STEPS))
    assert torch.equal(anchor.after(_random(2), schedule, STEPS - 1), _random(0))
    early = anchor.after(
        _random(2), schedule, 2
    )  # the first column is taken back with step 2, the others are still free
    assert torch.equal(early[..., 0], _random(0)[..., 0])
    assert torch.equal(early[..., 1:], _random(2)[..., 1:])


def test_fresh_noise_is_drawn_for_every_step_but_the_first(schedule: Schedule) -> None:
    drawn = iter((_random(5), _random(6)))
    until = torch.full((1, 1, 5, 7), STEPS)
    anchor = Anchor(_random(0), _random(1), until, fresh=lambda: next(drawn))
    for i, noise in enumerate((_random(1), _random(5), _random(6))):
        assert torch.equal(anchor.before(_random(2), schedule, i), schedule.noised(_random(0), noise, i))


def test_let_go_counts_the_cells_of_each_step() -> None:
    until = torch.tensor([[[[0, 0, 1, 2, 2, 2, STEPS, STEPS]]]])
    anchor = Anchor(torch.zeros(1, 4, 1, 8), torch.zeros(1, 4, 1, 8), until)
    assert anchor.let_go(STEPS) == pytest.approx([0, 1 / 8, 3 / 8, 0, 0, 0])
    assert anchor.let_go(1) == [0.0]
