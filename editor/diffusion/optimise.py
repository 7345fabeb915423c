"""The one optimisation loop: any optimiser, gradient accumulation, a stop rule, and a state to go on from. It knows nothing of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from editor.diffusion.finite import unlearned
from editor.requests.reports import FinishEarly, Progress, Reports

# Names in a saved state.
_PARAMETER, _STATE, _NUMBER, _GROUP, _GENERATOR, _LOSSES = (
    "parameter",
    "state",
    "number",
    "group",
    "generator",
    "losses",
)


@dataclass(frozen=True, slots=True)
class Minimised:
    """The outcome of an optimisation.

    losses: before each step that was taken, also those before it was resumed
    early: whether somebody asked to finish before the last step
    stopped: whether the stop rule ended it
    """

    losses: tuple[float, ...]
    early: bool = False
    stopped: bool = False


class Learning:
    """An optimisation between two steps: all that it takes to go on from there.

    optimiser: over float32 leaves, which are changed in place
    generators: that the loss draws from
    losses: before each step that was taken
    """

    def __init__(self, optimiser: torch.optim.Optimizer, generators: Sequence[torch.Generator] = ()) -> None:
        self.optimiser, self.generators = optimiser, tuple(generators)
        self.losses: list[float] = []

    @property
    def parameters(self) -> list[torch.Tensor]:
        """What is optimised, in the order in which the optimiser counts it."""
        return [parameter for group in self.optimiser.param_groups for parameter in group["params"]]

    def tensors(self) -> dict[str, torch.Tensor]:
        """A copy of its state as named tensors, which safetensors can hold."""
        state = self.optimiser.state_dict()
        named: dict[str, torch.Tensor] = {_LOSSES: torch.tensor(self.losses, dtype=torch.float64)}
        for index, parameter in enumerate(self.parameters):
            named[f"{_PARAMETER}.{index}"] = parameter
        for index, values in state["state"].items():
            for name, value in values.items():
                if isinstance(value, torch.Tensor):
                    named[f"{_STATE}.{index}.{name}"] = value
                elif value is not None:
                    named[f"{_NUMBER}.{index}.{name}"] = torch.tensor(value)
        for index, group in enumerate(state["param_groups"]):
            for name, value in group.items():
                if isinstance(value, float):
                    named[f"{_GROUP}.{index}.{name}"] = torch.tensor(value, dtype=torch.float64)
        for index, generator in enumerate(self.generators):
            named[f"{_GENERATOR}.{index}"] = generator.get_state()
        return {name: value.detach().clone().contiguous() for name, value in named.items()}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """As it was when `tensors` were taken. Raises `KeyError` or `ValueError` where they belong to another optimisation."""
        self.losses = tensors[_LOSSES].tolist()
        for index, parameter in enumerate(self.parameters):
            saved = tensors[f"{_PARAMETER}.{index}"]
            if saved.shape != parameter.shape:
                raise ValueError(f"a parameter is {tuple(saved.shape)} and must be {tuple(parameter.shape)}")
            parameter.copy_(saved)
        state = self.optimiser.state_dict()
        values: dict[int, dict[str, Any]] = {}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            place, _, field = rest.partition(".")
            if kind == _STATE:
                values.setdefault(int(place), {})[field] = value.clone()
            elif kind == _NUMBER:
                values.setdefault(int(place), {})[field] = value.item()
            elif kind == _GROUP:
                state["param_groups"][int(place)][field] = value.item()
        self.optimiser.load_state_dict({**state, "state": values})
        for index, generator in enumerate(self.generators):
            generator.set_state(tensors[f"{_GENERATOR}.{index}"].cpu())


def minimise(
    loss: Callable[[], torch.Tensor],
    optimiser: Callable[[], torch.optim.Optimizer],
    steps: int,
    *,
    doing: str,
    accumulate: int = 1,
    stop: Callable[[float], bool] | None = None,
    generators: Sequence[torch.Generator] = (),
    resume: Mapping[str, torch.Tensor] | None = None,
    keep: Callable[[Learning], None] | None = None,
) -> Reports[Minimised]:
    """Steps of an optimiser on a loss, which is computed anew for each. Reports "`doing` · 12 of 75".

    loss: a scalar
    optimiser: makes it, over float32 leaves that are changed in place
    steps: of the whole optimisation, with those before it was resumed
    accumulate: how many evaluations of the loss each step takes the mean gradient of
    stop: whether to take no more steps, by the loss before the one just taken
    generators: that the loss draws from; they are part of the state
    resume: the state to go on from (`Learning.tensors`)
    keep: is given the optimisation after every step

    It works from anywhere, also where gradients are off: they are on around loss and step only, never while it waits. What the loss reads
    must have been made outside of `torch.inference_mode`. Asked to finish early, it leaves the parameters as they are by then. Closed between two
    steps, too: to undo is up to whoever lent them. Raises `NotFinite` at the first loss that is no finite number.
    """
    learning: Learning | None = None
    losses: tuple[float, ...] = () if resume is None else tuple(resume[_LOSSES].tolist())
    if losses and stop is not None and stop(losses[-1]):
        return Minimised(losses, stopped=True)
    for step in range(len(losses), steps):
        with torch.inference_mode(False), torch.enable_grad():
            if learning is None:
                learning = Learning(optimiser(), generators)
                if resume is not None:
                    learning.restore(resume)
            learning.losses.append(_stepped(loss, learning.optimiser, accumulate))
        losses = tuple(learning.losses)
        if not math.isfinite(losses[-1]):
            raise unlearned()
        if keep is not None:
            keep(learning)
        try:
            yield Progress((step + 1) / steps, f"{doing} · {step + 1} of {steps}")
        except FinishEarly:
            return Minimised(losses, early=True)
        if stop is not None and stop(losses[-1]):
            return Minimised(losses, stopped=True)
    return Minimised(losses)


def _stepped(loss: Callable[[], torch.Tensor], optimiser: torch.optim.Optimizer, accumulate: int) -> float:
    optimiser.zero_grad()
    total = 0.0
    for _ in range(accumulate):
        value = loss()
        torch.autograd.backward(value if accumulate == 1 else value / accumulate)
        total += value.item()
    optimiser.step()
    return total / accumulate
