"""Backend: the few verbs that every model family offers. Numpy outside, torch inside; they meet in `encode` and `decode`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.decoders import OwnDecoder
from editor.diffusion.schedule import Schedule
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.requests.reports import Reports
from editor.requests.samplers import Sampler

Image = NDArray[np.float32]  # (H, W, 3), 0 to 1


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """What a network is told beside the latents. `hidden`: (1 or B, tokens, width), None where all is in `added`: (1 or B, ...) each."""

    hidden: torch.Tensor | None
    added: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        """Whether all its numbers are finite."""
        tensors = self.added.values() if self.hidden is None else (self.hidden, *self.added.values())
        return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)

    def repeated(self, batch: int) -> Embeddings:
        """For `batch` pictures; what has that many already stays."""

        def wide(tensor: torch.Tensor) -> torch.Tensor:
            return tensor if len(tensor) == batch else tensor.repeat(batch, *[1] * (tensor.dim() - 1))

        hidden = None if self.hidden is None else wide(self.hidden)
        return Embeddings(hidden, {name: wide(each) for name, each in self.added.items()})

    def beside(self, other: Embeddings) -> Embeddings:
        """Both in one batch, this one first."""
        hidden = None
        if self.hidden is not None and other.hidden is not None:
            hidden = torch.cat([self.hidden, other.hidden])
        return Embeddings(hidden, {name: torch.cat([self.added[name], other.added[name]]) for name in self.added})


@dataclass(frozen=True, slots=True, eq=False)
class PicturePrompt:
    """A picture that stands beside the words of a prompt. `image`: (h, w, 3) float32 in [0, 1], its background taken out. `weight`: above 0."""

    image: Image
    weight: float


class Backend(Protocol):
    """A loaded model. It is borrowed: whoever alters it puts it back, also on error and cancel.

    Latents are float32 on `device`, scaled as the network expects them, (B, C, h, w) with h = H / cell and w = W / cell.
    """

    info: ModelInfo

    @property
    def device(self) -> torch.device: ...

    def encode(self, image: Image) -> torch.Tensor:
        """(1, C, h, w), the mean of the posterior. Sides of the image are multiples of `info.multiple`."""

    def sample(self, image: Image, generator: torch.Generator) -> torch.Tensor:
        """(1, C, h, w), drawn from the posterior, as the published scripts do; where there is none it is `encode`."""

    def decode(self, latents: torch.Tensor) -> NDArray[np.float32]:
        """(B, H, W, 3) in [0, 1]."""

    def own_decoder(self) -> OwnDecoder:
        """A copy of what `decode` runs, that gradients flow through and that may be trained; never in tiles."""

    def embed(
        self,
        prompt: str,
        negative_prompt: str,
        canvas: Size,
        pictures: Sequence[PicturePrompt] = (),
        picture_share: float = 0.0,
        *,
        seed: int = 0,
    ) -> Reports[tuple[Embeddings, Embeddings]]:
        """Positive and negative embeddings of batch 1, with reports where that takes long. `canvas`: in pixels. `pictures` count
        `picture_share` (0 to 1) of the prompt, the words the rest, where the family takes pictures as prompts; elsewhere they are left out.
        `seed`: for families that draw random numbers on the way from words to their embedding."""

    def predict(self, latents: torch.Tensor, t: torch.Tensor, embeddings: Embeddings) -> torch.Tensor:
        """The network's prediction for scaled latents, float32, with as many channels as it has."""

    def schedule(self, steps: int, strength: float = 1.0, sampler: Sampler = "", first: int | None = None) -> Schedule:
        """A fresh schedule over the model's own scheduler, or another sampler with its noise levels."""
