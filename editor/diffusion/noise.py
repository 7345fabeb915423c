"""Every random number of one edit, from the seeds that stand in its requests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from editor.diffusion.step import Step

Purpose = Literal["start", "exemplar", "sampler", "posterior", "prompt", "blend"]
# Generators for each picture of a batch: of one stream for a whole run, or those of one step.
StepGenerators = Sequence[torch.Generator] | Callable[[Step], Sequence[torch.Generator]]

# The revision of the request's rules since which what is drawn at a step depends on its place in the schedule and not on where a run begins.
KEYED = 3


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

    def generators(self, purpose: Purpose, index: int | None = None) -> list[torch.Generator]:
        """A fresh generator for each picture; the same purpose gives the same stream again.

        index: of a step, absolute: a stream of its own for each
        """
        return [torch.Generator("cpu").manual_seed(_stream(seed, purpose, index)) for seed in self._seeds]

    def sampler(self, revision: int) -> StepGenerators:
        """For samplers that add noise: by the absolute index of a step, so that a run which begins earlier or later draws the same numbers.

        revision: of the request's rules; older ones drew on from one stream
        """
        if revision < KEYED:
            return self.generators("sampler")
        return lambda step: self.generators("sampler", step.index)

    def like(self, latents: torch.Tensor, purpose: Purpose = "start", index: int | None = None) -> torch.Tensor:
        """(batch, C, h, w) unit Gaussian of the latents' grid, on their device, in their precision. `index`: as in `generators`."""
        return _drawn(latents, self.generators(purpose, index))

    def stream(self, latents: torch.Tensor, purpose: Purpose) -> Callable[[], torch.Tensor]:
        """As `like`, but every call draws on."""
        generators = self.generators(purpose)
        return lambda: _drawn(latents, generators)

    def draw(self, latents: torch.Tensor, purpose: Purpose, number: int) -> torch.Tensor:
        """The draw of that number, from 0 on, of the `stream`."""
        draw = self.stream(latents, purpose)
        for _ in range(number):
            draw()
        return draw()


def _drawn(latents: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
    drawn = [torch.randn(latents.shape[1:], generator=generator, dtype=torch.float32) for generator in generators]
    return torch.stack(drawn).to(latents.device, latents.dtype)


def _stream(seed: int, purpose: Purpose, index: int | None) -> int:
    """A seed for one purpose: 63 bits of a hash, because streams of neighbouring seeds must have nothing in common."""
    name = purpose if index is None else f"{purpose}@{index}"
    digest = hashlib.blake2b(f"{name}:{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
