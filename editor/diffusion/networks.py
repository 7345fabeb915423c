"""What every family does alike with the networks of a diffusers pipeline: pictures in and out, precision in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.adaptation import Adaptation, Lora, adapted, trainable
from editor.diffusion.attention.control import AttentionControl, begin
from editor.diffusion.attention.operations import Operation
from editor.diffusion.attention.sites import BatchLayout
from editor.diffusion.backend import Embeddings, Image
from editor.diffusion.step import Step


class BorrowedNetwork:
    """The verbs of a `Backend` that reach into the one network which makes the steps."""

    @property
    def _network(self) -> Any:
        raise NotImplementedError

    def attention(
        self, operations: Operation | Sequence[Operation], rows: BatchLayout | None = None
    ) -> AttentionControl:
        return AttentionControl(self._network, operations, rows)

    def adapted(self, weights: Mapping[str, torch.Tensor]) -> Adaptation:
        return adapted(self._network, weights)

    def trainable(self, what: Sequence[str] | Lora, seed: int = 0) -> Adaptation:
        return trainable(self._network, what, seed)


def to_network(image: Image, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """(H, W, 3) in [0, 1] -> (1, 3, H, W) in [-1, 1], contiguous."""
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0), dtype=np.float32))
    return (2.0 * planes[None] - 1.0).to(device, dtype)


def from_network(planes: torch.Tensor, *, clamp: bool = True) -> NDArray[np.float32]:
    """(B, 3, H, W) around [-1, 1] -> (B, H, W, 3) in [0, 1], or around it without `clamp`; contiguous."""
    scaled = planes / 2 + 0.5
    images = scaled.clamp(0, 1) if clamp else scaled
    return np.ascontiguousarray(images.float().permute(0, 2, 3, 1).cpu().numpy(), dtype=np.float32)


def predicted(unet: Any, latents: torch.Tensor, step: Step, embeddings: Embeddings) -> torch.Tensor:
    """What a U-Net predicts: float32 in and out, its own precision inside. Gradients flow where they are wanted.

    Attention control, where it is on, is told the step's index; a level that is no step of the schedule is none to it.
    """
    begin(unet, step.index if step.index >= 0 else None)
    dtype = next(unet.parameters()).dtype  # `unet.dtype` looks through all its layers, at every step
    # Sizes stay whole: beyond 256 pixels bfloat16 would round them.
    added = {name: value if name == "time_ids" else value.to(dtype) for name, value in embeddings.added.items()}
    prediction: torch.Tensor = unet(
        latents.to(dtype),
        step.t,
        encoder_hidden_states=None if embeddings.hidden is None else embeddings.hidden.to(dtype),
        encoder_attention_mask=embeddings.mask,
        added_cond_kwargs=added or None,
        return_dict=False,
    )[0]
    return prediction.float()
