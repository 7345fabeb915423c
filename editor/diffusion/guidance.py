"""Guidance: what a network is asked at every step, branch by branch, and how the answers combine.

Classifier-free guidance (Ho and Salimans, arXiv 2207.12598, eq. 6) is a base branch, the negative one, and the positive one over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch

from editor.diffusion.backend import Backend, Embeddings
from editor.diffusion.step import Step

# (model input (B, C, h, w), step) -> prediction (B, C or more, h, w).
Denoiser = Callable[[torch.Tensor, Step], torch.Tensor]
# What a row of a batch is: a picture that is being made, or one of a pair, of which the source is only followed along.
Role = Literal["candidate", "source", "target"]


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """One question to the network.

    name: "positive", "negative", or what a method calls it
    embeddings: of batch 1, for all rows, or of as many as there are rows
    over: the name of the branch, an earlier one, from which this one leads away; empty for the base, which is the first
    scale: how far it leads; a number, or (B,) one for each row
    """

    name: str
    embeddings: Embeddings
    over: str = ""
    scale: float | torch.Tensor = 1.0


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """What stands in one row of what the network sees. `picture`: which row of the latents it is."""

    branch: str
    role: Role
    picture: int


@dataclass(frozen=True, slots=True, eq=False)
class Guidance:
    """base + sum of scale (branch - over), evaluated in one pass.

    branches: at least one; the base first. What a network predicts beyond the latents' channels (variances) is taken from the last.
    """

    branches: tuple[Branch, ...]

    @property
    def passes(self) -> int:
        """How often the network sees each picture."""
        return len(self.branches)

    def rows(self, roles: Sequence[Role]) -> tuple[NetworkRow, ...]:
        """What stands in each row of what the network sees, for latents whose rows have these roles: branch by branch."""
        return tuple(NetworkRow(branch.name, role, row) for branch in self.branches for row, role in enumerate(roles))

    def embeddings(self, batch: int) -> Embeddings:
        """Of all rows that the network sees."""
        return reduce(Embeddings.beside, (branch.embeddings.repeated(batch) for branch in self.branches))

    def combined(self, predictions: torch.Tensor, channels: int) -> torch.Tensor:
        """What the network says of all rows, (branches x B, ...), as one prediction for each picture. `channels`: of the latents."""
        parts = predictions.chunk(len(self.branches))
        by_name = {branch.name: part for branch, part in zip(self.branches, parts, strict=True)}
        if len(parts) == 1:
            return predictions
        guided = parts[0][:, :channels]
        for branch, part in zip(self.branches[1:], parts[1:], strict=True):
            scale = branch.scale
            if isinstance(scale, torch.Tensor):
                scale = scale.to(part)[:, None, None, None]
            guided = guided + scale * (part[:, :channels] - by_name[branch.over][:, :channels])
        return torch.cat([guided, parts[-1][:, channels:]], dim=1) if parts[-1].shape[1] > channels else guided


def classifier_free(positive: Embeddings, negative: Embeddings, scale: float, *, always: bool = False) -> Guidance:
    """Away from `negative`, towards `positive`. `scale` <= 1 means none: one pass with the positive embeddings, unless `always`."""
    if scale <= 1 and not always:
        return Guidance((Branch("positive", positive),))
    return Guidance((Branch("negative", negative), Branch("positive", positive, over="negative", scale=scale)))


def guided(backend: Backend, guidance: Guidance) -> Denoiser:
    """The network of a model with guidance, as a denoiser. It sees all branches in one batch, the base first."""

    def denoiser(latents: torch.Tensor, step: Step) -> torch.Tensor:
        batch, channels = latents.shape[:2]
        stacked = latents if guidance.passes == 1 else torch.cat([latents] * guidance.passes)
        return guidance.combined(backend.predict(stacked, step, guidance.embeddings(batch)), channels)

    return denoiser
