"""The optimisation loop: it is Adam, it can be left at any step, and it minds nobody else's gradient mode."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import torch

from editor.diffusion.optimise import Minimised, minimise
from editor.requests.reports import FinishEarly, Progress

WANTED = torch.tensor([3.0, -1.0])


def running(place: torch.Tensor, steps: int = 20) -> Generator[Any, None, Minimised]:
    return minimise(lambda: (place - WANTED).square().mean(), [place], steps, 0.1, doing="Learning")


def drive(reports: Generator[Any, None, Minimised], seen: list[Any] | None = None) -> Minimised:
    try:
        while True:
            report = next(reports)
            if seen is not None:
                seen.append(report)
    except StopIteration as stop:
        found: Minimised = stop.value
        return found


def test_it_is_adam() -> None:
    place, other = (torch.zeros(2, requires_grad=True) for _ in range(2))
    done = drive(running(place))
    optimiser, losses = torch.optim.Adam([other], lr=0.1), []
    for _ in range(20):
        optimiser.zero_grad()
        loss = (other - WANTED).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert (place == other).all()
    assert done == Minimised(tuple(losses))
    assert losses[-1] < losses[0]


def test_it_says_how_far_it_is() -> None:
    seen: list[Any] = []
    drive(running(torch.zeros(2, requires_grad=True), 4), seen)
    assert seen == [Progress(step / 4, f"Learning · {step} of 4") for step in (1, 2, 3, 4)]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off_and_leaves_them_off(mode: Any) -> None:
    place = torch.zeros(2, requires_grad=True)
    with mode():
        reports = running(place)
        for _ in range(3):
            next(reports)
            assert not torch.is_grad_enabled()
            assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
        reports.close()
    assert torch.is_grad_enabled()
    assert place.abs().min() > 0


def test_gradients_that_are_off_stay_off_for_who_drives_it_from_there() -> None:
    reports = running(torch.zeros(2, requires_grad=True))
    next(reports)
    assert torch.is_grad_enabled()
    with torch.no_grad():
        next(reports)
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_finished_early_it_gives_what_there_is() -> None:
    place = torch.zeros(2, requires_grad=True)
    reports = running(place)
    for _ in range(5):
        next(reports)
    with pytest.raises(StopIteration) as stopped:
        reports.throw(FinishEarly())
    done: Minimised = stopped.value.value
    assert done.early
    assert len(done.losses) == 5
    other = torch.zeros(2, requires_grad=True)
    drive(running(other, 5))
    assert (place == other).all()
