"""A model's decoder as a copy of one's own: to be trained on one picture, or to send gradients through, while the model stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from accelerate.hooks import remove_hook_from_module
from torch.utils.checkpoint import checkpoint

from editor.diffusion.scaling import Scaling


@dataclass(frozen=True, slots=True, eq=False)
class OwnDecoder:
    """Float32, on the model's device, nothing of it shared with the model; no gradients are wanted of its weights until somebody does.

    `network`: what the published refinement trains. `before`: the convolution in front of it, if there is one, which stays as it is. `scaling`: of
    the latents on their way in. `spatial`: whether the network looks at those once more in its norms.
    """

    network: torch.nn.Module
    before: torch.nn.Module | None
    scaling: Scaling
    spatial: bool

    @classmethod
    def of(
        cls, autoencoder: Any, device: torch.device, *, scaling: Scaling | None = None, spatial: bool = False
    ) -> OwnDecoder:
        """`autoencoder`: with `decoder` and `post_quant_conv`, wherever they lie in memory."""
        with torch.inference_mode(False):
            before = autoencoder.post_quant_conv
            return cls(
                _copied(autoencoder.decoder, device),
                None if before is None else _copied(before, device),
                scaling or Scaling(),
                spatial,
            )

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) as the backend has them -> (B, 3, H, W) around [-1, 1], not clipped."""
        whole = self.scaling.to_autoencoder(latents)
        inner = whole if self.before is None else self.before(whole)
        planes: torch.Tensor = self.network(inner, whole) if self.spatial else self.network(inner)
        return planes

    @property
    def weights(self) -> Sequence[torch.Tensor]:
        """Everything that what it decodes depends on, beside the latents."""
        parts = (self.network,) if self.before is None else (self.network, self.before)
        return [self.scaling.numbers, *(tensor for part in parts for tensor in part.state_dict().values())]

    @property
    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """What training it changes: those of the network."""
        return list(self.network.parameters())

    def save_memory(self) -> None:
        """Compute the insides of its blocks twice instead of keeping them for the way back: the same numbers, in less memory and more time."""
        network: Any = self.network
        network._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
        network.gradient_checkpointing = True


def _copied(network: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    # Where parts or layers take turns on the device, the weights lie in hooks; taking those off the copy puts the weights in their places.
    copied: torch.nn.Module = remove_hook_from_module(copy.deepcopy(network), recurse=True)
    return copied.to(device, torch.float32).eval().requires_grad_(False)
