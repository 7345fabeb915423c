"""Noise levels against diffusers' own, every sampler at every step."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from editor.diffusion.schedule import SAMPLERS, Schedule
from editor.errors import InvalidRequest
from editor.requests.samplers import Sampler

# diffusers turns a tensor into an array in a way that newer versions of numpy announce to end.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# As the models themselves have it.
SCALED: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
NAMES: tuple[Sampler, ...] = tuple(SAMPLERS)
# Further ones that a model's folder may bring as its own.
OWN = [
    diffusers.DEISMultistepScheduler,
    diffusers.DPMSolverSinglestepScheduler,
    diffusers.LMSDiscreteScheduler,
    diffusers.PNDMScheduler,
]
STEPS = 12


def _sdxl(**more: Any) -> Any:
    return diffusers.EulerDiscreteScheduler(**SCALED, steps_offset=1, timestep_spacing="leading", **more)


def _fresh(kind: type, own: Any, steps: int) -> Any:
    """The same scheduler without a begin index, made the way that diffusers does."""
    more = {"skip_prk_steps": True} if kind is diffusers.PNDMScheduler else {}
    scheduler = kind.from_config(own.config, **more)  # type: ignore[attr-defined]
    scheduler.set_timesteps(steps)
    return scheduler


def _random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape or (1, 4, 6, 5), generator=torch.Generator().manual_seed(seed))


def _agree(schedule: Schedule, kind: type, own: Any, steps: int) -> None:
    latents, noise = _random(0), _random(1)
    for step in schedule.steps:
        expected = _fresh(kind, own, steps).add_noise(latents, noise, step.t[None])
        assert torch.equal(schedule.noised(latents, noise, step.index), expected), f"step {step.index}"
        assert torch.equal(step.noised(latents, noise), expected)


@pytest.mark.parametrize("sampler", NAMES)
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_invariant_13_noised_is_add_noise_of_a_fresh_scheduler_at_every_step(sampler: Sampler, strength: float) -> None:
    own = _sdxl()
    schedule = Schedule(own, sampler=sampler, steps=STEPS, strength=strength)
    extra = sampler == "pndm"  # its second step takes two looks
    assert len(schedule) == STEPS * strength + extra
    _agree(schedule, SAMPLERS[sampler], own, STEPS)


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_invariant_13_whatever_the_spacing(spacing: str, prediction: str) -> None:
    own = diffusers.EulerDiscreteScheduler(**SCALED, timestep_spacing=spacing, prediction_type=prediction)
    for sampler in NAMES:
        if sampler != "pndm":
            _agree(Schedule(own, sampler=sampler, steps=7), SAMPLERS[sampler], own, 7)


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("first", [0, 5])
def test_invariant_13_with_a_scheduler_that_only_the_model_has(kind: type, first: int) -> None:
    more: dict[str, Any] = {"skip_prk_steps": True} if kind is diffusers.PNDMScheduler else {}
    if kind is diffusers.DPMSolverSinglestepScheduler:
        more["lower_order_final"] = True
    own = kind(**SCALED, **more)
    _agree(Schedule(own, steps=STEPS, first=first), kind, own, STEPS)


def test_invariant_13_with_karras_levels() -> None:
    for kind in (diffusers.EulerDiscreteScheduler, diffusers.DPMSolverMultistepScheduler):
        own = kind(**SCALED, use_karras_sigmas=True)
        _agree(Schedule(own, steps=9, first=2), kind, own, 9)


@pytest.mark.parametrize("sampler", NAMES)
def test_invariant_14_noised_does_not_move_with_the_run(sampler: Sampler) -> None:
    """The trap: after a begin index, and after any step, `add_noise` of most schedulers gives one level for all."""
    latents, noise = _random(0), _random(1)
    schedule = Schedule(_sdxl(), sampler=sampler, steps=STEPS, first=3)
    run = range(schedule.first, schedule.total)
    before = [schedule.noised(latents, noise, i) for i in run]
    assert len({float(each.std()) for each in before}) >= len(schedule) - (sampler == "pndm")
    generators = [torch.Generator().manual_seed(3)]
    state = before[0]
    for i in run:
        state = schedule.step(_random(i + 10), i, state, generators)
        for k, expected in zip(run, before, strict=True):
            assert torch.equal(schedule.noised(latents, noise, k), expected)


def test_the_trap_is_real() -> None:
    """Otherwise the tests above prove nothing, and the closed forms could go."""
    scheduler = _fresh(diffusers.EulerDiscreteScheduler, _sdxl(), STEPS)
    latents, noise = _random(0), _random(1)
    last = scheduler.timesteps[-1:]
    right = scheduler.add_noise(latents, noise, last)
    scheduler.set_begin_index(0)
    assert not torch.allclose(scheduler.add_noise(latents, noise, last), right)


def test_samplers_that_look_twice_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="two looks"):
        Schedule(diffusers.HeunDiscreteScheduler(**SCALED), steps=10)


def test_a_scheduler_of_an_unknown_kind_is_refused_and_not_guessed_at() -> None:
    with pytest.raises(InvalidRequest):
        Schedule(diffusers.EDMEulerScheduler(), steps=10)


@pytest.mark.parametrize("sampler", NAMES)
def test_a_network_that_knew_the_answer_is_believed(sampler: Sampler) -> None:
    """With the true noise as prediction, `estimate` is exact at every step and every sampler ends at the picture."""
    for strength in (1.0, 0.5):
        clean, noise = _random(0, 1, 4, 8, 8), _random(1, 1, 4, 8, 8)
        schedule = Schedule(_sdxl(), sampler=sampler, steps=20, strength=strength)
        state = schedule.noised(clean, noise, schedule.first)
        generators = [torch.Generator().manual_seed(3)]
        for i in range(schedule.first, schedule.total):
            seen = schedule.model_input(state, i)
            alpha, sigma = _level(schedule, i)
            prediction = (state - alpha * clean) / sigma
            assert seen.shape == state.shape
            assert (schedule.estimate(prediction, i, state) - clean).abs().max() < 2e-4
            state = schedule.step(prediction, i, state, generators)
        left = float((state - clean).abs().max())
        # Those that end one level above none keep its noise (sigma 0.03).
        assert left < (0.15 if sampler in ("ddim", "pndm") else 1e-3), f"{sampler} at {strength}: {left}"


@pytest.mark.parametrize("strength", [1.0, 0.8, 0.5, 0.15, 0.1, 0.05])
@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp_2m", "unipc", "pndm"])
def test_the_state_is_at_the_level_of_the_step_from_wherever_the_run_begins(sampler: Sampler, strength: float) -> None:
    """With one constant prediction, e, every deterministic sampler walks along alpha z + sigma e: where cells are held, and where not."""
    clean, noise = _random(0), _random(1)
    schedule = Schedule(_sdxl(), sampler=sampler, steps=20, strength=strength)
    state = schedule.noised(clean, noise, schedule.first)
    for i in range(schedule.first, schedule.total):
        assert (state - schedule.noised(clean, noise, i)).abs().max() < 1e-4, f"step {i}"
        state = schedule.step(noise, i, state)


@pytest.mark.parametrize("kind", [diffusers.DDIMScheduler, diffusers.EulerDiscreteScheduler])
def test_estimate_of_v_prediction(kind: type) -> None:
    more = {"clip_sample": False} if kind is diffusers.DDIMScheduler else {}
    own = kind(**SCALED, prediction_type="v_prediction", **more)
    schedule = Schedule(own, steps=10)
    assert schedule.prediction == "v_prediction"
    clean, noise = _random(0), _random(1)
    for i in range(10):
        alpha, sigma = _level(schedule, i)
        norm = (alpha**2 + sigma**2) ** 0.5
        velocity = (alpha * noise - sigma * clean) / norm
        state = schedule.noised(clean, noise, i)
        expected = own.__class__.from_config(own.config)
        expected.set_timesteps(10)
        assert (schedule.estimate(velocity, i, state) - clean).abs().max() < 1e-3
        # ... and diffusers, told the same, points at the same place.
        theirs = expected.step(velocity, schedule.timesteps[i], state, return_dict=True).pred_original_sample
        assert (theirs - clean).abs().max() < 1e-3


def test_estimate_of_sample_prediction_is_the_prediction() -> None:
    schedule = Schedule(diffusers.DDIMScheduler(**SCALED, prediction_type="sample", clip_sample=False), steps=5)
    assert torch.equal(schedule.estimate(_random(5), 2, _random(6)), _random(5))


def test_strength_keeps_the_last_steps() -> None:
    whole, part = Schedule(_sdxl(), steps=30), Schedule(_sdxl(), steps=30, strength=0.45)
    assert len(part) == 14  # 13.5, rounded to even
    assert torch.equal(part.timesteps, whole.timesteps[-14:])
    assert part.levels == whole.levels[-14:]
    assert list(part.levels) == sorted(part.levels, reverse=True)
    assert len(Schedule(_sdxl(), steps=30, first=21)) == 9


@pytest.mark.parametrize("sampler", NAMES)
def test_invariant_26_no_steps_is_an_empty_schedule_and_one_step_runs(sampler: Sampler) -> None:
    assert len(Schedule(_sdxl(), sampler=sampler, steps=10, strength=0.0)) == 0
    assert len(Schedule(_sdxl(), sampler=sampler, steps=10, first=10)) == 0
    one = Schedule(_sdxl(), sampler=sampler, steps=10, first=9)
    assert torch.isfinite(one.step(_random(0), 9, _random(1), [torch.Generator()])).all()


def test_levels_of_the_specification() -> None:
    """Section 7: N = 100, d = 0.6 runs 40 steps from t = 391 at sigma 1.13; the last sigma is 0.041."""
    schedule = Schedule(_sdxl(), steps=100, first=60)
    assert len(schedule) == 40
    assert int(schedule.timesteps[0]) == 391
    assert schedule.levels[0] == pytest.approx(1.13, abs=0.005)
    assert schedule.levels[39] == pytest.approx(0.0413, abs=1e-4)


def test_more_steps_than_a_few_step_sampler_has_is_said_in_words() -> None:
    with pytest.raises(InvalidRequest, match="60 steps"):
        Schedule(_sdxl(), sampler="lcm", steps=60)


def test_the_models_own_scheduler_is_only_read() -> None:
    own = _sdxl()
    config, timesteps = dict(own.config), own.timesteps.clone()
    schedule = Schedule(own, steps=7, first=2)
    schedule.step(_random(0), 2, _random(1))
    schedule.restart(3)
    assert dict(own.config) == config
    assert torch.equal(own.timesteps, timesteps)
    assert own.step_index is None
    assert own.begin_index is None


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "unipc"])
def test_restart_forgets_the_past_and_goes_on_from_here(sampler: Sampler) -> None:
    """After a restart before step i it does what a run that begins there does."""
    going, fresh = (Schedule(_sdxl(), sampler=sampler, steps=12, first=k) for k in (2, 6))
    state = _random(0)
    for i in range(2, 6):
        state = going.step(_random(20 + i), i, state)
    remembered = Schedule(_sdxl(), sampler=sampler, steps=12, first=2)
    other = _random(0)
    for i in range(2, 6):
        other = remembered.step(_random(20 + i), i, other)
    going.restart(6)
    for i in range(6, 12):
        seen = state
        state = going.step(_random(20 + i), i, state)
        assert torch.equal(state, fresh.step(_random(20 + i), i, seen))
        if i == 6:
            assert not torch.equal(state, remembered.step(_random(20 + i), i, seen))
    assert torch.equal(going.noised(_random(1), _random(2), 3), remembered.noised(_random(1), _random(2), 3))


@pytest.mark.parametrize("sampler", ["euler", "euler_a", "ddim", "ddpm"])
def test_restart_does_nothing_to_samplers_without_a_memory(sampler: Sampler) -> None:
    def run(*, restarted: bool) -> torch.Tensor:
        schedule, state = Schedule(_sdxl(), sampler=sampler, steps=6), _random(0)
        generators = [torch.Generator().manual_seed(1)]
        for i in range(6):
            if restarted:
                schedule.restart(i)
            state = schedule.step(_random(20 + i), i, state, generators)
        return state

    assert torch.equal(run(restarted=True), run(restarted=False))


@pytest.mark.parametrize("sampler", NAMES)
def test_variances_that_a_network_learned_go_only_to_the_sampler_that_wants_them(sampler: Sampler) -> None:
    """Kandinsky's network has twice the channels; any sampler may be chosen for it."""
    own = diffusers.DDPMScheduler(beta_schedule="linear", clip_sample=False, variance_type="learned_range")
    schedule = Schedule(own, sampler=sampler, steps=6)
    assert schedule.learned_variance == (sampler == "ddpm")
    state = _random(0)
    generators = [torch.Generator().manual_seed(1)]
    for i in range(len(schedule)):
        state = schedule.step(_random(9 + i, 1, 8, 6, 5), i, state, generators)
        assert state.shape == (1, 4, 6, 5)


@pytest.mark.parametrize("sampler", NAMES)
def test_invariant_17_generators_of_each_picture_make_a_batch_equal_single_runs(sampler: Sampler) -> None:
    def run(seeds: list[int]) -> torch.Tensor:
        schedule = Schedule(_sdxl(), sampler=sampler, steps=5)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        state = torch.cat([_random(seed) for seed in seeds])
        for i in range(len(schedule)):
            state = schedule.step(state * 0.1, i, state, generators)
        return state

    assert torch.equal(run([3, 4]), torch.cat([run([3]), run([4])]))


def _level(schedule: Schedule, i: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Alpha and sigma, from what `noised` does."""
    one, none = torch.ones(1), torch.zeros(1)
    return schedule.noised(one, none, i), schedule.noised(none, one, i)
