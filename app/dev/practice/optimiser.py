"""Muon for kernels and matrices, AdamW for the rest: small nets from scratch learn in fewer steps than with AdamW alone.

Keller Jordan's update: momentum, made orthogonal by five Newton-Schulz steps; scaled so that AdamW's learning rates fit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """For parameters of two and more dimensions, (out, …) read as a matrix. The state is one momentum a parameter."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self._dtype = dtype  # of the Newton-Schulz steps only

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update from the gradients; parameters without one stay."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum: Tensor = state["momentum"]
                momentum.lerp_(parameter.grad, 1 - MOMENTUM)
                update = parameter.grad.lerp(momentum, MOMENTUM).flatten(1)
                alike[tuple(update.shape)].append((parameter, update))
            for shape, members in alike.items():
                scale = 0.2 * max(shape) ** 0.5
                updates = orthogonal(torch.stack([update for _, update in members]), self._dtype)
                for (parameter, _), update in zip(members, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update.view_as(parameter), alpha=-group["lr"] * scale)


def orthogonal(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Matrices with about the same singular vectors and singular values near 1; (n, rows, columns) float32, worked on in `dtype`."""
    tall = matrices.shape[1] > matrices.shape[2]
    result: Tensor = matrices.mT if tall else matrices
    result = (result / (torch.linalg.matrix_norm(result, keepdim=True) + 1e-7)).to(dtype)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = result @ result.mT
        result = torch.baddbmm(result, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return (result.mT if tall else result).float()


def optimisers(
    module: nn.Module, lr: float, adam_only: tuple[str, ...] = (), dtype: torch.dtype = torch.float32
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the inner matrices of a module, AdamW for vectors, embeddings and the parameters whose names hold `adam_only`."""
    inner: list[nn.Parameter] = []
    outer: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        is_inner = parameter.ndim >= 2 and not any(part in name for part in adam_only)
        (inner if is_inner else outer).append(parameter)
    return Muon(inner, lr, dtype=dtype), torch.optim.AdamW(outer, lr, betas=(0.9, 0.98), weight_decay=0.01)
