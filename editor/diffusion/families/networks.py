"""What every family does alike with the networks of a diffusers pipeline: pictures in and out, precision in and out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.backend import Embeddings, Image


def to_network(image: Image, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """(H, W, 3) in [0, 1] -> (1, 3, H, W) in [-1, 1], contiguous."""
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0), dtype=np.float32))
    return (2.0 * planes[None] - 1.0).to(device, dtype)


def from_network(planes: torch.Tensor) -> NDArray[np.float32]:
    """(B, 3, H, W) around [-1, 1] -> (B, H, W, 3) in [0, 1], contiguous."""
    images = (planes / 2 + 0.5).clamp(0, 1).float().permute(0, 2, 3, 1).cpu().numpy()
    return np.ascontiguousarray(images, dtype=np.float32)


def predicted(unet: Any, latents: torch.Tensor, t: torch.Tensor, embeddings: Embeddings) -> torch.Tensor:
    """What a U-Net predicts: float32 in and out, its own precision inside. Gradients flow where they are wanted."""
    dtype = next(unet.parameters()).dtype  # `unet.dtype` looks through all its layers, at every step
    # Sizes stay whole: beyond 256 pixels bfloat16 would round them.
    added = {name: each if name == "time_ids" else each.to(dtype) for name, each in embeddings.added.items()}
    found: torch.Tensor = unet(
        latents.to(dtype),
        t,
        encoder_hidden_states=None if embeddings.hidden is None else embeddings.hidden.to(dtype),
        added_cond_kwargs=added or None,
        return_dict=False,
    )[0]
    return found.float()
