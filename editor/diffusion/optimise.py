"""The one optimisation loop. It knows nothing of pictures or models."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from editor.diffusion.finite import unlearned
from editor.requests.reports import FinishEarly, Progress, Reports


@dataclass(frozen=True, slots=True)
class Minimised:
    """`losses`: before each step that was taken. `early`: whether somebody asked to finish before the last."""

    losses: tuple[float, ...]
    early: bool = False


def minimise(
    loss: Callable[[], torch.Tensor],
    parameters: Sequence[torch.Tensor],
    steps: int,
    learning_rate: float,
    *,
    doing: str,
) -> Reports[Minimised]:
    """Adam on `parameters`, float32 leaves that are changed in place; `loss` is computed anew for each step. Reports "`doing` · 12 of 75".

    It works from anywhere, also where gradients are off: they are on around loss and step only, never while it waits. What the loss reads
    must have been made outside of `torch.inference_mode`. Asked to finish early, it leaves the parameters as they are by then. Closed between two
    steps, too: to undo is up to whoever lent them. Raises `NotFinite` at the first loss that is no finite number.
    """
    optimiser: torch.optim.Optimizer | None = None
    losses: list[float] = []
    for step in range(steps):
        with torch.inference_mode(False), torch.enable_grad():
            if optimiser is None:
                optimiser = torch.optim.Adam(parameters, lr=learning_rate)
            losses.append(_stepped(loss, optimiser))
        if not math.isfinite(losses[-1]):
            raise unlearned()
        try:
            yield Progress((step + 1) / steps, f"{doing} · {step + 1} of {steps}")
        except FinishEarly:
            return Minimised(tuple(losses), early=True)
    return Minimised(tuple(losses))


def _stepped(loss: Callable[[], torch.Tensor], optimiser: torch.optim.Optimizer) -> float:
    optimiser.zero_grad()
    value = loss()
    torch.autograd.backward(value)
    optimiser.step()
    return value.item()
