"""Finer ladders of few-step models: which levels there are, which strength lets go at which, and runs over them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editor.diffusion.schedule import SAMPLERS, Schedule
from editor.errors import InvalidRequest
from editor.geometry import Rect
from editor.io.codec import codec_of
from editor.io.planes import Shelf
from editor.methods.pixels.hold_counts import release_steps
from editor.methods.pixels.method import PIXELS
from editor.methods.pixels.rungs import Ladder
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.models.info import FEW
from editor.requests.frame import Frame
from tests.support.live_cases import Live, Round, Stroke, stories
from tests.support.pixels_cases import SIDE, Model, by_rule

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
FINER = PixelsSettings(quiet_rungs=True)
SCALED: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LCM = diffusers.LCMScheduler(**SCALED)
TRAILING = diffusers.EulerDiscreteScheduler(**SCALED, timestep_spacing="trailing")
FLOW = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
few = st.integers(1, FEW)


@pytest.mark.parametrize(
    ("own", "expected"), [(LCM, [999, 759, 499, 379, 259, 139]), (TRAILING, [999, 749, 499, 374, 249, 124])]
)
def test_four_steps_become_six_levels(own: Any, expected: list[int]) -> None:
    schedule = Schedule(own, steps=4, first=0, finer=Ladder.of(FINER, 4).finer)
    assert schedule.timesteps.tolist() == expected
    assert (len(schedule), schedule.total) == (6, 6)


def test_many_steps_and_those_who_do_not_ask_have_their_own() -> None:
    assert Ladder.of(FINER, FEW + 1) == Ladder(FEW + 1)
    assert Ladder.of(PixelsSettings(), 4) == Ladder(4)
    assert [len(Ladder.of(FINER, steps)) for steps in range(9)] == [0, 2, 3, 5, 6, 8, 9, 11, 12]


@given(few, st.floats(0, 1), st.floats(0, 1))
def test_more_strength_never_frees_less(steps: int, one: float, other: float) -> None:
    ladder, (low, high) = Ladder.of(FINER, steps), sorted((one, other))
    assert ladder.free_steps(low) <= ladder.free_steps(high)
    assert (ladder.free_steps(0), ladder.free_steps(1)) == (0, len(ladder))


@pytest.mark.parametrize("steps", range(1, FEW + 1))
def test_a_strength_means_the_noise_that_it_means_without(steps: int) -> None:
    ladder = Ladder.of(FINER, steps)
    for free in range(1, steps + 1):
        even = Schedule(TRAILING, steps=steps, first=steps - free)
        finer = Schedule(TRAILING, steps=steps, first=len(ladder) - ladder.free_steps(free / steps), finer=ladder.finer)
        assert abs(float(finer.timesteps[0]) - float(even.timesteps[0])) <= 1  # both are rounded


def test_four_steps_tell_six_strengths_apart() -> None:
    strength = np.repeat(np.linspace(0, 1, SIDE.width // 8, dtype=np.float32), 8)[None].repeat(SIDE.height, 0)
    working = ModelCanvas(Frame.full_size(Rect.at(0, 0, *SIDE)), SIDE, 8)
    found = [
        np.unique(release_steps(own, (), strength, working, 4, overall=1.0)).tolist()
        for own in (PixelsSettings(), FINER)
    ]
    assert found == [[*range(5)], [*range(7)]]
    assert (PIXELS.running_steps(FINER, 0.4, 4), PIXELS.all_steps(FINER, 4)) == (3, 6)


def test_a_sampler_that_takes_even_steps_only_says_so() -> None:
    for sampler in ("ddim", "pndm"):
        with pytest.raises(InvalidRequest, match="evenly spaced"):
            Schedule(LCM, sampler=sampler, steps=4, first=0, finer=Ladder.of(FINER, 4).finer)


def _set_by_hand(scheduler: Any, timesteps: list[int]) -> None:
    """Levels from the training noise at the timesteps, for schedulers that take none."""
    scheduler.set_timesteps(len(timesteps))
    kept = scheduler.alphas_cumprod.double()[torch.tensor(timesteps).long()]
    scheduler.timesteps = torch.tensor(timesteps, dtype=scheduler.timesteps.dtype)
    scheduler.sigmas = torch.cat([((1 - kept) / kept) ** 0.5, torch.zeros(1)]).float()


def _predicted(latents: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return torch.tanh(0.7 * latents) + 0.0003 * float(t)


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize(
    ("own", "sampler"),
    [(LCM, "")] + [(TRAILING, sampler) for sampler in ("", "euler_a", "dpmpp_2m", "unipc", "ddpm")] + [(FLOW, "")],
)
def test_a_run_is_that_of_a_plain_loop(own: Any, sampler: Any, first: int) -> None:
    schedule = Schedule(own, sampler=sampler, steps=4, first=first, finer=Ladder.of(FINER, 4).finer)
    kind = SAMPLERS[sampler] if sampler else type(own)
    more = {} if own is LCM or own is FLOW else {"clip_sample": False}
    scheduler: Any = kind.from_config(own.config, **more)  # type: ignore[attr-defined]
    timesteps = [999, 759, 499, 379, 259, 139] if own is LCM else [999, 749, 499, 374, 249, 124]
    if own is FLOW:
        grid: Any = kind.from_config(own.config)  # type: ignore[attr-defined]
        grid.set_timesteps(8)
        scheduler.set_timesteps(6)
        chosen = [0, 2, 4, 5, 6, 7]
        scheduler.timesteps, scheduler.sigmas = grid.timesteps[chosen], grid.sigmas[[*chosen, 8]]
    elif sampler in ("euler_a", "unipc"):
        _set_by_hand(scheduler, timesteps)
    else:
        scheduler.set_timesteps(timesteps=timesteps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    start = torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(1)) * max(
        1.0, float(schedule.sigmas[first])
    )
    ours = theirs = start
    noises = [torch.Generator().manual_seed(2) for _ in range(2)]
    for i, t in enumerate(scheduler.timesteps[first:], first):
        ours = schedule.step(_predicted(schedule.model_input(ours, i), t), i, ours, noises[:1])
        seen = theirs if own is FLOW else scheduler.scale_model_input(theirs, t)
        extra = {"generator": noises[1]} if "generator" in inspect.signature(scheduler.step).parameters else {}
        theirs = scheduler.step(_predicted(seen, t), t, theirs, return_dict=False, **extra)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sampler", ["lcm", "euler", "euler_a", "dpmpp_2m", "unipc", "ddpm"])
@given(story=stories(), steps=st.integers(2, 6), more=st.sampled_from([{}, {"dither": True}, {"map_scale": "noise"}]))
@settings(
    deadline=None,
    max_examples=3,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_every_live_round_is_a_fresh_run(
    models: Callable[[str], Model], sampler: Any, story: list[Round], steps: int, more: Any
) -> None:
    own = by_rule(quiet_rungs=True, **more)
    live = Live(models("sd"), settings=own, more={"steps": steps, "sampler": sampler})
    live.max_bytes = 2**29  # the promise is worked out for even steps there
    live.play(story)


def test_a_stroke_costs_its_rungs(models: Callable[[str], Model]) -> None:
    live = Live(
        models("sd"),
        lays_in=False,
        settings=by_rule(quiet_rungs=True),
        more={"steps": 4, "sampler": "lcm", "overall": 1.0},
    )
    live.max_bytes = 2**29
    live.play(
        [Round(Stroke(Rect(64, 0, 96, 32), 1.0)), *(Round(Stroke(Rect(0, 48, 16, 64), s)) for s in (0.125, 0.375))]
    )
    assert [round.evaluations for round in live.rounds] == [6, 1, 3]
    assert [round.steps for round in live.rounds] == [6, 6, 6]


def test_files_name_it_only_where_it_is_on() -> None:
    for on in (False, True):
        written = codec_of(PixelsSettings).write(PixelsSettings(quiet_rungs=on), Shelf())
        assert written.get("quiet_rungs") is (True if on else None)
