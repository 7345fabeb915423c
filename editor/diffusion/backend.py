"""Backend: the few verbs that every model family offers. Numpy outside, torch inside; they meet in `encode` and `decode`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from editor.diffusion.adaptation import Adaptation, Lora
from editor.diffusion.attention.control import AttentionControl
from editor.diffusion.attention.operations import Operation
from editor.diffusion.attention.sites import BatchLayout
from editor.diffusion.decoders import OwnDecoder
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.requests.reports import Reports
from editor.requests.samplers import Sampler

Image = NDArray[np.float32]  # (H, W, 3), 0 to 1


# How a family's network can be guided: by a second evaluation with other embeddings, or by a number that it is given ("embedded").
GuidanceKind = Literal["classifier_free", "embedded"]
# What stands for no prompt: an empty one, or zeros in the place of all embeddings.
Unconditional = Literal["empty", "zeros"]
# Vectors that stand for a word, (k, width) for k tokens; one for each text encoder that reads it.
ExtraTokens = Mapping[str, Sequence[torch.Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Conditioning of a network: what it is given beside latents and time.

    hidden: (1 or B, tokens, width), None where all is in `added`
    added: (1 or B, ...) each
    mask: (1 or B, tokens) bool, True where a token counts; None where all do
    """

    hidden: torch.Tensor | None
    added: Mapping[str, torch.Tensor] = field(default_factory=dict)
    mask: torch.Tensor | None = None

    @property
    def finite(self) -> bool:
        """Whether all its numbers are finite."""
        tensors = self.added.values() if self.hidden is None else (self.hidden, *self.added.values())
        return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)

    def repeated(self, batch: int) -> Embeddings:
        """For `batch` pictures; what has that many already stays."""

        def wide(tensor: torch.Tensor) -> torch.Tensor:
            return tensor if len(tensor) == batch else tensor.repeat(batch, *[1] * (tensor.dim() - 1))

        hidden, mask = (None if tensor is None else wide(tensor) for tensor in (self.hidden, self.mask))
        return Embeddings(hidden, {name: wide(tensor) for name, tensor in self.added.items()}, mask)

    def beside(self, other: Embeddings) -> Embeddings:
        """Both in one batch, this one first. The shorter one is filled up with tokens that do not count."""
        added = {name: torch.cat([self.added[name], other.added[name]]) for name in self.added}
        if self.hidden is None or other.hidden is None:
            return Embeddings(None, added)
        tokens = max(self.hidden.shape[1], other.hidden.shape[1])
        one, two = self.filled_up(tokens), other.filled_up(tokens)
        mask = None
        if one.mask is not None or two.mask is not None:
            mask = torch.cat([one._whole_mask, two._whole_mask])
        return Embeddings(torch.cat([one._tokens, two._tokens]), added, mask)

    @property
    def _tokens(self) -> torch.Tensor:
        if self.hidden is None:
            raise ValueError("these embeddings have no tokens")
        return self.hidden

    @property
    def _whole_mask(self) -> torch.Tensor:
        if self.mask is not None:
            return self.mask
        return torch.ones(self._tokens.shape[:2], dtype=torch.bool, device=self._tokens.device)

    def filled_up(self, tokens: int) -> Embeddings:
        """With as many tokens, the further ones masked out; the very same where it has as many."""
        if self.hidden is None or self.hidden.shape[1] == tokens:
            return self
        missing = tokens - self.hidden.shape[1]
        hidden = functional.pad(self.hidden, (0, 0, 0, missing))
        return Embeddings(hidden, self.added, functional.pad(self._whole_mask, (0, missing)))

    def row(self, index: int) -> Embeddings:
        """Of one picture of the batch, as a batch of 1."""
        part = slice(index, index + 1)
        hidden, mask = (None if tensor is None else tensor[part] for tensor in (self.hidden, self.mask))
        return Embeddings(hidden, {name: tensor[part] for name, tensor in self.added.items()}, mask)


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A prompt as one text encoder reads it.

    ids: (n, length), n readings of the encoder's length, one behind the other
    pieces: of all positions in a row, the vocabulary's own spelling, markers of start, end and padding too
    """

    ids: torch.Tensor
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PicturePrompt:
    """A picture that stands beside the words of a prompt. `image`: (h, w, 3) float32 in [0, 1], its background taken out. `weight`: above 0."""

    image: Image
    weight: float


class Backend(Protocol):
    """A loaded model. It is borrowed: whoever alters it puts it back, also on error and cancel.

    Latents are float32 on `device`, scaled as the network expects them, (B, C, h, w) with h = H / cell and w = W / cell. Gradients flow through
    `encode_text` and `predict` where they are wanted.
    """

    info: ModelInfo

    @property
    def device(self) -> torch.device: ...

    @property
    def guidance_kinds(self) -> frozenset[GuidanceKind]:
        """How its network can be guided."""

    def encode(self, image: Image) -> torch.Tensor:
        """(1, C, h, w), the mean of the posterior. Sides of the image are multiples of `info.multiple`."""

    def sample(self, image: Image, generator: torch.Generator) -> torch.Tensor:
        """(1, C, h, w), drawn from the posterior, as the published scripts do; where there is none it is `encode`."""

    def decode(self, latents: torch.Tensor, *, clamp: bool = True) -> NDArray[np.float32]:
        """(B, H, W, 3) in [0, 1], or around it without `clamp`."""

    def own_decoder(self) -> OwnDecoder:
        """A copy of what `decode` runs, that gradients flow through and that may be trained; never in tiles."""

    def tokenise(self, prompt: str) -> tuple[Tokens, ...]:
        """The prompt as each text encoder reads it."""

    def encode_text(self, prompts: Sequence[str], canvas: Size, extra_tokens: ExtraTokens | None = None) -> Embeddings:
        """The embeddings of several prompts, a batch. `canvas`: in pixels.

        extra_tokens: vectors in the place of words of the prompts, wherever they stand by themselves; gradients flow to them
        """

    def unconditional(self, kind: Unconditional, canvas: Size) -> Embeddings:
        """What stands for no prompt, batch 1. Raises `ValueError` for a kind that means nothing to the network."""

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
        """Positive and negative embeddings of batch 1, without gradients, with reports where that takes long.

        canvas: in pixels
        pictures: count `picture_share` (0 to 1) of the prompt, the words the rest, where the family takes pictures as prompts; elsewhere they
            are left out
        seed: for families that draw random numbers on the way from words to their embedding
        """

    def predict(self, latents: torch.Tensor, step: Step, embeddings: Embeddings) -> torch.Tensor:
        """The network's prediction for scaled latents at the time of `step`, float32, with as many channels as it has."""

    def schedule(
        self,
        steps: int,
        strength: float = 1.0,
        sampler: Sampler = "",
        first: int | None = None,
        canvas: Size | None = None,
        *,
        finer: Sequence[int] = (),
    ) -> Schedule:
        """A fresh schedule over the model's own scheduler, or another sampler with its noise levels.

        canvas: in pixels; families whose noise levels depend on it need it
        finer: as in `Schedule`
        """

    def attention(
        self, operations: Operation | Sequence[Operation], rows: BatchLayout | None = None
    ) -> AttentionControl:
        """A `with` in which operations act on the network's attention, at batches laid out as `rows`; it may be entered again and again."""

    def adapted(self, weights: Mapping[str, torch.Tensor]) -> Adaptation:
        """A `with` in which the network has other weights, or adapters: what `Adaptation.tensors` gave."""

    def trainable(self, what: Sequence[str] | Lora, seed: int = 0) -> Adaptation:
        """A `with` in which weights by name, or new adapters, can be learned and all else of the network is frozen."""
