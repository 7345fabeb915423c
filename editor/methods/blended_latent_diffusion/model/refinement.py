"""Learning the surroundings: a decoder trained on one picture, or latents moved, until what is decoded outside the region is the picture
(docs/methods.md, Blended Latent Diffusion 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.decoders import OwnDecoder
from editor.diffusion.families.networks import from_network, to_network
from editor.diffusion.finite import finite, unlearned
from editor.diffusion.optimise import minimise
from editor.requests.reports import Reports

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Learns = Literal["decoder", "latents"]

PHASE = "Learning the surroundings"
STEPS = 75
RATES: Mapping[Learns, float] = {"decoder": 1e-4, "latents": 0.1}
OUTSIDE = 100.0  # how much more the surroundings count than the region
LARGE = 640 * 640  # pixels of a canvas, from which memory is dearer than time


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """`image`: (H, W, 3) in [0, 1]. `losses`: before each step. `early`: whether somebody asked to finish before the last step."""

    image: Image
    losses: tuple[float, ...]
    early: bool


def misfit(
    image: torch.Tensor, wanted: torch.Tensor, source: torch.Tensor, region: torch.Tensor, outside: float = OUTSIDE
) -> torch.Tensor:
    """The mean square of what `image` lacks of `wanted` inside the region, and `outside` times that of what it lacks of `source` elsewhere.

    (B, 3, H, W) in [-1, 1], `region` (1, 1, H, W) of 0 and 1. Both are means over all pixels and channels, so that a small region weighs little.
    """
    inner, outer = region * (wanted - image), (1 - region) * (source - image)
    return inner.square().mean() + outside * outer.square().mean()


@torch.no_grad()
def refined(
    decoder: OwnDecoder,
    latents: torch.Tensor,
    source: Image,
    region: Mask,
    learns: Learns,
    *,
    wanted: Image | None = None,
    steps: int = STEPS,
    outside: float = OUTSIDE,
) -> Reports[Refined]:
    """The latents (C, h, w), decoded so that it is `source` (H, W, 3) outside `region` (H, W) and inside what it was, or `wanted` (H, W, 3).

    `decoder` is used up. "decoder" trains it with the latents as they are; "latents" moves a copy of them and leaves the decoder.
    Raises `NotFinite` where learning leads nowhere.
    """
    task = _Task.of(decoder, latents, source, region, learns, wanted=wanted, outside=outside)
    adam = partial(torch.optim.Adam, task.parameters, lr=RATES[learns])
    done = yield from minimise(task.loss, adam, steps, doing=PHASE)
    planes = decoder(task.latents)
    if not finite(planes):
        raise unlearned()
    return Refined(from_network(planes)[0], done.losses, done.early)


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    decoder: OwnDecoder
    latents: torch.Tensor
    wanted: torch.Tensor
    source: torch.Tensor
    region: torch.Tensor
    parameters: Sequence[torch.Tensor]
    outside: float

    @classmethod
    def of(
        cls,
        decoder: OwnDecoder,
        latents: torch.Tensor,
        source: Image,
        region: Mask,
        learns: Learns,
        *,
        wanted: Image | None,
        outside: float,
    ) -> _Task:
        if region.size >= LARGE:
            decoder.save_memory()
        with torch.inference_mode(False):  # what was made inside of it takes part in no gradient
            z = latents[None].detach().float().clone()
            with torch.no_grad():
                inside = decoder(z) if wanted is None else to_network(wanted, z.device, torch.float32)
            parameters: Sequence[torch.Tensor] = [z.requires_grad_()] if learns == "latents" else decoder.parameters
            for parameter in parameters:
                parameter.requires_grad_()
            target = to_network(source, z.device, torch.float32)
            mask = torch.from_numpy(region.astype(np.float32))[None, None].to(z.device)
            return cls(decoder, z, inside, target, mask, parameters, outside)

    def loss(self) -> torch.Tensor:
        return misfit(self.decoder(self.latents), self.wanted, self.source, self.region, self.outside)
