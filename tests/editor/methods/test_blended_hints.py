"""What a run begins with where colours were scribbled, and how thin regions close in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from editor.diffusion.step import Step
from tests.support.blended_cases import (
    Wishful,
    encoded,
    run,
    settings,
    wish,
)
from tests.support.pixels_cases import (
    SIDE,
    Map,
    Model,
    Pixels,
    noise,
    picture,
)

Models = Callable[[str], Model]
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def _scribbled(image: Pixels) -> Pixels:
    found = image.copy()
    found[20:44, 30:60] = (250, 20, 30)
    return found


def test_invariant_29_a_scribble_is_what_a_run_begins_with(models: Models) -> None:
    """A model that wants the scribble gets it; where nothing may change the scribble's own picture is what the latents end with."""
    asked = wish(steps=8, guidance_scale=1.0)
    colours = _scribbled(asked.image)
    painted = replace(asked, scribble=colours)
    model = models("sdxl")
    target = encoded(replace(asked, image=colours), model)
    found = run(painted, Wishful(model.backend, target))[1]
    assert (found - target).abs().max() < 1e-6
    assert not torch.equal(target, encoded(asked, model))


def test_invariant_29_the_more_steps_are_skipped_the_more_of_the_scribble_stays(models: Models) -> None:
    """A model that sees no noise anywhere only takes the state apart: what remains is the noise of the start, scaled up."""
    model = models("sd")
    away = []
    for p in (0, 0.25, 0.5, 0.75, 0.9):
        asked = wish(np.full(SIDE.shape, 1 - p, np.float32), sampler="ddim", steps=50, guidance_scale=1.0)
        colours = _scribbled(asked.image)
        target = encoded(replace(asked, image=colours), model)
        found = run(replace(asked, scribble=colours), _Blank(model.backend))[1]
        away.append(float((found - target).square().mean().sqrt()))
        level = model.backend.schedule(50, sampler="ddim", first=round(50 * p - 0.4)).levels[0]
        assert away[-1] == pytest.approx(level / (1 - level**2) ** 0.5, rel=0.12)
    assert away == sorted(away, reverse=True)
    assert len(set(away)) == 5


class _Blank:
    """A backend whose network says that there is no noise."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def predict(self, latents: torch.Tensor, step: Step, embeddings: Any) -> torch.Tensor:
        return torch.zeros_like(latents)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def _stripe(width: int) -> Map:
    found = np.zeros(SIDE.shape, np.float32)
    found[24 : 24 + width, 16:100] = 1
    return found


@pytest.mark.parametrize(("width", "same"), [(6, "on"), (16, "on"), (24, "off")])
def test_thin_regions_are_widened_of_themselves(models: Models, width: int, same: Any) -> None:
    auto, on, off = (
        run(wish(_stripe(width), settings(thin=thin), steps=4), models("sdxl"))[1] for thin in ("auto", "on", "off")
    )
    assert torch.equal(auto, on if same == "on" else off)
    assert not torch.equal(on, off)


def test_what_is_widened_is_seen_by_the_network(models: Models) -> None:
    """Around a thin region its surroundings are free at first: they differ from the noised source there, and less far out step by step."""
    told = settings(thin="on", widen=3)
    asked = wish(_stripe(8), told, steps=8, guidance_scale=1.0)
    model = models("sdxl")
    recorded = run(asked, model)[2]
    schedule = model.backend.schedule(8)
    source = encoded(asked, model)
    reach = []
    for i, seen in enumerate(recorded.inputs):
        held = schedule.model_input(schedule.noised(source, noise(11), i), i)
        schedule.step(torch.zeros_like(held), i, held)  # the scheduler counts along
        rows = ((seen - held).abs() > 1e-6).any(1)[0].any(1)
        reach.append(int(rows.sum()))
    assert reach == [0, 7, 7, 5, 5, 3, 3, 1]


@pytest.mark.parametrize("picture_seed", [1, 5])
def test_the_same_request_gives_the_same_bytes(models: Models, picture_seed: int) -> None:
    asked = wish(steps=3, image=picture(picture_seed))
    first, second = (run(asked, models("kandinsky"))[0] for _ in range(2))
    assert first.rect == second.rect
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert first.latents is not None
    assert second.latents is not None
    assert first.latents.tobytes() == second.latents.tobytes()
