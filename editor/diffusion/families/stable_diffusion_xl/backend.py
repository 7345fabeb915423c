"""Stable Diffusion XL, base and refiner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from editor.diffusion.backend import Backend, Embeddings, ExtraTokens, PicturePrompt, Unconditional
from editor.diffusion.families.ldm_checkpoint import scheduler_changes
from editor.diffusion.families.stable_diffusion.backend import StableDiffusion, StableDiffusionNetworks
from editor.diffusion.families.torch_half import ModelFiles
from editor.diffusion.families.unet_runs import evaluate
from editor.diffusion.loading import index_of, scheduler_of
from editor.diffusion.prompts import Reading, encoded, in_a_row
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.requests.reports import Reports

# How good a picture is said to be, 1 to 10: what the refiner is steered to and away from.
AESTHETIC, NEGATIVE_AESTHETIC = 6.0, 2.5


class StableDiffusionXL(StableDiffusion):
    """The base reads prompts with two text encoders, the refiner with the second one; both also read sizes, the refiner a score."""

    def __init__(self, info: ModelInfo, pipeline: Any) -> None:
        """`pipeline`: a `StableDiffusionXLPipeline` or `StableDiffusionXLImg2ImgPipeline`, on its device. A VAE that overflows in half
        precision is made float32, unless it was loaded so."""
        super().__init__(info, pipeline)
        vae = pipeline.vae
        if vae.config.force_upcast and vae.dtype != torch.float32:
            vae.to(torch.float32)

    def encode_text(self, prompts: Sequence[str], canvas: Size, extra_tokens: ExtraTokens | None = None) -> Embeddings:
        """Hidden states before the last layer, `text_embeds` of the second encoder, `time_ids` of the canvas."""
        encoders = [encoder for _, encoder in self._text_parts()]
        states = [self._encoded(encoders, prompt_readings) for prompt_readings in self._readings(prompts, extra_tokens)]
        hidden, pooled = (torch.cat(tensors) for tensors in zip(*states, strict=True))
        return self._conditioned(hidden, pooled, canvas, AESTHETIC)

    def unconditional(self, kind: Unconditional, canvas: Size) -> Embeddings:
        """An empty prompt, or zeros of its size; by a low score where the network is given one."""
        empty = self._away(self.encode_text(("",), canvas), canvas)
        return empty if kind == "empty" else self._zeros(empty)

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
        """Positive and negative, as `encode_text`. An empty negative prompt is zeros where the model was trained so."""
        yield from ()  # too quick for reports
        pair = self.encode_text((prompt, negative_prompt), canvas)
        negative = self._away(pair.row(1), canvas)
        if not negative_prompt and self._pipeline.config.force_zeros_for_empty_prompt:
            negative = self._zeros(negative)
        return pair.row(0), negative

    def _text_parts(self) -> list[tuple[Any, Any]]:
        pipeline = self._pipeline
        first = [(pipeline.tokenizer, pipeline.text_encoder)] if pipeline.text_encoder else []
        return [*first, (pipeline.tokenizer_2, pipeline.text_encoder_2)]

    def _encoded(
        self, encoders: Sequence[Any], prompt_readings: Sequence[Reading]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states of all encoders side by side, and the last one's summary of the first reading."""
        states = []
        for encoder, reading in zip(encoders, prompt_readings, strict=True):
            outcome = encoded(encoder, reading, output_hidden_states=True)
            states.append(in_a_row(outcome.hidden_states[-2]).to(self.device))
        return torch.cat(states, dim=-1), outcome.text_embeds[:1].to(self.device)

    def _conditioned(self, hidden: torch.Tensor, pooled: torch.Tensor, canvas: Size, score: float) -> Embeddings:
        size, corner = canvas.shape, (0, 0)
        last = (score,) if self._pipeline.config.get("requires_aesthetics_score", False) else size
        ids = torch.tensor([[*size, *corner, *last]] * len(hidden), dtype=torch.float32, device=self.device)
        return Embeddings(hidden, {"text_embeds": pooled, "time_ids": ids})

    def _away(self, embeddings: Embeddings, canvas: Size) -> Embeddings:
        """As a negative: by a low score where the network is given one."""
        assert embeddings.hidden is not None
        pooled = embeddings.added["text_embeds"]
        return self._conditioned(embeddings.hidden, pooled, canvas, NEGATIVE_AESTHETIC)

    def _zeros(self, embeddings: Embeddings) -> Embeddings:
        assert embeddings.hidden is not None
        pooled = torch.zeros_like(embeddings.added["text_embeds"])
        return Embeddings(torch.zeros_like(embeddings.hidden), {**embeddings.added, "text_embeds": pooled})


class StableDiffusionXLNetworks(StableDiffusionNetworks):
    """A `StableDiffusionXLImg2ImgPipeline`.

    zeros: whether an empty negative prompt is zeros where the model does not say
    time_ids: how many numbers about sizes and scores its network is given
    """

    classes: Mapping[str, Any] = {
        **StableDiffusionNetworks.classes,
        "text_encoder_2": transformers.CLIPTextModelWithProjection,
    }
    zeros = True
    time_ids = 6

    def pipelines(self, info: ModelInfo, parts: Mapping[str, Any], files: ModelFiles, folder: Path) -> tuple[Any, ...]:
        scheduler = scheduler_of(folder / "scheduler", scheduler_changes(info))
        zeros = bool(index_of(folder).get("force_zeros_for_empty_prompt", self.zeros))
        options = {"force_zeros_for_empty_prompt": zeros, "add_watermarker": False}
        tokenizers = {name: files.tokenizer(folder / name) for name in info.family.tokenizers}
        kind = diffusers.StableDiffusionXLImg2ImgPipeline
        return (kind(**self.absent, **parts, **tokenizers, scheduler=scheduler, **options),)

    @property
    def absent(self) -> Mapping[str, Any]:
        """What its pipeline is told beside its parts."""
        return {}

    def backend(self, info: ModelInfo, pipelines: tuple[Any, ...]) -> Backend:
        return StableDiffusionXL(info, *pipelines)

    def evaluate(self, name: str, network: Any, cells: Size, batch: int) -> None:
        evaluate(name, network, cells, batch, self.time_ids)


class RefinerNetworks(StableDiffusionXLNetworks):
    """The same without the first text encoder, and told a score."""

    zeros = False
    time_ids = 5

    @property
    def absent(self) -> Mapping[str, Any]:
        return {"text_encoder": None, "tokenizer": None, "requires_aesthetics_score": True}
