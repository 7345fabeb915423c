"""Kept states: a run that goes on from one is the whole run, bit for bit; and noise that does not depend on where a run begins."""

from __future__ import annotations

import inspect
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from editor.diffusion.blending import LatentBlend
from editor.diffusion.denoise import RunState, denoise
from editor.diffusion.guidance import Role
from editor.diffusion.noise import Noise, StepGenerators
from editor.diffusion.schedule import SAMPLERS, Schedule
from editor.diffusion.step import Step
from editor.geometry import Rect
from editor.requests.reports import Preview, outcome_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
SCALED: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
}
STEPS, SEEDS = 8, (5, 6)
# The samplers that may be chosen, and further ones that a model's folder may bring.
KINDS: list[tuple[Any, Any]] = [
    *((diffusers.EulerDiscreteScheduler, sampler) for sampler in SAMPLERS),
    (diffusers.DEISMultistepScheduler, ""),
    (diffusers.DPMSolverSinglestepScheduler, ""),
    (diffusers.LMSDiscreteScheduler, ""),
    (diffusers.FlowMatchEulerDiscreteScheduler, ""),
]


def _schedule(kind: Any, sampler: Any, first: int) -> Schedule:
    settings = {name: SCALED[name] for name in SCALED if name in inspect.signature(kind).parameters}
    own = kind(**settings, **({"lower_order_final": True} if kind is diffusers.DPMSolverSinglestepScheduler else {}))
    return Schedule(own, sampler=sampler, steps=STEPS, first=first)


def _random(seed: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 4, 6, 8, generator=torch.Generator().manual_seed(seed))


def _net(latents: torch.Tensor, step: Step) -> torch.Tensor:
    return torch.tanh(latents + 0.3 * latents.roll(1, -1)) * (0.8 + step.t.float() / 5000)


def _blend(schedule: Schedule, seed: int = 9) -> LatentBlend:
    """Many cells are released at once at one step, so that solvers with a memory begin anew there."""
    until = torch.randint(0, schedule.total + 1, (1, 1, 6, 8), generator=torch.Generator().manual_seed(seed))
    until[..., :4] = schedule.first + 3
    return LatentBlend(_random(0), _random(1), until)


def _generators(*, keyed: bool) -> StepGenerators:
    return Noise(SEEDS).sampler(3 if keyed else 2)


@pytest.mark.parametrize(("kind", "sampler"), KINDS)
@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("keyed", [True, False])
def test_going_on_from_any_state_is_the_whole_run(kind: Any, sampler: Any, first: int, keyed: bool) -> None:
    schedule = _schedule(kind, sampler, first)
    start = schedule.noised(_random(0), _random(1), first)
    kept: list[RunState] = []
    run = denoise(_net, start, _blend(schedule), schedule, _generators(keyed=keyed), keep=kept.append)
    whole = outcome_of(run).latents
    assert [state.step for state in kept] == list(range(first, schedule.total))
    for state in kept:
        again, later = _schedule(kind, sampler, first), list[RunState]()
        run = denoise(_net, state, _blend(again), again, _generators(keyed=keyed), keep=later.append)
        assert torch.equal(outcome_of(run).latents, whole), f"from step {state.step}"
        assert [each.step for each in later] == list(range(state.step, schedule.total))


@pytest.mark.parametrize("sampler", ["euler_a", "dpmpp_2m"])
@pytest.mark.parametrize(("old_until", "new_until"), [(5, 7), (7, 5)])
def test_a_changed_map_is_run_again_from_the_first_step_at_which_it_differs(
    sampler: Any, old_until: int, new_until: int
) -> None:
    def run(blend: LatentBlend, kept: list[RunState], start: RunState | None = None) -> torch.Tensor:
        schedule = _schedule(diffusers.EulerDiscreteScheduler, sampler, 0)
        begin = schedule.noised(_random(0), _random(1), 0) if start is None else start
        return outcome_of(denoise(_net, begin, blend, schedule, _generators(keyed=True), keep=kept.append)).latents

    before = _blend(_schedule(diffusers.EulerDiscreteScheduler, sampler, 0))
    until = before.until.clone()
    until[..., 5, 7], before.until[..., 5, 7] = new_until, old_until
    after = LatentBlend(_random(0), _random(1), until)
    kept: list[RunState] = []
    old = run(before, kept)
    new = run(after, [])
    assert not torch.equal(old, new)
    assert torch.equal(run(after, [], kept[5]), new)


@pytest.mark.parametrize("sampler", ["euler_a", "ddpm", "lcm"])
def test_a_run_that_begins_later_draws_the_same_numbers_at_the_same_steps(sampler: Any) -> None:
    drawn: dict[int, list[torch.Tensor]] = {0: [], 3: []}
    for first, states in drawn.items():
        schedule = _schedule(diffusers.EulerDiscreteScheduler, sampler, first)
        generators = Noise(SEEDS).sampler(3)
        assert callable(generators)
        nothing = torch.zeros(2, 4, 6, 8)
        for step in schedule.steps:  # from nothing, with nothing predicted, a step leaves the noise that it adds
            states.append(schedule.step(nothing, step.index, nothing, generators(step)))
    assert all(torch.equal(one, other) for one, other in zip(drawn[0][3:], drawn[3], strict=True))
    assert sum(bool(each.any()) for each in drawn[3]) >= 4
    assert not torch.equal(drawn[3][0][0], drawn[3][0][1])  # each picture by its own seed
    directions = torch.stack([torch.nn.functional.normalize(each.flatten(), dim=0) for each in drawn[3][:2]])
    assert abs(float(directions[0] @ directions[1])) < 0.3  # each step by its own place


def test_a_source_is_not_what_is_shown_of_a_pair() -> None:
    class Show:
        shown: list[torch.Tensor]

        def due(self) -> bool:
            return True

        def preview(self, latents: torch.Tensor) -> Preview:
            self.shown.append(latents)
            return Preview(Rect.at(0, 0, 1, 1), np.zeros((1, 1, 4), np.uint8))

    def shown(roles: tuple[Role, ...]) -> torch.Tensor:
        show, schedule = Show(), _schedule(diffusers.EulerDiscreteScheduler, "ddim", 0)
        show.shown = []
        until = torch.full((1, 1, 6, 8), STEPS)
        blend = LatentBlend(_random(0), _random(1), until)
        outcome_of(denoise(_net, _random(1), blend, schedule, show=show, roles=roles))
        assert all(latents.shape == (1, 4, 6, 8) for latents in show.shown)
        return show.shown[-1]

    assert torch.equal(shown(()), _random(0)[:1])
    assert torch.equal(shown(("candidate", "candidate")), _random(0)[:1])
    assert torch.equal(shown(("source", "target")), _random(0)[1:])
