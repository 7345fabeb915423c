"""Kandinsky 2.2: a decoder that is told nothing but the CLIP embedding of a picture, and a prior that makes such embeddings from words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import PIL.Image
import torch
import transformers
from diffusers.utils.torch_utils import get_module_execution_device
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
from editor.diffusion.families.kandinsky.family import PRIOR_PARTS
from editor.diffusion.families.networks import BorrowedNetwork, from_network, predicted, to_network
from editor.diffusion.families.torch_half import ModelFiles, Networks
from editor.diffusion.families.unet_runs import evaluate
from editor.diffusion.finite import undecoded, unencoded
from editor.diffusion.loading import image_processor_of, scheduler_of
from editor.diffusion.noise import Noise
from editor.diffusion.prompts import readings, tokens
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.diffusion.widening import Widening
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.requests.reports import Progress, Reports, outcome_of
from editor.requests.samplers import Sampler

PRIOR_STEPS, PRIOR_GUIDANCE = 25, 4.0


class Kandinsky(BorrowedNetwork):
    """A `Backend` over two diffusers pipelines. Latents are the MoVQ's own, unscaled."""

    def __init__(self, info: ModelInfo, decoder: Any, prior: Any) -> None:
        """`decoder`: a `KandinskyV22Pipeline` or `KandinskyV22Img2ImgPipeline`. `prior`: a `KandinskyV22PriorPipeline`."""
        self.info = info
        self._decoder, self._prior = decoder, prior
        self._widening = Widening()

    @cached_property
    def device(self) -> torch.device:
        """Looked for once: diffusers goes through all modules for it, and a pipeline stays where it was loaded."""
        return torch.device(self._decoder._execution_device)

    @property
    def guidance_kinds(self) -> frozenset[GuidanceKind]:
        return frozenset({"classifier_free"})

    @torch.no_grad()
    def encode(self, image: Image) -> torch.Tensor:
        """(1, 4, h, w). Sides are multiples of 64."""
        movq = self._decoder.movq

        def encoded() -> torch.Tensor:
            latents: torch.Tensor = movq.encode(to_network(image, self.device, movq.dtype)).latents
            return latents

        return self._widening.run(movq, encoded, unencoded(self.info)).float().contiguous()

    def sample(self, image: Image, generator: torch.Generator) -> torch.Tensor:
        """`encode`: there is no posterior."""
        return self.encode(image)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor, *, clamp: bool = True) -> NDArray[np.float32]:
        """(B, H, W, 3) in [0, 1], or around it."""
        movq = self._decoder.movq

        def decoded() -> torch.Tensor:
            planes: torch.Tensor = movq.decode(latents.to(self.device, movq.dtype), force_not_quantize=True).sample
            return planes

        return from_network(self._widening.run(movq, decoded, undecoded(self.info), latents), clamp=clamp)

    def own_decoder(self) -> OwnDecoder:
        movq = self._decoder.movq
        return OwnDecoder.of(movq, self.device, spatial=movq.config.norm_type == "spatial")

    def tokenise(self, prompt: str) -> tuple[Tokens, ...]:
        """The prompt as the prior's text encoder reads it, which is 75 tokens and not more."""
        tokenizer = self._prior.tokenizer
        reading = readings((prompt,), tokenizer)[0]
        return (tokens(replace(reading, ids=reading.ids[:1], extra=reading.extra[:1]), tokenizer),)

    def encode_text(self, prompts: Sequence[str], canvas: Size, extra_tokens: ExtraTokens | None = None) -> Embeddings:
        """`image_embeds` (n, width), what the prior makes of each prompt by itself. It reads words of its own vocabulary only."""
        if extra_tokens:
            raise ValueError("Kandinsky's prior reads no vectors in the place of words")
        rows = [outcome_of(self._words(prompt, "", 0))[0] for prompt in prompts]
        return Embeddings(None, {"image_embeds": torch.cat(rows)})

    def unconditional(self, kind: Unconditional, canvas: Size) -> Embeddings:
        """The embedding of a blank picture, which is what it was trained with, or what the prior makes of no words."""
        if kind == "empty":
            return self.encode_text(("",), canvas)
        blank = self._prior.get_zero_embed(1, device=self._prior._execution_device)
        return Embeddings(None, {"image_embeds": blank.to(self.device)})

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
        """Positive and negative, `image_embeds` (1, width) each. Weights of words and pictures add up to 1; without a negative prompt the
        negative is the embedding of a blank picture. The prior reads 75 tokens of a prompt, not more.
        Reports before each step of the prior."""
        words, negative = yield from self._words(prompt, negative_prompt, seed)
        share = picture_share if pictures else 0.0
        whole = sum(picture.weight for picture in pictures)
        positive = (1.0 - share) * words
        for picture in pictures:
            positive = positive + share * picture.weight / whole * self._picture_embedding(picture.image)
        return Embeddings(None, {"image_embeds": positive}), Embeddings(None, {"image_embeds": negative})

    def predict(self, latents: torch.Tensor, step: Step, embeddings: Embeddings) -> torch.Tensor:
        """(B, 8, h, w) float32: noise, then variances."""
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
        own = self._decoder.scheduler
        return Schedule(
            own, sampler=sampler, steps=steps, strength=strength, first=first, device=self.device, finer=finer
        )

    @property
    def _network(self) -> Any:
        return self._decoder.unet

    def _words(self, prompt: str, negative_prompt: str, seed: int) -> Reports[tuple[torch.Tensor, torch.Tensor]]:
        """The prior's embeddings of a prompt and a negative prompt: what its pipeline makes. Both start from the same noise."""
        pipeline = self._prior
        prior, scheduler, device = pipeline.prior, pipeline.scheduler, pipeline._execution_device
        # Each prompt is guided away from the negative one, also the negative prompt itself.
        prompts, away = ([prompt, negative_prompt], [negative_prompt] * 2) if negative_prompt else ([prompt], None)
        generators = Noise([seed] * len(prompts)).generators("prompt")
        try:
            summary, states, mask = pipeline._encode_prompt(prompts, device, 1, True, away)
            scheduler.set_timesteps(PRIOR_STEPS, device=device)
            shape = len(prompts), prior.config.embedding_dim
            latents = pipeline.prepare_latents(shape, summary.dtype, device, generators, None, scheduler)
            times = list(scheduler.timesteps)
            for step, (t, then) in enumerate(zip(times, [*times[1:], None], strict=True)):
                yield Progress(step / len(times), f"Reading the words · {step + 1} of {len(times)}")
                embeds = prior(torch.cat([latents] * 2), t, summary, states, mask).predicted_image_embedding
                free, led = embeds.chunk(2)
                guided = free + PRIOR_GUIDANCE * (led - free)
                latents = scheduler.step(guided, t, latents, generator=generators, prev_timestep=then).prev_sample
            latents = prior.post_process_latents(latents)
            negative = latents[1:] if away else pipeline.get_zero_embed(len(latents), device=latents.device)
            return latents[:1].to(self.device), negative.to(self.device)
        finally:
            pipeline.maybe_free_model_hooks()

    def _picture_embedding(self, image: Image) -> torch.Tensor:
        """The CLIP embedding of a picture on white, made square first: CLIP would cut off what is longer."""
        height, width = image.shape[:2]
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        margins = ((top, side - height - top), (left, side - width - left), (0, 0))
        square = np.pad(np.rint(image * 255).astype(np.uint8), margins, constant_values=255)
        encoder = self._prior.image_encoder
        pixels = self._prior.image_processor(PIL.Image.fromarray(square), return_tensors="pt").pixel_values
        embeds: torch.Tensor = encoder(pixels.to(get_module_execution_device(encoder), encoder.dtype)).image_embeds
        return embeds.to(self.device)


class KandinskyNetworks(Networks):
    """A `KandinskyV22Pipeline`, the decoder, and a `KandinskyV22PriorPipeline`."""

    classes: Mapping[str, Any] = {
        "unet": diffusers.UNet2DConditionModel,
        "movq": diffusers.VQModel,
        "prior": diffusers.PriorTransformer,
        "image_encoder": transformers.CLIPVisionModelWithProjection,
        "text_encoder": transformers.CLIPTextModelWithProjection,
    }
    decodes_in_slices = False

    def pipelines(self, info: ModelInfo, parts: Mapping[str, Any], files: ModelFiles, folder: Path) -> tuple[Any, ...]:
        scheduler = scheduler_of(folder / "scheduler")
        decoder = diffusers.KandinskyV22Pipeline(unet=parts["unet"], movq=parts["movq"], scheduler=scheduler)
        own = info.family.place(info, folder, "prior").parent
        prior = diffusers.KandinskyV22PriorPipeline(
            **{name: parts[name] for name in PRIOR_PARTS},
            tokenizer=files.tokenizer(own / "tokenizer"),
            image_processor=image_processor_of(own / "image_processor"),
            scheduler=scheduler_of(own / "scheduler"),
        )
        return decoder, prior

    def backend(self, info: ModelInfo, pipelines: tuple[Any, ...]) -> Backend:
        return Kandinsky(info, *pipelines)

    def evaluate(self, name: str, network: Any, cells: Size, batch: int) -> None:
        evaluate(name, network, cells, batch)
