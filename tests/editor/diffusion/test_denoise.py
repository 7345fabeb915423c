"""The sampling loop, with networks so simple that the answer is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from editor.diffusion.blending import LatentBlend
from editor.diffusion.denoise import MAX_RELEASED, Sampled, denoise
from editor.diffusion.schedule import SAMPLERS, Schedule
from editor.diffusion.step import Step
from editor.geometry import Rect
from editor.requests.reports import Preview, Progress, Report, Reports
from editor.requests.samplers import Sampler
from tests.support.diffusion import at
from tests.support.reports import drive

# diffusers turns a tensor into an array in a way that newer versions of numpy announce to end.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SCALED: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
}
NAMES: tuple[Sampler, ...] = tuple(SAMPLERS)
Net = Callable[[torch.Tensor, Step], torch.Tensor]
STEPS = 8


def _schedule(sampler: Sampler = "euler", steps: int = STEPS, **more: Any) -> Schedule:
    return Schedule(diffusers.EulerDiscreteScheduler(**SCALED), sampler=sampler, steps=steps, **more)


def _random(seed: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 4, 6, 8, generator=torch.Generator().manual_seed(seed))


def _counts(steps: int, seed: int = 9) -> torch.Tensor:
    found = torch.randint(0, steps + 1, (1, 1, 6, 8), generator=torch.Generator().manual_seed(seed))
    found[..., 0, :2] = torch.tensor([0, steps])
    return found


class _Net:
    """Not linear, mixes neighbours, depends on t; remembers what it saw."""

    def __init__(self) -> None:
        self.inputs: list[torch.Tensor] = []
        self.steps: list[Step] = []

    def __call__(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        self.inputs.append(latents.clone())
        self.steps.append(step)
        mixed = latents + 0.3 * latents.roll(1, -1) - 0.2 * latents.roll(1, -2)
        return torch.tanh(mixed) * (0.8 + step.t.float() / 5000)


def _driven(reports: Reports[Sampled], finish_at: int | None = None) -> tuple[Sampled, list[Report]]:
    seen: list[Report] = []
    return drive(reports, seen, finish_at=finish_at), seen


def _run(
    net: Net, schedule: Schedule, blend: LatentBlend, start: torch.Tensor | None = None, **more: Any
) -> torch.Tensor:
    start = schedule.noised(blend.latents, blend.noise, schedule.first) if start is None else start
    generators = [torch.Generator().manual_seed(5) for _ in range(len(blend.noise))]
    return _driven(denoise(net, start, blend, schedule, generators, **more))[0].latents


@pytest.mark.parametrize("sampler", NAMES)
def test_invariant_02_kept_everywhere_gives_back_the_latents(sampler: Sampler) -> None:
    schedule = _schedule(sampler)
    until = torch.full((1, 1, 6, 8), len(schedule))
    found = _run(_Net(), schedule, LatentBlend(_random(0), _random(1), until))
    assert torch.equal(found, _random(0))


@pytest.mark.parametrize("sampler", NAMES)
def test_invariant_03_kept_everywhere_the_network_sees_the_noised_source_at_every_step(sampler: Sampler) -> None:
    schedule, other, net = _schedule(sampler), _schedule(sampler), _Net()
    until = torch.full((1, 1, 6, 8), len(schedule))
    found = _run(net, schedule, LatentBlend(_random(0), _random(1), until), restore=False)
    state = torch.zeros(1)
    for i in range(len(schedule)):
        noised = other.noised(_random(0), _random(1), i)
        assert torch.equal(net.inputs[i], other.model_input(noised, i))
        generators = [torch.Generator().manual_seed(5)]
        state = other.step(_Net()(net.inputs[i], net.steps[i]), i, noised, generators)
    if sampler in ("euler", "ddim"):
        assert torch.equal(found, state)  # one denoising step away from the source, section 4, point 5
        assert not torch.equal(found, _random(0))


@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp_2m", "unipc"])
def test_invariant_06_a_binary_map_is_blended_latent_diffusion(sampler: Sampler) -> None:
    """Avrahami et al.: after every step the background, at the level of the next step, is laid under; with fixed noise."""
    keep = torch.rand(1, 1, 6, 8, generator=torch.Generator().manual_seed(2)) < 0.5
    source, noise = _random(0), _random(1)
    schedule = _schedule(sampler)
    found = _run(_Net(), schedule, LatentBlend(source, noise, keep * STEPS), restore=False)

    own = diffusers.EulerDiscreteScheduler(**SCALED)
    clip = {"clip_sample": False} if sampler == "ddim" else {}
    scheduler = SAMPLERS[sampler].from_config(own.config, **clip)  # type: ignore[attr-defined]
    scheduler.set_timesteps(STEPS)
    levels = [scheduler.__class__.from_config(scheduler.config) for _ in range(STEPS)]
    for level in levels:
        level.set_timesteps(STEPS)  # without a begin index `add_noise` can be trusted, once
    state = levels[0].add_noise(source, noise, scheduler.timesteps[:1])
    net = _Net()
    for i, t in enumerate(scheduler.timesteps):
        state = scheduler.step(net(scheduler.scale_model_input(state, t), at(float(t))), t, state).prev_sample
        if i + 1 < STEPS:
            background = levels[i + 1].add_noise(source, noise, scheduler.timesteps[i + 1 : i + 2])
            state = torch.where(keep, background, state)
    assert torch.equal(found, state)


@pytest.mark.parametrize("sampler", NAMES)
def test_invariant_07_where_a_cell_is_held_at_all_its_start_does_not_matter(sampler: Sampler) -> None:
    steps = len(_schedule(sampler))
    blend = LatentBlend(_random(0), _random(1), _counts(steps))
    start = _schedule(sampler).noised(_random(0), _random(1), 0)
    other = torch.where(blend.until > 0, _random(77) * 100, start)
    assert torch.equal(_run(_Net(), _schedule(sampler), blend, start), _run(_Net(), _schedule(sampler), blend, other))
    freed = torch.where(blend.until == 0, _random(77), start)
    assert not torch.equal(
        _run(_Net(), _schedule(sampler), blend, freed), _run(_Net(), _schedule(sampler), blend, start)
    )


def test_invariant_07_even_what_is_not_a_number_does_not_leak() -> None:
    blend = LatentBlend(_random(0), _random(1), _counts(STEPS))
    start = _schedule().noised(_random(0), _random(1), 0)
    start = torch.where(blend.until > 0, torch.nan, start)
    assert torch.isfinite(_run(_Net(), _schedule(), blend, start)).all()


def test_invariant_10_and_02_cells_held_to_the_end_come_out_clean_among_free_ones() -> None:
    blend = LatentBlend(_random(0), _random(1), _counts(STEPS))
    found = _run(_Net(), _schedule(), blend)
    whole = (blend.until == STEPS).expand_as(found)
    assert torch.equal(found[whole], _random(0)[whole])
    assert not torch.isclose(found[~whole], _random(0)[~whole]).all()


@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp_2m"])
def test_invariant_16_the_more_is_held_the_nearer_it_stays(sampler: Sampler) -> None:
    """The specification's toy: x0 = (x + c sigma target) / (1 + c sigma); nine levels of a plain map."""
    source, target, noise = _random(0), 4 + _random(3), _random(1)
    distances = []
    for k in range(9):
        schedule = _schedule(sampler, steps=16)

        def net(seen: torch.Tensor, step: Step) -> torch.Tensor:
            alpha, sigma = step.alpha, step.sigma
            # The network's view divided out again: an exploding state is scaled before it is seen.
            state = seen * (alpha**2 + sigma**2).sqrt() if sampler == "euler" else seen
            ratio = sigma / alpha
            clean = (state / alpha + 0.5 * ratio * target) / (1 + 0.5 * ratio)
            return (state - alpha * clean) / sigma

        until = torch.full((1, 1, 6, 8), 2 * k)
        found = _run(net, schedule, LatentBlend(source, noise, until), restore=False)
        distances.append(float((found - source).norm()))
    assert all(np.diff(distances) < 0), distances
    assert distances[-1] < distances[0] / 5


@pytest.mark.parametrize("sampler", NAMES)
def test_invariant_17_a_batch_is_two_runs(sampler: Sampler) -> None:
    until = _counts(len(_schedule(sampler)))
    latents, noise = _random(0, 2), _random(1, 2)

    def run(part: slice) -> torch.Tensor:
        schedule = _schedule(sampler)
        generators = [torch.Generator().manual_seed(seed) for seed in [5, 6][part]]
        blend = LatentBlend(latents[part], noise[part], until)
        start = schedule.noised(blend.latents, blend.noise, 0)
        return _driven(denoise(_Net(), start, blend, schedule, generators))[0].latents

    single = torch.cat([run(slice(0, 1)), run(slice(1, 2))])
    assert (run(slice(0, 2)) - single).abs().max() <= 1e-5


def test_invariant_25_the_hold_rule_is_the_same_for_epsilon_and_v() -> None:
    """Seen from the held cells of what the network is given."""
    seen = []
    for prediction in ("epsilon", "v_prediction"):
        own = diffusers.DDIMScheduler(**SCALED, prediction_type=prediction, clip_sample=False)
        net = _Net()
        blend = LatentBlend(_random(0), _random(1), _counts(STEPS))
        _run(net, Schedule(own, steps=STEPS), blend)
        seen.append(net.inputs)
    for i, (first, second) in enumerate(zip(*seen, strict=True)):
        held = (_counts(STEPS) > i).expand_as(first)
        assert torch.equal(first[held], second[held])
        assert i == 0 or not torch.equal(first[~held], second[~held])


def test_invariant_26_a_single_step_runs() -> None:
    schedule, net = _schedule(first=STEPS - 1), _Net()
    found = _run(net, schedule, LatentBlend(_random(0), _random(1), STEPS - 1 + _counts(1)))
    assert len(net.inputs) == 1
    assert torch.equal(found[..., 0, 1], _random(0)[..., 0, 1])


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "unipc"])
def test_solvers_with_a_memory_forget_when_many_cells_are_let_go_at_once(sampler: Sampler) -> None:
    class Watched(Schedule):
        restarts: list[int]

        def restart(self, i: int) -> None:
            self.restarts.append(i)
            super().restart(i)

    def restarts(until: torch.Tensor) -> list[int]:
        schedule = Watched(diffusers.EulerDiscreteScheduler(**SCALED), sampler=sampler, steps=STEPS)
        schedule.restarts = []
        _run(_Net(), schedule, LatentBlend(_random(0), _random(1), until))
        return schedule.restarts

    few, many = torch.zeros(1, 1, 6, 8, dtype=torch.int64), torch.zeros(1, 1, 6, 8, dtype=torch.int64)
    cells = few.numel()
    few.flatten()[: int(MAX_RELEASED * cells)] = 3
    many.flatten()[: int(MAX_RELEASED * cells) + 1] = 3
    assert restarts(few) == []
    assert restarts(many) == [3]
    assert restarts(torch.full_like(few, STEPS)) == []


def test_progress_comes_with_every_step_and_previews_when_due() -> None:
    class Shows:
        shown: list[torch.Tensor]

        def due(self) -> bool:
            return len(self.shown) < 3

        def preview(self, latents: torch.Tensor) -> Preview:
            self.shown.append(latents)
            return Preview(Rect.at(0, 0, 1, 1), np.zeros((1, 1, 4), np.uint8))

    shows = Shows()
    shows.shown = []
    blend = LatentBlend(_random(0), _random(1), _counts(STEPS))
    schedule = _schedule()
    start = schedule.noised(blend.latents, blend.noise, 0)
    _, seen = _driven(denoise(_Net(), start, blend, schedule, show=shows))
    fractions = [each.fraction for each in seen if isinstance(each, Progress)]
    assert fractions == pytest.approx([(i + 1) / STEPS for i in range(STEPS)])
    assert sum(isinstance(each, Preview) for each in seen) == 3
    for i, latents in enumerate(shows.shown):  # clean, held cells as they will be
        held = (blend.until > i).expand_as(latents)
        assert torch.equal(latents[held], _random(0)[held])


@pytest.mark.parametrize("sampler", NAMES)
def test_finishing_early_gives_what_the_step_points_at(sampler: Sampler) -> None:
    schedule, net = _schedule(sampler), _Net()
    blend = LatentBlend(_random(0), _random(1), _counts(len(schedule)))
    start = schedule.noised(blend.latents, blend.noise, 0)
    sampled, seen = _driven(denoise(net, start, blend, schedule, [torch.Generator().manual_seed(5)]), finish_at=2)
    assert sampled.early
    assert len(net.inputs) == len(seen) == 3
    assert torch.isfinite(sampled.latents).all()
    held = (blend.until > 2).expand_as(sampled.latents)
    assert torch.equal(sampled.latents[held], _random(0)[held])
    # A network that knows the answer is believed at once.
    schedule = _schedule(sampler)

    def knows(latents: torch.Tensor, step: Step) -> torch.Tensor:
        alpha, sigma = step.alpha, step.sigma
        scale = (alpha**2 + sigma**2).sqrt() if sampler.startswith("euler") else 1
        return (latents * scale - alpha * _random(0)) / sigma

    blend = LatentBlend(_random(0), _random(1), torch.zeros_like(blend.until))
    reports = denoise(knows, start, blend, schedule, [torch.Generator().manual_seed(5)])
    assert (_driven(reports, finish_at=0)[0].latents - _random(0)).abs().max() < 1e-3


def test_closing_between_two_reports_ends_it() -> None:
    schedule, net = _schedule(), _Net()
    blend = LatentBlend(_random(0), _random(1), _counts(STEPS))
    reports = denoise(net, schedule.noised(blend.latents, blend.noise, 0), blend, schedule)
    next(reports)
    reports.close()
    assert len(net.inputs) == 1
    assert next(reports, None) is None


def test_gradients_are_neither_made_nor_left_switched_off() -> None:
    schedule = _schedule()
    blend = LatentBlend(_random(0), _random(1), _counts(STEPS))
    weight = torch.ones(1, requires_grad=True)

    def net(latents: torch.Tensor, step: Step) -> torch.Tensor:
        found = latents * weight
        assert not found.requires_grad
        return found

    for _ in denoise(net, schedule.noised(blend.latents, blend.noise, 0), blend, schedule):
        assert torch.is_grad_enabled()
