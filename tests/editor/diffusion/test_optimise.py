"""The optimisation loop: it is Adam, it can be left at any step, and it minds nobody else's gradient mode."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from editor.diffusion.optimise import Minimised, minimise
from editor.requests.reports import FinishEarly, Progress
from tests.support.reports import drive

WANTED = torch.tensor([3.0, -1.0])


def running(place: torch.Tensor, steps: int = 20) -> Generator[Any, None, Minimised]:
    return minimise(
        lambda: (place - WANTED).square().mean(), lambda: torch.optim.Adam([place], lr=0.1), steps, doing="Learning"
    )


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


FACTORIES: dict[str, Callable[[list[torch.Tensor]], torch.optim.Optimizer]] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.05, weight_decay=0.1, amsgrad=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.02, momentum=0.9),
    "adagrad": lambda parameters: torch.optim.Adagrad(parameters, lr=0.1),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.01, centered=True),
}


class Task:
    """Two parameters, and a loss that draws from a generator."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.places = [torch.zeros(2, requires_grad=True), torch.full((3,), 0.5, requires_grad=True)]
        self.random = torch.Generator().manual_seed(4)

    def loss(self) -> torch.Tensor:
        wanted = WANTED + 0.1 * torch.randn(2, generator=self.random)
        near: torch.Tensor = (self.places[0] - wanted).square().mean()
        far: torch.Tensor = self.places[1].square().sum() * self.places[0].sum().square()
        return near + far

    def run(self, steps: int, **more: Any) -> Generator[Any, None, Minimised]:
        return minimise(
            self.loss,
            lambda: FACTORIES[self.kind](self.places),
            steps,
            doing="Learning",
            generators=[self.random],
            **more,
        )


@pytest.mark.parametrize("kind", FACTORIES)
def test_killed_and_resumed_it_ends_where_it_would_have(kind: str, tmp_path: Path) -> None:
    whole = Task(kind)
    expected = drive(whole.run(20))
    file = tmp_path / "state.safetensors"
    killed = Task(kind)
    reports = killed.run(20, keep=lambda learning: save_file(learning.tensors(), file))
    for _ in range(7):
        next(reports)
    reports.close()
    again = Task(kind)
    again.random.manual_seed(99)
    done = drive(again.run(20, resume=load_file(file)))
    assert done == expected
    for one, other in zip(again.places, whole.places, strict=True):
        assert torch.equal(one, other)


def test_a_state_is_a_copy_and_belongs_to_its_own_optimisation() -> None:
    task, states = Task("adam"), list[dict[str, torch.Tensor]]()
    drive(task.run(2, keep=lambda learning: states.append(learning.tensors())))
    assert not torch.equal(states[0]["parameter.0"], states[1]["parameter.0"])
    other = Task("adam")
    other.places[0] = torch.zeros(5, requires_grad=True)
    with pytest.raises(ValueError, match="parameter"):
        drive(other.run(5, resume=states[0]))


def test_gradients_of_several_evaluations_are_averaged() -> None:
    values = torch.tensor([[3.0, -1.0], [1.0, 5.0], [2.0, 2.0]])
    place, other = (torch.zeros(2, requires_grad=True) for _ in range(2))
    turn = cycle(values)

    def loss() -> torch.Tensor:
        mean: torch.Tensor = (place - next(turn)).square().mean()
        return mean

    done = drive(minimise(loss, lambda: torch.optim.SGD([place], lr=0.1), 5, doing="Learning", accumulate=3))
    whole = drive(
        minimise(
            lambda: (other - values).square().mean(), lambda: torch.optim.SGD([other], lr=0.1), 5, doing="Learning"
        )
    )
    assert (place - other).abs().max() < 1e-6
    assert done.losses == pytest.approx(whole.losses)


def test_it_stops_by_the_rule_and_says_so() -> None:
    place = torch.zeros(2, requires_grad=True)
    full = drive(running(torch.zeros(2, requires_grad=True)))

    def run(threshold: float, resume: Any = None) -> Minimised:
        return drive(
            minimise(
                lambda: (place - WANTED).square().mean(),
                lambda: torch.optim.Adam([place], lr=0.1),
                20,
                doing="Learning",
                stop=lambda loss: loss < threshold,
                resume=resume,
            )
        )

    done = run((full.losses[5] + full.losses[4]) / 2)
    assert done.stopped
    assert done.losses == full.losses[:6]
    with torch.no_grad():
        place.zero_()
    assert len(run(100.0).losses) == 1  # above the first loss: exactly one step
    resumed = run(100.0, {"losses": torch.tensor([3.0])})
    assert resumed == Minimised((3.0,), stopped=True)
