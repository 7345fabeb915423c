"""Every random number of one edit, from the seeds that stand in its requests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal

import torch

Purpose = Literal["start", "exemplar", "sampler", "posterior", "prompt", "blend"]


class Noise:
    """Gaussian noise for a batch: one seed for each picture in it.

    Numbers are drawn in float32 on the CPU and then moved, so that a seed means the same on every device; each purpose has its own stream,
    so that one draw more does not shift the others; and each picture has its own, so that a batch equals single runs.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        if not seeds:
            raise ValueError("noise needs a seed for each picture")
        self._seeds = tuple(seeds)

    @property
    def batch(self) -> int:
        return len(self._seeds)

    def generators(self, purpose: Purpose) -> list[torch.Generator]:
        """A fresh generator for each picture; the same purpose gives the same stream again."""
        return [torch.Generator("cpu").manual_seed(_stream(seed, purpose)) for seed in self._seeds]

    def like(self, latents: torch.Tensor, purpose: Purpose = "start") -> torch.Tensor:
        """(batch, C, h, w) unit Gaussian of the latents' grid, on their device, in their precision."""
        return self.stream(latents, purpose)()

    def stream(self, latents: torch.Tensor, purpose: Purpose) -> Callable[[], torch.Tensor]:
        """As `like`, but every call draws on."""
        shape, generators = latents.shape[1:], self.generators(purpose)

        def draw() -> torch.Tensor:
            drawn = [torch.randn(shape, generator=each, dtype=torch.float32) for each in generators]
            return torch.stack(drawn).to(latents.device, latents.dtype)

        return draw


def _stream(seed: int, purpose: Purpose) -> int:
    """A seed for one purpose: 63 bits of a hash, because streams of neighbouring seeds must have nothing in common."""
    digest = hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
