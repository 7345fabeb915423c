"""Full precision for an autoencoder whose numbers outgrow half precision: only where it must be, and only while it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from editor.diffusion.finite import finite
from editor.errors import NotFinite


class Widening:
    """Computes with one network, and again in float32 where the outcome is not finite. Having helped once, that is done at once from then on."""

    def __init__(self) -> None:
        self.needed = False

    def run(
        self,
        network: torch.nn.Module,
        compute: Callable[[], torch.Tensor],
        problem: NotFinite,
        given: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What `compute` makes with `network`, which comes out of it as it went in, bit for bit. Raises `problem` where that is not finite.

        `compute` looks at the network's precision itself, since it may be called twice. `given`: what it computes from, as far as that may itself
        not be finite; more precision would not help then.
        """
        wide = all(weights.dtype == torch.float32 for weights in network.parameters())
        if wide or not self.needed:
            outcome = compute()
            if finite(outcome):
                return outcome
            if wide or (given is not None and not finite(given)):
                raise problem
        with full_precision(network):
            outcome = compute()
        if not finite(outcome):
            raise problem
        self.needed = True
        return outcome


@contextmanager
def full_precision(network: torch.nn.Module) -> Iterator[None]:
    """`network` in float32. Afterwards its weights are the very arrays that they were."""
    before = [
        (module, name, tensor, tensor.data)
        for module in network.modules()
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        if tensor.is_floating_point()
    ]
    try:
        for _, _, tensor, data in before:
            tensor.data = data.float()
        yield
    finally:
        for module, name, tensor, data in before:
            now = getattr(module, name)
            if now is tensor:
                tensor.data = data
            else:  # where layers take turns on a card, their weights get new places each time, which are empty between the turns
                now.data = now.data.to(data.dtype)
