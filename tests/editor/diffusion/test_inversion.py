"""Inversion: diffusers' own inverse steps, the way back, and exactness by fixed-point refinement."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from editor.diffusion.blending import LatentBlend, NoBlend
from editor.diffusion.denoise import denoise
from editor.diffusion.guidance import Denoiser
from editor.diffusion.inversion import Inversion, invert
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.errors import NotFinite
from editor.requests.reports import Progress, outcome_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SCALED: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
STEPS = 20
ROWS = [
    (diffusers.DDIMScheduler, "epsilon"),
    (diffusers.DDIMScheduler, "v_prediction"),
    (diffusers.EulerDiscreteScheduler, "epsilon"),
    (diffusers.EulerDiscreteScheduler, "v_prediction"),
    (diffusers.FlowMatchEulerDiscreteScheduler, "flow_prediction"),
]


def _schedule(kind: Any, prediction: str, first: int = 0) -> Schedule:
    if prediction == "flow_prediction":
        return Schedule(kind(shift=2.0), steps=STEPS, first=first)
    more = {"clip_sample": False, "set_alpha_to_one": False} if kind is diffusers.DDIMScheduler else {}
    own = kind(**SCALED, prediction_type=prediction, timestep_spacing="leading", **more)
    return Schedule(own, steps=STEPS, first=first)


def _random(seed: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 4, 6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _smooth(latents: torch.Tensor, step: Step) -> torch.Tensor:
    """A network that is not linear, mixes neighbours and knows the time."""
    return torch.tanh(0.5 * latents + 0.2 * latents.roll(1, -1)) * (0.5 + step.t.double() / 4000)


def _back(network: Denoiser, inversion: Inversion, schedule: Schedule) -> torch.Tensor:
    """Sampling by closed-form moves, in double precision."""
    state = inversion.noise
    for step in schedule.steps:
        said = network(schedule.model_input(state, step.index), step)
        state = schedule.move(state, said, step.index, step.index + 1)
    return state


def test_it_is_diffusers_inverse_scheduler() -> None:
    schedule = _schedule(diffusers.DDIMScheduler, "v_prediction")
    theirs = diffusers.DDIMInverseScheduler(
        **SCALED,
        prediction_type="v_prediction",
        timestep_spacing="leading",
        clip_sample=False,
        set_alpha_to_one=False,
    )
    theirs.set_timesteps(STEPS)
    state = _random(0).float()
    found = outcome_of(invert(_smooth, state, schedule))
    expected = [state]
    for t in theirs.timesteps:
        step = Step(-1, t, torch.ones(()), torch.ones(()), torch.ones(()))
        state = theirs.step(_smooth(state, step).float(), t, state).prev_sample
        expected.append(state)
    assert len(found.states) == STEPS + 1
    for one, other in zip(reversed(found.states), expected, strict=True):
        assert (one - other).abs().max() < 1e-5


@pytest.mark.parametrize(("kind", "prediction"), [ROWS[0], ROWS[2], ROWS[4]])
@pytest.mark.parametrize("first", [0, 7])
def test_a_network_that_always_says_the_same_leads_back_exactly(kind: Any, prediction: str, first: int) -> None:
    said, source = _random(3), _random(0)
    schedule = _schedule(kind, prediction, first)
    inversion = outcome_of(invert(lambda latents, step: said, source, schedule))
    assert inversion.first == first
    assert torch.equal(inversion.at(STEPS), source)
    assert (_back(lambda latents, step: said, inversion, schedule) - source).abs().max() < 1e-10
    assert torch.equal(inversion.reference(schedule.steps[2]), inversion.states[2])


@pytest.mark.parametrize(("kind", "prediction"), ROWS)
def test_refinement_makes_it_exact_where_plain_inversion_is_not(kind: Any, prediction: str) -> None:
    source, schedule = 0.5 * _random(0, 2), _schedule(kind, prediction, 4)
    errors = []
    for refinements in (0, 2, 40):
        inversion = outcome_of(invert(_smooth, source, schedule, refinements=refinements))
        errors.append(float((_back(_smooth, inversion, schedule) - source).abs().max()))
    assert errors[0] > 1e-4
    assert errors[1] < errors[0] / 5
    assert errors[2] < 1e-8


def test_the_sampling_loop_leads_back_from_the_noise_that_was_found() -> None:
    schedule = _schedule(diffusers.DDIMScheduler, "epsilon")
    source = _random(0).float()
    network: Denoiser = lambda latents, step: _smooth(latents, step).float()  # noqa: E731
    inversion = outcome_of(invert(network, source, schedule, refinements=20))
    sampled = outcome_of(denoise(network, inversion.noise, NoBlend(), schedule)).latents
    assert (sampled - source).abs().max() < 1e-4


def test_held_on_its_trajectory_a_picture_comes_back_whatever_the_network_says() -> None:
    schedule = _schedule(diffusers.DDIMScheduler, "epsilon")
    source = _random(0).float()
    inversion = outcome_of(invert(lambda latents, step: 0.1 * latents, source, schedule))
    seen: list[torch.Tensor] = []

    def network(latents: torch.Tensor, step: Step) -> torch.Tensor:
        seen.append(latents)
        return -latents

    until = torch.full((1, 1, 6, 5), STEPS)
    blend = LatentBlend(source, source, until, reference=inversion.reference)
    again = _schedule(diffusers.DDIMScheduler, "epsilon")
    assert torch.equal(outcome_of(denoise(network, inversion.noise, blend, again)).latents, source)
    assert all(torch.equal(one, other) for one, other in zip(seen, inversion.states, strict=False))
    assert len(seen) == STEPS


def test_an_exploding_state_is_shown_to_the_network_at_unit_variance_of_its_own_level() -> None:
    """The state that is looked at is the cleaner one; scaled by the level of the noisier one it would be too faint."""
    schedule, seen = _schedule(diffusers.EulerDiscreteScheduler, "epsilon"), list[torch.Tensor]()

    def network(latents: torch.Tensor, step: Step) -> torch.Tensor:
        seen.append(latents)
        return _smooth(latents, step)

    inversion = outcome_of(invert(network, _random(0), schedule))
    for latents, i in zip(seen, range(STEPS, 0, -1), strict=True):
        sigma = float(schedule.sigmas[i])
        assert (latents - inversion.at(i) / (sigma**2 + 1) ** 0.5).abs().max() < 1e-6


def test_it_asks_the_network_once_a_step_and_once_more_for_each_refinement() -> None:
    calls: list[int] = []

    def network(latents: torch.Tensor, step: Step) -> torch.Tensor:
        calls.append(step.index)
        assert not torch.is_grad_enabled()
        return 0.1 * latents

    reports = list(invert(network, _random(0), _schedule(diffusers.DDIMScheduler, "epsilon", 17)))
    assert calls == [19, 18, 17]
    assert [report.fraction for report in reports if isinstance(report, Progress)] == pytest.approx([1 / 3, 2 / 3, 1])
    calls.clear()
    outcome_of(invert(network, _random(0), _schedule(diffusers.DDIMScheduler, "epsilon", 18), refinements=2))
    assert calls == [19, 19, 19, 18, 18, 18]


def test_numbers_that_are_none_are_noticed() -> None:
    with pytest.raises(NotFinite):
        outcome_of(
            invert(lambda latents, step: latents * torch.nan, _random(0), _schedule(diffusers.DDIMScheduler, "epsilon"))
        )
