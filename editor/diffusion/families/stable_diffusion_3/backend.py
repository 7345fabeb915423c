"""Stable Diffusion 3: flow matching by a transformer with joint attention (Esser et al., arXiv 2403.03206)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import normalizers
from torch.nn import functional

from editor.diffusion.attention.control import begin
from editor.diffusion.backend import Backend, Embeddings, ExtraTokens, PicturePrompt, Tokens, Unconditional
from editor.diffusion.families.stable_diffusion.backend import StableDiffusion
from editor.diffusion.families.stable_diffusion_3.family import CLIPS, T5, pieces_of
from editor.diffusion.families.torch_half import ModelFiles, Networks
from editor.diffusion.families.unet_runs import TOKENS
from editor.diffusion.loading import scheduler_of
from editor.diffusion.prompts import Reading, encoded, in_a_row, tokens, whole_readings
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.requests.reports import Reports
from editor.requests.samplers import Sampler

T5_TOKENS = 256  # to which a prompt is filled up; longer ones stay as long as they are
POOLED = "pooled_projections"


class StableDiffusion3(StableDiffusion):
    """A `Backend` over a `StableDiffusion3Pipeline`. The transformer reads what both CLIP encoders say of a prompt, then what T5 says."""

    @property
    def _network(self) -> Any:
        return self._pipeline.transformer

    def tokenise(self, prompt: str) -> tuple[Tokens, ...]:
        """The prompt as each text encoder reads it."""
        own = super().tokenise(prompt)
        tokenizer = self._pipeline.tokenizer_3
        return (
            own if tokenizer is None else (*own, tokens(whole_readings((prompt,), tokenizer, T5_TOKENS)[0], tokenizer))
        )

    def encode_text(self, prompts: Sequence[str], canvas: Size, extra_tokens: ExtraTokens | None = None) -> Embeddings:
        """Hidden states (n, 77 m + 256, width) of CLIP, filled up with zeros, then of T5; `pooled_projections` of both CLIP encoders."""
        encoders = [encoder for _, encoder in self._text_parts()]
        states = [self._clip(encoders, row) for row in self._readings(prompts, extra_tokens)]
        hidden, pooled = (torch.cat(column) for column in zip(*states, strict=True))
        width = self._network.config.joint_attention_dim
        hidden = functional.pad(hidden, (0, width - hidden.shape[-1]))
        return Embeddings(torch.cat([hidden, self._t5(prompts, extra_tokens).to(hidden)], dim=1), {POOLED: pooled})

    def unconditional(self, kind: Unconditional, canvas: Size) -> Embeddings:
        """An empty prompt, or zeros of its size."""
        empty = self.encode_text(("",), canvas)
        if kind == "empty":
            return empty
        assert empty.hidden is not None
        return Embeddings(torch.zeros_like(empty.hidden), {POOLED: torch.zeros_like(empty.added[POOLED])})

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
        """The transformer's velocity, (B, C, h, w) float32."""
        transformer = self._network
        begin(transformer, step.index)
        dtype = next(transformer.parameters()).dtype
        assert embeddings.hidden is not None
        time = step.t.to(latents.device).expand(len(latents))
        velocity: torch.Tensor = transformer(
            hidden_states=latents.to(dtype),
            timestep=time,
            encoder_hidden_states=self._counting(embeddings).to(dtype),
            pooled_projections=embeddings.added[POOLED].to(dtype),
            return_dict=False,
        )[0]
        return velocity.float()

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
        """A fresh schedule, shifted for the canvas where the model says so; the pipeline's scheduler is only read."""
        patch = self.info.cell * self._network.config.patch_size
        return Schedule(
            self._pipeline.scheduler,
            sampler=sampler,
            steps=steps,
            strength=strength,
            first=first,
            device=self.device,
            finer=finer,
            tokens=None if canvas is None else (canvas.width // patch) * (canvas.height // patch),
        )

    def _text_parts(self) -> list[tuple[Any, Any]]:
        """The CLIP tokenizers with their encoders."""
        pipeline = self._pipeline
        return [(pipeline.tokenizer, pipeline.text_encoder), (pipeline.tokenizer_2, pipeline.text_encoder_2)]

    def _clip(self, encoders: Sequence[Any], row: Sequence[Reading]) -> tuple[torch.Tensor, torch.Tensor]:
        """Of one prompt: states before the last layer, and summaries of the first reading, both encoders side by side."""
        outcomes = [
            encoded(encoder, reading, output_hidden_states=True) for encoder, reading in zip(encoders, row, strict=True)
        ]
        hidden = [in_a_row(outcome.hidden_states[-2]).to(self.device) for outcome in outcomes]
        pooled = [outcome.text_embeds[:1].to(self.device) for outcome in outcomes]
        return torch.cat(hidden, dim=-1), torch.cat(pooled, dim=-1)

    def _t5(self, prompts: Sequence[str], extra_tokens: ExtraTokens | None) -> torch.Tensor:
        """(n, tokens, width); zeros where the model has no T5, as it was trained to bear."""
        encoder, tokenizer = self._pipeline.text_encoder_3, self._pipeline.tokenizer_3
        if encoder is None:
            width = self._network.config.joint_attention_dim
            return torch.zeros(len(prompts), T5_TOKENS, width, device=self.device)
        vectors = {word: embeddings[len(CLIPS)] for word, embeddings in (extra_tokens or {}).items()}
        rows = whole_readings(prompts, tokenizer, T5_TOKENS, vectors)
        return torch.cat([encoded(encoder, row)[0].to(self.device) for row in rows])

    @staticmethod
    def _counting(embeddings: Embeddings) -> torch.Tensor:
        """The tokens of all rows. Raises `ValueError` where rows have different numbers of them: joint attention takes no mask."""
        assert embeddings.hidden is not None
        if embeddings.mask is not None and not bool(embeddings.mask.all()):
            raise ValueError("prompts of one batch are of different length; encode them together")
        return embeddings.hidden


class StableDiffusion3Networks(Networks):
    """A `StableDiffusion3Img2ImgPipeline`."""

    classes: Mapping[str, Any] = {
        "transformer": diffusers.SD3Transformer2DModel,
        "vae": diffusers.AutoencoderKL,
        "text_encoder": transformers.CLIPTextModelWithProjection,
        "text_encoder_2": transformers.CLIPTextModelWithProjection,
        T5: transformers.T5EncoderModel,
    }

    def pipelines(self, info: ModelInfo, parts: Mapping[str, Any], files: ModelFiles, folder: Path) -> tuple[Any, ...]:
        tokenizers = {name: files.tokenizer(folder / name) for name in ("tokenizer", "tokenizer_2")}
        tokenizers["tokenizer_3"] = t5_tokenizer(folder / "tokenizer_3") if T5 in parts else None
        scheduler = scheduler_of(folder / "scheduler")
        kind = diffusers.StableDiffusion3Img2ImgPipeline
        return (kind(**{T5: None, **parts}, **tokenizers, scheduler=scheduler),)

    def backend(self, info: ModelInfo, pipelines: tuple[Any, ...]) -> Backend:
        return StableDiffusion3(info, *pipelines)

    def evaluate(self, name: str, network: Any, cells: Size, batch: int) -> None:
        settings, weights = network.config, next(network.parameters())
        like: dict[str, Any] = {"device": weights.device, "dtype": weights.dtype}
        if name == "transformer":
            network(
                torch.zeros(batch, settings.in_channels, *cells.shape, **like),
                torch.zeros(batch, TOKENS + T5_TOKENS, settings.joint_attention_dim, **like),
                torch.zeros(batch, settings.pooled_projection_dim, **like),
                torch.zeros(batch, **like),
                return_dict=False,
            )
        elif name == "vae":
            network.decode(torch.zeros(batch, settings.latent_channels, *cells.shape, **like))
        else:
            length = T5_TOKENS if name == T5 else TOKENS
            network(
                torch.zeros(batch, length, dtype=torch.long, device=weights.device), output_hidden_states=name != T5
            )


def t5_tokenizer(folder: Path) -> Any:
    """T5's tokenizer with the words of a folder; what it does with letters and spaces is its own, whatever stands there. Raises `Damaged`."""
    tokenizer = transformers.T5Tokenizer(vocab=pieces_of(folder), extra_ids=0)
    tokenizer.backend_tokenizer.normalizer = normalizers.NFKC()
    return tokenizer
