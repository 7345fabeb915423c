"""Classifier-free guidance (Ho and Salimans, arXiv 2207.12598, eq. 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from editor.diffusion.backend import Backend, Embeddings

Denoiser = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Guidance:
    """`scale` <= 1 means none: one pass with the positive embeddings."""

    positive: Embeddings
    negative: Embeddings
    scale: float

    @property
    def passes(self) -> int:
        return 2 if self.scale > 1 else 1


def guided(backend: Backend, guidance: Guidance) -> Denoiser:
    """(model input (B, C, h, w), t) -> prediction. With guidance the network sees 2 B, the negative half first.

    Only the first C channels are guided; what a network predicts beyond them (variances) is taken from the positive half.
    """

    def plain(latents: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return backend.predict(latents, t, guidance.positive.repeated(len(latents)))

    def both(latents: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        batch, channels = latents.shape[:2]
        pair = guidance.negative.repeated(batch).beside(guidance.positive.repeated(batch))
        negative, positive = backend.predict(torch.cat([latents, latents]), t, pair).chunk(2)
        noise = negative[:, :channels] + guidance.scale * (positive[:, :channels] - negative[:, :channels])
        return torch.cat([noise, positive[:, channels:]], dim=1) if positive.shape[1] > channels else noise

    return both if guidance.passes == 2 else plain
