"""Stable Diffusion 1 and 2, for noise and for v prediction; SDXL builds on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.utils.torch_utils import get_module_execution_device
from numpy.typing import NDArray

from editor.diffusion.backend import Embeddings, Image, PicturePrompt
from editor.diffusion.decoders import OwnDecoder
from editor.diffusion.finite import undecoded, unencoded
from editor.diffusion.families.ldm_checkpoint import LdmCheckpoint, scheduler_changes
from editor.diffusion.families.networks import from_network, predicted, to_network
from editor.diffusion.families.torch_half import ModelFiles, Networks
from editor.diffusion.families.unet_runs import evaluate
from editor.diffusion.loading import scheduler_of
from editor.diffusion.prompts import in_a_row, readings
from editor.diffusion.scaling import Scaling
from editor.diffusion.schedule import Schedule
from editor.diffusion.widening import Widening
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.requests.edit_request import Sampler
from editor.requests.reports import Reports

# What diffusers' pipeline changes as well, with a warning for who wrote the settings.
OF_FIRST: Mapping[str, Any] = {"clip_sample": False, "steps_offset": 1}


class StableDiffusion:
    """A `Backend` over a diffusers pipeline. Networks are called through it, so that parts on another device are fetched when it is their turn."""

    def __init__(self, info: ModelInfo, pipeline: Any) -> None:
        """`pipeline`: a `StableDiffusionPipeline`, or another one with the same parts, on its device."""
        self.info = info
        self._pipeline = pipeline
        self._widening = Widening()

    @property
    def device(self) -> torch.device:
        found: torch.device = self._pipeline._execution_device
        return torch.device(found)

    def encode(self, image: Image) -> torch.Tensor:
        """(1, C, h, w), the mean of the posterior."""
        return self._scaling.to_network(self._posterior(image).mode().float()).contiguous()

    def sample(self, image: Image, generator: torch.Generator) -> torch.Tensor:
        """(1, C, h, w), drawn from the posterior."""
        return self._scaling.to_network(self._posterior(image).sample(generator).float()).contiguous()

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> NDArray[np.float32]:
        """(B, H, W, 3) in [0, 1]."""
        vae = self._pipeline.vae
        whole = self._scaling.to_autoencoder(latents)

        def decoded() -> torch.Tensor:
            planes: torch.Tensor = vae.decode(whole.to(self.device, vae.dtype), return_dict=False)[0]
            return planes

        return from_network(self._widening.run(vae, decoded, undecoded(self.info), whole))

    def own_decoder(self) -> OwnDecoder:
        return OwnDecoder.of(self._pipeline.vae, self.device, scaling=self._scaling)

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
        """Positive and negative, (1, 77 n, width): the text encoder's last states. It is stored as deep as it is meant to be read."""
        yield from ()  # too quick for reports
        encoder = self._pipeline.text_encoder
        device = get_module_execution_device(encoder)
        positive, negative = (
            Embeddings(in_a_row(encoder(ids.to(device))[0]).to(self.device))
            for ids in readings((prompt, negative_prompt), self._pipeline.tokenizer)
        )
        return positive, negative

    def predict(self, latents: torch.Tensor, t: torch.Tensor, embeddings: Embeddings) -> torch.Tensor:
        """The U-Net's prediction, (B, C, h, w) float32."""
        return predicted(self._pipeline.unet, latents, t, embeddings)

    def schedule(self, steps: int, strength: float = 1.0, sampler: Sampler = "", first: int | None = None) -> Schedule:
        """A fresh schedule; the pipeline's scheduler is only read."""
        own = self._pipeline.scheduler
        return Schedule(own, sampler=sampler, steps=steps, strength=strength, first=first, device=self.device)

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

    def pipelines(
        self, info: ModelInfo, parts: Mapping[str, Any], files: ModelFiles, folder: Path
    ) -> tuple[Any, ...]:
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
