"""Closed-form moves between any two levels, for every prediction type, and levels of the timesteps that a model was trained on."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from editor.diffusion.predictions import PREDICTIONS
from editor.diffusion.schedule import Schedule

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SCALED: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
STEPS = 8


def _schedule(prediction: str, kind: Any = diffusers.DDIMScheduler, **more: Any) -> Schedule:
    if prediction == "flow_prediction":
        return Schedule(diffusers.FlowMatchEulerDiscreteScheduler(shift=2.0), steps=STEPS, **more)
    options = {"clip_sample": False, "set_alpha_to_one": False} if kind is diffusers.DDIMScheduler else {}
    own = kind(**SCALED, prediction_type=prediction, timestep_spacing="leading", **options)
    return Schedule(own, steps=STEPS, **more)


def _random(seed: int) -> torch.Tensor:
    return torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


ROWS = [
    (prediction, kind)
    for prediction in PREDICTIONS
    for kind in (diffusers.DDIMScheduler, diffusers.EulerDiscreteScheduler)
]


@pytest.mark.parametrize(("prediction", "kind"), ROWS)
def test_what_a_network_was_trained_to_say_leads_from_any_level_to_any_other(prediction: str, kind: Any) -> None:
    schedule, clean, noise = _schedule(prediction, kind), _random(0), _random(1)
    for i in range(STEPS):
        step = schedule.steps[i]
        state = step.noised(clean, noise)
        said = schedule.target(clean, noise, step)
        for j in range(STEPS + 1):
            expected = schedule.noised(clean, noise, j)
            # Levels are float32: alpha^2 + sigma^2 = 1 holds to that.
            assert (schedule.move(state, said, i, j) - expected).abs().max() < 1e-5 * max(
                1.0, float(expected.abs().max())
            )


@pytest.mark.parametrize(("prediction", "kind"), ROWS)
def test_there_and_back_is_where_it_was(prediction: str, kind: Any) -> None:
    """Whatever the prediction is; for the last level only where something is left there of the state."""
    schedule, state, said = _schedule(prediction, kind), _random(0), _random(1)
    for i in range(STEPS):
        for j in range(STEPS if prediction == "sample" else STEPS + 1):
            there = schedule.move(state, said, i, j)
            assert (schedule.origin(there, said, i, j) - state).abs().max() < 1e-9
        assert (schedule.move(state, said, i, i) - state).abs().max() < 1e-6


def test_ddim_moves_are_diffusers_steps_and_its_inverse_steps() -> None:
    schedule, state, said = _schedule("v_prediction"), _random(0).float(), _random(1).float()
    config = {**SCALED, "prediction_type": "v_prediction", "timestep_spacing": "leading", "clip_sample": False}
    inverse = diffusers.DDIMInverseScheduler(**config, set_alpha_to_one=False)
    inverse.set_timesteps(STEPS)
    for i in range(STEPS):
        expected = schedule.step(said, i, state)
        assert (schedule.move(state, said, i, i + 1) - expected).abs().max() < 2e-6
        back = inverse.step(said, schedule.steps[i].t, state).prev_sample
        assert (schedule.move(state, said, i + 1, i) - back).abs().max() < 2e-6


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_euler_moves_are_diffusers_steps(prediction: str) -> None:
    schedule = _schedule(prediction, diffusers.EulerDiscreteScheduler)
    state = schedule.noised(_random(0).float(), _random(1).float(), 0)
    for i in range(STEPS):
        said = _random(2 + i).float()
        moved = schedule.move(state, said, i, i + 1)
        state = schedule.step(said, i, state)
        assert (moved - state).abs().max() < 1e-5 * state.abs().max()


def test_gradients_flow_through_a_move_and_an_estimate() -> None:
    schedule, state, said = _schedule("epsilon"), _random(0).requires_grad_(), _random(1).requires_grad_()
    moved = schedule.move(state, said, 2, 3)
    slopes = torch.autograd.grad(moved.sum(), [state, said])
    kept, then = float(schedule.alphas[2]), float(schedule.alphas[3])
    assert slopes[0].flatten()[0].item() == pytest.approx(then / kept)
    expected = float(schedule.sigmas[3]) - then / kept * float(schedule.sigmas[2])
    assert slopes[1].flatten()[0].item() == pytest.approx(expected)
    assert torch.autograd.grad(schedule.estimate(said, 2, state).sum(), said)[0].abs().min() > 0


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_levels_of_training_are_those_of_add_noise_and_targets_of_get_velocity(prediction: str) -> None:
    schedule = _schedule(prediction, diffusers.EulerDiscreteScheduler)  # whatever the sampler
    theirs = diffusers.DDPMScheduler(**SCALED)
    t = torch.tensor([0, 1, 500, 999])
    clean, noise = (torch.cat([_random(k + at) for at in range(4)]).float() for k in (0, 10))
    step = schedule.at(t)
    assert step.index == -1
    assert torch.equal(step.noised(clean, noise), theirs.add_noise(clean, noise, t))
    expected = noise if prediction == "epsilon" else theirs.get_velocity(clean, noise, t)
    assert (schedule.target(clean, noise, step) - expected).abs().max() < 1e-6


def test_levels_of_training_of_flow_are_straight() -> None:
    step = _schedule("flow_prediction").at(torch.tensor([0.0, 250.0, 1000.0]))
    assert step.sigma.flatten().tolist() == [0, 0.25, 1]
    assert step.alpha.flatten().tolist() == [1, 0.75, 0]


@pytest.mark.parametrize("first", [0, 3])
def test_steps_say_where_they_stand_in_the_whole_schedule(first: int) -> None:
    schedule, whole = _schedule("epsilon", first=first), _schedule("epsilon")
    assert [step.index for step in schedule.steps] == list(range(first, STEPS))
    assert (schedule.first, schedule.total, len(schedule)) == (first, STEPS, STEPS - first)
    for step in schedule.steps:
        same = whole.steps[step.index]
        assert (step.t, step.alpha, step.sigma, step.next_sigma) == (same.t, same.alpha, same.sigma, same.next_sigma)
        assert step.next_sigma == schedule.sigmas[step.index + 1]
    kept = diffusers.DDIMScheduler(**SCALED).alphas_cumprod[0]
    assert schedule.sigmas[-1] == (1 - kept) ** 0.5  # it ends at the level of timestep 0
