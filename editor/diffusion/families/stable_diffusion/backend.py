"""Stable Diffusion 1 and 2, for noise and for v prediction; SDXL builds on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from numpy.typing import NDArray

from editor.diffusion.backend import (
    Backend,
    Embeddings,
    ExtraTokens,
    GuidanceKind,
    Image,
    PicturePrompt,
    Tokens,
    Unconditional,
)
from editor.diffusion.decoders import OwnDecoder
from editor.diffusion.families.ldm_checkpoint import LdmCheckpoint, scheduler_changes
from editor.diffusion.families.networks import BorrowedNetwork, from_network, predicted, to_network
from editor.diffusion.families.torch_half import ModelFiles, Networks
from editor.diffusion.families.unet_runs import evaluate
from editor.diffusion.finite import undecoded, unencoded
from editor.diffusion.loading import scheduler_of
from editor.diffusion.prompts import Reading, encoded, in_a_row, readings, tokens
from editor.diffusion.scaling import Scaling
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.diffusion.widening import Widening
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.requests.reports import Reports
from editor.requests.samplers import Sampler

# What diffusers' pipeline changes as well, with a warning for who wrote the settings.
OF_FIRST: Mapping[str, Any] = {"clip_sample": False, "steps_offset": 1}


class StableDiffusion(BorrowedNetwork):
    """A `Backend` over a diffusers pipeline. Networks are called through it, so that parts on another device are fetched when it is their turn."""

    def __init__(self, info: ModelInfo, pipeline: Any) -> None:
        """`pipeline`: a `StableDiffusionPipeline`, or another one with the same parts, on its device."""
        self.info = info
        self._pipeline = pipeline
        self._widening = Widening()

    @cached_property
    def device(self) -> torch.device:
        """Looked for once: diffusers goes through all modules for it, and a pipeline stays where it was loaded."""
        return torch.device(self._pipeline._execution_device)

    @property
    def guidance_kinds(self) -> frozenset[GuidanceKind]:
        return frozenset({"classifier_free"})

    def encode(self, image: Image) -> torch.Tensor:
        """(1, C, h, w), the mean of the posterior."""
        return self._scaling.to_network(self._posterior(image).mode().float()).contiguous()

    def sample(self, image: Image, generator: torch.Generator) -> torch.Tensor:
        """(1, C, h, w), drawn from the posterior."""
        return self._scaling.to_network(self._posterior(image).sample(generator).float()).contiguous()

    @torch.no_grad()
    def decode(self, latents: torch.Tensor, *, clamp: bool = True) -> NDArray[np.float32]:
        """(B, H, W, 3) in [0, 1], or around it."""
        vae = self._pipeline.vae
        whole = self._scaling.to_autoencoder(latents)

        def decoded() -> torch.Tensor:
            planes: torch.Tensor = vae.decode(whole.to(self.device, vae.dtype), return_dict=False)[0]
            return planes

        return from_network(self._widening.run(vae, decoded, undecoded(self.info), whole), clamp=clamp)

    def own_decoder(self) -> OwnDecoder:
        return OwnDecoder.of(self._pipeline.vae, self.device, scaling=self._scaling)

    def tokenise(self, prompt: str) -> tuple[Tokens, ...]:
        """The prompt as each text encoder reads it."""
        return tuple(tokens(readings((prompt,), tokenizer)[0], tokenizer) for tokenizer, _ in self._text_parts())

    def encode_text(self, prompts: Sequence[str], canvas: Size, extra_tokens: ExtraTokens | None = None) -> Embeddings:
        """(n, 77 m, width): the text encoder's last states. It is stored as deep as it is meant to be read."""
        ((_, encoder),) = self._text_parts()
        states = [in_a_row(encoded(encoder, reading)[0]) for (reading,) in self._readings(prompts, extra_tokens)]
        return Embeddings(torch.cat(states).to(self.device))

    def unconditional(self, kind: Unconditional, canvas: Size) -> Embeddings:
        """An empty prompt, or zeros of its size."""
        empty = self.encode_text(("",), canvas)
        if kind == "empty":
            return empty
        assert empty.hidden is not None
        return replace(empty, hidden=torch.zeros_like(empty.hidden))

    @torch.no_grad()
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
        """Positive and negative, as `encode_text`."""
        yield from ()  # too quick for reports
        pair = self.encode_text((prompt, negative_prompt), canvas)
        return pair.row(0), pair.row(1)

    def predict(self, latents: torch.Tensor, step: Step, embeddings: Embeddings) -> torch.Tensor:
        """The U-Net's prediction, (B, C, h, w) float32."""
        return predicted(self._network, latents, step, embeddings)

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
        """A fresh schedule; the pipeline's scheduler is only read."""
        own = self._pipeline.scheduler
        return Schedule(
            own, sampler=sampler, steps=steps, strength=strength, first=first, device=self.device, finer=finer
        )

    def _text_parts(self) -> list[tuple[Any, Any]]:
        """Each tokenizer with its encoder."""
        return [(self._pipeline.tokenizer, self._pipeline.text_encoder)]

    def _readings(self, prompts: Sequence[str], extra_tokens: ExtraTokens | None) -> list[tuple[Reading, ...]]:
        """For each prompt its readings by each encoder, as many for all of them."""
        parts = self._text_parts()
        vectors = [
            {word: embeddings[k] for word, embeddings in (extra_tokens or {}).items()} for k in range(len(parts))
        ]
        once = [readings(prompts, tokenizer, 1, own) for (tokenizer, _), own in zip(parts, vectors, strict=True)]
        longest = max(len(reading.ids) for row in once for reading in row)
        alike = [readings(prompts, tokenizer, longest, own) for (tokenizer, _), own in zip(parts, vectors, strict=True)]
        return list(zip(*alike, strict=True))

    @property
    def _network(self) -> Any:
        return self._pipeline.unet

    @property
    def _scaling(self) -> Scaling:
        return Scaling.of(self._pipeline.vae.config)

    @torch.no_grad()
    def _posterior(self, image: Image) -> Any:
        vae = self._pipeline.vae

        def parameters() -> torch.Tensor:
            numbers: torch.Tensor = vae.encode(to_network(image, self.device, vae.dtype)).latent_dist.parameters
            return numbers

        return DiagonalGaussianDistribution(self._widening.run(vae, parameters, unencoded(self.info)))


class StableDiffusionNetworks(Networks):
    """A `StableDiffusionPipeline`."""

    classes: Mapping[str, Any] = {
        "unet": diffusers.UNet2DConditionModel,
        "vae": diffusers.AutoencoderKL,
        "text_encoder": transformers.CLIPTextModel,
    }

    def pipelines(self, info: ModelInfo, parts: Mapping[str, Any], files: ModelFiles, folder: Path) -> tuple[Any, ...]:
        scheduler = scheduler_of(folder / "scheduler", scheduler_changes(info), OF_FIRST)
        tokenizer = files.tokenizer(folder / "tokenizer")
        absent = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        return (diffusers.StableDiffusionPipeline(**parts, tokenizer=tokenizer, scheduler=scheduler, **absent),)

    def backend(self, info: ModelInfo, pipelines: tuple[Any, ...]) -> Backend:
        return StableDiffusion(info, *pipelines)

    def checkpoint(self, info: ModelInfo) -> ModelFiles:
        return LdmCheckpoint(info, self.classes)

    def evaluate(self, name: str, network: Any, cells: Size, batch: int) -> None:
        evaluate(name, network, cells, batch)
