"""Adapters and controls that are on during an evaluation only, so that a job that waits between two reports leaves the network as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")
Contexts = Sequence[AbstractContextManager[object]]


def during(function: Callable[P, R], *contexts: AbstractContextManager[object]) -> Callable[P, R]:
    """A function, such as a denoiser, inside of whose calls the contexts are on; they must be such as can be entered again and again."""

    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with _all(contexts):
            return function(*args, **kwargs)

    return inside


def evaluated(
    loss: Callable[[], torch.Tensor], parameters: Sequence[torch.Tensor], *contexts: AbstractContextManager[object]
) -> Callable[[], torch.Tensor]:
    """A loss that is evaluated inside of the contexts, its gradients too: what is checkpointed runs again on the way back, and must find them on.

    loss: a scalar, computed anew by each call.
    parameters: what gradients are wanted of; `backward` of the answer adds them to `grad` as that of the loss would.
    """

    def inside() -> torch.Tensor:
        if not torch.is_grad_enabled():
            with _all(contexts):
                return loss()
        value: torch.Tensor = _Evaluated.apply(loss, contexts, *parameters)  # type: ignore[no-untyped-call]
        return value

    return inside


class _Evaluated(torch.autograd.Function):
    """A scalar that brings its gradients with it."""

    @staticmethod
    def forward(ctx: Any, loss: Callable[[], torch.Tensor], contexts: Contexts, *parameters: torch.Tensor) -> Any:
        with _all(contexts), torch.enable_grad():
            value = loss()
            gradients = torch.autograd.grad(value, parameters, allow_unused=True)
        ctx.used = [isinstance(gradient, torch.Tensor) for gradient in gradients]
        ctx.save_for_backward(*(gradient for gradient, used in zip(gradients, ctx.used, strict=True) if used))
        return value.detach()

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        gradients: Iterator[torch.Tensor] = iter(ctx.saved_tensors)
        return None, None, *(upstream[0] * next(gradients) if used else None for used in ctx.used)


def _all(contexts: Contexts) -> ExitStack:
    stack = ExitStack()
    try:
        for context in contexts:
            stack.enter_context(context)
    except BaseException:
        stack.close()
        raise
    return stack
