"""Stable Diffusion XL, base and refiner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.utils.torch_utils import get_module_execution_device

from editor.diffusion.backend import Embeddings, PicturePrompt
from editor.diffusion.prompts import in_a_row, readings
from editor.diffusion.stable_diffusion import StableDiffusion
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.requests.reports import Reports

# How good a picture is said to be, 1 to 10: what the refiner is steered to and away from (PIXELS specification, 8.1).
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
        """Positive and negative: hidden states before the last layer, `text_embeds` of the second encoder, `time_ids` of the canvas.

        An empty negative prompt is zeros where the model was trained so.
        """
        yield from ()  # too quick for reports
        prompts = (prompt, negative_prompt)
        parts = [(self._pipeline.tokenizer, self._pipeline.text_encoder)] if self._pipeline.text_encoder else []
        parts.append((self._pipeline.tokenizer_2, self._pipeline.text_encoder_2))
        longest = max(len(ids) for tokenizer, _ in parts for ids in readings(prompts, tokenizer))
        read = [(encoder, readings(prompts, tokenizer, longest)) for tokenizer, encoder in parts]
        positive, negative = (self._read([(encoder, ids[k]) for encoder, ids in read]) for k in range(2))
        if not negative_prompt and self._pipeline.config.force_zeros_for_empty_prompt:
            negative = torch.zeros_like(positive[0]), torch.zeros_like(positive[1])
        return self._told(*positive, canvas, AESTHETIC), self._told(*negative, canvas, NEGATIVE_AESTHETIC)

    def _read(self, parts: Sequence[tuple[Any, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states of all encoders side by side, and the last one's summary of the first reading."""
        states = []
        for encoder, ids in parts:
            read = encoder(ids.to(get_module_execution_device(encoder)), output_hidden_states=True)
            states.append(in_a_row(read.hidden_states[-2]).to(self.device))
        return torch.cat(states, dim=-1), read.text_embeds[:1].to(self.device)

    def _told(self, hidden: torch.Tensor, pooled: torch.Tensor, canvas: Size, score: float) -> Embeddings:
        size, corner = canvas.shape, (0, 0)
        last = (score,) if self.info.family == "stable-diffusion-xl-refiner" else size
        ids = torch.tensor([[*size, *corner, *last]], dtype=torch.float32, device=self.device)
        return Embeddings(hidden, {"text_embeds": pooled, "time_ids": ids})
