"""Step: one step of a sampling run, as networks, guidance, attention control and blending see it."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A noise level of a schedule, and where it stands in it.

    Anything that depends on time (guidance windows, attention windows, learned values) reads it here and counts nothing.

    index: of all steps of the schedule, 0 = the noisiest, also where a run begins late; -1 for a level that is not a step of the schedule
    t: what the network is given as time, () or (B,)
    alpha: what clean latents are multiplied by at this level, () or (B, 1, 1, 1) float32
    sigma: what unit noise is multiplied by, likewise; where `alpha` is 1 it is the sigma of Karras et al. (arXiv 2206.00364)
    next_sigma: `sigma` of the level that the step leads to
    """

    index: int
    t: torch.Tensor
    alpha: torch.Tensor
    sigma: torch.Tensor
    next_sigma: torch.Tensor

    def noised(self, latents: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Clean latents at this level: alpha z + sigma e."""
        return self.alpha * latents + self.sigma * noise
