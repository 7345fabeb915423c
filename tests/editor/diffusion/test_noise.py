"""Every random number comes from a seed and a purpose, and from nothing else."""

from __future__ import annotations

import pytest
import torch

from editor.diffusion.noise import Noise, Purpose

PURPOSES: tuple[Purpose, ...] = ("start", "exemplar", "sampler", "posterior")
GRID = torch.zeros(1, 4, 16, 24)


def test_invariant_20_a_seed_always_means_the_same_numbers() -> None:
    assert torch.equal(Noise([7]).like(GRID), Noise([7]).like(GRID))
    again = Noise([7])
    assert torch.equal(again.like(GRID), again.like(GRID))
    assert not torch.equal(Noise([7]).like(GRID), Noise([8]).like(GRID))


def test_torchs_own_generator_is_neither_used_nor_moved() -> None:
    torch.manual_seed(1)
    first = Noise([7]).like(GRID)
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(Noise([7]).like(GRID), first)
    torch.manual_seed(1)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_each_purpose_has_its_own_stream() -> None:
    noise = Noise([7])
    drawn = [noise.like(GRID, purpose) for purpose in PURPOSES]
    for a, first in enumerate(drawn):
        for second in drawn[a + 1 :]:
            both = torch.stack([first.flatten(), second.flatten()])
            assert abs(float(torch.corrcoef(both)[0, 1])) < 0.1


def test_one_draw_more_does_not_shift_the_others() -> None:
    plain, busy = Noise([7]), Noise([7])
    torch.randn(100, generator=busy.generators("sampler")[0])
    busy.like(GRID, "posterior")
    assert torch.equal(plain.like(GRID), busy.like(GRID))


def test_neighbouring_seeds_have_nothing_in_common() -> None:
    """Passes and variations count seeds up."""
    drawn = torch.stack([Noise([seed]).like(GRID).flatten() for seed in range(8)])
    away = torch.corrcoef(drawn) - torch.eye(8)
    assert away.abs().max() < 0.12


def test_invariant_17_a_batch_is_its_pictures_side_by_side() -> None:
    both = Noise([7, 8])
    assert both.batch == 2
    for purpose in PURPOSES:
        single = [Noise([7]), Noise([8])]
        assert torch.equal(both.like(GRID, purpose), torch.cat([each.like(GRID, purpose) for each in single]))
        for mine, alone in zip(both.generators(purpose), single, strict=True):
            assert torch.equal(torch.randn(9, generator=mine), torch.randn(9, generator=alone.generators(purpose)[0]))


def test_it_is_unit_gaussian() -> None:
    drawn = Noise([3]).like(torch.zeros(1, 4, 128, 128))
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02)
    assert float(drawn.std()) == pytest.approx(1, abs=0.02)


def test_numbers_do_not_depend_on_device_or_precision() -> None:
    """Drawn in float32 on the CPU, then moved: `meta` stands for another device."""
    half = Noise([7]).like(GRID.half())
    assert half.dtype == torch.float16
    assert torch.equal(half, Noise([7]).like(GRID).half())
    assert Noise([7]).like(GRID.to("meta")).device.type == "meta"
    assert all(generator.device.type == "cpu" for generator in Noise([7]).generators("sampler"))


def test_the_largest_seed_and_the_one_after_it_work() -> None:
    """Later passes add to the seed of the request."""
    largest = 2**63 - 1
    assert not torch.equal(Noise([largest]).like(GRID), Noise([largest + 1]).like(GRID))


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a seed for each"):
        Noise([])
